"""The solver against the authors' loop in slow NumPy, against stored runs of the authors' code, and against optimality
itself.
"""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tolerances import EXACT

from lrgan_jax.rpca import check, robust_pca
from lrgan_jax.rpca.converged import _shrink_by_basis, _shrink_by_tracking
from lrgan_jax.subspaces import attribute_space, null_space, projected_directions


def authors_loop(gram, lam, max_steps=10_000):
    """The released code's iteration, with the SVD and their sign of Y."""
    n, norm = len(gram), np.linalg.norm(gram)
    mu = n * n / (4 * np.abs(gram).sum(0).max())
    S, Y = np.zeros_like(gram), np.zeros_like(gram)
    L, step = np.zeros_like(gram), 0
    for step in range(1, max_steps + 1):  # noqa: B007
        U, s, Vh = np.linalg.svd(gram - S - Y / mu)
        L = (U * np.maximum(s - 1 / mu, 0)) @ Vh
        V = gram - L - Y / mu
        S = np.sign(V) * np.maximum(np.abs(V) - lam / mu, 0)
        Y = Y + mu * (L + S - gram)
        if np.linalg.norm(L + S - gram) <= 1e-7 * norm:
            break
    return L, S, step


def random_gram(n, seed, rank=3, noise=0.02):
    """Low rank, plus a few large entries, plus a floor."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((rank, n)) * np.linspace(3, 1, rank)[:, None]
    spikes = np.where(random.random((n, n)) < 0.03, random.standard_normal((n, n)), 0)
    floor = random.standard_normal((2 * n, n)) * noise
    return rows.T @ rows / n + (spikes + spikes.T) / 2 + floor.T @ floor


def objective(L, gram, lam):
    return np.abs(np.linalg.eigvalsh(L)).sum() + lam * np.abs(gram - L).sum()


def worst(actual, expected):
    """Relative distance in the Frobenius norm, 0 between two zeros."""
    difference = np.asarray(actual, np.float64) - expected
    return np.linalg.norm(difference) / max(np.linalg.norm(np.asarray(expected, np.float64)), 1e-300)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("lam", [0.3, 0.2, 1 / 60])
def test_authors_mode_is_their_loop(lam, x64):
    """The same L, S and number of steps, from float64 input, whatever jax_enable_x64 says; a trivial lam is said but
    not obeyed.
    """
    gram = random_gram(16, 7)
    L, S, steps = authors_loop(gram, lam)
    with jax.enable_x64(x64):
        split = robust_pca(gram, lam, "authors")
    assert split.low_rank.dtype == jnp.float64 and int(split.num_steps) == steps
    assert worst(split.low_rank, L) < 1e-9 and worst(split.sparse, S) < 1e-9
    assert int(split.rank) == np.linalg.matrix_rank(L) > 0
    assert bool(split.trivial) == (lam == 1 / 60)


def stored(shared, name):
    """Arrays of a stored run of the authors' code, and what is known of its solves: prefix -> facts."""
    folder = shared / "fixtures" / "public" / "rpca"
    facts = json.loads((folder / "rpca.json").read_text())
    arrays = dict(np.load(folder / f"{name}.npz"))
    return arrays, facts["synthetic"][name]["solves"]


def unpack(triangle):
    n = int((np.sqrt(8 * len(triangle) + 1) - 1) / 2)
    full = np.zeros((n, n))
    full[np.triu_indices(n)] = triangle
    return full + np.triu(full, 1).T


