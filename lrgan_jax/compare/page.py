"""One self-contained HTML page of a comparison: tables, the plane of every region, strips side by side. No script, light and dark."""
from collections.abc import Sequence
from html import escape
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lrgan_jax import images
from lrgan_jax.compare.experiment import ASKED, Comparison
from lrgan_jax.compare.measure import CHANGE
from lrgan_jax.compare.methods import EXPLAINED
from lrgan_jax.compare.plane import STYLE as PLANE_STYLE
from lrgan_jax.compare.plane import letters, plane
from lrgan_jax.generators import render
from lrgan_jax.metrics import spread_over_layers
from lrgan_jax.report import HEAT_SCALE, STYLE

SHOWN = 3  # latents whose strips are shown
EFFECTS = {  # measure -> heading, factor, digits
    "lpips_outside": ("LPIPS outside, &times; 1000", 1000, 1),
    "identity": ("identity", 1, 3),
    "expression": ("expression", 1, 3),
    "landmarks": ("landmarks, % of the image", 100, 2),
}
MORE_STYLE = """
.planes { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1rem 2rem }
.planes figcaption { text-transform: capitalize; font-size: .9rem }
td small { display: block; color: var(--soft); font-size: .72rem; line-height: 1.1; white-space: nowrap }
th b { display: inline-block; width: 1.2rem; color: var(--soft) }
.strips { display: grid; grid-template-columns: 9.5rem 1fr; gap: .25rem .9rem; align-items: center; font-size: .85rem }
.strips img { display: block; max-width: 100%; image-rendering: pixelated; border-radius: 2px } .strips .best { font-weight: 600 }
@media (max-width: 40rem) { .strips { grid-template-columns: 1fr } }
"""


def page(comparison: Comparison, figures: dict[str, Any], *, model: str, note: str) -> str:
    """The HTML text of a comparison and its `summary`."""
    planes = "".join(f"<figure>{plane(comparison, r)}<figcaption>{escape(r)}</figcaption></figure>" for r in comparison.setup.regions)
    strips = "".join(_strips(comparison, r) for r in range(len(comparison.setup.regions)))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Methods compared on {escape(model)}</title><style>{STYLE}{PLANE_STYLE}{MORE_STYLE}</style></head><body>
