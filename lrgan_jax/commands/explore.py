"""`lrgan explore`: the panel in a browser, for people without a notebook."""

import os
import secrets
import threading
import time
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.interrupt import stop_request
from lrgan_jax.base.progress import resting
from lrgan_jax.commands.options import SearchOptions, UsageError, Which, load_model
from lrgan_jax.generators import Generator
from lrgan_jax.generators.sampling import POOL
from lrgan_jax.generators.style_space import MARK
from lrgan_jax.panel.faces import Draw, Faces, can_be_picked
from lrgan_jax.panel.found import Named
from lrgan_jax.panel.masks import pack
from lrgan_jax.panel.models import Models
from lrgan_jax.panel.named import of_model
from lrgan_jax.panel.server import Server
from lrgan_jax.panel.session import read
from lrgan_jax.panel.studio import Studio
from lrgan_jax.regions import box_mask
from lrgan_jax.search import Search

Chosen = Annotated[
    tuple[str, ...],
    tyro.conf.arg(
        metavar="NAME|FOLDER[:styles]...",
        help="one that lrgan info lists, or a folder that lrgan convert wrote, with :styles after it its style space; "
        "or several to choose from: those after the first are loaded when the page asks for them.",
    ),
]


def explore_command(
    *,
    model: Chosen = ("faces-dcgan",),
    session: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    num_faces: int | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    no_browser: bool = False,
    search: Annotated[SearchOptions, tyro.conf.OmitArgPrefixes] = SearchOptions(),  # noqa: B008, a constant
    which: Annotated[Which, tyro.conf.OmitArgPrefixes] = Which(),  # noqa: B008, a constant
) -> None:
    """Open a page in which you draw a region of a face and get sliders that move it and nothing else. Ctrl-C ends it.

    The page is served to this machine only, under an address with a secret token. From another machine, forward the
    port: ssh -L 8765:localhost:8765.

    Args:
        session: go on with what the page has saved in this file, of the first model; it brings its faces.
        num_faces: how many faces to choose from. Near-frontal ones, 12 by default, are picked out of 512, of all
            classes in turn; of a model of more than 256 pixels, with labels or a cutoff, the first; of a file, all or
            the first.
        host: a loopback address to listen on.
        port: of the page; 0 takes a free one.
        no_browser: only print the address.
        search: how to look for directions; the page can change layers, method and what keeps still.
        which: which latents.
    """
    check_whole("--num-faces", num_faces, most=POOL)
    check_whole("--port", port, least=0, most=65535)
    if session is not None and (which != Which() or num_faces is not None):
        raise UsageError(
            "--session brings its faces: leave --num-faces, --latents, --seed and what else is of them out"
        )
    looked_for = search.search()
    opening = {name: partial(_studio, name, looked_for, num_faces, which) for name in model}
    if session is not None:
        opening[model[0]] = partial(reopened, model[0], looked_for, session)
    models = Models(opening)
    models.studio(model[0])  # what is wrong with it is said before the page opens
    server = _server(models, host, port)
    threading.Thread(target=_warm, args=(models.studio(),), daemon=True).start()
    with stop_request() as stop, resting():
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"open {server.url}\nCtrl-C ends it", flush=True)
        if not no_browser:
            webbrowser.open(server.url)
        while stop.number is None:
            time.sleep(0.1)
    server.shutdown()
    server.server_close()
    os._exit(0)  # a thread may be compiling, which cannot be stopped, and crashes when Python goes down around it


def _studio(model: str, search: Search, num_faces: int | None, which: Which) -> Studio:
    gen = load_model(model)
    faces, source = file_or_frontal(gen, model, num_faces, which)
    return Studio(gen, faces, search, source=source, named=_named(model))


def reopened(model: str, search: Search, session: Path) -> Studio:
    """With what a page has saved."""
    gen = load_model(model)
    opened = read(session, gen)
    studio = Studio(gen, opened.choice, search, source=_loading(model), named=_named(model))
    studio.take(opened, str(session))
    return studio


def _named(model: str) -> dict[str, Named]:
    """A style space has none: they move w."""
    return {} if model.endswith(MARK) else of_model(model)


def _loading(model: str) -> str:
    """Python that loads it."""
    loads = f"lr.load({model.removesuffix(MARK)!r})"
    return f"gen = lr.style_space({loads})" if model.endswith(MARK) else f"gen = {loads}"


def file_or_frontal(gen: Generator, model: str, num: int | None, which: Which) -> tuple[Faces, str]:
    """The faces to choose from, and Python that makes them."""
    lines = [_loading(model)]
    if which.latents is None:
        return _random(gen, 12 if num is None else num, which, lines)
    every, first = which.of(gen, 0), "" if num is None else f"[:{num}]"
    loaded = f"lr.load_latents({str(which.latents)!r}, gen{'' if which.space is None else f', space={which.space!r}'})"
    if which.space == "z":
        lines.insert(0, "from lrgan_jax.generators.sampling import given\n")
        loaded = f"given(gen, {loaded}, {_mapped(which, gen)}).all()"
    faces = Faces.given(gen, every.all()[:num], which.latents.name)
    return faces, "\n".join([*lines, f"faces = {loaded}{first}"])


def _random(gen: Generator, num: int, which: Which, lines: list[str]) -> tuple[Faces, str]:
    """Faces that look at the camera, of all classes in turn; the first, where it is said of which classes."""
    chosen = bool(which.labels) or which.cutoff is not None
    if chosen or which.space is not None:
        which.of(gen, num)  # which refuses what does not go together
    draw = Draw(which.seed, which.labels, which.truncation, which.cutoff, not chosen and can_be_picked(gen))
    faces = Faces.drawn(gen, draw, num)
    if not draw.frontal:
        lines.insert(0, "from lrgan_jax.generators.sampling import seeded\n")
        lines.append(f"faces = seeded(gen, {which.seed}, {num}, {_mapped(which, gen)}).all()")
        return faces, "\n".join(lines)
    picked = f"jax.random.key({which.seed}), {num}, truncation={which.truncation}"
    lines = ["import jax", "", *lines, f"faces = lr.near_frontal(gen, {picked})"]
    return faces, "\n".join(lines)


def _mapped(which: Which, gen: Generator) -> str:
    labels = which.labels or (f"range({gen.c_dim})" if gen.c_dim else ())
    return f"labels={labels}, truncation={which.truncation}, cutoff={which.cutoff}"


def _server(models: Models, host: str, port: int) -> Server:
    """It has a token of its own; a port in use is an error of one line."""
    try:
        return Server(models, secrets.token_urlsafe(16), host=host, port=port)
    except OSError as error:
        why = f"{error.strerror or error}; another program listens there? --port 0 takes a free one"
        raise UsageError(f"--port {port}: {why}") from error


def _warm(studio: Studio) -> None:
    """Compile while the person looks at the first face, with a studio of its own so that nothing is found by it."""
    own = Studio(studio.gen, studio.choice, studio.search)
    top, left = (side // 3 for side in own.grid)
    found = own.reply({"kind": "find", "face": 0, "mask": pack(box_mask(top, left, top, left, own.grid))})
    if "found" in found:
        own.reply({"kind": "render", "face": 0, "edits": [[0, [1.0] * len(found["leaks"])]]})
        own.reply({"kind": "ends", "found": 0, "index": 0})
