"""The Jacobian of a StyleGAN2 against what a user could take instead, on the same weights, in one run on an otherwise
idle machine.

    python tests/benchmarks/jacobian.py [64|256] [--columns N] [--pixels N]

Contenders: plain PyTorch (tests/torch_stylegan2.py) by reverse mode, one pixel at a time, as the authors' scripts do,
and by `torch.func` in forward mode; and, where they are installed, the `flaxmodels` package under `jax.jacfwd`. What
takes too long is timed on a sample of pixels or columns and scaled up, which the table says. Ours includes the Grams of
a region and the rest. All contenders' columns are compared with ours.
"""

import argparse
import functools
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
import torch  # noqa: E402
import torch_stylegan2  # noqa: E402

from lrgan_jax import bench  # noqa: E402
from lrgan_jax.convert.write import back  # noqa: E402
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, image_function, stylegan2  # noqa: E402
from lrgan_jax.jacobian import region_grams  # noqa: E402

SIZES = {  # channel base 4096 and w of 256, as measured in the field's papers for small faces; config-f at 256
    64: StyleGAN2Config(
        channels=(256, 256, 256, 128, 64),
        z_dim=256,
        w_dim=256,
        mapping_features=256,
        mapping_layers=2,
        embed_features=0,
    ),
    256: StyleGAN2Config(channels=bench.RANDOM["256"], mapping_layers=2, embed_features=0),
}


def seconds(run, repeats=3) -> float:
    """The best of some calls after a first one."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(gen, w, columns, channels):
    """Seconds for all columns, and the first `columns` of them, [H, W, C or 1, columns].

    The image itself is computed once, however many columns follow, so a sample is scaled up by what its second half
    adds.
    """
    f = jax.tree_util.Partial(bench.along, image_function(gen), jnp.repeat(w[None], gen.num_ws, 0))
    mask = np.zeros((gen.size[0], gen.size[0]))
    mask[gen.size[0] // 2 : gen.size[0] * 2 // 3, gen.size[0] // 4 : gen.size[0] // 2] = 1
    call = functools.partial(region_grams, f, masks=mask, size=gen.size[0], channels=channels)
    taken, half = (seconds(lambda n=n: jax.block_until_ready(call(jnp.zeros((1, n))))) for n in (columns, columns // 2))
    J = call(jnp.zeros((1, columns)), keep_jacobian=True).jacobian
    return taken + (gen.w_dim - columns) * (taken - half) / (columns - columns // 2), np.asarray(J)[0]


def in_torch(gen):
    config = gen.config
    net = torch_stylegan2.Generator(**back.nvidia_arguments(config)).eval().requires_grad_(False)
    net.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in back.nvidia(gen).items()})
    return lambda w: net.synthesis(w[None, None].expand(1, config.num_ws, -1), noise_mode="const")[0]


def torch_reverse(f, w, pixels):
    """Seconds for the gray Jacobian, scaled up from some pixels, each with its own backward pass through one graph."""
    w = torch.from_numpy(w).requires_grad_(True)
    gray = f(w).mean(0)
    height, width = gray.shape
    chosen = np.random.default_rng(0).permutation(height * width)[:pixels]

    def run():
        rows = [torch.autograd.grad(gray[p // width, p % width], w, retain_graph=True)[0] for p in chosen.tolist()]
        return torch.stack(rows)

    return seconds(run, 2) * height * width / pixels, run().numpy(), chosen


def torch_forward(f, w, columns, chunk=16):
    """Seconds for all columns by vmap of jvp in chunks, which is what torch.func.jacfwd does with all of them
    at once.
    """
    w = torch.from_numpy(w)
    basis = torch.eye(len(w))[:columns]
    run = torch.func.vmap(lambda t: torch.func.jvp(f, (w,), (t,))[1], chunk_size=min(chunk, columns))
    return seconds(lambda: run(basis), 2) * len(w) / columns, run(basis).numpy()


def flaxmodels_forward(config, columns):
    """Seconds under jit, on weights of its own: only the time is compared."""
    reshape = jnp.reshape  # the package, of 2023, names an argument that JAX has since renamed
    jnp.reshape = lambda x, *a, newshape=None, **k: (
        reshape(x, newshape) if newshape is not None else reshape(x, *a, **k)
    )
    try:
        from flaxmodels.stylegan2.generator import SynthesisNetwork
    except ImportError:
        return None
    base = back.nvidia_arguments(config)["synthesis_kwargs"]
    net = SynthesisNetwork(
        resolution=config.resolutions[-1],
        w_dim=config.w_dim,
        fmap_base=base["channel_base"] // 2,
        fmap_max=base["channel_max"],
    )
    spread, w = (1, config.num_ws, config.w_dim), jnp.zeros(config.w_dim)
    variables = net.init({"params": jax.random.key(0), "noise": jax.random.key(1)}, jnp.zeros(spread))

    def image(v, variables):
        return net.apply(variables, jnp.broadcast_to(w.at[: len(v)].add(v), spread), noise_mode="const")[0]

    run = jax.jit(jax.jacfwd(image))
    return seconds(lambda: jax.block_until_ready(run(jnp.zeros(columns), variables)), 2) * config.w_dim / columns


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("size", type=int, nargs="?", default=64, choices=SIZES)
    parser.add_argument("--columns", type=int, help="of the Jacobian, for the forward modes; all by default")
    parser.add_argument("--pixels", type=int, default=48, help="for reverse mode")
    options = parser.parse_args()
    config = SIZES[options.size]
    columns = options.columns or config.w_dim
    gen = StyleGAN2(config, jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), config))
    w = np.random.default_rng(0).standard_normal(config.w_dim).astype(np.float32)

    print(
        f"{options.size}x{options.size}, w of {config.w_dim}; {torch.get_num_threads()} threads; {columns} columns and "
        f"{options.pixels} pixels timed, scaled to all"
    )
    gray, gray_J = ours(gen, w, columns, "mean")
    colour, J = ours(gen, w, columns, "stack")
    print(f"ours with Grams: gray {gray:.2f} s, all channels {colour:.2f} s", flush=True)
    f = in_torch(gen)
    reverse, rows, chosen = torch_reverse(f, w, options.pixels)
    forward, tangents = torch_forward(f, w, columns)
    few = gray_J.reshape(-1, columns)[chosen]
    # In the norm: at single pixels a unit that is zero but for rounding has the one slope here and the other there.
    differences = [
        np.linalg.norm(a - b) / np.linalg.norm(b)
        for a, b in ((rows[:, :columns], few), (tangents.transpose(2, 3, 1, 0), J))
    ]
    print("relative difference from ours: reverse {:.1e}, forward {:.1e}".format(*differences))
    for name, own, run in (
        ("torch reverse mode, gray, per pixel", gray, lambda: reverse),
        ("torch.func forward mode, all channels", colour, lambda: forward),
        ("flaxmodels under jit and jax.jacfwd", colour, lambda: flaxmodels_forward(config, columns)),
    ):
        taken = run()
        print(
            f"{name:40} {taken:9.2f} s, {taken / own:6.1f} times ours" if taken else f"{name:40} not installed",
            flush=True,
        )


if __name__ == "__main__":
    main()
