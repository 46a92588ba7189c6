"""What this machine gives: `lrgan bench`. Every figure is measured in one run, beside a matrix product and a
convolution.

The yardstick is column / forward: the time of one column of the Jacobian over that of one image in a batch as large as
the chunk of tangents. Models too large to differentiate along all of their latent are timed on a sample of columns, and
it is said so.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.tree_util import Partial

from lrgan_jax.base.memory import fitting_chunk, free_memory, platform_most
from lrgan_jax.generators import Generator, StyleGAN2, StyleGAN2Config, image_function, sample_z, stylegan2, to_ws
from lrgan_jax.jacobian import region_grams
from lrgan_jax.models import checkpoint
from lrgan_jax.pipeline import analyse
from lrgan_jax.regions import centred_box_mask
from lrgan_jax.rpca import robust_pca

RANDOM = {  # config-f at its sizes: random weights of the shapes that FFHQ's models have
    "256": (512, 512, 512, 512, 512, 256, 128),
    "1024": (512, 512, 512, 512, 512, 256, 128, 64, 32),
}
MOUTH = (184, 127, 30, 70)  # of 256, as in the papers' table
REPEATS = 3
MANY, MANY_SOLVES = 8, 64  # latents, and matrices, at once, where a device is not busy with one


class Measured(NamedTuple):
    """Figures of one model. Times in seconds, the best of three after a first call; rates per second."""

    model: str
    resolution: int
    latent: int
    chunk: int  # tangents, and images, at once
    columns: int  # of the Jacobian that were timed; all of the latent's, or a sample
    forward_images: float  # a second
    column_over_forward: float
    jacobian: float  # of one latent, by the columns' time
    grams: float  # the same with the Grams of one region and the rest
    bulk: float  # seconds of the Grams of a latent, where `MANY` are computed in one call; one on CPUs
    directions: float  # from region to directions: Grams and both solves
    tangent_flops: float  # a second, counting what the compiled image function counts for one image
    peak_memory: float  # bytes, of the process or the device, so far


class Machine(NamedTuple):
    """What the same run reaches on plain work, products in the precision of the tangents."""

    device: str
    jax: str
    matmul_flops: float
    convolution_flops: float
    solves: float  # robust PCAs of a 512 x 512 matrix of rank 20 a second, one batch


def machine(*, solves: int | None = None, precision: str = "highest") -> Machine:
    """Yardsticks; `solves` matrices in the solver's batch, 0 to leave it out, None for as many as the device is fed."""
    solves = (MANY_SOLVES if platform_most().together else 2) if solves is None else solves
    a, x, k = (jnp.ones(shape, jnp.float32) for shape in ((2048, 2048), (8, 64, 64, 128), (3, 3, 128, 128)))
    conv = jax.jit(
        lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    )
    with jax.default_matmul_precision(precision):  # left to itself a GPU rounds factors
        matmul, convolution = seconds(jax.jit(jnp.matmul), a, a), seconds(conv, x, k)
    return Machine(
        f"{jax.devices()[0].device_kind} ({jax.default_backend()})",
        jax.__version__,
        2 * 2048**3 / matmul,
        2 * 9 * 128**2 * 8 * 64**2 / convolution,
        solves / seconds(jax.jit(jax.vmap(lambda m: robust_pca(m, 1 / 60).low_rank)), _grams_like(solves, 512))
        if solves
        else float("nan"),
    )


def _grams_like(num: int, d: int) -> Any:
    """Grams [num, d, d] of random Jacobians: 20 directions that matter, outliers, and faint noise, as `robust_pca` is
    made for.
    """
    random = np.random.default_rng(0)
    shape = (num, 4 * d, d)
    signal = random.standard_normal((num, 4 * d, 20)) @ random.standard_normal((num, 20, d)) / np.sqrt(20)
    outliers = np.where(random.random(shape) < 0.001, 3 * random.standard_normal(shape), 0)
    J = signal + outliers + 0.01 * random.standard_normal(shape)
    return jnp.asarray(J.swapaxes(1, 2) @ J / (4 * d), jnp.float32)


def model(name: str) -> Generator:
    """An embedded model or a folder, or random weights at a size of RANDOM."""
    if name not in RANDOM:
        return checkpoint.load(name)
    config = StyleGAN2Config(channels=RANDOM[name])
    return StyleGAN2(config, jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), config))


