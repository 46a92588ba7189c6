"""Editing by hand: draw a region, get sliders. `explore` opens the panel in a notebook, `lrgan explore` as a page.

    studio.py       what can be asked and what is answered; no user interface (masks.py, found.py, code.py help)
    photographs.py  the same of photographs that are open; portrait.py what they become; wire.py what travels
    kit.js          what all of these are made of:
    mask.js         what is drawn; painter.js how it is drawn
    photograph.js   the pane in which a photograph becomes one of the faces
    panel.js, .css  the painter and the sliders, the same for both of these:
    widget.py       carries questions and answers in a notebook, over anywidget
    server.py       and over HTTP, to this machine alone

The command is in `commands/explore.py`.
"""

from typing import TYPE_CHECKING, Unpack

import jax
from jaxtyping import ArrayLike

from lrgan_jax.base.errors import MissingPackageError
from lrgan_jax.generators import Generator, Latent, near_frontal
from lrgan_jax.search import Search, Settings

if TYPE_CHECKING:
    from lrgan_jax.panel.widget import Panel

NEAR_FRONTAL = """import jax

# gen (and protect) are those that the panel was opened with
faces = lr.near_frontal(gen, jax.random.key(0), 12)"""


def explore(
    gen: Generator, w: ArrayLike | Latent | None = None, search: Search | None = None, **overrides: Unpack[Settings]
) -> "Panel":
    """A widget in which to draw a region of an image and move what was found there.

    Args:
      w: the images to choose from, w [N, w_dim] or ws [N, num_ws, w_dim]; None for twelve near-frontal faces.
      search, overrides: how directions are looked for, as in `find_directions`; the panel can change layers, method and
        what keeps still. `num` is the number of sliders a region has at most.
    Returns:
      The widget: `panel.directions` holds what was found, by region, `panel.edited` the latent shown.
    Raises:
      MissingPackageError: without anywidget, in one line.
    """
    try:
        from lrgan_jax.panel.widget import Panel
    except ModuleNotFoundError as error:
        raise MissingPackageError("the panel needs anywidget: pip install 'lrgan_jax[notebooks]'") from error
    from lrgan_jax.panel.studio import Studio

    search = (search or Search()).but(**overrides)
    if w is None:
        return Panel(Studio(gen, near_frontal(gen, jax.random.key(0), 12), search, source=NEAR_FRONTAL))
    return Panel(Studio(gen, w, search))


__all__ = ["explore"]
