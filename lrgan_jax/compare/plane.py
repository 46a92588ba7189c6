"""The picture that tells it: every method as a point in the plane of change inside and leak outside, as SVG."""

from collections.abc import Callable, Sequence
from html import escape

import jax
import numpy as np
from jaxtyping import Float

from lrgan_jax.compare.experiment import Comparison
from lrgan_jax.evaluation import Measured
from lrgan_jax.lengths import natural_gram
from lrgan_jax.methods import METHODS

WIDTH, HEIGHT, LEFT, BOTTOM = 430, 340, 62, 34
PER_STEP = "change inside per squared step", "change outside per squared step"
SAME = 4  # pixels between points that are drawn as one
Place = Callable[[Float[np.ndarray, "2 k"]], Float[np.ndarray, "k 2"]]
STYLE = """
svg.plane text { font: 10px system-ui, sans-serif; fill: var(--soft) }
svg.plane text.head { font-size: 13px; font-weight: 600 }
svg.plane .axis { stroke: var(--line); stroke-width: .6; fill: none }
svg.plane circle { stroke-width: 1.3 } svg.plane .method line { stroke-width: .8; opacity: .6 }
svg.plane .method text { font-weight: 600 }
svg.plane .others circle, svg.plane .others line { stroke: var(--soft); fill: var(--soft) }
svg.plane .paper circle, svg.plane .paper line { stroke: var(--rest); fill: var(--rest) }
svg.plane .ours circle, svg.plane .ours line { stroke: var(--inside); fill: var(--inside) }
svg.plane .method circle.first { fill: var(--paper) }
svg.plane .frontier { fill: none; stroke: var(--inside); stroke-width: 1.4 }
svg.plane .frontier.real { stroke-dasharray: 5 3 }
"""


def letters(methods: Sequence[str]) -> dict[str, str]:
    """By which the methods are named in the picture: A, B, ..."""
    return {method: chr(ord("A") + k) for k, method in enumerate(methods)}


def picture(comparison: Comparison, colours: str) -> str:
    """All regions in one SVG file, two in a row, with the methods' names below.

    Args:
      colours: CSS that sets --paper, --line, --soft, --rest and --inside, light and dark.
    """
    regions, methods = comparison.setup.scene.regions, comparison.methods
    panels = "".join(
        f'<g transform="translate({k % 2 * WIDTH} {k // 2 * (HEIGHT + 24)})"><text class="head" x="{LEFT}" '
        f'y="14">{escape(region)}</text>'
        f'<g transform="translate(0 20)">{_drawing(comparison, region)}</g></g>'
        for k, region in enumerate(regions)
    )
    height = -(-len(regions) // 2) * (HEIGHT + 24) + 24
    names = "&#160;&#160; ".join(
        f"{letter} {escape(METHODS[method].title)}" for method, letter in letters(methods).items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plane" viewBox="0 0 {2 * WIDTH} {height}" width="{2 * WIDTH}">'
        f'<style>{colours}{STYLE}</style><rect width="100%" height="100%" fill="var(--paper)"/>{panels}'
        f'<text x="{LEFT}" y="{height - 8}">{names}</text></svg>\n'
    )


def plane(comparison: Comparison, region: str) -> str:
    """One region. Mean changes per squared unit of step over the latents, each in units of the region's largest: to
    first order hollow, at real steps filled; and through them the frontier's curve, first order solid and real steps
    dashed.

    Means keep the theorem: what a direction gains per latent is weighed alike for all, so no hollow point lies below
    the solid line. A method that lacks a direction at some latent has no mean and no point.
    """
    about = (
        f'class="plane" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(region)}: change inside, '
        'leak outside"'
    )
    return f"<svg {about}>{_drawing(comparison, region)}</svg>"


def _drawing(comparison: Comparison, region: str) -> str:
    c, r = comparison, comparison.setup.scene.regions.index(region)
    natural = jax.vmap(natural_gram, (0, None))(c.setup.inside[:, r], c.setup.root)
    scale = np.linalg.eigvalsh(np.asarray(natural, np.float64))[:, -1]
    points = {kind: _rates(c.measured, r, scale, real) for kind, real in (("first", False), ("real", True))}
    line = np.stack([(a[:, :, r] / scale).mean(1) for a in c.line])
    curves = {"first": line, "real": _rates(c.curve, r, scale, True)}
    everything = np.concatenate([*points.values(), *curves.values()], axis=1)
    everything = everything[:, np.isfinite(everything).all(0) & (everything > 0).all(0)]
    low, high = np.log10(everything.min(1)) - 0.1, np.log10(everything.max(1)) + 0.1

    place = placed_between(low, high)
    parts = axes(low, high, place, PER_STEP)
    drawn = {kind: place(curve[:, np.isfinite(curve).all(0)]) for kind, curve in curves.items()}
    for kind, curve in drawn.items():
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in curve)
        parts.append(f'<polyline class="frontier {kind}" points="{path}"/>')
    firsts, reals = place(points["first"]), place(points["real"])
    labels = merged_labels(list(letters(c.methods).values()), reals)
    spots = free_spots(reals, np.concatenate([firsts, (firsts + reals) / 2, reals, *drawn.values()]))
    for method, label, first, real, (x, y) in zip(c.methods, labels, firsts, reals, spots, strict=True):
        if not np.isfinite([first, real]).all():
            continue
        row = METHODS[method]
        parts.append(
            f'<g class="method {row.kind}"><title>{escape(row.title)}</title><line x1="{first[0]:.1f}" '
            f'y1="{first[1]:.1f}" x2="{real[0]:.1f}" '
            f'y2="{real[1]:.1f}"/><circle class="first" cx="{first[0]:.1f}" cy="{first[1]:.1f}" r="3.5"/>'
            f'<circle cx="{real[0]:.1f}" cy="{real[1]:.1f}" r="4"/>'
            f'<text x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle">{label}</text></g>'
        )
    return "".join(parts)


