"""Editing by hand: draw a region, get sliders. `explore` opens the panel in a notebook, `lrgan explore` as a page.

    studio.py       what can be asked and what is answered; no user interface
    models.py       several of these, one a model; opening.py the one of a notebook
    faces.py        which faces there are, and where further ones come from; named.py the model's own directions
    masks.py        what is drawn; searching.py how directions are looked for; found.py what was found
    wanted.py       a face and the steps of its sliders; rendering.py the picture of it; quick.py what it will look
                    like; walks.py sliders that bend; pictures.py what is kept of it
    snapshot.py     what a saved notebook shows of it
    code.py         Python that makes it; portrait_code.py that of a photograph
    session.py      all that a person has done, as a file
    photographs.py  what is asked of photographs that are open; portrait.py what they become; wire.py what travels
    kit.js          what all of these are made of:
    mask.js         what is drawn; painter.js how it is drawn
    photograph.js   the pane in which a photograph becomes one of the faces
    panel.js, .css  the painter and the sliders, the same for both of these:
    widget.py       carries questions and answers in a notebook, over anywidget
    server.py       and over HTTP, to this machine alone

The command is in `commands/explore.py`.
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Unpack

from jaxtyping import ArrayLike

from lrgan_jax.base.errors import InputError, MissingPackageError
from lrgan_jax.directions import Directions
from lrgan_jax.generators import Generator, Latent
from lrgan_jax.search import Search, Settings

if TYPE_CHECKING:
    from lrgan_jax.panel.widget import Panel


def explore(
    gen: Generator | Mapping[str, Generator],
    w: ArrayLike | Latent | None = None,
    search: Search | None = None,
    *,
    named: Mapping[str, Directions] | None = None,
    session: str | os.PathLike[str] | None = None,
    **overrides: Unpack[Settings],
) -> "Panel":
    """A widget in which to draw a region of an image and move what was found there.

    Args:
      gen: what draws them; or several to choose from, by name.
      w: the images to choose from, w [N, w_dim] or ws [N, num_ws, w_dim]; None for twelve near-frontal faces;
        of a model of more than 256 pixels for the first twelve.
      search, overrides: how directions are looked for, as in `find_directions`; the panel can change layers, method and
        what keeps still. `num` is the number of sliders a region has at most.
      named: directions that every face has a slider for; None for the model's own, if it is an embedded one.
      session: a file that the panel has saved, to go on with; it brings its faces.
    Returns:
      The widget: `panel.directions` holds what was found, by title, `panel.edited` the latent shown.
    Raises:
      MissingPackageError: without anywidget, in one line. InputError: on what does not fit, or go together.
      SessionError: on a session that is none, or of another model.
    """
    try:
        from lrgan_jax.panel.widget import Panel
    except ModuleNotFoundError as error:
        raise MissingPackageError("the panel needs anywidget: pip install 'lrgan_jax[notebooks]'") from error
    from lrgan_jax.panel.models import Models
    from lrgan_jax.panel.opening import studio

    search = (search or Search()).but(**overrides)
    if not isinstance(gen, Mapping):
        return Panel(studio(gen, w, search, named=named, session=session))
    if not gen or w is not None or named is not None or session is not None:
        raise InputError("of several models the panel chooses the faces: leave w, named and session out")
    return Panel(Models({name: partial(studio, one, None, search, model=name) for name, one in gen.items()}))


__all__ = ["explore"]
