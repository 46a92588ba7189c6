"""From latents and regions to two Grams each: how what is to change, and what is to keep still, answer to the latent.

Everything that searches goes this way, whatever it is: one image's directions, a sweep's, a walk's, the panel's, a
comparison's.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_number
from lrgan_jax.base.durations import of_images
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator, Latent, Window, check_generator, grid, image_function, to_ws
from lrgan_jax.generators.natural import own_root
from lrgan_jax.generators.parts import moving_numbers, part_text
from lrgan_jax.jacobian import RegionGrams, region_grams
from lrgan_jax.layers import Moves, layers_text, moves_of
from lrgan_jax.lengths import Root
from lrgan_jax.regions import bounding_box, region_mask
from lrgan_jax.search import Search

CROPPED = (
    256  # longer side of an image from which a part of it is worth a program of its own, where its rest does not matter
)


@display.record
class Targets(NamedTuple):
    """R regions that are to change, and what must keep still at each. Arrays alone, so it passes through `jit`."""

    masks: Float[AnyArray, "m h w"]  # of the regions, then of the P protected ones
    keep: (
        Float[AnyArray, "r p"] | None
    )  # by how much each protected one counts for each region; None for all of the rest, alike

    @property
    def num_regions(self) -> int:
        return len(self.masks) if self.keep is None else len(self.keep)

    def only(self, r: int) -> "Targets":
        """The same of one region."""
        if self.keep is None:
            return Targets(self.masks[r : r + 1], None)
        return Targets(np.concatenate([self.masks[r : r + 1], self.masks[self.num_regions :]]), self.keep[r : r + 1])


@display.record
class Pairs(NamedTuple):
    """The two Grams of N latents and R regions, of m numbers each; units: (image value per unit of latent) squared."""

    inside: Float[Array, "n r m m"]
    outside: Float[Array, "n r m m"]
    image: Float[Array, "n h w c"]  # all of it, or the part around the regions where the rest does not matter


def targets(gen: Generator, regions: Sequence[Any], search: Search) -> Targets:
    """The masks of regions and of what the search protects, on the Jacobian's grid.

    Args:
      regions: each a name, the path of a mask, or an array, soft ones too; see `regions.region_mask`.
      search: its `protect` is a region, a list of them, or names with weights, {"eyes": 1.0, "nose": 0.5}. What is
        neither in it nor in a region may do as it likes. A region that is itself protected from the others is not
        protected from its own change.
    Raises:
      InputError: on no region, one that does not fit, weights that are not above 0, or nothing that keeps still.
    """
    check_generator(gen)
    if not len(regions):
        raise InputError("name at least one region")
    protected, weights = _kept_still(search.protect)
    size = grid(gen, search.size)
    masks = np.stack([region_mask(region, size, gen.info.regions) for region in (*regions, *protected)])
    if not protected:
        return Targets(masks, None)
    own = masks[: len(regions)]
    others = [[not np.array_equal(region, kept) for kept in masks[len(regions) :]] for region in own]
    if not all(map(any, others)):
        raise InputError("protect holds the region itself and nothing else: name what must keep still beside it")
    return Targets(masks, np.asarray(others, np.float32) * np.asarray(weights, np.float32))


def one_region(region: Any) -> None:
    """Refuse several regions where one is wanted; an array may come as nested lists."""
    if isinstance(region, Mapping) or isinstance(region, list | tuple) and any(_is_name(r) for r in region):
        raise InputError(
            f"one region at a time, got {len(region)}: ask for each, or for their union, the maximum of their masks"
        )


def pair_grams(
    gen: Generator,
    w: ArrayLike | Latent,
    targets: Targets,
    search: Search,
    *,
    memory: int | None = None,
    precision: str = "highest",
) -> Pairs:
    """M_A of every region and M_B of what must keep still beside it, at every latent w or ws.

    Of several protected regions M_B is the weighted sum, so a direction that changes A more than mu times as much as
    M_B says does so beside each of them.

    Args:
      memory, precision: see `region_grams`. The search's own precision is for those who make directions exact.
    """
    moves = search_moves(gen, search)
    options = {"channels": search.channels, "pooling": search.pooling, "memory": memory, "precision": precision}
    found = generator_grams(gen, w, targets.masks, moves=moves, rest=targets.keep is None, **options)
    if targets.keep is None:
        assert found.outside is not None
        return Pairs(found.inside, found.outside, found.image)
    inside, protected = found.inside[:, : targets.num_regions], found.inside[:, targets.num_regions :]
    outside = jnp.einsum("rp,npij->nrij", jnp.asarray(targets.keep, inside.dtype), protected, precision="highest")
    return Pairs(inside, outside, found.image)


def grams_operations(gen: Generator, search: Search, num: int) -> float:
    """How much work `pair_grams` is at `num` latents: two images a tangent."""
    return of_images(gen.size, 2 * num * search_moves(gen, search).size(gen.w_dim))


def row_weights(aims: Targets, per_pixel: int) -> tuple[Float[AnyArray, "r p"], Float[AnyArray, "r p"]]:
    """Of J's rows in each region's M_A and M_B, which are J^T diag(weights) J."""
    rows = jnp.repeat(jnp.asarray(aims.masks).reshape(len(aims.masks), -1), per_pixel, axis=1)
    each = rows / jnp.maximum(rows.sum(1, keepdims=True), 1e-6)
    if aims.keep is None:
        return each, (1 - rows) / jnp.maximum((1 - rows).sum(1, keepdims=True), 1e-3)
    return each[: aims.num_regions], jnp.matmul(aims.keep, each[aims.num_regions :], precision="highest")


def search_moves(gen: Generator, search: Search) -> Moves:
    """The moves that a search is about."""
    layers = search.layers
    if layers is None and search.per_layer:
        layers = range((gen.num_ws + 1) // 2)  # with a vector of their own, finer ones paint: eyes turn white
    numbers = moving_numbers(gen, search.part)
    return moves_of(layers, gen.num_ws, per_layer=search.per_layer, numbers=numbers)


def moves_text(gen: Generator, search: Search) -> str:
    """What a search moves, for a person: "all layers", "a vector for each of layers 0-2", "class"."""
    moves = search_moves(gen, search)
    layers = f"{'a vector for each of ' * moves.per_layer}{layers_text(moves.rows)}"
    part = part_text(gen, moves.numbers)
    return f"{part} of {layers}" if part and gen.num_ws > 1 else part or layers


def metric_root(gen: Generator, search: Search) -> Root:
    """What makes lengths natural ones, where the search counts in those; None where latents are white already."""
    if search.metric == "latent":
        return None
    if (root := own_root(gen, search_moves(gen, search).numbers)) is not None:
        return root
    return np.eye(gen.w_dim, dtype=np.float32) if search.per_layer else None  # of layers the mean counts, white or not


def check_finite(pairs: Pairs) -> Pairs:
    """The same, unless an image or its Jacobian is not finite, as when a network overflows.

    Raises:
      InputError: then. For use outside jit; traced values pass.
    """
    if not any(isinstance(a, Tracer) for a in pairs) and not _all_finite(pairs):
        raise InputError(
            "the image or its Jacobian is not finite at these latents: take others, or a truncation below 1"
        )
    return pairs


@jax.jit
def _all_finite(pairs: Pairs) -> Bool[Array, ""]:
    return jnp.stack([jnp.isfinite(a).all() for a in pairs]).all()


def generator_grams(
    gen: Generator,
    w: ArrayLike | Latent,
    masks: Float[AnyArray, "r h w"],
    *,
    moves: Moves,
    rest: bool = True,
    **options: Any,
) -> RegionGrams:
    """`jacobian.region_grams` of a generator at w or ws, of no more of its image and layers than the masks and `moves`
    ask for.

    Args:
      masks: [R, h, w], h dividing the image's height. rest, options: see `region_grams`.
    Returns:
      As `region_grams`, but for `image`, which may be just the part around the regions when `rest` is False.
    """
    ws, (height, width) = to_ws(gen, w), masks.shape[1:]
    window, size = None, max(height, width)
    if (
        not rest and max(gen.size) >= CROPPED and not isinstance(masks, Tracer)
    ):  # of traced masks nobody knows the part yet
        masks = np.asarray(masks)
        top, left, rows, columns = bounding_box(masks)
        if 2 * rows * columns < height * width:
            pixel = gen.size[0] // height  # of the Jacobian, in pixels of the image
            window, size = Window(*(pixel * side for side in (top, left, rows, columns))), max(rows, columns)
            masks = masks[:, top : top + rows, left : left + columns]
    f = image_function(gen, layers=moves, window=window)
    at = ws.array if ws.c is None else (ws.array, ws.c)
    return region_grams(f, at, masks, layers=moves, size=size, rest=rest, **options)


def _kept_still(protect: Any) -> tuple[list[Any], list[float]]:
    """Regions and their weights: of none, one, several, or several with weights."""
    if protect is None:
        return [], []
    if isinstance(protect, Mapping):
        if not protect or any(np.ndim(weight) for weight in protect.values()):
            raise InputError("protect wants at least one region, and one number for each")
        for region, weight in protect.items():
            check_number(f"protect: the weight of {region}", weight, above=0)
        return [*protect], [float(weight) for weight in protect.values()]
    several = isinstance(protect, list | tuple) and all(_is_name(r) or np.ndim(r) == 2 for r in protect)
    regions = list(protect) if several else [protect]
    if not regions:
        raise InputError("protect is empty: leave it out to protect everything outside the region")
    return regions, [1.0] * len(regions)


def protected_names(protect: Any) -> list[str]:
    """What a search protects, by name: "mask" and a number for what was drawn by hand."""
    return [str(region) if _is_name(region) else f"mask {k}" for k, region in enumerate(_kept_still(protect)[0])]


def _is_name(region: Any) -> bool:
    return isinstance(region, str | os.PathLike)
