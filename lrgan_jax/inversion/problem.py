"""What is looked for: latents, and perhaps noise, of which a generator makes images that are like the photographs.

Symbols: u [k, d], a latent in white coordinates (see `coordinates`); k is 1 where all layers share it (W), and L where
each has its own (W+). With r the residuals of one photograph,

    loss(u) = |r(u)|^2 + prior * mean of u^2,    r(u) = features(image of u) - features(photograph).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from lrgan_jax.generators import WS, Generator
from lrgan_jax.inversion.coordinates import Coordinates
from lrgan_jax.inversion.noise import Pictures
from lrgan_jax.inversion.weights import placed


class Problem(NamedTuple):
    """Rows, each an attempt at one photograph: a pytree.

    Attributes:
      features: of images, see `likeness`. targets: those of each row's photograph, [R, P]. labels: its class [R, c],
        where the generator's synthesis takes one. prior: what the mean square of u weighs.
    """

    gen: Any
    coordinates: Coordinates
    features: Partial
    targets: Float[Array, "r p"]
    labels: Float[Array, "r c"] | None
    prior: Float[Array, ""]


class Aim(NamedTuple):
    """One row's."""

    target: Float[Array, " p"]
    label: Float[Array, " c"] | None


def aims(problem: Problem) -> Aim:
    """All rows', to be mapped over."""
    return Aim(problem.targets, problem.labels)


def image_of(problem: Problem, u: Float[Array, "k d"], pictures: Pictures, label) -> Float[Array, "h w c"]:
    """The image of one latent."""
    gen: Generator = placed(problem.gen, pictures)
    rows = problem.coordinates.latents(u)
    ws = jnp.broadcast_to(rows, (gen.num_ws, rows.shape[-1]))[None]
    return gen.synthesis(ws, None if label is None else label[None])[0]


def residuals(problem: Problem, u: Float[Array, "k d"], pictures: Pictures, aim: Aim) -> Float[Array, " p"]:
    """Of one row."""
    return problem.features(image_of(problem, u, pictures, aim.label)[None])[0] - aim.target


def loss(problem: Problem, u: Float[Array, "k d"], pictures: Pictures, aim: Aim) -> Float[Array, ""]:
    """Of one row."""
    unlike = jnp.square(residuals(problem, u, pictures, aim)).sum()
    return unlike + problem.prior * jnp.mean(jnp.square(u))


def latents(problem: Problem, u: Float[Array, "r k d"]) -> WS:
    """Of every row, one for each layer."""
    rows = problem.coordinates.latents(u)
    return WS(jnp.broadcast_to(rows, (len(rows), problem.gen.num_ws, rows.shape[-1])), problem.labels)


def images(problem: Problem, u: Float[Array, "r k d"], pictures: Pictures) -> Float[np.ndarray, "r h w c"]:
    """Of every row."""
    rows = [jax.tree.map(lambda a, k=k: a[k], (u, pictures, problem.labels)) for k in range(len(u))]
    shared = problem._replace(targets=problem.targets[:1], labels=None)
    return np.stack([_image(shared, *row) for row in rows])


_image = jax.jit(image_of)
