"""The methods that are compared: the one direction by which each would edit a region, and the same asked otherwise.

Methods that look at the region give their first direction. Those that do not are helped: of their first ten, the one
is taken whose quotient of change inside to change outside, a step's length priced, is best at this very latent and
region.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.compare.setup import Setup, over_all
from lrgan_jax.compare.stages import Stages
from lrgan_jax.evaluation import Scene, first
from lrgan_jax.generators import Z
from lrgan_jax.lengths import Root, latent_moves, natural_moves
from lrgan_jax.measured import by_real_steps, takes_steps
from lrgan_jax.methods import METHODS, Method, Pair, fits, named
from lrgan_jax.methods.frontier import FRONTIER
from lrgan_jax.pipeline import OFFERED, analyse
from lrgan_jax.rpca import settled
from lrgan_jax.search import Search
from lrgan_jax.subspaces import energies, frontier_directions

OWN = "its own"
OTHERS = ("another image's", "all images' mean")  # Grams in place of a latent's own; AROUND has more
RANKED = 16  # latents at which ranks are looked at: extreme lambdas take many steps

# From the Grams of all latents and regions to directions [N, R, m], NaN where there is none.
Finder = Callable[[AnyArray, AnyArray], AnyArray]


@display.record
class Found(NamedTuple):
    """One method's directions, of natural length 1, and the seconds they took, compiled, per latent and region.

    NaN where others' are chosen from.
    """

    vectors: Float[np.ndarray, "n r m"]
    seconds: Float[np.ndarray, ""]


@display.record
class Vectors(NamedTuple):
    """Directions of several kinds."""

    vectors: Float[np.ndarray, "k n r m"]


@display.record
class Ranks(NamedTuple):
    """Of the low-rank parts, for S scales of lambda at the first latents."""

    rank_inside: Int[AnyArray, "s n r"]
    rank_outside: Int[AnyArray, "s n r"]
    energy_inside: Float[AnyArray, "s n r"]  # share of the Gram's trace
    energy_outside: Float[AnyArray, "s n r"]
    converged: Bool[AnyArray, "s n r"]


def compared(scene: Scene, z: Z | None, only: Sequence[str] = ()) -> list[Method]:
    """Those of the table that generator, latents and search allow, in its order; or these and the frontier.

    Raises:
      InputError: on a name of `only` that is none, or of a method that they do not allow.
    """
    lacking = {name: _lacks(method, scene, z) for name, method in METHODS.items()}
    wanted = {named(name).name for name in (*only, FRONTIER.name)}
    if only and (missing := [name for name in only if lacking[name]]):
        raise InputError(f"{missing[0]} cannot be compared here: it {lacking[missing[0]]}")
    return [m for name, m in METHODS.items() if not lacking[name] and (name in wanted or not only)]


def _lacks(method: Method, scene: Scene, z: Z | None) -> str:
    """Why a method cannot be asked; empty if it can."""
    if not fits(method, scene.gen):
        return f"needs a model with {method.needs} of its own"
    if method.needs == "mapping" and z is None:
        return "needs the z that the latents were mapped from"
    if scene.search.per_layer and not method.sees_region:
        return "finds one vector for all layers: leave per_layer out"
    return ""


def finder(setup: Setup, name: str) -> Finder:
    """A method that looks at the region, compiled for Grams of this setup's shape."""
    search, root = setup.by_first_order, setup.root
    of_pair = over_all(
        lambda a, b: first(analyse(a, b, search, root=root, several=(name,)).candidates[name]).astype(a.dtype)
    )
    return of_pair.lower(setup.inside, setup.outside).compile()


def directions_of_all(
    setup: Setup, methods: Sequence[Method], stages: Stages, find: Callable[[str], Finder]
) -> dict[str, Found]:
    """Directions of every one of these methods.

    Args:
      find: gives the `finder` of a method, compiled once however often it is asked for.
    """
    return {m.name: stages.keep(f"method-{m.name}", Found, partial(_found, setup, m, find)) for m in methods}


def _found(setup: Setup, method: Method, find: Callable[[str], Finder]) -> Found:
    if not method.sees_region:
        return Found(of_length_1(_chosen(setup, method), setup.root), np.array(np.nan))
    asked = replace(setup.scene.search, method=method.name)
    of_all = partial(_by_real_steps, setup, asked) if takes_steps(asked) else find(method.name)
    start = time.perf_counter()
    vectors = jax.block_until_ready(of_all(setup.inside, setup.outside))
    seconds = (time.perf_counter() - start) / np.prod(vectors.shape[:2])
    return Found(of_length_1(np.asarray(vectors), setup.root), np.array(seconds))


