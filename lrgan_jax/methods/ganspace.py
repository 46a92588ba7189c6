"""GANSpace: principal components of w.

Where z itself moves, which has none, the components are those of an early layer's features and are carried over to the
latent by regression, as the authors do for BigGAN; images of 16 x 16 pixels stand for the features.

Source: Harkonen et al. 2020, arXiv:2004.02546, section 2.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_whole
from lrgan_jax.generators import Generator, render
from lrgan_jax.generators.parts import moving_numbers, numbers_of_z
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.methods.record import Method
from lrgan_jax.search import Search
from lrgan_jax.subspaces import spectrum

SAMPLES = 4096  # random latents
FEATURES = 16  # longer side, about, of the images that stand for an early layer's features


def find(gen: Generator, search: Search, z: Any = None, *, samples: int = SAMPLES) -> Float[Array, "m d"]:
    """The largest component first, of `samples` random latents of the search's draw, of all classes in turn."""
    check_whole("samples", samples, least=2)
    ws = seeded(gen, search.draw, samples, labels=range(gen.c_dim)).all()
    numbers = moving_numbers(gen, search.part)
    latents = np.asarray(ws)[:, 0, slice(*(numbers or (None,)))]
    return regressed_components(latents, _small_images(gen, ws) if numbers_of_z(gen, numbers) else latents)


def regressed_components(latents: Float[AnyArray, "n d"], features: Float[AnyArray, "n k"]) -> Float[Array, "m d"]:
    """The latent directions, unit rows, along which the features' principal components change, largest component first.

    Coordinates of different components are uncorrelated, so each direction is the mean of z x_k over that of x_k^2.
    With the latents for features these are their own principal components.
    """
    z, x = (a - jnp.mean(a, axis=0) for a in (jnp.asarray(latents), jnp.asarray(features)))
    _, components = spectrum(jnp.matmul(x.T, x, precision="highest") / len(x))
    coordinates = jnp.matmul(x, components[: z.shape[1]].T, precision="highest")
    rows = jnp.matmul(coordinates.T, z, precision="highest")
    return rows / jnp.maximum(jnp.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


def _small_images(gen: Generator, ws: Any) -> Float[np.ndarray, "n k"]:
    """Rows of pixels, a few hundred images at a time."""
    height, width = gen.size
    step = next(k for k in range(max(1, max(height, width) // FEATURES), 0, -1) if height % k == 0 and width % k == 0)
    rows = []
    for start in range(0, len(ws), 512):
        images = render(gen, ws[start : start + 512])
        pooled = images.reshape(len(images), height // step, step, width // step, step, -1).mean((2, 4))
        rows.append(pooled.reshape(len(images), -1))
    return np.concatenate(rows)


GANSPACE = Method(
    "ganspace", "GANSpace", "principal components of w, or of images carried over to z", "samples", find, "others"
)
