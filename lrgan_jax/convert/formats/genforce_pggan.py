"""genforce's PGGAN, `.pth`, as SeFa's release and Hammer save it: the same names and arithmetic."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import genforce
from lrgan_jax.convert.formats.growing import level_of_detail, resolutions
from lrgan_jax.convert.formats.hammer import ARGUMENTS, arguments_in
from lrgan_jax.convert.formats.layouts import hwio_to_oihw, oihw_to_hwio, scalar
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.protocol import refuse_given
from lrgan_jax.convert.formats.rules import Origin, Rule, after, fill, refuse, rename
from lrgan_jax.convert.formats.settings import ANY, Table
from lrgan_jax.convert.formats.sizes import agreed
from lrgan_jax.convert.formats.stylegan2.names import block_number
from lrgan_jax.convert.formats.told import GIVEN, Told, arguments_of
from lrgan_jax.convert.formats.variables import assembled, wanted
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import PGGAN, PGGANConfig
from lrgan_jax.generators.pggan import init

NAME = "genforce PGGAN (SeFa, Hammer)"
SIGN, USUAL = "output0.weight", genforce.USUAL
DEFAULTS = {"label_dim": 0, "fused_scale": False, "use_wscale": True, "final_tanh": False}


def _layer(kind: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of layer{i}, the first group of the match."""

    def target(match: re.Match) -> str:
        index = int(match[1])
        return f"params/b{4 * 2 ** (index // 2)}/{f'conv{index % 2}' if index else 'project'}/{kind}"

    return target


def _output(kind: str) -> Callable[[re.Match], str]:
    return lambda match: f"params/b{4 * 2 ** int(match[1])}/torgb/{kind}"


def _spread(kernel: np.ndarray) -> np.ndarray:
    """Of a convolution of one pixel, padded by 3: what each pixel of the 4x4 gets, from the first one on."""
    return oihw_to_hwio(kernel)[::-1, ::-1]


RULES = (
    Rule(r"lod", "lod", "a scalar", scalar),
    Rule(r"layer(0)\.weight", _layer("kernel"), "OIHW to HWIO, reversed", _spread),
    Rule(r"layer([1-9]\d*)\.weight", _layer("kernel"), "OIHW to HWIO", oihw_to_hwio),
    Rule(r"layer(\d+)\.bias", _layer("bias"), "as it is"),
    Rule(r"output(\d+)\.weight", _output("kernel"), "OIHW to HWIO", oihw_to_hwio),
    Rule(r"output(\d+)\.bias", _output("bias"), "as it is"),
)


