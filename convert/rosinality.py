"""rosinality/stylegan2-pytorch `.pt`: converted models (`g_ema`, `latent_avg`) and training snapshots, which carry no mean latent."""
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from convert.rules import Rule, numbered_layer
from convert.state_dicts import Found, find
from lrgan_jax.foreign.errors import CheckpointError

FORMAT = "rosinality/stylegan2-pytorch"


def _conv(match: re.Match) -> str:
    """convs.{2k} and convs.{2k+1} are conv0 and conv1 of resolution 8 * 2^k."""
    index = int(match[1])
    return f"synthesis.b{8 * 2 ** (index // 2)}.conv{index % 2}"


def _rgb(match: re.Match) -> str:
    return f"synthesis.b{8 * 2 ** int(match[1])}.torgb"


def _layer(pattern, place) -> tuple[Rule, ...]:
    """The rules of one kind of layer; `place` gives its common name."""

    def to(suffix):
        return lambda match: place(match) + suffix

    return (
        Rule(pattern + r"\.conv\.weight", to(".weight"), "drop the leading axis of 1", lambda a: a.reshape(a.shape[1:])),
        Rule(pattern + r"\.conv\.modulation\.weight", to(".affine.weight"), "as it is"),
        Rule(pattern + r"\.conv\.modulation\.bias", to(".affine.bias"), "as it is, the 1 included"),
        Rule(pattern + r"\.activate\.bias", to(".bias"), "as it is"),
        Rule(pattern + r"\.noise\.weight", to(".noise_strength"), "a scalar", lambda a: a.reshape(())),
        Rule(pattern + r"\.bias", to(".bias"), "toRGB: [1, 3, 1, 1] to [3]", lambda a: a.reshape(a.size)),
        Rule(pattern + r"\.(conv\.blur|upsample)\.kernel", to(".resample_filter"), "the gain of 4 is ours to add", lambda a: a / 4),
    )


RULES = (
    Rule(r"style\.(\d+)\.(weight|bias)", lambda m: f"mapping.fc{int(m[1]) - 1}.{m[2]}", "style.0 is the pixel norm"),
    Rule(r"input\.input", "synthesis.b4.const", "drop the leading axis of 1", lambda a: a.reshape(a.shape[1:])),
    *_layer(r"conv1", lambda match: "synthesis.b4.conv1"),
    *_layer(r"to_rgb1", lambda match: "synthesis.b4.torgb"),
    *_layer(r"convs\.(\d+)", _conv),
    *_layer(r"to_rgbs\.(\d+)", _rgb),
    Rule(
        r"noises\.noise_(\d+)",
        lambda m: numbered_layer(int(m[1])) + ".noise_const",
        "[1, 1, r, r] to [r, r]",
        lambda a: a.reshape(a.shape[2:]),
    ),
    Rule(r"latent_avg", "mapping.w_avg", "as it is"),
)


def read(tree: Any) -> Found | None:
    """The tensors of `g_ema` (or `g`) with `latent_avg` beside them; None if this is not such a file."""
    found = find(tree, ("g_ema", "g"), "input.input")
    if found is None:
        if isinstance(tree, Mapping) and ("d" in tree or "d_optim" in tree):
            raise CheckpointError("a rosinality file without a generator: it has neither g_ema nor g")
        return None
    tensors, settings = found
    if isinstance(tree.get("latent_avg"), np.ndarray):
        tensors["latent_avg"] = tree["latent_avg"]
    return tensors, {"scaled_demodulation": True, **settings}
