"""What a column of the Jacobian costs beside an image, of every family of generators: tests/benchmarks/families.py

Random weights, 64 x 64 pixels, widths an eighth of the published ones and more. A batch of images, the same number of
tangents, and twice as many: the column is what the second half adds, so the image that both compute once is left out.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from lrgan_jax import generators as g  # noqa: E402
from lrgan_jax.bench import seconds  # noqa: E402
from lrgan_jax.generators import biggan, dcgan, image_function, pggan, stylegan1, stylegan2, stylegan3  # noqa: E402
from lrgan_jax.generators.stylegan3_design import Design  # noqa: E402

WIDTHS, BATCH = (128, 128, 128, 128, 128), 8
BIGGAN, DEEP = (256, 256, 128, 64, 32), (256, 256, 256, 256, 128, 128, 64, 64, 32)
RADIAL: dict[str, Any] = {"conv_kernel": 1, "use_radial_filters": True, "channel_base": 8192, "channel_max": 256}
FAMILIES = {
    "DCGAN": (g.DCGAN, dcgan, g.DCGANConfig(channels=(512, 256, 128, 64))),
    "PGGAN": (g.PGGAN, pggan, g.PGGANConfig(channels=WIDTHS)),
    "StyleGAN": (g.StyleGAN1, stylegan1, g.StyleGAN1Config(channels=WIDTHS)),
    "StyleGAN2": (g.StyleGAN2, stylegan2, g.StyleGAN2Config(channels=WIDTHS)),
    "StyleGAN3-T": (
        g.StyleGAN3,
        stylegan3,
        g.StyleGAN3Config(Design(64, channel_base=4096, channel_max=128).layers()),
    ),
    "StyleGAN3-R": (g.StyleGAN3, stylegan3, g.StyleGAN3Config(Design(64, **RADIAL).layers())),
    "BigGAN": (g.BigGAN, biggan, g.BigGANConfig(channels=BIGGAN, ups=(True,) * 4, z_dim=100)),
    "BigGAN-deep": (
        g.BigGAN,
        biggan,
        g.BigGANConfig(channels=DEEP, ups=(False, True) * 4, z_dim=128, deep=True, z_goes="everywhere"),
    ),
}


def columns(f, latent, tangents):
    image, push = jax.linearize(f, latent)
    return image, jax.vmap(push)(tangents)


def main() -> None:
    for name, (kind, module, config) in FAMILIES.items():
        gen = kind(config, jax.jit(module.init, static_argnums=1)(jax.random.key(0), config))
        shape = (gen.num_ws, gen.w_dim)
        latents, tangents = (jax.random.normal(jax.random.key(k), (2 * BATCH, *shape), jnp.float32) for k in (0, 1))
        f, run = image_function(gen), jax.jit(columns)
        image = seconds(jax.jit(jax.vmap(f)), latents[:BATCH]) / BATCH
        half, whole = (seconds(run, f, latents[0], tangents[:num]) for num in (BATCH, 2 * BATCH))
        column = (whole - half) / BATCH
        print(f"{name:12} image {1e3 * image:7.2f} ms, column {1e3 * column:7.2f} ms: {column / image:.2f}", flush=True)


if __name__ == "__main__":
    main()