<h1>Methods compared on {escape(model)}</h1>
<p>Every method moves every latent along one direction, both ways, until the mean squared change inside the region is {CHANGE} (18 of 255
grey levels). What has changed outside by then is its leak.</p>
<p class="soft">{escape(note)}</p>
<h2>How much leaks?</h2>
<p>Change outside over change inside, in percent, median over {figures["latents"]} latents with its 95 % confidence interval. Methods
that do not know the region choose, at each latent, the best of their first ten directions.</p>
{_leak_table(figures)}
{_legend(figures)}
{_effect_table(figures)}
<h2>Inside against outside</h2>
<p>What a direction changes inside and outside per squared unit of step, mean over the latents: hollow to first order, filled at the
real step. Down and right is better. The line is the frontier, below which no hollow point can lie; dashed, the same at real steps.</p>
<div class="planes">{planes}</div>
<h2>Does the frontier win at real steps, too?</h2>
<p>Against each method stands the frontier's direction that changes the region as much per unit of step, to first order. It leaks at most as
much, by theory, where the frontier changes as much; at real steps curvature has its say.</p>
{_dominance_table(figures)}
<h2>Asked otherwise</h2>
<p>Leak in percent of a direction found for another image, for all images together, or for a region drawn differently; measured at
each image on the region as it is, geometric mean over the regions.</p>
{_variants_table(figures)}
<h2>Rank and lambda</h2>
<p>Median ranks of the low-rank parts of {len(comparison.vectors[0, 0, 0])}-dimensional Grams, their share of the trace, and the share of
robust PCAs that converged, at {comparison.ranks["rank inside"].shape[1]} latents; lambda in units of 1/sqrt(d).</p>
{_rank_table(figures)}
<h2>Walks</h2>
<p>The straight edit at one, two and four times the usual step, and a walk along the curve until the region has changed as much; leak of the
straight edit in percent, and the walk's over it, {len(comparison.walks.inside[0])} latents.</p>
{_walk_table(figures)}
{_walk_strips(comparison)}
<h2>Side by side</h2>
<p>Both ends and the image itself, at the same change inside; after each, where the forward end differs: black to white is 0 to
{HEAT_SCALE * 127.5:.0f} grey levels.</p>
{strips}
</body></html>
"""


def table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str], bool]]) -> str:
    """Rows are a heading, cells, and whether it is ours; the texts are HTML."""
    heads = "".join(f'<th scope="col">{text}</th>' for text in head)
    body = "".join(
        f'<tr{" class=best" if best else ""}><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells, best in rows
    )
    return f'<div class="scroll"><table><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def with_interval(interval: dict[str, float], factor: int = 1, digits: int = 1) -> str:
    """Median, and the interval small."""
    if not np.isfinite(interval["median"]):
        return "none"
    median, low, high = (f"{factor * interval[name]:.{digits}f}" for name in ("median", "low", "high"))
    return f"{median}<small>{low}&ndash;{high}</small>"


def _named(figures: dict[str, Any], method: str) -> str:
    return f"<b>{letters(figures['methods'])[method]}</b>{method}"


def _legend(figures: dict[str, Any]) -> str:
    return f"<p class='soft'>{'; '.join(f'<b>{m}</b>: {EXPLAINED[m]}' for m in figures['methods'])}.</p>"


def _leak_table(figures: dict[str, Any]) -> str:
    rows = []
    for method, leaks in figures["leaks"].items():
        star = "" if figures["reached"][method] == 1 else "*"
        rows.append((_named(figures, method) + star, [with_interval(leak, 100) for leak in leaks.values()], method == "frontier"))
    star = "" if min(figures["reached"].values()) == 1 else "<p class='soft'>* some edits could not change the region that much.</p>"
    return table(["all", *map(escape, figures["regions"])], rows) + star


def _effect_table(figures: dict[str, Any]) -> str:
    known = [name for name in EFFECTS if name in figures["effects"]["frontier"]]
    if not known:
        return "<p class='soft'>LPIPS, identity, expression and landmarks: see <code>python -m convert --metrics</code>.</p>"
    rows = []
    for method, measured in figures["effects"].items():
        cells = [with_interval(measured[name], *EFFECTS[name][1:]) for name in known]
        seconds = figures["seconds"].get(method)
        rows.append((_named(figures, method), [*cells, "" if seconds is None else f"{1000 * seconds:.1f}"], method == "frontier"))
    about = "<p>What networks see of the same edits, and milliseconds that a method takes per latent and region beside the Jacobian.</p>"
    return about + table([*(EFFECTS[name][0] for name in known), "ms"], rows)


def _dominance_table(figures: dict[str, Any]) -> str:
    rows = []
    for method, d in figures["dominance"].items():
        shares = [f"{100 * d[f'real steps, at most {bound}']:.0f} %" for bound in ("1", "1.1")]
        rows.append((_named(figures, method), [with_interval(d["first order"], digits=2), f"{d['first order, largest']:.3f}",
                                               with_interval(d["real steps"], digits=2), *shares], False))  # fmt: skip
    return table(["leak over the method's, first order", "largest", "real steps", "at most 1", "at most 1.1"], rows)


def _variants_table(figures: dict[str, Any]) -> str:
    names = list(figures["variants"][ASKED[0]])
    rows = [(_named(figures, m), [with_interval(figures["variants"][m][v], 100) for v in names], m == "frontier") for m in ASKED]
    return table([escape(name) for name in names], rows)


def _rank_table(figures: dict[str, Any]) -> str:
    names = list(next(iter(figures["ranks"].values())))
    rows = [(scale, [f"{of_scale[n]:.0f}" if "rank" in n else f"{of_scale[n]:.2f}" for n in names], False)
            for scale, of_scale in figures["ranks"].items()]  # fmt: skip
    return table(names, rows)


def _walk_table(figures: dict[str, Any]) -> str:
    rows = [
        (f"&times; {strength}", [f"{w['inside']:.3f}", with_interval(w["straight"], 100), with_interval(w["ratio"], digits=2),
                                 f"{100 * w['reached']:.0f} %"], False)
        for strength, w in figures["walks"].items()
    ]  # fmt: skip
    return table(["change inside", "straight: leak", "walk: leak over it", "walks that came so far"], rows)


def _strips(comparison: Comparison, r: int) -> str:
    c, parts = comparison, []
    for k, method in enumerate(c.methods):
        tiles = [_ends(c, k, n, r) for n in range(min(SHOWN, len(c.setup.ws)))]
        best = " class='best'" if method == "frontier" else ""
        picture = images.data_uri(np.concatenate(tiles, axis=1))
        parts.append(f"<div{best}>{method}</div><img alt='{escape(method)}, {escape(c.setup.regions[r])}' src='{picture}'>")
    return f"<h2 class='region'>{escape(c.setup.regions[r])}</h2><div class='strips'>{''.join(parts)}</div>"


def _ends(c: Comparison, k: int, n: int, r: int) -> np.ndarray:
    """Backward end, image, forward end and where that differs, of one edit, as a picture with a gap after it."""
    ws, back, forth = c.setup.ws[n], *np.nan_to_num(c.measured.size[k, n, r])
    (move,) = spread_over_layers(jnp.nan_to_num(c.vectors[k, n, r])[None], ws, c.setup.layers)
    frames = render(c.setup.gen, jnp.stack([ws - back * move, ws, ws + forth * move]))
    heat = images.heat_map(np.sqrt(np.square(frames[2] - frames[1]).mean(-1)), HEAT_SCALE)
    return np.pad(np.concatenate([images.strip(frames), heat], axis=1), ((0, 0), (0, 10), (0, 0)), constant_values=255)


def _walk_strips(c: Comparison) -> str:
    """The largest strength, forwards, the first latents: straight above, walked below, for every region."""
    rows = []
    for r, region in enumerate(c.setup.regions):
        found: Float[np.ndarray, "n 2 h w c"] = c.walks.images[-1, : 2 * SHOWN, r, 1]
        originals = render(c.setup.gen, c.setup.ws[: len(found)])
        for name, which in (("straight", found[:, 0]), ("walk", found[:, 1])):
            pairs = np.stack([originals, which], axis=1).reshape(-1, *originals.shape[1:])
            rows.append(f"<div>{escape(region)}, {name}</div><img alt='{name}' src='{images.data_uri(images.strip(pairs))}'>")
    return f"<div class='strips'>{''.join(rows)}</div>"
