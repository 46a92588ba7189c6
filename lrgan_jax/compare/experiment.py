"""The paper's evaluation, and the questions it leaves open, as one experiment over latents and regions.

Every method is moved by real steps until the region has changed by the same amount, and what changed outside is its
leak. Beside the methods stand directions of the frontier for other mu (its curve), for each method the frontier's
direction with the same first-order change inside (which theory says cannot leak more, to first order), and the same
methods asked otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.checks import check_whole
from lrgan_jax.compare.effects import Effects, effects, networks
from lrgan_jax.compare.kept import prepare_kept
from lrgan_jax.compare.methods import (
    Ranks,
    Vectors,
    compared,
    directions_of_all,
    finder,
    frontier_at,
    frontier_curve,
    ranks,
    variants,
)
from lrgan_jax.compare.naturalness import Naturalness, naturalness
from lrgan_jax.compare.setup import Setup, choose, over_all, prepare, settings_of
from lrgan_jax.compare.stages import Progress, Stages, shown
from lrgan_jax.compare.walks import OfRegion, Walks, compare_walks
from lrgan_jax.evaluation import Edits, Measured, Scene, measure, rates
from lrgan_jax.generators import Generator, Latent
from lrgan_jax.generators.sampling import Latents
from lrgan_jax.methods import METHODS, Method, Pair
from lrgan_jax.search import Search
from lrgan_jax.sweep import Sweep

CURVE = np.geomspace(0.03, 8.0, 7)  # mu of the frontier's curve, in units of the default
LINE = np.geomspace(CURVE[0], CURVE[-1], 49)  # where it is only drawn: chords between few points would cut the curve
ASKED = ("projected", "frontier")  # methods of which the variants are tried
SCALES = np.array([0.25, 0.5, 1.0, 2.0, 4.0])  # of lambda
STAGES = ".stages"  # in the folder of a comparison, as long as it is not finished


@display.record
class Frontier(NamedTuple):
    """Directions of the frontier beside its best."""

    curve: Float[np.ndarray, "g n r m"]  # at CURVE
    matched: Float[np.ndarray, "k n r m"]  # at each method's first-order change inside
    line: Float[np.ndarray, "2 l n r"]  # first-order changes inside and outside, at LINE


@display.record
@dataclass(frozen=True, eq=False)
class Comparison:
    """M methods, N latents, R regions.

    Equal to itself alone: arrays all through, it has no other equality that is a yes or no.
    """

    setup: Setup
    methods: tuple[str, ...]  # names in the table of methods
    vectors: Float[np.ndarray, "m n r k"]
    measured: Measured  # [M, N, R]
    seconds: dict[str, float]  # of the methods that look at the region: per latent and region, the Jacobian apart
    curve: Measured  # [G, N, R], of the frontier at CURVE
    line: Float[np.ndarray, "2 l n r"]  # its first-order changes inside and outside, at LINE
    matched: Measured  # [M, N, R], of the frontier at each method's first-order change inside
    variants: dict[
        str, Measured
    ]  # method, of ASKED -> [V, N, R], in the order of methods.OTHERS and the setup's `around`
    ranks: Ranks | None  # of the null space that the paper's method rests on, where that is compared
    walks: Walks
    effects: Effects  # [M, N, R]
    natural: Naturalness  # [M, N, R]
    curve_natural: Naturalness  # [G, N, R]

    def _repr_html_(self) -> str:
        """Median leaks of every method by region."""
        columns = {"method": [escape(METHODS[name].title) for name in self.methods]}
        for region, leaks in zip(self.setup.scene.regions, np.moveaxis(self.measured.leak, 2, 0), strict=True):
            columns[f"{escape(region)}, leak %"] = [f"{100 * leak:.3g}" for leak in np.nanmedian(leaks, 1)]
        hint = display.note("medians over the latents; compare.summary(comparison) has intervals, and more")
        return display.card(f"comparison at {len(self.setup.scene.ws)} latents", {}, display.table(columns), hint)


def run(
    gen: Generator,
    latents: Latents | Latent | ArrayLike | Sweep,
    regions: Any,
    search: Search | None = None,
    *,
    num_latents: int | None = None,
    num_walked: int = 16,
    only: Sequence[str] = (),
    folder: Path | None = None,
    progress: Progress = shown,
) -> Comparison:
    """All of it: the same latents and settings give the same figures, but for the seconds.

    Args:
      latents: `seeded` or `given` ones, an array of w or ws, or an opened sweep that kept its Grams
        (grams="float32"): they are then not computed again, and regions are not drawn otherwise, which would need new
        ones.
      regions: a name, several, or name -> whatever `regions.region_mask` takes.
      search: all of it counts but `method` and `num`.
      num_latents: take so many of them; all by default. num_walked: walk from so many: a walk takes a Jacobian a step.
      only: compare methods of these names, and the frontier; by default all that fit.
      folder: where finished pieces are kept, so that the same call goes on after a stop; `stages.forget` removes them.
      progress: wraps the numbers of the latents that a stage goes through, after its name; says how far it is.
    Raises:
      InputError: on latents, regions, methods or settings that do not fit each other, the model, the sweep, or the
        pieces in the folder.
    """
    check_whole("num_walked", num_walked)
    chosen = choose(gen, latents, num_latents)
    scene = Scene.of(gen, chosen.ws, regions, search or Search())
    methods = compared(scene, chosen.z, only)
    further = {"networks": sorted(networks()), "methods": [method.name for method in methods]}
    stages = Stages(folder, settings_of(scene, chosen, num_walked) | further, progress)
    if isinstance(latents, Sweep):
        return _compared(prepare_kept(scene, chosen.z, latents), methods, num_walked, stages)
    return _compared(prepare(scene, chosen.z, stages), methods, num_walked, stages)


def _compared(setup: Setup, methods: Sequence[Method], num_walked: int, stages: Stages) -> Comparison:
    """What follows from the Grams."""
    scene, find = setup.scene, cache(partial(finder, setup))
    found = directions_of_all(setup, methods, stages, find)
    names, vectors = tuple(found), np.stack([of.vectors for of in found.values()])
    asked = {
        name: stages.keep(f"variants-{name}", Vectors, lambda name=name: variants(setup, find(name)))
        for name in ASKED
        if name in names
    }
    frontier = stages.keep("frontier", Frontier, lambda: _frontier(setup, vectors))
    groups = [vectors, frontier.curve, frontier.matched, *(of.vectors for of in asked.values())]
    measured, curve, matched, *of_asked = _measured(setup, groups, stages)
    along, sizes = np.concatenate([vectors, frontier.curve]), np.concatenate([measured.size, curve.size])
    seen = naturalness(scene, along, sizes, stages.each("natural", Naturalness, len(scene.ws)))
    of_methods, of_curve = (
        Naturalness(*(a[part] for a in seen)) for part in (slice(len(names)), slice(len(names), None))
    )
    walked = names.index("frontier"), slice(num_walked)
    walks = stages.each("walks", OfRegion, len(scene.regions))
    return Comparison(
        setup=setup,
        methods=names,
        vectors=vectors,
        measured=measured,
        seconds={name: float(of.seconds) for name, of in found.items() if np.isfinite(of.seconds)},
        curve=curve,
        line=frontier.line,
        matched=matched,
        variants=dict(zip(asked, of_asked, strict=True)),
        ranks=stages.keep("ranks", Ranks, lambda: ranks(setup, SCALES)) if "projected" in names else None,
        walks=compare_walks(scene, vectors[walked], measured.size[walked], walks),
        effects=effects(scene, vectors, measured.size, stages.each("effects", Effects, len(scene.ws))),
        natural=of_methods,
        curve_natural=of_curve,
    )


def _frontier(setup: Setup, vectors: Float[np.ndarray, "k n r m"]) -> Frontier:
    """Its curve, and what matches each direction."""
    a, b, search, root = setup.inside, setup.outside, setup.scene.search, setup.root

    def pair(a, b) -> Pair:
        return Pair(a, b, root, price=search.price, change=search.change, tao=search.tao)

    curve = over_all(lambda a, b, mus: frontier_curve(pair(a, b), pair(a, b).mu * mus))
    along, drawn = (
        np.moveaxis(np.asarray(curve(a, b, np.broadcast_to(mus, (*a.shape[:2], len(mus))).astype(a.dtype))), 2, 0)
        for mus in (CURVE, LINE)
    )
    at = over_all(lambda a, b, change: frontier_at(pair(a, b), change))  # compiled once
    matched = [np.asarray(at(a, b, change)) for change in rates(vectors, a)]
    return Frontier(along, np.stack(matched), np.stack([rates(drawn, a), rates(drawn, b)]))


def _measured(setup: Setup, groups: list[Float[np.ndarray, "_ n r m"]], stages: Stages) -> list[Measured]:
    """Of every group, all measured together."""
    each = stages.each("edits", Edits, len(setup.scene.ws))
    everything = measure(setup.scene, setup.inside, setup.outside, np.concatenate(groups), each=each)
    ends = np.cumsum([len(group) for group in groups])
    return [everything.of(slice(end - len(group), end)) for end, group in zip(ends, groups, strict=True)]
