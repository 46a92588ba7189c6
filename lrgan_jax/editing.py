"""latents + directions -> latents: straight edits, and walks that follow the curve along which the rest keeps still."""

from collections.abc import Sequence
from typing import Unpack, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.checks import LONGEST_STEP, check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import counted
from lrgan_jax.directions import Directions
from lrgan_jax.generators import WS, Generator, Latent, to_ws
from lrgan_jax.generators.latents import Kind
from lrgan_jax.layers import Choice, Moves, moves_of
from lrgan_jax.lengths import Root, latent_moves, natural_moves
from lrgan_jax.methods import Pair
from lrgan_jax.regions import Region
from lrgan_jax.search import Search, Settings
from lrgan_jax.subspaces import nearest_local_direction
from lrgan_jax.targets import check_finite, grams_operations, metric_root, one_region, pair_grams, search_moves, targets


@overload
def edit(
    ws: Kind, directions: Directions | ArrayLike, steps: ArrayLike | Sequence[float], *, layers: Choice = None
) -> Kind: ...
@overload
def edit(
    ws: ArrayLike, directions: Directions | ArrayLike, steps: ArrayLike | Sequence[float], *, layers: Choice = None
) -> Array: ...
def edit(
    ws: ArrayLike | Latent,
    directions: Directions | ArrayLike,
    steps: ArrayLike | Sequence[float],
    *,
    layers: Choice = None,
) -> Array | Latent:
    """`ws + sum_k steps[k] * n_k` on the chosen layers.

    Args:
      ws: latents [N, d], or [N, L, d] with one row per layer, of any of our latent types or plain.
      directions: k directions, or plain rows [k, d], one row [d], or moves of ws (W+) [k, L, d].
      steps: [..., k], units of latent length; the k moves are added up, leading axes make one batch of edits each. With
        a single direction the last axis may be left out: a number is one edit, [S] are S edits.
      layers: rows of ws to move; None takes the directions' own, which may be all.
    Returns:
      Latents of the same type and dtype, [..., N, d] or [..., N, L, d], the leading axes being those of `steps`.
    Raises:
      InputError: if the widths, the number of steps or the layers do not fit, or a number is not finite or a step
        longer than 1e6.
    """
    rows = jnp.atleast_2d(jnp.asarray(directions.vectors if isinstance(directions, Directions) else directions))
    if layers is None and isinstance(directions, Directions):
        layers = directions.layers
    latents, steps = jnp.asarray(ws), jnp.asarray(steps, rows.dtype)
    check_number("directions", rows)
    check_number("latents", latents)
    check_number("steps", steps, least=-LONGEST_STEP, most=LONGEST_STEP)
    if latents.shape[-1] != rows.shape[-1]:
        raise InputError(
            f"the directions have {rows.shape[-1]} numbers, the latents {latents.shape[-1]}: not the same model"
        )
    if rows.ndim == 3 and latents.shape[1:] != rows.shape[1:]:
        raise InputError(
            f"these directions move {rows.shape[1]} layers: they take ws [N, {rows.shape[1]}, d], "
            f"got {list(latents.shape)}"
        )
    if len(rows) == 1 and steps.shape[-1:] != (1,):
        steps = steps[..., None]
    if steps.shape[-1:] != (len(rows),):
        raise InputError(f"{len(rows)} directions take steps of shape [..., {len(rows)}], got {list(steps.shape)}")
    rows = rows[:, None] if rows.ndim < latents.ndim else rows  # [k, 1 or L, d] for ws
    move = jnp.tensordot(
        steps, rows, 1, precision="highest"
    )  # [..., d] or [..., 1 or L, d]; bfloat16 would turn long steps
    move = jnp.expand_dims(move, -latents.ndim)  # the latents' own axis
    if layers is not None:
        if latents.ndim != 3:
            raise InputError(
                "layers can be chosen only in ws [N, L, d]; spread w over the layers first, with to_ws(gen, w)"
            )
        move = move * moves_of(layers, latents.shape[1]).weights(move.dtype)[:, None]
    edited = latents + move
    if jnp.issubdtype(latents.dtype, jnp.floating):  # directions and steps may be of more bits, or fewer
        edited = edited.astype(latents.dtype)
    return ws.like(edited) if isinstance(ws, Latent) else edited


