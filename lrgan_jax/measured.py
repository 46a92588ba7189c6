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

    Each price that is tried costs an edit both ways at up to LOOKED_AT latents, five or six images a way.

    Args:
      inside, outside: the regions' Grams, of the scene's latent or the mean over its latents.
    """
    search = scene.search
    vectors = _along(inside, outside, metric_root(scene.gen, search), search.price, search.change)
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
    """The Grams, averaged over the way if that is the scene's method, and the price, measured unless mu or tao is
    given; of each region.
    """
    refining = scene.search.method == "refined"
    if refining:
        inside, outside = refined(scene, inside, outside)
    open_to_choice = scene.search.mu is None and scene.search.tao is None
    measuring = scene.search.measures or (refining and open_to_choice)
    each = measured(scene, inside, outside) if measuring else [scene.search.price] * len(inside)
    return [Real(*of) for of in zip(np.asarray(inside), np.asarray(outside), each, strict=True)]


def best_shares(objectives: Float[np.ndarray, "k r"]) -> Float[np.ndarray, " r"]:
    """Where the parabola through the least objective and its neighbours, over the logarithm of the share, is least; 1
    where no share's edit changes the region as much as wanted.
    """
    found = []
    for values in objectives.T:
        k = int(np.nanargmin(values)) if np.isfinite(values).any() else len(values) // 2
        place, around = float(k), values[max(k - 1, 0) : k + 2]
        if len(around) == 3 and np.isfinite(around).all() and (bend := np.diff(around, 2)[0]) > 0:
            place += (around[0] - around[2]) / (2 * bend)
        found.append(np.exp(np.interp(place, np.arange(len(SHARES)), np.log(SHARES))))
    return np.array(found)


@jax.jit
def _along(inside, outside, root: Root, price, change) -> Float[Array, "r k m"]:
    """The frontier's directions at SHARES of the price, of natural length 1."""

    def of_region(grams):
        inside, outside = grams

        def at(share):
            return Pair(inside, outside, root, price=price * share, change=change).priced.vectors[0]

        return latent_moves(jax.lax.map(at, jnp.asarray(SHARES, inside.dtype)), root)

    return jax.lax.map(of_region, (inside, outside))
