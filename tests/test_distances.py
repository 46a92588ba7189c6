"""Distances between sets of images, against distributions whose distance is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax.metrics.distances import _distance, frechet_distance, laplacian_pyramid, sliced_wasserstein


def test_the_pyramid_adds_up_to_the_image():
    """Undone by the definition: each level plus the smoothed, spread coarser one."""
    images = jax.random.normal(jax.random.key(0), (2, 64, 64, 3))
    levels = laplacian_pyramid(images)
    assert [level.shape[1] for level in levels] == [64, 32, 16]
    taps = np.array([1, 4, 6, 4, 1]) / 16
    total = np.asarray(levels[-1], np.float64)
    for level in reversed(levels[:-1]):
        spread = np.zeros(level.shape)
        spread[:, ::2, ::2] = total
        padded = np.pad(spread, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
        smooth = sum(
            taps[i] * taps[j] * padded[:, i : i + level.shape[1], j : j + level.shape[2]]
            for i in range(5)
            for j in range(5)
        )
        total = np.asarray(level) + 4 * smooth
    np.testing.assert_allclose(total, images, atol=1e-5)
    flat = laplacian_pyramid(jnp.full((1, 32, 32, 1), 0.7))  # a constant has no detail
    np.testing.assert_allclose(flat[0], 0, atol=1e-6)


def test_sliced_distance_of_a_shift_is_the_shift_projected():
    """Moved by a vector v, sorted projections move by <v, direction>: known exactly."""
    random = np.random.default_rng(0)
    a, v = random.standard_normal((500, 6)), random.standard_normal(6)
    directions = random.standard_normal((6, 40))
    directions /= np.linalg.norm(directions, axis=0)
    assert _distance(a, random.permutation(a + v), directions) == pytest.approx(np.abs(v @ directions).mean(), rel=1e-6)


def test_sliced_wasserstein_tells_sets_apart():
    """The same images in another order are near 0, of the same kind nearer than of another, and detail shows at its own
    level.
    """
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, 64, 32, 32, 3)).astype(np.float32)
    blurred = (b + np.roll(b, 1, 1)) / 2
    alike, other = (sliced_wasserstein(a, x, directions=64) for x in (b, blurred))
    assert list(alike) == [32, 16]
    assert other[32] > 1.5 * alike[32] and other[16] < 1.2 * alike[16]
    assert sliced_wasserstein(a, a[::-1], directions=64)[32] < alike[32]
    with pytest.raises(ValueError, match="two sets of as many images"):
        sliced_wasserstein(a, b[:5])


def test_frechet_distance_of_gaussians():
    """Against the formula for axis-aligned Gaussians, whose covariances commute; and of a set with itself."""
    random = np.random.default_rng(0)
    scale, shift = np.array([1.0, 2.0, 0.5]), np.array([0.3, 0.0, -1.0])
    a = random.standard_normal((200_000, 3))
    expected = (shift**2).sum() + ((scale - 1) ** 2).sum()
    assert frechet_distance(a, random.standard_normal((200_000, 3)) * scale + shift) == pytest.approx(
        expected, rel=0.01
    )
    assert abs(frechet_distance(a, a)) < 1e-6
    with pytest.raises(ValueError, match="one width"):
        frechet_distance(a, a[:, :2])
