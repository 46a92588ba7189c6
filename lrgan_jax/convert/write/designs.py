"""StyleGAN3's layers -> the numbers of which its rule makes them: the way back from `generators.stylegan3_design`.

Symbols as there. Rates hide most of the stopbands, and channels where the widths end: of all numbers that make the same
layers the usual one is taken, or else the plainest.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import ceil, exp2, inf, isclose, log2
from typing import Any

import numpy as np

from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators.stylegan3_design import Design, Layer

USUAL = Design(img_resolution=64)
SLACK = 1e-12  # what rounding may do to a number; next to a limit it is kept away from by as much


def design_of(layers: Sequence[Layer]) -> Design:
    """What makes these layers: the input, then all layers.

    Raises:
      CheckpointError: naming the first number that the rule makes otherwise, if nothing does.
    """
    if len(layers) < 3:
        raise CheckpointError("StyleGAN3's rule makes no network without layers between its input and its toRGB")
    below, inner, image = layers[0], layers[1], layers[-1]
    bands, resolution = layers[1:], image.size[0]
    num_layers = len(bands) - 1
    steps = next((i for i in range(1, num_layers) if isclose(bands[i].cutoff, resolution / 2)), num_layers)
    first_stopband, last_stopband_rel = _stopbands(bands, steps, resolution)
    base, widest = _widths(bands[:-1])
    taps = (len(shape) and shape[0] // factor for layer in bands for shape, factor in _filters(layer))
    found = Design(
        img_resolution=resolution,
        img_channels=image.channels,
        channel_base=base,
        channel_max=widest,
        num_layers=num_layers,
        num_critical=num_layers - steps,
        first_cutoff=_plain(below.cutoff),
        first_stopband=first_stopband,
        last_stopband_rel=last_stopband_rel,
        margin_size=max(int(below.size[0] - below.rate) // 2, 0),
        conv_kernel=inner.kernel,
        filter_size=next(filter(None, taps), USUAL.filter_size),
        lrelu_upsampling=inner.up,
        use_radial_filters=any(len(layer.down_filter) == 2 for layer in bands),
        conv_clamp=None if inner.clamp is None else _plain(inner.clamp),
    )
    if different := next(differences(layers, found.layers()), None):
        raise CheckpointError(f"no arguments of StyleGAN3's rule make this network: {different}")
    return found


def differences(layers: Sequence[Layer], others: Sequence[Layer]) -> Iterator[str]:
    """In words, all that is not the same to rounding."""
    if len(layers) != len(others):
        yield f"{len(layers)} layers, where it were {len(others)}"
    for i, (layer, other) in enumerate(zip(layers, others, strict=False)):
        for name, own, wanted in zip(Layer._fields, layer, other, strict=True):
            if not _same(own, wanted):
                yield f"{name} of {f'layer {i - 1}' if i else 'the input'} is {own!r}, where it were {wanted!r}"


def _same(own: Any, wanted: Any) -> bool:
    if isinstance(own, float | int) and isinstance(wanted, float | int):
        return isclose(own, wanted)
    return own == wanted


def _filters(layer: Layer) -> Iterator[tuple[tuple[int, ...], int]]:
    yield layer.up_filter, layer.up
    yield layer.down_filter, layer.down


# ---- Stopbands, which show themselves where they are wider than half the rate, and bound the rate elsewhere.


def _stopbands(bands: Sequence[Layer], steps: int, resolution: int) -> tuple[float, float]:
    """first_stopband, and last_stopband_rel, between which the stopbands are even in their logarithms."""
    limits = [_stopband_limits(band) for band in bands]
    low, high = (limit / (resolution / 2) for limit in limits[-1])
    usual = USUAL.first_stopband, USUAL.last_stopband_rel
    for relative in chain([_chosen(low, high, usual[1])], np.linspace(low, high, 64)[1:-1].tolist()):
        last, lowest, highest = log2(relative * resolution / 2), -inf, inf
        for i, limit in enumerate(limits[:steps]):
            share = i / steps
            narrowest, widest = ((log2(end) - share * last) / (1 - share) for end in limit)
            lowest, highest = max(lowest, narrowest), min(highest, widest)
        if lowest <= highest:
            return _chosen(exp2(lowest), exp2(highest), usual[0]), relative
    return usual  # which will be found to make other layers


def _stopband_limits(band: Layer) -> tuple[float, float]:
    """The least and the largest stopband of which a layer is made."""
    shown, half = band.half_width + band.cutoff, band.rate / 2
    if shown > half * (1 + SLACK):
        return shown * (1 - SLACK), shown * (1 + SLACK)
    return half / 2 * (1 + SLACK), half * (1 - SLACK)


# ---- Widths.


def _widths(bands: Sequence[Layer]) -> tuple[int | float, int]:
    """channel_base and channel_max. Those of the largest width may be cut off, and bound the base from below alone."""
    widest = max(band.channels for band in bands)
    low = max(2 * band.cutoff * (band.channels - 0.5) for band in bands) * (1 + SLACK)
    high = min((2 * band.cutoff * (band.channels + 0.5) for band in bands if band.channels < widest), default=2 * low)
    return _chosen(low, high * (1 - SLACK), USUAL.channel_base), widest


# ---- Which of all numbers between two.


def _chosen(low: float, high: float, usual: float) -> int | float:
    """The usual one if it may be, else the plainest: a power of two, or the one with the fewest decimals."""
    if low <= usual <= high or not 0 < low <= high:
        return usual
    decimals = (round((low + high) / 2, digits) for digits in range(-4, 16))
    plainest = (number for number in (exp2(ceil(log2(low))), *decimals) if low <= number <= high)
    return _plain(next(plainest, (low + high) / 2))


def _plain(number: float) -> int | float:
    return int(number) if float(number).is_integer() else float(number)
