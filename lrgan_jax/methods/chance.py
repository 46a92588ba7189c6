"""Directions that know nothing: what any method should beat."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lrgan_jax.base import linalg
from lrgan_jax.base.checks import random_key
from lrgan_jax.generators import Generator
from lrgan_jax.generators.latents import weights_dtype
from lrgan_jax.generators.parts import moving_numbers
from lrgan_jax.methods.record import Method
from lrgan_jax.search import Search


def find(gen: Generator, search: Search, z: Any = None) -> Float[Array, "m m"]:
    """Orthonormal directions, uniform over the sphere, of the search's draw."""
    first, end = moving_numbers(gen, search.part) or (0, gen.w_dim)
    columns = jax.random.normal(random_key(search.draw), (end - first, end - first), jnp.float32)
    return linalg.qr(jnp.asarray(columns, weights_dtype(gen)))[0].T


RANDOM = Method("random", "random", "orthonormal, drawn at random", "nothing", find, "others")
