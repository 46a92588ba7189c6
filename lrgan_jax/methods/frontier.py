"""Ours: the directions that no other beats in change inside at the same change outside.

See `subspaces` for the theory.
"""

from lrgan_jax import subspaces
from lrgan_jax.methods.record import Method, Pair
from lrgan_jax.subspaces import Candidates


def find(pair: Pair) -> Candidates:
    """The mu-local subspace, the best direction first. It needs no robust PCA."""
    return subspaces.frontier_directions(pair.inside, pair.outside, pair.mu)


FRONTIER = Method(
    "frontier",
    "frontier",
    "no direction leaks less for the same change; mu is set from the Jacobian",
    "grams",
    find,
    "ours",
)
