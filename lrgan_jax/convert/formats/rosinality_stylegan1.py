"""rosinality/style-based-gan-pytorch `.model`: its training's dict, or the averaged generator's state dict alone.

A file holds all blocks up to 1024 pixels, whatever size was trained; `step`, log2(resolution) - 2, has to be given.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.layouts import hwio_to_oihw, oihw_to_hwio, with_two
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.sefa_stylegan1 import one_of_all
from lrgan_jax.convert.formats.settings import ANY, Table, number
from lrgan_jax.convert.formats.stylegan1.names import block, constant, constant_back, per_channel
from lrgan_jax.convert.formats.stylegan1.network import Project, StyleGAN1Network
from lrgan_jax.convert.formats.stylegan2.names import block_number
from lrgan_jax.convert.formats.told import Told, arguments_of
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN1, StyleGAN1Config
from lrgan_jax.generators.stylegan1_network import ROOT_2

NAME = "rosinality/style-based-gan-pytorch"
SIGN = "generator.progression.0.conv1.input"
USUAL = ("g_running", "generator")


# ---- Names, there and back.


def _unfused(kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution's [I, O, 3, 3], whose shifts are averaged, to HWIO of the same layer as a convolution
    behind the upsampling, which is reversed and adds them up. A quarter is exact.
    """
    return kernel.transpose(2, 3, 0, 1)[::-1, ::-1] / 4


def _fused(kernel: np.ndarray) -> np.ndarray:
    return 4 * kernel[::-1, ::-1].transpose(2, 3, 0, 1)


def _dense(kind: str) -> Callable[[re.Match], str]:
    """The target of a rule: of style.{2i+1}; style.0 is the pixel norm, and every other one an activation."""
    return lambda match: f"params/mapping/fc{int(match[1]) // 2}/{kind}"


