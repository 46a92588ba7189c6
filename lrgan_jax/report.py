"""One self-contained HTML page of a `Demo`: no script, no other file, light and dark."""
from html import escape

import numpy as np

from lrgan_jax import images
from lrgan_jax.demo import COMPARED, SHOWN, Demo, Edit

HEAT_SCALE = 0.5  # change, on [-1, 1], that the heat map shows white: a quarter of the whole range

COLOURS = """
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #1c1d20; --soft: #6b6e76; --line: #dcdcd6; --inside: #c2410c; --rest: #3b6ea5;
  --best: #1c1d200d; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181b; --ink: #e8e8e4; --soft: #9a9da6; --line: #34363c; --inside: #fb923c;
  --rest: #7fb0e0; --best: #ffffff12; } }
"""
STYLE = COLOURS + """
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 74rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; letter-spacing: -.01em }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .2rem } h2.region { text-transform: capitalize }
p { margin: .2rem 0 .9rem; max-width: 46rem } .soft { color: var(--soft) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .8rem 0 .5rem; }
th, td { padding: .3rem .9rem; text-align: right; border-bottom: 1px solid var(--line); font-weight: 400 }
th:first-child { text-align: left; padding-left: .3rem } thead th { color: var(--soft) } tr.best { background: var(--best) }
tr.best td, tr.best th { font-weight: 600 }
.scroll { overflow-x: auto }
.edit { display: grid; grid-template-columns: 6rem minmax(16rem, 1fr) 6rem 6rem 11.5rem; gap: .4rem .9rem; align-items: start;
  padding: .7rem 0; border-top: 1px solid var(--line) }
.edit img { display: block; width: 100%; border-radius: 3px }
figure { margin: 0; min-width: 0 } figcaption { color: var(--soft); font-size: .78rem; line-height: 1.35; margin-top: .25rem }
b.inside { color: var(--inside); font-weight: 600 } b.rest { color: var(--rest); font-weight: 600 }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { font: 9px system-ui, sans-serif; fill: var(--soft) }
svg .inside { stroke: var(--inside); fill: none } svg .rest { stroke: var(--rest); fill: none }
svg .axis { stroke: var(--line); fill: none }
.ramp { display: inline-block; width: 5rem; height: .6rem; border-radius: 2px;
  background: linear-gradient(90deg, #000, #990000 33%, #ff8d1a 64%, #ffff80 85%, #fff) }
@media (max-width: 56rem) { .edit { grid-template-columns: repeat(4, 1fr) } .edit .strip { grid-column: 2 / -1 } .edit .spectrum {
  grid-column: span 2 } }
@media (max-width: 30rem) { .edit { grid-template-columns: repeat(2, 1fr) } .edit .strip { grid-column: 1 / -1 }
  th, td { padding: .3rem .5rem } }
"""

EXPLAINED = {
    "frontier": "frontier (ours)",
    "constrained": "constrained to the null space",
    "projected": "projected on the null space (the paper)",
    "attribute": "attribute direction, unprojected",
}


def page(demo: Demo, *, model: str, note: str = "") -> str:
    """The HTML text.

    Args:
      model: its name. note: how the latents were chosen, for the reader who wants to repeat it.
    """
    layers = "all layers" if demo.layers is None else f"layers {', '.join(map(str, demo.layers))}"
    sections = "\n".join(_section(demo, r) for r in range(len(demo.regions)))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Local edits of {escape(model)}</title><style>{STYLE}</style></head><body>
