"""Steps of equal change, on curves whose speed is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax.metrics import equal_steps
from lrgan_jax.metrics.strips import FINE
from tests.tolerances import rounding

LATENT, DIRECTION = jnp.array([2.0, -1.0]), jnp.array([0.0, 1.0])
SHAPE = (2, 3, 1)


def image_of(curve):
    """An image that is `curve` of the step along DIRECTION, everywhere; it does not react to the other latent
    coordinate.
    """
    return lambda w: curve(w[1] + 1.0) * jnp.ones(SHAPE)


def within(inverse, low, high, num):
    """How far a straight line between points `fine` apart may be from the inverse curve, and 1e-6 for the pieces'
    floor.

    The error of linear interpolation is at most h^2 / 8 times the second derivative; here it is taken from the inverse
    itself, densely.
    """
    places = np.linspace(0, 1, 20_001)
    steps = low + places * (high - low)
    travelled = inverse(steps)
    fine = np.linspace(low, high, FINE * (num - 1) + 1)
    straight = np.interp(travelled, inverse(fine), fine)
    return np.abs(straight - steps).max() + 1e-6 * (high - low)


@pytest.mark.parametrize(
    ("low", "high", "num"), [(0.2, 2.0, 5), (0.0, 1.0, 9), (-1.0, 1.0, 7), (0.5, 0.6, 2), (-3.0, -1.0, 4)]
)
def test_a_cube_is_divided_evenly(low, high, num):
    """The image is s^3, so the k-th step is the cube root of evenly spaced numbers, but for the straight pieces between
    its points.
    """
    steps = np.asarray(equal_steps(image_of(lambda s: s**3), LATENT, DIRECTION, low, high, num))
    expected = np.cbrt(np.linspace(low**3, high**3, num))
    np.testing.assert_allclose(
        steps, expected, rtol=0, atol=within(lambda s: s**3, low, high, num) + 8e-7 * max(abs(low), abs(high))
    )
    np.testing.assert_allclose(steps[[0, -1]], [low, high], **rounding(np.float32))
    assert (np.diff(steps) > 0).all()
    if num > 2:
        assert np.abs(steps - np.linspace(low, high, num)).max() > 0.05 * (
            high - low
        )  # even steps would be another answer


def test_a_path_there_and_back_counts_all_of_it():
    """cos from 0 to 2 pi returns to where it was: what lies between counts, not the distance of the ends."""
    steps = equal_steps(image_of(jnp.cos), LATENT, DIRECTION, 0.0, 2 * np.pi, 5)
    expected = [0, np.pi / 2, np.pi, 3 * np.pi / 2, 2 * np.pi]  # a quarter of the way is |cos 0 - cos pi/2| = 1 of 4
    np.testing.assert_allclose(
        steps, expected, rtol=0, atol=1e-5
    )  # all are points of the grid: float32 rounding of cos and the sum


def test_from_high_to_low():
    """The other way round, the same steps backwards."""
    f = image_of(lambda s: s**3)
    forth, back = (np.asarray(equal_steps(f, LATENT, DIRECTION, *ends, 6)) for ends in ((0.2, 2.0), (2.0, 0.2)))
    np.testing.assert_allclose(back, forth[::-1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_where_nothing_changes_steps_are_equal(value):
    """No change at all: no division by zero, equal lengths."""
    steps = equal_steps(image_of(lambda s: value + 0 * s), LATENT, DIRECTION, -1.0, 3.0, 5)
    np.testing.assert_allclose(steps, [-1, 0, 1, 2, 3], rtol=0, atol=1e-5)


def test_a_path_that_stands_still_for_a_while():
    """The image changes only past 1: all steps but the first lie there, and none is NaN."""
    steps = np.asarray(equal_steps(image_of(lambda s: jnp.maximum(s - 1, 0)), LATENT, DIRECTION, 0.0, 2.0, 5))
    np.testing.assert_allclose(
        steps, [0, 1.25, 1.5, 1.75, 2], rtol=0, atol=1e-4
    )  # the floor moves them by 1e-6 of the length


def test_another_distance():
    """Half of the image is s, the other half s^3: a distance that looks at the one half only gives that
    half's steps.
    """

    def f(w):
        return jnp.stack([jnp.full((2, 3), w[1] + 1), jnp.full((2, 3), (w[1] + 1) ** 3)], axis=-1)

    steps = [
        equal_steps(f, LATENT, DIRECTION, 0.2, 2.0, 5, lambda a, b, channel=channel: jnp.abs(a - b)[..., channel].max())
        for channel in (0, 1)
    ]
    np.testing.assert_allclose(steps[0], np.linspace(0.2, 2, 5), rtol=0, atol=1e-5)
    alone = equal_steps(image_of(lambda s: s**3), LATENT, DIRECTION, 0.2, 2.0, 5)
    np.testing.assert_allclose(steps[1], alone, rtol=0, atol=1e-5)


def test_compiled_and_mapped():
    """jit = eager, the ends being values; vmap over directions = one at a time."""
    f = image_of(lambda s: s**3)

    def steps(direction, low, high):
        return equal_steps(f, LATENT, direction, low, high, 5)

    np.testing.assert_allclose(jax.jit(steps)(DIRECTION, 0.2, 2.0), steps(DIRECTION, 0.2, 2.0), rtol=1e-5)
    directions = jnp.stack([DIRECTION, 2 * DIRECTION])
    mapped = jax.vmap(lambda direction: steps(direction, 0.2, 2.0))(directions)
    np.testing.assert_allclose(mapped[1], steps(directions[1], 0.2, 2.0), rtol=1e-5)
    assert (np.asarray(mapped[0]) < np.asarray(mapped[1]) + 1e-4).all()


def test_the_image_is_once_in_the_program():
    """Compiling it takes longer than all the rest: counted by a function that nothing else calls."""

    def steps(latent):
        return equal_steps(image_of(jax.lax.erf_inv), latent, DIRECTION, 0.0, 0.5, 5)

    assert str(jax.make_jaxpr(steps)(LATENT)).count("erf_inv") == 1
