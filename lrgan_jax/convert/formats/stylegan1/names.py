"""The names that genforce's two StyleGANs share: Hammer's and the one before it (SeFa); to ours, and back."""

import re
from collections.abc import Callable

import numpy as np

from lrgan_jax.convert.formats.layouts import hwio_to_oihw, oihw_to_hwio, scalar, with_two, without_two
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.stylegan2.names import block_number

LAYER = r"synthesis\.layer(\d+)"
OURS = r"params/synthesis/b(\d+)/conv([01])"


def block(index: int) -> str:
    """The place of the block of that number, from 4x4 up."""
    return f"synthesis/b{4 * 2**index}"


def ours(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of layer{i}, the first group of the match."""
    return lambda match: f"params/{block(int(match[1]) // 2)}/conv{int(match[1]) % 2}/{suffix}"


def theirs(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of b{r}/conv{i}, the first two groups of the match."""
    return lambda match: f"synthesis.layer{2 * block_number(match[1]) + int(match[2])}{suffix}"


def noise(match: re.Match) -> str:
    """The picture of layer{i}, the first group of the match."""
    return f"buffers/{block(int(match[1]) // 2)}/noise{int(match[1]) % 2}"


def per_channel(array: np.ndarray) -> np.ndarray:
    """[1, C, 1, 1] to [C]."""
    if array.ndim != 4 or array.size != array.shape[1]:
        raise ValueError("other sides than the channels'")
    return array.reshape(array.shape[1])


def constant(array: np.ndarray) -> np.ndarray:
    """[1, C, 4, 4] to [4, 4, C]."""
    (picture,) = array
    return picture.transpose(1, 2, 0)


def constant_back(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 0, 1)[None]


SHARED = (
    Rule(r"mapping\.dense(\d+)\.weight", r"params/mapping/fc\1/kernel", "out,in to in,out", np.transpose),
    Rule(r"mapping\.dense(\d+)\.bias", r"params/mapping/fc\1/bias", "as it is"),
    Rule(r"synthesis\.lod", "lod", "a scalar", scalar),
    Rule(r"synthesis\.layer0\.const", "params/synthesis/b4/const", "[1, C, 4, 4] to HWC", constant),
    Rule(LAYER + r"\.weight", ours("kernel"), "OIHW to HWIO", oihw_to_hwio),
    Rule(LAYER + r"\.bias", ours("bias"), "as it is"),
    Rule(LAYER + r"\.style\.weight", ours("affine/kernel"), "out,in to in,out", np.transpose),
    Rule(LAYER + r"\.style\.bias", ours("affine/bias"), "as it is, without the 1"),
    Rule(
        r"synthesis\.output(\d+)\.weight",
        lambda match: f"params/{block(int(match[1]))}/torgb/kernel",
        "OIHW to HWIO",
        oihw_to_hwio,
    ),
    Rule(r"synthesis\.output(\d+)\.bias", lambda match: f"params/{block(int(match[1]))}/torgb/bias", "as it is"),
)
SHARED_BACK = (
    Rule(r"params/mapping/fc(\d+)/kernel", r"mapping.dense\1.weight", "in,out to out,in", np.transpose),
    Rule(r"params/mapping/fc(\d+)/bias", r"mapping.dense\1.bias", "as it is"),
    Rule(r"lod", "synthesis.lod", "a scalar"),
    Rule(r"params/synthesis/b4/const", "synthesis.layer0.const", "HWC to [1, C, 4, 4]", constant_back),
    Rule(OURS + "/kernel", theirs(".weight"), "HWIO to OIHW", hwio_to_oihw),
    Rule(OURS + "/bias", theirs(".bias"), "as it is"),
    Rule(OURS + "/affine/kernel", theirs(".style.weight"), "in,out to out,in", np.transpose),
    Rule(OURS + "/affine/bias", theirs(".style.bias"), "as it is, without the 1"),
    Rule(
        r"params/synthesis/b(\d+)/torgb/kernel",
        lambda match: f"synthesis.output{block_number(match[1])}.weight",
        "HWIO to OIHW",
        hwio_to_oihw,
    ),
    Rule(
        r"params/synthesis/b(\d+)/torgb/bias",
        lambda match: f"synthesis.output{block_number(match[1])}.bias",
        "as it is",
    ),
)
PICTURE = r"buffers/synthesis/b(\d+)/noise([01])"


def noise_rules(picture: str, strength: str, layout: Callable[[np.ndarray], np.ndarray]) -> tuple[Rule, ...]:
    """Of a layer's noise picture and strength, by their names below layer{i}."""
    return (
        Rule(f"{LAYER}\\.{picture}", noise, "[1, 1, r, r] to [r, r]", without_two),
        Rule(f"{LAYER}\\.{strength}", ours("noise_strength"), "one number for each channel", layout),
    )


def noise_rules_back(picture: str, strength: str, layout: Callable[[np.ndarray], np.ndarray]) -> tuple[Rule, ...]:
    """The other way."""
    return (
        Rule(PICTURE, theirs(f".{picture}"), "[r, r] to [1, 1, r, r]", with_two),
        Rule(OURS + "/noise_strength", theirs(f".{strength}"), "one number for each channel", layout),
    )


def blur(match: re.Match) -> str:
    """The filter of layer{i}, the first group of the match."""
    return f"filter/{block(int(match[1]) // 2)}"


def blur_rule_back(name: str) -> Rule:
    return Rule(
        r"filter/synthesis/b(\d+)",
        lambda match: f"synthesis.layer{2 * block_number(match[1])}.{name}",
        "[3, 3] to [1, 1, 3, 3]",
        with_two,
    )
