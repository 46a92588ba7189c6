"""How odd a part of a picture is: what must hold of the samples themselves, and of paint."""

import jax
import numpy as np
import pytest

from lrgan_jax.base.errors import InputError
from lrgan_jax.metrics.oddity import COMPONENTS, FINEST, Place, learn_part, oddity, pixels_at, place_around
from tests.tolerances import EXACT, rounding

NUM, HEIGHT, WIDTH = 200, 20, 24
BOX = (4, 6, 8, 10)  # 8 x 10 pixels of three channels, and a margin of one: more numbers than samples


@pytest.fixture(scope="module")
def samples():
    """Smooth pictures, as generators make: mixtures of a hundred patterns, the later the fainter."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((100, HEIGHT, WIDTH, 3)) * np.geomspace(1, 0.01, 100)[:, None, None, None]
    return (0.1 * np.tensordot(rng.standard_normal((NUM, 100)), patterns, 1) + 0.2).astype(np.float32)


@pytest.fixture(scope="module")
def part(samples):
    place = place_around(BOX, samples.shape[1:3])
    return learn_part(pixels_at(place, samples), place)


def test_samples_are_typical(part, samples):
    """Whitened by their own covariance: each component has a mean square of one, and so has their mean."""
    odd = oddity(part, samples)
    assert odd.shape == (NUM,)
    np.testing.assert_allclose(np.mean(odd**2), 1, rtol=1e-4)
    numbers = (pixels_at(part.place, samples) - part.mean) @ part.scaled
    np.testing.assert_allclose(numbers.T @ numbers / NUM, np.eye(COMPONENTS), rtol=0, atol=1e-3)


def test_the_mean_picture_is_not_odd_at_all(part, samples):
    np.testing.assert_allclose(oddity(part, samples.astype(np.float64).mean(0).astype(np.float32)), 0, atol=1e-3)


def test_by_the_covariance_in_float64(part, samples):
    """The Mahalanobis distance in the span of the leading eigenvectors, for pictures that are no samples."""
    place = part.place
    own, others = (
        pixels_at(place, a).astype(np.float64)
        for a in (samples, np.random.default_rng(1).uniform(-1, 1, (5, HEIGHT, WIDTH, 3)).astype(np.float32))
    )
    values, axes = np.linalg.eigh(np.cov(own.T, bias=True))
    numbers = (others - own.mean(0)) @ axes[:, -COMPONENTS:] / np.sqrt(values[-COMPONENTS:])
    found = oddity(part, np.random.default_rng(1).uniform(-1, 1, (5, HEIGHT, WIDTH, 3)).astype(np.float32))
    np.testing.assert_allclose(found, np.sqrt(np.mean(numbers**2, axis=1)), rtol=1e-3)


def test_paint_is_odd(part, samples):
    """The more the whiter; and only in the part, its margin included."""
    painted = [samples[0]]
    for white in (0.5, 1.0, 2.0):
        painted.append(samples[0].copy())
        painted[-1][6:10, 8:14] = white
    odd = oddity(part, np.stack(painted))
    assert (np.diff(odd) > 0).all() and odd[-1] > 3
    for row, column, sees in ((3, 5, True), (12, 16, True), (2, 5, False), (3, 4, False), (13, 10, False)):
        dot = samples[0].copy()
        dot[row, column] = 5
        assert (abs(oddity(part, dot) - odd[0]) > 1e-3) == sees


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_any_number_of_pictures(part, samples, lead):
    """Each as if alone, as NumPy arrays and traced."""
    pictures = samples[: np.prod(lead, dtype=int)].reshape(*lead, HEIGHT, WIDTH, 3)
    expected = np.array([oddity(part, a) for a in samples[: np.prod(lead, dtype=int)]]).reshape(lead)
    for found in (oddity(part, pictures), jax.jit(lambda a: oddity(part, a))(pictures)):
        assert found.shape == lead
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_is_not_finite_stays_so(part, samples):
    """NaN for that picture alone."""
    pictures = samples[:3].copy()
    pictures[1, 8, 8] = np.nan
    np.testing.assert_array_equal(np.isnan(oddity(part, pictures)), [False, True, False])


@pytest.mark.parametrize("num", [1, COMPONENTS])
def test_too_few_samples_are_refused(samples, num):
    place = place_around(BOX, samples.shape[1:3])
    with pytest.raises(InputError, match=f"64 components are learnt from more samples than that, got {num}"):
        learn_part(pixels_at(place, samples[:num]), place)
    assert np.isfinite(oddity(learn_part(pixels_at(place, samples[: COMPONENTS + 1]), place), samples[0]))


def test_few_pixels_have_few_components(samples):
    """A region of a pixel: nine with its margin would be 27 numbers, without one three."""
    for picture, numbers in ((samples, 27), (samples[:, :5, :5], 3)):
        place = place_around((2, 2, 1, 1), picture.shape[1:3])
        part = learn_part(pixels_at(place, picture), place)
        assert part.scaled.shape == (numbers, numbers)
        np.testing.assert_allclose(np.mean(oddity(part, picture) ** 2), 1, rtol=1e-3)


def test_pixels_that_never_change_do_not_count_until_they_do():
    """A generator's black border: no division by zero, and paint on it is very odd."""
    still = np.zeros((NUM, 8, 8, 3), np.float32)
    still[:, 2:6, 2:6] = np.random.default_rng(2).standard_normal((NUM, 4, 4, 3))
    place = place_around((0, 0, 8, 8), (8, 8))
    part = learn_part(pixels_at(place, still), place)
    np.testing.assert_allclose(np.mean(oddity(part, still) ** 2) * COMPONENTS, 48, rtol=1e-3)  # as many numbers vary


# Places and blocks


@pytest.mark.parametrize(
    ("box", "size", "place"),
    [
        ((4, 6, 8, 10), (20, 24), Place(slice(3, 13), slice(5, 17), 1)),
        ((0, 20, 8, 4), (20, 24), Place(slice(0, 9), slice(19, 24), 1)),
        ((0, 0, 256, 256), (256, 256), Place(slice(0, 256), slice(0, 256), 6)),
        ((100, 50, 22, 40), (256, 256), Place(slice(87, 135), slice(37, 103), 2)),
        ((100, 50, 22, 22), (256, 256), Place(slice(87, 135), slice(37, 85), 1)),
    ],
)
def test_places_have_a_margin_and_at_most_so_many_blocks(box, size, place):
    """A twentieth of the height around the box, cut off at the border; blocks as small as FINEST allows."""
    assert place_around(box, size) == place
    longest = max(place.rows.stop - place.rows.start, place.columns.stop - place.columns.start)
    assert longest <= FINEST * place.step and (place.step == 1 or longest > FINEST * (place.step - 1))


def test_pixels_are_means_of_whole_blocks():
    """Of 3 x 3 pixels by loops; a last row and column that fill none are left out."""
    images = np.random.default_rng(3).standard_normal((2, 12, 12, 3)).astype(np.float32)
    found = pixels_at(Place(slice(1, 8), slice(2, 12), 3), images)
    expected = [
        [images[n, 1 + 3 * i : 4 + 3 * i, 2 + 3 * j : 5 + 3 * j].mean((0, 1)) for i in range(2) for j in range(3)]
        for n in range(2)
    ]
    np.testing.assert_allclose(found, np.reshape(expected, (2, -1)), **rounding(np.float32, 9))
    np.testing.assert_allclose(
        pixels_at(Place(slice(1, 8), slice(2, 12), 1), images), images[:, 1:8, 2:12].reshape(2, -1), **EXACT
    )
