"""Latents as numbers that are white: standard normal for those that the generator draws itself.

Symbols: p is w before the mapping's last activation, a leaky ReLU, where a StyleGAN's latents are nearly normal; u the
same in coordinates in which they are white. So the prior of an inversion is |u|^2, a step along u is as long whichever
way it goes, and u = 0 is the mean.

Source: Zhu et al. 2020, Improved StyleGAN Embedding, arXiv:2012.09036, section 3.1, for p and its whitening.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.generators import Generator
from lrgan_jax.generators.natural import SLOPE, own_latents
from lrgan_jax.generators.parts import has_mapping


class Coordinates(NamedTuple):
    """The map between u and w.

    Attributes:
      mean, root, inverse: p = mean + u root and back; the inverse is zero in what never varies.
      slope: of the activation below 0; 1 where there is none.
    """

    mean: Float[AnyArray, " d"]
    root: Float[AnyArray, "d d"]
    inverse: Float[AnyArray, "d d"]
    slope: float

    def latents(self, u: Float[AnyArray, "*n d"]) -> Float[Array, "*n d"]:
        """w of u."""
        p = self.mean + jnp.matmul(u, self.root, precision="highest")
        return jnp.where(p < 0, self.slope * p, p)

    def numbers(self, w: Float[AnyArray, "*n d"]) -> Float[Array, "*n d"]:
        """u of w."""
        p = jnp.where(jnp.asarray(w) < 0, w / self.slope, w)
        return jnp.matmul(p - self.mean, self.inverse, precision="highest")


def coordinates_of(gen: Generator) -> Coordinates:
    """Those of a generator; of one whose latent is z, z itself."""
    own = own_latents(gen)
    if own is None:
        one = np.eye(gen.w_dim, dtype=np.float32)
        return Coordinates(np.zeros(gen.w_dim, np.float32), one, one, 1.0)
    root = np.linalg.pinv(np.asarray(own.whitener, np.float64)).astype(own.whitener.dtype)
    return Coordinates(own.mean, root, own.whitener, 1 / SLOPE if has_mapping(gen) else 1.0)