def reference_low_rank(arrays, prefix):
    if f"{prefix}L" in arrays:
        return unpack(arrays[f"{prefix}L"])
    return (arrays[f"{prefix}L_u"] * arrays[f"{prefix}L_s"]) @ arrays[f"{prefix}L_vh"]


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("syn32", ["lam60_", "lamdef_"]),
        ("syn64", ["lam60_", "lamdef_"]),
        ("syn96_noisy", ["lam60_", "lamdef_"]),
        pytest.param("syn128", ["lam60_", "lamdef_"], marks=pytest.mark.slow),
    ],
)
def test_stored_runs(shared, name, prefixes):
    """Authors mode: their rank, steps, L and S to 1e-6.

    Converged mode: never above their objective, their L made feasible.
    """
    arrays, facts = stored(shared, name)
    gram = unpack(arrays["M"])
    for prefix in prefixes:
        lam, theirs = facts[prefix]["lamb"], reference_low_rank(arrays, prefix)
        split = robust_pca(gram, lam, "authors")
        assert (int(split.rank), int(split.num_steps)) == (facts[prefix]["rank"], facts[prefix]["iterations"])
        assert worst(split.low_rank, theirs) < 1e-6
        assert worst(split.sparse, gram - theirs) < 1e-6 + 1e-7 * np.linalg.norm(gram) / np.linalg.norm(gram - theirs)
        with jax.enable_x64(True):
            best = robust_pca(gram, lam)
        assert bool(best.converged) and float(best.gap) < 1e-5
        assert objective(np.asarray(best.low_rank), gram, lam) <= objective(theirs, gram, lam)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["lam60_", "lamdef_"])
def test_stored_run_of_the_usual_size(shared, prefix):
    """n = 512: their rank, steps and L; takes minutes."""
    arrays, facts = stored(shared, "syn512")
    split = robust_pca(unpack(arrays["M"]), facts[prefix]["lamb"], "authors")
    assert (int(split.rank), int(split.num_steps)) == (facts[prefix]["rank"], facts[prefix]["iterations"])
    if prefix == "lam60_":
        assert worst(split.low_rank, reference_low_rank(arrays, prefix)) < 1e-6
    else:  # stored as its product with a known matrix
        probe = np.random.RandomState(0).randn(512, 8)  # noqa: NPY002
        assert worst(np.asarray(split.low_rank) @ probe, arrays["lamdef_L_times_probe"]) < 1e-6


PAIRS = ["jac_small_mean", "jac_small_rgb", "dcgan_z29_mouth_mean", "dcgan_z47_eyes_rgb"]
MORE_PAIRS = ["dcgan_z29_mouth_rgb", "dcgan_z47_eyes_mean", "dcgan_z57_mouth_mean", "dcgan_z57_mouth_rgb"]
MORE_PAIRS += ["dcgan_z64_eyes_mean", "dcgan_z64_eyes_rgb"]


@pytest.mark.parametrize("name", PAIRS + [pytest.param(name, marks=pytest.mark.slow) for name in MORE_PAIRS])
def test_stored_directions(shared, name):
    """Region and rest to directions, as the authors' scripts ran: ranks, L to 1e-6, projected directions to
    1e-4 rad.
    """
    folder = shared / "fixtures" / "public" / "rpca"
    facts = json.loads((folder / "rpca.json").read_text())
    facts = (facts["small"] | facts["dcgan"])[name]
    arrays = dict(np.load(folder / f"{name}.npz"))
    for lam in ("lam60", "lam5") if "small" in name else ("lam10",) if name in PAIRS else ("lam60", "lam10"):
        splits = {}
        for side in ("fore", "back"):
            known, prefix = facts[f"{lam}_{side}"], f"{lam}_{side}_"
            gram = unpack(arrays[f"M_{side}"])
            splits[side] = split = robust_pca(gram, known["lamb"], "authors")
            assert (int(split.rank), int(split.num_steps)) == (known["rank"], known["iterations"])
            assert bool(split.converged) == (known["final_error"] <= known["stop_below"])
            assert worst(split.low_rank, reference_low_rank(arrays, prefix)) < 1e-6
            with jax.enable_x64(True):
                best = robust_pca(gram, known["lamb"])
            assert bool(best.converged) and float(best.objective) <= objective(
                reference_low_rank(arrays, prefix), gram, known["lamb"]
            )
        with jax.enable_x64(True):
            attribute = attribute_space(splits["fore"].low_rank, splits["fore"].rank)
            for relax in (0, 3, 20):
                if (key := f"{lam}_projected_relax{relax}") in arrays:
                    null = null_space(splits["back"].low_rank, splits["back"].rank, relax)
                    found = projected_directions(attribute, null, splits["fore"].low_rank, splits["back"].low_rank)
                    assert_same_directions(
                        np.asarray(found.vectors)[np.asarray(found.mask)], arrays[key].astype(np.float64)
                    )


