"""What the region painter asks, and what it is told: requests and replies as plain dicts, whoever carries them.

`widget.py` carries them in a notebook, `server.py` over HTTP on this machine; `panel.js` is the one that asks. Every request names
what it needs (a face, the steps of its edits), so any number of pages can talk to one studio.
"""
import base64
import io
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import ArrayLike
from PIL import Image

from lrgan_jax import images
from lrgan_jax.checks import LONGEST_STEP, check_whole
from lrgan_jax.editing import edit
from lrgan_jax.generators import WS, Generator, Latent, render, to_ws
from lrgan_jax.jacobian import check_layers
from lrgan_jax.options import UsageError, chosen_layers
from lrgan_jax.panel.code import python_lines
from lrgan_jax.panel.found import DRAWN, Found
from lrgan_jax.panel.masks import opened, pack, surroundings, unpack
from lrgan_jax.pipeline import METHODS, Method, find_directions
from lrgan_jax.regions import RegionError, known_regions, region_mask

LOSSLESS = 256  # side up to which pictures travel as PNG

Request = Mapping[str, Any]
Reply = dict[str, Any]


class Studio:
    """A generator, some of its latents, and all directions found so far. `reply` answers requests; see KINDS.

    Args:
      w: the faces to choose from, w [N, w_dim] or ws [N, num_ws, w_dim].
      layers, method, num: of the search, until the panel asks otherwise.
      source: Python lines that define `gen` and `faces`, for the code that the panel copies.
    """

    def __init__(
        self,
        gen: Generator,
        w: ArrayLike | Latent,
        *,
        layers: Sequence[int] | str | None = None,
        method: Method = "frontier",
        num: int = 4,
        source: str = "# gen and faces are those that the panel was opened with",
    ):
        check_whole("num", num)
        self.gen, self.faces, self.num, self.source = gen, to_ws(gen, w), num, source
        self.layers, self.method = None if layers is None else check_layers(layers, gen.num_ws), method
        self.grid = min(gen.resolution, 256)
        self.found: list[Found] = []
        self.edited: WS = WS(self.faces.array[:1])  # the latent of the picture shown last
        self._original = lru_cache(maxsize=64)(self._image)  # a face without edits is looked at again and again

    def reply(self, request: Any) -> Reply:
        """The answer to one request; `{"error": one line}` to one that cannot be answered."""
        try:
            kind = request.get("kind") if isinstance(request, Mapping) else None
            if not isinstance(kind, str) or kind not in KINDS:
                raise UsageError(f"a request is an object whose kind is one of {', '.join(KINDS)}")
            return KINDS[kind](self, request)
        except (ValueError, OSError) as error:
            return {"error": str(error)}
        except Exception as error:  # a device out of memory, say: the panel waits for an answer, whatever it is
            logging.getLogger(__name__).exception("a request of the panel failed")
            return {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}

    def hello(self, request: Request) -> Reply:
        """What there is to choose from."""
        layers = "" if self.layers is None else ",".join(map(str, self.layers))
        return {
            "grid": self.grid, "faces": len(self.faces.array), "regions": known_regions(self.gen.info.regions),
            "methods": list(METHODS), "method": self.method, "layers": layers, "num_layers": self.gen.num_ws,
        }  # fmt: skip

    def render(self, request: Request) -> Reply:
        """`face`, `edits` [[found, steps], ...] -> `image`: all the edits added up."""
        face, edits = self._face(request), self._edits(request)
        self.edited = WS(self.faces.array[face : face + 1])
        if not any(any(steps) for _, steps in edits):
            return {"image": self._original(face)}
        for found, steps in edits:
            self.edited = edit(self.edited, found.directions, steps)
        return {"image": _uri(images.to_uint8(render(self.gen, self.edited))[0])}

    def region(self, request: Request) -> Reply:
        """`name` -> `mask` of one of the model's regions."""
        return {"mask": pack(region_mask(_text(request, "name"), self.grid, self.gen.info.regions))}

    def open(self, request: Request) -> Reply:
        """`picture`, a black and white PNG as base64 -> `mask`."""
        return {"mask": pack(opened(_text(request, "picture"), self.grid))}

    def find(self, request: Request) -> Reply:
        """`face`, `mask` (and `name`, if it has one), `layers`, `method` -> `found`, and how far each one `reaches` and `leaks`."""
        face, mask = self._face(request), unpack(_text(request, "mask"), self.grid)
        name = request.get("name") or DRAWN
        if name != DRAWN and name not in known_regions(self.gen.info.regions):
            raise RegionError(f"this model has no region {name!r}")
        if (method := request.get("method", self.method)) not in METHODS:
            raise UsageError(f"method is one of {', '.join(METHODS)}")
        layers = chosen_layers(_text(request, "layers"), self.gen) if request.get("layers") else None
        latent, region = WS(self.faces.array[face : face + 1]), mask if name == DRAWN else name
        directions = find_directions(self.gen, latent, region, layers=layers, method=method, num=self.num)
        self.found.append(found := Found(face, name, mask, directions))
        return {"found": len(self.found) - 1, "name": name, "reaches": found.reaches, "leaks": found.leaks, "caveat": directions.caveat}

    def ends(self, request: Request) -> Reply:
        """`found`, `index` -> `ends`: what lies at the two ends of that slider, around the region."""
        found, index = self._found(request.get("found")), request.get("index")
        if type(index) is not int or not 0 <= index < len(found.directions):
            raise UsageError(f"index is a number from 0 to {len(found.directions) - 1}")
        steps = found.reaches[index] * np.array([-1, 1])
        moved = edit(self.faces.array[found.face : found.face + 1], found.directions[index], steps)[:, 0]
        part = surroundings(found.mask, self.gen.resolution)
        return {"ends": [_uri(picture[part]) for picture in images.to_uint8(render(self.gen, moved))]}

    def save(self, request: Request) -> Reply:
        """`found` -> `name` and `content` (base64) of a file of directions."""
        found = self._found(request.get("found"))
        return {"name": f"{found.region}.npz", "content": base64.b64encode(found.directions.to_bytes()).decode()}

    def code(self, request: Request) -> Reply:
        """`face`, `edits` -> `code`, Python that makes the same picture without the panel."""
        return {"code": python_lines(self.source, self._face(request), self._edits(request), self.num)}

    def _image(self, face: int) -> str:
        return _uri(images.to_uint8(render(self.gen, self.faces.array[face : face + 1]))[0])

    def _face(self, request: Request) -> int:
        face, count = request.get("face"), len(self.faces.array)
        if type(face) is not int or not 0 <= face < count:
            raise UsageError(f"face is a number from 0 to {count - 1}")
        return face

    def _found(self, index: Any) -> Found:
        if type(index) is not int or not 0 <= index < len(self.found):
            raise UsageError("these directions are not known here: draw the region again")
        return self.found[index]

    def _edits(self, request: Request) -> list[tuple[Found, list[float]]]:
        edits = request.get("edits")
        wanted = "edits are pairs of found directions and a list of steps, one number each"
        if not isinstance(edits, list) or not all(isinstance(e, list) and len(e) == 2 and isinstance(e[1], list) for e in edits):
            raise UsageError(wanted)
        pairs = [(self._found(index), steps) for index, steps in edits]
        for found, steps in pairs:
            numbers = all(isinstance(step, int | float) and abs(step) <= LONGEST_STEP for step in steps)  # nan is not below, either
            if len(found.directions) != len(steps) or not numbers:
                raise UsageError(wanted)
        return [(found, [float(step) for step in steps]) for found, steps in pairs]


KINDS = {kind: getattr(Studio, kind) for kind in ("hello", "render", "region", "open", "find", "ends", "save", "code")}


def _uri(picture: images.Picture) -> str:
    """PNG where that is quick; a large picture as JPEG, in which what an edit changes is seen just as well."""
    if max(picture.shape[:2]) <= LOSSLESS:
        return images.data_uri(picture)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _text(request: Request, name: str) -> str:
    if not isinstance(text := request.get(name), str):
        raise UsageError(f"{name} is missing, or no text")
    return text
