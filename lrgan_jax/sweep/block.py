"""What the devices do with some latents: Grams, robust PCA and directions of each.

Every latent is computed on its own, on CPUs one after the other and elsewhere many at once, so its results depend on
the others by no more than rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from lrgan_jax import display
from lrgan_jax.base import linalg
from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import WS, Generator
from lrgan_jax.lengths import Root
from lrgan_jax.mixed import exact_candidates, tangents
from lrgan_jax.pipeline import analyse
from lrgan_jax.rpca import settled
from lrgan_jax.search import Search
from lrgan_jax.targets import Pairs, Targets, pair_grams

AXIS = "latent"


Dtype = Literal["float32", "float16", "bfloat16"]


class KeepSettings(TypedDict, total=False):
    """Those of a `Keep` as arguments."""

    grams: Dtype | None
    splits: bool
    thumbnail: int
    block: int | None
    memory: int | None


@display.record
@dataclass(frozen=True)
class Keep:
    """What a store keeps of each latent, and how the work is cut.

    Attributes:
      grams: a dtype to keep every latent's Grams in. splits: keep L and S of the robust PCA. Both take much room, and
        the latter time.
      thumbnail: side of the pictures kept, in pixels, at most.
      block: latents that one process claims and writes together; None for 32, or more where there would be thousands of
        blocks.
      memory: bytes that decide how a Jacobian is cut, and with it the last bits of the results; None takes half of what
        is free.
    """

    grams: Dtype | None = None
    splits: bool = False
    thumbnail: int = 64
    block: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        for name in ("thumbnail", "block", "memory"):
            check_whole(name, getattr(self, name))
        if self.grams not in (None, "float32", "float16", "bfloat16"):
            raise InputError(f"grams is float32, float16 or bfloat16, got {self.grams!r}")


class Job(NamedTuple):
    """What to compute; hashable, since each choice is a program of its own.

    The search without what it protects, which `Targets` hold.
    """

    search: Search
    keep: Keep

    @property
    def block(self) -> int:
        """Latents, once it is settled."""
        assert self.keep.block is not None
        return self.keep.block


# Names of the axes of each result, after the latent's own. The store and xarray show them; `pair` runs over the upper
# triangle, and `number` over those that say a move (see `layers`): those of a latent, or of all layers together.
AXES: Mapping[str, tuple[str, ...]] = {
    "ws": ("layer", "latent_dim"),
    "image": ("y", "x", "colour"),
    "usable": (),
    "vectors": ("region", "direction", "number"),
    "inside": ("region", "direction"),
    "outside": ("region", "direction"),
    "kept": ("region", "direction"),
    "valid": ("region", "direction"),
    "mu": ("region",),
    "rank_inside": ("region",),
    "rank_outside": ("region",),
    "converged": ("region",),
    "spectrum_inside": ("region", "number"),
    "spectrum_outside": ("region", "number"),
    "gram_inside": ("region", "pair"),
    "gram_outside": ("region", "pair"),
    "low_rank_inside": ("region", "pair"),
    "low_rank_outside": ("region", "pair"),
    "sparse_inside": ("region", "pair"),
    "sparse_outside": ("region", "pair"),
}
NUMBERS_OF_ROWS = {
    "number": "latent_dim",
    "other_number": "other_latent_dim",
}  # where one row of ws is a move, as it mostly is
USABLE, UNUSABLE = 1, 2  # values of `usable`; 0 is for latents not reached yet


def axes(search: Search, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of axes as a store of this search has them."""
    return names if search.per_layer or search.part else tuple(NUMBERS_OF_ROWS.get(name, name) for name in names)


SIDES = ("inside", "outside")


@partial(jax.jit, static_argnames=("job", "mesh"))
def compute(
    job: Job, mesh: Mesh, ws: WS, gen: Generator, targets: Targets, root: Root
) -> tuple[dict[str, Array], dict[str, Float[Array, "n r p"]]]:
    """Results of every latent, named as in `AXES`, and the upper triangles of its Grams, named as in `SIDES`.

    Args:
      mesh: one axis, named `latent`, over which ws is split; its size divides n. root: of the search's lengths.
    """

    def local(ws, gen, targets, root):
        results, pairs = every(job, gen, ws, targets, root)
        return results, {side: upper_triangle(getattr(pairs, side)) for side in SIDES}

    whole, split = PartitionSpec(), PartitionSpec(AXIS)
    # The solver's loops begin with constants, which the checker of replication takes for another type than what they
    # become.
    mapped = jax.shard_map(local, mesh=mesh, in_specs=(split, whole, whole, whole), out_specs=split, check_vma=False)
    return mapped(ws, gen, targets, root)


