"""Leading directions by products with J and J^T against the Grams, in one run; and for a latent of which there are none.

    python tests/benchmarks/leading.py [faces-dcgan|faces64|large ...]

For an embedded model, per_layer where it has layers: the angles to the frontier's directions at the same mu that follow
from Grams in float64, of this way and of the Grams in float32; the products made, where the Jacobian takes one for each
number of the latent; and the time over that of the float32 Grams and their decomposition, both without compiling.
"large" is a StyleGAN2 of 1024x1024 with random weights and two channels a layer, W+ of all its layers: 18 x 512 numbers.
"""

import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import lrgan_jax as lr  # noqa: E402
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2  # noqa: E402
from lrgan_jax.regions import centred_box_mask  # noqa: E402

LATENTS, K = 4, 4
LARGE = StyleGAN2Config(channels=(2,) * 9, mapping_layers=2)


def seconds(run):
    """What it gives, and the time of a second call."""
    jax.block_until_ready(run())
    start = time.perf_counter()
    found = jax.block_until_ready(run())
    return found, time.perf_counter() - start


def frontier(gen, ws, mask, mu):
    """By Grams, in the dtype of the latent: the first K directions and the eigenvalues."""
    moves = lr.layers.Moves(gen.num_ws, per_layer=True)
    grams = lr.region_grams(lr.image_function(gen), ws[None], mask, layers=moves, channels="stack")
    A, B = grams.inside[0, 0], grams.outside[0, 0]
    exact_mu = lr.default_mu(A, B)
    found = lr.frontier_directions(A, B, exact_mu if mu is None else mu)
    return found.vectors[:K], (found.inside - mu * found.outside if mu is not None else found.inside)[: K + 1], exact_mu


def angles(rows, truth):
    """Between row and row, in degrees."""
    rows, truth = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (rows, truth))
    return [
        float(np.degrees(lr.principal_angles(row[None], other[None])[0]))
        for row, other in zip(rows, truth, strict=True)
    ]


def embedded(name) -> None:
    gen = lr.load(name)
    ws = lr.to_ws(gen, gen.mapping(lr.sample_z(gen, jax.random.key(0), LATENTS))).array
    f = lr.image_function(gen)
    for region in ("eyes", "mouth"):
        mask = lr.region_mask(region, gen.size, gen.info.regions)
        for n in range(LATENTS):
            found, taken = seconds(lambda: lr.leading_directions(f, ws[n], mask, K, channels="stack"))  # noqa: B023
            (single, _, _), exact = seconds(lambda: frontier(gen, ws[n], mask, None))  # noqa: B023
            single = frontier(gen, ws[n], mask, found.mu)[0]
            with jax.enable_x64(True):
                double = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), gen)
                truth, values, mu = frontier(double, np.asarray(ws[n], np.float64), mask, float(found.mu))
                values = np.asarray(values)
            print(
                f"{name} d={ws[n].size} {region} {n}: {found.products} products"
                f"{'' if found.converged else ', not converged'}, {taken / exact:.2f} times the Grams' time; "
                f"mu off by {float(found.mu) / float(mu) - 1:.0e}, said {float(found.mu_error):.0e}",
                flush=True,
            )
            own, others = angles(found.vectors, truth), angles(single, truth)
            for value, after, angle, other, counts in zip(
                values[:-1], values[1:], own, others, found.mask, strict=True
            ):
                print(
                    f"    eigenvalue {value / values[0]:8.4f} of the first, gap {abs(1 - after / value):6.1%}: "
                    f"{angle:.3f} degrees off, {other:.3f} by float32 Grams{'' if counts else '; not counted'}"
                )


def large() -> None:
    gen = StyleGAN2(LARGE, jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), LARGE))
    ws = lr.to_ws(gen, gen.mapping(lr.sample_z(gen, jax.random.key(1), 1))).array[0]
    mask = centred_box_mask(256, (100, 90, 40, 80)) if False else np.zeros((256, 256), np.float32)
    mask[150:180, 90:160] = 1
    start = time.perf_counter()
    found = jax.block_until_ready(lr.leading_directions(lr.image_function(gen), ws, mask, K, channels="stack"))
    print(
        f"1024x1024, W+ of {gen.num_ws} x {gen.w_dim} = {ws.size} numbers: {found.products} products, "
        f"{'converged' if found.converged else 'not converged'}, largest residual {float(found.residuals.max()):.0e}, "
        f"mu {float(found.mu):.3g} +- {float(found.mu_error):.0e}, inside over outside "
        f"{[round(float(a), 1) for a in found.inside / found.outside]}, {int(found.mask.sum())} count; "
        f"{time.perf_counter() - start:.0f} s with compiling, peak memory "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"
    )


if __name__ == "__main__":
    for case in sys.argv[1:] or ["faces-dcgan", "faces64", "large"]:
        large() if case == "large" else embedded(case)
