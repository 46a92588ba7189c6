"""`lrgan explain`: the words that commands and pages use."""

import shutil
import textwrap
from typing import Annotated

import tyro

from lrgan_jax.glossary import WORDS, find

WIDEST = 100  # characters of a line that reads well


def explain_command(
    word: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="WORD")] = (),
) -> None:
    """Explain a word that commands and pages use, such as leak, mu or W+; all of them by default.

    Args:
        word: one, or several that belong together: null space.
    """
    for name in [find(" ".join(word))] if word else WORDS:
        print(paragraph(name))


def paragraph(word: str) -> str:
    """The word and what it means, in lines."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    return textwrap.fill(f"{word}: {WORDS[word]}", width, subsequent_indent="  ", break_on_hyphens=False)
