"""Which rows of ws move, which of their numbers, and whether they move alike: said once, for what is differentiated and
for what is edited.

Symbols: ws [L, d] is one latent, a row per layer. A move is added to it, and is zero on rows that stay. It is written
down as m numbers: m = d where the chosen rows share one vector, m = len(rows) * d where each has a vector of its own
(W+). Where only some numbers of a row move, it is so many instead of d.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError

Choice = Sequence[int] | str | None  # of layers, as people write it: [4, 6], "4-7", "4,6", or None for all


@jax.tree_util.register_static
@dataclass(frozen=True)
class Moves:
    """The rows of ws that move, and how. Hashable, so it is static under `jit`, as a part of a pytree too.

    Attributes:
      num_ws: L, how many rows there are; None for a latent [d] without layers, all of which moves.
      rows: those that move, rising; None for all.
      per_layer: each row has a vector of its own (W+); else they share one.
      numbers: from which number of a row on, and to which, it moves; None for all of it.
    """

    num_ws: int | None = None
    rows: tuple[int, ...] | None = None
    per_layer: bool = False
    numbers: tuple[int, int] | None = None

    @property
    def moving(self) -> tuple[int, ...]:
        """The rows that move, by number."""
        return tuple(range(self.num_ws or 0)) if self.rows is None else self.rows

    def size(self, d: int) -> int:
        """m, the numbers that say a move of rows of d."""
        width = d if self.numbers is None else self.numbers[1] - self.numbers[0]
        return width * len(self.moving) if self.per_layer and self.num_ws else width

    def widened(self, rows: Float[AnyArray, "*k w"], d: int) -> Float[Array, "*k d"]:
        """Numbers that move as rows of d, zero where nothing does."""
        rows = jnp.asarray(rows)
        if self.numbers is None:
            return rows
        first, end = self.numbers
        return jnp.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(first, d - end)])

    def narrowed(self, rows: Float[AnyArray, "*k d"]) -> Float[AnyArray, "*k w"]:
        """Of rows of d the numbers that move: the transpose of `widened`."""
        return rows if self.numbers is None else rows[..., slice(*self.numbers)]

    def spread(self, numbers: Float[AnyArray, "*k m"], d: int) -> Float[Array, "*lead d"]:
        """Numbers as moves: [..., L, d], or [..., d] of a latent without layers."""
        numbers = jnp.asarray(numbers)
        if self.num_ws is None:
            return self.widened(numbers, d)
        if not self.per_layer:
            return self.widened(numbers, d)[..., None, :] * self.weights(numbers.dtype)[:, None]
        own = self.widened(numbers.reshape(*numbers.shape[:-1], len(self.moving), -1), d)
        return jnp.zeros((*own.shape[:-2], self.num_ws, d), own.dtype).at[..., np.array(self.moving), :].set(own)

    def gather(self, gradient: Float[Array, "*layers d"]) -> Float[Array, " m"]:
        """The transpose of `spread`: how a gradient by the latent answers to each number."""
        gradient = jnp.asarray(self.narrowed(gradient))
        if self.num_ws is None:
            return gradient
        if not self.per_layer:
            return jnp.tensordot(self.weights(gradient.dtype), gradient, 1)
        return gradient[np.array(self.moving)].reshape(-1)

    def weights(self, dtype: Any) -> Float[Array, " l"]:
        """1 for the rows that move, 0 for the others."""
        return jnp.asarray([row in self.moving for row in range(self.num_ws or 0)], dtype)


def moves_of(layers: Choice, num_ws: int, *, per_layer: bool = False, numbers: tuple[int, int] | None = None) -> Moves:
    """The moves of some layers of a model that has `num_ws`, and of some numbers in each.

    Raises:
      InputError: if a layer is none, or all that a model without layers has are asked to differ.
    """
    if per_layer and num_ws == 1:
        raise InputError("this model has one row of ws, so there is no vector per layer: leave per_layer out")
    return Moves(num_ws, None if layers is None else check_layers(layers, num_ws), per_layer, numbers)


def moved(
    f: Callable[[AnyArray], Array], latent: Float[AnyArray, "*layers d"], moves: Moves, numbers: Float[AnyArray, " m"]
) -> Array:
    """`f` of a latent after a move. `Partial(moved, f, latent, moves)` is a function of its numbers alone."""
    return f(jnp.asarray(latent) + moves.spread(numbers, latent.shape[-1]))


def spread(vectors: Float[Array, "k *layers d"], layers: Choice, num_ws: int) -> Float[Array, "k l d"]:
    """Directions [k, d], or moves [k, L, d], as moves [k, L, d] that are zero on the layers that stay."""
    weights = moves_of(layers, num_ws).weights(vectors.dtype)
    return weights[:, None] * (vectors[:, None] if vectors.ndim == 2 else vectors)


def check_layers(layers: Sequence[int] | str, num_ws: int) -> tuple[int, ...]:
    """`layers`, numbers or text such as "4-7" or "4,6", rising and without repetition; InputError if one is not in
    0..num_ws-1.
    """
    if isinstance(layers, str):
        return _of_text(layers, num_ws)
    try:
        chosen = tuple(sorted({operator.index(layer) for layer in layers}))
    except TypeError:
        raise InputError(f'layers are whole numbers, [4, 6], or text, "4-7" or "4,6"; got {layers!r}') from None
    if not chosen or chosen[0] < 0 or chosen[-1] >= num_ws:
        raise InputError(f"layers must be among 0 to {num_ws - 1}, got {list(layers)}")
    return chosen


def layers_text(layers: Choice) -> str:
    """For a person: "all layers", "layers 4-7", "layers 4, 6"."""
    if layers is None:
        return "all layers"
    if isinstance(layers, str):
        return f"layers {layers}"
    rows = list(layers)
    whole = rows == list(range(rows[0], rows[-1] + 1)) and len(rows) > 2
    return f"layers {rows[0]}-{rows[-1]}" if whole else f"layers {', '.join(map(str, rows))}"


def _of_text(text: str, num_ws: int) -> tuple[int, ...]:
    """ "4-7,9" -> (4, 5, 6, 7, 9)."""
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            raise InputError(f"layers {text}: write them as 4-7 or 4,6") from None
        if low > high:
            raise InputError(f"layers {text}: {low}-{high} runs backwards, write {high}-{low}")
        if high >= num_ws:
            raise InputError(f"layers {text}: this model has layers 0 to {num_ws - 1}")
        chosen |= {*range(low, high + 1)}
    return tuple(sorted(chosen))
