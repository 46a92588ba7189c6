"""Straight edits against walks at growing strength: what leaks when the region has changed by the same amount."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from lrgan_jax import display
from lrgan_jax.editing import walk
from lrgan_jax.evaluation import Loop, Scene, of_class
from lrgan_jax.generators import image_function
from lrgan_jax.metrics import step_for_change
from lrgan_jax.pipeline import move_rows

STRENGTHS = (1.0, 2.0, 4.0)  # times the usual step
REACH = 6.0  # length of a walk in usual steps: it bends, so it needs more of them
NUM_STEPS = 16
WAYS = np.array([-1, 1], np.float32)


@display.record
class Walks(NamedTuple):
    """S strengths, N latents, R regions, two ways (backwards first)."""

    inside: Float[np.ndarray, "s n r 2"]  # mean squared change by the straight edit, which the walk is cut at
    straight: Float[np.ndarray, "s n r 2"]  # change outside
    walked: Float[np.ndarray, "s n r 2"]
    reached: Bool[np.ndarray, "s n r 2"]
    moves: Float[np.ndarray, "s n r 2 2 l d"]  # to the ends, straight and walked: who shows them makes the images

    @property
    def ratio(self) -> Float[np.ndarray, "s n r 2"]:
        """Leak of the walk over that of the straight edit.

        NaN where the walk ended before the region had changed that much.
        """
        return np.where(self.reached, self.walked / np.maximum(self.straight, 1e-12), np.nan)


class OfRegion(NamedTuple):
    """The same of one region."""

    inside: Float[np.ndarray, "s n 2"]
    straight: Float[np.ndarray, "s n 2"]
    walked: Float[np.ndarray, "s n 2"]
    reached: Bool[np.ndarray, "s n 2"]
    moves: Float[np.ndarray, "s n 2 2 l d"]


def compare_walks(
    scene: Scene, vectors: Float[np.ndarray, "n r m"], sizes: Float[np.ndarray, "n r 2"], each: Loop
) -> Walks:
    """Both kinds of edit from the first n latents along `vectors`, whose usual steps are `sizes`.

    Args:
      each: the loop over the regions: walkers of one region go together, since a step of theirs takes long to set up.
    """
    found = each(lambda r: _of_region(scene, r, vectors[:, r], sizes[:, r]))
    return Walks(*(np.stack(of_regions, axis=2) for of_regions in zip(*found, strict=True)))


def _of_region(scene: Scene, r: int, vectors: Float[np.ndarray, "n m"], sizes: Float[np.ndarray, "n 2"]) -> OfRegion:
    """All latents, both ways, all strengths: [N, 2, S] until the end. Where no direction is, there are no figures."""
    there = np.all(np.isfinite(vectors), axis=-1) & np.all(np.isfinite(sizes), axis=-1)
    vectors, sizes = np.where(there[:, None], vectors, 0), np.where(there[:, None], sizes, 0)
    forwards = sizes[..., None, None] * scene.spread(vectors)[:, None] * WAYS[:, None, None]  # [N, 2, L, d]
    straight = np.array(STRENGTHS, np.float32)[:, None, None] * forwards[:, :, None]
    inside, outside = _changes(scene, r, straight)

    paths = _walked(scene, r, vectors, REACH * sizes)
    labels = None if scene.ws.c is None else scene.ws.c[: len(paths)]
    reached, ends = map(np.asarray, _cut(image_function(scene.gen), labels, paths, inside, scene.masks[r]))
    walked = ends - scene.ws.array[: len(paths), None, None]
    _, beside = _changes(scene, r, walked)

    known = there[:, None, None]
    figures = (np.where(known, a, np.nan) for a in (inside, outside, beside))
    found = *figures, reached & known, np.stack([straight, walked], axis=3)
    return OfRegion(*(np.moveaxis(a, 2, 0) for a in found))


def _changes(scene: Scene, r: int, moves: Float[np.ndarray, "n 2 s l d"]) -> tuple[np.ndarray, np.ndarray]:
    """Inside and outside the region, [N, 2, S]; a few images at a time."""
    found = []
    for n, of_latent in enumerate(moves):
        before, after = scene.pictures(of_latent[None], [n])
        found.append(scene.changes(before[0], after, [r]))
    inside, outside = (np.concatenate(each) for each in zip(*found, strict=True))
    return inside, outside


def _walked(
    scene: Scene, r: int, vectors: Float[np.ndarray, "n m"], lengths: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n 2 points l d"]:
    """The points of all walks."""
    num = len(vectors)
    rows = np.repeat(vectors, 2, axis=0) * np.tile(WAYS, num)[:, None]
    directions = move_rows(rows, scene.moves, scene.gen.w_dim)
    start, search = scene.ws[np.repeat(np.arange(num), 2)], scene.search.but(layers=scene.moves.rows)
    options = {"num_steps": NUM_STEPS, "search": search}
    points = walk(scene.gen, start, directions, scene.targets.masks[r], length=lengths.reshape(-1), **options)
    return np.asarray(points).swapaxes(0, 1).reshape(num, 2, NUM_STEPS + 1, *start.shape[1:])


@jax.jit
def _cut(f, labels, paths: Float[Array, "n 2 points l d"], changes: Float[Array, "n 2 s"], mask: Float[Array, "h w"]):
    """Whether paths come to where the region has changed that much, [N, 2, S]; the latents there, [N, 2, S, L, d].

    One search after the other: the image is once in the program. The mask is an argument, so one program serves all
    regions.
    """
    start, end = jnp.zeros(1, paths.dtype), jnp.ones(1, paths.dtype)

    def of_path(item):
        points, changes, *label = item
        image = Partial(_along, of_class(f, *label), points)

        def of_change(change):
            step = step_for_change(image, start, end, mask, change)
            return step.reached & (step.size <= 1), _along(lambda latent: latent, points, step.size[None])

        return jax.lax.map(of_change, changes.astype(paths.dtype))

    both = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), (paths, changes))
    with_labels = both if labels is None else (*both, jnp.repeat(labels, 2, axis=0))
    found = jax.lax.map(of_path, with_labels)
    return jax.tree.map(lambda a: a.reshape(*paths.shape[:2], *a.shape[1:]), found)


def _along(f, points, fraction):
    """The image at a fraction [1] of the path's length, on the straight pieces between its points.

    Past its end on the last one.
    """
    place = fraction[0] * (len(points) - 1)
    k = jnp.clip(jnp.floor(place).astype(int), 0, len(points) - 2)
    return f(points[k] + (place - k) * (points[k + 1] - points[k]))
