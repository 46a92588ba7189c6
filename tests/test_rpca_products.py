"""The solver of matrix products against the one with eigendecompositions, and what accelerators are given to compile.

It runs on any machine, so it is called here by its own name; `robust_pca` takes it on accelerators alone.
"""

import re
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from test_rpca import gap_in_numpy, layered_gram, random_gram, spoiled, stored, unpack, worst

from lrgan_jax.base.rotations import eigenvectors, seen, turned, unseen
from lrgan_jax.rpca import converged, products, robust_pca

HADAMARD = reduce(np.kron, [np.array([[1.0, 1], [1, -1]])] * 5)  # eigenvalues +-sqrt(32), sixteen times each
CYCLE = np.stack([np.roll([3.0, 1, 0.5, 0, 0.2, 0, 0.5, 1], shift) for shift in range(8)])  # its diagonal is all 3


def solve(gram, lam, solver=products, tol=None, max_steps=2000):
    """With the tolerances of `robust_pca`, in the dtype of `gram`."""
    gram = jnp.asarray(gram)
    tol = (1e-5 if gram.dtype == jnp.float32 else 1e-7) if tol is None else tol
    return solver.solve(gram, *(jnp.asarray(x, gram.dtype) for x in (lam, tol)), jnp.asarray(max_steps))


def assert_same_optimum(gram, lam, same_rank=True):
    """Both are proven to within 1e-5, also by NumPy, of one rank, and turning costs no steps."""
    single = np.asarray(gram, np.float32)
    split, other = solve(single, lam), solve(single, lam, converged)
    assert bool(split.converged) and bool(other.converged) and bool(split.trivial) == bool(other.trivial)
    assert int(split.rank) == int(other.rank) or not same_rank
    assert int(split.num_steps) <= 1.1 * int(other.num_steps) + 10
    assert abs(float(split.objective) / float(other.objective) - 1) < 1e-5
    assert gap_in_numpy(split, gram, lam) < 1.5e-5  # rounding M to float32 moves it too
    assert abs(float(split.gap) - gap_in_numpy(split, gram, lam)) < 5e-6


REAL = ["dcgan_z29_mouth_mean", "dcgan_z47_eyes_rgb"]
MORE = ["dcgan_z29_mouth_rgb", "dcgan_z47_eyes_mean", "dcgan_z57_mouth_mean", "dcgan_z57_mouth_rgb"]
MORE += ["dcgan_z64_eyes_mean", "dcgan_z64_eyes_rgb"]


@pytest.mark.parametrize("name", REAL + [pytest.param(name, marks=pytest.mark.slow) for name in MORE])
def test_real_grams(shared, name):
    arrays = np.load(shared / "fixtures" / "public" / "rpca" / f"{name}.npz")
    for side in ("fore", "back"):
        for lam in (1 / 10, 1 / 20, 1 / 60):
            assert_same_optimum(unpack(arrays[f"M_{side}"]), lam)


@pytest.mark.parametrize("name", ["syn32", "syn64", "syn96_noisy", "syn128"])
def test_synthetic_grams(shared, name):
    gram = unpack(stored(shared, name)[0]["M"])
    for lam in (1 / 60, len(gram) ** -0.5, 0.4 * len(gram) ** -0.5):
        assert_same_optimum(gram, lam)


@pytest.mark.slow
@pytest.mark.parametrize("lam", [1 / 60, 512**-0.5])
def test_the_usual_size(shared, lam):
    """At lam = 1 / sqrt(512), where 40 % of the eigenvalues survive, some stand at the threshold: any rank will do."""
    assert_same_optimum(unpack(stored(shared, "syn512")[0]["M"]), lam, same_rank=lam == 1 / 60)


