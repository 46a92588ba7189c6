"""How far one set of images is from another, as sets: what tells a trained generator from its data.

Source: sliced Wasserstein distance, Karras et al. 2018, arXiv:1710.10196, section 5 and appendix; Frechet distance,
Heusel et al. 2017, arXiv:1706.08500, eq. 6 there, on whatever features the user has.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import ops

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
PATCH = 7  # pixels on a side
PATCHES = 128  # of one image and level
DIRECTIONS = 512
SMALLEST = 16  # pixels of the coarsest level
AT_ONCE = 1024  # images whose patches are cut together


def sliced_wasserstein(
    a: Float[ArrayLike, "n h w c"], b: Float[ArrayLike, "m g v d"], *, seed: int = 0, directions: int = DIRECTIONS
) -> dict[int, float]:
    """Distance of two equally large sets of images by their 7x7 patches, at every level of the Laplacian pyramid down
    to 16 pixels.

    The patches of a level, each channel scaled to zero mean and unit variance, are projected on random directions; in
    one dimension the Wasserstein distance is the mean difference of the sorted values. Two sets of one distribution are
    not at 0 but at what their size leaves to chance, so say it beside.

    Args:
      a, b: images in [-1, 1], of size 16 * 2^k. seed: of patches and directions, the same for both sets.
    Returns:
      Size of the level in pixels -> distance times 1,000, finest first.
    Raises:
      InputError: if the sets differ in shape.
    """
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    if a.shape != b.shape or a.ndim != 4:
        raise InputError(f"the sets are {a.shape} and {b.shape}: two sets of as many images of one size are compared")
    random = np.random.default_rng(seed)
    key_a, key_b = jax.random.split(jax.random.key(seed))
    found = {}
    for level, (one, other) in enumerate(zip(_descriptors(a, key_a), _descriptors(b, key_b), strict=True)):
        axes = random.standard_normal((one.shape[1], directions)).astype(np.float32)
        found[a.shape[1] >> level] = 1000 * _distance(one, other, axes / np.linalg.norm(axes, axis=0))
    return found


def _descriptors(images: Float[np.ndarray, "n h w c"], key) -> list[Float[np.ndarray, "p k"]]:
    """Patches of every level, [N * PATCHES, 7 * 7 * C], normalised per channel."""
    parts = [
        jax.device_get(_patches(images[start : start + AT_ONCE], jax.random.fold_in(key, start)))
        for start in range(0, len(images), AT_ONCE)
    ]
    levels = [np.concatenate(level) for level in zip(*parts, strict=True)]
    return [((x - x.mean((0, 1, 2))) / np.maximum(x.std((0, 1, 2)), 1e-8)).reshape(len(x), -1) for x in levels]


@jax.jit
def _patches(images: Float[Array, "n h w c"], key) -> list[Float[Array, "p 7 7 c"]]:
    found = []
    for level, layer in enumerate(laplacian_pyramid(images)):
        size = layer.shape[1] - PATCH + 1
        corners = jax.random.randint(jax.random.fold_in(key, level), (len(layer), PATCHES, 2), 0, size, jnp.int32)
        found.append(jax.vmap(jax.vmap(_cut, (None, 0)))(layer, corners).reshape(-1, PATCH, PATCH, layer.shape[-1]))
    return found


def _cut(image: Float[Array, "h w c"], corner) -> Float[Array, "7 7 c"]:
    return jax.lax.dynamic_slice(image, (*corner, jnp.int32(0)), (PATCH, PATCH, image.shape[-1]))


def laplacian_pyramid(images: Float[Array, "n h w c"]) -> list[Float[Array, "n g v c"]]:
    """What each halving of the size loses, finest first, and the smallest image at the end (Burt & Adelson 1983)."""
    levels = []
    while images.shape[1] > SMALLEST:
        smaller = _smooth(images)[:, ::2, ::2]
        spread = jnp.zeros_like(images).at[:, ::2, ::2].set(smaller)
        levels.append(images - 4 * _smooth(spread))
        images = smaller
    return [*levels, images]


def _smooth(images):
    mirrored = jnp.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    return ops.blur(mirrored, BINOMIAL, (0, 0))


def _distance(a: Float[np.ndarray, "p k"], b: Float[np.ndarray, "p k"], directions: Float[np.ndarray, "k s"]) -> float:
    """Mean over directions of the mean gap between sorted projections.

    In NumPy: XLA sorts 40 times slower on a CPU (jax 0.10).
    """
    blocks = np.array_split(directions, max(1, directions.shape[1] // 16), axis=1)
    gaps = [np.abs(np.sort((a @ d).T, axis=-1) - np.sort((b @ d).T, axis=-1)).mean(-1) for d in blocks]
    return float(np.concatenate(gaps).mean())


def frechet_distance(a: Float[ArrayLike, "n k"], b: Float[ArrayLike, "m j"]) -> float:
    """|mu_a - mu_b|^2 + trace(C_a + C_b - 2 (C_a C_b)^(1/2)) of two sets of features, in float64.

    Raises:
      InputError: if a set has fewer than two rows, or their widths differ.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise InputError(
            f"the features are {a.shape} and {b.shape}: two sets of rows of one width, at least two each, are compared"
        )
    cov_a, cov_b = np.cov(a, rowvar=False).reshape(a.shape[1], -1), np.cov(b, rowvar=False).reshape(a.shape[1], -1)
    # trace (C_a C_b)^(1/2) is the sum of the roots of the eigenvalues of the symmetric R C_b R, R = C_a^(1/2).
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)
