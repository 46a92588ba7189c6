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
from lrgan_jax.base import linalg

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
