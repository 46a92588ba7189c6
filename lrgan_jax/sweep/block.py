"""What the devices do with one block of latents: Grams, robust PCA and directions of each, and the sums over the block.

Every latent is computed on its own, one after the other on each device, so its results do not depend on the block's other latents.
"""
from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float

from lrgan_jax.arrays import AnyArray
from lrgan_jax.generators import Generator, image_function
from lrgan_jax.jacobian import Channels, Pooling, region_grams
from lrgan_jax.pipeline import Method, analyse
from lrgan_jax.rpca import settled
from lrgan_jax.subspaces import spectrum

AXIS = "latent"


class Options(NamedTuple):
    """What to compute; hashable, since each choice is a program of its own. The defaults and meanings are `run`'s."""

    layers: tuple[int, ...] | None
    method: Method
    num: int
    lam: float | None
    mu: float | None
    num_relax: int
    mode: Literal["converged", "authors"]
    channels: Channels
    grams: str | None  # dtype in which each latent's Grams are kept, None for not at all
    splits: bool  # keep L and S too
    thumbnail: int
    memory: int  # bytes that decide how the Jacobian is cut: the same on every machine, so that the bits are
    pooling: Pooling = "area"


# Names of the axes of each result, after the latent's own. The store and xarray show them; `pair` runs over the upper triangle.
AXES: Mapping[str, tuple[str, ...]] = {
    "ws": ("layer", "latent_dim"),
    "image": ("y", "x", "colour"),
    "usable": (),
    "vectors": ("region", "direction", "latent_dim"),
    "inside": ("region", "direction"),
    "outside": ("region", "direction"),
    "kept": ("region", "direction"),
    "valid": ("region", "direction"),
    "mu": ("region",),
    "rank_inside": ("region",),
    "rank_outside": ("region",),
    "converged": ("region",),
    "spectrum_inside": ("region", "latent_dim"),
    "spectrum_outside": ("region", "latent_dim"),
    "gram_inside": ("region", "pair"),
    "gram_outside": ("region", "pair"),
    "low_rank_inside": ("region", "pair"),
    "low_rank_outside": ("region", "pair"),
    "sparse_inside": ("region", "pair"),
    "sparse_outside": ("region", "pair"),
}
USABLE, UNUSABLE = 1, 2  # values of `usable`; 0 is for latents not reached yet


class Sums(NamedTuple):
    """Over the usable latents of a block, upper triangles."""

    inside: Float[Array, "r p"]
    outside: Float[Array, "r p"]


@partial(jax.jit, static_argnames=("options", "mesh"))
def compute(
    options: Options, mesh: Mesh, gen: Generator, ws: Float[Array, "n l d"], counts: Bool[Array, " n"], masks: Float[Array, "r h w"]
) -> tuple[dict[str, Array], Sums]:
    """Results of every latent, named as in `AXES`, and the sums.

    Args:
      mesh: one axis, named `latent`, over which ws is split; its size divides n. counts: False for padding, left out of the sums.
    """

    def local(gen, ws, counts, masks):
        per_latent = partial(one, options, gen, masks)
        results, grams = lax.map(per_latent, ws)
        usable = counts & (results["usable"] == USABLE)
        return results, Sums(*(upper_triangle(_sum_over_devices(*compensated_sum(gram, usable))) for gram in grams))

    whole, split = PartitionSpec(), PartitionSpec(AXIS)
    # The solver's loops begin with constants, which the checker of replication takes for another type than what they become.
    mapped = jax.shard_map(
        local, mesh=mesh, in_specs=(whole, split, split, whole), out_specs=(split, whole), check_vma=False
    )
    return mapped(gen, ws, counts, masks)


def one(options: Options, gen: Generator, masks: Float[AnyArray, "r h w"], ws: Float[Array, "l d"]):
    """Everything about one latent, and its two sets of Grams [R, d, d]."""
    found = region_grams(
        image_function(gen, layers=options.layers), ws[None], masks, layers=options.layers, size=masks.shape[1],
        channels=options.channels, pooling=options.pooling, memory=options.memory,
    )  # fmt: skip
    assert found.outside is not None
    inside, outside = found.inside[0], found.outside[0]
    sides = {} if options.grams is None else {"gram_inside": inside, "gram_outside": outside}
    kept = {name: upper_triangle(gram).astype(options.grams) for name, gram in sides.items()}  # float16 ends at 65,504
    usable = jnp.stack([jnp.isfinite(a).all() for a in (found.image, inside, outside, *kept.values())]).all()
    results = {
        "ws": ws,
        "image": thumbnail(found.image[0], options.thumbnail),
        "usable": jnp.where(usable, USABLE, UNUSABLE).astype(jnp.uint8),
        **jax.vmap(partial(factorise, options))(inside, outside),
        **kept,
    }
    return results, (inside, outside)


