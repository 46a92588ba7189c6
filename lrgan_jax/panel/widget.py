"""The panel as a notebook widget (Jupyter, VS Code, Colab), on anywidget."""

from pathlib import Path
from typing import Any

import anywidget

from lrgan_jax.directions import Directions
from lrgan_jax.generators import WS
from lrgan_jax.panel.bundle import bundle
from lrgan_jax.panel.studio import Studio

PAGE = Path(__file__).parent / "page"


class Panel(anywidget.AnyWidget):
    """Draw a region, get sliders; what was done is at hand in Python.

    Attributes:
      directions: everything found so far, by title; of those found twice under one the last.
      edited: the latent of the picture shown, [1, num_ws, w_dim].
    """

    _esm = bundle(PAGE / "panel.js")
    _css = PAGE / "panel.css"

    def __init__(self, studio: Studio):
        super().__init__()
        self._studio = studio
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, request: dict[str, Any], _buffers: list) -> None:
        reply = {"error": "interrupted"}  # by a person who stops the kernel, which `reply` lets pass
        try:
            reply = self._studio.reply(request)
        finally:
            self.send({"id": request.get("id")} | reply)

    @property
    def directions(self) -> dict[str, Directions]:
        return {found.title: found.directions for found in self._studio.found}

    @property
    def edited(self) -> WS:
        return self._studio.edited