def measure(name: str, *, columns: int | None = None, precision: str = "highest") -> Measured:
    """Time one model.

    Args:
      name: see `model`. columns: of the Jacobian to time, None for all. precision: of the tangents; see `region_grams`.
    """
    gen = model(name)
    num = min(columns or gen.w_dim, gen.w_dim)
    ws = to_ws(gen, gen.mapping(sample_z(gen, jax.random.key(0), 1))).array
    chunk = min(fitting_chunk(image_function(gen), [ws[0]], gen.w_dim, free_memory() // 8), num)
    mask = centred_box_mask(*MOUTH, 256)[:: 256 // min(gen.size[0], 256), :: 256 // min(gen.size[0], 256)]

    batch = jnp.repeat(ws, chunk, axis=0)
    with jax.default_matmul_precision(precision):
        image = jax.jit(jax.vmap(image_function(gen))).lower(batch).compile()
        forward = seconds(image, batch) / chunk
    # The first `num` directions of the latent, as a function of so many coordinates.
    f = Partial(along, image_function(gen), ws[0])
    at = partial(region_grams, f, channels="stack", precision=precision, chunk=chunk)
    half, run = (partial(at, jnp.zeros((1, n), ws.dtype)) for n in (num // 2, num))
    # The image is computed once, however many columns follow: a sample is scaled up by what its second half adds.
    share = (gen.w_dim - num) / (num - num // 2)
    grams, some = seconds(run, mask), seconds(half, mask)
    # Pooled to 16 x 16 pixels the products cost next to nothing: what is left is the columns.
    few = min(gen.size[0], 16)
    bare, some_bare = (seconds(lambda run=run: run(np.eye(few), size=few)) for run in (run, half))
    column = (bare - some_bare) / (num - num // 2)
    grams, jacobian = grams + share * (grams - some), bare + share * (bare - some_bare)
    bulk = grams
    if platform_most().together:
        bulk = seconds(at, jnp.zeros((MANY, num), ws.dtype), mask) / MANY * gen.w_dim / num
    found = run(mask)
    pair = (
        (found.inside[0, 0], found.outside[0, 0])
        if num == gen.w_dim and found.outside is not None
        else _grams_like(2, gen.w_dim)
    )
    solve = seconds(lambda a, b: analyse(a, b).candidates["frontier"].vectors, *pair)
    return Measured(
        name,
        gen.size[0],
        gen.w_dim,
        chunk,
        num,
        1 / forward,
        column / forward,
        jacobian,
        grams,
        bulk,
        grams + solve,
        _flops(image) / chunk / column,
        peak_memory(),
    )


def along(f, w, v):
    return f(w.at[..., : v.shape[0]].add(v))


def grows(name: str) -> bool:
    """Whether `by_block` can take this model apart."""
    gen = model(name)
    return isinstance(gen, StyleGAN2) and gen.config.architecture == "skip"


def by_block(name: str, *, columns: int = 16) -> Iterator[dict[str, Any]]:
    """For each block of a "skip" StyleGAN2: seconds of an image and of a column, GFLOP and MB, by growing the network
    block by block.
    """
    gen = model(name)
    before = {"forward": 0.0, "column": 0.0, "gflop": 0.0, "megabytes": 0.0}
    assert isinstance(gen, StyleGAN2), "see `grows`"
    for k in range(len(gen.config.channels)):
        part = _lower_blocks(gen, k + 1)
        ws = jnp.zeros((columns, part.num_ws, part.w_dim), jnp.float32)
        image = jax.jit(jax.vmap(image_function(part))).lower(ws).compile()
        column = jax.jit(lambda f, w: jax.vmap(jax.linearize(f, w[0])[1])(w))
        now = {
            "forward": seconds(image, ws) / columns,
            "column": seconds(column, image_function(part), ws) / columns,
            "gflop": _flops(image) / columns / 1e9,
            "megabytes": _analysis(image)["bytes accessed"] / columns / 1e6,
        }
        yield {"size": part.size[0], **{key: now[key] - before[key] for key in now}}
        before = now


def _lower_blocks(gen: StyleGAN2, num: int) -> StyleGAN2:
    """The network that ends after so many blocks, which "skip" networks have all that is needed for."""
    kept = {f"b{resolution}" for resolution in gen.config.resolutions[:num]}
    config = gen.config.__class__(**{**vars(gen.config), "channels": gen.config.channels[:num]})
    variables = {
        kind: {**parts, "synthesis": {name: block for name, block in parts["synthesis"].items() if name in kept}}
        for kind, parts in gen.variables.items()
    }
    return StyleGAN2(config, variables)


def seconds(f: Callable, *args) -> float:
    """The best of three calls, after one that compiles."""
    jax.block_until_ready(f(*args))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(f(*args))
        times.append(time.perf_counter() - start)
    return min(times)


def peak_memory() -> float:
    """Bytes: of the device where it tells, else of the process."""
    stats: dict[str, Any] | None = jax.local_devices()[0].memory_stats()
    if stats:
        return float(stats["peak_bytes_in_use"])
    try:
        import resource  # there is none on Windows, and the other commands need none
    except ImportError:
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _flops(compiled) -> float:
    return float(_analysis(compiled)["flops"])


def _analysis(compiled) -> dict[str, float]:
    analysis = compiled.cost_analysis()
    return analysis[0] if isinstance(analysis, list) else analysis  # a list of one before JAX 0.5


def table(rows: list[Measured], peak: float) -> str:
    """A line per model, in fixed columns; `peak` is what a plain convolution reaches, in FLOP/s."""
    heads = ("size", "latent", "columns", "images/s", "column/forward", "Jacobian", "Grams", "in bulk", "directions")
    lines = ["model         " + "".join(f"{head:>16}" for head in (*heads, "GFLOP/s (peak)", "peak memory"))]
    for r in rows:
        sizes = r.resolution, r.latent, r.columns, f"{r.forward_images:.1f}", f"{r.column_over_forward:.2f}"
        times = [f"{seconds:.2f} s" for seconds in (r.jacobian, r.grams, r.bulk, r.directions)]
        cells = (
            *sizes,
            *times,
            f"{r.tangent_flops / 1e9:.0f} ({r.tangent_flops / peak:.0%})",
            f"{r.peak_memory / 2**30:.2f} GB",
        )
        lines.append(f"{r.model:14}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def block_table(rows: list[dict[str, Any]]) -> str:
    """A line per block."""
    lines = ["  size  forward ms  column ms    GFLOP       MB"]
    for r in rows:
        times = f"{1e3 * r['forward']:11.2f} {1e3 * r['column']:10.2f}"
        lines.append(f"  {r['size']:4} {times} {r['gflop']:8.3f} {r['megabytes']:8.1f}")
    return "\n".join(lines)
