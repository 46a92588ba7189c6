"""StyleGAN3's leaky ReLU between an upsampling and a downsampling filter, as a sum of shifted arrays.

The finer picture, on which the nonlinearity acts, is never woven together. It is computed by phase (row and column
modulo the least common multiple of both factors), no zero is inserted, and the downsampling filter reads the phases as
they are. On a 2-core CPU with jax 0.10 that takes a third of the time of products with banded matrices, and a sixth of
the time of convolutions with the channels in the batch (factors 2, 12 taps, 36 x 36 pixels; of tangents alike).

Symbols: x [N, H, W, C]; a filter is [taps], of both axes, or for downsampling [taps, taps]. Filters are reversed, as in
a true convolution.

Source: Karras et al. 2021, arXiv:2106.12423, section 3.2 and appendix E.
"""

from collections.abc import Iterator
from math import lcm

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.generators import ops


def filtered_leaky_relu(
    x: Float[Array, "n h w c"],
    up_filter: Float[Array, " t"],
    down_filter: Float[Array, "..."],
    *,
    up: int,
    down: int,
    before: tuple[int, int],
    size: tuple[int, int],
    clamp: float | None = None,
) -> Float[Array, "n g v c"]:
    """Upsample by `up`, leaky ReLU times sqrt(2), clamp, filter and keep every `down`-th sample.

    Args:
      up: so many samples are thought where there is one, the others zeros, and `up_filter` applied to that, with gain
        `up` along each axis.
      before: zeros before the first sample, of the finer picture, above and to the left; so many are cut off if
        negative. size: height and width of what comes out, which says how many there are behind the last one.
      clamp: bound on what the downsampling filter sees, or None.
    """
    period = lcm(up, down)
    woven = period // down  # phases of the output along each axis
    counts = [-(-side // woven) for side in size]
    taps = down_filter.shape[0]
    finer = [count + (period - down + taps - 1) // period for count in counts]
    rows = _upsampled(x, up_filter, up, period, before[0], finer[0], axis=1)
    cells = [_upsampled(row, up_filter, up, period, before[1], finer[1], axis=2) for row in rows]
    cells = [[ops.leaky_relu(cell, clamp=clamp) for cell in row] for row in cells]
    if down_filter.ndim == 1:
        columns = [
            _downsampled(list(column), down_filter, down, counts[0], axis=1) for column in zip(*cells, strict=True)
        ]
        phases = [_downsampled(list(row), down_filter, down, counts[1], axis=2) for row in zip(*columns, strict=True)]
    else:
        phases = _downsampled_as_a_whole(cells, down_filter, down, counts)
    return _once(ops.interleave(phases)[:, : size[0], : size[1]], down_filter)


def _once(x: Array, weights: Array) -> Array:
    """x, divided by a 1 that the compiler does not see: of which it knows that it is dear, and does not repeat it.

    A sum of shifted arrays counts as cheap with XLA on CPUs (jax 0.10), which repeats it wherever it is read. So the
    next layer's tangents would each compute again the features that they have in common: four times the time.
    """
    return x / (0 * weights.sum() + 1)


def _upsampled(x, filter, up: int, period: int, before: int, count: int, axis: int) -> list[Array]:
    """All phases of the upsampled x, `count` samples each, along `axis`.

    y[m] = up sum_k filter[k] x[j], over the k for which j = (m + taps - 1 - k - before) / up is whole.
    """
    stride, last = period // up, len(filter) - 1
    lowest, highest = -before // up, (period - 1 + last - before) // up + stride * (count - 1)
    widths = [(0, 0)] * x.ndim
    widths[axis] = (max(-lowest, 0), max(highest + 1 - x.shape[axis], 0))
    padded, behind = jnp.pad(x, widths), max(-lowest, 0)

    def phase(r):
        terms = []
        for k in range(len(filter)):
            j, rest = divmod(r + last - k - before, up)
            if not rest:
                start = behind + j
                part = lax.slice_in_dim(padded, start, start + stride * (count - 1) + 1, stride, axis)
                terms.append(up * filter[k] * part)
        return _total(terms) if terms else jnp.zeros_like(lax.slice_in_dim(padded, 0, count, 1, axis))

    return [phase(r) for r in range(period)]


def _downsampled(phases: list[Array], filter, down: int, count: int, axis: int) -> list[Array]:
    """All phases of the filtered signal that keeps every `down`-th sample, `count` samples each.

    y[i] = sum_k filter[k] x[down i + taps - 1 - k] of the x whose phases these are.
    """
    period = len(phases)
    return [
        _total(
            [
                filter[k] * lax.slice_in_dim(phases[r], shift, shift + count, axis=axis)
                for k, r, shift in _taps(len(filter), down, period, s)
            ]
        )
        for s in range(period // down)
    ]


def _taps(taps: int, down: int, period: int, s: int) -> Iterator[tuple[int, int, int]]:
    """Of output phase s: each tap with the phase that it reads, and the samples that this one is ahead."""
    for k in range(taps):
        shift, r = divmod(down * s + taps - 1 - k, period)
        yield k, r, shift


def _downsampled_as_a_whole(cells, filter, down: int, counts: list[int]) -> list[list[Array]]:
    """The same along both axes by a two-dimensional filter: each row of it on its own, then their sum."""

    def phase(s):
        rows = []
        for k, r, shift in _taps(len(filter), down, len(cells), s):
            seen = [lax.slice_in_dim(cell, shift, shift + counts[0], axis=1) for cell in cells[r]]
            rows.append(_downsampled(seen, filter[k], down, counts[1], axis=2))
        return [_total(list(terms)) for terms in zip(*rows, strict=True)]

    return [phase(s) for s in range(len(cells) // down)]


def _total(terms: list[Array]) -> Array:
    return sum(terms[1:], start=terms[0])
