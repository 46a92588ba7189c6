"""The arithmetic of the convolutional generators as plain functions of arrays, NHWC, any float dtype.

Two choices make these fast under `vmap` and forward-mode differentiation:

* Modulation scales activations, not weights: `d * conv(W, s * x)` is the paper's `conv(W s d, x)`, but the kernel stays
  shared by all samples and all tangents, so a batch of them is one dense convolution instead of a grouped one.
* Nothing is depthwise or dilated, which XLA runs 10 to 80 times slower than a plain convolution or a shifted add (CPU,
  jax 0.10). A stride-2 transposed convolution is split by output phase, the 4-tap filter is a sum of shifted arrays.

Symbols: N samples, H x W pixels, I input and O output channels; `filter` is the resampling filter, of unit sum: the
taps of a separable one, or rows of taps.

Source: Karras et al. 2020, arXiv:1912.04958 (sections 2.2 and 3, appendix B); Radford et al. 2016, arXiv:1511.06434.
"""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

Filter = tuple[float, ...] | tuple[tuple[float, ...], ...]
NHWC = ("NHWC", "HWIO", "NHWC")


def normalize_2nd_moment(x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """Scale each row to unit mean square (StyleGAN's pixel norm for latents and label embeddings)."""
    return pixel_norm(x, 1e-8)


def pixel_norm(x: Float[Array, "... d"], eps: float) -> Float[Array, "... d"]:
    """Scale to unit mean square over the channels (arXiv:1710.10196, section 4.2)."""
    return x * lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + eps)


def instance_norm(x: Float[Array, "n h w c"], eps: float) -> Float[Array, "n h w c"]:
    """Each channel of each image to mean 0 and variance 1."""
    x = x - x.mean((1, 2), keepdims=True)
    return x * lax.rsqrt(jnp.square(x).mean((1, 2), keepdims=True) + eps)


def equalized(kernel: Float[Array, "*k i o"], gain: float | None, lr_multiplier: float = 1.0) -> Float[Array, "*k i o"]:
    """Weights of unit variance as they are used: each output's divided by the root of their number (equalised learning
    rate); with a gain of None as they are, but for the multiplier.
    """
    root = float(np.sqrt(kernel.size // kernel.shape[-1]))
    return kernel * (lr_multiplier if gain is None else gain / root * lr_multiplier)


def dense(
    x: Float[Array, "n i"], kernel: Float[Array, "i o"], bias: Float[Array, " o"], lr_multiplier: float = 1.0
) -> Float[Array, "n o"]:
    """Fully connected layer with equalised learning rate: stored weights have unit variance, scaled here.

    HIGHEST because every later layer depends on the styles computed here, at a negligible share of the work.
    """
    scale = float(lr_multiplier / np.sqrt(kernel.shape[0]))  # a Python number: NumPy's would turn bfloat16 into float32
    return jnp.matmul(x, kernel * scale, precision=lax.Precision.HIGHEST) + bias * lr_multiplier


def leaky_relu(
    x: Float[Array, "..."], gain: float = float(np.sqrt(2)), clamp: float | None = None
) -> Float[Array, "..."]:
    """Leaky ReLU of slope 0.2 times `gain`, then clamped to [-clamp, clamp]; sqrt(2) keeps the variance."""
    x = jnp.where(x >= 0, x, 0.2 * x) * gain
    return x if clamp is None else jnp.clip(x, -clamp, clamp)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def conv(x: Float[Array, "n h w i"], kernel: Float[Array, "k l i o"], padding: Any = "SAME") -> Float[Array, "n g v o"]:
    """Plain correlation, stride 1."""
    return lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=NHWC)


def _conv_by_kernel(x, kernel, padding):
    """`conv` again, in the form whose derivative by the kernel is fast: 1x1 as a matrix product, other paddings than
    SAME made explicit.

    A kernel's gradient is a convolution with a window as large as the image. With 2x2 taps and implicit padding that
    takes XLA 8 to 30 times longer than with the padding laid round the image (CPU, jax 0.10). Forward, `conv` is the
    faster one.
    """
    if kernel.shape[:2] == (1, 1):
        return jnp.einsum("nhwi,io->nhwo", x, kernel[0, 0])
    if padding not in ("SAME", "VALID"):
        x, padding = jnp.pad(x, ((0, 0), *padding, (0, 0))), "VALID"
    return lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=NHWC)


@partial(conv.defjvp, symbolic_zeros=True)
def _conv_jvp(padding, primals, tangents):
    x, kernel = primals
    y = conv(x, kernel, padding)
    (dx, dk), total = tangents, None
    if not isinstance(dx, SymbolicZero):
        total = conv(dx, kernel, padding)
    if not isinstance(dk, SymbolicZero):
        moved = _conv_by_kernel(x, dk, padding)
        total = moved if total is None else total + moved
    return y, total