def assert_same_directions(ours, theirs):
    """Row by row within 1e-4 rad, up to sign."""
    assert ours.shape == theirs.shape
    theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    signs = np.sign((ours * theirs).sum(1))[:, None]
    assert np.linalg.norm(ours * signs - theirs, axis=1).max() < 1e-4


@pytest.mark.parametrize("seed", [0, 1])
def test_optimality(seed):
    """KKT in float64: Y lies in both unit balls, its product with L is |L|_* and with S is lam |S|_1."""
    gram, lam = random_gram(16, seed), 0.25
    with jax.enable_x64(True):
        split = jax.tree.map(np.asarray, robust_pca(gram, lam, tol=1e-10))
    assert split.converged and not split.trivial and split.gap < 1e-7
    assert np.abs(np.linalg.eigvalsh(split.dual)).max() < 1 + 1e-6 and np.abs(split.dual).max() <= lam * (1 + 1e-12)
    assert abs((split.dual * split.low_rank).sum() - np.abs(np.linalg.eigvalsh(split.low_rank)).sum()) < 1e-6
    assert abs((split.dual * split.sparse).sum() - lam * np.abs(split.sparse).sum()) < 1e-6
    random = np.random.default_rng(seed)
    for size in (1e-3, 1e-1):  # convex: no nearby split is better
        step = random.standard_normal(gram.shape) * size
        assert objective(split.low_rank + step + step.T, gram, lam) > split.objective


def test_exact_recovery():
    """A planted low rank and few spikes come back (Candes et al. 2011, theorem 1.1)."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((2, 40))
    low_rank = rows.T @ rows / 2
    spikes = np.zeros((40, 40))
    spikes[random.integers(0, 40, 20), random.integers(0, 40, 20)] = 5
    spikes = (spikes + spikes.T) / 2
    with jax.enable_x64(True):
        split = robust_pca(low_rank + spikes)
    assert int(split.rank) == 2
    assert worst(split.low_rank, low_rank) < 1e-5 and worst(split.sparse, spikes) < 1e-5


def test_a_problem_small_enough_to_search():
    """Two by two: no symmetric L on an ever finer grid of its three entries does better."""
    gram, lam, centre, width = np.array([[2.0, 1.0], [1.0, 3.0]]), 0.8, np.array([2.0, 1.0, 3.0]), 4.0
    least = np.inf
    for _ in range(40):
        grid = (centre[:, None] + np.linspace(-width, width, 9)).astype(np.float64)
        a, b, c = (x.ravel() for x in np.meshgrid(*grid))
        low_ranks = np.moveaxis(np.array([[a, b], [b, c]]), -1, 0)
        values = np.abs(np.linalg.eigvalsh(low_ranks)).sum(-1) + lam * np.abs(gram - low_ranks).sum((1, 2))
        best, least = values.argmin(), values.min()
        centre, width = np.array([a[best], b[best], c[best]]), width * 0.7
    with jax.enable_x64(True):
        split = robust_pca(gram, lam)
    assert bool(split.converged) and not bool(split.trivial)
    assert abs(float(split.objective) - least) < 1e-5 and float(split.objective) < least + 1e-6


@pytest.mark.parametrize("scale", [2.0**-27, 2.0**20])
def test_unit_does_not_matter(scale):
    """The result scales with M, and the evidence not at all: by a power of two, to the last bit."""
    gram = random_gram(16, 3).astype(np.float32)
    one, other = robust_pca(gram), robust_pca(gram * np.float32(scale))
    in_units = dict(low_rank=scale, sparse=scale, objective=scale)
    for name, value in one._asdict().items():
        np.testing.assert_array_equal(getattr(other, name), np.asarray(value) * in_units.get(name, 1), err_msg=name)


def test_order_of_the_axes_does_not_matter():
    """P M P^T splits into P L P^T and P S P^T, signs included."""
    gram = random_gram(16, 4)
    order, signs = np.random.default_rng(0).permutation(16), np.random.default_rng(1).choice([-1, 1], 16)
    with jax.enable_x64(True):
        one = np.asarray(robust_pca(gram).low_rank)
        other = np.asarray(robust_pca((gram * np.outer(signs, signs))[np.ix_(order, order)]).low_rank)
    np.testing.assert_allclose(other, (one * np.outer(signs, signs))[np.ix_(order, order)], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["converged", "authors"])
def test_vmap_and_jit(mode, nan_flags):
    """A batch stops matrix by matrix: every result and step count equals the single run's. lam may be traced."""
    solve = partial(robust_pca, mode=mode)
    grams = jnp.asarray(np.stack([random_gram(16, 0), 5 * random_gram(16, 1), np.zeros((16, 16))]), jnp.float32)
    lams = jnp.array([0.3, 0.25, 0.3])
    batch = jax.jit(jax.vmap(solve))(grams, lams)
    assert len(set(np.asarray(batch.num_steps).tolist())) == 3
    for i, gram in enumerate(grams):
        single, jitted = solve(gram, lams[i]), jax.jit(solve)(gram, lams[i])
        for other in (jitted, jax.tree.map(lambda a, i=i: a[i], batch)):
            assert other.low_rank.dtype == single.low_rank.dtype == (jnp.float64 if mode == "authors" else jnp.float32)
            assert int(other.rank) == int(single.rank) and bool(other.converged) == bool(single.converged)
            assert (
                abs(int(other.num_steps) - int(single.num_steps)) <= 2
            )  # float32 rounds batched products in another order
            assert worst(other.low_rank, np.asarray(single.low_rank)) < 1e-4


