"""ajbrock/BigGAN-PyTorch `.pth`, BigGAN and BigGAN-deep: `G_ema.pth`, a bare state dict that says nothing of itself.

What no tensor shows is the constructor's, whose arguments may be given by the names they have there. Spectral norms are
what the released code divides by at inference: one step of power iteration from the u that is stored, which in an
averaged file is neither of length one nor converged.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.convert.formats.ajbrock_names import Style, back, in_our_order, rules
from lrgan_jax.convert.formats.biggan import names
from lrgan_jax.convert.formats.own import own_words
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.protocol import refuse_given
from lrgan_jax.convert.formats.rules import Origin, Rule, after, refuse, rename
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, number, one_of, same
from lrgan_jax.convert.formats.told import GIVEN, arguments_of
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import BigGAN, BigGANConfig

NAME = "ajbrock/BigGAN-PyTorch"
SIGN = "output_layer.0.gain"
USUAL = ("",)
# Widths in units of G_ch, in front of each stage and after the last, by the resolution that the code calls them by.
STAGES = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
ASSUMED = {"BN_eps": 1e-5, "SN_eps": 1e-12}  # what no tensor shows, as the constructor has it


# ---- What the file says of its network.


def read(place: Place) -> "AjbrockNetwork":
    """The network there."""
    return AjbrockNetwork(place.tensors, own_words(place.owner))


@dataclass(frozen=True)
class AjbrockNetwork:
    """A network as its file has it, and the arguments in one that we wrote."""

    tensors: dict[str, np.ndarray]
    own: Mapping[str, Any]
    format = NAME

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """Of the constructor, and flags of the project's scripts."""
        return self.own or None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """To our names."""
        return rules(Style.of(self.tensors))

    def build(self, given: Mapping[str, Any]) -> tuple[BigGAN, list[str]]:
        """See `protocol.Network`."""
        refuse_given(given, (GIVEN,), "a BigGAN")
        arguments = arguments_of(given).given
        problems = list(disagreements({n: v for n, v in arguments.items() if n in self.own}, self.own, "arguments"))
        said = {**arguments, **self.own}
        settings = {name: number(said.get(name, value), name) for name, value in ASSUMED.items()}
        style = Style.of(self.tensors)
        origin = Origin(self.tensors, back(style))
        ours = rename(self.tensors, rules(style), problems, names=origin.names)
        with after(problems):
            arch, config = _infer(ours, style, origin, settings["BN_eps"], counted=_counted(ours, said))
        if not config.counted:
            ours = {name: array for name, array in ours.items() if not name.endswith("/count")}
        names.check(ours, config, problems, origin)
        norm = partial(_spectral_norm, self.tensors, style, settings["SN_eps"], problems)
        ours |= names.spectral_norms(ours, origin, norm, problems)
        problems += disagreements(said, _table(arch, config, style, self.tensors), "arguments")
        refuse(problems)
        return names.generator(in_our_order(ours, config), config), [*_assumed(said), *_standing(config, said)]


class Arch(NamedTuple):
    """What the code would have made the network from."""

    resolution: int
    depth: int  # blocks a stage
    ch: int


def _infer(ours, style: Style, origin: Origin, eps: float, *, counted: bool) -> tuple[Arch, BigGANConfig]:
    deep = any(name.endswith("/conv3/kernel") for name in ours)
    sizes = names.Sizes(ours, origin, deep=deep)
    channels = sizes.channels
    arch = architecture(channels, deep)
    condition = sizes.of("condition", "params/block0/norm1/gain/kernel")
    first = sizes.of("first", "params/project/kernel")
    y_dim = sizes.of("class", "params/embedding") if style.shared else condition
    rest = condition - y_dim  # what the norms see of z
    if rest < 0 or (deep and not rest):
        name = origin.name("params/block0/norm1/gain/kernel")
        raise CheckpointError(f"{name}: {condition} numbers condition the norms, of which {y_dim} are the class")
    blocks = len(channels) - 1
    return arch, BigGANConfig(
        channels=channels,
        ups=tuple((k + 1) % arch.depth == 0 for k in range(blocks)),
        z_dim=rest if deep else rest * (blocks + 1) if rest else first,
        c_dim=sizes.of("classes", "params/embedding") if style.shared else condition,
        class_dim=y_dim if style.shared else None,
        deep=deep,
        z_goes="everywhere" if deep else "chunks" if rest else "first",
        attention=_attended(ours, arch.depth),
        bottom=sizes.bottom,
        norm=_norm(ours, style),
        eps=eps,
        counted=counted,
    )


def architecture(channels: tuple[int, ...], deep: bool) -> Arch:
    """Which of the code's networks has these widths: deep ones change them in the second block of a stage and later."""
    for resolution, units in STAGES.items():
        depth, left = divmod(len(channels) - 1, len(units) - 1)
        ch = channels[0] // units[0]
        if left or not depth or depth > 1 and not deep:
            continue
        each = [units[:1]]
        each += [(a, *(b,) * (depth - 1)) if deep else (b,) for a, b in zip(units, units[1:], strict=False)]
        if channels == tuple(ch * unit for stage in each for unit in stage):
            return Arch(resolution, depth, ch)
    raise CheckpointError(f"blocks of widths {channels!r:.80} are none of the networks that this project makes")


def _attended(ours: Mapping[str, Any], depth: int) -> tuple[int, ...]:
    found = {int(match[1]) for name in ours if (match := re.match(r"params/attention(\d+)/", name))}
    if inside := [k - 1 for k in sorted(found) if k % depth]:
        raise CheckpointError(f"blocks.{inside[0]}.1: attention in the middle of a stage, where this project has none")
    return tuple(sorted(found))


