"""What a method is, and what methods that look at a region start from."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import lengths, subspaces
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.lengths import Root
from lrgan_jax.rpca import Mode, RobustPCA, robust_pca
from lrgan_jax.search import CHANGE, PRICE
from lrgan_jax.subspaces import Candidates, Subspace

Needs = Literal["grams", "steps", "weights", "samples", "mapping", "nothing"]


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
      name: by which it is asked for. title: by which it is shown. about: what it is, in a line.
      needs: "grams" of the region and of the rest; "steps", these and edits of the image; or of the generator alone its
        affine "weights", "samples" of its latents, its "mapping" network, or "nothing".
      find: of a `Pair` -> `subspaces.Candidates`, best first, where it needs Grams or steps. Else of a generator, a
        `Search` and the latents z [n, z_dim] they are wanted at, or None -> unit rows [k, m] of the numbers that move,
        or [n, k, m] that differ from latent to latent.
      kind: for whoever shows it: "ours", of the "paper", or of "others".
    """

    name: str
    title: str
    about: str
    needs: Needs
    find: Callable[..., Any]
    kind: Literal["ours", "paper", "others"]

    @property
    def sees_region(self) -> bool:
        """Whether the region has a say in what it finds."""
        return self.needs in ("grams", "steps")


class Pair:
    """M_A and M_B of one region at one latent, and what several methods make of them, each computed when first asked
    for.

    A Gram that is not finite or not symmetric makes all that follows NaN. For use inside one traced function.

    Args:
      root: of natural coordinates, see `lengths`; None where those are the latent's own.
      lam: weight of the sparse part in the robust PCA, None for 1/sqrt(d). mu: of the frontier, None for the best at
        the price.
      price, change, tao: see `Search`. num_relax: so many weak directions of the rest count as null too.
    """

    def __init__(
        self,
        inside: Float[AnyArray, "d d"],
        outside: Float[AnyArray, "d d"],
        root: Root = None,
        *,
        lam: Float[ArrayLike, ""] | None = None,
        mu: Float[ArrayLike, ""] | None = None,
        price: Float[ArrayLike, ""] = PRICE,
        change: Float[ArrayLike, ""] = CHANGE,
        num_relax: int | Array = 0,
        tao: Float[ArrayLike, ""] | None = None,
        mode: Mode = "converged",
    ) -> None:
        self.inside, self.outside = (_or_nan(jnp.asarray(gram)) for gram in (inside, outside))
        self.root, self.lam, self.chosen_mu, self.num_relax, self.tao = root, lam, mu, num_relax, tao
        self.price, self.change = price, change
        self.mode: Mode = mode
        self.solved: dict[Mode, tuple[RobustPCA, RobustPCA]] = {}  # by the robust PCA that was asked for

    def solved_as(self, mode: Mode) -> "Pair":
        """The same by another robust PCA, whose answer both know of."""
        other = copy(self)
        other.mode = mode
        for of_mode in ("attribute", "null"):
            vars(other).pop(of_mode, None)
        return other

    @cached_property
    def natural(self) -> tuple[Float[Array, "d d"], Float[Array, "d d"]]:
        """M_A and M_B in natural coordinates."""
        inside, outside = (lengths.natural_gram(gram, self.root) for gram in (self.inside, self.outside))
        return inside, outside

    @cached_property
    def cost(self) -> Float[Array, ""]:
        """Of a squared unit of natural length, beside the change outside."""
        asked = self.price * self.change if self.tao is None else self.tao * jnp.trace(self.natural[1])
        return subspaces.positive_cost(*self.natural, asked)

    @cached_property
    def priced(self) -> Candidates:
        """What is best at the price of length, in natural coordinates."""
        return subspaces.priced_directions(*self.natural, self.cost)

    @cached_property
    def mu(self) -> Float[Array, ""]:
        """Inside-to-outside ratio of the frontier."""
        if self.chosen_mu is not None:
            return jnp.asarray(self.chosen_mu, self.inside.dtype)
        return self.priced.inside[0] / (self.priced.outside[0] + self.cost)

    def ranked(self, rows: Float[AnyArray, "k d"]) -> Candidates:
        """Directions found without a look at the region, the best for it first; lengths priced alike."""
        rows = jnp.asarray(rows, self.inside.dtype)
        return subspaces.ranked_directions(rows, self.inside, self.outside, self.costs(rows))

    def costs(self, rows: Float[Array, "k d"]) -> Float[Array, " k"]:
        """Of a step of one along each row: the cost of its squared length."""
        return self.cost * jnp.square(lengths.natural_moves(rows, self.root)).sum(1)

    @property
    def splits(self) -> tuple[RobustPCA, RobustPCA]:
        """The robust PCA of both."""
        if self.mode not in self.solved:
            inside, outside = (robust_pca(gram, lam=self.lam, mode=self.mode) for gram in (self.inside, self.outside))
            self.solved[self.mode] = inside, outside
        return self.solved[self.mode]

    @cached_property
    def attribute(self) -> Subspace:
        """What moves the region."""
        split = self.splits[0]
        return subspaces.attribute_space(self._cast(split.low_rank), split.rank.astype(jnp.int32))

    @cached_property
    def null(self) -> Subspace:
        """What leaves the rest alone."""
        split = self.splits[1]
        return subspaces.null_space(self._cast(split.low_rank), split.rank.astype(jnp.int32), self.num_relax)

    def _cast(self, matrix: Array) -> Array:
        """The authors' mode answers in 64 bits."""
        return matrix.astype(self.inside.dtype)


def _or_nan(gram: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """`eigh` looks at one triangle only, and would make something of a matrix that is no Gram."""
    eps = jnp.finfo(gram.dtype).eps
    return jnp.where(jnp.linalg.norm(gram - gram.T) <= eps**0.5 * jnp.linalg.norm(gram), gram, jnp.nan)
