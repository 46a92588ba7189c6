"""What generators with weights of their own share: equality, what their configuration says, and the mapping of those
that have a mapping network.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, ArrayLike

from lrgan_jax.base.checks import check_number
from lrgan_jax.generators.latents import WS, Latent, W, check_label, check_z, weights_dtype
from lrgan_jax.generators.protocol import Classes
from lrgan_jax.generators.shown import Shown
from lrgan_jax.generators.truncation import truncated


class Stored(Shown):
    """For generators that are frozen dataclasses of `config` and `variables`: equal ones make equal images."""

    config: Any
    variables: Any

    @property
    def z_dim(self) -> int:
        return self.config.z_dim

    @property
    def w_dim(self) -> int:
        return self.config.w_dim

    @property
    def c_dim(self) -> int:
        return self.config.c_dim

    @property
    def num_ws(self) -> int:
        return self.config.num_ws

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        (ours, structure), (theirs, other_structure) = map(jax.tree.flatten, (self.variables, other.variables))
        if (self.config, structure) != (other.config, other_structure):
            return False
        return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))

    def __hash__(self) -> int:
        return hash(self.config)


class Mapped(Stored):
    """For those with a mapping network, into which the class goes.

    Attributes:
      map_latents: config, variables, z and labels -> w [N, w_dim], or ws [N, num_ws, w_dim], not truncated.
    """

    map_latents: ClassVar[Callable[..., Any]]
    space = W

    @property
    def classes(self) -> Classes | None:
        return "mapping" if self.c_dim else None

    def mapping(
        self,
        z: ArrayLike | Latent,
        c: ArrayLike | None = None,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> W | WS:
        """z -> w, pulled towards the mean latent: `w_avg + truncation * (w - w_avg)` (arXiv:1812.04948, appendix B).

        Args:
          z: [N, z_dim], standard normal.
          c: one-hot labels [N, c_dim] of a conditional model.
          truncation: psi; 1 leaves w alone, 0 gives the mean.
          cutoff: truncate only the first `cutoff` of the num_ws rows.
        Returns:
          w [N, w_dim]; with a cutoff, or of a network that makes a w for each layer, ws [N, num_ws, w_dim].
        Raises:
          InputTypeError: if `z` is w or ws. InputError: on wrong shapes, missing or needless labels, a cutoff outside
            0..num_ws, a truncation that is not finite.
        """
        check_number("truncation", truncation)
        dtype = weights_dtype(self.variables)
        z = check_z(z, self.z_dim, dtype)
        w = self.map_latents(self.config, self.variables, z, check_label(c, self.c_dim, len(z), dtype))
        return truncated(w, self.variables["buffers"]["mapping"]["w_avg"], truncation, cutoff, self.num_ws)