def walk(
    gen: Generator,
    w: ArrayLike | Latent,
    direction: Directions | ArrayLike,
    region: Region,
    *,
    length: ArrayLike,
    num_steps: int = 16,
    search: Search | None = None,
    **overrides: Unpack[Settings],
) -> WS:
    """Move along `direction` in short steps, and turn it before each so that it stays local where it has come to.

    A straight edit is local only as long as the Jacobian stays what it was. Here the Grams are computed again at every
    step, and the direction is replaced by the nearest one in the mu-local subspace found there, so it keeps its
    meaning; the farther an edit, the more that saves. Costs a Jacobian a step.

    Args:
      w: w [N, w_dim] or ws [N, num_ws, w_dim].
      direction: one direction for all latents, or rows [N, d]; moves of ws [1, num_ws, d] or [N, num_ws, d] (W+).
      region: as `find_directions` takes it.
      length: of the whole path in the search's metric, standard deviations by default, one number or [N]; negative
        ones walk the other way.
      search, overrides: settings of `Search` as in `find_directions`, of which `protect`, `layers`, `channels`,
        `part`, `pooling`, `size`, `metric` and those of mu count: the inside-to-outside ratio to keep, set at each
        point by default. Without layers and part the directions' own move.
    Returns:
      The points of the path, [num_steps + 1, N, num_ws, w_dim], the latents themselves first.
    Raises:
      InputError: on a direction, layers, regions or numbers that do not fit.
    """
    check_whole("num_steps", num_steps)
    check_number("length", length, least=-LONGEST_STEP, most=LONGEST_STEP)
    search = (search or Search()).but(**overrides)
    one_region(region)
    start = to_ws(gen, w)
    rows = jnp.asarray(direction.vectors if isinstance(direction, Directions) else direction, start.dtype)
    check_number("direction", rows)
    if isinstance(direction, Directions):
        part = None if direction.search is None else direction.search.part
        search = search.but(
            layers=direction.layers if search.layers is None else search.layers,
            part=part if search.part is None else search.part,
        )
    if search.layers is None and rows.ndim == 3:
        search = search.but(layers=range(gen.num_ws))
    search = search.but(per_layer=rows.ndim == 3, mu=None if search.measures else search.mu)
    moves, aims = search_moves(gen, search), targets(gen, [region], search)
    numbers = _numbers_of(jnp.atleast_2d(rows), moves, len(start), gen.w_dim)
    stride = jnp.broadcast_to(jnp.asarray(length, start.dtype) / num_steps, len(start))[:, None, None]
    root, prices = metric_root(gen, search), {name: getattr(search, name) for name in ("mu", "price", "change", "tao")}
    points = [start]
    for _ in counted(range(num_steps), "walking", operations=grams_operations(gen, search, num_steps * len(start))):
        pairs = check_finite(pair_grams(gen, points[-1], aims, search))
        numbers = _turned(numbers, pairs.inside[:, 0], pairs.outside[:, 0], root, prices)
        points.append(points[-1] + stride * moves.spread(numbers, gen.w_dim))
    along = start.like(jnp.stack([point.array for point in points]))
    return WS(along.array, along.c)


def along(path: WS, share: int | float) -> WS:
    """The point of a walk [S + 1, N, num_ws, w_dim] after that share of it, between two of its points on the line.

    Raises:
      InputError: on a share that is not from 0 to 1, or of a path of one point.
    """
    check_number("share", share, least=0, most=1)
    check_whole("the points of a path", len(path), least=2)
    place = share * (len(path) - 1)
    k = min(int(place), len(path) - 2)
    return path[k] + (place - k) * (path[k + 1] - path[k])


def _numbers_of(rows: Float[Array, "k *layers d"], moves: Moves, num: int, d: int) -> Float[Array, "n m"]:
    """The numbers that `moves` spreads, one row for each of `num` latents."""
    shape = (moves.num_ws, d) if moves.per_layer else (d,)
    if rows.shape not in ((1, *shape), (num, *shape)):
        wanted = f"one direction, or one for each of the {num} latents, of {' x '.join(map(str, shape))} numbers"
        raise InputError(f"a walk takes {wanted}, got {list(rows.shape)}")
    if moves.numbers is not None and not np.array_equal(moves.widened(moves.narrowed(rows), d), rows):
        first, end = moves.numbers
        raise InputError(f"this direction moves more than the numbers {first} to {end} of a latent: name its part")
    numbers = jax.vmap(moves.gather)(rows) if moves.per_layer else moves.narrowed(rows)
    return jnp.broadcast_to(numbers, (num, numbers.shape[1]))


@jax.jit
def _turned(
    rows: Float[Array, "n m"], inside: Float[Array, "n m m"], outside: Float[Array, "n m m"], root: Root, prices
) -> Float[Array, "n m"]:
    def of_one(row, a, b):
        pair = Pair(a, b, root, **prices)
        natural = natural_moves(row[None], root)[0]
        return latent_moves(nearest_local_direction(natural, *pair.natural, pair.mu)[None], root)[0]

    return jax.vmap(of_one)(rows, inside, outside)
