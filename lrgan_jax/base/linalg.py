"""Decompositions that may be vmapped anywhere.

On CPUs, jaxlib spreads a batch of decompositions over the threads that wait for it: inside a loop, programs with
several of them were seen to stop for good (jaxlib 0.10.2, two cores). There, batches are taken one by one, which costs
no time; elsewhere as they are, and eigenvalues by matrix products, which GPUs and TPUs are made for (rotations.py).

Also on CPUs, eigh runs in OpenBLAS, whose threads spin while XLA's own compute: 0.25 s of robust PCA took 4 s on two
busy cores. So it is kept to one thread, by the only way there is, a variable of the process, set at the first
decomposition, when it is read; a user's own value wins.
"""

import os
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lrgan_jax.base.rotations import decomposed


def mapped(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` over the first axis of a tree: one by one on CPUs, which are busy with one, and elsewhere all at once."""
    return lambda tree: lax.platform_dependent(tree, cpu=partial(lax.map, f), default=jax.vmap(f))


def _one_by_one(elsewhere: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """For a decomposition of one matrix: a rule for batches, and what to do `elsewhere` than on CPUs, if it differs."""

    def ruled(decompose: Callable[..., Any]) -> Callable[..., Any]:
        other = elsewhere or decompose

        @jax.custom_batching.custom_vmap
        @wraps(decompose)
        def of_one(matrix):
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            return lax.platform_dependent(matrix, cpu=decompose, default=other)

        @of_one.def_vmap
        def of_batch(axis_size, batched, matrices):
            found = lax.platform_dependent(matrices, cpu=lambda a: lax.map(of_one, a), default=jax.vmap(other))
            return found, jax.tree.map(lambda _: True, found)

        return of_one

    return ruled


def _eigh_by_products(matrix):
    """In 32 bits; who asks for 64 wants all of their digits, which eigenvalues that are alike do not reach."""
    return decomposed(matrix) if matrix.dtype == jnp.float32 else tuple(jnp.linalg.eigh(matrix))


@_one_by_one(_eigh_by_products)
def eigh(matrix):
    """Eigenvalues, rising, and eigenvectors as columns of a symmetric matrix [n, n]."""
    return tuple(jnp.linalg.eigh(matrix))


@_one_by_one(lambda matrix: _eigh_by_products(matrix)[0])
def eigvalsh(matrix):
    """Eigenvalues, rising, of a symmetric matrix [n, n]."""
    return jnp.linalg.eigvalsh(matrix)


@_one_by_one()
def qr(matrix):
    """Q and R of a matrix [m, n]."""
    return tuple(jnp.linalg.qr(matrix))


@_one_by_one()
def cholesky(matrix):
    """The lower factor of a positive definite matrix [n, n]."""
    return jnp.linalg.cholesky(matrix)


def spectral_norm(matrix):
    """The largest |eigenvalue| of a symmetric matrix [n, n], to rounding."""
    return lax.platform_dependent(matrix, cpu=lambda a: jnp.abs(eigvalsh(a)).max(), default=norm_by_squaring)


def norm_by_squaring(matrix):
    """The same by matrix products: |A|_2 <= |A^p|_F^(1/p) <= |A|_2 n^(1/2p), with p a power of two.

    Of the roundings of a power the root leaves the p-th part, so that the first few squarings decide.
    """

    def square(_, carry):
        power, logarithm, root = carry
        size = or_one(jnp.linalg.norm(power))
        power = power / size
        return jnp.matmul(power, power, precision=lax.Precision.HIGHEST), logarithm + root * jnp.log(size), root / 2

    def or_one(size):
        return jnp.where(size > 0, size, 1)

    unit = jnp.abs(matrix).max()  # the squares of the norm could overflow
    start = matrix / or_one(unit), jnp.zeros_like(unit), jnp.ones_like(unit)
    _, logarithm, _ = lax.fori_loop(0, jnp.finfo(matrix.dtype).nmant, square, start)
    return unit * jnp.exp(logarithm)
