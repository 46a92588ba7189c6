"""Leading directions by products with J and J^T against the Grams, in one run; and of a latent without any.

    python tests/benchmarks/leading.py [faces-dcgan|faces64|large ...]

For an embedded model, per_layer where it has layers: the angles to the frontier's directions at the same mu that follow
from Grams in float64, of this way and of the Grams in float32; the products made, where the Jacobian takes one for
each number of the latent; and the time over that of the float32 Grams and their decomposition, both without compiling.
"large" is a StyleGAN2 of 1024x1024 with random weights and few channels, W+ of all its layers: 18 x 512 numbers.
XLA's newer emitters for CPUs take 0.6 GB to compile such a network's tangents, so it is run with the older ones.
"""

import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
if "large" in sys.argv:
    os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import lrgan_jax as lr  # noqa: E402
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2  # noqa: E402
from lrgan_jax.layers import Moves  # noqa: E402
from lrgan_jax.regions import box_mask  # noqa: E402
from lrgan_jax.search import CHANGE, PRICE  # noqa: E402
from lrgan_jax.subspaces import priced_mu  # noqa: E402

LATENTS, K, COST = 2, 4, PRICE * CHANGE
LARGE = StyleGAN2Config(channels=(64, 64, 32, 16, 8, 4, 2, 2, 2), mapping_layers=2)


def seconds(run):
    """What it gives, and the time of a second call."""
    jax.block_until_ready(run())
    start = time.perf_counter()
    found = jax.block_until_ready(run())
    return found, time.perf_counter() - start


def region_grams(f, ws, mask, num_ws):
    """Of all moves with a vector for each layer."""
    grams = lr.region_grams(f, ws, mask, layers=Moves(num_ws, per_layer=True), channels="stack")
    return grams.inside[0, 0], grams.outside[0, 0]


def by_grams(gen, ws, mask, mu):
    """The first K directions, what they are worth, and mu at the usual cost, in the dtype of the generator."""
    A, B = region_grams(lr.image_function(gen), ws[None], mask, gen.num_ws)
    found = jax.jit(lr.frontier_directions)(A, B, mu)
    return found.vectors[:K], found.inside[: K + 1] - mu * found.outside[: K + 1], priced_mu(A, B, COST)


def angles(rows, truth):
    """Between row and row, in degrees."""
    rows, truth = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (rows, truth))
    return [np.degrees(lr.principal_angles(a[None], b[None])[0]) for a, b in zip(rows, truth, strict=True)]


def embedded(name) -> None:
    gen = lr.load(name)
    ws = lr.to_ws(gen, gen.mapping(lr.sample_z(gen, jax.random.key(0), LATENTS))).array
    f = lr.image_function(gen)
    for region in ("eyes", "mouth"):
        mask = lr.region_mask(region, gen.size, gen.info.regions)
        for n, latent in enumerate(ws):
            grams = region_grams(f, latent[None], mask, gen.num_ws)
            for cost, mu in (("0.003 * 0.02", None), ("1e-3 * trace(M_B)", lr.default_mu(*grams))):
                one(f"{name} {region} {n}, cost {cost}", gen, f, latent, mask, mu)


def one(name, gen, f, latent, mask, mu) -> None:
    found, taken = seconds(lambda: lr.leading_directions(f, latent, mask, K, channels="stack", mu=mu))
    given, mu = mu is not None, float(found.mu)
    single, exact = seconds(lambda: by_grams(gen, latent, mask, mu))
    with jax.enable_x64(True):
        double = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), gen)
        truth, values, true_mu = map(np.asarray, by_grams(double, np.asarray(latent, np.float64), mask, mu))
    print(
        f"{name}, {latent.size} numbers: {found.products} products{'' if found.converged else ', not converged'}, "
        f"{taken / exact:.2f} times the Grams' time" + ("" if given else f"; mu off by {mu / true_mu - 1:.0e}"),
        flush=True,
    )
    for k, (own, others) in enumerate(zip(angles(found.vectors, truth), angles(single[0], truth), strict=True)):
        print(
            f"    eigenvalue {values[k] / values[0]:7.4f} of the first, gap {abs(1 - values[k + 1] / values[k]):6.1%}: "
            f"{own:.3f} degrees off, {others:.3f} by float32 Grams{'' if found.mask[k] else '; not counted'}"
        )


def weights(random, path, like):
    """As `stylegan2.init` draws them, without a program to compile, which takes 0.3 GB."""
    names = [str(key) for key in path]
    if "kernel" in names[-1] or "const" in names[-1]:
        return jnp.asarray(random.standard_normal(like.shape), like.dtype)
    return jnp.full(like.shape, float("affine" in names[-2]), like.dtype)


def large() -> None:
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: stylegan2.init(key, LARGE), jax.random.key(0))
    gen = StyleGAN2(LARGE, jax.tree_util.tree_map_with_path(lambda path, a: weights(random, path, a), shapes))
    ws = jax.random.normal(jax.random.key(1), (gen.num_ws, gen.w_dim))
    mask = box_mask(75, 45, 15, 35, 128)
    start = time.perf_counter()
    found = jax.block_until_ready(
        lr.leading_directions(lr.image_function(gen), ws, mask, K, channels="stack", size=128)
    )
    quotients = [round(float(a), 1) for a in found.inside / found.outside]
    print(
        f"1024x1024, W+ of {gen.num_ws} x {gen.w_dim} = {ws.size} numbers: {found.products} products, "
        f"{'converged' if found.converged else 'not converged'}, residuals {found.residuals}, "
        f"mu {found.mu:.3g}, inside over outside {quotients}, {found.mask.sum()} of {K} count; "
        f"{time.perf_counter() - start:.0f} s with compiling, peak memory "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"
    )


if __name__ == "__main__":
    for case in sys.argv[1:] or ["faces-dcgan", "faces64"]:
        large() if case == "large" else embedded(case)
