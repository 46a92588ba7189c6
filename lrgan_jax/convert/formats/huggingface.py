"""huggingface/pytorch-pretrained-BigGAN, BigGAN-deep: a folder with `pytorch_model.bin` and `config.json`.

The config is the constructor's, and may be given by the same names instead where only the weights are at hand. Spectral
norms are u (W v) with both vectors as they are stored, which is what the code divides by after `eval()`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.biggan import names
from lrgan_jax.convert.formats.layouts import hwio_to_oihw, oihw_to_hwio, scalar, with_first
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.protocol import refuse_given
from lrgan_jax.convert.formats.rules import Origin, Rule, after, refuse, rename
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, number
from lrgan_jax.convert.formats.told import GIVEN, arguments_of
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import BigGAN, BigGANConfig

NAME = "huggingface/pytorch-pretrained-BigGAN"
SIGN = "generator.gen_z.weight_orig"
WEIGHTS, CONFIG = "pytorch_model.bin", "config.json"
USUAL = ("", "pytorch_model")
EPS = 1e-4  # of all published ones; no tensor shows it


# ---- Names, there and back. Layers are blocks, and among them, at `place`, the attention.

_PARTS = {"theta": "query", "phi": "key", "g": "value", "o_conv": "out"}
_KINDS = {"scale": "gain", "offset": "shift"}


def _attention(tensors: Mapping[str, Any]) -> int | None:
    """Which of the layers it is."""
    pattern = re.compile(r"generator\.layers\.(\d{1,4})\.(gamma|snconv1x1_)")
    found = [int(match[1]) for name in tensors if (match := pattern.match(name))]
    return found[0] if found else None


def rules(place: int | None) -> tuple[Rule, ...]:
    """To our names and axes."""

    def block(match: re.Match) -> str:
        layer = int(match[1])
        return f"block{layer if place is None or layer < place else layer - 1}"

    def norm(match: re.Match) -> str:
        return f"{block(match)}/norm{int(match[2]) + 1}"

    def conv(match: re.Match) -> str:
        return f"params/{block(match)}/conv{int(match[2]) + 1}"

    layer = r"generator\.layers\.(\d+)"
    return (
        Rule(r"embeddings\.weight", "params/embedding", "out, in to in, out", np.transpose),
        Rule(r"generator\.gen_z\.weight_orig", "params/project/kernel", "out, in to in, out", np.transpose),
        Rule(r"generator\.gen_z\.bias", "params/project/bias", "as it is"),
        Rule(layer + r"\.conv_(\d)\.weight_orig", lambda m: f"{conv(m)}/kernel", "OIHW to HWIO", oihw_to_hwio),
        Rule(layer + r"\.conv_(\d)\.bias", lambda m: f"{conv(m)}/bias", "as it is"),
        Rule(
            layer + r"\.bn_(\d)\.(scale|offset)\.weight_orig",
            lambda m: f"params/{norm(m)}/{_KINDS[m[3]]}/kernel",
            "out, in to in, out",
            np.transpose,
        ),
        Rule(layer + r"\.bn_(\d)\.running_(mean|var)s", lambda m: f"buffers/{norm(m)}/statistics/{m[3]}", "as it is"),
        Rule(
            layer + r"\.snconv1x1_(theta|phi|g|o_conv)\.weight_orig",
            lambda m: f"params/attention{m[1]}/{_PARTS[m[2]]}/kernel",
            "OIHW to HWIO",
            oihw_to_hwio,
        ),
        Rule(layer + r"\.gamma", r"params/attention\1/gamma", "a scalar", scalar),
        Rule(r"generator\.bn\.weight", "params/norm/gain", "as it is"),
        Rule(r"generator\.bn\.bias", "params/norm/bias", "as it is"),
        Rule(r"generator\.bn\.running_(mean|var)s", r"buffers/norm/statistics/\1", "as it is"),
        Rule(r"generator\.conv_to_rgb\.weight_orig", "params/rgb/kernel", "OIHW to HWIO", oihw_to_hwio),
        Rule(r"generator\.conv_to_rgb\.bias", "params/rgb/bias", "as it is"),
        Rule(r".*\.weight_[uv]", None, "of the spectral norm, which is computed"),
    )


def back(place: int | None) -> tuple[Rule, ...]:
    """The way back, by which messages call what a file lacks."""

    def layer(match: re.Match) -> str:
        block = int(match[1])
        return f"generator.layers.{block if place is None or block < place else block + 1}"

    def within(part: str, rest: str) -> Callable[[re.Match], str]:
        return lambda match: f"{layer(match)}.{part}_{int(match[2]) - 1}.{rest}"

    def of_norm(match: re.Match) -> str:
        return within("bn", f"{kinds[match[3]]}.weight_orig")(match)

    parts, kinds = ({ours: theirs for theirs, ours in table.items()} for table in (_PARTS, _KINDS))
    return (
        Rule(r"params/embedding", "embeddings.weight", "in, out to out, in", np.transpose),
        Rule(r"params/project/kernel", "generator.gen_z.weight_orig", "in, out to out, in", np.transpose),
        Rule(r"params/project/bias", "generator.gen_z.bias", "as it is"),
        Rule(r"params/block(\d+)/conv(\d)/kernel", within("conv", "weight_orig"), "HWIO to OIHW", hwio_to_oihw),
        Rule(r"params/block(\d+)/conv(\d)/bias", within("conv", "bias"), "as it is"),
        Rule(r"params/block(\d+)/norm(\d)/(gain|shift)/kernel", of_norm, "in, out to out, in", np.transpose),
        Rule(r"buffers/block(\d+)/norm(\d)/statistics/mean", within("bn", "running_means"), "as it is"),
        Rule(r"buffers/block(\d+)/norm(\d)/statistics/var", within("bn", "running_vars"), "as it is"),
        Rule(
            r"params/attention(\d+)/(query|key|value|out)/kernel",
            lambda m: f"generator.layers.{m[1]}.snconv1x1_{parts[m[2]]}.weight_orig",
            "HWIO to OIHW",
            hwio_to_oihw,
        ),
        Rule(r"params/attention(\d+)/gamma", r"generator.layers.\1.gamma", "one number", with_first),
        Rule(r"params/norm/gain", "generator.bn.weight", "as it is"),
        Rule(r"params/norm/bias", "generator.bn.bias", "as it is"),
        Rule(r"buffers/norm/statistics/(mean|var)", r"generator.bn.running_\1s", "as it is"),
        Rule(r"params/rgb/kernel", "generator.conv_to_rgb.weight_orig", "HWIO to OIHW", hwio_to_oihw),
        Rule(r"params/rgb/bias", "generator.conv_to_rgb.bias", "as it is"),
    )


# ---- What the folder says of its network.


def read(place: Place) -> "HuggingFaceNetwork":
    """The network there, with the config beside it."""
    config = place.beside("config")
    return HuggingFaceNetwork(place.tensors, config if isinstance(config, Mapping) else {})


@dataclass(frozen=True)
class HuggingFaceNetwork:
    """A network as its file has it, and the config that was beside it, if any."""

    tensors: dict[str, np.ndarray]
    config: Mapping[str, Any]
    format = NAME

    @property
    def rules(self) -> tuple[Rule, ...]:
        """To our names."""
        return rules(_attention(self.tensors))

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """Of the constructor, which takes them as one object."""
        return self.config or None

    def build(self, given: Mapping[str, Any]) -> tuple[BigGAN, list[str]]:
        """See `protocol.Network`."""
        refuse_given(given, (GIVEN,), "a BigGAN")
        arguments = arguments_of(given).given
        problems = list(
            disagreements({n: v for n, v in arguments.items() if n in self.config}, self.config, "arguments")
        )
        said = {**arguments, **self.config}
        place = _attention(self.tensors)
        origin = Origin(self.tensors, back(place))
        ours = rename(self.tensors, rules(place), problems, names=origin.names)
        with after(problems):
            config, remarks = _infer(ours, place, origin, said)
        names.check(ours, replace(config, img_channels=config.channels[-1]), problems, origin)
        norms = names.spectral_norms(ours, origin, partial(_spectral_norm, self.tensors, problems), problems)
        problems += disagreements(said, _table(config, place, ours), "config" if self.config else "arguments")
        refuse(problems)
        seen = {name: ours[f"params/rgb/{name}"][..., : config.img_channels] for name in ("kernel", "bias")}
        ours |= norms | {f"params/rgb/{name}": array for name, array in seen.items()}
        return names.generator(ours, config), remarks


def _infer(ours, place: int | None, origin: Origin, said: Mapping[str, Any]) -> tuple[BigGANConfig, list[str]]:
    sizes = names.Sizes(ours, origin, deep=True)
    channels, statistics = sizes.channels, sizes.of("statistics", "buffers/norm/statistics/mean")
    if statistics < 2:
        raise CheckpointError(f"n_stats is {statistics}: truncation chooses among 2 or more statistics")
    eps = number(said.get("eps", EPS), "eps")
    if not eps > 0:
        raise CheckpointError(f"eps is {eps:g}: it should be a number above 0")
    ups, assumed = _ups(said, sizes.blocks), [] if "eps" in said else [f"eps {EPS:g}"]
    if "layers" not in said:
        assumed.append("layers that double the size in turn with those that do not")
    remark = f"tensors alone do not show it, so this is assumed: {', '.join(assumed)} (config.json or --arguments)"
    return BigGANConfig(
        channels=channels,
        ups=ups,
        z_dim=sizes.of("condition", "params/block0/norm1/gain/kernel") - sizes.of("class", "params/embedding"),
        c_dim=sizes.of("classes", "params/embedding"),
        class_dim=sizes.of("class", "params/embedding"),
        img_channels=min(3, channels[-1]),  # the code computes as many as there are and keeps three
        deep=True,
        z_goes="everywhere",
        attention=() if place is None else (place,),
        bottom=sizes.bottom,
        eps=eps,
        last_eps=eps,
        num_statistics=statistics,
    ), [remark] if assumed else []


def _ups(said: Mapping[str, Any], blocks: int) -> tuple[bool, ...]:
    """Which blocks double the size: those of the config, or as in published ones every other, the second first."""
    layers = said.get("layers")
    if layers is None and blocks % 2 == 0:
        return (False, True) * (blocks // 2)
    match layers:
        case list() | tuple() if len(layers) == blocks and all(_is_layer(layer) for layer in layers):
            return tuple(layer[0] for layer in layers)
    raise CheckpointError(
        f"which of the {blocks} blocks double the size is not known: layers should be as many [double, in, out], "
        f"{layers!r:.40} is said"
    )


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, list | tuple) and len(layer) == 3 and isinstance(layer[0], bool)


def _table(config: BigGANConfig, place: int | None, ours: Mapping[str, np.ndarray]) -> Table:
    """Every entry of the config, and what it must be."""
    ch = config.channels[-1]
    widths = [
        [up, a // ch, b // ch] for up, a, b in zip(config.ups, config.channels, config.channels[1:], strict=False)
    ]
    blocks = len(config.ups)
    return {
        "output_dim": config.size,
        "z_dim": config.z_dim,
        "class_embed_dim": ANY,  # which the code never looks at
        "channel_width": ch,
        "num_classes": config.c_dim,
        "layers": widths if all(width % ch == 0 for width in config.channels) else lambda value: False,
        "attention_layer_position": place
        if place is not None
        else lambda value: isinstance(value, int) and not 0 <= value < blocks,
        "eps": config.eps,
        "n_stats": config.num_statistics,
    }


def _spectral_norm(tensors: Mapping[str, np.ndarray], problems: list[str], name: str) -> float:
    """Of the weight of that name."""
    stem, weight = name.removesuffix("_orig"), tensors[name].astype(np.float64)
    weight = weight.reshape(len(weight), -1)
    vectors = []
    for letter, size in zip("uv", weight.shape, strict=True):
        vector = tensors.get(f"{stem}_{letter}")
        if vector is None or vector.shape != (size,):
            what = "nothing in the checkpoint fills it" if vector is None else f"shape {vector.shape}, not {(size,)}"
            problems.append(f"{stem}_{letter}: {what}")
            return 1.0
        vectors.append(vector.astype(np.float64))
    return float(vectors[0] @ weight @ vectors[1])
