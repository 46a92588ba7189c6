"""The arithmetic of the generators, each operation against a float64 loop written from its formula."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from tolerances import rounding, worst

from lrgan_jax.generators import ops

TAPS = (0.1, 0.2, 0.3, 0.4)  # asymmetric, so that a filter applied backwards shows
UNEVEN = np.random.default_rng(9).uniform(-0.2, 0.6, (4, 4))
FILTERS = {
    "the usual one": (0.125, 0.375, 0.375, 0.125),
    "backwards shows": TAPS,
    "1 tap": (1.0,),
    "2 taps": (0.3, 0.7),
    "3 taps": (0.2, 0.3, 0.5),
    "6 taps": (0.05, 0.1, 0.15, 0.2, 0.2, 0.3),
    "8 taps": (0.02, -0.03, 0.1, 0.3, 0.35, 0.2, 0.1, -0.04),
    "4x4, no product": tuple(map(tuple, UNEVEN.tolist())),
    "3x3, no product": tuple(map(tuple, UNEVEN[:3, :3].tolist())),
}


def each(f):
    """An oracle for one image and one style, applied to every image of a batch with its own style."""
    return lambda x, kernel, *style: np.stack([f(a, kernel, *s) for a, *s in zip(x, *style, strict=True)])


def shifts(kernel):
    """3x3 to 4x4: the sum of the kernel in the four corners."""
    total = np.zeros((4, 4, *kernel.shape[2:]))
    for i, j in np.ndindex(2, 2):
        total[i : i + 3, j : j + 3] += kernel
    return total


CASES = {  # name -> function, oracle, shapes of the arguments, terms summed per output
    "dense": (
        lambda x, kernel, bias: ops.dense(x, kernel, bias, 0.1),
        lambda x, kernel, bias: reference.dense(x, {"kernel": kernel, "bias": bias}, 0.1),
        ((3, 5), (5, 4), (4,)),
        5,
    ),
    "normalize_2nd_moment": (ops.normalize_2nd_moment, reference.normalize, ((3, 7),), 7),
    "leaky_relu": (ops.leaky_relu, reference.leaky_relu, ((3, 4, 5, 2),), 1),
    "leaky_relu, clamped": (
        lambda x: ops.leaky_relu(x, 0.7, 0.4),
        lambda x: reference.leaky_relu(x, 0.7, 0.4),
        ((3, 4, 5, 2),),
        1,
    ),
    "conv": (ops.conv, each(reference.correlate), ((3, 4, 6, 3), (3, 3, 3, 5)), 27),
    "modulated_conv": (
        ops.modulated_conv,
        each(reference.modulated_conv),
        ((3, 4, 6, 3), (3, 3, 3, 5), (3, 3)),
        27,
    ),
    "modulated_conv, up": (
        partial(ops.modulated_conv, up_filter=TAPS),
        each(partial(reference.modulated_conv, taps=TAPS)),
        ((3, 4, 3, 3), (3, 3, 3, 5), (3, 3)),
        108,
    ),
    "modulated_conv, 1x1": (
        partial(ops.modulated_conv, demodulation_eps=None),
        each(partial(reference.modulated_conv, demodulate=False)),
        ((3, 4, 6, 7), (1, 1, 7, 3), (3, 7)),
        7,
    ),
    "upsample": (
        lambda x: ops.upsample(x, TAPS),
        lambda x: np.stack([reference.upsample(a, TAPS) for a in x]),
        ((3, 3, 5, 3),),
        16,
    ),
    "nearest_conv": (
        ops.nearest_conv,
        each(lambda x, kernel: reference.correlate(reference.doubled(x), kernel)),
        ((3, 4, 6, 3), (3, 3, 3, 5)),
        27,
    ),
    "nearest_conv, of a fused layer": (  # whose kernel is spread as it is, after its four shifts were added up
        lambda x, kernel: ops.nearest_conv(x, kernel[::-1, ::-1]),
        each(lambda x, kernel: reference.conv_transpose(x, shifts(kernel))[1:-1, 1:-1]),
        ((3, 4, 6, 3), (3, 3, 3, 5)),
        27,
    ),
    "conv_transpose_4x4": (
        ops.conv_transpose_4x4,
        each(lambda x, kernel: reference.conv_transpose(x, kernel)[1:-1, 1:-1]),
        ((3, 3, 5, 3), (4, 4, 3, 2)),
        12,
    ),
}


def arguments(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("name", CASES)
def test_operation_matches_its_oracle_and_keeps_the_dtype(name, dtype):
    """Batches of three with styles of their own, heights unlike widths, odd numbers of channels."""
    function, oracle, shapes, terms = CASES[name]
    given = [a.astype(jnp.dtype(dtype)) for a in arguments(shapes)]
    with jax.enable_x64(True):
        actual = jax.jit(function)(*given)
        assert actual.dtype == dtype
        expected = oracle(*(a.astype(np.float64) for a in given))
        if dtype == "bfloat16":  # NumPy has no finfo of it; its eps is 2^-7
            assert worst(actual, expected) < 4 * 2**-7 * terms**0.5
        else:
            np.testing.assert_allclose(actual, expected, **rounding(dtype, terms))


@pytest.mark.parametrize("name", CASES)
def test_derivative_matches_a_finite_difference(name):
    """Forward mode in all arguments together, against a central difference in float64."""
    function, _, shapes, _ = CASES[name]
    point, tangent, step = arguments(shapes, 1), arguments(shapes, 2), 1e-6
    with jax.enable_x64(True):
        f = jax.jit(function)
        derivative = jax.jit(partial(jax.jvp, function))(tuple(point), tuple(tangent))[1]
        ahead, behind = (
            np.asarray(f(*(p + s * t for p, t in zip(point, tangent, strict=True)))) for s in (step, -step)
        )
    assert worst(derivative, (ahead - behind) / (2 * step)) < 1e-8


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_a_loop(name):
    function, _, shapes, _ = CASES[name]
    two = arguments([(2, *shape) for shape in shapes])
    with jax.enable_x64(True):
        loop = np.stack([jax.jit(function)(*(a[i] for a in two)) for i in range(2)])
        np.testing.assert_allclose(jax.jit(jax.vmap(function))(*two), loop, **rounding(np.float64, 27))


@pytest.mark.parametrize("taps", FILTERS.values(), ids=FILTERS)
def test_upsampling_inserts_zeros_and_filters(taps):
    """Both upsamplings with every kind of filter: pad, order and gain as in FORMATS.md, for any length."""
    x, kernel = arguments([(2, 3, 5, 3), (3, 3, 3, 2)])
    with jax.enable_x64(True):
        picture, features = jax.jit(lambda x, kernel: (ops.upsample(x, taps), ops.up_conv(x, kernel, taps)))(x, kernel)
    exact = rounding(np.float64, 9 * len(taps) ** 2)
    np.testing.assert_allclose(picture, [reference.upsample(a, taps) for a in x], **exact)
    np.testing.assert_allclose(features, [reference.up_conv(a, kernel, taps) for a in x], **exact)


def test_one_pixel_image_can_be_upsampled():
    """The filter is longer than the image. Run eagerly, as whoever takes an operation apart would."""
    x, kernel = arguments([(1, 1, 1, 2), (3, 3, 2, 3)])
    with jax.enable_x64(True):
        picture, features = (
            ops.upsample(jnp.asarray(x), TAPS)[0],
            ops.up_conv(jnp.asarray(x), jnp.asarray(kernel), TAPS)[0],
        )
    np.testing.assert_allclose(picture, reference.upsample(x[0], TAPS), **rounding(np.float64))
    np.testing.assert_allclose(features, reference.up_conv(x[0], kernel, TAPS), **rounding(np.float64, 18))


def test_demodulated_output_does_not_depend_on_the_size_of_kernel_or_style():
    """Eq. 3: only the directions of weight and style matter, so eps stays small beside any real weight."""
    x, kernel, style = arguments(CASES["modulated_conv"][2])
    with jax.enable_x64(True):
        f = jax.jit(ops.modulated_conv)
        np.testing.assert_allclose(f(x, kernel * 30, style), f(x, kernel, style), rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(f(x, kernel, style * 0.1), f(x, kernel, style), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["modulated_conv", "modulated_conv, up", "normalize_2nd_moment"])
def test_zeros_give_zeros_with_finite_derivatives(name):
    """The 1e-8 inside the roots: a style or a latent of 0 divides nothing by 0, neither forward nor backward."""
    function, _, shapes, _ = CASES[name]
    given = [a.astype(np.float32) for a in arguments(shapes)]
    given[-1][0] = 0
    value, gradients = jax.jit(jax.value_and_grad(lambda *a: jnp.sum(function(*a)[0]), argnums=range(len(shapes))))(
        *given
    )
    assert value == 0
    assert all(np.isfinite(gradient).all() for gradient in gradients)
