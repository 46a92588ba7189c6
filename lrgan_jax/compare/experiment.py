"""The paper's evaluation, and the questions it leaves open, as one experiment over latents and regions.

Every method is moved by real steps until the region has changed by the same amount, and what changed outside is its leak. Beside the
methods stand directions of the frontier for other mu (its curve), for each method the frontier's direction with the same first-order
change inside (which theory says cannot leak more, to first order), and the same methods asked otherwise (`variants`).
"""
import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from lrgan_jax.compare.effects import Effects, effects
from lrgan_jax.compare.measure import Measured, measure, rates
from lrgan_jax.compare.methods import directions_of_all, finders, frontier_at, frontier_curve
from lrgan_jax.compare.setup import Setup, over_all, prepare
from lrgan_jax.compare.variants import ranks, variants
from lrgan_jax.compare.walks import Walks, compare_walks
from lrgan_jax.generators import Generator
from lrgan_jax.subspaces import default_mu

CURVE = np.geomspace(0.03, 8.0, 7)  # mu of the frontier's curve, in units of the default
LINE = np.geomspace(CURVE[0], CURVE[-1], 49)  # where it is only drawn: chords between few points would cut the curve
ASKED = ("projected", "frontier")  # methods of which the variants are tried
SCALES = np.array([0.25, 0.5, 1.0, 2.0, 4.0])  # of lambda


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """M methods, N latents, R regions. Equal to itself alone: arrays all through, it has no other equality that is a yes or no."""

    setup: Setup
    methods: tuple[str, ...]
    vectors: Float[np.ndarray, "m n r d"]
    measured: Measured  # [M, N, R]
    seconds: dict[str, float]  # of the methods that know the region: per latent and region, the Jacobian apart
    curve: Measured  # [G, N, R], of the frontier at CURVE
    line: tuple[Float[np.ndarray, "l n r"], Float[np.ndarray, "l n r"]]  # its first-order changes inside and outside, at LINE
    matched: Measured  # [M, N, R], of the frontier at each method's first-order change inside
    variants: dict[str, Measured]  # method -> [V, N, R], in the order of VARIANTS
    ranks: dict[str, Shaped[np.ndarray, "s n r"]]
    walks: Walks
    effects: Effects  # [M, N, R]


def run(
    gen: Generator,
    key: Array,
    regions: Sequence[str],
    *,
    num_latents: int = 64,
    num_walked: int = 16,
    layers: Sequence[int] | str | None = None,
    truncation: float = 1.0,
    progress: Any = lambda stages: stages,
) -> Comparison:
    """All of it, from one key: the same key gives the same figures, but for the seconds.

    Args:
      num_walked: of the latents, so many are walked from: a walk takes a Jacobian a step.
      progress: wraps the stages' names, as tqdm does.
    """
    key_latents, key_methods = jax.random.split(key)
    setup = prepare(gen, key_latents, num_latents, regions, layers=layers, truncation=truncation)
    knowing = finders(setup)
    found, seconds = directions_of_all(setup, knowing, key_methods)
    vectors = jnp.stack(list(found.values()))
    a, b, mu = setup.inside, setup.outside, over_all(default_mu)(setup.inside, setup.outside)
    along_curve, along_line = (
        jnp.moveaxis(over_all(frontier_curve)(a, b, mu[..., None] * jnp.asarray(mus, a.dtype)), 2, 0) for mus in (CURVE, LINE)
    )
    line = np.asarray(rates(along_line, a)), np.asarray(rates(along_line, b))
    at = over_all(frontier_at)  # compiled once
    matched = jnp.stack([at(a, b, change) for change in rates(vectors, a)])
    asked = {name: variants(setup, knowing[name]) for name in ASKED}
    of_methods, of_curve, of_matched, *of_asked = measure(setup, [vectors, along_curve, matched, *asked.values()], progress=progress)
    frontier = list(found).index("frontier")
    return Comparison(
        setup, tuple(found), np.asarray(vectors), of_methods, seconds, of_curve, line, of_matched, dict(zip(asked, of_asked, strict=True)),
        jax.tree.map(np.asarray, ranks(setup, jnp.asarray(SCALES, a.dtype))),
        compare_walks(setup, vectors[frontier], of_methods.size[frontier], min(num_walked, num_latents)),
        effects(setup, vectors, of_methods.size),
    )  # fmt: skip