<h1>Local edits of {escape(model)}</h1>
<p>Each strip moves one latent along one direction. The direction was computed from that image alone so that the marked region changes and
the rest stays; nothing is masked or pasted when the image is made.</p>
<p class="soft">{escape(note)} Edits move {escape(layers)}.</p>
{_table(demo)}
{sections}
</body></html>
"""


def leak_ratios(demo: Demo) -> np.ndarray:
    """Leak of every method and region over that of the unprojected attribute direction, median over the latents, [M, R]."""
    plain = demo.outside[demo.methods.index("attribute")]
    return np.median(demo.outside / plain, axis=1)


def caveat(demo: Demo) -> str:
    """One sentence on the solves that did not converge."""
    return f"Of {demo.stopped} edits the robust PCA stopped before it converged: their null spaces are provisional."


def _table(demo: Demo) -> str:
    heads = "".join(f'<th scope="col">{escape(region)}</th>' for region in demo.regions)
    rows = []
    for method, ratios, reached in zip(demo.methods, leak_ratios(demo), demo.reached, strict=True):
        cells = "".join(f"<td>{ratio:.2f}{'' if share == 1 else '*'}</td>" for ratio, share in zip(ratios, reached, strict=True))
        best = ' class="best"' if method == "frontier" else ""
        rows.append(f'<tr{best}><th scope="row">{EXPLAINED[method]}</th>{cells}</tr>')
    early = f" {caveat(demo)}" if demo.stopped else ""
    star = "" if (demo.reached == 1).all() else " * some edits could not change the region that much; their largest change counts."
    return f"""<h2>How still is the rest?</h2>
<p>Change outside the region, relative to the direction that moves the region most and ignores the rest; both moved until the mean squared
change inside is {COMPARED} (18 of 255 grey levels). Median over {demo.outside.shape[1]} faces, both ways; smaller is
better.{star}{early}</p>
<div class="scroll"><table><thead><tr><th></th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>
<p class="soft">Heat maps show the change at the two ends of a strip: <span class="ramp"></span> 0 to {HEAT_SCALE * 127.5:.0f} grey levels.
The ends change the region by {SHOWN} mean squared, 22 grey levels. Spectra: eigenvalues of the low-rank parts,
<b class="inside">inside</b> and <b class="rest">rest</b>, on a log scale, their ranks marked.</p>"""


def _section(demo: Demo, r: int) -> str:
    edits = "\n".join(_edit(row[r], demo.masks[r], demo.regions[r]) for row in demo.edits)
    return f"<h2 class='region'>{escape(demo.regions[r])}</h2>\n{edits}"


def _edit(edit: Edit, mask: np.ndarray, region: str) -> str:
    middle = edit.frames[len(edit.frames) // 2]
    heats = [images.data_uri(images.heat_map(change, HEAT_SCALE)) for change in (edit.change, edit.plain_change)]
    less = edit.plain_outside / max(edit.outside, 1e-12)
    return f"""<div class="edit">
<figure><img src="{images.data_uri(images.outlined(middle, mask))}" alt="the image with the {escape(region)} region lit"></figure>
<figure class="strip"><img src="{images.data_uri(images.strip(edit.frames))}" alt="strip of edits of the {escape(region)}">
<figcaption>mean squared change <b class="inside">{edit.inside:.3f} inside</b>, <b class="rest">{edit.outside:.5f} outside</b>:
{less:.1f} times stiller than unprojected ({edit.plain_outside:.5f}); &mu; = {edit.mu:.1f}</figcaption></figure>
<figure><img src="{heats[0]}" alt="where the edit changes pixels"><figcaption>this edit</figcaption></figure>
<figure><img src="{heats[1]}" alt="where the unprojected direction changes pixels"><figcaption>unprojected</figcaption></figure>
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
            f'<line class="{kind}" x1="{edge:.1f}" x2="{edge:.1f}" y1="{y(shown[-1]):.1f}" y2="{height - 18}" stroke-dasharray="2 2"/>'
            f'<text x="{width - 4}" y="{14 + level}" text-anchor="end">{kind}: rank {rank}</text>'
        )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="spectra of the low-rank parts">'
        f'<path class="axis" d="M4 6V{height - 18}H{width - 4}"/>{"".join(marks)}'
        f'<text x="4" y="{height - 6}">1</text><text x="{width - 4}" y="{height - 6}" text-anchor="end">{count}</text></svg>'
    )