def test_authors_mode_under_vmap_keeps_float64():
    """A float64 batch is not rounded to float32 on its way in, though jax_enable_x64 is off."""
    gram = random_gram(16, 8)
    batch = jax.vmap(partial(robust_pca, mode="authors"))(np.stack([gram, gram]))
    assert worst(batch.low_rank[1], np.asarray(robust_pca(gram, mode="authors").low_rank)) < 1e-12


@pytest.mark.parametrize("name", PAIRS[2:] + [pytest.param(name, marks=pytest.mark.slow) for name in MORE_PAIRS])
def test_float32_gives_the_answer_of_float64(shared, name):
    """On real Grams the thresholded spectrum counts the same; the objective is the reference's to 1e-6,
    ten roundings.
    """
    arrays = np.load(shared / "fixtures" / "public" / "rpca" / f"{name}.npz")
    for side in ("fore", "back"):
        gram = unpack(arrays[f"M_{side}"])
        for lam, prefix in ((0.1, f"lam10_{side}_"), (1 / 60, f"lam60_{side}_")):
            single = robust_pca(gram.astype(np.float32), lam)
            with jax.enable_x64(True):
                double = robust_pca(gram, lam)
            assert bool(single.converged) and bool(double.converged) and abs(float(single.gap)) < 2e-3
            assert int(single.rank) == int(double.rank)
            ours = objective(np.asarray(single.low_rank, np.float64), gram, lam)
            assert ours <= objective(reference_low_rank(arrays, prefix), gram, lam) * (1 + 1e-6)


def test_trivial_optimum_is_said():
    """L = 0 is the optimum when lam |sign(M)|_2 <= 1: exactly zero, no step taken, and flagged."""
    gram = random_gram(16, 5).astype(np.float32)
    lam = 0.99 / np.abs(np.linalg.eigvalsh(np.sign(gram))).max()
    split = robust_pca(gram, lam)
    assert bool(split.trivial) and bool(split.converged) and int(split.rank) == int(split.num_steps) == 0
    assert float(split.primal_residual) == float(split.dual_residual) == 0 and abs(float(split.gap)) < 1e-6
    np.testing.assert_allclose(split.low_rank, 0, **EXACT)
    np.testing.assert_allclose(split.sparse, gram, rtol=1e-6)
    beyond = robust_pca(gram, 1.1 * lam)  # no entry of M is zero, so that the condition is necessary too
    assert not bool(beyond.trivial) and bool(beyond.converged) and int(beyond.rank) > 0


