"""Straight edits against walks at growing strength: how much each leaks when the region has changed by the same amount."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from lrgan_jax.compare.setup import Setup
from lrgan_jax.editing import walk
from lrgan_jax.evaluation import Loop, Scene
from lrgan_jax.metrics import region_change, step_for_change

STRENGTHS = (1.0, 2.0, 4.0)  # times the usual step
REACH = 6.0  # length of a walk in usual steps: it bends, so it needs more of them
NUM_STEPS = 16


class Walks(NamedTuple):
    """S strengths, N latents, R regions, two ways (backwards first)."""

    inside: Float[np.ndarray, "s n r 2"]  # mean squared change of the region by the straight edit, which the walk is cut at
    straight: Float[np.ndarray, "s n r 2"]  # change outside
    walked: Float[np.ndarray, "s n r 2"]
    reached: Bool[np.ndarray, "s n r 2"]
    moves: Float[np.ndarray, "s n r 2 2 l d"]  # to the ends of both kinds, straight and walked: whoever shows them makes the images

    @property
    def ratio(self) -> Float[np.ndarray, "s n r 2"]:
        """Leak of the walk over that of the straight edit; NaN where the walk ended before the region had changed that much."""
        return np.where(self.reached, self.walked / np.maximum(self.straight, 1e-12), np.nan)


class OfLatent(NamedTuple):
    """The same at one latent."""

    inside: Float[np.ndarray, "s r 2"]
    straight: Float[np.ndarray, "s r 2"]
    walked: Float[np.ndarray, "s r 2"]
    reached: Bool[np.ndarray, "s r 2"]
    moves: Float[np.ndarray, "s r 2 2 l d"]


def compare_walks(
    setup: Setup, vectors: Float[np.ndarray, "n r m"], sizes: Float[np.ndarray, "n r 2"], each: Loop
) -> Walks:
    """Both kinds of edit along `vectors`, whose usual steps are `sizes`, from the latents that `each` goes through."""
    found = each(lambda n: _of_latent(setup.scene, n, vectors[n], sizes[n]))
    return Walks(*(np.stack(of_latents, axis=1) for of_latents in zip(*found, strict=True)))


def _of_latent(scene: Scene, n: int, vectors: Float[np.ndarray, "r m"], sizes: Float[np.ndarray, "r 2"]) -> OfLatent:
    """One region after the other, both ways together."""
    f, kept = scene.image_at(n), scene.kept
    found = []
    for r in range(len(scene.regions)):
        rows, usual = np.array([[-1], [1]], vectors.dtype) * vectors[r], sizes[r]
        if not (np.isfinite(rows).all() and np.isfinite(usual).all()):
            found.append(_nowhere(scene))
            continue
        points = _walk(scene, n, r, rows, REACH * usual)
        moves = usual[:, None, None] * scene.spread(rows)
        weights = (scene.masks[r], None if kept is None else kept[r])
        found.append(jax.tree.map(np.asarray, _both_ways(f, scene.ws.array[n], moves, points, *weights)))
    joined = (np.moveaxis(np.stack(of_regions), 2, 0) for of_regions in zip(*found, strict=True))  # [R, 2, S] -> [S, R, 2]
    return OfLatent(*joined)


def _nowhere(scene: Scene) -> tuple[np.ndarray, ...]:
    """Of a region that no direction edits."""
    nan = np.full((2, len(STRENGTHS)), np.nan, np.float32)
    return nan, nan, nan, np.zeros(nan.shape, bool), np.zeros((*nan.shape, 2, *scene.ws.shape[1:]), np.float32)


def _walk(scene: Scene, n: int, r: int, rows: Float[np.ndarray, "2 m"], length: Float[np.ndarray, " 2"]):
    """The points of both walks, [2, NUM_STEPS + 1, L, d]."""
    region = scene.targets.masks[r]
    start = scene.ws[[n, n]]
    directions = scene.spread(rows) if scene.search.per_layer else rows
    found = walk(scene.gen, start, directions, region, length=length, num_steps=NUM_STEPS, search=scene.search)
    return np.asarray(found).swapaxes(0, 1)


@jax.jit
def _both_ways(f, latent, moves, points, mask, kept):
    """One walker after the other; the mask is an argument, so one program serves all regions."""
    return jax.lax.map(lambda walker: _of_one(f, latent, *walker, mask, kept), (moves, points))


def _of_one(f, latent, move, points, mask, kept):
    """The two edits of one latent at all strengths, fields as in `Walks`."""
    before = f(latent)

    def outside(image):
        if kept is None:
            return region_change(before, image, mask).outside
        return (jnp.square(image - before).mean(-1) * kept).sum()

    def at(strength):
        straight = f(latent + strength * move)
        inside = region_change(before, straight, mask).inside
        path = Partial(_along, f, points)
        step = step_for_change(path, jnp.zeros_like(latent, shape=1), jnp.ones_like(latent, shape=1), mask, inside)
        end = _along(lambda w: w, points, step.size[None])
        moves = jnp.stack([strength * move, end - latent])
        return inside, outside(straight), outside(f(end)), step.reached & (step.size <= 1), moves

    return jax.lax.map(at, jnp.asarray(STRENGTHS, latent.dtype))


def _along(f, points, fraction):
    """The image at a fraction [1] of the path's length, on the straight pieces between its points; past its end on the last one."""
    place = fraction[0] * (len(points) - 1)
    k = jnp.clip(jnp.floor(place).astype(int), 0, len(points) - 2)
    return f(points[k] + (place - k) * (points[k + 1] - points[k]))
