"""Decompositions of a batch are those of its matrices, and a loop of them ends."""

import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tolerances import rounding

from lrgan_jax import analyse
from lrgan_jax.base import linalg, rotations

LOOP = """
import jax, jax.numpy as jnp
from lrgan_jax import analyse
half = jax.random.normal(jax.random.key(0), (2, 4, 100, 130)) * jnp.arange(1.0, 131.0) ** -1.5
grams = half @ half.swapaxes(-1, -2)
found = jax.jit(jax.vmap(lambda a, b: analyse(a, b).candidates["frontier"]))
for _ in range(4):
    jax.block_until_ready(found(*grams))
print("done")
"""


@pytest.mark.parametrize("name", ["eigh", "eigvalsh", "qr", "cholesky"])
def test_a_batch_is_its_matrices(name):
    """vmap against a loop, twice nested too."""
    half = jax.random.normal(jax.random.key(0), (2, 3, 6, 6))
    matrices = half @ half.swapaxes(-1, -2) + jnp.eye(6)
    decompose = getattr(linalg, name)
    batched = jax.tree.leaves(jax.jit(jax.vmap(jax.vmap(decompose)))(matrices))
    one_by_one = [jax.tree.leaves(decompose(matrix)) for matrix in matrices.reshape(6, 6, 6)]
    for k, part in enumerate(batched):
        np.testing.assert_allclose(
            part.reshape(6, *part.shape[2:]), [parts[k] for parts in one_by_one], **rounding(np.float32, 36)
        )


def test_batches_of_64_bits_inside_jit():
    """The authors' solver asks for them only while it is traced; the batch is made later."""
    half = jax.random.normal(jax.random.key(0), (2, 3, 8, 8))
    grams = half @ half.swapaxes(-1, -2)
    solve = partial(analyse, lam=0.3, method="authors", splits=True)
    batched = jax.jit(jax.vmap(solve))(*grams)
    for k in range(3):
        alone = solve(grams[0, k], grams[1, k])
        assert batched.inside.rank[k] == alone.inside.rank
        # Either may be within its tolerance some steps before the other.
        np.testing.assert_allclose(batched.inside.low_rank[k], alone.inside.low_rank, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_a_batch_inside_a_loop_ends():
    """Four splits at once, as a region each: with jaxlib's own batches this stops on two cores, sooner or later."""
    done = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "done", done.stderr


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("scale", [1e-20, 1, 1e20])
def test_the_spectral_norm_by_squaring(x64, scale):
    """To rounding, of either sign, with many values at the top, in any unit."""
    random = np.random.default_rng(0)
    basis, _ = np.linalg.qr(random.standard_normal((40, 40)))
    with jax.enable_x64(x64):
        for values in (np.linspace(-2, 1, 40), np.linspace(-1, 2, 40), np.repeat([1.0, -1], 20), np.zeros(40)):
            matrix = jnp.asarray((basis * values) @ basis.T * scale, np.float64 if x64 else np.float32)
            expected = np.abs(values).max() * scale
            for norm in (linalg.norm_by_squaring, linalg.spectral_norm):
                np.testing.assert_allclose(norm(matrix), expected, rtol=rounding(matrix.dtype, 40)["rtol"], atol=0)


def test_the_spectral_norm_of_no_matrix(nan_flags):
    assert jnp.isnan(linalg.norm_by_squaring(jnp.full((3, 3), jnp.nan)))


# ---- By products alone, as elsewhere than on CPUs.


def spectral(values):
    basis, _ = np.linalg.qr(np.random.default_rng(len(values)).standard_normal((len(values),) * 2))
    return (basis * values) @ basis.T


SYMMETRIC = {
    "random": spectral(np.random.default_rng(1).standard_normal(40)),
    "graded": spectral(np.logspace(0, -9, 48)),
    "few large ones": spectral(np.r_[np.logspace(2, 0, 5), np.full(27, 1e-3)]),
    "clusters": spectral(np.r_[np.ones(6), np.ones(6) + 1e-4, -np.ones(8) / 2, np.zeros(12)]),
    "both signs alike": spectral(np.r_[np.ones(8), -np.ones(8)]),
    "Hadamard's": np.kron(*[np.kron([[1, 1], [1, -1]], [[1, 1], [1, -1]])] * 2).astype(float),
    "swapped": np.array([[0.0, 1], [1, 0]]),
    "diagonal": np.diag([3.0, -1, 2, 2]),
    "ones": np.ones((9, 9)),
    "zeros": np.zeros((4, 4)),
    "one": np.array([[-3.0]]),
    "large": spectral(np.logspace(0, -4, 20)) * 1e22,
    "small": spectral(np.logspace(0, -4, 20)) * 1e-22,
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_eigenvectors_by_turns_are_as_good_as_rounding_lets_them_be(name):
    """Residual, orthogonality and values against NumPy's in 64 bits, over the norm."""
    A = jnp.asarray(SYMMETRIC[name], np.float32)
    values, vectors = map(np.asarray, jax.jit(rotations.decomposed)(A))
    A, eps = np.asarray(A, np.float64), np.finfo(np.float32).eps
    n, size = len(A), max(np.linalg.norm(A, 2), 1e-300)
    limit = 20 * n**0.5 * eps
    assert (np.diff(values) >= 0).all()
    assert np.abs(values - np.linalg.eigvalsh(A)).max() <= limit * size
    assert np.linalg.norm(A @ vectors - vectors * values, 2) <= limit * size
    assert np.abs(vectors.T.astype(np.float64) @ vectors - np.eye(n)).max() <= limit


def test_what_is_no_number_has_no_eigenvectors_either():
    values, vectors = rotations.decomposed(jnp.full((3, 3), jnp.nan))
    assert np.isnan(values).all() and np.isnan(vectors).all()
