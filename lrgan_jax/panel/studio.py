"""What the region painter asks, and what it is told: requests and replies as plain dicts, whoever carries them.

`widget.py` carries them in a notebook, `server.py` over HTTP on this machine; `panel.js` is the one that asks. Every
request names what it needs (a face, the steps of its edits), so any number of pages can talk to one studio.
"""

import base64
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from lrgan_jax import images, methods
from lrgan_jax.base.checks import LONGEST_STEP
from lrgan_jax.base.errors import InputError, LrganError
from lrgan_jax.editing import edit
from lrgan_jax.generators import WS, Generator, Latent, grid, render, to_ws
from lrgan_jax.inversion import Fit, Tuning
from lrgan_jax.panel.code import python_lines
from lrgan_jax.panel.found import DRAWN, Found
from lrgan_jax.panel.masks import opened, pack, surroundings, unpack
from lrgan_jax.panel.photographs import Photographs, preview
from lrgan_jax.panel.portrait import Portrait
from lrgan_jax.panel.wire import LARGEST_FILE, Reply, Request, text, uri
from lrgan_jax.photographs import Photograph
from lrgan_jax.pipeline import find_directions
from lrgan_jax.regions import RegionError, box_mask, known_regions, region_mask
from lrgan_jax.search import Search
from lrgan_jax.targets import search_moves, targets


