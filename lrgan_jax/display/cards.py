"""A title, facts, tables and pictures as HTML; see the room's docstring for what the HTML may be."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np
from jaxtyping import Shaped

from lrgan_jax import images
from lrgan_jax.display.pictures import in_bytes, sheet, shrunk

SHOWN = 8  # of many


def card(title: str, facts: Mapping[str, object], *parts: str) -> str:
    """A title, facts by name (those that are empty are left out), and parts of HTML below them."""
    rows = "".join(_fact(name, str(fact)) for name, fact in facts.items() if fact not in (None, ""))
    grid = "display: grid; grid-template-columns: max-content auto; gap: 0.1em 1em; margin: 0 0 0.6em"
    head = f'<p style="margin: 0 0 0.3em"><strong>{escape(title)}</strong></p>'
    facts_list = f'<dl style="{grid}">{rows}</dl>' if rows else ""
    return f'<div style="line-height: 1.4">{head}{facts_list}{"".join(parts)}</div>'


def _fact(name: str, fact: str) -> str:
    # Widths, since JupyterLab has its own, in which names of two words would break.
    term = f'<dt style="font-weight: normal; opacity: 0.7; width: auto; white-space: nowrap">{escape(name)}</dt>'
    return f'{term}<dd style="margin: 0; width: auto">{escape(fact)}</dd>'


def table(columns: Mapping[str, Sequence[str]], num: int | None = None) -> str:
    """Columns of texts and pictures, both HTML already, by their heads; where there is no room it scrolls.

    Args:
      num: rows that there are in all, if more than these.
    """
    style = 'style="padding: 0.2em 0.9em 0.2em 0; text-align: left; vertical-align: middle; white-space: nowrap"'
    rows = [*zip(*columns.values(), strict=True)]
    lines = ["".join(f'<th scope="col" {style}>{name}</th>' for name in columns)]
    lines += ["".join(f"<td {style}>{cell}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    whole = f'<table style="border-collapse: collapse; margin: 0; font-size: inherit; color: inherit">{body}</table>'
    more = note(f"and {num - len(rows)} more") if num is not None and num > len(rows) else ""
    return f'<div style="overflow-x: auto">{whole}</div>{more}'


def changes(inside: Shaped[np.ndarray, " k"], outside: Shaped[np.ndarray, " k"]) -> dict[str, list[str]]:
    """Columns of what each of some moves changes."""
    outside = np.maximum(outside, 0)  # what rounding leaves may lie below
    return {
        "inside": [f"{change:.3g}" for change in inside],
        "outside": [f"{change:.3g}" for change in outside],
        "leak": [f"{leak:.{2 if leak < 99.5 else 3}g} %" for leak in 100 * outside / np.maximum(inside, 1e-12)],
    }


def picture(arrays: Shaped[np.ndarray, "n h w c"], what: str, side: int = 80) -> str:
    """Images in [-1, 1], or uint8, side by side as one `<img>`, each `side` pixels high or wide on the screen; `what`
    says it in words.
    """
    tiles = shrunk(in_bytes(arrays), 2 * side)  # for screens whose pixels are fine
    strip = sheet([tiles])
    return image(strip, what, round(strip.shape[1] * side / max(tiles.shape[1:3])))


def image(pixels: Shaped[np.ndarray, "h w c"], what: str, width: int) -> str:
    """Pixels as an `<img>` so wide on the screen."""
    return f'<img src="{images.data_uri(pixels)}" alt="{escape(what)}" width="{width}">'


def note(text: str) -> str:
    """A line beside the facts."""
    return f'<p style="margin: 0.3em 0; opacity: 0.7">{escape(text)}</p>'


def cut(text: str, most: int = 100) -> str:
    """No more than so many characters of a text."""
    return text if len(text) <= most else text[: most - 1] + "…"


def if_it_can(make: Callable[[], list[str]]) -> tuple[list[str], str]:
    """The pictures that `make` makes, and a line: whatever hinders it, since looking at a thing must not fail."""
    try:
        return make(), ""
    except Exception as error:
        return [], note(f"no pictures: {type(error).__name__}: {str(error).partition(chr(10))[0]}")
