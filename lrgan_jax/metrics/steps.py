"""The step along a direction that changes a region by a wanted amount.

r(s) is the root mean squared change inside the region after a step s: r(0) = 0, and nearly straight from there, so that
the quotient s / r hardly varies. As a function of r it is interpolated between the trials, and taken where r is the
wanted root: inverse quadratic interpolation with a bracket to fall back on, as in Brent (1973), Algorithms for
Minimization without Derivatives, chapter 4.

Compiling the image takes longer than everything else here: a program holds it once, and each round of one loop tries
the next steps.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError
from lrgan_jax.metrics.change import Change, region_change

TOLERANCE = 1e-3  # of a mean squared change
REACHED = 0.01  # a step that misses by less still counts
FARTHEST = 64  # times the linear estimate
ROUNDS = 24  # trials after which a search gives up
AT_ONCE = 8  # searches that try a step in one round: more take more memory, and hardly less time an image
UNKNOWN = 0.1  # length of the first trial where no slope is known: short enough to give one, long enough for float32
FLATTEST = 1e-6  # what a slope counts as at least: an image that does not react must not ask for an infinite step


@display.record
class Step(NamedTuple):
    """A step along one direction, and what it does."""

    size: Float[Array, ""]
    change: Change
    reached: Bool[Array, ""]  # False: no step up to 64 times the linear estimate changes the region that much


class _Search(NamedTuple):
    """Where the search for one step stands."""

    trial: Float[Array, ""]  # the step to try next
    low: Float[Array, ""]  # the longest step known to be too short
    high: Float[Array, ""]  # the shortest known to be too long; infinite at first
    linear: Float[Array, ""]  # the linear estimate; infinite until the first trial, if the slope is not known
    rms: Float[Array, " 3"]  # r of the last trials, the newest first
    quotient: Float[Array, " 3"]  # s / r of these
    nearest: Float[Array, ""]  # the trial that came nearest, and what it did: NaN at first
    change: Change
    trials: Int[Array, ""]
    done: Bool[Array, ""]


def step_for_change(
    f: Callable[[Array], Array],
    latent: Float[AnyArray, "*layers d"],
    direction: Float[AnyArray, "*layers d"],
    mask: Float[AnyArray, "h w"],
    target: Float[ArrayLike, ""],
    slope: Float[ArrayLike, ""] | None = None,
) -> Step:
    """The smallest step along `direction` found whose mean squared change inside `mask` is `target`, to 1 part in
    1,000.

    Methods and strips are compared at equal change, since equal steps mean different things for different directions
    and images. From the linear estimate on, steps are interpolated between trials: 5 or 6 images mostly. For one latent
    and one direction: `vmap` it.

    Args:
      f: one latent -> one image. direction: of the latent's shape, zero on layers that stay. Its sign says which way to
        go.
      target: wanted mean squared change inside the region.
      slope: root mean squared change inside per unit of step, to first order, where it is known: sqrt(v^T M v). Spares
        a trial.
    Returns:
      The step and what it does, measured; where none is found, the trial that came nearest. NaN for a direction that is
      not finite.
    Raises:
      InputError: if the target is not above 0, or the direction not of the latent's shape.
    """
    check_number("target", target, above=0)
    f = f if isinstance(f, Partial) else Partial(f)
    slope = 0 if slope is None else slope
    direction, mask, target, slope = (jnp.asarray(x)[None] for x in (direction, mask, target, slope))
    found, _ = _solve(f, jnp.asarray(latent), direction, mask, jnp.zeros(1, int), target, slope)
    return jax.tree.map(lambda a: a[0], found)


@jax.jit
def steps_for_change(
    f: Partial,
    latent: Float[AnyArray, "*layers d"],
    moves: Float[AnyArray, "r k *layers d"],
    masks: Float[AnyArray, "r h w"],
    target: Float[ArrayLike, ""] | Float[ArrayLike, "#r #k"],
    slopes: Float[AnyArray, "r k"] | None = None,
    rests: Float[AnyArray, "r h w"] | None = None,
) -> Step:
    """`step_for_change` at one latent for every region r, k directions each, both ways: each result is [R, K, 2], the
    positive way last.

    A few searches at a time: where one is over, the next begins, so that memory does not grow with their number and
    stragglers cost little.

    Args:
      target: one for all, or one for each direction.
      slopes: of `step_for_change`, the same both ways. rests: of `region_change`, for each region.
    """
    shape = (*moves.shape[:2], 2)
    both = jnp.stack([-moves, moves], axis=2)

    def each(values):
        """One for every search, [R K 2]."""
        return jnp.broadcast_to(jnp.asarray(values)[..., None], shape).reshape(-1)

    regions, targets, slopes = map(each, (jnp.arange(shape[0])[:, None], target, 0 if slopes is None else slopes))
    every = both.reshape(-1, *both.shape[3:])
    found, _ = _solve(f, jnp.asarray(latent), every, masks, regions, targets, slopes, rests)
    return jax.tree.map(lambda a: a.reshape(shape), found)


@jax.jit
def _solve(
    f: Partial,
    latent: Float[Array, "*layers d"],
    moves: Num[Array, "n ..."],
    masks: Num[Array, "r h w"],
    regions: Int[Array, " n"],
    targets: Num[Array, " n"],
    slopes: Num[Array, " n"],
    rests: Num[Array, "r h w"] | None = None,
) -> tuple[Step, Int[Array, " n"]]:
    """N searches, AT_ONCE of them in each round. Steps, and the number of trials that each took."""
    if moves.shape[1:] != latent.shape:
        raise InputError(f"a direction must be of the latent's shape {latent.shape}, got {moves.shape[1:]}")
    moves, masks, targets, slopes = (x.astype(latent.dtype) for x in (moves, masks, targets, slopes))
    width = min(AT_ONCE, len(moves))

    def unfinished(state):
        return ~state[0].done.all()

    def one_round(state):
        searches, before, first = state
        chosen = jnp.argsort(searches.done)[:width]  # stable: those that are not done, in their order
        opening = first & (jnp.arange(width) == 0)  # one place of the first round is for the image before
        steps = jnp.where(opening, 0, searches.trial[chosen])
        images = jax.vmap(lambda step, move: f(latent + step * move))(steps, moves[chosen])
        before = jnp.where(first, images[0], before)
        of = regions[chosen]
        beside = None if rests is None else rests[of]
        change = jax.vmap(region_change, (None, 0, 0, 0))(before, images, masks[of], beside)
        change = jax.tree.map(lambda a: jnp.zeros_like(targets).at[chosen].set(a.astype(targets.dtype)), change)
        tried = jnp.zeros_like(searches.done).at[chosen].set(~opening) & ~searches.done
        return jax.vmap(_advanced)(searches, targets, change, tried), before, jnp.array(False)

    image = jax.eval_shape(f, latent)
    state = jax.vmap(_begun)(moves, targets, slopes), jnp.zeros(image.shape, image.dtype), jnp.array(True)
    searches, *_ = lax.while_loop(unfinished, one_round, state)
    reached = jnp.abs(searches.change.inside - targets) <= REACHED * targets
    return Step(searches.nearest, searches.change, reached), searches.trials


def _begun(move, target, slope) -> _Search:
    """A search before its first trial: the linear estimate, or a short step where the slope is not known."""
    root, known = jnp.sqrt(target), (slope > FLATTEST) & jnp.isfinite(slope)
    linear = jnp.where(known, root / jnp.where(known, slope, 1), jnp.inf)
    short = UNKNOWN / jnp.maximum(jnp.linalg.norm(move), FLATTEST)
    # A known slope is the quotient at r = 0. What is not known yet lies so far away that it does not bend the
    # interpolation.
    rms = root * jnp.array([jnp.where(known, 0, 1e9), 1e10, 1e11], root.dtype)
    quotient = jnp.array([jnp.where(known, linear / root, 0), 0, 0], root.dtype)
    zero, infinite, nan = (jnp.full_like(target, value) for value in (0, jnp.inf, jnp.nan))
    trial, unmovable = jnp.where(known, linear, short), ~jnp.isfinite(move).all()
    return _Search(trial, zero, infinite, linear, rms, quotient, nan, Change(nan, nan), jnp.array(0), unmovable)


def _advanced(search: _Search, target, change: Change, tried) -> _Search:
    """One trial on: what it showed, and the next one. A search that did not try anything stays as it is."""
    root, step = jnp.sqrt(target), search.trial
    finite = jnp.isfinite(change.inside)
    rms = jnp.where(finite, jnp.sqrt(change.inside), 16 * root)  # an image that overflows has changed too much
    low, high = jnp.where(rms < root, step, search.low), jnp.where(rms < root, search.high, step)

    quotient = step / jnp.maximum(rms, FLATTEST * step)
    linear = jnp.where(jnp.isfinite(search.linear), search.linear, root * quotient)
    places, values = jnp.append(rms, search.rms[:2]), jnp.append(quotient, search.quotient[:2])
    stuck = jnp.square(_factor(rms, root)) > _factor(search.rms[0], root)
    trial = _next(root * _interpolated(places, values, root), low, high, linear, stuck)

    off = jnp.abs(change.inside - target)
    nearer = finite & ~(off >= jnp.abs(search.change.inside - target))
    nearest, found = jax.tree.map(partial(jnp.where, nearer), (step, change), (search.nearest, search.change))
    nowhere = (low >= FARTHEST * linear) | (low >= high * (1 - 1e-6)) | (search.trials + 1 >= ROUNDS)
    done = (off <= TOLERANCE * target) | nowhere
    new = _Search(trial, low, high, linear, places, values, nearest, found, search.trials + 1, done)
    return jax.tree.map(partial(jnp.where, tried), new, search)


def _factor(rms, root):
    """By what factor a change misses the wanted one, in whatever direction."""
    rms = jnp.maximum(rms, 1e-30)
    return jnp.maximum(rms / root, root / rms)


def _interpolated(places: Float[Array, " 3"], values: Float[Array, " 3"], at):
    """Newton's quadratic through three points."""
    slopes = (values[:2] - values[1:]) / (places[:2] - places[1:])
    curvature = (slopes[0] - slopes[1]) / (places[0] - places[2])
    return values[0] + (at - places[0]) * (slopes[0] + (at - places[1]) * curvature)


def _next(guess, low, high, linear, stuck):
    """The interpolated step, unless it leaves the bracket or the last one was hardly better than the one before.

    Then the bracket is halved on a logarithmic scale: a curve may rise much faster than its tangent, which may even be
    zero. Where nothing is known to be too long yet, steps double at most, once past the linear estimate.
    """
    opened = jnp.isinf(high)
    top = jnp.where(opened, jnp.minimum(jnp.maximum(2 * low, linear), FARTHEST * linear), high)
    middle = jnp.where(opened, top, jnp.sqrt(jnp.maximum(low, high / 256)) * jnp.sqrt(high))
    return jnp.where((low < guess) & (guess < top) & ~stuck, guess, middle)
