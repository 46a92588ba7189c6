"""One self-contained HTML page of a comparison: tables, the plane of every region, strips side by side."""

from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float, UInt8

from lrgan_jax import images
from lrgan_jax.compare.experiment import Comparison
from lrgan_jax.compare.figures import Figures, Interval
from lrgan_jax.compare.front import front
from lrgan_jax.compare.plane import STYLE as PLANE_STYLE
from lrgan_jax.compare.plane import letters, plane
from lrgan_jax.compare.walks import STRENGTHS
from lrgan_jax.methods import METHODS
from lrgan_jax.pages import kit

OURS = [METHODS[name].title for name in ("frontier", "refined")]  # that stand out
SHOWN = 3  # latents whose edits are shown, and twice as many of the walks
EFFECTS = {  # measure -> heading, factor, digits
    "lpips_outside": ("LPIPS outside, &times; 1000", 1000, 1),
    "identity": ("identity", 1, 3),
    "expression": ("expression", 1, 3),
    "landmarks": ("landmarks, % of the image", 100, 2),
}
STYLE = """
.planes { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem 2rem }
.front { margin: 1rem 0; max-width: 32rem }
.planes figcaption { font-size: .9rem }
"""


WORDS = (
    *("leak", "inside", "outside", "frontier", "mu", "length", "depth", "oddity", "strangeness", "painted", "LPIPS"),
    *("identity", "first order", "null space", "robust PCA", "rank", "walk"),
)


def page(
    comparison: Comparison, figures: Figures, *, model: str, note: str, numbers: Sequence[int] = range(2 * SHOWN)
) -> str:
    """The HTML text of a comparison and its `summary`.

    Args:
      numbers: of the latents, where they come from.
    """
    names = [f"image {n}" for n in numbers]
    changed = kit.same_change(comparison.setup.scene.search.change)
    about = f"""<p>Every method moves every latent along one direction, both ways, until the {changed}. What has
changed {_elsewhere(comparison)} by then is its leak.</p>"""
    parts = [
        about,
        kit.note(escape(note)),
        _leaks(comparison, figures),
        _effects(figures),
        _natural(figures),
        _planes(comparison),
        _dominance(figures),
        _variants(comparison, figures),
        _ranks(comparison, figures),
        _walks(comparison, figures, names),
        _side_by_side(comparison, names),
        kit.glossary(WORDS),
    ]
    return kit.document(f"Methods compared on {model}", parts, style=PLANE_STYLE + STYLE)


def with_interval(interval: Interval, factor: int = 1, digits: int = 1) -> str:
    """Median, and the interval small."""
    if not np.isfinite(interval.median):
        return "none"
    median, low, high = (f"{factor * float(value):.{digits}f}" for value in interval)
    return f"{median}<small>{low}&ndash;{high}</small>"


def _elsewhere(c: Comparison) -> str:
    return "outside" if c.setup.scene.kept is None else "of what is to keep still"


def _row(figures: Figures, method: str, cells: list[str], mark: str = "", *, best: bool = True) -> kit.Row:
    """Of a method, by its letter and title; ours stands out."""
    named = f"<b>{letters(figures.methods)[method]}</b>{escape(method)}{mark}"
    return kit.Row(named, cells, best and method in OURS)


def _leaks(c: Comparison, figures: Figures) -> str:
    rows = [
        _row(figures, m, [with_interval(leak, 100) for leak in leaks.values()], "" if figures.reached[m] == 1 else "*")
        for m, leaks in figures.leaks.items()
    ]
    star = "" if min(figures.reached.values()) == 1 else "* some edits could not change the region that much."
    names = [f"{letter} {escape(METHODS[m].title)}" for m, letter in letters(c.methods).items()]
    return kit.section(
        "How much leaks?",
        f"Change {_elsewhere(c)} over change inside, in percent, median over {figures.latents} latents "
        "with its 95 % confidence "
        "interval. Methods that do not look at the region choose, at each latent, the best of their first "
        "ten directions.",
        kit.table(["all", *map(escape, figures.regions)], rows),
        kit.note(star),
        kit.explained(c.methods, names),
    )


