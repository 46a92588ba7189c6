"""Which faces there are to choose from, where each comes from, and where more do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import ArrayLike

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import WS, Generator, Latent, to_ws
from lrgan_jax.generators.sampling import POOL, Latents, check_classes, frontal_order, seeded
from lrgan_jax.generators.truncation import towards_mean
from lrgan_jax.panel.wanted import Wanted

MOST = 2048  # faces in one panel
PICKED = 256  # longer side of an image, up to which faces are picked by their pictures


@dataclass(frozen=True)
class Draw:
    """Random faces of a seed, by their numbers there.

    Attributes:
      labels: classes, taken in turn; () for all that the model has.
      truncation, cutoff: see `Generator.mapping`.
      frontal: those that look at the camera come first, out of POOL; else the numbers as they come.
    """

    seed: int = 0
    labels: tuple[int, ...] = ()
    truncation: float = 1.0
    cutoff: int | None = None
    frontal: bool = True

    def __len__(self) -> int:
        return POOL

    def latents(self, gen: Generator, num: int = POOL) -> Latents:
        classes = self.labels or range(gen.c_dim)
        return seeded(gen, self.seed, num, labels=classes, truncation=self.truncation, cutoff=self.cutoff)

    def label(self, gen: Generator, number: int) -> int | None:
        """The class of that number."""
        classes = self.labels or range(gen.c_dim)
        return classes[number % len(classes)] if classes else None


def can_be_picked(gen: Generator) -> bool:
    """Whether pictures of all POOL are soon made: at 1024 pixels two cores would take half an hour, and such models
    look at the camera anyway.
    """
    return max(gen.size) <= PICKED


class Drawn(NamedTuple):
    """Where a face comes from: a number of a draw."""

    draw: Draw
    number: int


class Like(NamedTuple):
    """Or a face like another one, as that was edited: this one of `num`; see `natural.alike`."""

    of: Wanted
    seed: int
    amount: float
    num: int
    which: int


class Face(NamedTuple):
    """One of those to choose from.

    Attributes:
      label: its class, where that is known.
      origin: `Drawn`, `Like`, or a `Portrait`; None of those that the panel was opened with.
      by: the number of the photograph that it is like, whose generator draws it.
    """

    ws: WS  # [1, L, d]
    title: str
    label: int | None = None
    origin: Any = None
    by: int | None = None

    @property
    def about(self) -> dict[str, Any]:
        """For the page."""
        return {"title": self.title, "label": self.label}


class Faces(Sequence[Face]):
    """All of them, and those that follow.

    Args:
      taken: draws, and how many of each were shown; further ones come from the first.
    """

    def __init__(self, gen: Generator, faces: Sequence[Face], taken: Sequence[tuple[Draw, int]] = ()):
        self.gen, self._faces, self._taken = gen, [*faces], dict(taken)
        self._draw = taken[0][0] if taken else Draw()
        self._ordered = lru_cache(maxsize=2)(self._in_order)  # one of them costs pictures of all POOL

    @classmethod
    def given(cls, gen: Generator, w: ArrayLike | Latent, name: str = "") -> "Faces":
        """Latents w [N, w_dim] or ws [N, num_ws, w_dim], perhaps of the file of that name."""
        rows = _rows(to_ws(gen, w))
        titles = [f"{name}, number {k}" if name else f"number {k}" for k in range(len(rows))]
        return cls(gen, [Face(ws, title, _label(ws)) for ws, title in zip(rows, titles, strict=True)])

    @classmethod
    def drawn(cls, gen: Generator, draw: Draw, num: int) -> "Faces":
        """The first of a draw."""
        faces = cls(gen, (), [(draw, 0)])
        faces._faces = [face._replace(origin=None) for face in faces._further(draw, num)]
        return faces

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, number: Any) -> Any:
        return self._faces[number]

    @property
    def ws(self) -> WS:
        """[N, L, d]"""
        return _joined([face.ws for face in self._faces])

    @property
    def taken(self) -> list[tuple[Draw, int]]:
        """Draws, and how many of each were shown; the one that further faces come from first."""
        return [*({self._draw: 0} | self._taken).items()]

    def at(self, number: int, truncation: float = 1.0) -> WS:
        """The latent of one, pulled towards the mean."""
        ws = self._faces[number].ws
        return ws if truncation == 1 else towards_mean(self.gen, ws, truncation)

    def add(self, faces: Sequence[Face]) -> list[dict[str, Any]]:
        """What they are, for the page.

        Raises:
          InputError: if they are too many.
        """
        self._check_room(len(faces))
        self._faces += faces
        return [face.about for face in faces]

    def more(self, num: int, label: int | None = None, seed: int | None = None) -> list[dict[str, Any]]:
        """`num` more that were not shown yet: further down the draw, then of the next seed.

        Raises:
          InputError: on a class that there is not, or too many.
        """
        if label is not None:
            check_classes(self.gen, [label])
        self._check_room(num)
        if seed is not None:
            self._draw = replace(self._draw, seed=seed)
        draw = self._draw if label is None else replace(self._draw, labels=(label,))
        return self.add(self._further(draw, num))

    def _check_room(self, num: int) -> None:
        if len(self) + num > MOST:
            raise InputError(f"a panel has at most {MOST} faces")

    def _further(self, draw: Draw, num: int) -> list[Face]:
        found: list[Face] = []
        shown = {_bytes(face.ws) for face in self._faces}  # some that were given may be of this draw, too
        while len(found) < num:
            first = self._taken.get(draw, 0)
            if first == POOL:
                draw = replace(draw, seed=draw.seed + 1)
                continue
            rows, order = self._ordered(draw)
            numbers = order[first : first + num - len(found)].tolist()
            found += [self._face(draw, number, rows[number]) for number in numbers if _bytes(rows[number]) not in shown]
            self._taken[draw] = first + len(numbers)
        return found

    def _face(self, draw: Draw, number: int, ws: WS) -> Face:
        title = f"seed {draw.seed}, number {number}"
        return Face(ws, title, draw.label(self.gen, number), Drawn(draw, number))

    def _in_order(self, draw: Draw) -> tuple[list[WS], np.ndarray]:
        """Latents of a draw by number, and which come first."""
        latents = draw.latents(self.gen).all()
        return _rows(latents), frontal_order(self.gen, latents) if draw.frontal else np.arange(len(latents))


def _rows(ws: WS) -> list[WS]:
    """Each for itself, in NumPy's memory: a slice by JAX is a program for every place."""
    array, label = np.asarray(ws.array), None if ws.c is None else np.asarray(ws.c)
    return [WS(array[k : k + 1], None if label is None else label[k : k + 1]) for k in range(len(array))]


def _bytes(ws: WS) -> bytes:
    """By which two are the same, classes included."""
    return np.asarray(ws.array).tobytes() + (b"" if ws.c is None else np.asarray(ws.c).tobytes())


def _joined(rows: Sequence[WS]) -> WS:
    labels = [np.asarray(ws.c) for ws in rows if ws.c is not None]  # of all of them, or of none
    return WS(np.concatenate([np.asarray(ws.array) for ws in rows]), np.concatenate(labels) if labels else None)


def _label(ws: WS) -> int | None:
    """The class, if the latent carries just one."""
    row = np.zeros(0) if ws.c is None else ws.c[0]
    return int(np.argmax(row)) if np.isin(row, (0, 1)).all() and row.sum() == 1 else None
