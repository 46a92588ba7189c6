"""The picture of what little leak costs: every method in the plane of strangeness and leak, as SVG."""

import numpy as np

from lrgan_jax.compare.figures import Figures
from lrgan_jax.compare.plane import (
    HEIGHT,
    LEFT,
    STYLE,
    WIDTH,
    axes,
    free_spots,
    letters,
    merged_labels,
    placed_between,
)
from lrgan_jax.methods import METHODS

NAMES = "strangeness of the edited pictures", "leak"


def front(figures: Figures) -> str:
    """Medians over the latents, geometric means over the regions: a point for each method, and the frontier's line as
    its mu rises.
    """
    about = f'class="plane" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="strangeness against leak"'
    return f"<svg {about}>{_drawing(figures)}</svg>"


def picture(figures: Figures, colours: str) -> str:
    """A file of its own, with the methods' names below.

    Args:
      colours: as `plane.picture` takes them.
    """
    lines = [f"{letter} {METHODS[m].title}" for m, letter in _letters(figures).items()]
    rows = [lines[:6], lines[6:]]
    names = "".join(
        f'<text x="{LEFT}" y="{HEIGHT + 14 + 14 * k}">{"&#160;&#160; ".join(row)}</text>' for k, row in enumerate(rows)
    )
    height = HEIGHT + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plane" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">'
        f"<style>{colours}{STYLE}</style>"
        f'<rect width="100%" height="100%" fill="var(--paper)"/>{_drawing(figures)}{names}</svg>\n'
    )


def _letters(figures: Figures) -> dict[str, str]:
    names = {row.title: name for name, row in METHODS.items()}
    return letters([names[title] for title in figures.methods])


def _drawing(figures: Figures) -> str:
    of_methods = [
        (figures.natural[title].strangeness.median, figures.leaks[title]["all"].median) for title in figures.methods
    ]
    points = np.array(of_methods, float).T
    curve = np.array([(of.strangeness.median, of.leak.median) for of in figures.curve], float).T
    everything = np.concatenate([points, curve], axis=1)
    everything = everything[:, (np.isfinite(everything) & (everything > 0)).all(0)]
    low, high = np.log10(everything.min(1)) - 0.1, np.log10(everything.max(1)) + 0.1
    place = placed_between(low, high)
    drawn, line = place(points), place(curve[:, np.isfinite(curve).all(0)])
    parts = axes(low, high, place, NAMES)
    parts.append(f'<polyline class="frontier" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in line)}"/>')
    labels = merged_labels(list(_letters(figures).values()), drawn)
    spots = free_spots(drawn, np.concatenate([drawn, line]))
    for name, label, point, (x, y) in zip(_letters(figures), labels, drawn, spots, strict=True):
        if np.isfinite(point).all():
            parts.append(
                f'<g class="method {METHODS[name].kind}"><title>{METHODS[name].title}</title>'
                f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="4"/>'
                f'<text x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle">{label}</text></g>'
            )
    return "".join(parts)