def _layer(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of block and layer, which counts from 1, the first two groups of the match."""
    return lambda match: f"params/{block(int(match[1]))}/conv{int(match[2]) - 1}/{suffix}"


def _of_block(start: str, end: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of the block, the first group of the match."""
    return lambda match: f"{start}/{block(int(match[1]))}{end}"


_BLOCK = r"generator\.progression\.(\d+)"
_CONV = _BLOCK + r"\.conv([12])(?:\.1)?\.conv"
_STYLE = _BLOCK + r"\.adain([12])\.style\.linear"
_RGB = r"generator\.to_rgb\.(\d+)\.conv"
RULES = (
    Rule(r"style\.(\d*[13579])\.linear\.weight_orig", _dense("kernel"), "out,in to in,out", np.transpose),
    Rule(r"style\.(\d*[13579])\.linear\.bias", _dense("bias"), "as it is"),
    Rule(_BLOCK + r"\.conv1\.input", _of_block("params", "/const"), "[1, C, 4, 4] to HWC", constant),
    Rule(_CONV + r"\.weight_orig", _layer("kernel"), "OIHW to HWIO", oihw_to_hwio),
    Rule(_CONV + r"\.bias", _layer("bias"), "as it is"),
    Rule(_BLOCK + r"\.conv1\.0\.weight", _of_block("params", "/conv0/kernel"), "fused: IOHW to HWIO", _unfused),
    Rule(_BLOCK + r"\.conv1\.0\.bias", _of_block("params", "/conv0/bias"), "as it is"),
    Rule(_BLOCK + r"\.conv1\.[12]\.weight", _of_block("filter", ""), "the blur, the same for all channels", one_of_all),
    Rule(_BLOCK + r"\.conv1\.[12]\.weight_flip", None, "the blur's derivative"),
    Rule(_BLOCK + r"\.noise([12])\.weight_orig", _layer("noise_strength"), "[1, C, 1, 1] to [C]", per_channel),
    Rule(_STYLE + r"\.weight_orig", _layer("affine/kernel"), "out,in to in,out", np.transpose),
    Rule(_STYLE + r"\.bias", _layer("affine/bias"), "as it is, the 1 included"),
    Rule(_RGB + r"\.weight_orig", _of_block("params", "/torgb/kernel"), "OIHW to HWIO", oihw_to_hwio),
    Rule(_RGB + r"\.bias", _of_block("params", "/torgb/bias"), "as it is"),
)


def _theirs(after: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of b{r}, the first group of the match, and conv{i}, which is the second one."""

    def target(match: re.Match) -> str:
        layer = int(match[2]) + 1 if match.re.groups > 1 else ""
        return f"generator.progression.{block_number(match[1])}{after.format(layer)}"

    return target


def _their_rgb(kind: str) -> Callable[[re.Match], str]:
    return lambda match: f"generator.to_rgb.{block_number(match[1])}.conv.{kind}"


_OURS, _SECOND = r"params/synthesis/b(\d+)/conv([01])", r"params/synthesis/b(\d+)/conv1"
_FIRST, _FUSED = r"params/synthesis/b(\d{1,2})/conv0", r"params/synthesis/b(\d{3,})/conv0"  # from 128 on
BACK = (
    Rule(
        r"params/mapping/fc(\d+)/kernel",
        lambda match: f"style.{2 * int(match[1]) + 1}.linear.weight_orig",
        "in,out to out,in",
        np.transpose,
    ),
    Rule(r"params/mapping/fc(\d+)/bias", lambda match: f"style.{2 * int(match[1]) + 1}.linear.bias", "as it is"),
    Rule(r"params/synthesis/b(4)/const", _theirs(".conv1.input"), "HWC to [1, C, 4, 4]", constant_back),
    Rule(_FIRST + "/kernel", _theirs(".conv1.1.conv.weight_orig"), "HWIO to OIHW", hwio_to_oihw),
    Rule(_FIRST + "/bias", _theirs(".conv1.1.conv.bias"), "as it is"),
    Rule(_FUSED + "/kernel", _theirs(".conv1.0.weight"), "HWIO to IOHW", _fused),
    Rule(_FUSED + "/bias", _theirs(".conv1.0.bias"), "as it is"),
    Rule(_SECOND + "/kernel", _theirs(".conv2.conv.weight_orig"), "HWIO to OIHW", hwio_to_oihw),
    Rule(_SECOND + "/bias", _theirs(".conv2.conv.bias"), "as it is"),
    Rule(_OURS + "/noise_strength", _theirs(".noise{}.weight_orig"), "[C]", lambda a: a[None, :, None, None]),
    Rule(_OURS + "/affine/kernel", _theirs(".adain{}.style.linear.weight_orig"), "in,out to out,in", np.transpose),
    Rule(_OURS + "/affine/bias", _theirs(".adain{}.style.linear.bias"), "as it is, the 1 included"),
    Rule(r"params/synthesis/b(\d+)/torgb/kernel", _their_rgb("weight_orig"), "HWIO to OIHW", hwio_to_oihw),
    Rule(r"params/synthesis/b(\d+)/torgb/bias", _their_rgb("bias"), "as it is"),
    Rule(r"filter/synthesis/b(\d{1,2})", _theirs(".conv1.2.weight"), "[3, 3] to [1, 1, 3, 3]", with_two),
    Rule(r"filter/synthesis/b(\d{3,})", _theirs(".conv1.1.weight"), "[3, 3] to [1, 1, 3, 3]", with_two),
)


# ---- What has to be told.


@dataclass(frozen=True)
class RosinalityStyleGAN1:
    """A network as its file has it, untrained blocks included."""

    tensors: dict[str, np.ndarray]
    format, rules, arguments = NAME, RULES, None

    def build(self, given: Mapping[str, Any]) -> tuple[StyleGAN1, list[str]]:
        """See `protocol.Network`. Given must be `arguments` with `step`, and may be `w_avg` and `noise`."""
        numbered = {name: re.match(r"generator\.(?:progression|to_rgb)\.(\d{1,4})\.", name) for name in self.tensors}
        blocks = {name: int(match[1]) for name, match in numbered.items() if match}
        step = _step(arguments_of(given), max(blocks.values()))
        trained = {name: a for name, a in self.tensors.items() if blocks.get(name, 0) <= step}
        fused = [4 * 2**k for name, k in blocks.items() if re.fullmatch(r".*\.conv1\.0\.weight", name)]
        project = Project(
            _fields,
            lambda told, resolution: False,  # the rules have seen to that
            lambda told: told.get("code_dim"),
            partial(_table, min(fused, default=None)),
            {"alpha": 1},
        )
        return StyleGAN1Network(NAME, trained, RULES, BACK, project).build(given)


def read(place: Place) -> RosinalityStyleGAN1:
    return RosinalityStyleGAN1(place.tensors)


def _step(told: Told, top: int) -> int:
    """The number of the last block that is trained.

    Raises:
      CheckpointError: if nobody says, or there is no such block.
    """
    step, size = told.get("step"), told.get("size")
    if step is None and size is None:
        raise CheckpointError(
            f"the file has blocks up to {4 * 2**top} pixels, trained or not, and does not say which the last one is: "
            "give its step, log2(resolution) - 2 (--arguments)"
        )
    step = int(np.log2(max(number(size, "size"), 4))) - 2 if step is None else step
    if type(step) is not int or not 0 <= step <= top:
        raise CheckpointError(f"step is {step!r:.40}, where the blocks are 0 to {top}")
    return step


def _fields(told: Told) -> Mapping[str, Any]:
    alpha = number(told.get("alpha", 1), "alpha")
    fading = 0 <= alpha < 1 and told.get("step") != 0 and told.get("size") != 4
    return {
        **dict.fromkeys(("mapping_gain", "conv_gain", "style_gain", "rgb_gain", "noise_gain"), ROOT_2),
        "mapping_lr": 1.0,
        "norm_eps": 1e-5,
        "adds_one": False,
        "bias_first": True,
        "paired": True,
        "lod": 1 - alpha if fading else 0.0,
    }


def _table(fused_from: int | None, told: Told, config: StyleGAN1Config) -> Table:
    """What the generator's constructors and calls take, and what its training and sampling scripts call that."""
    return {
        "code_dim": config.w_dim,
        "n_mlp": config.mapping_layers,
        "step": len(config.channels) - 1,
        "size": config.resolutions[-1],
        "alpha": ANY,  # it is in the configuration
        "fused": fused_from is not None,
        "fused_from": fused_from,
        "widths": ANY,
    }
