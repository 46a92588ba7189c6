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

from lrgan_jax.jacobian import layer_weights
from lrgan_jax.subspaces import AnyArray


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
    """The smallest step along `direction` found whose mean squared change inside `mask` is `target`, to 1 part in 4,000.

    Methods and strips are compared at equal change, since equal steps mean different things for different directions and images. The
    step is bracketed by doubling from the linear estimate, then bisected. For one latent and one direction:
    `vmap` it.

    Args:
      f: one latent -> one image. direction: of the latent's shape, zero on layers that stay. Its sign says which way to go.
      target: wanted mean squared change inside the region.
    """
    f = f if isinstance(f, Partial) else Partial(f)
    latent, direction, mask, target = (jnp.asarray(x, jnp.result_type(latent)) for x in (latent, direction, mask, target))
    return _step_for_change(f, latent, direction, mask, target)


@jax.jit
def _step_for_change(f, latent, direction, mask, target) -> Step:
    before, slope = jax.jvp(f, (latent,), (direction,))
    linear = jnp.sqrt(target / jnp.maximum(region_change(jnp.zeros_like(slope), slope, mask).inside, 1e-12))

    def change(step):
        return region_change(before, f(latent + step * direction), mask)

    def too_far(step):
        return (change(step / 2).inside >= target) & (step > linear * 2.0**-26)

    def too_near(bracket):
        return (change(bracket[1]).inside < target) & (bracket[1] < 64 * linear)

    def halve(_, bracket):
        low, high = bracket
        middle = (low + high) / 2
        enough = change(middle).inside >= target
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    # A curve may rise much faster than its tangent, which may even be zero: then the estimate is far too long.
    start = lax.while_loop(too_far, lambda step: step / 2, linear / 4)
    bracket = lax.while_loop(too_near, lambda bracket: (bracket[1], 2 * bracket[1]), (start / 2, start))
    low, high = lax.fori_loop(0, 12, halve, bracket)
    reached = change(high)
    return Step(high, reached, jnp.abs(reached.inside - target) <= 0.01 * target)


@partial(jax.jit, static_argnames="layers")
def spread_over_layers(vectors: Float[Array, "k d"], ws: Float[Array, "l d"], layers: tuple[int, ...] | None):
    """Directions [k, d] as moves of ws, [k, L, d]: the vector on the chosen layers, zero on the others."""
    return layer_weights(layers, len(ws), vectors.dtype)[:, None] * vectors[:, None, :]