def _effects(figures: Figures) -> str:
    known = [name for name in EFFECTS if name in next(iter(figures.effects.values()))]
    if not known:
        return kit.note(
            "LPIPS (of pictures large enough for it), identity, expression and landmarks: "
            "see <code>lrgan convert --metrics</code>."
        )
    rows = []
    for method, measured in figures.effects.items():
        seconds = figures.seconds.get(method)
        cells = [with_interval(measured[name], *EFFECTS[name][1:]) for name in known]
        rows.append(_row(figures, method, [*cells, "" if seconds is None else f"{1000 * seconds:.1f}"]))
    about = (
        "What networks see of the same edits, and milliseconds that a method takes per latent and region "
        "beside the Jacobian."
    )
    return f"<p>{about}</p>" + kit.table([*(EFFECTS[name][0] for name in known), "ms"], rows)


def _natural(figures: Figures) -> str:
    rows = [_row(figures, m, [with_interval(a, digits=2) for a in of]) for m, of in figures.natural.items()]
    return kit.section(
        "Does it stay natural?",
        "Little leaks if the region is painted over. The length of the steps, in standard deviations of the "
        "generator's own latents; how far out among those the edited latent lies (depth), and how far the region's "
        "pixels are from those of the generator's pictures (oddity): 1 is a typical sample. Strangeness is depth "
        "times the square of oddity. The line is the frontier, its mu rising; down and left is better.",
        kit.table(["length", "depth", "oddity", "strangeness"], rows),
        f'<figure class="front">{front(figures)}</figure>',
    )


def _planes(c: Comparison) -> str:
    regions = c.setup.scene.regions
    drawn = (f'<figure>{plane(c, r)}<figcaption class="region">{escape(r)}</figcaption></figure>' for r in regions)
    return kit.section(
        "Inside against outside",
        "What a direction changes inside and outside per squared unit of step, mean over the latents: "
        "hollow to first order, filled at "
        "the real step. Down and right is better. The line is the frontier, below which no hollow point "
        "can lie; dashed, the same at "
        "real steps.",
        f'<div class="planes">{"".join(drawn)}</div>',
    )


def _dominance(figures: Figures) -> str:
    rows = []
    for method, d in figures.dominance.items():
        cells = [
            with_interval(d.first_order, digits=2),
            f"{d.first_order_largest:.3f}",
            with_interval(d.real_steps, digits=2),
        ]
        rows.append(_row(figures, method, [*cells, f"{100 * d.at_most_1:.0f} %", f"{100 * d.at_most_1_1:.0f} %"]))
    head = ["leak over the method's, first order", "largest", "real steps", "at most 1", "at most 1.1"]
    return kit.section(
        "Does the frontier win at real steps, too?",
        "Against each method stands the frontier's direction that changes the region as much per unit of "
        "step, to first order. It leaks "
        "at most as much, by theory, where the frontier changes as much; at real steps curvature has its say.",
        kit.table(head, rows),
    )


def _variants(c: Comparison, figures: Figures) -> str:
    titles = [METHODS[m].title for m in c.variants]
    rows = [_row(figures, m, [with_interval(leak, 100) for leak in figures.variants[m].values()]) for m in titles]
    left_out = (
        "" if c.setup.around else "Regions drawn differently are left out: they need Grams that the sweep has not kept."
    )
    return kit.section(
        "Asked otherwise",
        "Leak in percent of a direction found for another image, for all images together, or for a region "
        "drawn differently; measured at "
        "each image on the region as it is, geometric mean over the regions.",
        kit.table([escape(name) for name in figures.variants[titles[0]]], rows),
        kit.note(left_out),
    )