def _by_real_steps(setup: Setup, asked: Search, inside: AnyArray, outside: AnyArray) -> Float[Array, "n r m"]:
    """The frontier's directions after real steps at each latent."""
    scene, search, root = setup.scene, setup.by_first_order, setup.root
    alone = [replace(scene, search=asked, ws=scene.ws[n : n + 1]) for n in range(len(inside))]
    found = [by_real_steps(at, a, b) for at, a, b in zip(alone, inside, outside, strict=True)]
    a, b, prices = (
        np.stack([np.stack([of[k] for of in each]) for each in found]).astype(inside.dtype) for k in range(3)
    )

    def best(a, b, price):
        return first(analyse(a, b, search, root=root, price=price).candidates[search.method])

    return over_all(best)(a, b, prices)


def of_length_1(vectors: Float[np.ndarray, "*k m"], root: Root) -> Float[np.ndarray, "*k m"]:
    """The same, each of natural length 1, so that steps along any of them are as long as they are."""
    rows = vectors.reshape(-1, vectors.shape[-1])
    lengths = np.linalg.norm(natural_moves(rows, root), axis=-1, keepdims=True)
    return (rows / lengths).reshape(vectors.shape)


def _chosen(setup: Setup, method: Method) -> Float[np.ndarray, "n r m"]:
    """Of a method that does not look at the region: the best of its first directions for each latent and region."""
    search, root = setup.by_first_order, setup.root
    rows = jnp.asarray(method.find(setup.scene.gen, search, setup.z))[..., :OFFERED, :]
    rows = jnp.broadcast_to(rows, (len(setup.inside), *rows.shape[-2:]))

    def best(rows, inside, outside):
        return analyse(inside, outside, search, root=root, rows=rows).candidates[search.method].vectors[0]

    return np.asarray(jax.jit(jax.vmap(jax.vmap(best, (None, 0, 0))))(rows, setup.inside, setup.outside))


def frontier_curve(pair: Pair, mus: Float[Array, " m"]) -> Float[Array, "m d"]:
    """The frontier's best direction for each mu."""
    natural = jax.lax.map(lambda mu: frontier_directions(*pair.natural, mu).vectors[0], mus)
    return latent_moves(natural, pair.root)


def frontier_at(pair: Pair, change: Float[Array, ""]) -> Float[Array, " d"]:
    """The frontier's direction whose first-order change inside is `change`.

    As mu rises, a(mu) falls, so bisection in log mu finds it.
    """
    inside, outside = pair.natural

    def best(log_mu):
        return frontier_directions(inside, outside, jnp.exp(log_mu)).vectors[0]

    def halve(_, bracket):
        low, high = bracket
        middle = (low + high) / 2
        enough = energies(best(middle)[None], inside)[0] >= change
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    centre = jnp.log(pair.mu)
    low, _ = jax.lax.fori_loop(0, 24, halve, (centre - 10.0, centre + 10.0))
    return latent_moves(best(low)[None], pair.root)[0]


def variants(setup: Setup, find: Finder) -> Vectors:
    """Directions for each latent and region from Grams that are not its own: OTHERS, then the setup's `around`."""
    a, b = setup.inside, setup.outside
    of_next = np.roll(a, -1, 0), np.roll(b, -1, 0)
    of_mean = tuple(np.broadcast_to(gram.mean(0), gram.shape) for gram in (a, b))
    around = [(setup.inside_around[:, p], setup.outside_around[:, p]) for p in range(len(setup.around))]
    found = [np.asarray(find(*pair)) for pair in (of_next, of_mean, *around)]
    return Vectors(of_length_1(np.stack(found), setup.root))


def ranks(setup: Setup, scales: Float[np.ndarray, " s"]) -> Ranks:
    """For lambda = scale / sqrt(m), at the first latents."""
    mode = setup.scene.search.mode

    def of_one(inside, outside, scale):
        low, rest = Pair(inside, outside, lam=scale / len(inside) ** 0.5, mode=mode).splits
        shares = jnp.trace(low.low_rank) / jnp.trace(inside), jnp.trace(rest.low_rank) / jnp.trace(outside)
        return Ranks(low.rank, rest.rank, *shares, settled(low) & settled(rest))

    few = setup.inside[:RANKED], setup.outside[:RANKED]
    of_all = over_all(of_one)
    found = [of_all(*few, np.full(few[0].shape[:2], scale, few[0].dtype)) for scale in scales]
    return Ranks(*(np.stack(of_scales) for of_scales in zip(*found, strict=True)))
