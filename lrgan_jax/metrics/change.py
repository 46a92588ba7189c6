"""What an edit does to the picture: mean squared change inside a region and outside, and the step that gives a wanted change.

Image values span [-1, 1], so a change of 0.02 is a root mean square of 0.14, 18 of 255 grey levels.
"""
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Bool, Float

from lrgan_jax.arrays import AnyArray
from lrgan_jax.checks import check_number

TOLERANCE = 2e-5  # of a root mean squared change


class Change(NamedTuple):
    """How much of a change lies in a region: the mean squared difference per pixel and channel, or another measure that says so."""

    inside: Float[Array, ""]
    outside: Float[Array, ""]


def region_change(before: Float[AnyArray, "h w c"], after: Float[AnyArray, "h w c"], mask: Float[AnyArray, "h w"]) -> Change:
    """Change of one image inside and outside a region; soft masks weigh the pixels."""
    squared = jnp.square(jnp.asarray(after) - before).mean(-1)

    def over(weights):
        return jnp.sum(squared * weights) / jnp.maximum(weights.sum(), 1e-6)

    return Change(over(mask), over(1 - mask))


class Step(NamedTuple):
    """A step along one direction, and what it does."""

    size: Float[Array, ""]
    change: Change
    reached: Bool[Array, ""]  # False: no step up to 64 times the linear estimate changes the region that much


def step_for_change(
    f: Callable[[Array], Array],
    latent: Float[AnyArray, "*layers d"],
    direction: Float[AnyArray, "*layers d"],
    mask: Float[AnyArray, "h w"],
    target: Float[ArrayLike, ""],
) -> Step:
    """The smallest step along `direction` found whose mean squared change inside `mask` is `target`, to 1 part in 10,000.

    Methods and strips are compared at equal change, since equal steps mean different things for different directions and images. The
    step is bracketed by halving or doubling from the linear estimate, then solved for. For one latent and one direction: `vmap` it.

    Args:
      f: one latent -> one image. direction: of the latent's shape, zero on layers that stay. Its sign says which way to go.
      target: wanted mean squared change inside the region.
    """
    check_number("target", target, above=0)
    f = f if isinstance(f, Partial) else Partial(f)
    latent, direction, mask, target = (jnp.asarray(x, jnp.result_type(latent)) for x in (latent, direction, mask, target))
    return _step_for_change(f, latent, direction, mask, target)


@jax.jit
def _step_for_change(f, latent, direction, mask, target) -> Step:
    before, slope = jax.jvp(f, (latent,), (direction,))
    linear = jnp.sqrt(target / jnp.maximum(region_change(jnp.zeros_like(slope), slope, mask).inside, 1e-12))

    root = jnp.sqrt(target)

    def too_little(step):
        """How much the root mean square falls short of the wanted one: nearly linear in the step."""
        return root - jnp.sqrt(region_change(before, f(latent + step * direction), mask).inside)

    def too_far(step):
        return (too_little(step / 2) <= 0) & (step > linear * 2.0**-26)

    def too_near(bracket):
        _, high, _, short_high = bracket
        return (short_high > 0) & (high < 64 * linear)

    def double(bracket):
        _, high, _, short_high = bracket
        return high, 2 * high, short_high, too_little(2 * high)

    def unsolved(state):
        (low, high, _, short_high), _, short, count = state
        return (jnp.abs(short) > TOLERANCE * root) & (short_high <= 0) & (high - low > 1e-7 * high) & (count < 40)

    def narrow(state):
        """Illinois: the secant's root, the older end's weight halved where it stays twice in a row (Dowell and Jarratt 1971)."""
        (low, high, short_low, short_high), _, last, count = state
        step = low + (high - low) * short_low / (short_low - short_high)
        short = too_little(step)
        again = jnp.where(jnp.sign(short) == jnp.sign(last), 0.5, 1.0)
        bracket = jax.tree.map(
            partial(jnp.where, short > 0), (step, high, short, again * short_high), (low, step, again * short_low, short)
        )
        return bracket, step, short, count + 1

    # A curve may rise much faster than its tangent, which may even be zero: then the estimate is far too long.
    start = lax.while_loop(too_far, lambda step: step / 2, linear)
    bracket = lax.while_loop(too_near, double, (start / 2, start, too_little(start / 2), too_little(start)))
    _, step, _, _ = lax.while_loop(unsolved, narrow, (bracket, bracket[1], bracket[3], 0))
    reached = region_change(before, f(latent + step * direction), mask)
    return Step(step, reached, jnp.abs(reached.inside - target) <= 0.01 * target)


@jax.jit
def steps_for_change(
    f: Partial,
    latent: Float[AnyArray, "*layers d"],
    moves: Float[AnyArray, "r k *layers d"],
    masks: Float[AnyArray, "r h w"],
    target: Float[ArrayLike, ""],
) -> Step:
    """`step_for_change` at one latent for every region r, k directions each, both ways: each result is [R, K, 2], the positive way last."""
    both = moves[:, :, None] * jnp.reshape(jnp.array([-1.0, 1.0], moves.dtype), (2,) + (1,) * jnp.ndim(latent))
    over_ways = jax.vmap(partial(step_for_change, f), (None, 0, None, None))
    over_directions = jax.vmap(over_ways, (None, 0, None, None))
    return jax.vmap(over_directions, (None, 0, 0, None))(latent, both, masks, target)


@partial(jax.jit, static_argnames="layers")
def spread_over_layers(vectors: Float[Array, "k *layers d"], ws: Float[Array, "l d"], layers: tuple[int, ...] | None):
    """Directions [k, d] or [k, L, d] as moves of ws, [k, L, d]: as they are on the chosen layers, zero on the others."""
    return spread(vectors, layers, len(ws))
