"""The solver against the authors' loop in slow NumPy, against stored runs of the authors' code, and against optimality itself."""
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tolerances import EXACT

from lrgan_jax.rpca import check, robust_pca
from lrgan_jax.subspaces import attribute_space, null_space, projected_directions


def authors_loop(gram, lam, max_steps=10_000):
    """The released code's iteration, as FIELD and paper describe it, with the SVD and their sign of Y."""
    n, norm = len(gram), np.linalg.norm(gram)
    mu = n * n / (4 * np.abs(gram).sum(0).max())
    S, Y = np.zeros_like(gram), np.zeros_like(gram)
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


def worst(a, b):
    return np.linalg.norm(np.asarray(a) - b) / max(np.linalg.norm(b), 1e-300)


@pytest.mark.parametrize(("n", "lam"), [(12, 0.3), (20, 0.2), (20, 1 / 60)])
def test_authors_mode_is_their_loop(n, lam):
    """The same L, S and number of steps, from float64 input, whatever jax_enable_x64 says."""
    gram = random_gram(n, n)
    L, S, steps = authors_loop(gram, lam)
    split = robust_pca(gram, lam, "authors")
    assert split.low_rank.dtype == jnp.float64 and int(split.num_steps) == steps
    assert worst(split.low_rank, L) < 1e-9 and worst(split.sparse, S) < 1e-9
    assert int(split.rank) == np.linalg.matrix_rank(L)


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
    """Authors mode: their rank, steps, L and S to 1e-6. Converged mode: never above their objective, their L made feasible."""
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
        assert float(best.objective) <= objective(theirs, gram, lam) * (1 + 1e-6)


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
    """Region and rest to directions, as the authors' scripts ran: ranks, L to 1e-6, projected directions to 1e-4 rad."""
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
            assert float(best.objective) <= objective(reference_low_rank(arrays, prefix), gram, known["lamb"]) * (1 + 1e-6)
        with jax.enable_x64(True):
            attribute = attribute_space(splits["fore"].low_rank, splits["fore"].rank)
            for relax in (0, 3, 20):
                if (key := f"{lam}_projected_relax{relax}") in arrays:
                    null = null_space(splits["back"].low_rank, splits["back"].rank, relax)
                    found = projected_directions(attribute, null, splits["fore"].low_rank, splits["back"].low_rank)
                    assert_same_directions(np.asarray(found.vectors)[np.asarray(found.mask)], arrays[key].astype(np.float64))


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


@pytest.mark.parametrize("scale", [2.0**-27, 2.0**20])
def test_unit_does_not_matter(scale):
    """The result scales with M, and the evidence not at all (powers of two, so that rounding is the same)."""
    gram = random_gram(16, 3).astype(np.float32)
    one, other = robust_pca(gram), robust_pca(gram * np.float32(scale))
    assert int(one.num_steps) == int(other.num_steps) and int(one.rank) == int(other.rank)
    np.testing.assert_allclose(other.low_rank / scale, one.low_rank, rtol=0, atol=1e-4 * np.abs(gram).max())


def test_order_of_the_axes_does_not_matter():
    """P M P^T splits into P L P^T and P S P^T, signs included."""
    gram = random_gram(16, 4)
    order, signs = np.random.default_rng(0).permutation(16), np.random.default_rng(1).choice([-1, 1], 16)
    with jax.enable_x64(True):
        one = np.asarray(robust_pca(gram).low_rank)
        other = np.asarray(robust_pca((gram * np.outer(signs, signs))[np.ix_(order, order)]).low_rank)
    np.testing.assert_allclose(other, (one * np.outer(signs, signs))[np.ix_(order, order)], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["converged", "authors"])
def test_vmap_and_jit(mode):
    """A batch stops matrix by matrix: every result and step count equals the single run's."""
    grams = jnp.asarray(np.stack([random_gram(10, seed) for seed in range(3)]), jnp.float32)
    batch = jax.jit(jax.vmap(lambda gram: robust_pca(gram, 0.3, mode)))(grams)
    for i, gram in enumerate(grams):
        single = robust_pca(gram, 0.3, mode)
        assert int(batch.rank[i]) == int(single.rank) and abs(int(batch.num_steps[i]) - int(single.num_steps)) <= 2
        assert worst(batch.low_rank[i], np.asarray(single.low_rank)) < 1e-4


def test_rank_does_not_depend_on_precision(shared):
    """On real Grams the thresholded spectrum counts the same in float32 and float64, give or take one eigenvalue at the threshold."""
    for name in ("dcgan_z29_mouth_mean", "dcgan_z47_eyes_mean"):
        arrays = np.load(shared / "fixtures" / "public" / "rpca" / f"{name}.npz")
        gram = unpack(arrays["M_fore"])
        single = robust_pca(gram.astype(np.float32))
        with jax.enable_x64(True):
            double = robust_pca(gram)
        assert bool(single.converged) and bool(double.converged)
        assert abs(int(single.rank) - int(double.rank)) <= 1


def test_trivial_optimum_is_said():
    """L = 0 is the optimum when lam |sign(M)|_2 <= 1: exactly zero, no step taken, and flagged."""
    gram = random_gram(12, 5)
    lam = 0.99 / np.abs(np.linalg.eigvalsh(np.sign(gram))).max()
    split = robust_pca(gram.astype(np.float32), lam)
    assert bool(split.trivial) and bool(split.converged) and int(split.rank) == int(split.num_steps) == 0
    np.testing.assert_allclose(split.low_rank, 0, **EXACT)
    np.testing.assert_allclose(split.sparse, gram, rtol=1e-6)
    assert not bool(robust_pca(gram.astype(np.float32), 2 * lam).trivial)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_unusable_matrices_are_flagged(value):
    """No step, not converged, and `check` says so; a good matrix passes through it."""
    split = robust_pca(np.full((4, 4), value, np.float32))
    assert not bool(split.converged) and int(split.num_steps) == 0
    with pytest.raises(RuntimeError, match="1 of 1 .* did not converge"):
        check(split)
    good = robust_pca(random_gram(8, 0).astype(np.float32))
    assert check(good) is good


def test_too_few_steps_are_flagged():
    split = robust_pca(random_gram(12, 6).astype(np.float32), max_steps=2)
    assert not bool(split.converged) and int(split.num_steps) == 2


@pytest.mark.parametrize(("shape", "says"), [((3, 4), "one square matrix"), ((2, 3, 3), "jax.vmap"), ((5,), "one square matrix")])
def test_wrong_shapes(shape, says):
    with pytest.raises((ValueError, TypeError), match=says):
        robust_pca(np.zeros(shape, np.float32))


def test_wrong_mode():
    with pytest.raises((ValueError, TypeError)):
        robust_pca(np.eye(3, dtype=np.float32), mode="fast")
