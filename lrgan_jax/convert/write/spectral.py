"""What the BigGANs of all projects share on their way back: the spectral norm, which we hold as a number, as the
vectors by which a project finds it. A weight may be scaled as one likes: its norm scales with it.
"""

from typing import Any

import numpy as np

from lrgan_jax.convert.formats.biggan.names import NORM
from lrgan_jax.convert.formats.variables import table
from lrgan_jax.generators import BigGAN


def parted(gen: BigGAN) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The tensors by our names, and the norm of each kernel in 64 bits."""
    every = table(gen.variables)
    norms = {_kernel(name): float(a.astype(np.float64).sum()) for name, a in every.items() if name.endswith(NORM)}
    return {name: array for name, array in every.items() if not name.endswith(NORM)}, norms


def _kernel(norm: str) -> str:
    return norm.replace("buffers", "params", 1).removesuffix(NORM) + "/kernel"


def is_same(gen: BigGAN, again: Any) -> bool:
    """Whether all weights are the same, over their norms."""
    if not isinstance(again, BigGAN) or again.config != gen.config:
        return False
    ours, theirs = _effective(gen), _effective(again)
    return all(np.allclose(theirs[name], array, rtol=1e-6, atol=0) for name, array in ours.items())


def _effective(gen: BigGAN) -> dict[str, np.ndarray]:
    tensors, norms = parted(gen)
    return {name: array / norms.get(name, 1.0) for name, array in tensors.items()}


def left_vectors(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values of [m, n], the largest first and none that is zero, and the left vectors [m, k] of them.

    By the smaller of both products with the transpose: a decomposition of the whole takes minutes for large models.
    """
    matrix = matrix.astype(np.float64)
    wide = matrix.shape[0] <= matrix.shape[1]
    squares, vectors = np.linalg.eigh(matrix @ matrix.T if wide else matrix.T @ matrix)
    kept = np.flatnonzero(squares > squares.max() * len(squares) * np.finfo(np.float64).eps)[::-1]
    values = np.sqrt(squares[kept])
    return values, vectors[:, kept] if wide else matrix @ vectors[:, kept] / values
