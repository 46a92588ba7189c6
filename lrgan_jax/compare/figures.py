"""A comparison in numbers: medians over the latents, how far to trust them, all of it as records, for JSON too."""

import math
import warnings
from html import escape
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from lrgan_jax import display
from lrgan_jax.compare.experiment import CURVE, SCALES, Comparison
from lrgan_jax.compare.methods import OTHERS, OWN
from lrgan_jax.compare.naturalness import Naturalness
from lrgan_jax.compare.walks import STRENGTHS, Walks
from lrgan_jax.evaluation import Measured
from lrgan_jax.methods import METHODS

RESAMPLES = 2000
ALL = "all"  # regions together: the geometric mean over them


@display.record
class Interval(NamedTuple):
    """A median with its 95 % confidence interval."""

    median: Float[np.ndarray, "..."]
    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]

    def text(self, factor: float = 1.0) -> str:
        """Of one number: the median, and the interval in brackets."""
        median, low, high = (f"{factor * float(value):.3g}" for value in self)
        return f"{median} ({low} to {high})" if np.isfinite(self.median) else "none"


@display.record
class Dominance(NamedTuple):
    """The frontier's direction of the same first-order change inside against a method's: the quotient of leaks.

    To first order it is at most 1, by theory; at real steps curvature has its say.
    """

    first_order: Interval
    first_order_largest: float
    real_steps: Interval
    at_most_1: float  # share of latents and regions, at real steps
    at_most_1_1: float


@display.record
class RankFigures(NamedTuple):
    """Medians over latents and regions at one lambda, and the share of robust PCAs that converged."""

    rank_inside: float
    rank_outside: float
    energy_inside: float
    energy_outside: float
    converged: float


@display.record
class WalkFigures(NamedTuple):
    """At one strength: the straight edit's change inside and leak, the walk's over it, the share that came so far."""

    inside: float
    straight: Interval
    ratio: Interval
    reached: float


@display.record
class NaturalFigures(NamedTuple):
    """Over all regions; the length of the steps is in standard deviations of the generator's own latents."""

    length: Interval
    depth: Interval
    oddity: Interval
    strangeness: Interval


@display.record
class CurveFigures(NamedTuple):
    """At one mu of the frontier's curve, over its default."""

    mu: float
    leak: Interval
    strangeness: Interval


@display.record
class Figures(NamedTuple):
    """Leaks are change outside over change inside at the same change inside. Methods go by their titles."""

    methods: list[str]
    regions: list[str]
    latents: int
    leaks: dict[str, dict[str, Interval]]  # method -> region, all first
    reached: dict[str, float]  # method -> share of edits that changed the region as much as asked
    effects: dict[str, dict[str, Interval]]  # method -> measure, over all regions
    natural: dict[str, NaturalFigures]
    curve: list[CurveFigures]  # of the frontier, mu rising
    dominance: dict[str, Dominance]
    variants: dict[str, dict[str, Interval]]  # method -> how it was asked -> leak
    ranks: dict[str, RankFigures]  # scale of lambda
    walks: dict[str, WalkFigures]  # strength
    seconds: dict[str, float]  # method -> per latent and region, the Jacobian apart

    def _repr_html_(self) -> str:
        """Leaks of every method by region, and how strange its edits are."""
        columns = {"method": [escape(method) for method in self.leaks]}
        for region in (ALL, *self.regions):
            columns[f"{escape(region)}, leak %"] = [leaks[region].text(100.0) for leaks in self.leaks.values()]
        columns["strange"] = [self.natural[method].strangeness.text() for method in self.leaks]
        title = f"{len(self.leaks)} methods at {self.latents} latents"
        return display.card(title, {}, display.table(columns), display.note("medians, and their 95 % intervals"))


