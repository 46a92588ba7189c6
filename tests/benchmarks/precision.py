"""What lower precision of the tangents costs: subspace angles between the directions that follow from it and those of
full float32.

    python tests/benchmarks/precision.py [MODEL ...]

GPUs and TPUs round the inputs of every product inside the generator to TF32 (10 bits of fraction) or bfloat16 (7) and
add up in float32. A CPU does not, so here the inputs of each convolution and product are rounded by
`lax.reduce_precision`, in the image and in its tangents alike; the Grams and all that follows are as ever. Printed for
each precision and region, over some latents: the relative error of the Gram (Frobenius), the largest angle between the
attribute spaces, medians; and of the best frontier direction, by such Grams and as a mixed search makes it exact, the
angle to the true one and what it leaks more at the same change, to first order, the worst of the latents.
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402

import lrgan_jax as lr  # noqa: E402
from lrgan_jax.generators import WS  # noqa: E402
from lrgan_jax.layers import Moves  # noqa: E402
from lrgan_jax.mixed import exact_candidates  # noqa: E402
from lrgan_jax.pipeline import analyse  # noqa: E402
from lrgan_jax.search import Search  # noqa: E402
from lrgan_jax.targets import generator_grams, metric_root, targets  # noqa: E402

BITS = {"highest": 23, "TF32": 10, "bfloat16": 7}  # of fraction
LATENTS, LEADING = 8, 5


def rounded(function, bits):
    """`function` with its first two arguments, the operands of a product, rounded to so many bits of fraction."""

    def product(a, b, *args, **kwargs):
        a, b = (lax.reduce_precision(jnp.asarray(x, jnp.float32), 8, bits) for x in (a, b))
        return function(a, b, *args, **kwargs)

    return product


def grams(gen, ws, masks, bits):
    """Grams with every convolution and matmul of the generator rounded; traced anew for each precision."""
    originals = lax.conv_general_dilated, jnp.matmul
    jax.clear_caches()
    try:
        if bits < 23:
            lax.conv_general_dilated, jnp.matmul = rounded(originals[0], bits), rounded(originals[1], bits)
        return generator_grams(gen, ws, masks, moves=Moves(gen.num_ws), channels="stack")
    finally:
        lax.conv_general_dilated, jnp.matmul = originals
        jax.clear_caches()


def angle(a, b) -> float:
    """Largest principal angle between the row spaces, in degrees."""
    cosines = np.linalg.svd(np.asarray(a, np.float64) @ np.asarray(b, np.float64).T, compute_uv=False)
    return float(np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))))


def of_mixed(gen, ws, aims, search, found):
    """What a mixed search makes of such Grams, of every latent and region."""
    grams = zip(ws, found.inside, found.outside, strict=True)
    each = [exact_candidates(gen, WS(w[None]), aims, search, inside, outside)[0] for w, inside, outside in grams]
    return jax.tree.map(lambda *of_latents: np.stack(of_latents), *each)


def main(models) -> None:
    for name in models:
        gen = lr.load(name)
        regions, search = list(gen.info.regions)[:4], Search()
        aims = targets(gen, regions, search)
        ws = lr.to_ws(gen, gen.mapping(lr.sample_z(gen, jax.random.key(0), LATENTS), truncation=0.7)).array
        exact, root = grams(gen, ws, aims.masks, 23), metric_root(gen, search)
        solve = jax.jit(jax.vmap(jax.vmap(partial(analyse, root=root, several=("attribute", "frontier")))))
        truth = solve(exact.inside, exact.outside)
        for precision in ("TF32", "bfloat16"):
            found = grams(gen, ws, aims.masks, BITS[precision])
            answer, mixed = solve(found.inside, found.outside), of_mixed(gen, ws, aims, search, found)
            for r, region in enumerate(regions):
                rows = []
                for n in range(LATENTS):
                    spaces = [a.candidates["attribute"].vectors[n, r, :LEADING] for a in (truth, answer)]
                    error = np.linalg.norm(found.inside[n, r] - exact.inside[n, r]) / np.linalg.norm(exact.inside[n, r])
                    best = [a.candidates["frontier"].vectors[n, r] for a in (truth, answer)] + [mixed.vectors[n, r]]
                    best = [np.asarray(v, np.float64)[0] for v in best]
                    best = [v / np.linalg.norm(v) for v in best]
                    leaks = [v @ exact.outside[n, r] @ v / (v @ exact.inside[n, r] @ v) for v in best]
                    off = [angle(best[:1], [v]) for v in best[1:]]
                    rows.append((error, angle(*spaces), *off, leaks[1] / leaks[0], leaks[2] / leaks[0]))
                error, space, *_ = np.median(rows, axis=0)
                _, _, fast, made_exact, more, hardly = np.max(rows, axis=0)
                print(
                    f"{name:12} {precision:9} {region:12} Gram {error:.1e}, {LEADING} leading attributes {space:5.2f} "
                    f"deg; frontier, worst of {LATENTS}: {fast:6.3f} deg, leak x {more:.4f}; made exact: "
                    f"{made_exact:6.3f} deg, leak x {hardly:.5f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:] or ["faces-dcgan", "faces64"])
