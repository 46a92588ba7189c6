"""genforce's StyleGAN (1) before Hammer, `.pth`, as in InterFaceGAN's and SeFa's releases: tensors alone."""

import numpy as np

from lrgan_jax.convert.formats import genforce
from lrgan_jax.convert.formats.hammer_stylegan1 import is_old
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
)
from lrgan_jax.convert.formats.stylegan1.network import Project, StyleGAN1Network

NAME = "genforce StyleGAN before Hammer (SeFa)"
SIGN, USUAL = "synthesis.layer0.const", genforce.USUAL


def one_of_all(kernel: np.ndarray) -> np.ndarray:
    """[C, 1, k, k], a filter for each channel, to [k, k], if they are all the same."""
    if kernel.ndim != 4 or kernel.shape[1] != 1 or (kernel != kernel[:1]).any():
        raise ValueError("channels that are filtered differently")
    return kernel[0, 0]


RULES = (
    *SHARED,
    *noise_rules(r"apply_noise\.noise", r"apply_noise\.weight", lambda a: a),
    Rule(r"truncation\.w_avg", "buffers/mapping/w_avg", "as it is"),
    Rule(r"mapping\.label_weight", "params/mapping/label_weight", "as it is"),
    Rule(LAYER + r"\.blur\.kernel", blur, "[C, 1, 3, 3] to [3, 3], the same for all channels", one_of_all),
)
BACK = (
    *SHARED_BACK,
    *noise_rules_back("apply_noise.noise", "apply_noise.weight", lambda a: a),
    Rule(r"buffers/mapping/w_avg", "truncation.w_avg", "all rows one after the other", np.ravel),
    Rule(r"params/mapping/label_weight", "mapping.label_weight", "as it is"),
    blur_rule_back("blur.kernel"),
)
SEFA = Project(
    arguments.fields, arguments.fused, lambda told: told.get("z_space_dim"), arguments.old_table, arguments.DEFAULTS
)


def read(place: Place) -> StyleGAN1Network | None:
    """The network there; None if it is Hammer's."""
    return StyleGAN1Network(NAME, place.tensors, RULES, BACK, SEFA) if is_old(place.tensors) else None
