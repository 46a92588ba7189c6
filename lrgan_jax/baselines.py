"""What others find, as `Directions`: so that one code edits with every method and measures it.

    resefa                              needs a region and its Jacobian, as our own methods do
    sefa, ganspace, local_basis         look at the generator alone: each direction moves whatever it moves
    random_directions                   know nothing

The paper's own directions, with the authors' solver, are `find_directions(..., method="projected", mode="authors")`.
"""
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import linalg
from lrgan_jax.arrays import AnyArray
from lrgan_jax.checks import check_key, check_number, check_whole
from lrgan_jax.directions import Directions
from lrgan_jax.errors import InputError
from lrgan_jax.generators import Generator, Latent, W, render, sample_z, to_ws
from lrgan_jax.generators.latents import check_z, weights_dtype
from lrgan_jax.jacobian import Pooling, check_layers
from lrgan_jax.pipeline import full_range, masks_to_keep, protected_grams
from lrgan_jax.subspaces import TAO, rayleigh_directions, spectrum, weight_directions

AUTHORS_REACH = 3.0  # steps that these methods' authors show, either way
FEATURES = 16  # side of the images that stand for an early layer's features


def resefa(
    gen: Generator,
    w: ArrayLike | Latent,
    region: Any,
    *,
    layers: Sequence[int] | str | None = None,
    num: int = 4,
    tao: float = TAO,
    size: int | None = None,
    channels: Literal["mean", "sum", "stack"] = "stack",
    pooling: Pooling = "area",
) -> Directions:
    """ReSeFa: the leading eigenvectors of (M_B + tao trace(M_B) I)^-1 M_A, by way of a symmetric problem.

    Args:
      w, region, layers, num, size, channels, pooling: as `find_directions` takes them. The authors' code keeps every channel of pictures
        up to 256 pixels, as the defaults do, but sums the channels of larger ones and takes the nearest pixels: channels="sum",
        pooling="nearest" there.
      tao: 0 for the plain quotient, which needs an M_B of full rank; with 1e-3 the first direction is the frontier's at its default mu.
    Raises:
      ValueError: if M_B lacks full rank and tao is 0, or on what does not fit.
    Source: Zhu et al. 2022, arXiv:2202.09649.
    """
    check_number("tao", tao, least=0)
    check_whole("num", num)
    masks, _ = masks_to_keep(gen, region, size=size)
    inside, outside = protected_grams(gen, w, masks, layers=layers, channels=channels, pooling=pooling)
    found = rayleigh_directions(inside.mean(0), outside.mean(0), tao)
    if not np.all(found.mask[:num]):
        raise InputError("the rest's Gram lacks full rank, so the plain quotient does not exist: take tao=1e-3")
    vectors, inside, outside, kept = (np.asarray(a)[:num] for a in found[:4])
    where = region if isinstance(region, str) else "mask"
    return _directions(
        gen, vectors, "ReSeFa", layers, region=where, inside=inside, outside=outside, kept=kept, step_range=full_range(inside),
        settings={"tao": tao},
    )  # fmt: skip


def sefa(gen: Any, *, layers: Sequence[int] | str | None = None, num: int = 4) -> Directions:
    """SeFa: what the weights behind the latent amplify most, without any image.

    Args:
      gen: a generator with `style_weights`. layers: rows of ws whose styles count, and which the directions move; None for all. The last
        row of a StyleGAN2 counts by its last toRGB, as in the authors' code.
    Source: Shen and Zhou 2021, arXiv:2007.06600.
    """
    check_whole("num", num)
    return _directions(gen, weight_directions(gen.style_weights(layers)).basis[:num], "SeFa", layers)


