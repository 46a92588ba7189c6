"""genforce's StyleGAN (1) as Hammer saves and ReSeFa loads it, `.pth`; see `hammer.py`."""

import numpy as np

from lrgan_jax.convert.formats import genforce
from lrgan_jax.convert.formats.hammer import ARGUMENTS, arguments_in
from lrgan_jax.convert.formats.layouts import without_two
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.stylegan1 import arguments
from lrgan_jax.convert.formats.stylegan1.names import (
    LAYER,
    SHARED,
    SHARED_BACK,
    blur,
    blur_rule_back,
    noise_rules,
    noise_rules_back,
    per_channel,
)
from lrgan_jax.convert.formats.stylegan1.network import Project, StyleGAN1Network

NAME = "genforce/Hammer StyleGAN (ReSeFa)"
SIGN, USUAL = "synthesis.layer0.const", genforce.USUAL
UNSAID = {"label_dim": 0, "noise_type": "spatial"}  # what a file that carries arguments means where it leaves these out

RULES = (
    *SHARED,
    *noise_rules("noise", "noise_strength", per_channel),
    Rule(r"w_avg", "buffers/mapping/w_avg", "as it is"),
    Rule(r"mapping\.embedding", "params/mapping/label_weight", "as it is"),
    Rule(LAYER + r"\.filter", blur, "[1, 1, 3, 3] to [3, 3]", without_two),
)
BACK = (
    *SHARED_BACK,
    *noise_rules_back("noise", "noise_strength", lambda a: a[None, :, None, None]),
    Rule(r"buffers/mapping/w_avg", "w_avg", "all rows one after the other", np.ravel),
    Rule(r"params/mapping/label_weight", "mapping.embedding", "as it is"),
    blur_rule_back("filter"),
)
HAMMER = Project(
    arguments.fields,
    arguments.fused,
    lambda told: told.get("z_dim", None if told.inside is None else 512),
    arguments.table,
    arguments.DEFAULTS,
)


def read(place: Place) -> StyleGAN1Network | None:
    """The network there, with its arguments if the file has them; None if it is the older relative."""
    if is_old(place.tensors):
        return None
    inside = arguments_in(place)
    inside = None if inside is None else {**UNSAID, **inside}
    return StyleGAN1Network(NAME, place.tensors, RULES, BACK, HAMMER, inside, ARGUMENTS)


def is_old(names) -> bool:
    """Whether the names are those before Hammer."""
    return any(".apply_noise." in name or ".blur." in name or name.startswith("truncation.") for name in names)
