"""One HTML page of a `Demo`: how still the rest keeps in numbers, and every edit as a strip."""

from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from lrgan_jax import images
from lrgan_jax.demo.edits import PLAIN, SHOWN, Demo, Edit
from lrgan_jax.layer_map import LayerMap
from lrgan_jax.methods import METHODS
from lrgan_jax.pages import kit, layers
from lrgan_jax.targets import moves_text

STYLE = """
.edit { display: grid; grid-template-columns: 6rem minmax(16rem, 1fr) 6rem 6rem 11.5rem; gap: .4rem .9rem;
  align-items: start; padding: .7rem 0; border-top: 1px solid var(--line) }
.edit img { display: block; width: 100%; border-radius: 3px }
svg .inside { stroke: var(--inside); fill: none } svg .rest { stroke: var(--rest); fill: none }
svg .axis { stroke: var(--line); fill: none }
@media (max-width: 56rem) { .edit { grid-template-columns: repeat(4, 1fr) } .edit .strip { grid-column: 2 / -1 }
  .edit .spectrum { grid-column: span 2 } }
@media (max-width: 30rem) { .edit { grid-template-columns: repeat(3, 1fr) }
  .edit .strip { grid-column: 1 / -1; order: -1 } .edit .spectrum { grid-column: 1 / -1 } }
"""


WORDS = (
    "inside",
    "outside",
    "leak",
    "layers",
    "length",
    "frontier",
    "mu",
    "spectrum",
    "rank",
    "null space",
    "robust PCA",
)


def page(demo: Demo, *, model: str, numbers: Sequence[int] = (), note: str = "") -> str:
    """The HTML text.

    Args:
      model: its name. numbers: of the latents, where they come from; from 0 by default. note: how they were chosen, for
        the reader who wants to repeat it.
    """
    names = [f"image {n}" for n in numbers or range(len(demo.edits))]
    about = """<p>Each strip moves one latent along one direction. The direction was computed from that image alone so
that the marked region changes and the rest stays; nothing is masked or pasted when the image is made.</p>"""
    moved = moves_text(demo.scene.gen, demo.scene.search)
    parts = [about, kit.note(f"{escape(note)} Edits move {escape(moved)}."), _leaks(demo)]
    parts += [_section(demo, r, names) for r in range(len(demo.scene.regions))]
    parts += [] if demo.layers is None else [_layers(demo.layers, names[0])]
    parts += [kit.glossary(WORDS)]
    return kit.document(f"Local edits of {model}", parts, style=STYLE + layers.STYLE)


def _layers(of: LayerMap, name: str) -> str:
    about = f"""Of {name}. Each cell is a stretch of layers that one vector moves, its first layer on the left,
its last one below; the stronger its colour, the less leak and length of the step cost together, to first order."""
    return kit.section("Which layers edit a region best?", about, layers.pictures(of))


def leak_ratios(demo: Demo) -> Float[np.ndarray, "k r"]:
    """Leak of every method over that of the unprojected attribute direction, median over the latents; infinite for
    directions that do not exist.
    """
    outside = np.where(np.isnan(demo.measured.outside), np.inf, demo.measured.outside)
    return np.median(outside / outside[PLAIN], axis=1)


def ratio_text(ratio: np.floating) -> str:
    """Or "none"."""
    return f"{ratio:.2f}" if np.isfinite(ratio) else "none"


def caveat(demo: Demo) -> str:
    """One sentence on the solves that did not converge."""
    return f"Of {demo.stopped} edits the robust PCA stopped before it converged: their null spaces are provisional."