@partial(jax.jit, static_argnames="job")
def every(job: Job, gen: Generator, ws: WS, targets: Targets, root: Root) -> tuple[dict[str, Array], Pairs]:
    """Everything about all latents, ws [N, L, d], and their Grams."""
    pairs = pair_grams(gen, ws, targets, job.search, memory=job.keep.memory, precision=tangents(job.search))
    results = linalg.mapped(partial(_one, job, root))((ws, pairs))
    if job.search.precision == "mixed":
        results |= linalg.mapped(partial(_made_exact, job, gen, targets))((ws, pairs.inside, pairs.outside))
    return results, pairs


def _one(job: Job, root: Root, item: tuple[WS, Pairs]) -> dict[str, Array]:
    """Everything about one latent, ws [L, d] with its Grams [R, m, m]."""
    latent, (inside, outside, image) = item
    sides = {} if job.keep.grams is None else {"gram_inside": inside, "gram_outside": outside}
    kept = {name: upper_triangle(gram).astype(job.keep.grams) for name, gram in sides.items()}  # float16 ends at 65,504
    usable = jnp.stack([jnp.isfinite(a).all() for a in (image, inside, outside, *kept.values())]).all()
    return {
        "ws": jnp.asarray(latent),
        "image": thumbnail(image, job.keep.thumbnail),
        "usable": jnp.where(usable, USABLE, UNUSABLE).astype(jnp.uint8),
        **jax.vmap(partial(factorise, job, root))(inside, outside),
        **kept,
    }


def _made_exact(job: Job, gen: Generator, targets: Targets, item: tuple[WS, Array, Array]) -> dict[str, Array]:
    """What takes the place of the directions by fast products, at one latent."""
    latent, inside, outside = item
    ws = jax.tree.map(lambda a: a[None], latent)
    found, mu = exact_candidates(gen, ws, targets, job.search, inside, outside)
    return {"vectors": found.vectors, "inside": found.inside, "outside": found.outside, "valid": found.mask, "mu": mu}


def factorise(job: Job, root: Root, inside: Float[Array, "m m"], outside: Float[Array, "m m"]) -> dict[str, Array]:
    """What follows from the two Grams of one region, as far as the method has it: `AXES` without `region`.

    Also for the mean Grams.
    """
    analysis = analyse(inside, outside, job.search, root=root, splits=job.keep.splits)
    found = analysis.candidates[job.search.method]
    best = jnp.argsort(~found.mask)[: job.search.num]  # stable: the valid ones first, in their order
    results = {
        "vectors": found.vectors[best],
        "inside": found.inside[best],
        "outside": found.outside[best],
        "valid": found.mask[best],
        "spectrum_inside": linalg.eigvalsh(inside)[::-1],
        "spectrum_outside": linalg.eigvalsh(outside)[::-1],
    }
    results |= {} if found.kept is None else {"kept": found.kept[best]}
    results |= {} if analysis.mu is None else {"mu": analysis.mu}
    if analysis.inside is not None and analysis.outside is not None:
        results["converged"] = settled(analysis.inside) & settled(analysis.outside)
        for side, split in (("inside", analysis.inside), ("outside", analysis.outside)):
            results[f"rank_{side}"] = split.rank
            parts = {f"low_rank_{side}": split.low_rank, f"sparse_{side}": split.sparse} if job.keep.splits else {}
            results |= {name: upper_triangle(part) for name, part in parts.items()}
    kinds: dict[str, Any] = {"f": inside.dtype, "i": jnp.int32}  # the authors' mode answers in 64 bits
    return {name: a.astype(kinds.get(a.dtype.kind, a.dtype)) for name, a in results.items()}


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
