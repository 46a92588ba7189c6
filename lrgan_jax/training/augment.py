"""Adaptive discriminator augmentation: what the discriminator sees is transformed, so that it cannot learn a small data
set by heart.

One image at a time; `vmap` it. Every transform is switched on with probability p by itself. Geometry is one affine map,
applied by bilinear interpolation with mirrored borders (the authors supersample with wavelet filters); colours are one
affine map of RGB.

All in float32, as training is.

Source: Karras et al. 2020, arXiv:2006.06676, section 2 and appendix B ("pixel blitting", "geometric" and "color"
groups).
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, ArrayLike, Float

IMAGES_TO_FULL = 500_000  # p moves from 0 to 1 in so many images (appendix B)
SIGN_DECAY = 0.75  # the overfitting sign is a mean over about four batches

_normal, _uniform = (partial(draw, dtype=jnp.float32) for draw in (jax.random.normal, jax.random.uniform))
_eye = partial(jnp.eye, 3, dtype=jnp.float32)


def augment(key: Array, image: Float[Array, "h w c"], p: Float[ArrayLike, ""]) -> Float[Array, "h w c"]:
    """One image in [-1, 1], transformed; p = 0 leaves it exactly alone."""
    key_geometry, key_colour = jax.random.split(key)
    moved = warp(image, geometry(key_geometry, p, (image.shape[0], image.shape[1])))
    if image.shape[-1] != 3:  # hue and saturation belong to RGB
        return moved
    matrix, brightness = colour(key_colour, p)
    return jnp.einsum("hwc,dc->hwd", moved + brightness, matrix, precision="highest")


def geometry(key: Array, p: Float[ArrayLike, ""], size: tuple[int, int]) -> Float[Array, "3 3"]:
    """Affine map from output to input pixels, (row, column, 1) about the image's centre."""
    keys = iter(jax.random.split(key, 18))
    height, width = size

    def on(probability=p):
        return jax.random.bernoulli(next(keys), jnp.float32(probability))

    def normal(scale):
        return scale * _normal(next(keys), (2,))

    flip = jnp.where(on() & on(0.5), -1.0, 1.0)
    quarters = jnp.where(on(), jax.random.randint(next(keys), (), 0, 4, jnp.int32), 0).astype(jnp.float32) * (
        jnp.pi / 2
    )
    whole = jnp.round(
        jnp.where(on(), _uniform(next(keys), (2,), minval=-0.125, maxval=0.125), 0) * jnp.array([height, width])
    )
    isotropic = jnp.exp2(jnp.where(on(), normal(0.2)[0], 0))
    turned = 1 - jnp.sqrt(1 - jnp.float32(p))  # there are two rotations, together of probability p
    before = jnp.where(on(turned), _uniform(next(keys), (), minval=-jnp.pi, maxval=jnp.pi), 0)
    anisotropic = jnp.exp2(jnp.where(on(), normal(0.2)[0], 0))
    after = jnp.where(on(turned), _uniform(next(keys), (), minval=-jnp.pi, maxval=jnp.pi), 0)
    fraction = jnp.where(on(), normal(0.125), 0) * jnp.array([height, width])
    steps = (
        scaling(1.0, flip),
        rotation(quarters),
        translation(whole),
        scaling(isotropic, isotropic),
        rotation(before),
        scaling(1 / anisotropic, anisotropic),
        rotation(after),
        translation(fraction),
    )
    total = _eye()
    for step in steps:
        total = jnp.matmul(total, step, precision="highest")
    return total


def colour(key: Array, p: Float[ArrayLike, ""]) -> tuple[Float[Array, "3 3"], Float[Array, ""]]:
    """Brightness, to be added first, and the linear map of RGB after it: contrast, luma flip, hue, saturation."""
    keys = iter(jax.random.split(key, 10))

    def on(probability=p):
        return jax.random.bernoulli(next(keys), jnp.float32(probability))

    brightness = jnp.where(on(), 0.2 * _normal(next(keys)), 0)
    contrast = jnp.exp2(jnp.where(on(), 0.5 * _normal(next(keys)), 0))
    flip = jnp.where(on() & on(0.5), 2.0, 0.0)
    angle = jnp.where(on(), _uniform(next(keys), (), minval=-jnp.pi, maxval=jnp.pi), 0)
    saturation = jnp.exp2(jnp.where(on(), _normal(next(keys)), 0))
    grey = jnp.full((3, 3), 1 / 3, jnp.float32)  # projects on the grey axis
    rest = _eye() - grey
    # Each step is the identity plus a change, so that without a change it is exactly the identity.
    across = jnp.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], jnp.float32) / jnp.sqrt(3.0)
    hue = _eye() + (jnp.cos(angle) - 1) * rest + jnp.sin(angle) * across  # Rodrigues
    total = contrast * _eye()
    for step in (_eye() - flip * grey, hue, _eye() + (saturation - 1) * rest):
        total = jnp.matmul(step, total, precision="highest")
    return total, brightness


def warp(image: Float[Array, "h w c"], matrix: Float[Array, "3 3"]) -> Float[Array, "h w c"]:
    """The image read at `matrix` @ (row, column, 1) about its centre; bilinear, mirrored beyond the borders."""
    height, width, _ = image.shape
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2], matrix.dtype)
    rows, columns = jnp.meshgrid(jnp.arange(height) - centre[0], jnp.arange(width) - centre[1], indexing="ij")
    at = [matrix[k, 0] * rows + matrix[k, 1] * columns + matrix[k, 2] + centre[k] for k in (0, 1)]
    return jax.vmap(lambda plane: map_coordinates(plane, at, order=1, mode="mirror"), in_axes=-1, out_axes=-1)(image)


def scaling(rows, columns):
    return jnp.diag(
        jnp.stack([jnp.asarray(rows, jnp.float32), jnp.asarray(columns, jnp.float32), jnp.ones((), jnp.float32)])
    )


def rotation(angle):
    c, s, zero, one = jnp.cos(angle), jnp.sin(angle), jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32)
    return jnp.array([[c, -s, zero], [s, c, zero], [zero, zero, one]])


def translation(offset):
    return _eye().at[:2, 2].set(offset)


def adapted(p: Float[Array, ""], signs: Float[Array, ""], target: float, images: int) -> Float[Array, ""]:
    """p one batch later: up while the mean sign of D(real), the sign of overfitting, is above the target, else down
    (section 2.2).

    Args:
      signs: mean of sign(D(real)) over recent batches. target: 0.6 in the paper. images: in this batch.
    """
    return jnp.clip(p + jnp.sign(signs - target) * (images / IMAGES_TO_FULL), 0.0, 1.0)
