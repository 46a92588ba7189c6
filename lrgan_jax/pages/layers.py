"""Which layers edit a region best, as a picture: a cell for each stretch of layers, stronger where it costs less."""

from collections.abc import Iterator
from html import escape

import numpy as np
from jaxtyping import Float

from lrgan_jax.layer_map import LayerMap
from lrgan_jax.layers import layers_text

STYLE = """
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1rem 1.5rem }
.maps svg { max-width: 16rem } .maps rect { fill: var(--inside); stroke: var(--line); stroke-width: .5 }
.maps rect.best { stroke: var(--ink); stroke-width: 1.5 }
"""
CELL, LEFT, BELOW = 16, 14, 14  # of the drawing's units


def pictures(of: LayerMap) -> str:
    """One for each region, side by side; the strongest cell of each is its best, and outlined."""
    shown = (_figure(of, r) for r in range(len(of.regions)))
    return f'<div class="maps">{"".join(shown)}</div>'


def _figure(of: LayerMap, r: int) -> str:
    region, best = of.regions[r], of.best(of.regions[r])
    num, ends = of.cost.shape[-1], (best[0], best[-1])
    cells = "".join(_cells(of, r, ends))
    numbers = "".join(
        f'<text x="{LEFT + (k + 0.5) * CELL}" y="{num * CELL + 11}" text-anchor="middle">{k}</text>'
        f'<text x="{LEFT - 4}" y="{(k + 0.5) * CELL + 3}" text-anchor="end">{k}</text>'
        for k in range(num)
    )
    side = num * CELL
    return (
        f'<figure><svg viewBox="0 0 {LEFT + side} {side + BELOW}" role="img" '
        f'aria-label="what each stretch of layers costs for the {escape(region)}">{cells}{numbers}</svg>'
        f"<figcaption>{escape(region)}: best are {layers_text(best)}, leak {100 * of.leak[r][ends]:.1f} % in "
        f"{of.length[r][ends]:.1f} standard deviations</figcaption></figure>"
    )


def _cells(of: LayerMap, r: int, best: tuple[int, int]) -> Iterator[str]:
    """The first layer downwards, the last to the right; the best one last, so that no other covers its outline."""
    shades = _shades(of.cost[r])
    stretches = zip(*np.nonzero(~np.isnan(of.cost[r])), strict=True)
    for i, j in sorted(stretches, key=lambda ends: ends == best):
        chosen = ' class="best"' if (i, j) == best else ""
        known = np.isfinite(of.leak[r, i, j])
        says = f"leak {100 * of.leak[r, i, j]:.1f} % in {of.length[r, i, j]:.1f}" if known else "does not react"
        title = f"<title>{layers_text(range(i, j + 1))}: {says}</title>"
        yield (
            f'<rect{chosen} x="{LEFT + j * CELL}" y="{i * CELL}" width="{CELL}" '
            f'height="{CELL}" fill-opacity="{shades[i, j]:.2f}">{title}</rect>'
        )


def _shades(cost: Float[np.ndarray, "l l"]) -> Float[np.ndarray, "l l"]:
    """1 where it is least, falling to 0 with the logarithm, at ten times the least."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.clip(1 - np.log10(cost / np.nanmin(cost)), 0, 1))
