"""One step of an inversion by Adam at the size of FFHQ: time and memory, with random weights.

    python -m tests.benchmarks.inversion_step [SIZE ...]

Of a StyleGAN2 of that many pixels and its paper's configuration F, in W+ with noise, pictures compared by LPIPS at 256
pixels if it is installed: seconds to compile, bytes that XLA plans beside weights and state, and seconds a step.
"""

import sys
import time

import jax
import jax.numpy as jnp

import lrgan_jax as lr
from lrgan_jax.generators import stylegan2
from lrgan_jax.inversion import adam
from lrgan_jax.inversion.coordinates import coordinates_of
from lrgan_jax.inversion.likeness import image_features, network_of
from lrgan_jax.inversion.noise import noise_pictures
from lrgan_jax.inversion.problem import Problem

STEPS = 2


def main(*sizes: str) -> None:
    for size in map(int, sizes or ("256", "1024")):
        gen = random_generator(size)
        compared, network = network_of(None)
        features = image_features(network)
        targets = features(jnp.zeros((1, size, size, 3)))
        problem = Problem(gen, coordinates_of(gen), features, targets, None, jnp.asarray(2e-3))
        run = adam.Adam(300, 0.2, 1e2)
        pictures = {place: picture[None] for place, picture in noise_pictures(gen).items()}
        state = run.init(jnp.zeros((1, gen.num_ws, gen.w_dim)), pictures)
        start = time.perf_counter()
        step = adam.one_step.lower(run, problem, state).compile()
        compiled, memory = time.perf_counter() - start, step.memory_analysis()
        state, _ = jax.block_until_ready(step(problem, state))
        start = time.perf_counter()
        for _ in range(STEPS):
            state, _ = jax.block_until_ready(step(problem, state))
        seconds = (time.perf_counter() - start) / STEPS
        planned = memory.temp_size_in_bytes / 2**30
        print(f"{size}, {compared}: compiled in {compiled:.0f} s, {planned:.2f} GB, {seconds:.2f} s a step", flush=True)


def random_generator(size: int) -> lr.StyleGAN2:
    """Configuration F: 32768 channels over the side, at most 512."""
    sides = [4 * 2**k for k in range(size.bit_length() - 2)]
    channels = tuple(min(32768 // side, 512) for side in sides)
    config = lr.StyleGAN2Config(channels=channels, z_dim=512, w_dim=512, embed_features=0)
    return lr.StyleGAN2(config, jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), config))


if __name__ == "__main__":
    main(*sys.argv[1:])