def _theirs(kind: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of b{r}/conv{i}, the first two groups of the match."""
    return lambda match: f"layer{2 * block_number(match[1]) + int(match[2])}.{kind}"


def _their_output(kind: str) -> Callable[[re.Match], str]:
    return lambda match: f"output{block_number(match[1])}.{kind}"


BACK = (
    Rule(r"lod", "lod", "a scalar"),
    Rule(r"params/b4/project/kernel", "layer0.weight", "HWIO to OIHW, reversed", lambda a: hwio_to_oihw(a[::-1, ::-1])),
    Rule(r"params/b4/project/bias", "layer0.bias", "as it is"),
    Rule(r"params/b(\d+)/conv([01])/kernel", _theirs("weight"), "HWIO to OIHW", hwio_to_oihw),
    Rule(r"params/b(\d+)/conv([01])/bias", _theirs("bias"), "as it is"),
    Rule(r"params/b(\d+)/torgb/kernel", _their_output("weight"), "HWIO to OIHW", hwio_to_oihw),
    Rule(r"params/b(\d+)/torgb/bias", _their_output("bias"), "as it is"),
)


@dataclass(frozen=True)
class PGGANNetwork:
    """A PGGAN as its file has it, with the arguments that the file carries; None if it carries none."""

    tensors: dict[str, np.ndarray]
    arguments: Mapping[str, Any] | None = None
    format, rules = NAME, RULES

    def build(self, given: Mapping[str, Any]) -> tuple[PGGAN, list[str]]:
        """See `protocol.Network`. Given may be `arguments`, of either project's constructor."""
        refuse_given(given, (GIVEN,), "a PGGAN")
        told = arguments_of(given, self.arguments, ARGUMENTS)
        problems: list[str] = []
        origin = Origin(self.tensors, BACK)
        ours = rename(self.tensors, RULES, problems, names=origin.names)
        with after(problems):
            sides = resolutions(ours, "PGGAN")
            shown, said = _fused(ours), told.flag("fused_scale", False)
            fused = said if shown is None else shown
            ours = _unfused(ours) if fused else ours
            lod = level_of_detail(ours.pop("lod", None), len(sides), problems)
            config = _infer(ours, sides, lod, told, origin)
        fill(ours, wanted(init, config), problems, origin)
        refuse([*problems, *told.disagreements(_table(told, config, fused))])
        assumed = {name: value for name, value in DEFAULTS.items() if name != "fused_scale" or shown is None}
        return PGGAN(config, assembled(ours, init, config)), told.assumed(assumed)


def read(place: Place) -> PGGANNetwork | None:
    """The network there; None if it is a part of a StyleGAN, whose layers have styles, or a discriminator."""
    if "layer0.weight" not in place.tensors or any(".style." in name for name in place.tensors):
        return None
    inside = arguments_in(place)
    return PGGANNetwork(place.tensors, None if inside is None else {"label_dim": 0, **inside})


# ---- Fused layers: a transposed convolution with its weight the other way round.


def _fused(ours: Mapping[str, np.ndarray]) -> bool | None:
    """Whether the layers that upsample are fused, if shapes show it: where they change the width."""
    shown = set()
    for name, kernel in ours.items():
        bias = ours.get(name.replace("kernel", "bias"))
        if name.endswith("/conv0/kernel") and kernel.ndim == 4 and bias is not None and bias.ndim == 1:
            *_, inputs, outputs = kernel.shape
            if inputs != outputs and len(bias) in (inputs, outputs):
                shown.add(len(bias) == inputs)
    return shown.pop() if len(shown) == 1 else None


def _unfused(ours: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As kernels of convolutions behind the upsampling, which are reversed."""

    def turned(name: str, kernel: np.ndarray) -> np.ndarray:
        fused = name.endswith("/conv0/kernel") and kernel.ndim == 4
        return kernel[::-1, ::-1].swapaxes(2, 3) if fused else kernel

    return {name: turned(name, array) for name, array in ours.items()}


# ---- The configuration.


def _infer(
    ours: Mapping[str, np.ndarray], sides: tuple[int, ...], lod: float, told: Told, origin: Origin
) -> PGGANConfig:
    """Off the shapes, and what was told."""
    sizes = agreed((_sides(name), array.shape) for name, array in ours.items())
    shown_by = {f"b{r}": f"params/b{r}/conv1/kernel" for r in sides}
    for size, name in {**shown_by, "inputs": "params/b4/project/kernel", "image": "params/b4/torgb/kernel"}.items():
        if size not in sizes:
            raise origin.unseen(name)
    c_dim = told.get("label_dim", told.get("label_size", 0))
    if type(c_dim) is not int or not 0 <= c_dim < sizes["inputs"]:
        raise CheckpointError(
            f"label_dim (label_size) is {c_dim!r:.40}, where label and z together have {sizes['inputs']}"
        )
    gain, equalized = told.number("wscale_gain", float(np.sqrt(2))), told.flag("use_wscale", True)
    return PGGANConfig(
        channels=tuple(sizes[f"b{r}"] for r in sides),
        z_dim=sizes["inputs"] - c_dim,
        c_dim=c_dim,
        img_channels=sizes["image"],
        conv_gain=gain if equalized else None,
        rgb_gain=1.0 if equalized else None,
        eps=told.number("eps", 1e-8),
        lod=lod,
        final_tanh=told.flag("final_tanh", False),
    )


def _sides(name: str) -> tuple[str, ...]:
    """The sizes that the sides of a tensor show: "inputs" is z and label together, "b8" the width of a block."""
    match name.split("/"):
        case [_, block, layer, kind]:
            outputs = "image" if layer == "torgb" else block
            inputs = {"project": "inputs", "conv0": f"b{int(block[1:]) // 2}"}.get(layer, block)
            return ("", "", inputs, outputs) if kind == "kernel" else (outputs,)
    return ()


def _table(told: Told, config: PGGANConfig, fused: bool) -> Table:
    """Every argument of both constructors."""
    cfg = config
    return {
        "model_type": "PGGANGenerator",
        "resolution": cfg.resolutions[-1],
        "init_res": 4,
        "z_dim": cfg.z_dim,
        "z_space_dim": cfg.z_dim,
        "label_dim": cfg.c_dim,
        "label_size": cfg.c_dim,
        "image_channels": cfg.img_channels,
        "final_tanh": cfg.final_tanh,
        "fused_scale": fused,
        "use_wscale": cfg.conv_gain is not None,
        "wscale_gain": told.get("wscale_gain"),
        "eps": cfg.eps,
        "fmaps_base": ANY,
        "fmaps_max": ANY,
    }