def spoiled(kind):
    gram = random_gram(16, 0).astype(np.float32)
    if kind == "zero":
        return np.zeros_like(gram)
    gram[3, 4] = {"nan": np.nan, "inf": np.inf, "skew": 9}[kind]
    return gram


@pytest.mark.parametrize("mode", ["converged", "authors"])
@pytest.mark.parametrize("kind", ["zero", "nan", "inf", "skew"])
def test_unusable_matrices_are_flagged(kind, mode):
    """No step, not converged, nothing that looks like a result, and `check` says so."""
    split = robust_pca(spoiled(kind), 0.3, mode)
    assert not bool(split.converged) and not bool(split.trivial) and int(split.num_steps) == int(split.rank) == 0
    for part in (split.low_rank, split.sparse):
        np.testing.assert_array_equal(part, 0 if kind == "zero" else np.nan)
    with pytest.raises(RuntimeError, match="1 of 1 .* did not converge; 1 of a matrix that is zero"):
        check(split)


def test_unusable_prices_are_flagged():
    assert not any(bool(robust_pca(random_gram(16, 0).astype(np.float32), lam).converged) for lam in (-0.1, np.nan))


def test_check_counts_a_batch(nan_flags):
    """What converged passes through; too few steps are flagged, and told from matrices that were never tried."""
    grams = np.stack([random_gram(16, 0).astype(np.float32), spoiled("nan"), random_gram(16, 1).astype(np.float32)])
    good = robust_pca(grams[0])
    assert check(good) is good
    short = jax.vmap(partial(robust_pca, max_steps=2))(grams)
    np.testing.assert_array_equal(short.num_steps, [2, 0, 2])
    with pytest.raises(RuntimeError, match="3 of 3 .*; 1 of a matrix.*; largest primal residual .* raise max_steps"):
        check(short)


@pytest.mark.parametrize(
    ("shape", "says"), [((3, 4), "one square matrix"), ((2, 3, 3), "jax.vmap"), ((5,), "one square matrix")]
)
def test_wrong_shapes(shape, says):
    with pytest.raises(ValueError, match=says):
        robust_pca(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=says):
        jax.eval_shape(robust_pca, jax.ShapeDtypeStruct(shape, jnp.float32))


def test_wrong_mode():
    with pytest.raises((ValueError, TypeError), match="authors"):
        robust_pca(np.eye(3, dtype=np.float32), mode="fast")


def layered_gram(n, seed, rank, floor=3e-5):
    """What tracked eigenvectors are for: a strong low rank, rows and columns that spikes in the Jacobian fill, and a
    faint floor.
    """
    random = np.random.default_rng(seed)
    rows = random.standard_normal((rank, n)) / np.sqrt(rank)
    cross = np.where(random.random((4 * n, n)) < 2e-3, random.standard_normal((4 * n, n)), 0) / n
    jac = (
        random.standard_normal((4 * n, rank)) @ rows / (2 * np.sqrt(n))
        + cross
        + floor * random.standard_normal((4 * n, n))
    )
    return jac.T @ jac


def gap_in_numpy(split, gram, lam):
    """Weak duality in float64, from L and Y alone: both balls are asked for, whatever the solver says."""
    L, Y = (np.asarray(x, np.float64) for x in (split.low_rank, split.dual))
    scale = max(1, np.abs(np.linalg.eigvalsh(Y)).max(), np.abs(Y).max() / lam)
    return 1 - (Y * gram).sum() / scale / objective(L, gram, lam)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(("floor", "low"), [(3e-5, True), (1e-3, False)])
