"""mu by measurement: the frontier's direction that is best at real steps, where first order only estimates.

To first order leak + price * length^2 is least in the frontier's direction at that price. Real steps bend, the more the
farther they go. So directions at several prices are moved until the region has changed as much as wanted, and the price
is taken at which the real leak + price * length^2 is least.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.evaluation import Scene, edits
from lrgan_jax.lengths import Root, latent_moves
from lrgan_jax.methods import Pair
from lrgan_jax.refined import refined
from lrgan_jax.search import Search
from lrgan_jax.targets import metric_root

SHARES = np.geomspace(0.1, 10.0, 7)  # of the price, at which directions are tried
LOOKED_AT = 8  # latents, where directions are to serve many


def measured(scene: Scene, inside: Float[AnyArray, "r m m"], outside: Float[AnyArray, "r m m"]) -> list[float]:
    """The price that is best at real steps, of each region.

    Each price that is tried costs as many images as ten edits do: five or six each, both ways.

    Args:
      inside, outside: the regions' Grams, of the scene's latent or the mean over its latents.
    """
    search = scene.search
    vectors = _along(inside, outside, metric_root(scene.gen, search), search.price, search.change, search.tao)
    objectives = []
    for n in range(min(LOOKED_AT, len(scene.ws))):
        found = edits(scene, n, inside, np.moveaxis(np.asarray(vectors), 1, 0))
        leak = np.where(found.reached, found.outside / np.maximum(found.inside, 1e-12), np.inf)
        objectives.append((leak + search.price * np.square(found.size)).mean(-1))
    shares = best_shares(np.mean(objectives, axis=0))
    return [search.price * float(share) for share in shares]


def takes_steps(search: Search) -> bool:
    """Whether what is asked for follows from more than the Grams of its latents."""
    return search.method == "refined" or (search.method == "frontier" and search.measures)


class Real(NamedTuple):
    """What a search with real steps goes on with, of one region."""

    inside: Float[np.ndarray, "m m"]
    outside: Float[np.ndarray, "m m"]
    price: float


def by_real_steps(scene: Scene, inside: Float[AnyArray, "r m m"], outside: Float[AnyArray, "r m m"]) -> list[Real]:
    """The Grams, averaged over the way if that is the scene's method, and the price, measured unless mu is given; of
    each region.
    """
    refining = scene.search.method == "refined"
    if refining:
        inside, outside = refined(scene, inside, outside)
    measuring = scene.search.measures or (refining and scene.search.mu is None)
    each = measured(scene, inside, outside) if measuring else [scene.search.price] * len(inside)
    return [Real(*of) for of in zip(np.asarray(inside), np.asarray(outside), each, strict=True)]


def best_shares(objectives: Float[np.ndarray, "k r"]) -> Float[np.ndarray, " r"]:
    """Where the parabola through the least objective and its neighbours, over the logarithm of the share, is least."""
    found = []
    for values in objectives.T:
        k = int(np.argmin(values))
        place = float(k)
        if 0 < k < len(values) - 1 and np.isfinite(values[k - 1 : k + 2]).all():
            low, middle, high = values[k - 1 : k + 2]
            place += (low - high) / (2 * max(low - 2 * middle + high, 1e-30)) if low + high > 2 * middle else 0
        found.append(np.exp(np.interp(place, np.arange(len(SHARES)), np.log(SHARES))))
    return np.array(found)


@jax.jit
def _along(inside, outside, root: Root, price, change, tao) -> Float[Array, "r k m"]:
    """The frontier's directions at SHARES of the price, of natural length 1."""

    def of_region(grams):
        def at(share):
            scaled = None if tao is None else tao * share
            return Pair(grams[0], grams[1], root, price=price * share, change=change, tao=scaled).priced.vectors[0]

        return latent_moves(jax.lax.map(at, jnp.asarray(SHARES, inside.dtype)), root)

    return jax.lax.map(of_region, (inside, outside))