def factorise(options: Options, inside: Float[Array, "d d"], outside: Float[Array, "d d"]) -> dict[str, Array]:
    """What follows from the two Grams of one region: `AXES` without `region`. Also used on the mean Grams."""
    analysis = analyse(inside, outside, options.lam, options.mu, options.num_relax, options.mode)
    found = analysis.candidates[options.method]
    best = jnp.argsort(~found.mask)[: options.num]  # stable: the valid ones first, in their order
    results = {
        "vectors": found.vectors[best], "inside": found.inside[best], "outside": found.outside[best], "kept": found.kept[best],
        "valid": found.mask[best], "mu": analysis.mu,
        "rank_inside": analysis.inside.rank, "rank_outside": analysis.outside.rank,
        "converged": settled(analysis.inside) & settled(analysis.outside),
        "spectrum_inside": spectrum(inside)[0], "spectrum_outside": spectrum(outside)[0],
    }  # fmt: skip
    if options.splits:
        for side, split in (("inside", analysis.inside), ("outside", analysis.outside)):
            results |= {f"low_rank_{side}": upper_triangle(split.low_rank), f"sparse_{side}": upper_triangle(split.sparse)}
    kinds = {"f": inside.dtype, "i": jnp.int32}  # the authors' mode answers in 64 bits
    return {name: a.astype(kinds.get(a.dtype.kind, a.dtype)) for name, a in results.items()}


def compensated_sum(terms: Float[Array, "n ..."], counted: Bool[Array, " n"]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The sum of the counted terms, and what rounding took from it: together exact to about one rounding.

    Source: Neumaier 1974, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen.
    """

    def add(carry, item):
        total, lost = carry
        term, counts = item
        term = jnp.where(counts, term, 0)
        new = total + term
        lost = lost + jnp.where(jnp.abs(total) >= jnp.abs(term), (total - new) + term, (term - new) + total)
        return (new, lost), None

    zero = jnp.zeros(terms.shape[1:], terms.dtype)
    return lax.scan(add, (zero, zero), (terms, counted))[0]


def _sum_over_devices(high: Float[Array, "..."], low: Float[Array, "..."]) -> Float[Array, "..."]:
    """Compensated too, where `psum` would round: so it hardly matters over how many devices a block was spread."""
    parts = jnp.concatenate([lax.all_gather(high, AXIS), lax.all_gather(low, AXIS)])
    return jnp.add(*compensated_sum(parts, jnp.ones(len(parts), bool)))


def thumbnail(image: Float[Array, "h w c"], size: int) -> Array:
    """uint8 of every channel, opacity too, shrunk by means of whole blocks of pixels to at most `size`."""
    side = max(image.shape[:2])
    step = next(k for k in range(-(-side // size), side + 1) if all(n % k == 0 for n in image.shape[:2]))
    small = image.reshape(image.shape[0] // step, step, image.shape[1] // step, step, -1).mean((1, 3))
    return jnp.clip(jnp.rint(jnp.nan_to_num(small) * 127.5 + 127.5), 0, 255).astype(jnp.uint8)


def upper_triangle(matrix: Float[Array, "*r d d"]) -> Float[Array, "*r p"]:
    """The d (d + 1) / 2 numbers that say everything of a symmetric matrix, row by row."""
    rows, columns = np.triu_indices(matrix.shape[-1])
    return matrix[..., rows, columns]


def symmetric(triangle: Float[np.ndarray, "*r p"]) -> Float[np.ndarray, "*r d d"]:
    """The matrix again."""
    d = int(np.sqrt(2 * triangle.shape[-1]))
    rows, columns = np.triu_indices(d)
    matrix = np.zeros((*triangle.shape[:-1], d, d), triangle.dtype)
    matrix[..., rows, columns] = triangle
    matrix[..., columns, rows] = triangle
    return matrix
