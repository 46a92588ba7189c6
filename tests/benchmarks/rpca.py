"""Robust PCA: what a solve takes on every stored Gram, and against the authors' solver on one of 512x512, timed in one
run.

    python tests/benchmarks/rpca.py [work|time]

The work is counted where it is done, without jit, which takes minutes: decompositions of n x n and of a few columns,
and products, in units of one of n x n.

Theirs is the released loop in plain NumPy, float64 with a full SVD each step; ten of its steps are timed, and
multiplied by the stored number of steps. For times that compare, give both one core (taskset -c 0,
OPENBLAS_NUM_THREADS=1).
"""

import json
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

from lrgan_jax.base import linalg, rotations
from lrgan_jax.rpca import converged, problem, products, robust_pca

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "public" / "rpca"
STEPS = 10
# Their L at lam = 1 / sqrt(512) is not stored; this is its objective after their 768 steps, from a full run of the loop
# below.
THEIR_OBJECTIVE = 115.44588764


def authors_steps(gram, lam, steps):
    """Their iteration, without its stopping rule."""
    mu = gram.size / (4 * np.abs(gram).sum(0).max())
    S, Y = np.zeros_like(gram), np.zeros_like(gram)
    for _ in range(steps):
        U, s, Vh = np.linalg.svd(gram - S - Y / mu)
        L = (U * np.maximum(s - 1 / mu, 0)) @ Vh
        V = gram - L - Y / mu
        S = np.sign(V) * np.maximum(np.abs(V) - lam / mu, 0)
        Y = Y + mu * (L + S - gram)
        np.linalg.norm(L + S - gram)


def seconds(call):
    start = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - start, result


def objective(L, gram, lam):
    return np.abs(np.linalg.eigvalsh(L)).sum() + lam * np.abs(gram - L).sum()


def gap(split, gram, lam):
    """Weak duality in float64 NumPy, from L and Y alone."""
    L, Y = (np.asarray(x, np.float64) for x in (split.low_rank, split.dual))
    scale = max(1, np.abs(np.linalg.eigvalsh(Y)).max(), np.abs(Y).max() / lam)
    return 1 - (Y * gram).sum() / scale / objective(L, gram, lam)


def unpack(triangle):
    n = int((2 * len(triangle)) ** 0.5)
    full = np.zeros((n, n))
    full[np.triu_indices(n)] = triangle
    return full + np.triu(full, 1).T


def stored_grams():
    """Name, Gram and the prices that it is split at."""
    for path in sorted(FOLDER.glob("*.npz")):
        arrays = np.load(path)
        for key in sorted(set(arrays) & {"M", "M_fore", "M_back"}):
            gram = unpack(arrays[key])
            usual = len(gram) ** -0.5
            yield (
                path.stem + key[1:],
                gram,
                (1 / 10, 1 / 20, 1 / 60) if "M" not in arrays else (1 / 60, usual, 0.4 * usual),
            )


def counted(solver, gram, lam):
    """A solve in float32 to 1e-5, and how often it did what."""
    work, n = Counter(), len(gram)

    def dot(a, b):
        work["products"] += a.shape[0] * b.size / n**3
        return problem.dot(a, b)

    def decomposing(name):
        decompose = getattr(linalg, name)

        def decomposed(matrix):
            work[name if matrix.shape == (n, n) else "small"] += 1
            return decompose(matrix)

        return decomposed

    def norm_by_squaring(matrix):
        work["products"] += jnp.finfo(matrix.dtype).nmant
        return linalg.norm_by_squaring(matrix)

    with ExitStack() as stack:
        for module in (converged, rotations):
            stack.enter_context(patch.object(module, "dot", dot))
        for name in ("eigh", "eigvalsh", "qr"):
            stack.enter_context(patch.object(linalg, name, decomposing(name)))
        if solver is products:  # as on an accelerator
            stack.enter_context(patch.object(linalg, "spectral_norm", norm_by_squaring))
        stack.enter_context(jax.disable_jit())
        split = solver.solve(jnp.asarray(gram, jnp.float32), jnp.float32(lam), jnp.float32(1e-5), jnp.asarray(2000))
    return split, work