def placed_between(low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"]) -> Place:
    """From pairs of numbers, whose logarithms lie between these, to points of the drawing."""

    def place(pairs: Float[np.ndarray, "2 k"]) -> Float[np.ndarray, "k 2"]:
        share = (np.log10(np.maximum(pairs, 1e-12)) - low[:, None]) / (high - low)[:, None]
        return np.stack(
            [LEFT + share[0] * (WIDTH - LEFT - 10), HEIGHT - BOTTOM - share[1] * (HEIGHT - BOTTOM - 12)], axis=1
        )

    return place


def merged_labels(names: Sequence[str], points: Float[np.ndarray, "k 2"]) -> list[str]:
    """The letters that stand at each point: of methods that coincide there, all at the first."""
    labels = list(names)
    for k in range(len(points)):
        for j in range(k):
            if labels[j] and np.hypot(*(points[k] - points[j])) < SAME:
                labels[j], labels[k] = labels[j] + labels[k], ""
                break
    return labels


def free_spots(points: Float[np.ndarray, "k 2"], marks: Float[np.ndarray, "m 2"]) -> list[Float[np.ndarray, " 2"]]:
    """For each point's letter the place around it that is farthest from all marks and from the letters before it; nan
    for one that is not drawn, which takes no place.
    """
    angles = np.arange(8) * np.pi / 4
    around, taken = 11 * np.stack([np.cos(angles), np.sin(angles)], axis=1), list(marks[np.isfinite(marks).all(1)])
    spots = []
    for point in points:
        room = np.min([np.hypot(*(point + around - mark).T) for mark in taken if (mark != point).any()], axis=0)
        spots.append(point + around[np.argmax(room.round(1))])
        if np.isfinite(point).all():
            taken.append(spots[-1])
    return spots


def _rates(measured: Measured, r: int, scale: Float[np.ndarray, " n"], real: bool) -> Float[np.ndarray, "2 k"]:
    """Mean change inside and outside per squared unit of step."""
    if real:
        squared = np.square(measured.size[:, :, r]).mean(-1)
        pair = measured.inside[:, :, r] / squared, measured.outside[:, :, r] / squared
    else:
        pair = measured.first_inside[:, :, r], measured.first_outside[:, :, r]
    return np.stack([(a / scale).mean(1) for a in pair])


def axes(low, high, place: Place, names: tuple[str, str]) -> list[str]:
    """Lines at the powers of ten between the logarithms `low` and `high`, and names of what runs right and up."""
    parts = [f'<path class="axis" d="M{LEFT} 12V{HEIGHT - BOTTOM}H{WIDTH - 10}"/>']
    for power in range(int(np.ceil(low[0])), int(np.floor(high[0])) + 1):
        x, _ = place(np.array([[10.0**power], [10.0 ** low[1]]]))[0]
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="12" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{10.0**power:g}</text>')
    for power in range(int(np.ceil(low[1])), int(np.floor(high[1])) + 1):
        _, y = place(np.array([[10.0 ** low[0]], [10.0**power]]))[0]
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{10.0**power:g}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{names[0]}</text>')
    middle = (HEIGHT - BOTTOM) / 2
    parts.append(f'<text transform="translate(10 {middle}) rotate(-90)" text-anchor="middle">{names[1]}</text>')
    return parts
