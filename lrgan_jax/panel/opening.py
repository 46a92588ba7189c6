"""The studio of a panel in a notebook."""

import os
from collections.abc import Mapping

from jaxtyping import ArrayLike

from lrgan_jax.base.errors import InputError
from lrgan_jax.directions import Directions
from lrgan_jax.generators import Generator, Latent
from lrgan_jax.panel.faces import Draw, Faces, can_be_picked
from lrgan_jax.panel.named import given
from lrgan_jax.panel.session import read
from lrgan_jax.panel.studio import Studio
from lrgan_jax.search import Search

GIVEN = "# {gen} (and protect, named) are those that the panel was opened with"
NUM_FACES = 12


def studio(
    gen: Generator,
    w: ArrayLike | Latent | None,
    search: Search,
    *,
    named: Mapping[str, Directions] | None = None,
    session: str | os.PathLike | None = None,
    model: str = "",
) -> Studio:
    """Of the latents that are given, of near-frontal faces, or of a session.

    Args:
      model: its name, where it is one of several.
    """
    own = None if named is None else given(named)
    source = GIVEN.format(gen="models") + f"\ngen = models[{model!r}]" if model else GIVEN.format(gen="gen")
    if session is not None:
        if w is not None:
            raise InputError("a session brings its faces: leave w out")
        opened = read(session, gen)
        found = Studio(gen, opened.choice, search, source=source, named=own)
        found.take(opened, os.fspath(session))
        return found
    if w is not None:
        return Studio(gen, w, search, source=GIVEN.format(gen="gen, faces"), named=own)
    draw = Draw(frontal=can_be_picked(gen))
    return Studio(gen, Faces.drawn(gen, draw, NUM_FACES), search, source=f"{source}\n{_code(gen, draw)}", named=own)


def _code(gen: Generator, draw: Draw) -> str:
    """Python that makes the faces."""
    if draw.frontal:
        return f"faces = lr.near_frontal(gen, jax.random.key(0), {NUM_FACES})"
    labels = f", labels=range({gen.c_dim})" * bool(gen.c_dim)
    return f"faces = seeded(gen, 0, {NUM_FACES}{labels}).all()"
