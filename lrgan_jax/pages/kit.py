"""What pages are made of: one style, documents, tables, strips and heat maps.

Texts are HTML, unless it says that they are names.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lrgan_jax import images
from lrgan_jax.glossary import WORDS
from lrgan_jax.images import Picture
from lrgan_jax.methods import METHODS

HEAT_SCALE = 0.5  # change, on [-1, 1], that a heat map shows white: a quarter of the whole range

COLOURS = """
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #1c1d20; --soft: #6b6e76; --line: #dcdcd6;
  --inside: #c2410c; --rest: #3b6ea5; --best: #1c1d200d; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181b; --ink: #e8e8e4; --soft: #9a9da6; --line: #34363c;
  --inside: #fb923c; --rest: #7fb0e0; --best: #ffffff12; } }
"""
STYLE = """
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 74rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; letter-spacing: -.01em }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .2rem } .region::first-letter { text-transform: uppercase }
p { margin: .2rem 0 .9rem; max-width: 46rem } .soft { color: var(--soft) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .8rem 0 .5rem; }
th, td { padding: .3rem .9rem; text-align: right; border-bottom: 1px solid var(--line); font-weight: 400 }
th:first-child { text-align: left; padding-left: .3rem; white-space: nowrap } thead th { color: var(--soft) }
tr.best { background: var(--best) } tr.best td, tr.best th { font-weight: 600 }
th b { display: inline-block; width: 1.2rem; color: var(--soft) }
td small { display: block; color: var(--soft); font-size: .72rem; font-weight: 400; line-height: 1.1;
  white-space: nowrap }
.scroll { overflow-x: auto }
figure { margin: 0; min-width: 0 }
figcaption { color: var(--soft); font-size: .78rem; line-height: 1.35; margin-top: .25rem }
b.inside { color: var(--inside); font-weight: 600 } b.rest { color: var(--rest); font-weight: 600 }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { font: 9px system-ui, sans-serif; fill: var(--soft) }
.ramp { display: inline-block; width: 5rem; height: .6rem; border-radius: 2px;
  background: linear-gradient(90deg, #000, #990000 33%, #ff8d1a 64%, #ffff80 85%, #fff) }
.strips { display: grid; grid-template-columns: 9.5rem 1fr; gap: .25rem .9rem; align-items: center;
  margin-top: .8rem; font-size: .85rem }
.strips img { display: block; max-width: 100%; image-rendering: pixelated; border-radius: 2px }
.strips .best { font-weight: 600 } .tiles { display: flex; flex-wrap: wrap; gap: .25rem .6rem }
.words { margin-top: 2.6rem } summary { cursor: pointer; font-weight: 600 }
.words dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.2rem; max-width: 46rem }
.words dt { font-weight: 600 } .words dd { margin: 0 }
@media (max-width: 40rem) { .words dl { grid-template-columns: 1fr } .words dd { margin-bottom: .5rem } }
@media (max-width: 40rem) { .strips { grid-template-columns: 1fr } }
@media (max-width: 30rem) { table { font-size: .9rem } th, td { padding: .3rem .4rem } }
"""


class Row(NamedTuple):
    """Of a table."""

    head: str
    cells: Sequence[str]
    best: bool = False  # ours


def document(title: str, parts: Iterable[str], *, style: str = "") -> str:
    """A page that stands alone.

    Args:
      title: a text, not HTML. style: CSS of this page's own.
    """
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{COLOURS}{STYLE}{style}</style></head><body>
<h1>{escape(title)}</h1>
{chr(10).join(parts)}
</body></html>
"""


def section(heading: str, about: str, *parts: str) -> str:
    """A heading, a paragraph, and what it is about."""
    return "\n".join([f"<h2>{heading}</h2>", f"<p>{about}</p>", *parts])


def note(text: str) -> str:
    """A paragraph for who wants to know more; nothing without a text."""
    return f'<p class="soft">{text}</p>' if text else ""


def table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Numbers under headings, as wide as it must be."""
    heads = "".join(f'<th scope="col">{text}</th>' for text in head)
    body = "".join(
        f'<tr{" class=best" if row.best else ""}><th scope="row">{row.head}</th>'
        f"{''.join(f'<td>{cell}</td>' for cell in row.cells)}</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def picture(pixels: Picture, name: str) -> str:
    """A picture inside the page, and the name it goes by where it is not seen."""
    return f'<img src="{images.data_uri(pixels)}" alt="{escape(name)}">'


def named(pixels: Picture, what: str, name: str) -> str:
    """A picture with the name of the image below it, such as "image 3"."""
    return f"<figure>{picture(pixels, f'{what}, {name}')}<figcaption>{escape(name)}</figcaption></figure>"


def strips(rows: Iterable[tuple[str, Sequence[str], bool]]) -> str:
    """Pictures below each other: a heading, the pictures of its row, whether it is ours."""
    cells = (
        f'<div{" class=best" if best else ""}>{head}</div><div class="tiles">{"".join(pictures)}</div>'
        for head, pictures, best in rows
    )
    return f'<div class="strips">{"".join(cells)}</div>'


def heat(change: Float[np.ndarray, "h w"]) -> Picture:
    """Root mean squared change per pixel, on the scale that all pages share."""
    return images.heat_map(change, HEAT_SCALE)


def explained(methods: Sequence[str], names: Sequence[str] | None = None) -> str:
    """What methods are, in a paragraph.

    Args:
      names: HTML, by which the page calls them; their titles by default.
    """
    shown = [escape(METHODS[method].title) for method in methods] if names is None else names
    about = (f"<b>{name}</b>: {escape(METHODS[m].about)}" for m, name in zip(methods, shown, strict=True))
    return note("; ".join(about) + ".")


def glossary(words: Iterable[str]) -> str:
    """What words of the page mean, for who asks."""
    meanings = "".join(f"<dt>{escape(word)}</dt><dd>{escape(WORDS[word])}</dd>" for word in words)
    return f'<details class="words"><summary>What the words mean</summary><dl>{meanings}</dl></details>'


def grey_levels(change: float) -> str:
    """A change of image values, on [-1, 1], in words."""
    return f"{change * 127.5:.0f}"


def same_change(change: float) -> str:
    """At what edits are compared."""
    return f"mean squared change inside the region is {change:g} ({grey_levels(change**0.5)} of 255 grey levels)"


SCALE = f'<span class="ramp"></span> 0 to {grey_levels(HEAT_SCALE)} grey levels'
