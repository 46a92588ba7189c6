"""How every pixel answers to every latent direction: the Grams of image regions, for any pure function from a latent to
an image.

Symbols: f one latent -> one image [H, W, C]; J = df/dw [P, d], its P rows being pixels (times channels when they are
stacked) at the size asked for; region r weighs pixel p by m_p in [0, 1] and counts n_r = sum m_p rows. Then

    inside  M_r = J^T diag(m) J / n_r          outside  M_rest = J^T diag(1 - m) J / (P - n_r)

Forward mode: d tangents, in chunks, through the linearised f, so P does not matter to the cost. All regions share one
J, and the rest of the image is the total minus the region, so J is computed once, reduced to d x d matrices and
forgotten. Where fewer rows than columns of J are wanted, as of a region of a few pixels whose rest does not matter,
reverse mode computes just those rows.

Source: Zhu et al. 2021, arXiv:2106.04488, section 3.2; the authors take reverse mode, one pass per pixel, and the same
matrices.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.sharding import PartitionSpec
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.memory import default_memory, even_parts, fitting_tangents, halving, platform_most
from lrgan_jax.layers import Choice, Moves, moves_of

Channels = Literal["mean", "sum", "stack"]
CHANNELS: tuple[Channels, ...] = ("mean", "sum", "stack")
Pooling = Literal["area", "nearest"]
POOLINGS: tuple[Pooling, ...] = ("area", "nearest")
LARGEST_GRID = 256  # pixels on the longer side of a Jacobian, unless more are asked for: the authors' size
TANGENT = "tangent"  # the axis of devices over which `spread_over` spreads them
REVERSE = 3  # a row by reverse mode takes up to so many times as long as a column by forward mode


@display.record
class RegionGrams(NamedTuple):
    """Grams J^T J / n of N latents and R regions; units: (image value per unit of latent) squared."""

    inside: Float[Array, "n r d d"]
    outside: (
        Float[Array, "n r d d"] | None
    )  # of the rest of the image, zeros where a region covers all; None if not wanted
    image: Float[Array, "n h w c"]
    jacobian: Float[Array, "n g v c d"] | None  # only if asked for

    def _repr_html_(self) -> str:
        """Of the first latents and regions, the mean of the d eigenvalues and all of them, inside and outside."""
        num, regions, d, _ = np.shape(self.inside)
        pairs = [(n, r) for n in range(num) for r in range(regions)]
        few = pairs[: display.SHOWN]
        columns = {
            "latent": [str(n) for n, _ in few],
            "region": [str(r) for _, r in few],
            "image": [display.picture(np.asarray(self.image[n])[None], f"latent {n}", 40) for n, _ in few],
        }
        for name, grams in (("inside", self.inside), ("outside", self.outside)):
            if grams is not None:
                each = [np.asarray(grams[at]) for at in few]
                columns[f"{name}, mean"] = [f"{np.trace(gram) / d:.3g}" for gram in each]
                columns[f"{name}, eigenvalues"] = [display.spectrum(gram) for gram in each]
        title = f"Grams {d} x {d} of {num} latent{'s' * (num > 1)} and {regions} region{'s' * (regions > 1)}"
        return display.card(title, {}, display.table(columns, len(pairs)))


class Plan(NamedTuple):
    """How the work is cut; the results do not depend on it, beyond rounding."""

    reverse: bool  # rows of J by reverse mode, not columns by forward mode
    group: int  # latents computed at once
    chunk: int  # tangents (or rows) of each computed at once
    block: int  # columns of J held at once; fewer than d are computed again for every block before them
    slab: int  # columns weighed and multiplied with the block at once


@contextmanager
def spread_over(devices: Sequence[Any]) -> Iterator[None]:
    """Within, the tangents of one latent are spread over these devices; of a large generator each is work enough.

        with lr.spread_over(jax.local_devices()):
            found = lr.find_directions(gen, w, "mouth")

    Results are those of one device, to rounding. A sweep spreads latents instead, which needs no exchange.
    """
    mesh = jax.make_mesh((len(devices),), (TANGENT,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)
    with jax.set_mesh(mesh):
        yield


def _num_spread() -> int:
    """How many devices share the tangents."""
    return jax.sharding.get_abstract_mesh().shape.get(TANGENT, 1)


def region_grams(
    f: Callable[[Array], Array],
    latents: ArrayLike | tuple[ArrayLike, ArrayLike],
    masks: ArrayLike,
    *,
    layers: Choice | Moves = None,
    size: int | None = None,
    pooling: Pooling = "area",
    channels: Channels = "mean",
    rest: bool = True,
    chunk: int | None = None,
    memory: int | None = None,
    precision: str = "highest",
    keep_jacobian: bool = False,
) -> RegionGrams:
    """Grams of every region and of the rest of the image, at every latent, from one pass over the Jacobian.

    Args:
      f: any pure function of one latent, [d] or [L, d], to one image [H, W, C]. Compiled once per function object: pass
        the same one again, or a `jax.tree_util.Partial` (as `image_function` returns), whose arguments are then no part
        of the program.
      latents: [N, d], or [N, L, d] with one row per layer; or these and class labels [N, c], of which f takes one as
        its second argument, and is not differentiated by it.
      masks: weights in [0, 1] at the Jacobian's size: [R, h, w] shared by all latents, or [N, R, h, w]. A single [h, w]
        is R = 1.
      layers: rows of ws that move together, as numbers or as text, "4-7" or "4,6"; None moves all. With [N, L, d]
        latents only. `layers.Moves` also has a vector for each row; d of the result is then the rows' together.
      size: longer side of the Jacobian's pixel grid; None keeps the image's up to 256, the authors' size, and about 256
        above it.
      pooling: from the image's size to `size`: means of blocks, or every k-th pixel as the authors do.
      channels: "mean" is the authors' way, "sum" ReSeFa's, "stack" keeps each channel as rows of its own.
      rest: False leaves out the rest of the image, and with it every pixel in no region.
      chunk: tangents computed at once; None fits them to `memory` and to what the platform makes use of.
      memory: bytes to take beyond arguments and results, a few d x d matrices apart; None takes half of what is free.
      precision: of matrix products inside f and its tangents, a `jax.default_matmul_precision`. The Grams are always
        "highest".
      keep_jacobian: also return J, [N, h, w, C or 1, d].
    Raises:
      InputError: on shapes that do not fit, empty masks, weights outside [0, 1], or latents that are not finite.
    """
    f = f if isinstance(f, Partial) else Partial(f)
    latents, *labels = map(jnp.asarray, latents if isinstance(latents, tuple) else (latents,))
    check_number("latents", latents)
    if latents.ndim not in (2, 3):
        raise InputError(
            f"latents are [N, d] or [N, L, d], got {list(latents.shape)}; give one latent a leading axis of 1"
        )
    if not len(latents):
        raise InputError("there is no latent to take the Jacobian at")
    if latents.ndim == 2 and layers is not None:
        raise InputError("layers can be chosen only in ws [N, L, d]; these latents are [N, d]")
    moves = (
        layers if isinstance(layers, Moves) else moves_of(layers, latents.shape[1]) if latents.ndim == 3 else Moves()
    )
    at = (latents, *labels)
    if len(at[-1]) != len(latents):
        raise InputError(f"one label for each latent: {len(at[-1])} for {len(latents)}")
    image = jax.eval_shape(f, *(jax.ShapeDtypeStruct(a.shape[1:], a.dtype) for a in at))
    if len(image.shape) != 3:
        raise InputError(f"f must map one latent to one image [H, W, C], it returns {list(image.shape)}")
    check_whole("chunk", chunk)
    check_whole("memory", memory)
    grid = pixel_grid(image.shape[:2], size)
    masks = check_masks(masks, grid, len(latents))
    pixels = None if rest or keep_jacobian else _pixels_in(masks)
    num_rows = (grid[0] * grid[1] if pixels is None else len(pixels)) * (image.shape[2] if channels == "stack" else 1)
    memory = default_memory() if memory is None else memory
    first, column = [a[0] for a in at], num_rows * image.dtype.itemsize

    def compute(memory: int) -> RegionGrams:
        plan = _plan(f, first, moves, column, num_rows, memory, chunk, len(latents), whole=keep_jacobian)
        return _region_grams(f, at, masks, pixels, moves, grid, pooling, channels, rest, plan, precision, keep_jacobian)

    return halving(compute, memory)[0]


def _plan(
    f, at, moves: Moves, column: int, num_rows: int, memory: int, chunk: int | None, num: int, *, whole: bool
) -> Plan:
    """Two fifths of the memory for J, an eighth for a slab and its weighed copy, a quarter for tangents; the rest is
    the image's own. Latents are computed together where one does not fill the device, as far as all of J fits.

    Args:
      column: bytes of one. chunk: what was asked for, or None. num: of latents.
    """
    d = moves.size(at[0].shape[-1])
    reverse = REVERSE * num_rows <= d
    block = d if whole or reverse else even_parts(d, 2 * memory // 5 // column)
    slab = even_parts(block, memory // 16 // column)
    spread = _num_spread()
    tangents = fitting_tangents(f, at, memory // 4) * spread
    chunk = min(even_parts(d, tangents) if chunk is None else chunk, num_rows if reverse else block)
    chunk = chunk // spread * spread or chunk  # as many on each device
    together = platform_most().together and block == d
    group = min(tangents // chunk, 2 * memory // 5 // (d * column)) if together else 1
    return Plan(reverse, even_parts(num, group), chunk, block, slab)


def _pixels_in(masks) -> np.ndarray | None:
    """Numbers of the pixels in any region; None for all, where that saves little or masks are not known yet.

    Padded with a number past the last to a power of two, so that regions of about the same size share a program.
    """
    if isinstance(masks, Tracer):
        return None
    inside = np.flatnonzero(np.asarray(masks).reshape(-1, masks.shape[-2] * masks.shape[-1]).any(0))
    total, padded = masks.shape[-2] * masks.shape[-1], 1 << (len(inside) - 1).bit_length()
    return None if 2 * padded > total else np.pad(inside, (0, padded - len(inside)), constant_values=total)


@partial(jax.jit, static_argnums=(4, 5, 6, 7, 8, 9, 10, 11))
def _region_grams(f, at, masks, pixels, moves, grid, pooling, channels, rest, plan, precision, keep_jacobian):
    num_pixels = grid[0] * grid[1]

    def rows(latent, *label):
        """The values that count, [P], and the image."""
        image = f(latent, *label)
        values = reduced(image, grid, pooling, channels).reshape(num_pixels, -1)
        return (values if pixels is None else values.at[pixels].get(mode="clip")).reshape(-1), image

    def of_one(item):
        """The Grams at one latent."""
        (latent, *label), masks = item
        size = moves.size(latent.shape[-1])
        with jax.default_matmul_precision(precision):
            values, push_forward, image = jax.linearize(lambda latent: rows(latent, *label), latent, has_aux=True)
            weights = masks.reshape(-1, num_pixels).astype(
                jnp.promote_types(values.dtype, jnp.float32)
            )  # the Grams' dtype too
            if pixels is not None:
                weights = weights.at[:, pixels].get(mode="fill", fill_value=0)
            per_pixel = values.size // weights.shape[1]
            weights = jnp.repeat(weights, per_pixel, axis=1)
            if rest:
                weights = jnp.concatenate([weights, jnp.ones_like(weights[:1])])
            columns = (_by_rows if plan.reverse else _by_columns)(push_forward, latent, values, moves, plan.chunk)
            sums, J = _weighted_grams(columns, size, weights, plan)
        counts = masks.astype(sums.dtype).sum((1, 2)) * per_pixel
        inside = sums[: len(masks)] / jnp.maximum(counts, 1e-6)[:, None, None]
        outside = None
        if rest:
            others = values.size - counts
            mean = (sums[-1] - sums[:-1]) / jnp.maximum(others, 1e-3)[:, None, None]
            outside = jnp.where(others[:, None, None] > 1e-3, mean, 0)
        return RegionGrams(
            inside, outside, image, J.T.reshape(*grid, per_pixel, -1) if keep_jacobian and J is not None else None
        )

    if masks.ndim == 4:
        return _in_groups(of_one, (at, masks), plan.group)
    return _in_groups(lambda at: of_one((at, masks)), at, plan.group)


def _in_groups(f: Callable, items, size: int):
    """`lax.map`, of so many at once; the last one fills up its group."""
    if size == 1:
        return lax.map(f, items)
    num = len(jax.tree.leaves(items)[0])
    places = jnp.minimum(jnp.arange(-(-num // size) * size), num - 1).reshape(-1, size)
    found = lax.map(lambda group: jax.vmap(f)(jax.tree.map(lambda a: a[group], items)), places)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:num], found)


def _by_columns(push_forward, latent, values, moves, chunk):
    """Forward mode: `columns(first, num)` gives J e_k for first <= k < first + num, [num, P]; e_k is the k-th number of
    a move.
    """
    d = latent.shape[-1]

    def column(k):
        return push_forward(moves.spread(jax.nn.one_hot(k, moves.size(d), dtype=latent.dtype), d))

    def columns(first, num):
        return _in_parts(lambda k, n: jax.vmap(column)(_on_devices(first + k + jnp.arange(n))), num, chunk, values)

    return columns


def _on_devices(numbers):
    """An equal part of them on each of the devices that share the tangents; the compiler spreads what follows."""
    spread = _num_spread()
    if spread == 1 or len(numbers) % spread:
        return numbers
    return lax.with_sharding_constraint(numbers, PartitionSpec(TANGENT))


def _by_rows(push_forward, latent, values, moves, chunk):
    """Reverse mode: all of J's rows at once, since there are few, handed out as columns."""
    pull_back = jax.linear_transpose(push_forward, latent)

    def row(p):
        (gradient,) = pull_back(jax.nn.one_hot(p, values.size, dtype=values.dtype))
        return moves.gather(gradient)

    like = jnp.zeros(moves.size(latent.shape[-1]), latent.dtype)
    J = _in_parts(lambda p, n: jax.vmap(row)(p + jnp.arange(n)), values.size, chunk, like)
    return lambda first, num: lax.dynamic_slice_in_dim(J.T, first, num)


