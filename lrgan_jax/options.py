"""Words that several commands of `lrgan` share."""
from typing import Annotated

import tyro

from lrgan_jax.generators import Generator

Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT")]
Model = Annotated[str, tyro.conf.arg(metavar="NAME|FOLDER")]
Layers = Annotated[str | None, tyro.conf.arg(metavar="4-7|4,6")]


class UsageError(ValueError):
    """Options that do not fit together or the model; the message is one line for a person."""


def chosen_layers(text: str | None, gen: Generator) -> list[int] | None:
    """ "4-7,9" -> [4, 5, 6, 7, 9]."""
    if text is None:
        return None
    chosen: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            chosen += range(int(first), int(last or first) + 1)
    except ValueError as error:
        raise UsageError(f"--layers {text}: write them as 4-7 or 4,6") from error
    if not chosen or min(chosen) < 0 or max(chosen) >= gen.num_ws:
        raise UsageError(f"--layers {text}: this model has layers 0 to {gen.num_ws - 1}")
    return chosen