def _leaks(demo: Demo) -> str:
    reached = np.all(demo.measured.reached, axis=1)
    rows = []
    for name, ratios, all_reached in zip(demo.methods, leak_ratios(demo), reached, strict=True):
        cells = [f"{ratio_text(ratio)}{'' if whole else '*'}" for ratio, whole in zip(ratios, all_reached, strict=True)]
        rows.append(kit.Row(escape(METHODS[name].title), cells, name == "frontier"))
    star = "" if reached.all() else " * some edits could not change the region that much; their largest change counts."
    early = f" {caveat(demo)}" if demo.stopped else ""
    where = "outside the region" if demo.scene.kept is None else "of what is to keep still"
    changed = kit.same_change(demo.scene.search.change)
    return kit.section(
        "How still is the rest?",
        f"Change {where}, relative to the direction that moves the region most and ignores the rest; both "
        f"moved until the {changed}. Median over {len(demo.edits)} images, both ways; smaller is better.{star}{early}",
        kit.table([escape(region) for region in demo.scene.regions], rows),
        kit.explained(demo.methods),
        kit.note(
            f"Heat maps show the change at the two ends of a strip: {kit.SCALE}. The ends change the "
            f"region by {SHOWN} mean "
            f"squared, {kit.grey_levels(SHOWN**0.5)} grey levels. Spectra: eigenvalues of the low-rank parts, "
            '<b class="inside">inside</b> and <b class="rest">rest</b>, on a log scale, their ranks marked.'
        ),
    )


def _section(demo: Demo, r: int, names: Sequence[str]) -> str:
    region, mask = demo.scene.regions[r], demo.scene.masks[r]
    edits = [_edit(row[r], mask, region, name) for row, name in zip(demo.edits, names, strict=True)]
    return "\n".join([f'<h2 class="region">{escape(region)}</h2>', *edits])


def _edit(edit: Edit, mask: Float[np.ndarray, "h w"], region: str, name: str) -> str:
    lit = images.outlined(edit.frames[len(edit.frames) // 2], mask)
    less = edit.plain_outside / max(edit.outside, 1e-12)
    return f"""<div class="edit">
<figure>{kit.picture(lit, f"{name} with the {region} region lit")}<figcaption>{name}</figcaption></figure>
<figure class="strip">{kit.picture(images.strip(edit.frames), f"strip of edits of the {region} of {name}")}
<figcaption>mean squared change <b class="inside">{edit.inside:.3f} inside</b>,
<b class="rest">{edit.outside:.5f} outside</b>: {less:.1f} times stiller than unprojected ({edit.plain_outside:.5f});
&mu; = {edit.mu:.1f}</figcaption></figure>
<figure>{kit.picture(kit.heat(edit.change), "where the edit changes pixels")}<figcaption>this edit</figcaption></figure>
<figure>{kit.picture(kit.heat(edit.plain_change), "where the unprojected direction changes pixels")}
<figcaption>unprojected</figcaption></figure>
<figure class="spectrum">{_spectrum(edit)}</figure></div>"""


def _spectrum(edit: Edit, width: int = 180, height: int = 84) -> str:
    """Both spectra over the index, six decades below the largest eigenvalue, ranks as dropped lines."""
    top = max(float(values[0]) for values in edit.spectra) or 1.0
    count = len(edit.spectra[0])

    def x(index):
        return 4 + (width - 8) * index / max(count - 1, 1)

    def y(value):
        return 6 + (height - 24) * min(max(-np.log10(max(value, 1e-30) / top) / 6, 0), 1)

    marks = []
    for kind, values, rank, level in zip(("inside", "rest"), edit.spectra, edit.ranks, (0, 11), strict=True):
        shown = values[: max(rank, 1)]
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(shown))
        edge = x(len(shown) - 1)
        marks.append(
            f'<polyline class="{kind}" stroke-width="1.5" points="{points}"/>'
            f'<line class="{kind}" x1="{edge:.1f}" x2="{edge:.1f}" y1="{y(shown[-1]):.1f}" y2="{height - 18}" '
            f'stroke-dasharray="2 2"/>'
            f'<text x="{width - 4}" y="{14 + level}" text-anchor="end">{kind}: rank {rank}</text>'
        )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="spectra of the low-rank parts">'
        f'<path class="axis" d="M4 6V{height - 18}H{width - 4}"/>{"".join(marks)}'
        f'<text x="4" y="{height - 6}">1</text>'
        f'<text x="{width - 4}" y="{height - 6}" text-anchor="end">{count}</text></svg>'
    )
