"""LowRankGAN in one file: generator + latents + region -> directions. Start reading here.

0. A `Search` says what is asked for.                                                     search.py, layers.py
1. `pair_grams`: how the region (A) and the rest of the image (B) answer to the latent,
   M_A and M_B.                                                                           targets.py, jacobian.py
2. `robust_pca`: each Gram is low rank plus sparse, M = L + S; the rank separates
   signal from noise.                                                                     rpca/
3. The leading eigenvectors of L_A move A, the trailing ones of L_B leave B alone;
   directions do both. Other methods take the same two Grams, or none.                    methods/, subspaces.py
4. `Directions` remember their layers, a fitting range, and where they come from.         directions.py

Source: Zhu et al. 2021, "Low-Rank Subspaces in GANs", arXiv:2106.04488.
"""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Unpack

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display, methods
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import waiting
from lrgan_jax.directions import Directions, Found, full_range
from lrgan_jax.evaluation import Scene
from lrgan_jax.generators import WS, Generator, Latent, Z, check_generator, to_ws
from lrgan_jax.layer_map import layer_map
from lrgan_jax.layers import Moves
from lrgan_jax.lengths import Root
from lrgan_jax.measured import by_real_steps, takes_steps
from lrgan_jax.methods import Method, Pair
from lrgan_jax.mixed import exact_candidates, tangents
from lrgan_jax.previews import seen_at
from lrgan_jax.regions import Region
from lrgan_jax.rpca import RobustPCA, settled
from lrgan_jax.search import PRICES, Search, Settings, check_prices
from lrgan_jax.subspaces import Candidates
from lrgan_jax.targets import (
    Pairs,
    Targets,
    check_finite,
    grams_operations,
    metric_root,
    one_region,
    pair_grams,
    search_moves,
    targets,
)

OFFERED = 10  # directions of a method that does not look at the region, of which the best are taken
GLOBAL_REACH = 3.0  # steps that the authors of such methods show, either way


@display.record
class Analysis(NamedTuple):
    """What follows from one region's two Grams, as far as it was asked for."""

    candidates: dict[str, Candidates]  # method -> directions, best first
    mu: Float[Array, ""] | None  # of the frontier
    inside: RobustPCA | None  # of the methods that rest on one
    outside: RobustPCA | None

    def _repr_html_(self) -> str:
        """The best direction of each method, and what the robust PCAs found."""
        best = {name: [np.asarray(a)[0] for a in found[1:4]] for name, found in self.candidates.items()}
        inside, outside, counts = (np.array(a) for a in zip(*best.values(), strict=True))
        num = [str(np.asarray(found.mask).sum()) for found in self.candidates.values()]
        columns = {"method": [*best], "directions": num} | display.changes(inside, outside)
        splits = {
            name: split for name, split in (("inside", self.inside), ("outside", self.outside)) if split is not None
        }
        parts = [display.table(columns)]
        if splits:
            facts = [split.facts() for split in splits.values()]
            told = [name for name in facts[0] if any(fact[name] for fact in facts)]
            shown = {"low rank": [*splits]} | {name: [fact[name] for fact in facts] for name in told}
            spectra = [display.spectrum(split.low_rank, int(split.rank)) for split in splits.values()]
            parts.append(display.table(shown | {"eigenvalues of L": spectra}))
        return display.card(
            "directions from two Grams", {"mu": None if self.mu is None else display.span(self.mu)}, *parts
        )


def find_directions(
    gen: Generator, w: ArrayLike | Latent, region: Region, search: Search | None = None, **overrides: Unpack[Settings]
) -> Directions:
    """Directions that edit one region of the image and leave the rest still.

    Args:
      w: w [N, w_dim] or ws [N, num_ws, w_dim]. With N > 1 the Grams are averaged: directions that serve all of these
        latents. Only the method "local_basis" takes z [N, z_dim].
      region: a name ("mouth"), the path of a mask, or an array, soft ones too; see `regions.region_mask`.
      search, overrides: how to look for them. Settings of `Search` may be given as arguments: layers="4-7",
        method="projected", num=2.
    Returns:
      Directions, best first; `found` holds mu, ranks and convergence as far as the method has them: where a robust PCA
      stopped early the ranks are provisional, and with them the directions. `Directions.caveat` says so.
    Raises:
      InputError: on latents, layers, regions, numbers or a method that do not fit, or when nothing is left: the message
        says what to change.
    """
    check_generator(gen)
    search = (search or Search()).but(**overrides)
    method = methods.named(search.method)
    one_region(region)
    name = os.fspath(region) if isinstance(region, str | os.PathLike) else "mask"
    if search.layers == "auto":
        search = search.but(layers=layer_map(gen, w, {name: region}, search).best(name))
    aims = targets(gen, [region], search)
    rows = None
    if not method.sees_region:
        rows, w = _offered(gen, w, method, search)
    w = to_ws(gen, w)
    with waiting("looking for directions", operations=grams_operations(gen, search, len(w))):
        return _from_grams(gen, w, (name, region), search, aims, rows)


