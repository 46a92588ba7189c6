"""The paper's projection on the null space of the rest, its authors' solver of it, what it projects, and what is best
beside it.

Source: Zhu et al. 2021, arXiv:2106.04488, section 3.3; `constrained` is ours, inside the paper's own null space.
"""

import jax.numpy as jnp

from lrgan_jax import subspaces
from lrgan_jax.methods.record import Method, Pair
from lrgan_jax.subspaces import Candidates, Subspace


def attribute(pair: Pair) -> Candidates:
    """The region's own eigenvectors: projected on everything, so that nothing is lost."""
    d = len(pair.inside)
    everything = Subspace(jnp.eye(d, dtype=pair.inside.dtype), jnp.ones_like(pair.inside[0]), jnp.full(d, True))
    return subspaces.projected_directions(pair.attribute, everything, pair.inside, pair.outside)


def projected(pair: Pair) -> Candidates:
    """The paper's directions."""
    return subspaces.projected_directions(pair.attribute, pair.null, pair.inside, pair.outside)


def authors(pair: Pair) -> Candidates:
    """The same by the released code's solver."""
    return projected(pair.solved_as("authors"))


def constrained(pair: Pair) -> Candidates:
    """The best inside the paper's null space."""
    return subspaces.constrained_directions(pair.attribute, pair.null, pair.inside, pair.outside)


ATTRIBUTE = Method(
    "attribute",
    "attribute",
    "the region's leading eigenvector, whatever it does elsewhere",
    "grams",
    attribute,
    "paper",
)
AUTHORS = Method(
    "authors",
    "authors",
    "the paper's projection on the null space of the rest, by its authors' solver",
    "grams",
    authors,
    "paper",
)
PROJECTED = Method(
    "projected",
    "projected",
    "the paper's projection on the null space of the rest, solved to convergence",
    "grams",
    projected,
    "paper",
)
CONSTRAINED = Method(
    "constrained", "constrained", "the best direction inside the paper's null space", "grams", constrained, "ours"
)
