"""What the panel asks about photographs that are open: where a face is, which crop is meant, how far its inversion is.

Requests and replies are as in `studio.py`. Each says the `photograph` by its number, so that several pages can have one
open; of those that no page comes back to, the oldest are forgotten.
"""

import dataclasses
from functools import cached_property
from pathlib import PurePath
from typing import Any

import numpy as np

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator
from lrgan_jax.images import to_uint8
from lrgan_jax.inversion import Fit, Inversion, Tuning
from lrgan_jax.metrics import MetricsError
from lrgan_jax.panel.portrait import Portrait, Sitting
from lrgan_jax.panel.wire import Reply, Request, file, text, uri
from lrgan_jax.photographs import Framing, Photograph, find_faces, find_points, framing_of

MOST_OPEN = 4  # photographs at a time: each may have 134 million pixels
LONGEST_NAME = 200  # characters of its file's
SHOWN = 1024  # pixels of the longer side on the page
WHERE = ("face", "points", "box")
PYRAMID = "LPIPS' network is not installed, so pixels alone are compared, in several sizes"
LIKE_FFHQ = "how this model frames faces cannot be looked up without the networks: taken to be as in FFHQ"


class Photographs:
    """Those that pages have open.

    Args:
      fit, tuning: how they are inverted, and how the generator is tuned where that is asked for.
    """

    def __init__(self, gen: Generator, fit: Fit, tuning: Tuning):
        self.gen, self.fit, self.tuning = gen, fit, tuning
        self._open: dict[int, Sitting] = {}
        self._count = 0

    def photograph(self, request: Request) -> Reply:
        """`content` of a file as base64, and its `name` -> `photograph`, its number; `image`, `size`; `faces`, boxes of
        those that are found; `points`, whether a crop can be said by points; and a `note`.
        """
        name = PurePath(text(request, "name").replace("\\", "/")).name
        name = "".join(filter(str.isprintable, name))[-LONGEST_NAME:] or "photograph"
        sitting = Sitting(self.gen, name, file(request, "content"))
        faces, points, note = self._faces(sitting.photo)
        number, self._count = self._count, self._count + 1
        self._open[number] = sitting
        self._open = dict([*self._open.items()][-MOST_OPEN:])
        shown = {"image": preview(sitting.photo), "size": list(sitting.photo.size)}
        return {"photograph": number, **shown, "faces": faces, "points": points, "note": note}

    def align(self, request: Request) -> Reply:
        """`face`, a number, or `points` of eyes and corners of the mouth, or `box`, top, left, height and width, or
        "middle" -> `image` and corners, the `quad`, of the crop, and the `points` that it is by.
        """
        sitting, said = self._sitting(request), [name for name in WHERE if name in request]
        if len(said) != 1:
            raise InputError("say one of face, points and box")
        points, where = None, {"box": request.get("box")}
        if said != ["box"]:
            points = _numbers(request, "points", 4, 2) if said == ["points"] else _found_points(sitting.photo, request)
            where = {"points": points, "framing": self._framing[0]}
        elif request["box"] != "middle":
            where = {"box": _numbers(request, "box", 4).tolist()}
        aligned = sitting.align(**where)
        by = None if points is None else points.tolist()
        return {"image": uri(to_uint8(aligned.image)), "quad": aligned.quad.tolist(), "points": by}

    def invert(self, request: Request) -> Reply:
        """A round further -> `done` of `rounds`, `image` and `psnr` so far, and a `note`."""
        progress = self._sitting(request).invert(self.fit)
        found = progress.inversion()
        missing = found.compared == "pyramid" and self.fit.network is None and self.fit.lpips > 0
        return _so_far(progress.done, progress.rounds, found) | {"note": PYRAMID if missing else ""}

    def tune(self, request: Request) -> Reply:
        """Some steps further, from the latent so far -> the same, of the generator's tuning."""
        sitting = self._sitting(request)
        halfway = sitting.tune(self.tuning)
        found = dataclasses.replace(sitting.inversion(), images=halfway.tuned().images)
        return _so_far(halfway.done, halfway.steps, found) | {"note": ""}

    def cancel(self, request: Request) -> Reply:
        """Forget a photograph."""
        self._sitting(request)
        del self._open[request["photograph"]]
        return {}

    def portrait(self, request: Request) -> Portrait:
        """What is found so far as a face; the photograph is then no longer open."""
        portrait = self._sitting(request).portrait()
        self.cancel(request)
        return portrait

    def _sitting(self, request: Request) -> Sitting:
        number = request.get("photograph")
        if type(number) is not int or number not in self._open:
            raise InputError("this photograph is not open any more: open it again")
        return self._open[number]

    def _faces(self, photo: Photograph) -> tuple[list[list[float]], bool, str]:
        """Boxes, whether points can be said, and what a person should know."""
        _, points, note = self._framing
        if not points:
            return [], False, note
        try:
            faces = [list(face[1:]) for face in find_faces(photo)]
        except MetricsError as error:
            return [], True, f"faces are not looked for: {error}"
        return faces, True, note if faces else "no face is found"

    @cached_property
    def _framing(self) -> tuple[Framing | None, bool, str]:
        """How the model frames faces, None as FFHQ's are; whether it does; and what a person should know."""
        try:
            return framing_of(self.gen), True, ""
        except MetricsError:
            return None, True, LIKE_FFHQ
        except InputError as error:
            return None, False, str(error)


def preview(photo: Photograph) -> str:
    """As large as the page shows it."""
    return uri(to_uint8(photo.shrunk(SHOWN)))


def _found_points(photo: Photograph, request: Request) -> np.ndarray:
    if type(face := request["face"]) is not int:
        raise InputError("face is a number")
    return find_points(photo, face)


def _so_far(done: int, rounds: int, found: Inversion) -> Reply:
    return {"done": done, "rounds": rounds, "image": uri(to_uint8(found.images[0])), "psnr": float(found.psnr[0])}


def _numbers(request: Request, name: str, *shape: int) -> np.ndarray:
    try:
        numbers: Any = np.asarray(request[name], np.float64)
    except (TypeError, ValueError):
        numbers = None
    if np.shape(numbers) != shape:
        raise InputError(f"{name} is an array of numbers, {list(shape)}")
    return numbers