def show_work():
    row = "{:<26}{:>8}{:<12}{:>6}{:>6}{:>9}{:>6}{:>9}{:>7}{:>9}"
    print(row.format("Gram", "lam", "  solver", "steps", "eigh", "eigvalsh", "small", "products", "rank", "gap"))
    for name, gram, lams in stored_grams():
        for lam in lams:
            for solver in (converged, products):
                split, work = counted(solver, gram, lam)
                label = "  " + solver.__name__.rpartition(".")[2]
                done = [work[kind] for kind in ("eigh", "eigvalsh", "small")]
                figures = (int(split.num_steps), *done, round(work["products"]), int(split.rank))
                found = f"{gap(split, gram, lam):.1e}" if split.converged else "not yet"
                print(row.format(name, f"{lam:.4f}", label, *figures, found), flush=True)


def show_time():
    arrays = np.load(FOLDER / "syn512.npz")
    facts = json.loads((FOLDER / "rpca.json").read_text())["synthetic"]["syn512"]["solves"]
    gram = unpack(arrays["M"])

    head = ("solver", "steps", "seconds", "compile", "ratio", "objective", "gap", "rank")
    row = "{:<26}{:>6}{:>9}{:>9}{:>7}{:>17}{:>9}{:>6}"
    for prefix, name in (("lam60_", "lam = 1/60"), ("lamdef_", "lam = 1/sqrt(512)")):
        lam, steps, rank = (facts[prefix][key] for key in ("lamb", "iterations", "rank"))
        authors_steps(gram, lam, 1)
        sample, _ = seconds(lambda lam=lam: authors_steps(gram, lam, STEPS))
        theirs = sample / STEPS * steps
        stored = (arrays["lam60_L_u"] * arrays["lam60_L_s"]) @ arrays["lam60_L_vh"]
        reached = objective((stored + stored.T) / 2, gram, lam) if prefix == "lam60_" else THEIR_OBJECTIVE
        print(f"\n{name}; theirs from {STEPS} steps of {sample / STEPS:.3f} s\n" + row.format(*head))
        print(row.format("authors, float64", steps, f"{theirs:.2f}", "", 1, f"{reached:.8f}", "", rank))
        for dtype, tol in ((np.float32, 1e-5), (np.float32, 7e-6), (np.float64, 1e-5)):
            with jax.enable_x64(dtype == np.float64):
                matrix = jnp.asarray(gram, dtype)

                def ours(matrix=matrix, lam=lam, tol=tol):
                    return robust_pca(matrix, lam, tol=tol, max_steps=500)

                first, _ = seconds(ours)
                taken, split = min((seconds(ours) for _ in range(3)), key=lambda pair: pair[0])
            # At its rank: stored in float32, L has roundings for its other eigenvalues, which the nuclear norm would
            # add up.
            values, U = np.linalg.eigh(np.asarray(split.low_rank, np.float64))
            values[np.argsort(-np.abs(values))[int(split.rank) :]] = 0
            low_rank = (U * values) @ U.T
            label = f"{np.dtype(dtype).name}, tol {tol:.0e}" + ("" if split.converged else ", not yet")
            figures = (int(split.num_steps), f"{taken:.2f}", f"{max(first - taken, 0):.1f}", f"{theirs / taken:.0f}")
            print(
                row.format(
                    label,
                    *figures,
                    f"{objective(low_rank, gram, lam):.8f}",
                    f"{gap(split, gram, lam):.1e}",
                    int(split.rank),
                )
            )


def main():
    if not FOLDER.is_dir():
        print(f"skipped: no fixtures in {FOLDER}")
        return
    for part in sys.argv[1:] or ("work", "time"):
        {"work": show_work, "time": show_time}[part]()


if __name__ == "__main__":
    main()