def _from_grams(gen: Generator, w: WS, named: tuple[str, Any], search: Search, aims: Targets, rows: Any) -> Directions:
    """The Grams, and what follows from them."""
    name, region = named
    pairs = check_finite(pair_grams(gen, w, aims, search, precision=tangents(search)))
    grams = _mean_grams(pairs)
    plain = search.but(mu=None) if search.measures else search
    if takes_steps(search):
        scene = Scene.of(gen, w, {name: region}, search)
        inside, outside = (gram[None] for gram in grams)
        (real,) = by_real_steps(scene, inside, outside)
        grams, plain = (real.inside, real.outside), plain.but(method="frontier", price=real.price)
    analysis = analyse(*grams, plain, root=metric_root(gen, search), rows=rows)
    analysis = analysis._replace(candidates={search.method: analysis.candidates[plain.method]})
    if search.precision == "mixed":
        exact, mu = exact_candidates(gen, w, aims, search, *(gram[None] for gram in grams))
        analysis = analysis._replace(candidates={search.method: jax.tree.map(lambda a: a[0], exact)}, mu=mu[0])
    return seen_at(gen, w, to_directions(gen, analysis, search, region=name, average=len(pairs.inside)))


def _mean_grams(pairs: Pairs) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, "m m"]]:
    """Of the first region, over the latents. By NumPy, which has nothing to compile."""
    inside, outside = (np.asarray(gram)[:, 0].mean(0) for gram in (pairs.inside, pairs.outside))
    return inside, outside


def global_directions(
    gen: Generator, search: Search | None = None, *, z: ArrayLike | Latent | None = None, **overrides: Unpack[Settings]
) -> Directions:
    """The first directions of a method that does not look at a region, in its own order: "sefa", "ganspace",
    "local_basis", "random".

    Args:
      z: [1, z_dim], the latent that a local basis belongs to.
    Raises:
      InputError: on a method that needs a region or what this generator lacks.
    """
    check_generator(gen)
    search = (search or Search()).but(**overrides)
    method = methods.named(search.method)
    if method.sees_region:
        raise InputError(f"{method.name} looks at a region: find_directions(gen, w, region, method={method.name!r})")
    with waiting("looking for directions"):
        rows = np.asarray(_rows(gen, method, search, z))
    if rows.ndim == 3 and len(rows) != 1:
        raise InputError(f"a local basis belongs to one latent, got {len(rows)}")
    moves = search_moves(gen, search)
    rows = np.asarray(moves.widened(rows[0] if rows.ndim == 3 else rows, gen.w_dim))
    reach = (-GLOBAL_REACH, GLOBAL_REACH)
    return Directions(
        rows[: search.num], layers=moves.rows, step_range=reach, method=method.name, search=search, **_model(gen)
    )


def analyse(
    inside: Float[AnyArray, "d d"],
    outside: Float[AnyArray, "d d"],
    search: Search | None = None,
    *,
    root: Root = None,
    rows: Float[AnyArray, "k d"] | None = None,
    several: Sequence[str] = (),
    splits: bool = False,
    **overrides: Unpack[Settings],
) -> Analysis:
    """Directions of one or several methods from the Grams of a region and of the rest. Pure: `vmap` it over latents and
    regions.

    Args:
      search, overrides: which method, and its numbers; see `Search`. lam, mu, price, change, num_relax and tao may be
        traced arguments.
      root: of natural coordinates, `targets.metric_root(gen, search)`; without it the Grams' own are taken for natural.
      rows: of a method that does not look at the region, what it offers: the best for the region come first.
      several: methods instead of the search's one; what they share is computed once.
      splits: give the robust PCA of both Grams even if no method needs it.
    Raises:
      InputError: if a method does not look at the region, or `lam`, `mu` or `num_relax` is negative or not finite, as
        far as it is known yet: traced ones are not.
    """
    plain: dict[str, Any] = {name: value for name, value in overrides.items() if name not in PRICES}
    search = (search or Search()).but(**plain)
    prices = {name: overrides.get(name, getattr(search, name)) for name in PRICES}
    if isinstance(mu := prices["mu"], str) and mu == "measured":
        raise InputError(
            'mu="measured" takes real steps, and Grams alone have no image: give a number, or leave it out'
        )
    check_prices(**prices)
    names = tuple(several) or (search.method,)
    return _analyse(inside, outside, root, rows, prices, search.mode, names, splits)


