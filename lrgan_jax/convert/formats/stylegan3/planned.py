"""How a StyleGAN3 computes whose file holds nothing but tensors: as StyleGAN3's rule has it, of what the tensors show,
what is told, and defaults.

The rule makes the sizes and the filters, too, and these the file has: where they are not the same, the numbers are
wrong, and the file is refused. Only of one that says all its numbers itself the filters may be others.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.convert.formats.rules import Origin
from lrgan_jax.convert.formats.settings import number
from lrgan_jax.convert.formats.stylegan3.network import LARGEST, MOST_LAYERS, Plan, check_sizes, count
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN3Config
from lrgan_jax.generators.stylegan3_design import Design, Layer, filters

DESIGN = tuple(field.name for field in fields(Design))
WHOLE = ("img_resolution", "img_channels", "num_layers", "num_critical", "margin_size", "conv_kernel", "filter_size")
CLOSE = 1e-5  # of a filter's largest number; other cutoffs change it a thousand times as much


class Told(NamedTuple):
    """What is known of a network beside its tensors.

    Attributes:
      design: fields of Design. settings: fields of StyleGAN3Config, and z_dim. biased: see `Plan`.
      certain: whether the file itself says all of this, so that its filters may be any.
    """

    design: Mapping[str, Any]
    settings: Mapping[str, Any]
    biased: bool = True
    certain: bool = False


def planned(
    tensors: Mapping[str, np.ndarray], told: Told, sizes: Mapping[int, int], rate: float | None, origin: Origin
) -> Plan:
    """The plan that fits.

    Args:
      tensors: in our names. sizes: the side of what layers give, -1 the input, where the file shows it.
      rate: of the input, if the file shows it.
    Raises:
      CheckpointError: if none fits.
    """
    shown = _shown(tensors)
    design = _checked({**shown, **told.design})
    if design["num_layers"] != shown["num_layers"]:
        raise CheckpointError(f"num_layers is {design['num_layers']}, where this network has {shown['num_layers']}")
    known = design.pop("img_resolution", sizes.get(shown["num_layers"]))
    candidates = [2**k for k in range(3, 12)] if known is None else [known]
    found: list[list[str]] = []
    for resolution in candidates:
        layers = _layers({**design, "img_resolution": resolution}, sizes.get(-1))
        differences = list(_sizes_that_differ(layers, sizes, rate))
        differences += [] if told.certain else _filters_that_differ(tensors, layers, origin)
        if not differences:
            return Plan(layers, told.settings, tuple(_assumed(design, told)), told.biased)
        found.append(differences)
    likeliest = min(found, key=len)
    raise CheckpointError(f"{likeliest[0]}; its constructor's own arguments (--arguments FILE.json) would tell them")


def _shown(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the tensors show of the design."""
    layers = count(tensors, "synthesis/layer") - 1
    first, last = (tensors.get(f"params/synthesis/layer{i}/kernel") for i in (0, layers))
    radial = any(name.endswith("/down_filter") and array.ndim == 2 for name, array in tensors.items())
    found: dict[str, Any] = {"num_layers": layers, "use_radial_filters": radial}
    if first is not None and first.ndim == 4:
        found["conv_kernel"] = first.shape[0]
    if last is not None and last.ndim == 4:
        found["img_channels"] = last.shape[3]
    return found


def _checked(design: dict[str, Any]) -> dict[str, Any]:
    """The fields of a Design, of the right kinds and of sizes of which layers can be made."""
    out: dict[str, Any] = {}
    for name, value in design.items():
        if name == "use_radial_filters":
            out[name] = bool(value)
            continue
        if name == "conv_clamp" and value is None:
            out[name] = None
            continue
        found = number(value, name)
        if name in WHOLE or name == "lrelu_upsampling":
            if not found.is_integer() or not 0 <= found <= LARGEST:
                raise CheckpointError(f"{name} is {value!r:.40}, where a whole number up to {LARGEST} is wanted")
            found = int(found)
        out[name] = found
    rest = Design(**{"img_resolution": 64, **out})
    positive = (rest.first_cutoff, rest.first_stopband, rest.last_stopband_rel, rest.img_resolution, rest.filter_size)
    if not all(value > 0 for value in positive) or not 0 < rest.lrelu_upsampling <= 8:
        raise CheckpointError("its cutoffs, stopbands and filters should be of sizes above 0")
    if not 0 <= rest.num_critical < rest.num_layers <= MOST_LAYERS:
        raise CheckpointError(f"{rest.num_critical} of {rest.num_layers} layers cannot be critically sampled")
    return out


def _layers(design: dict[str, Any], input_size: int | None) -> tuple[Layer, ...]:
    """By the rule; the margin, if nobody tells it, so that the input is of its size."""
    try:
        if "margin_size" not in design and input_size is not None:
            rate = Design(**design).layers()[0].rate
            design = {**design, "margin_size": max(int(input_size - rate) // 2, 0)}
        layers = Design(**design).layers()
    except ArithmeticError as error:
        raise CheckpointError("its cutoffs and stopbands are of sizes that no layers can be made of") from error
    check_sizes(layers)
    return layers


def _sizes_that_differ(layers: tuple[Layer, ...], sizes: Mapping[int, int], rate: float | None) -> Iterator[str]:
    """Where the file is not as the rule has it."""
    for i, side in sizes.items():
        if side != layers[i + 1].size[0]:
            where = f"layer {i}" if i >= 0 else "the input"
            yield f"{where} gives {side} pixels, by StyleGAN3's rule it were {layers[i + 1].size[0]}"
    if rate is not None and rate != layers[0].rate:
        yield f"the input has {rate:g} samples across the image, by StyleGAN3's rule it were {layers[0].rate:g}"


def _filters_that_differ(tensors: Mapping[str, np.ndarray], layers: tuple[Layer, ...], origin: Origin) -> Iterator[str]:
    for i, (below, own) in enumerate(itertools.pairwise(layers[:-1])):
        names = [f"buffers/synthesis/layer{i}/{name}" for name in ("up_filter", "down_filter")]
        for name, rule in zip(names, filters(below, own), strict=True):
            if not _alike(tensors.get(name, np.ones(1)), rule):
                yield f"{origin.name(name)} is not the filter that StyleGAN3's rule makes of the numbers assumed"


def _alike(stored: np.ndarray, rule: np.ndarray) -> bool:
    return stored.shape == rule.shape and bool(np.abs(stored - rule).max() <= CLOSE * np.abs(rule).max())


def widths(config: StyleGAN3Config, base: Any, most: Any) -> Iterator[str]:
    """The first layer that is not as wide as the rule has it with this channel_base and channel_max.

    Raises:
      CheckpointError: if these are no numbers.
    """
    usual = Design(64)
    base, most = usual.channel_base if base is None else base, usual.channel_max if most is None else most
    for i, layer in enumerate(config.layers[1:-1]):
        wide = round(min(number(base, "channel_base") / 2 / layer.cutoff, number(most, "channel_max")))
        if layer.channels != wide:
            yield f"layer {i} gives {layer.channels} channels, of base {base} and at most {most} it were {wide}"
            return


def _assumed(design: Mapping[str, Any], told: Told) -> Iterable[str]:
    """What no tensor shows and nobody told."""
    open_ = {"conv_clamp": 256, "output_scale": 0.25, "mapping_lr": 0.01}
    known = {*design, *told.settings}
    if names := [f"{name} {value}" for name, value in open_.items() if name not in known]:
        yield f"tensors alone do not show it, so this is assumed: {', '.join(names)} (--arguments FILE.json)"