def ganspace(
    gen: Generator, key: ArrayLike, *, layers: Sequence[int] | str | None = None, num: int = 4, samples: int = 10_000,
    truncation: float = 1.0,
) -> Directions:  # fmt: skip
    """GANSpace: principal components of w.

    Where the latent is z itself, which has none, the components are those of an early layer's features and are carried over to z by
    regression, as the authors do for BigGAN; images of 16 x 16 pixels stand for the features.

    Args:
      samples: random latents.
    Source: Harkonen et al. 2020, arXiv:2004.02546, section 2.
    """
    check_whole("num", num)
    check_whole("samples", samples, least=2)
    latents = gen.mapping(sample_z(gen, key, samples), None, truncation)
    features = latents if isinstance(latents, W) else _small_images(gen, latents)
    return _directions(gen, regressed_components(np.asarray(latents), np.asarray(features))[:num], "GANSpace", layers)


def regressed_components(latents: Float[AnyArray, "n d"], features: Float[AnyArray, "n k"]) -> Float[Array, "m d"]:
    """The latent directions, unit rows, along which the features' principal components change, largest component first.

    Coordinates of different components are uncorrelated, so each direction is the mean of z x_k over that of x_k^2. With the latents for
    features these are their own principal components.
    """
    z, x = (a - jnp.mean(a, axis=0) for a in (jnp.asarray(latents), jnp.asarray(features)))
    _, components = spectrum(jnp.matmul(x.T, x, precision="highest") / len(x))
    coordinates = jnp.matmul(x, components[: z.shape[1]].T, precision="highest")
    rows = jnp.matmul(coordinates.T, z, precision="highest")
    return rows / jnp.maximum(jnp.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


def local_basis(gen: Generator, z: ArrayLike | Latent, *, layers: Sequence[int] | str | None = None, num: int = 4) -> Directions:
    """Local Basis: how w moves most when z does, the left singular vectors of the mapping's Jacobian at one z [1, z_dim].

    Raises:
      ValueError: for a generator without a mapping network, of which every basis is one.
    Source: Choi et al. 2022, arXiv:2106.06959, section 3.
    """
    check_whole("num", num)
    z = check_z(z, gen.z_dim, weights_dtype(gen))
    check_number("latents", z)
    if len(z) != 1:
        raise InputError(f"a local basis belongs to one latent, got {len(z)}")
    if not isinstance(gen.mapping(z), W):
        raise InputError("this model has no mapping network, so it has no local basis")
    J = jax.jacfwd(lambda z: jnp.asarray(gen.mapping(z[None]))[0])(z[0])
    return _directions(gen, spectrum(jnp.matmul(J, J.T, precision="highest"))[1][:num], "Local Basis", layers)


def random_directions(gen: Generator, key: ArrayLike, *, layers: Sequence[int] | str | None = None, num: int = 4) -> Directions:
    """Orthonormal directions, uniform over the sphere."""
    check_key(key)
    check_whole("num", num)
    columns = jnp.asarray(jax.random.normal(key, (gen.w_dim, num), jnp.float32), weights_dtype(gen))
    return _directions(gen, linalg.qr(columns)[0].T, "random", layers)


def _small_images(gen: Generator, latents: Latent) -> Float[np.ndarray, "n k"]:
    """Rows of pixels, a few hundred images at a time."""
    step = max(1, gen.resolution // FEATURES)
    rows = []
    for start in range(0, len(latents), 512):
        images = render(gen, to_ws(gen, latents[start : start + 512]))
        pooled = images.reshape(len(images), images.shape[1] // step, step, images.shape[2] // step, step, -1).mean((2, 4))
        rows.append(pooled.reshape(len(images), -1))
    return np.concatenate(rows)


def _directions(gen: Generator, vectors: ArrayLike, method: str, layers: Sequence[int] | str | None, **record: Any) -> Directions:
    layers = None if layers is None else check_layers(layers, gen.num_ws)
    about: dict[str, Any] = {"step_range": (-AUTHORS_REACH, AUTHORS_REACH)} | record
    return Directions(np.asarray(vectors), layers=layers, method=method, model=gen.info.name, fingerprint=gen.info.fingerprint, **about)
