"""Measuring edits: change inside and outside by NumPy, and steps of a wanted change on curves whose answer is known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from lrgan_jax.layers import spread
from lrgan_jax.metrics import region_change, step_for_change, steps, steps_for_change
from tests.tolerances import EXACT, rounding

SHAPE = (4, 6, 3)
MASK = np.zeros(SHAPE[:2], np.float32)
MASK[1:3, 2:5] = 1
SOFT = np.random.default_rng(0).random(SHAPE[:2]).astype(np.float32)
PROMISED = 1e-3 + 1e-6  # 1 part in 1,000 of the change, and 8 eps of float32 for the image
STEP = (
    PROMISED / 1.7
)  # of the step's size: where these curves are flattest, the change grows as the step's power of 1.7


# Change


@pytest.mark.parametrize("mask", [MASK, SOFT, 1 - MASK], ids=["hard", "soft", "inverse"])
def test_change_is_a_weighted_mean_square(mask):
    """Mean over pixels and channels of the squared difference, weighted by the mask inside and by the rest outside."""
    before, after = np.random.default_rng(1).standard_normal((2, *SHAPE)).astype(np.float32)
    squared = (after.astype(np.float64) - before) ** 2
    weights = np.broadcast_to(mask[..., None], SHAPE)
    change = region_change(jnp.array(before), jnp.array(after), jnp.array(mask))
    np.testing.assert_allclose(change.inside, np.average(squared, weights=weights), **rounding(np.float32, 72))
    np.testing.assert_allclose(change.outside, np.average(squared, weights=1 - weights), **rounding(np.float32, 72))


def test_what_keeps_still_may_be_weighed():
    """Squared changes are added up by the weights as they are, whether of sum one or not; the inside stays what it
    is.
    """
    before, after = np.random.default_rng(1).standard_normal((2, *SHAPE)).astype(np.float32)
    rest = np.random.default_rng(2).random(SHAPE[:2]).astype(np.float32)
    change = region_change(jnp.array(before), jnp.array(after), jnp.array(MASK), jnp.array(rest))
    squared = ((after.astype(np.float64) - before) ** 2).mean(-1)
    np.testing.assert_allclose(change.outside, (squared * rest).sum(), **rounding(np.float32, 72))
    assert change.inside == region_change(jnp.array(before), jnp.array(after), jnp.array(MASK)).inside


def test_change_of_one_pixel_is_where_it_is():
    """A change of 0.5 in one channel of one pixel of six."""
    before = jnp.zeros(SHAPE)
    after = before.at[1, 2, 0].set(0.5)
    change = region_change(before, after, jnp.array(MASK))
    np.testing.assert_allclose(change.inside, 0.25 / 18, **rounding(np.float32))
    np.testing.assert_allclose(change.outside, 0, **EXACT)
    change = region_change(before, after, jnp.ones(SHAPE[:2]))
    np.testing.assert_allclose(change.outside, 0, **EXACT)  # no rest: nothing, and not NaN


# Steps


def curve(a, b, w):
    """Inside moves by a t + b t^2 along the first coordinate t, outside by a tenth of it."""
    move = a * w[0] + b * w[0] ** 2
    return (jnp.array(MASK) * move + (1 - jnp.array(MASK)) * move / 10)[..., None] * jnp.ones(3)


def bounded(w):
    return jnp.tanh(w[0]) * jnp.ones(SHAPE)


def solve(a, b, root):
    """The smallest t > 0 with |a t + b t^2| = root."""
    candidates = np.concatenate(
        [np.roots([b, a, sign * root]) if b else np.array([-sign * root / a]) for sign in (1, -1)]
    )
    return min(t.real for t in candidates if abs(t.imag) < 1e-12 and t.real > 0)


FORWARD, BACK = jnp.array([1.0, 0.0]), jnp.array([-1.0, 0.0])


def check_step(step, expected, target, size=STEP):
    """Size and change within the promise, flagged as reached."""
    assert bool(step.reached)
    np.testing.assert_allclose(step.size, expected, rtol=size)
    np.testing.assert_allclose(step.change.inside, target, rtol=PROMISED)


@pytest.mark.parametrize("target", [1e-4, 0.02, 0.2])
@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.7, 0.4), (1.0, -0.25), (0.3, 1.0), (3.0, 0.1)])
def test_the_step_solves_a_quadratic(a, b, target):
    """Straight, bending up, bending down; forwards and backwards along the same direction."""
    f, w = Partial(curve, a, b), jnp.zeros(2)
    forward = step_for_change(f, w, FORWARD, jnp.array(MASK), target)
    check_step(forward, solve(a, b, target**0.5), target)
    np.testing.assert_allclose(forward.change.outside, forward.change.inside / 100, **rounding(np.float32, 72))
    check_step(step_for_change(f, w, BACK, jnp.array(MASK), target), solve(-a, b, target**0.5), target)


@pytest.mark.parametrize("a", [0.02, 1e-3, 0.0])
def test_curves_far_steeper_than_their_tangent(a):
    """At a latent where the image hardly reacts to first order, or not at all, the linear estimate is useless: the same
    precision.
    """
    step = step_for_change(Partial(curve, a, 1.0), jnp.zeros(2), FORWARD, jnp.array(MASK), 0.02)
    check_step(step, solve(a, 1.0, 0.02**0.5), 0.02)


def test_the_length_of_the_direction_is_the_unit():
    """Twice the direction, half the step."""
    one, two = (
        step_for_change(Partial(curve, 1.0, 0.2), jnp.zeros(2), k * FORWARD, jnp.array(MASK), 0.02) for k in (1.0, 2.0)
    )
    np.testing.assert_allclose(two.size, one.size / 2, rtol=2 * STEP)


@pytest.mark.parametrize("length", [1e-4, 1e-2, 1e2, 1e4])
def test_directions_of_any_length(length):
    """From steps of thousands to steps of a thousandth."""
    step = step_for_change(Partial(curve, 1.0, 0.2), jnp.zeros(2), length * FORWARD, jnp.array(MASK), 0.02)
    check_step(step, solve(1.0, 0.2, 0.02**0.5) / length, 0.02)


def test_a_direction_of_another_shape_is_refused():
    """It would be broadcast silently; asked of the part whose annotations, which are checked here alone, let
    it pass.
    """
    arrays = jnp.ones((1, 2)), jnp.array(MASK)[None], jnp.zeros(1, int), jnp.array([0.02]), jnp.zeros(1)
    with pytest.raises(ValueError, match=r"of the latent's shape \(3, 2\), got \(2,\)"):
        steps._solve(Partial(lambda w: w[0, 0] * jnp.ones(SHAPE)), jnp.zeros((3, 2)), *arrays)


# Slopes


@pytest.mark.parametrize("slope", [0.7, 0.9, 7.0, 0.07, 0.0, 1e-9, np.inf, np.nan], ids=str)
def test_a_slope_is_only_where_the_search_begins(slope):
    """Right, a little wrong, far too steep, far too flat, and not one at all: the same step."""
    with jax.debug_nans(False):
        step = step_for_change(Partial(curve, 0.7, 0.4), jnp.zeros(2), FORWARD, jnp.array(MASK), 0.02, slope)
    check_step(step, solve(0.7, 0.4, 0.02**0.5), 0.02)


def trials(a, b, target, slope):
    """Of one search, without the image before."""
    arrays = (
        jnp.zeros(2),
        FORWARD[None],
        jnp.array(MASK)[None],
        jnp.zeros(1, int),
        jnp.array([target]),
        jnp.array([slope]),
    )
    return int(steps._solve(Partial(curve, a, b), *arrays)[1][0])


def test_few_images_are_tried():
    """Curves that bend by a third on their way, either way: 4 trials on average and 5 at most, one less where the slope
    is known.
    """
    curves = [(a, bend * a**2) for a in (0.1, 0.4, 2.0) for bend in (-1, -0.3, 1, 3)]
    blind, knowing = np.array([[trials(a, b, 0.02, slope) for slope in (0.0, a)] for a, b in curves]).T
    assert blind.mean() <= 4 and blind.max() <= 5
    assert knowing.mean() <= 3 and knowing.max() <= 4


# Many at a time


def test_many_searches_equal_each_alone():
    """More of them than are tried at once, hard and easy ones, a target for each direction: as one by one, the negative
    way first.
    """
    f, masks = Partial(curve, 0.8, 0.3), jnp.array([MASK, SOFT])
    moves = jnp.array(np.random.default_rng(5).standard_normal((2, 6, 2)), jnp.float32)
    targets = jnp.geomspace(1e-4, 2.0, 6)
    together = steps_for_change(f, jnp.zeros(2), moves, masks, targets[None])
    assert steps.AT_ONCE < 2 * 6 * 2 and together.size.shape == (2, 6, 2)
    for r, k, way in np.ndindex(2, 6, 2):
        alone = step_for_change(f, jnp.zeros(2), (-1, 1)[way] * moves[r, k], masks[r], targets[k])
        for one, other in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(one[r, k, way], other, **rounding(np.float32, 72))


def test_a_direction_that_is_no_number_harms_no_other():
    """NaN, and not reached; the first of all, whose place the image before takes in the first round, too."""
    with jax.debug_nans(False):
        moves = jnp.array([[[np.nan, 0.0], [1.0, 0.0]]])
        step = steps_for_change(Partial(curve, 0.8, 0.3), jnp.zeros(2), moves, jnp.array(MASK)[None], 0.02)
    step = jax.tree.map(np.asarray, step)
    assert np.isnan(step.size[0, 0]).all() and np.isnan(step.change.inside[0, 0]).all() and not step.reached[0, 0].any()
    check_step(jax.tree.map(lambda a: a[0, 1, 1], step), solve(0.8, 0.3, 0.02**0.5), 0.02)


# Programs


def test_the_image_is_once_in_the_program():
    """Compiling it takes longer than all the rest: counted by a function that nothing else calls."""

    def f(w):
        return jax.lax.erf_inv(w[0]) * jnp.ones(SHAPE)

    def count(solve, *args):
        return str(jax.make_jaxpr(solve)(*args)).count("erf_inv")

    moves, masks = jnp.ones((2, 20, 2)), jnp.array([MASK, SOFT])
    one = partial(step_for_change, f, jnp.zeros(2))
    assert count(f, jnp.zeros(2)) == 1
    assert count(one, FORWARD, masks[0], 0.02) == 1
    assert count(jax.vmap(one, (0, None, None)), moves[0], masks[0], 0.02) == 1
    assert count(partial(steps_for_change, Partial(f), jnp.zeros(2)), moves, masks, 0.02) == 1


def test_a_soft_mask_weighs_the_change():
    """The known answer for a linear f: target over the weighted mean square of its slope."""
    slope = np.random.default_rng(2).standard_normal(SHAPE).astype(np.float32)
    step = step_for_change(
        Partial(lambda s, w: s * w[0], jnp.array(slope)), jnp.zeros(2), FORWARD, jnp.array(SOFT), 0.02
    )
    per_unit = np.average(np.square(slope), weights=np.broadcast_to(SOFT[..., None], SHAPE))
    check_step(step, (0.02 / per_unit) ** 0.5, 0.02)


@pytest.mark.parametrize("target", [1.05, 4.0, 100.0])
def test_a_change_that_no_step_gives_is_flagged(target):
    """tanh stays below 1, and so does the square of its change: reached is False and the step a finite one."""
    step = step_for_change(Partial(bounded), jnp.zeros(2), FORWARD, jnp.array(MASK), target)
    assert not bool(step.reached)
    assert np.isfinite(step.size) and np.isfinite(step.change.inside) and step.change.inside < target


def test_a_change_just_below_the_bound_is_reached():
    """The same curve, where it still can."""
    step = step_for_change(Partial(bounded), jnp.zeros(2), FORWARD, jnp.array(MASK), 0.9)
    root = 0.9**0.5
    power = 2 * np.arctanh(root) * (1 - root**2) / root  # with which the change grows there: 0.4
    check_step(step, np.arctanh(root), 0.9, PROMISED / power)


def test_the_first_of_several_steps_is_found():
    """A sine comes back down, and up again: the smallest of its many solutions, just below the top."""
    step = step_for_change(lambda w: jnp.sin(w[0]) * jnp.ones(SHAPE), jnp.zeros(2), FORWARD, jnp.array(MASK), 0.9)
    root = 0.9**0.5
    check_step(step, np.arcsin(root), 0.9, PROMISED / (2 * np.arcsin(root) * (1 - root**2) ** 0.5 / root))


def test_an_image_that_overflows_has_changed_too_much():
    """The linear estimate, 14, lies where the image is no number: the search comes back from there."""

    def f(w):
        return jnp.where(w[0] < 2, 0.01 * w[0] + w[0] ** 4, jnp.inf) * jnp.ones(SHAPE)

    step = step_for_change(f, jnp.zeros(2), FORWARD, jnp.array(MASK), 0.02)
    check_step(step, max(t.real for t in np.roots([1, 0, 0, 0.01, -(0.02**0.5)]) if t.imag == 0), 0.02)


def test_a_change_that_is_jumped_over_is_flagged():
    """An image that goes up by 1/8 at a time: the nearest step of those tried, finite, and an end to the search."""
    step = step_for_change(
        lambda w: jnp.floor(8 * w[0]) / 8 * jnp.ones(SHAPE), jnp.zeros(2), FORWARD, jnp.array(MASK), 0.3**2
    )
    assert not bool(step.reached)
    assert float(step.change.inside) in (0.25**2, 0.375**2) and 0.25 <= float(step.size) < 0.5


def test_an_image_that_does_not_react_is_flagged():
    """No slope and no curve: False, without NaN."""
    step = step_for_change(lambda w: jnp.ones(SHAPE), jnp.zeros(2), FORWARD, jnp.array(MASK), 0.02)
    assert not bool(step.reached)
    assert np.isfinite(step.size) and float(step.change.inside) == 0


def test_directions_may_move_some_layers_only():
    """ws [L, d] and a direction of that shape, zero where the latent stays."""
    ws = jnp.array(np.random.default_rng(3).standard_normal((3, 2)), jnp.float32)
    f = Partial(lambda w: jnp.sum(w, 0)[0] * jnp.ones(SHAPE))
    (direction,) = spread(jnp.array([[2.0, 1.0]]), (0, 2), len(ws))
    check_step(step_for_change(f, ws, direction, jnp.array(MASK), 0.16), 0.4 / 4, 0.16)


def test_mapped_over_directions_equals_a_loop():
    """vmap over directions and targets = one at a time, for a closure as for a Partial."""
    directions, targets = jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.5, 1.0]]), jnp.array([0.02, 0.01, 0.04])
    f = Partial(curve, 0.8, 0.3)
    batch = jax.vmap(lambda n, target: step_for_change(f, jnp.zeros(2), n, jnp.array(MASK), target))(
        directions, targets
    )
    for k in range(3):
        alone = step_for_change(lambda w: f(w), jnp.zeros(2), directions[k], jnp.array(MASK), targets[k])
        for one, other in zip(jax.tree.leaves(batch), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(one[k], other, **rounding(np.float32, 72))


def test_every_region_has_a_rest_of_its_own():
    """Two regions, two directions, both ways: the weighted change of the image at the step found, by NumPy; the steps
    are those without.
    """
    slopes = np.random.default_rng(5).standard_normal((2, *SHAPE)).astype(np.float32)
    f = Partial(lambda s, w: jnp.tensordot(w, s, 1) + 0.1 * jnp.tensordot(w, s, 1) ** 2, jnp.array(slopes))
    masks = jnp.stack([jnp.array(MASK), jnp.array(SOFT)])
    rests = np.random.default_rng(6).random(masks.shape).astype(np.float32)
    moves = jnp.broadcast_to(jnp.eye(2), (2, 2, 2))
    found = steps_for_change(f, jnp.zeros(2), moves, masks, 0.02, None, jnp.array(rests))
    plain = steps_for_change(f, jnp.zeros(2), moves, masks, 0.02)
    np.testing.assert_allclose(found.size, plain.size, rtol=1e-6)
    steps = np.asarray(found.size, np.float64)[..., None] * [[-1], [1]] * np.eye(2)[None, :, None]  # [R, K, 2, d]
    images = np.tensordot(steps, slopes, 1)
    squared = np.square(images + 0.1 * images**2).mean(-1)
    expected = np.einsum("rkbhw,rhw->rkb", squared, rests)
    np.testing.assert_allclose(found.change.outside, expected, rtol=1e-4)
    np.testing.assert_allclose(found.change.inside, 0.02, rtol=PROMISED)


# Directions as moves of ws


@pytest.mark.parametrize("layers", [None, (0,), (1, 3)])
def test_spreading_puts_the_vector_on_the_chosen_layers(layers):
    """[k, d] -> [k, L, d]: the vector there, exact zeros elsewhere."""
    vectors = np.random.default_rng(4).standard_normal((2, 5)).astype(np.float32)
    expected = np.zeros((2, 4, 5), np.float32)
    expected[:, list(range(4) if layers is None else layers)] = vectors[:, None]
    np.testing.assert_allclose(spread(jnp.array(vectors), layers, 4), expected, **EXACT)