class Studio:
    """A generator, some of its latents, and all directions found so far. `reply` answers requests; see KINDS.

    Args:
      w: the faces to choose from, w [N, w_dim] or ws [N, num_ws, w_dim], with their classes where the model has some.
      search: how directions are looked for, until the panel asks for other layers, methods or regions to keep still.
      source: Python lines that define `gen` and `faces`, for the code that the panel copies.
      fit, tuning: how photographs are inverted, and how the generator is tuned to one where that is asked for.
    Attributes:
      faces: to choose from; photographs that were opened join them. portraits: those by the number of their face.
    Raises:
      InputError: on latents or settings that do not fit the generator, or a method that does not look at the region.
    """

    def __init__(
        self,
        gen: Generator,
        w: ArrayLike | Latent,
        search: Search | None = None,
        *,
        source: str = "# gen, faces (and protect) are those that the panel was opened with",
        fit: Fit | None = None,
        tuning: Tuning | None = None,
    ):
        self.gen, self.faces, self.search, self.source = gen, to_ws(gen, w), search or Search(), source
        self.grid = grid(gen, self.search.size)
        self._check_search()
        self.found: list[Found] = []
        self.photographs = Photographs(gen, fit or Fit(), tuning or Tuning())
        self.portraits: dict[int, Portrait] = {}
        self.edited: WS = self.faces[:1]  # the latent of the picture shown last
        self._original = lru_cache(maxsize=64)(self._alone)  # a face without edits is looked at again and again

    def reply(self, request: Any) -> Reply:
        """The answer to one request; `{"error": one line}` to one that cannot be answered."""
        try:
            kind = request.get("kind") if isinstance(request, Mapping) else None
            if not isinstance(kind, str) or kind not in KINDS:
                raise InputError(f"a request is an object whose kind is one of {', '.join(KINDS)}")
            return KINDS[kind](self.photographs if kind in OF_PHOTOGRAPHS else self, request)
        except LrganError as error:
            return {"error": str(error)}
        except Exception as error:  # a device out of memory, say: the panel waits for an answer, whatever it is
            logging.getLogger(__name__).exception("a request of the panel failed")
            return {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}

    def hello(self, request: Request) -> Reply:
        """What there is to choose from, and what is chosen; `protect` is None where it is no list of names."""
        layers = self.search.layers
        return {
            "grid": list(self.grid),
            "faces": len(self.faces),
            "photographs": [self._portrait(face) for face in self.portraits],
            "largest": LARGEST_FILE,
            "regions": self.regions,
            "methods": [{"name": m.name, "title": m.title, "about": m.about} for m in reversed(methods.LOCAL.values())],
            "method": self.search.method,
            "protect": self._named(self.search.protect),
            "layers": layers if isinstance(layers, str) else ",".join(map(str, layers or ())),
            "num_layers": self.gen.num_ws,
        }

    def render(self, request: Request) -> Reply:
        """`face`, `edits` [[found, steps], ...] -> `image`: all the edits added up; `whole`: within the photograph."""
        face, edits = self._face(request), self._edits(request)
        self.edited = self._moved(face, edits)
        if request.get("whole"):
            return {"image": preview(self._whole(face, self.edited))}
        return {
            "image": uri(images.to_uint8(self._drawn(face, self.edited))) if _moves(edits) else self._original(face)
        }

    def put_back(self, request: Request) -> Reply:
        """`face`, `edits` -> `name` and `content` (base64) of the photograph with them."""
        face = self._face(request)
        photo = self._whole(face, self._moved(face, self._edits(request)))
        return {"name": self.portraits[face].edited_name, "content": base64.b64encode(photo.encode()).decode()}

    def keep(self, request: Request) -> Reply:
        """What was found of an open `photograph` becomes a `face`: its number, `name`, `image` and `shape`."""
        portrait, face = self.photographs.portrait(request), len(self.faces)
        self.faces = jax.tree.map(lambda *ws: jnp.concatenate(ws), self.faces, portrait.inversion.latents)
        self.portraits[face] = portrait
        return self._portrait(face)

    def region(self, request: Request) -> Reply:
        """`name` -> `mask` of one of the model's regions."""
        return {"mask": pack(region_mask(text(request, "name"), self.grid, self.gen.info.regions))}

    def open(self, request: Request) -> Reply:
        """`picture`, a black and white PNG as base64 -> `mask`."""
        return {"mask": pack(opened(text(request, "picture"), self.grid))}

    def find(self, request: Request) -> Reply:
        """`face`, `mask` (and `name`, if it has one) -> `found`, and how far each one `reaches` and `leaks`.

        `layers`, `method` and `protect`, names of regions that alone must keep still, replace the settings this once.
        """
        face, mask = self._face(request), unpack(text(request, "mask"), self.grid)
        name = request.get("name") or DRAWN
        if name != DRAWN:
            self._check_regions([name])
        search, region = self._asked(request), mask if name == DRAWN else name
        directions = find_directions(self._gen(face), self.faces[face : face + 1], region, search)
        self.found.append(found := Found(face, name, mask, search, directions))
        number, caveat = len(self.found) - 1, directions.caveat
        return {"found": number, "name": name, "reaches": found.reaches, "leaks": found.leaks, "caveat": caveat}

    def ends(self, request: Request) -> Reply:
        """`found`, `index` -> `ends`: what lies at the two ends of that slider, around the region."""
        found, index = self._found(request.get("found")), request.get("index")
        if type(index) is not int or not 0 <= index < len(found.directions):
            raise InputError(f"index is a number from 0 to {len(found.directions) - 1}")
        steps = found.reaches[index] * np.array([-1, 1])
        ws = edit(self.faces[found.face : found.face + 1], found.directions[index], steps)
        moved = render(self._gen(found.face), ws)[:, 0]
        part = surroundings(found.mask, self.gen.size)
        return {"ends": [uri(picture[part]) for picture in images.to_uint8(moved)]}

    def save(self, request: Request) -> Reply:
        """`found` -> `name` and `content` (base64) of a file of directions."""
        found = self._found(request.get("found"))
        return {"name": f"{found.region}.npz", "content": base64.b64encode(found.directions.to_bytes()).decode()}

    def code(self, request: Request) -> Reply:
        """`face`, `edits` -> `code`, Python that makes the same picture without the panel."""
        face = self._face(request)
        return {"code": python_lines(self.source, face, self._edits(request), self.portraits.get(face))}

    @property
    def regions(self) -> list[str]:
        """The names that this model's regions go by."""
        return known_regions(self.gen.info.regions)

    def _check_search(self) -> None:
        """What no drawing could be searched with is refused at once."""
        methods.local(self.search.method)
        search_moves(self.gen, self.search)
        targets(self.gen, [box_mask(0, 0, 1, 1, self.grid)], self.search)

    def _asked(self, request: Request) -> Search:
        """The settings, with what the page wants otherwise."""
        asked: dict[str, Any] = {}
        if "layers" in request:
            asked["layers"] = text(request, "layers") or None
        if "method" in request:
            asked["method"] = methods.local(text(request, "method")).name
        if (protect := request.get("protect")) is not None:
            self._check_regions(protect)
            asked["protect"] = protect or None
        return self.search.but(**asked)

    def _check_regions(self, names: Any) -> None:
        """Refuse what is no list of names of this model's regions."""
        if not isinstance(names, list):
            raise InputError("what must keep still is a list of names of regions")
        if unknown := [name for name in names if name not in self.regions]:
            raise RegionError(f"this model has no region {unknown[0]!r}")

    def _named(self, protect: Any) -> list[str] | None:
        """What keeps still, if all of it goes by names that the page shows, and counts fully."""
        if protect is None:
            return []
        alike = isinstance(protect, Mapping) and {*protect.values()} == {1.0}  # as the command gives them
        chosen = [protect] if isinstance(protect, str) else [*protect] if alike else protect
        named = isinstance(chosen, list | tuple) and all(
            isinstance(name, str) and name in self.regions for name in chosen
        )
        return list(chosen) if named else None

    def _gen(self, face: int) -> Generator:
        """What draws it: a photograph may have its own."""
        return self.portraits[face].gen if face in self.portraits else self.gen

    def _moved(self, face: int, edits: list[tuple[Found, list[float]]]) -> WS:
        ws = self.faces[face : face + 1]
        for found, steps in edits if _moves(edits) else []:
            ws = edit(ws, found.directions, steps)
        return ws

    def _drawn(self, face: int, ws: WS) -> Float[np.ndarray, "h w c"]:
        return np.asarray(render(self._gen(face), ws))[0]

    def _picture(self, face: int, ws: WS) -> str:
        return uri(images.to_uint8(self._drawn(face, ws)))

    def _alone(self, face: int) -> str:
        return self._picture(face, self.faces[face : face + 1])

    def _whole(self, face: int, ws: WS) -> Photograph:
        """The photograph with that latent's image in it."""
        if face not in self.portraits:
            raise InputError("this face is of no photograph")
        return self.portraits[face].put_back(self._drawn(face, ws))

    def _portrait(self, face: int) -> Reply:
        portrait = self.portraits[face]
        height, width = portrait.aligned.photo.size
        return {"face": face, "name": portrait.name, "image": self._original(face), "shape": width / height}

    def _face(self, request: Request) -> int:
        face, count = request.get("face"), len(self.faces)
        if type(face) is not int or not 0 <= face < count:
            raise InputError(f"face is a number from 0 to {count - 1}")
        return face

    def _found(self, index: Any) -> Found:
        if type(index) is not int or not 0 <= index < len(self.found):
            raise InputError("these directions are not known here: draw the region again")
        return self.found[index]

    def _edits(self, request: Request) -> list[tuple[Found, list[float]]]:
        edits = request.get("edits")
        wanted = "edits are pairs of found directions and a list of steps, one number each"
        if not isinstance(edits, list) or not all(
            isinstance(e, list) and len(e) == 2 and isinstance(e[1], list) for e in edits
        ):
            raise InputError(wanted)
        pairs = [(self._found(index), steps) for index, steps in edits]
        for found, steps in pairs:
            numbers = all(
                isinstance(step, int | float) and abs(step) <= LONGEST_STEP for step in steps
            )  # nan is not below, either
            if len(found.directions) != len(steps) or not numbers:
                raise InputError(wanted)
        return [(found, [float(step) for step in steps]) for found, steps in pairs]


OF_PHOTOGRAPHS = ("photograph", "align", "invert", "tune", "cancel")
OWN = ("hello", "render", "region", "open", "find", "ends", "save", "code", "keep", "put_back")
KINDS = {kind: getattr(Photographs if kind in OF_PHOTOGRAPHS else Studio, kind) for kind in OWN + OF_PHOTOGRAPHS}


def _moves(edits: list[tuple[Found, list[float]]]) -> bool:
    return any(any(steps) for _, steps in edits)