def _norm(ours: Mapping[str, Any], style: Style) -> Any:
    """Of the blocks; the last norm always normalises."""
    if style.added:
        return "added"
    return "usual" if any(re.match(r"buffers/block\d+/norm\d/statistics/", name) for name in ours) else "none"


def _counted(ours: Mapping[str, np.ndarray], said: Mapping[str, Any]) -> bool:
    """Whether statistics are sums over batches, standing statistics, to be divided by their number."""
    counts = {name: float(a) for name, a in ours.items() if name.endswith("/count") and a.size == 1}
    standing = [count > 0 for count in counts.values()]
    if any(standing) and not all(standing):
        raise CheckpointError(
            "some of the statistics are sums over batches by their accumulation_counter, some are not"
        )
    return any(standing) and said.get("accumulate_standing", True) is not False


def _spectral_norm(
    tensors: Mapping[str, np.ndarray], style: Style, eps: float, problems: list[str], name: str
) -> float:
    """Of the weight of that name, 1 where the network has none: of embeddings, or altogether."""
    stem = name.removesuffix("weight")
    u = tensors.get(f"{stem}u0")
    if u is None:
        plain = re.search(r"\.bn\d\.(gain|bias)\.$", stem) and not style.shared
        if not plain and _normalised(tensors):
            problems.append(f"{stem}u0: nothing in the checkpoint fills it")
        return 1.0
    weight = tensors[name].astype(np.float64).reshape(len(tensors[name]), -1)
    if u.shape != (1, len(weight)):
        problems.append(f"{stem}u0: shape {u.shape}, the model wants {(1, len(weight))}")
        return 1.0
    v = _unit(u.astype(np.float64) @ weight, eps)
    return float(np.squeeze(v @ weight.T @ _unit(v @ weight.T, eps).T))


def _unit(row: np.ndarray, eps: float) -> np.ndarray:
    return row / max(np.linalg.norm(row), eps)


def _normalised(tensors: Mapping[str, np.ndarray]) -> bool:
    return any(name.endswith(".u0") for name in tensors)


# ---- What its user says of it.


def _table(arch: Arch, config: BigGANConfig, style: Style, tensors: Mapping[str, np.ndarray]) -> Table:
    """Every argument of the constructor, and what it must be."""
    slots = len(config.ups) + 1 if config.z_goes == "chunks" else 1
    attended = {8 * 2 ** (k // arch.depth - 1) for k in config.attention}
    vectors = len({match[1] for name in tensors if (match := re.search(r"\.u(\d+)$", name))})
    mine = not style.added and style.nested == "bn."
    return {
        "model": one_of("BigGANdeep" if config.deep else "BigGAN"),
        "G_ch": arch.ch,
        "dim_z": lambda value: isinstance(value, int) and value // slots * slots == config.z_dim,
        "bottom_width": config.bottom,
        "resolution": arch.resolution,
        "G_kernel_size": ANY,  # which the code never looks at
        "G_attn": _resolutions_are(attended, arch.resolution),
        "n_classes": config.c_dim,
        "num_G_SVs": vectors if vectors else ANY,
        "num_G_SV_itrs": ANY,
        "G_shared": config.class_dim is not None,
        "shared_dim": ANY if config.class_dim is None else _shared_dim_is(config.class_dim, slots, config.z_dim),
        "hier": config.z_goes != "first",
        "cross_replica": style.added,
        "mybn": ANY if style.added else mine,
        "norm_style": ANY if style.nested else one_of(*(("bn", "in") if config.norm == "usual" else ("nonorm",))),
        "G_activation": _is_relu,
        "G_nl": _is_relu,
        "G_param": "SN" if vectors else lambda value: value != "SN",
        "G_depth": arch.depth if config.deep else ANY,
        "channel_ratio": 4,
        "BN_eps": _above_0,
        "SN_eps": _above_0,
        "accumulate_standing": one_of(True, False) if mine else one_of(False),
        **dict.fromkeys(("G_lr", "G_B1", "G_B2", "adam_eps", "G_init", "skip_init", "no_optim"), ANY),
        **dict.fromkeys(("G_mixed_precision", "G_fp16"), ANY),  # halves while training
    }


def _above_0(value: Any) -> bool:
    return number(value, "eps") > 0


def _shared_dim_is(width: int, slots: int, z_dim: int) -> Callable[[Any], bool]:
    """0 stands for dim_z, before what is left over of its chunks is dropped."""
    return lambda value: same(value, width) or same(value, 0) and width // slots * slots == z_dim


def _is_relu(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in ("relu", "inplace_relu", "ir")


def _resolutions_are(attended: set[int], largest: int) -> Callable[[Any], bool]:
    """As the code reads its text: "32_64"; those that the network does not have mean nothing."""

    def is_it(value: Any) -> bool:
        if not isinstance(value, str) or not re.fullmatch(r"\d{1,6}(_\d{1,6})*", value):
            return False
        asked = {int(part) for part in value.split("_")}
        return asked & {8 * 2**k for k in range(7) if 8 * 2**k <= largest} == attended

    return is_it


def _assumed(said: Mapping[str, Any]) -> Iterator[str]:
    """What a state dict leaves open and networks differ in."""
    assumed = [f"{name} {value:g}" for name, value in ASSUMED.items() if name not in said]
    if not {"G_activation", "G_nl"} & said.keys():
        assumed.append("G_activation relu")
    if assumed:
        yield f"tensors alone do not show it, so this is assumed: {', '.join(assumed)} (--arguments)"


def _standing(config: BigGANConfig, said: Mapping[str, Any]) -> Iterator[str]:
    if config.counted and "accumulate_standing" not in said:
        yield (
            "its statistics are sums over batches and are divided by their accumulation_counter, as the project's own "
            "code does when told to (accumulate_standing)"
        )