def _weighted_grams(columns, d, weights, plan) -> tuple[Float[Array, "r d d"], Float[Array, "d p"] | None]:
    """sum_p m_p J_pi J_pj for all weights m [R, P], and J^T [d, P] itself if it fits.

    Block after block of columns is held, and multiplied with the columns from its own first one on; the rest is
    symmetry.
    """
    block, slab, whole = plan.block, plan.slab, plan.block == d

    def products(held, part):
        """[R, block, slab]: one region at a time, lest R weighed copies be held."""
        held, part = held.astype(weights.dtype), part.astype(weights.dtype)
        return lax.map(lambda m: jnp.einsum("ip,jp->ij", held, part * m, precision=lax.Precision.HIGHEST), weights)

    def of_block(grams, first, held):
        def add(i, grams):
            start = jnp.minimum(first + i * slab, d - slab)
            part = lax.dynamic_slice_in_dim(held, jnp.minimum(start - first, block - slab), slab)
            if not whole:
                part = lax.cond(start - first <= block - slab, lambda: part, lambda: columns(start, slab))
            return lax.dynamic_update_slice(grams, products(held, part), (0, first, start))

        return lax.fori_loop(0, -(-(d - first) // slab), add, grams)

    def over_blocks(i, grams):
        first = jnp.minimum(i * block, d - block)
        return of_block(grams, first, columns(first, block))

    grams, J = jnp.zeros((len(weights), d, d), weights.dtype), None
    if whole:
        J = columns(0, d)
        grams = of_block(grams, 0, J)
    else:
        grams = lax.fori_loop(0, -(-d // block), over_blocks, grams)
    return jnp.triu(grams) + jnp.swapaxes(jnp.triu(grams, 1), -1, -2), J


def _in_parts(part: Callable, num: int, size: int, like):
    """`part(first, size)` for all of `num`, stacked arrays `like` this one; the last part starts early rather than be
    shorter.
    """
    size = min(size, num)
    if size == num:
        return part(0, num)

    def fill(i, out):
        first = jnp.minimum(i * size, num - size)
        return lax.dynamic_update_slice_in_dim(out, part(first, size), first, 0)

    return lax.fori_loop(0, -(-num // size), fill, jnp.zeros((num, *like.shape), like.dtype))


def reduced(image, grid, pooling, channels):
    """The image at the Jacobian's size and channels, [h, w, c]: a linear map."""
    height, width = image.shape[:2]
    if pooling == "nearest":  # floor(i * H / h), the rule of TensorFlow's resize that the authors call
        rows, columns = (np.arange(g) * n // g for g, n in zip(grid, (height, width), strict=True))
        image = image[rows][:, columns]
    elif pooling == "area":
        image = image.reshape(grid[0], height // grid[0], grid[1], width // grid[1], -1).mean((1, 3))
    else:
        raise InputError(f'pooling is "area" or "nearest", got {pooling!r}')
    if channels == "stack":
        return image
    if channels not in ("mean", "sum"):
        raise InputError(f'channels is "mean", "sum" or "stack", got {channels!r}')
    return getattr(image, channels)(-1, keepdims=True)


def pixel_grid(shape: tuple[int, int], size: int | None = None) -> tuple[int, int]:
    """Height and width of the Jacobian's pixel grid of an image [H, W]: both divide the image's.

    Args:
      size: its longer side; None takes the largest grid of at most LARGEST_GRID, or the image's own where there is
        none.
    """
    height, width = shape
    longer = max(height, width)
    if size is None:
        steps = range(-(-longer // LARGEST_GRID), longer + 1)
        step = next(
            (k for k in steps if height % k == 0 and width % k == 0), 1
        )  # 1 where the sides have no divisor in common
        return height // step, width // step
    if not 1 <= size <= longer or longer % size or any(side * size % longer for side in shape):
        raise InputError(f"a {height}x{width} image cannot be pooled to size {size}: take a divisor of {longer}")
    return height * size // longer, width * size // longer


def check_masks(masks: ArrayLike, grid: tuple[int, int], num_latents: int) -> Float[Array, "*n r h w"]:
    """Masks as floats with a region axis; refuses wrong sizes, empty regions and weights outside [0, 1]."""
    masks = jnp.asarray(masks, jnp.float32)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim not in (3, 4) or masks.shape[-2:] != grid:
        raise InputError(f"masks must cover the Jacobian's {grid[0]}x{grid[1]} pixels, got shape {list(masks.shape)}")
    if masks.ndim == 4 and len(masks) != num_latents:
        raise InputError(f"one set of masks per latent: {len(masks)} sets for {num_latents} latents")
    if not isinstance(masks, Tracer):  # inside jit the values are not there to be looked at
        values = np.asarray(masks)
        if not ((values >= 0) & (values <= 1)).all():
            raise InputError("mask weights must lie in [0, 1]")
        if not values.any(axis=(-2, -1)).all():
            raise InputError("a region is empty: its mask is zero everywhere")
    return masks
