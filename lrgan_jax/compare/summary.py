"""A comparison in numbers: medians over the latents with their confidence intervals, as plain dicts for JSON and tables."""
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from lrgan_jax.compare.experiment import ASKED, SCALES, Comparison
from lrgan_jax.compare.statistics import Interval, median_interval, nan_median
from lrgan_jax.compare.variants import VARIANTS
from lrgan_jax.compare.walks import STRENGTHS


def summary(comparison: Comparison) -> dict[str, Any]:
    """Leaks are change outside over change inside at the same change inside; "all" is the geometric mean over the regions.

    Returns:
      `leaks`: method -> region -> interval, all regions first. `effects`: method -> measure -> interval over all regions.
      `dominance`: method -> how the frontier's direction with the same first-order change inside compares with it.
      `variants`: asked method -> variant -> interval of the leak. `ranks`: scale of lambda -> medians; `converged` a share.
      `walks`: strength -> interval of the walk's leak over the straight edit's. `seconds`: method -> per latent and region.
    """
    c = comparison
    leaks = c.measured.leak
    return {
        "methods": list(c.methods),
        "regions": list(c.setup.regions),
        "latents": len(c.setup.ws),
        "leaks": {m: _by_region(leaks[k], c.setup.regions) for k, m in enumerate(c.methods)},
        "reached": {m: float(c.measured.reached[k].mean()) for k, m in enumerate(c.methods)},
        "effects": {
            m: {name: _interval(median_interval(a[k].mean(-1))) for name, a in c.effects._asdict().items() if a is not None}
            for k, m in enumerate(c.methods)
        },
        "dominance": {m: _dominance(c, k) for k, m in enumerate(c.methods) if m != "frontier"},
        "variants": {
            m: {"its own": _interval(_over_regions(leaks[c.methods.index(m)]))}
            | {name: _interval(_over_regions(c.variants[m].of(v).leak)) for v, name in enumerate(VARIANTS)}
            for m in ASKED
        },
        "ranks": {f"{scale:g}": {name: _middle(a[s]) for name, a in c.ranks.items()} for s, scale in enumerate(SCALES)},
        "walks": {
            f"{strength:g}": {
                "inside": float(np.median(c.walks.inside[s])),
                "straight": _interval(_over_regions((c.walks.straight[s] / c.walks.inside[s]).mean(-1))),
                "ratio": _interval(median_interval(nan_median(c.walks.ratio[s], (1, 2)))),
                "reached": float(c.walks.reached[s].mean()),
            }
            for s, strength in enumerate(STRENGTHS)
        },
        "seconds": c.seconds,
    }


def _middle(values: Shaped[np.ndarray, "n r"]) -> float:
    """The median; of yes and no the share of yes."""
    return float(values.mean() if values.dtype == bool else np.median(values))


def _dominance(c: Comparison, k: int) -> dict[str, Any]:
    """The frontier's direction of the same first-order change inside against method k: to first order, where theory says that its leak is
    at most the method's, and at real steps."""
    method, frontier = c.measured.of(k), c.matched.of(k)
    first = frontier.first_outside / np.maximum(method.first_outside, 1e-30)
    real = frontier.leak / method.leak
    return {
        "first order, largest": float(np.max(first, initial=0, where=~np.isnan(first))),
        "first order": _interval(median_interval(nan_median(first, 1))),
        "real steps": _interval(median_interval(nan_median(real, 1))),
        "real steps, at most 1": float((real <= 1).mean()),
        "real steps, at most 1.1": float((real <= 1.1).mean()),
    }


def _by_region(leak: Float[np.ndarray, "n r"], regions) -> dict[str, dict[str, float]]:
    each = median_interval(leak)
    return {"all": _interval(_over_regions(leak))} | {name: _interval(Interval(*(a[r] for a in each))) for r, name in enumerate(regions)}


def _over_regions(leak: Float[np.ndarray, "n r"]) -> Interval:
    return median_interval(np.exp(np.log(np.maximum(leak, 1e-12)).mean(-1)))


def _interval(interval: Interval) -> dict[str, float]:
    return {name: float(value) for name, value in interval._asdict().items()}