def test_gap_is_what_numpy_computes(floor, low, x64):
    """Whether a few eigenvectors are tracked (the rank is 3) or all are used again, an independent bound confirms the
    answer.
    """
    gram, lam = layered_gram(128, 0, 3, floor), 128**-0.5
    with jax.enable_x64(x64):
        split = robust_pca(gram.astype(np.float64 if x64 else np.float32), lam, tol=1e-5)
    assert bool(split.converged) and (int(split.rank) == 3 if low else int(split.rank) > 50)
    assert gap_in_numpy(split, gram, lam) < (1e-5 if x64 else 1.5e-5)  # rounding M to float32 moves it too
    assert abs(float(split.gap) - gap_in_numpy(split, gram, lam)) < (1e-9 if x64 else 5e-6)


def test_low_and_high_ranks_in_one_batch():
    """Each takes its own road, tracked or not, to what it finds alone; one stops long before the other."""
    grams = np.stack([layered_gram(128, seed, rank) for seed, rank in ((1, 3), (2, 40), (3, 2))])
    with jax.enable_x64(True):
        batch = jax.jit(jax.vmap(partial(robust_pca, lam=0.05, tol=1e-5)))(grams)
        singles = [robust_pca(gram, 0.05, tol=1e-5) for gram in grams]
    assert batch.converged.all() and len(set(np.asarray(batch.num_steps).tolist())) == 3
    for i, single in enumerate(singles):
        assert int(batch.rank[i]) == int(single.rank) and abs(int(batch.num_steps[i]) - int(single.num_steps)) <= 5
        assert abs(float(batch.objective[i]) / float(single.objective) - 1) < 2e-5  # both are within a gap of 1e-5


@pytest.mark.parametrize("x64", [False, True])
def test_low_rank_of_the_usual_size(shared, x64):
    """n = 512, lam = 1/60, where 4,000 steps at a fixed penalty leave a gap of 9e-5: below the authors' objective in
    float64.
    """
    arrays, facts = stored(shared, "syn512")
    gram, lam = unpack(arrays["M"]), facts["lam60_"]["lamb"]
    with jax.enable_x64(x64):
        split = robust_pca(gram.astype(np.float64 if x64 else np.float32), lam, tol=1e-5, max_steps=300)
    theirs = objective(reference_low_rank(arrays, "lam60_"), gram, lam)
    assert bool(split.converged) and int(split.rank) == facts["lam60_"]["rank"]
    assert gap_in_numpy(split, gram, lam) < (1e-5 if x64 else 1.5e-5)  # rounding M to float32 moves it too
    assert objective(np.asarray(split.low_rank, np.float64), gram, lam) <= theirs * (
        1 if x64 else 1 + 3e-6
    )  # 512 roundings in |L|_*


def test_shrinking_by_other_means_than_eigh():
    """The basis of a nearby matrix serves to second order in the distance, eight of its columns to first order."""
    random = np.random.default_rng(0)
    basis, _ = np.linalg.qr(random.standard_normal((32, 32)))
    values = np.concatenate([[9, 7, 5], random.uniform(-0.9, 0.9, 29)])
    A = (basis * values) @ basis.T
    expected = (basis[:, :3] * (values[:3] - 1)) @ basis[:, :3].T
    with jax.enable_x64(True):
        for size in (0, 1e-5, 1e-4):
            turn = random.standard_normal((32, 32)) * size
            near, _ = np.linalg.qr(basis @ (np.eye(32) + turn - turn.T))
            matrix, near, one = jnp.asarray(A), jnp.asarray(near), jnp.array(1.0)
            by_basis, by_tracking = (
                _shrink_by_basis(matrix, near, one)[0],
                _shrink_by_tracking(matrix, near[:, :8], one)[0],
            )
            np.testing.assert_allclose(by_basis, expected, rtol=0, atol=500 * size**2 + 1e-13)
            np.testing.assert_allclose(by_tracking, expected, rtol=0, atol=3 * size + 1e-13)
