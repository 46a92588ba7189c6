"""Directions that know how the image bends: Grams averaged over the way that an edit goes.

A straight edit of x by v changes the image by the mean of the Jacobian along the way, times v. At x alone that mean is
not known; where the edit ends it is: so a direction is looked for, moved both ways until the region has changed as much
as wanted, and looked for again with

    M = M(x) / 2 + M(x + v) / 4 + M(x - v) / 4

in place of M(x). It costs two more Jacobians. Simple, and better than Gauss-Newton steps on the change itself, which
were tried: see notebooks/RESULTS.md.
"""

import jax
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.evaluation import Scene, edits
from lrgan_jax.generators import WS
from lrgan_jax.lengths import Root
from lrgan_jax.methods import Pair
from lrgan_jax.methods.frontier import FRONTIER
from lrgan_jax.targets import metric_root, pair_grams


def refined(
    scene: Scene, inside: Float[AnyArray, "r m m"], outside: Float[AnyArray, "r m m"]
) -> tuple[Float[np.ndarray, "r m m"], Float[np.ndarray, "r m m"]]:
    """The Grams of every region, averaged over the way of its best edit and over the scene's latents.

    Args:
      inside, outside: the mean over the scene's latents, which says where to go.
    """
    search = scene.search
    prices = {name: getattr(search, name) for name in ("price", "change", "tao")}
    prices["mu"] = None if search.measures else search.mu
    vectors = np.asarray(_best(inside, outside, metric_root(scene.gen, search), prices))
    moves = scene.spread(vectors)  # [R, L, d]
    ends = []
    for n in range(len(scene.ws)):
        found = edits(scene, n, inside, vectors[None])
        steps = np.where(found.reached[0], found.size[0], 0) * np.array([-1, 1], found.size.dtype)  # [R, 2]
        ends.append(_at_ends(scene, n, steps[..., None, None] * moves[:, None]))
    beyond = [np.mean(of_latents, axis=0) for of_latents in zip(*ends, strict=True)]
    a, b = ((np.asarray(own) + further) / 2 for own, further in zip((inside, outside), beyond, strict=True))
    return a, b


def _at_ends(scene: Scene, n: int, moves: Float[np.ndarray, "r 2 l d"]) -> list[Float[np.ndarray, "r m m"]]:
    """The mean over both ends of each region's own Grams."""
    grams = []
    for r, of_region in enumerate(moves):
        points = (scene.ws.array[n] + of_region).astype(scene.ws.array.dtype)
        label = None if scene.ws.c is None else np.repeat(scene.ws.c[n : n + 1], 2, axis=0)
        pairs = pair_grams(scene.gen, WS(points, label), scene.targets.only(r), scene.search)
        grams.append([np.asarray(gram)[:, 0].mean(0) for gram in (pairs.inside, pairs.outside)])
    return [np.stack(of_regions) for of_regions in zip(*grams, strict=True)]


@jax.jit
def _best(inside, outside, root: Root, prices) -> Float[Array, "r m"]:
    def of_region(grams):
        inside, outside = grams
        return FRONTIER.find(Pair(inside, outside, root, **prices)).vectors[0]

    return jax.lax.map(of_region, (inside, outside))