def test_the_minimiser_in_64_bits():
    """L and S themselves, which a gap of 1e-10 leaves no room."""
    with jax.enable_x64(True):
        for seed, lam in ((0, 0.25), (1, 0.3), (2, 0.2)):
            split, other = (solve(random_gram(16, seed), lam, solver, 1e-10) for solver in (products, converged))
            assert bool(split.converged) and int(split.rank) == int(other.rank) and not bool(split.trivial)
            assert abs(float(split.objective) / float(other.objective) - 1) < 1e-9
            assert worst(split.low_rank, np.asarray(other.low_rank)) < 1e-4
            np.testing.assert_array_equal(split.sparse != 0, other.sparse != 0)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(
    ("gram", "lam"),
    [
        (np.eye(1), 0.5),
        (np.eye(1), 2.0),
        (np.array([[2.0, 1], [1, 2]]), 0.6),
        (np.array([[0.0, 1], [1, 0]]), 0.6),
        (np.eye(8), 0.3),
        (np.ones((8, 8)), 0.3),
        (np.diag(np.repeat([1.0, 2], 4)), 0.3),
        (CYCLE, 0.5),
        (HADAMARD, 0.3),
        (-random_gram(16, 3), 0.25),
    ],
)
def test_equal_eigenvalues_and_tiny_matrices(gram, lam, x64):
    """Where turns stand still or rounding alone turns, and where eigenvalues are negative."""
    with jax.enable_x64(x64):
        gram = gram.astype(np.float64 if x64 else np.float32)
        split, other = solve(gram, lam), solve(gram, lam, converged)
        assert bool(split.converged) and bool(other.converged) and bool(split.trivial) == bool(other.trivial)
        assert int(split.num_steps) <= 1.5 * int(other.num_steps) + 10
        assert abs(float(split.objective) / float(other.objective) - 1) < 1e-5
        assert gap_in_numpy(split, gram, lam) < 1.1e-5


