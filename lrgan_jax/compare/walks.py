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
from lrgan_jax.metrics import step_for_change

STRENGTHS = (1.0, 2.0, 4.0)  # times the usual step
REACH = 6.0  # length of a walk in usual steps: it bends, so it needs more of them
NUM_STEPS = 16
WAYS = np.float32([-1, 1])


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
    """All regions, both ways, all strengths: [R, 2, S] until the end. Where no direction is, there are no figures."""
    there = np.isfinite(vectors).all(-1) & np.isfinite(sizes).all(-1)
    vectors, sizes = np.where(there[:, None], vectors, 0), np.where(there[:, None], sizes, 0)
    forwards = sizes[..., None, None] * scene.spread(vectors)[:, None] * WAYS[:, None, None]  # [R, 2, L, d]
    straight = np.float32(STRENGTHS)[:, None, None] * forwards[:, :, None]
    before, images = scene.pictures(straight[None], [n])
    inside, outside = scene.changes(before[0], images[0])

    paths = np.stack([_walked(scene, n, r, vectors[r] * WAYS[:, None], REACH * sizes[r]) for r in range(len(there))])
    reached, ends = map(np.asarray, _cut(scene.image_at(n), paths, inside.astype(paths.dtype), scene.masks))
    walked = ends - scene.ws.array[n]
    _, images = scene.pictures(walked[None], [n])
    _, beside = scene.changes(before[0], images[0])

    known = there[:, None, None]
    figures = (np.where(known, a, np.nan) for a in (inside, outside, beside))
    found = *figures, reached & known, np.stack([straight, walked], axis=3)
    return OfLatent(*(np.moveaxis(a, 2, 0) for a in found))


def _walked(scene: Scene, n: int, r: int, rows: Float[np.ndarray, "2 m"], length: Float[np.ndarray, " 2"]) -> np.ndarray:
    """The points of both walks, [2, NUM_STEPS + 1, L, d]; they stay where there is no direction."""
    start = scene.ws[[n, n]]
    if not rows.any():
        return np.repeat(start.array[:, None], NUM_STEPS + 1, axis=1)
    directions = scene.spread(rows) if scene.search.per_layer else rows
    options = {"length": length, "num_steps": NUM_STEPS, "search": scene.search}
    return np.asarray(walk(scene.gen, start, directions, scene.targets.masks[r], **options)).swapaxes(0, 1)


@jax.jit
def _cut(f, paths: Float[Array, "r 2 points l d"], changes: Float[Array, "r 2 s"], masks: Float[Array, "r h w"]):
    """Whether paths come so far that their region has changed that much, [R, 2, S], and the latents there, [R, 2, S, L, d].

    One search after the other, so that the image is once in the program.
    """

    def of_path(path):
        points, changes, mask = path
        start, end = jnp.zeros(1, points.dtype), jnp.ones(1, points.dtype)

        def of_change(change):
            step = step_for_change(Partial(_along, f, points), start, end, mask, change)
            return step.reached & (step.size <= 1), _along(lambda latent: latent, points, step.size[None])

        return jax.lax.map(of_change, changes)

    both = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), (paths, changes))
    found = jax.lax.map(of_path, (*both, jnp.repeat(masks, 2, axis=0)))
    return jax.tree.map(lambda a: a.reshape(*paths.shape[:2], *a.shape[1:]), found)


def _along(f, points, fraction):
    """The image at a fraction [1] of the path's length, on the straight pieces between its points; past its end on the last one."""
    place = fraction[0] * (len(points) - 1)
    k = jnp.clip(jnp.floor(place).astype(int), 0, len(points) - 2)
    return f(points[k] + (place - k) * (points[k + 1] - points[k]))
