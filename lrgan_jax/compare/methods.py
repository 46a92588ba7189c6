"""The methods that are compared: the one direction by which each would edit a region at a latent.

Methods that know the region give their first direction. Those that do not are helped: of their first ten, the one is taken whose quotient
of change inside to change outside, a step's length priced as in `default_mu`, is best at this very latent and region.
"""
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax import baselines
from lrgan_jax.compare.setup import Setup, over_all
from lrgan_jax.generators import W
from lrgan_jax.pipeline import analyse
from lrgan_jax.subspaces import TAO, Candidates, default_mu, energies, frontier_directions, rayleigh_directions

OFFERED = 10  # directions of a method that does not know the region
SAMPLES = 4096  # latents behind GANSpace
EXPLAINED = {
    "random": "orthonormal, drawn at random",
    "GANSpace": "principal components of w, or of images carried over to z",
    "SeFa": "what the weights behind the latent amplify most",
    "Local Basis": "how w moves most when z does",
    "attribute": "the region's leading eigenvector, whatever it does elsewhere",
    "authors": "the paper's projection on the null space of the rest, by its authors' solver",
    "projected": "the same, solved to convergence",
    "ReSeFa": "the largest quotient of change inside to change outside",
    "constrained": "the best direction inside the paper's null space",
    "frontier": "ours, with mu set from the Jacobian",
}
KNOWING: dict[str, Callable[[Array, Array], Candidates]] = {  # the region: from M_A and M_B
    "attribute": lambda a, b: analyse(a, b).candidates["attribute"],
    "authors": lambda a, b: analyse(a, b, mode="authors").candidates["projected"],
    "projected": lambda a, b: analyse(a, b).candidates["projected"],
    "ReSeFa": lambda a, b: rayleigh_directions(a, b, 0.0),
    "constrained": lambda a, b: analyse(a, b).candidates["constrained"],
    "frontier": lambda a, b: frontier_directions(a, b, default_mu(a, b)),
}


Finder = Callable[[Array, Array], Array]  # Grams of all latents and regions -> directions [N, R, d], NaN where there is none


def finders(setup: Setup) -> dict[str, Finder]:
    """The first direction of each method that knows the region, compiled for Grams of this setup's shape."""
    return {name: over_all(_first(method)).lower(setup.inside, setup.outside).compile() for name, method in KNOWING.items()}


def directions_of_all(
    setup: Setup, knowing: dict[str, Finder], key: Array
) -> tuple[dict[str, Float[Array, "n r d"]], dict[str, float]]:
    """Unit directions of every method that this generator has, and what each takes.

    Args:
      knowing: as `finders` makes them.
    Returns:
      Method -> directions, NaN where a method has none; and for the methods that know the region, seconds per latent and region without
      the Jacobian, compiled.
    """
    seconds, found = {}, {}
    for name, rows in _offers(setup, key).items():
        found[name] = jax.jit(jax.vmap(jax.vmap(best_of, (None, 0, 0))))(rows, setup.inside, setup.outside)
    for name, finder in knowing.items():
        start = time.perf_counter()
        found[name] = jax.block_until_ready(finder(setup.inside, setup.outside))
        seconds[name] = (time.perf_counter() - start) / (len(setup.ws) * len(setup.regions))
    return {name: found[name] for name in EXPLAINED if name in found}, seconds


def best_of(rows: Float[Array, "k d"], inside: Float[Array, "d d"], outside: Float[Array, "d d"]) -> Float[Array, " d"]:
    """The row v with the largest a(v) / (b(v) + tao trace(M_B))."""
    quotients = energies(rows, inside) / (energies(rows, outside) + TAO * jnp.trace(outside))
    return rows[jnp.argmax(quotients)]


def frontier_curve(inside: Float[Array, "d d"], outside: Float[Array, "d d"], mus: Float[Array, " m"]) -> Float[Array, "m d"]:
    """The frontier's best direction for each mu."""
    return jax.vmap(lambda mu: frontier_directions(inside, outside, mu).vectors[0])(mus)


def frontier_at(inside: Float[Array, "d d"], outside: Float[Array, "d d"], change: Float[Array, ""]) -> Float[Array, " d"]:
    """The frontier's direction whose first-order change inside is `change`: as mu rises, a(mu) falls, so bisection in log mu finds it."""

    def best(log_mu):
        return frontier_directions(inside, outside, jnp.exp(log_mu)).vectors[0]

    def halve(_, bracket):
        low, high = bracket
        middle = (low + high) / 2
        enough = energies(best(middle)[None], inside)[0] >= change
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    centre = jnp.log(default_mu(inside, outside))
    low, _ = jax.lax.fori_loop(0, 24, halve, (centre - 10.0, centre + 10.0))
    return best(low)


def _offers(setup: Setup, key: Array) -> dict[str, Float[Array, "n k d"]]:
    """The first directions of the methods that do not know the region, at every latent."""
    gen, layers, num = setup.gen, setup.layers, len(setup.z)
    key_random, key_samples = jax.random.split(key)
    fixed = {
        "random": baselines.random_directions(gen, key_random, layers=layers, num=OFFERED),
        "GANSpace": baselines.ganspace(gen, key_samples, layers=layers, num=OFFERED, samples=SAMPLES),
    }
    if hasattr(gen, "style_weights"):
        fixed["SeFa"] = baselines.sefa(gen, layers=layers, num=OFFERED)
    offers = {name: jnp.broadcast_to(found.vectors, (num, *found.vectors.shape)) for name, found in fixed.items()}
    if isinstance(gen.mapping(setup.z[:1]), W):
        local = [baselines.local_basis(gen, z[None], layers=layers, num=OFFERED).vectors for z in setup.z]
        offers["Local Basis"] = jnp.asarray(np.stack(local))
    return offers


def _first(method: Callable[[Array, Array], Candidates]) -> Callable[[Array, Array], Array]:
    def of_one(inside, outside):
        candidates = method(inside, outside)
        return jnp.where(candidates.mask[0], candidates.vectors[0], jnp.nan).astype(inside.dtype)

    return of_one