def demodulation(kernel: Float[Array, "k k i o"], style: Float[Array, "n i"], eps: float) -> Float[Array, "n o"]:
    """1 / norm of the modulated kernel per output channel, `d = rsqrt(sum (W s)^2 + eps)` (arXiv:1912.04958, eq. 3)."""
    energy = jnp.square(kernel).sum((0, 1))
    return lax.rsqrt(jnp.matmul(jnp.square(style), energy, precision=lax.Precision.HIGHEST) + eps)


def modulated_conv(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "k k i o"],
    style: Float[Array, "n i"],
    *,
    demodulation_eps: float | None = 1e-8,
    up_filter: Filter | None = None,
) -> Float[Array, "n g v o"]:
    """Style-scaled convolution (arXiv:1912.04958, eq. 1-3).

    Args:
      demodulation_eps: None for a layer that is not demodulated.
      up_filter: upsample by 2 and filter with this; None keeps the size.
    """
    x = x * style[:, None, None, :]
    y = conv(x, kernel) if up_filter is None else up_conv(x, kernel, up_filter)
    return y if demodulation_eps is None else y * demodulation(kernel, style, demodulation_eps)[:, None, None, :]


def up_conv(x: Float[Array, "n h w i"], kernel: Float[Array, "3 3 i o"], filter: Filter) -> Float[Array, "n 2*h 2*w o"]:
    """Stride-2 transposed 3x3 convolution followed by the filter, gain 4, as four small convolutions.

    Along one axis the transposed convolution gives t[2m] = x[m] k[0] + x[m-1] k[2] and t[2m+1] = x[m] k[1], so the even
    phase needs two taps and the odd phase one: 9 taps per input pixel in all, on the small image. `kernel` is spread
    unreversed (torch's conv_transpose2d), so as a correlation the even taps are read backwards.
    """
    select = {0: (slice(None, None, -2), (1, 1)), 1: (slice(1, 2), (0, 0))}  # phase -> its taps, its padding

    def phase(row, column):
        (row_taps, row_pad), (column_taps, column_pad) = select[row], select[column]
        return conv(x, kernel[row_taps, column_taps], (row_pad, column_pad))

    phases = [[phase(row, column) for column in (0, 1)] for row in (0, 1)]
    return _filter_phases(phases, filter, (len(filter) + 1) // 2 - 1, x.shape[1:3])


def upsample(x: Float[Array, "n h w c"], filter: Filter) -> Float[Array, "n 2*h 2*w c"]:
    """Insert zeros by 2 and filter with gain 4: StyleGAN2's picture pyramid and the residual branch."""
    return _filter_phases([[x, None], [None, None]], filter, (len(filter) + 1) // 2, x.shape[1:3])


def blur(x: Float[Array, "n h w c"], filter: Filter, padding: tuple[int, int]) -> Float[Array, "n g v c"]:
    """Filter, gain 1, with so many zeros before and after the image on both axes."""
    total: Any = 0.0
    x = jnp.pad(x, ((0, 0), padding, padding, (0, 0)))
    for row_taps, column_taps in _separable_terms(filter):
        total = total + _blur_axis(_blur_axis(x, row_taps, 1), column_taps, 2)
    return total


def _blur_axis(x, taps, axis):
    size = x.shape[axis] - len(taps) + 1
    shifted = [tap * lax.slice_in_dim(x, k, k + size, axis=axis) for k, tap in enumerate(reversed(taps)) if tap]
    return sum(shifted[1:], shifted[0])


def downsample(x: Float[Array, "n h w c"], filter: Filter) -> Float[Array, "n h//2 w//2 c"]:
    """Filter and keep every other pixel: the discriminator's residual branch."""
    before, after = (len(filter) - 1) // 2, max(len(filter) - 2, 0) // 2
    return blur(x, filter, (before, after))[:, ::2, ::2]


def down_conv(
    x: Float[Array, "n h w i"], kernel: Float[Array, "3 3 i o"], filter: Filter
) -> Float[Array, "n h//2 w//2 o"]:
    """Filter, then a 3x3 convolution of stride 2: the mirror image of `up_conv`, by input phase.

    y[m] = b[2m] k[0] + b[2m+1] k[1] + b[2m+2] k[2] of the filtered b, so the even phase gives two taps and the odd one.
    Written as a strided convolution its derivative would be a dilated one.
    """
    b = blur(x, filter, (len(filter) // 2, (len(filter) + 1) // 2))
    phases = [conv(b[:, row::2, column::2], kernel[row::2, column::2], "VALID") for row in (0, 1) for column in (0, 1)]
    return sum(phases[1:], phases[0])


def _filter_phases(phases, filter, pad, size):
    """Filter, with gain 4, the image whose even/odd rows and columns are `phases[row][column]` (None: zeros), then
    weave it together.

    `pad` is the zero padding before the image; `size` the H x W of each phase of the result.
    """
    total: Any = 0.0
    for row_taps, column_taps in _separable_terms(filter):
        columns = [_filter_axis(phases[0][c], phases[1][c], row_taps, pad, size[0], axis=1) for c in (0, 1)]
        quarters = [_filter_axis(columns[0][r], columns[1][r], column_taps, pad, size[1], axis=2) for r in (0, 1)]
        total = total + interleave(quarters)
    return total


def _separable_terms(filter):
    """Pairs (row taps, column taps) whose outer products add up to the filter; a two-dimensional one gives a pair per
    row.
    """
    if np.ndim(filter) == 1:
        return [(filter, filter)]
    return list(zip(np.eye(len(filter)).tolist(), filter, strict=True))


def _filter_axis(even, odd, taps, pad, size, axis):
    """Both output phases, along `axis`, of a true convolution (kernel reversed) with gain 2 of the signal t woven from
    `even` and `odd`.

    out[2p + r] = 2 sum_k taps[k] t[2p + r + offset - k].
    """
    if even is None:
        return None, None
    offset = len(taps) - 1 - pad
    reach = len(taps) // 2 + 1  # no index leaves [-reach, size + reach)
    widths = [(0, 0)] * even.ndim
    widths[axis] = (reach, reach)
    padded = [None if t is None else jnp.pad(t, widths) for t in (even, odd)]

    def output(r):
        total = jnp.zeros((), even.dtype)
        for k, tap in enumerate(taps):
            shift, parity = divmod(r + offset - k, 2)
            if padded[parity] is not None and tap:
                total += 2 * tap * lax.slice_in_dim(padded[parity], reach + shift, reach + shift + size, axis=axis)
        return jnp.broadcast_to(total, even.shape[:axis] + (size,) + even.shape[axis + 1 :])  # a phase may get no tap

    return output(0), output(1)


def nearest(x: Float[Array, "n h w c"]) -> Float[Array, "n 2*h 2*w c"]:
    """Every pixel four times."""
    return interleave(((x, x), (x, x)))


def nearest_conv(x: Float[Array, "n h w i"], kernel: Float[Array, "3 3 i o"]) -> Float[Array, "n 2*h 2*w o"]:
    """`conv(nearest(x), kernel)`, on the small image: where two taps meet the same pixel, they are added up before.

    Along one axis that gives t[2m] = x[m-1] k[0] + x[m] (k[1] + k[2]) and t[2m+1] = x[m] (k[0] + k[1]) + x[m+1] k[2],
    a transposed 4x4 convolution.
    """
    spread = jnp.pad(kernel[::-1, ::-1], ((1, 1), (1, 1), (0, 0), (0, 0)))
    rows = spread[1:] + spread[:-1]
    return conv_transpose_4x4(x, rows[:, 1:] + rows[:, :-1])


def interleave(phases) -> Float[Array, "n g v c"]:
    """Weave `phases[row][column]`, R x R of them and each of H x W, into one image of RH x RW."""
    rows = [jnp.stack(list(row), axis=3) for row in phases]
    woven = jnp.stack(rows, axis=2)
    n, h, r, w, c, channels = woven.shape
    return woven.reshape(n, h * r, w * c, channels)


def conv_transpose_4x4(x: Float[Array, "n h w i"], kernel: Float[Array, "4 4 i o"]) -> Float[Array, "n 2*h 2*w o"]:
    """DCGAN's layer: transposed 4x4 convolution, stride 2, padding 1, as one 2x2 convolution that yields all four
    phases.

    out[2m] = x[m-1] k[3] + x[m] k[1] and out[2m+1] = x[m] k[2] + x[m+1] k[0]: every phase takes two neighbours.
    """
    height, width = x.shape[1:3]
    features = kernel.shape[-1]
    phases = list(itertools.product((0, 1), (0, 1)))
    kernels = [kernel[3 - r :: -2, 3 - c :: -2] for r, c in phases]
    y = conv(x, jnp.concatenate(kernels, axis=-1), ((1, 1), (1, 1)))
    a, b, c, d = (
        y[:, r : r + height, c : c + width, i * features : (i + 1) * features] for i, (r, c) in enumerate(phases)
    )
    return interleave(((a, b), (c, d)))


def max_pool(x: Float[Array, "n h w c"]) -> Float[Array, "n h//2 w//2 c"]:
    """The largest of every 2x2 pixels, a last odd row or column left out."""
    n, height, width, channels = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))