def summary(comparison: Comparison) -> Figures:
    """Medians and shares of all that was measured."""
    c = comparison
    titles = {name: METHODS[name].title for name in c.methods}
    leaks = dict(zip(c.methods, c.measured.leak, strict=True))
    ways = (*OTHERS, *c.setup.around)
    return Figures(
        list(titles.values()),
        list(c.setup.scene.regions),
        len(c.setup.scene.ws),
        {titles[m]: _by_region(leak, c.setup.scene.regions) for m, leak in leaks.items()},
        {title: float(share.mean()) for title, share in zip(titles.values(), c.measured.reached, strict=True)},
        {title: _effects(c, k) for k, title in enumerate(titles.values())},
        {title: _natural(c.measured.of(k), c.natural, k) for k, title in enumerate(titles.values())},
        [
            CurveFigures(float(mu), _over_regions(c.curve.leak[g]), _over_regions(c.curve_natural.strangeness[g]))
            for g, mu in enumerate(CURVE)
        ],
        {titles[m]: _dominance(c, k) for k, m in enumerate(c.methods) if m != "frontier"},
        {
            titles[m]: {OWN: _over_regions(leaks[m])}
            | {way: _over_regions(leak) for way, leak in zip(ways, c.variants[m].leak, strict=True)}
            for m in c.variants
        },
        _ranks(c),
        {f"{strength:g}": _walks(c.walks, s) for s, strength in enumerate(STRENGTHS)},
        {titles[m]: seconds for m, seconds in c.seconds.items()},
    )


def as_json(record: Any) -> Any:
    """Records as dicts. JSON knows neither NaN nor infinity, which stand for what a method lacks: null."""
    if hasattr(record, "_asdict"):
        record = record._asdict()
    if isinstance(record, dict):
        return {name: as_json(value) for name, value in record.items()}
    if isinstance(record, list):
        return [as_json(value) for value in record]
    if isinstance(record, np.ndarray | np.generic):
        record = record.item()
    return None if isinstance(record, float) and not math.isfinite(record) else record


def median_interval(values: Float[np.ndarray, "n ..."], seed: int = 0) -> Interval:
    """Over the first axis, by resampling it: the percentile bootstrap (Efron 1979).

    Seeded: the same values give the same interval.
    """
    n = len(values)
    rng = np.random.default_rng(seed)
    medians = nan_median(values[rng.integers(0, n, (RESAMPLES, n))], 1)
    # "nearest", since between infinities nothing can be interpolated.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a method that has no direction at all
        low, high = map(np.asarray, np.nanpercentile(medians, (2.5, 97.5), axis=0, method="nearest"))
    return Interval(nan_median(values, 0), low, high)


def nan_median(values: Float[np.ndarray, "..."], axis: int | tuple[int, ...] | None) -> Float[np.ndarray, "..."]:
    """Of what is there, NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis))


def _effects(c: Comparison, k: int) -> dict[str, Interval]:
    return {name: median_interval(a[k].mean(-1)) for name, a in c.effects._asdict().items() if a is not None}


def _natural(measured: Measured, natural: Naturalness, k: int) -> NaturalFigures:
    of_method = natural.depth[k], natural.oddity[k], natural.strangeness[k]
    return NaturalFigures(*(_over_regions(a) for a in (measured.size.mean(-1), *of_method)))


def _dominance(c: Comparison, k: int) -> Dominance:
    method, frontier = c.measured.of(k), c.matched.of(k)
    first = frontier.first_outside / np.maximum(method.first_outside, 1e-30)
    real = frontier.leak / method.leak
    return Dominance(
        median_interval(nan_median(first, 1)),
        float(np.max(first, initial=0, where=~np.isnan(first))),
        median_interval(nan_median(real, 1)),
        float((real <= 1).mean()),
        float((real <= 1.1).mean()),
    )


def _ranks(c: Comparison) -> dict[str, RankFigures]:
    if (ranks := c.ranks) is None:
        return {}
    return {f"{scale:g}": RankFigures(*(_middle(np.asarray(a[s])) for a in ranks)) for s, scale in enumerate(SCALES)}


def _walks(walks: Walks, s: int) -> WalkFigures:
    return WalkFigures(
        float(nan_median(walks.inside[s], None)),
        _over_regions((walks.straight[s] / walks.inside[s]).mean(-1)),
        median_interval(nan_median(walks.ratio[s], (1, 2))),
        float(walks.reached[s].mean()),
    )


def _middle(values: Shaped[np.ndarray, "n r"]) -> float:
    """The median; of yes and no the share of yes."""
    return float(values.mean() if values.dtype == bool else np.median(values))


def _by_region(leak: Float[np.ndarray, "n r"], regions: tuple[str, ...]) -> dict[str, Interval]:
    each = median_interval(leak)
    return {ALL: _over_regions(leak)} | {name: Interval(*(a[r] for a in each)) for r, name in enumerate(regions)}


def _over_regions(leak: Float[np.ndarray, "n r"]) -> Interval:
    return median_interval(np.exp(np.log(np.maximum(leak, 1e-12)).mean(-1)))
