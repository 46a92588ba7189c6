"""Ours: the directions that no other beats in change inside at the same change outside.

See `subspaces` for the theory. Length is counted in natural coordinates, in which the generator's own latents vary
alike: a direction that leaks least in latent units may leave what the generator makes, and paint the region.
"""

from lrgan_jax import lengths, subspaces
from lrgan_jax.methods.record import Method, Pair
from lrgan_jax.subspaces import Candidates


def find(pair: Pair) -> Candidates:
    """The mu-local subspace, or by default what is best at the price, the best direction first, each of natural length
    1. It needs no robust PCA.
    """
    chosen = pair.chosen_mu is not None
    found = subspaces.frontier_directions(*pair.natural, pair.mu) if chosen else pair.priced
    return found._replace(vectors=lengths.latent_moves(found.vectors, pair.root))


FRONTIER = Method(
    "frontier",
    "frontier",
    "no direction leaks less for the same change and length; mu is set from the Jacobian",
    "grams",
    find,
    "ours",
)