@partial(jax.jit, static_argnames=("mode", "names", "splits"))
def _analyse(inside, outside, root, rows, prices, mode, names, splits) -> Analysis:
    pair = Pair(inside, outside, root, **prices, mode=mode)
    candidates = {name: methods.local(name).find(pair) if rows is None else pair.ranked(rows) for name in names}
    mu = pair.mu if "frontier" in names else None
    return Analysis(candidates, mu, *(pair.splits if splits else next(iter(pair.solved.values()), (None, None))))


def to_directions(gen: Generator, analysis: Analysis, search: Search, *, region: str, average: int = 1) -> Directions:
    """The record of the best directions of the search's method. Host side: this is where an unusable result becomes an
    error.

    Args:
      average: latents whose Grams were averaged.
    """
    check_whole("average", average)
    found = analysis.candidates[search.method]
    chosen = np.flatnonzero(found.mask)[: search.num]
    if not len(chosen):
        raise InputError(_nothing_left(analysis, search))
    vectors, inside, outside = (np.asarray(a)[chosen] for a in (found.vectors, found.inside, found.outside))
    kept = None if found.kept is None else np.asarray(found.kept)[chosen]
    splits = [split for split in (analysis.inside, analysis.outside) if split is not None]
    ranks = [int(split.rank) for split in splits] or [None, None]
    known = Found(
        mu=None if analysis.mu is None else float(analysis.mu),
        rank_inside=ranks[0],
        rank_outside=ranks[1],
        converged=all(bool(settled(split)) for split in splits),
        average=average,
    )
    moves = search_moves(gen, search)
    asked = search.but(layers=moves.rows).recorded()
    about: dict[str, Any] = {"region": region, "method": search.method, "search": asked, "found": known, **_model(gen)}
    rows, reach = move_rows(vectors, moves, gen.w_dim), full_range(inside)
    return Directions(rows, inside, outside, kept, layers=moves.rows, step_range=reach, **about)


def move_rows(vectors: Float[np.ndarray, "k m"], moves: Moves, d: int) -> Float[np.ndarray, "k *layers d"]:
    """What a search found, as `Directions` hold it: a row that the layers share, [k, d], or a move of ws, [k, L, d]."""
    return np.asarray((moves.spread if moves.per_layer else moves.widened)(vectors, d))


def _offered(gen: Generator, w: Any, method: Method, search: Search) -> tuple[Float[Array, "k d"], Any]:
    """The first directions of a method that does not look at the region, and the latents as w."""
    z = None
    if method.needs == "mapping":
        if not isinstance(w, Z) or len(w) != 1:
            raise InputError(
                f"{method.name} wants one z, as sample_z gives it: how w answers to it is what it looks at"
            )
        z, w = w, gen.mapping(w, w.c)
    rows = _rows(gen, method, search, z)
    return (rows[0] if rows.ndim == 3 else rows)[:OFFERED], w


def _rows(gen: Generator, method: Method, search: Search, z: Any) -> Float[Array, "*n k d"]:
    if search.per_layer:
        raise InputError(f"{method.name} finds one vector for all layers: leave per_layer out")
    return method.find(gen, search, z)


def _model(gen: Generator) -> dict[str, Any]:
    return {"model": gen.info.name, "fingerprint": gen.info.fingerprint}


def _nothing_left(analysis: Analysis, search: Search) -> str:
    found, split = analysis.candidates[search.method], analysis.inside
    if search.method == "resefa":
        return "the rest's Gram lacks full rank, so the plain quotient does not exist: take tao=1e-3"
    if np.isnan(found.vectors).any():
        return "the Gram of the region, or of the rest, is not finite or not symmetric: no directions follow from it"
    if not (found.inside > 0).any():
        return "the region does not react to these latents and layers: choose another region"
    if analysis.mu is not None:
        return f"no direction changes the region {float(analysis.mu):g} times more than the rest: lower mu"
    if split is not None and not int(split.rank):
        too_small = "this lam is too small for this latent size, raise it (None is 1/sqrt(d))"
        return f"the region's low-rank part is zero: {too_small}"
    return (
        "no attribute direction survives the projection on the null space: raise num_relax, or take method='frontier'"
    )