def test_what_cannot_be_split(nan_flags):
    """No step, and the same flags as on CPUs."""
    cases = [(spoiled(kind), 0.3) for kind in ("zero", "nan", "inf", "skew")]
    for gram, lam in [*cases, (spoiled("zero") + 1, -0.1), (spoiled("zero") + 1, np.nan)]:
        split, other = solve(gram, lam), solve(gram, lam, converged)
        assert int(split.num_steps) == 0 and not bool(split.converged) and not bool(split.trivial)
        for ours, theirs in zip(split, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    few = solve(random_gram(16, 0).astype(np.float32), 0.3, max_steps=2)
    assert int(few.num_steps) == 2 and not bool(few.converged)


def test_trivial_lam():
    gram = random_gram(16, 5).astype(np.float32)
    split = solve(gram, 0.99 / np.abs(np.linalg.eigvalsh(np.sign(gram))).max())
    assert bool(split.trivial) and bool(split.converged) and int(split.num_steps) == 0 and not split.low_rank.any()


def test_a_batch_is_its_matrices(nan_flags):
    """Each stops for itself, early or late, and one that is no matrix spoils no other."""
    grams = np.stack([layered_gram(32, seed, rank) for seed, rank in ((1, 2), (2, 9), (3, 5))])
    grams = np.concatenate([grams / np.abs(grams).max((1, 2), keepdims=True), np.full((1, 32, 32), np.nan)])
    with jax.enable_x64(True):
        lams = jnp.array([0.1, 0.2, 0.18, 0.1])
        batch = jax.vmap(lambda gram, lam: solve(gram, lam, tol=1e-6))(jnp.asarray(grams), lams)
        singles = [solve(gram, lam, tol=1e-6) for gram, lam in zip(grams, lams, strict=True)]
    assert len(set(np.asarray(batch.num_steps).tolist())) == 4
    for k, single in enumerate(singles):
        assert bool(batch.converged[k]) == bool(single.converged) == (k < 3)
        assert int(batch.num_steps[k]) == int(single.num_steps) and int(batch.rank[k]) == int(single.rank)
        if k < 3:
            assert worst(batch.low_rank[k], np.asarray(single.low_rank)) < 1e-8  # 1e-14 in a step, over 200 of them


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_what_accelerators_compile(platform, batch):
    """No decomposition and no call of the host, nothing in 64 bits, and all products at the highest precision."""
    program = jax.vmap(robust_pca) if batch else robust_pca
    exported = export.export(jax.jit(program), platforms=[platform])
    text = exported(jax.ShapeDtypeStruct((*batch, 96, 96), jnp.float32)).mlir_module()
    assert "custom_call" not in text and "f64" not in text and "callback" not in text
    made = re.findall(r"stablehlo.dot_general .*", text)
    assert len(made) == 5 + 7 + 2  # a turn of the start, a step, a squaring for `trivial` and one for the proof
    assert all("precision = [HIGHEST, HIGHEST]" in line and ("batching_dims" in line) == bool(batch) for line in made)


def test_cpus_keep_their_solver():
    text = export.export(jax.jit(robust_pca), platforms=["cpu"])(jax.ShapeDtypeStruct((8, 8), jnp.float32))
    assert "lapack_ssyevd" in text.mlir_module()


@pytest.mark.parametrize("matrix", [random_gram(24, 0), CYCLE, HADAMARD, np.ones((6, 6)), np.zeros((4, 4))])
def test_eigenvectors_by_turns(matrix):
    """From the identity to 1 % off the diagonal, and in some turns more as far as the turning of equal eigenvalues lets
    them.
    """
    with jax.enable_x64(True):
        U = eigenvectors(jnp.asarray(matrix), products.START)
        for _ in range(16):
            U = turned(U, *seen(jnp.asarray(matrix), U))
        T, _ = seen(jnp.asarray(matrix), U)
        off = np.linalg.norm(T - np.diag(np.diagonal(T)))
        assert off <= 1e-5 * np.linalg.norm(matrix)
        np.testing.assert_allclose(np.sort(np.diagonal(T)), np.linalg.eigvalsh(matrix), rtol=0, atol=1e-3)


def test_a_turn_keeps_the_basis_orthonormal():
    """And what is seen in a basis that is only nearly so is right to second order."""
    random = np.random.default_rng(0)
    A = random_gram(24, 1)
    skew = random.standard_normal((24, 24)) * 1e-4
    U = np.linalg.eigh(A)[1] @ (np.eye(24) + skew)
    with jax.enable_x64(True):
        T, R = seen(jnp.asarray(A), jnp.asarray(U))
        u, _, vh = np.linalg.svd(U)
        nearest = u @ vh
        np.testing.assert_allclose(T, nearest.T @ A @ nearest, rtol=0, atol=5e-6)
        np.testing.assert_allclose(unseen(T, jnp.asarray(U), R), A, rtol=0, atol=5e-6)
        after = np.asarray(turned(jnp.asarray(U), T, R))
        assert np.abs(np.eye(24) - after.T @ after).max() < 5e-6 < 1e-4 < np.abs(R).max()


def test_bound_of_the_nuclear_norm():
    """Never below, and above by what is of third order."""
    random = np.random.default_rng(0)
    kept = np.diag(np.array([9.0, 5, 5, -3, -2]))
    with jax.enable_x64(True):
        for size in (0, 1e-3, 1e-2):
            off = random.standard_normal((12, 12)) * size
            inner = off + off.T
            inner[5:, 5:] = 0
            inner[:5, :5] += kept - np.diag(np.diagonal(inner)[:5])
            true = np.abs(np.linalg.eigvalsh(inner)).sum()
            bound = float(products._nuclear_norm(jnp.asarray(inner)))
            assert true * (1 - 1e-12) - 50 * size**3 <= bound <= true * (1 + 1e-12) + 10 * size**2


def test_the_bound_of_a_kept_cluster():
    """A diagonal that looks positive over a negative eigenvalue does not make the norm smaller."""
    inner = jnp.array([[1.0, 2, 0], [2, 1, 0], [0, 0, 0]])  # eigenvalues 3, -1 and 0
    assert float(products._nuclear_norm(inner)) >= 4