def _ranks(c: Comparison, figures: Figures) -> str:
    if c.ranks is None:
        return ""
    rows = []
    for scale, found in figures.ranks.items():
        shares = found.energy_inside, found.energy_outside, found.converged
        rows.append(
            kit.Row(scale, [f"{found.rank_inside:.0f}", f"{found.rank_outside:.0f}", *(f"{a:.2f}" for a in shares)])
        )
    return kit.section(
        "Rank and lambda",
        f"Median ranks of the low-rank parts of {c.vectors.shape[-1]}-dimensional Grams, their share of "
        "the trace, and the share of "
        f"robust PCAs that converged, at {c.ranks.rank_inside.shape[1]} latents; lambda in units of 1/sqrt(d).",
        kit.table(["rank inside", "rank outside", "energy inside", "energy outside", "converged"], rows),
    )


def _walks(c: Comparison, figures: Figures, names: Sequence[str]) -> str:
    rows = []
    for strength, w in figures.walks.items():
        cells = [
            f"{w.inside:.3f}",
            with_interval(w.straight, 100),
            with_interval(w.ratio, digits=2),
            f"{100 * w.reached:.0f} %",
        ]
        rows.append(kit.Row(f"&times; {strength}", cells))
    return kit.section(
        "Walks",
        "The straight edit at one, two and four times the usual step, and a walk along the curve until the "
        "region has changed as much; "
        f"leak of the straight edit in percent, and the walk's over it, {c.walks.inside.shape[1]} latents.",
        kit.table(["change inside", "straight: leak", "walk: leak over it", "walks that came so far"], rows),
        kit.strips(_walk_strips(c, names)),
    )


def _walk_strips(c: Comparison, names: Sequence[str]) -> list[tuple[str, list[str], bool]]:
    """The largest strength, forwards, the first latents: straight above, walked below, for every region."""
    largest = STRENGTHS.index(max(STRENGTHS))
    originals, ends = c.setup.scene.pictures(c.walks.moves[largest, : 2 * SHOWN, :, 1])  # [n, R, 2, H, W, C]
    rows = []
    for r, region in enumerate(c.setup.scene.regions):
        for k, name in enumerate(("straight", "walk")):
            pairs = zip(originals, ends[:, r, k], names, strict=False)
            shown = [kit.named(images.strip(np.stack(pair)), f"{region}, {name}", of) for *pair, of in pairs]
            rows.append((f"{escape(region)}, {name}", shown, False))
    return rows


def _side_by_side(c: Comparison, names: Sequence[str]) -> str:
    scene, num = c.setup.scene, min(SHOWN, len(c.setup.scene.ws))
    steps = c.measured.size[:, :num] * np.array([-1, 1], np.float32)
    moves = steps[..., None, None] * scene.spread(c.vectors[:, :num])[:, :, :, None]  # [M, n, R, 2, L, d]
    originals, ends = scene.pictures(np.moveaxis(moves, 0, 1))
    sections = []
    for r, region in enumerate(scene.regions):
        rows = []
        for k, method in enumerate(c.methods):
            title = METHODS[method].title
            name = f"{title}, {region}"
            shown = [kit.named(_ends(originals[n], *ends[n, k, r]), name, names[n]) for n in range(num)]
            rows.append((escape(title), shown, title in OURS))
        sections.append(f'<h2 class="region">{escape(region)}</h2>{kit.strips(rows)}')
    about = "Both ends and the image itself, at the same change inside; after each, where the forward end differs: "
    return kit.section("Side by side", f"{about}{kit.SCALE}.", *sections)


def _ends(
    image: Float[np.ndarray, "h w c"], back: Float[np.ndarray, "h w c"], forth: Float[np.ndarray, "h w c"]
) -> UInt8[np.ndarray, "h v 3"]:
    """Backward end, image, forward end and where that differs."""
    change = np.sqrt(np.square(forth - image).mean(-1))
    return np.concatenate([images.strip(np.stack([back, image, forth])), kit.heat(change)], axis=1)
