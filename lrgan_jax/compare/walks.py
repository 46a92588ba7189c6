"""Straight edits against walks at growing strength: how much each leaks when the region has changed by the same amount."""
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from lrgan_jax.compare.setup import Setup
from lrgan_jax.editing import walk
from lrgan_jax.generators import image_function, render
from lrgan_jax.metrics import region_change, spread_over_layers, step_for_change

STRENGTHS = (1.0, 2.0, 4.0)  # times the usual step
REACH = 6.0  # length of a walk in usual steps: it bends, so it needs more of them
NUM_STEPS = 16


class Walks(NamedTuple):
    """S strengths, N latents, R regions, two ways (backwards first)."""

    inside: Float[np.ndarray, "s n r 2"]  # mean squared change of the region by the straight edit, which the walk is cut at
    straight: Float[np.ndarray, "s n r 2"]  # change outside
    walked: Float[np.ndarray, "s n r 2"]
    reached: Bool[np.ndarray, "s n r 2"]
    images: Float[np.ndarray, "s n r 2 2 h w c"]  # straight and walked

    @property
    def ratio(self) -> Float[np.ndarray, "s n r 2"]:
        """Leak of the walk over that of the straight edit; NaN where the walk ended before the region had changed that much."""
        return np.where(self.reached, self.walked / np.maximum(self.straight, 1e-12), np.nan)


def compare_walks(
    setup: Setup, vectors: Float[Array, "n r d"], sizes: Float[np.ndarray, "n r 2"], num: int
) -> Walks:
    """Both kinds of edit from the first `num` latents along `vectors`, whose usual steps are `sizes`."""
    gen, f = setup.gen, image_function(setup.gen)
    ways = jnp.array([-1.0, 1.0], vectors.dtype)
    latents = jnp.repeat(setup.ws[:num], 2, axis=0)  # [2N, L, d]: both ways of the first latent, of the second, ...
    strengths = jnp.array([0.0, *STRENGTHS], latents.dtype)[:, None, None]
    found = []
    for r, (region, mask) in enumerate(zip(setup.regions, setup.masks, strict=True)):
        rows = (vectors[:num, r, None] * ways[:, None]).reshape(2 * num, -1)
        usual = jnp.asarray(sizes[:num, r]).reshape(-1)
        points = walk(gen, latents, rows, region, length=REACH * usual, num_steps=NUM_STEPS, layers=setup.layers).array
        moves = usual[:, None, None] * spread_over_layers(rows, latents[0], setup.layers)
        images = jnp.asarray(render(gen, latents[:, None] + strengths * moves[:, None]))
        straight = jax.vmap(jax.vmap(region_change, (None, 0, None)), (0, 0, None))(images[:, 0], images[:, 1:], mask)
        step, ends = _cut(f, points.swapaxes(0, 1), straight.inside, mask)
        both = np.stack([images[:, 1:], render(gen, ends)], axis=2)
        over_walkers = straight.inside, straight.outside, step.change.outside, step.reached & (step.size <= 1), both
        found.append(jax.tree.map(lambda a: np.asarray(a).reshape(num, 2, *a.shape[1:]), over_walkers))
    joined = jax.tree.map(lambda *of_regions: np.moveaxis(np.stack(of_regions, 1), 3, 0), *found)  # [S, N, R, 2, ...]
    return Walks._make(joined)


@jax.jit
def _cut(f, paths: Float[Array, "w points l d"], changes: Float[Array, "w s"], mask):
    """Where paths have changed the region that much, as steps in units of their length [W, S], and the latents there [W, S, L, d].

    One search after the other: the image is once in the program. The mask is an argument, so one program serves all regions.
    """

    def of_walker(walker):
        points, changes = walker
        start, end = jnp.zeros(1, points.dtype), jnp.ones(1, points.dtype)
        path = Partial(_along, f, points)
        return jax.lax.map(lambda change: step_for_change(path, start, end, mask, change), changes)

    step = jax.lax.map(of_walker, (paths, changes))
    place = jax.vmap(jax.vmap(lambda points, size: _along(lambda latent: latent, points, size[None]), (None, 0)))
    return step, place(paths, step.size)


def _along(f, points, fraction):
    """The image at a fraction [1] of the path's length, on the straight pieces between its points; past its end on the last one."""
    place = fraction[0] * (len(points) - 1)
    k = jnp.clip(jnp.floor(place).astype(int), 0, len(points) - 2)
    return f(points[k] + (place - k) * (points[k + 1] - points[k]))
