"""The panel as a notebook widget (Jupyter, VS Code, Colab), on anywidget."""

import asyncio
import os
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.display import DisplayHandle, display

from lrgan_jax import images
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import check_free, write_whole
from lrgan_jax.directions import Directions
from lrgan_jax.generators import WS
from lrgan_jax.panel.bundle import bundle
from lrgan_jax.panel.models import Models
from lrgan_jax.panel.snapshot import Snapshot, snapshot
from lrgan_jax.panel.studio import Studio

PAGE = Path(__file__).parent / "page"
REST = 0.5  # seconds without a new picture, after which the file's is made anew: a slider asks for ten a second


class Panel(anywidget.AnyWidget):
    """Draw a region, get sliders; what was done is at hand in Python.

    What is shown in a notebook is two outputs, the live panel and a picture of how it was left. The panel hides the
    picture as long as it lives; in a saved file, on GitHub or as HTML the picture is what there is to see.

    Attributes:
      directions: everything found so far, by title; of those found twice under one the last.
      edited: the latent of the picture shown, [1, num_ws, w_dim].
    """

    _esm = bundle(PAGE / "panel.js")
    _css = PAGE / "panel.css"
    still = traitlets.Unicode().tag(sync=True)  # class of the picture in the file

    def __init__(self, studio: Studio | Models):
        super().__init__()
        self._studio = studio
        self._pictures: list[DisplayHandle] = []
        self._soon: asyncio.TimerHandle | None = None
        self.still = f"lrgan-still-{self.model_id}"
        self.on_msg(self._answer)

    @property
    def directions(self) -> dict[str, Directions]:
        return {found.title: found.directions for found in self._studio.found}

    @property
    def edited(self) -> WS:
        return self._studio.edited

    def snapshot(self) -> Snapshot:
        """What it shows now: the image before and after, the regions and the sliders; in a notebook a picture."""
        return snapshot(self._studio.rendering, self._studio.shown)

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the image that it shows, at the model's size (.png), or the session (.zip), which the page and
        `lr.explore(gen, session=path)` open again.

        Raises:
          InputError: on another suffix. ExistsError: if there is a file already, unless it may be overwritten.
          PlaceError: if it cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".png", ".zip"):
            raise InputError(f"{path}: a panel saves its image as .png, and its session as .zip")
        check_free(path, overwrite)
        if path.suffix == ".png":
            return images.save(path, images.to_uint8(self._studio.rendering.image(self._studio.shown)))
        return write_whole(path, self._studio.to_bytes())

    def __repr__(self) -> str:
        return f"<panel of {self._studio.gen.info.name}, as it was left; run the cell for the living one>"

    def _ipython_display_(self) -> None:
        shown = self._repr_mimebundle_() or {}
        data, about = shown if isinstance(shown, tuple) else (shown, {})
        display(data | {"text/plain": repr(self)}, metadata=about, raw=True)
        self._pictures.append(DisplayHandle())
        self._pictures[-1].display(self._picture(), raw=True)

    def _picture(self) -> dict[str, str]:
        now = self.snapshot()
        return {"text/plain": repr(now), "text/html": f'<div class="{self.still}">{now._repr_html_()}</div>'}

    def _answer(self, _widget: Any, request: dict[str, Any], _buffers: list) -> None:
        reply = {"error": "interrupted"}  # by a person who stops the kernel, which `reply` lets pass
        try:
            reply = self._studio.reply(request)
        finally:
            self.send({"id": request.get("id")} | reply)
        if request.get("kind") == "render" and not request.get("quick") and self._pictures:
            self._redraw_soon()

    def _redraw_soon(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
        try:
            self._soon = asyncio.get_running_loop().call_later(REST, self._redraw)
        except RuntimeError:  # no loop: whoever asks waits
            self._redraw()

    def _redraw(self) -> None:
        """The picture in the file is that of now."""
        now = self._picture()
        for picture in self._pictures:
            picture.update(now, raw=True)
