"""The common language of all StyleGAN2 files, NVIDIA's PyTorch names and layouts; from there to ours, and back."""

from functools import lru_cache
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.layouts import hwio_to_oihw, oihw_to_hwio
from lrgan_jax.convert.formats.rules import Rule, refuse, rename
from lrgan_jax.convert.formats.sizes import Shape
from lrgan_jax.convert.formats.variables import assembled, table, wanted
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config
from lrgan_jax.generators.stylegan2 import init

_LAYER = r"synthesis\.(b\d+)\.(conv[01]|torgb|skip)"
TO_OURS = (
    Rule(_LAYER + r"\.weight", r"params/synthesis/\1/\2/kernel", "OIHW to HWIO", oihw_to_hwio),
    Rule(_LAYER + r"\.affine\.weight", r"params/synthesis/\1/\2/affine/kernel", "out,in to in,out", np.transpose),
    Rule(_LAYER + r"\.affine\.bias", r"params/synthesis/\1/\2/affine/bias", "as it is, the 1 included"),
    Rule(_LAYER + r"\.(bias|noise_strength)", r"params/synthesis/\1/\2/\3", "as it is"),
    Rule(_LAYER + r"\.noise_const", r"buffers/synthesis/\1/\2/noise_const", "as it is"),
    Rule(r"synthesis\.b4\.const", "params/synthesis/b4/const", "CHW to HWC", lambda a: a.transpose(1, 2, 0)),
    Rule(r"mapping\.(fc\d+|embed)\.weight", r"params/mapping/\1/kernel", "out,in to in,out", np.transpose),
    Rule(r"mapping\.(fc\d+|embed)\.bias", r"params/mapping/\1/bias", "as it is"),
    Rule(r"mapping\.label_weight", "params/mapping/label_weight", "as it is"),
    Rule(r"mapping\.w_avg", "buffers/mapping/w_avg", "as it is"),
)

_OURS = r"params/synthesis/(b\d+)/(conv[01]|torgb|skip)"
TO_COMMON = (
    Rule(_OURS + r"/kernel", r"synthesis.\1.\2.weight", "HWIO to OIHW", hwio_to_oihw),
    Rule(_OURS + r"/affine/kernel", r"synthesis.\1.\2.affine.weight", "in,out to out,in", np.transpose),
    Rule(_OURS + r"/affine/bias", r"synthesis.\1.\2.affine.bias", "as it is, the 1 included"),
    Rule(_OURS + r"/(bias|noise_strength)", r"synthesis.\1.\2.\3", "as it is"),
    Rule(r"buffers/synthesis/(b\d+)/(\w+)/noise_const", r"synthesis.\1.\2.noise_const", "as it is"),
    Rule(r"params/synthesis/b4/const", "synthesis.b4.const", "HWC to CHW", lambda a: a.transpose(2, 0, 1)),
    Rule(r"params/mapping/(fc\d+|embed)/kernel", r"mapping.\1.weight", "in,out to out,in", np.transpose),
    Rule(r"params/mapping/(fc\d+|embed)/bias", r"mapping.\1.bias", "as it is"),
    Rule(r"params/mapping/label_weight", "mapping.label_weight", "no name of NVIDIA's"),
    Rule(r"buffers/mapping/w_avg", "mapping.w_avg", "as it is"),
)


def numbered_layer(index: int) -> str:
    """The i-th 3x3 layer, as most projects count: 0 is the 4x4 one, then conv0 (odd) and conv1 (even) of each size."""
    return "synthesis.b4.conv1" if index == 0 else f"synthesis.b{2 ** ((index + 5) // 2)}.conv{(index + 1) % 2}"


def layer_number(resolution: int | str, conv: int | str) -> int:
    """The other way: 0 of the 4x4 layer, 1 of conv0 of resolution 8, and so on."""
    return max(2 * block_number(resolution) - 1 + int(conv), 0)


def block_number(resolution: int | str) -> int:
    """0 of resolution 4, 1 of resolution 8, and so on."""
    return int(resolution).bit_length() - 3


def common_tensors(gen: StyleGAN2) -> dict[str, np.ndarray]:
    """All variables in the common language."""
    problems: list[str] = []
    named = rename(table(gen.variables), TO_COMMON, problems)
    refuse(problems)
    return named


def our_variables(tensors: dict[str, np.ndarray], config: StyleGAN2Config) -> Any:
    """All tensors of `config` in the common language, of the right shapes, as our variables in float32."""
    return assembled(rename(tensors, TO_OURS, [], check_values=False), init, config)


@lru_cache(maxsize=8)
def common_shapes(config: StyleGAN2Config) -> dict[str, Shape]:
    """What a network of that configuration has, and in which shapes, in the common language."""
    ours = {name: np.broadcast_to(np.float32(0), shape) for name, shape in wanted(init, config).items()}
    return {name: a.shape for name, a in rename(ours, TO_COMMON, [], check_values=False).items()}
