"""What a person has done, as a file: faces, directions, photographs, and whatever the page wants to be told again.

A zip of what can be read without a panel, too: `faces.npz` is a file of latents, `found/0.npz` one of directions,
`photographs/0.npz` one of inversions. It holds arrays and JSON, nothing that could be run, and is checked part by part
when it is opened.
"""

import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.directions import Directions
from lrgan_jax.editing import edit
from lrgan_jax.foreign import array_files
from lrgan_jax.generators import WS, Generator, grid, to_ws
from lrgan_jax.inversion import kept
from lrgan_jax.inversion.weights import identity
from lrgan_jax.panel.faces import MOST, Draw, Face, Faces
from lrgan_jax.panel.found import DRAWN, Found
from lrgan_jax.panel.masks import Drawing
from lrgan_jax.panel.portrait import Portrait, Reopened
from lrgan_jax.photographs import Aligned, open_photograph
from lrgan_jax.regions import check, known_regions

FORMAT = "lrgan_jax session 1"
PARTS = re.compile(r"session\.json|(faces|masks)\.npz|(found|photographs)/\d{1,4}\.npz")
LARGEST_RECORD = 16 * 2**20  # bytes of JSON
INFLATED = 100  # times the file's size that it may take unpacked, and 16 MB besides
LONGEST_TITLE = 240  # characters: of what is like a photograph of a long name


class SessionError(InputError):
    """A file that is no session, a damaged one, or one of another model; the message is one line for a person."""


@dataclass(frozen=True, eq=False)
class Session:
    """What was found in one.

    Attributes:
      choice: the faces, of which `faces` are the latents. found: the directions of drawings.
      state: what the page wanted to be told again.
    """

    choice: Faces
    found: Sequence[Found] = ()
    state: Any = None

    @property
    def faces(self) -> WS:
        """[N, num_ws, w_dim]"""
        return self.choice.ws

    @property
    def directions(self) -> dict[str, Directions]:
        """By title; of those found twice under one the last."""
        return {found.title: found.directions for found in self.found}

    @property
    def portraits(self) -> dict[int, Portrait]:
        """The photographs, by the number of their face."""
        return {n: face.origin for n, face in enumerate(self.choice) if isinstance(face.origin, Portrait)}


def packed(gen: Generator, session: Session) -> bytes:
    """The content of the file."""
    masks, records = {}, []
    for k, found in enumerate(session.found):
        parts = {f"{k}": found.drawing} | {f"{k}/still{n}": part for n, part in _drawn_still(found).items()}
        masks |= {name: part.drawn for name, part in parts.items()}
        records.append(_said(found))
    photographs = [{"face": n, "name": portrait.name} for n, portrait in session.portraits.items()]
    record = {
        "format": FORMAT,
        "model": gen.info.name,
        "fingerprint": identity(gen),
        "faces": [face.about | {"by": face.by} for face in session.choice],
        "drawn": [asdict(draw) | {"taken": taken} for draw, taken in session.choice.taken],
        "found": records,
        "photographs": photographs,
        "state": session.state,
    }
    latents = {"ws": session.faces.array} | ({} if session.faces.c is None else {"classes": session.faces.c})
    files = {"session.json": json.dumps(record).encode(), "faces.npz": _npz(latents), "masks.npz": _npz(masks)}
    files |= {f"found/{k}.npz": found.directions.to_bytes() for k, found in enumerate(session.found)}
    files |= {f"photographs/{k}.npz": part.kept.to_bytes() for k, part in enumerate(session.portraits.values())}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:  # not pressed: photographs are, and latents cannot be
        for name, part in files.items():
            archive.writestr(name, part)
    return content.getvalue()


def read(path: str | os.PathLike, gen: Generator) -> Session:
    """What `packed` made, for the generator that it was of.

    Raises:
      SessionError: in one line, if the file is missing, damaged, hostile or something else, or of another model.
    """
    try:
        return unpacked(Path(path).read_bytes(), gen)
    except OSError as error:
        raise SessionError(f"{path}: {error.strerror}") from error
    except SessionError as error:
        raise SessionError(f"{path}: {error}") from error


def unpacked(content: bytes, gen: Generator) -> Session:
    """The same of a file's content.

    Raises:
      SessionError: in one line, which does not name the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            _unpack(content, folder)
            return _Reading(Path(folder), gen).session()
        except InputError as error:
            raise SessionError(str(error).replace(folder + os.sep, "")) from error
        except Exception as error:  # zipfile, NumPy and JSON raise a dozen kinds for a damaged file
            raise SessionError("no session of the panel, or a damaged one") from error


def _said(found: Found) -> dict[str, Any]:
    """What a file of directions does not say."""
    still = _still(found)
    names = None if still is None else [part if isinstance(part, str) else part.feather for part in still]
    about = {"face": found.face, "title": found.title, "region": found.region, "truncation": found.truncation}
    return about | {"feather": found.drawing.feather, "still": names}


def _still(found: Found) -> tuple[str | Drawing, ...] | None:
    """What keeps still, also where the panel was opened with it and its masks have no names."""
    return _unnamed(found.search.protect) if found.still is None else found.still


def _unnamed(protect: Any) -> tuple[str | Drawing, ...] | None:
    parts = protect if isinstance(protect, list | tuple) else [protect]
    if not any(np.ndim(part) for part in parts):
        return None
    return tuple(Drawing(np.asarray(part, np.float32)) if np.ndim(part) else part for part in parts)


def _drawn_still(found: Found) -> dict[int, Drawing]:
    return {n: part for n, part in enumerate(_still(found) or ()) if isinstance(part, Drawing)}


def _npz(arrays: Mapping[str, Any]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **{name: np.asarray(a) for name, a in arrays.items()})  # pyright: ignore[reportArgumentType]
    return content.getvalue()


def _unpack(content: bytes, folder: str) -> None:
    """All parts into a folder, for the readers of each."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if "session.json" not in names or len({*names}) < len(names) or not all(map(PARTS.fullmatch, names)):
            raise SessionError("no session of the panel")
        if sum(entry.file_size for entry in entries) > INFLATED * len(content) + 2**24:
            raise SessionError("it would take far more memory than an honest file")
        archive.extractall(folder)  # no name leads out of it


@dataclass
class _Reading:
    """One session on its way in."""

    folder: Path
    gen: Generator
    record: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        text = (self.folder / "session.json").read_bytes()
        self.record = json.loads(text) if len(text) <= LARGEST_RECORD else {}
        if self.record["format"] != FORMAT:
            raise SessionError(f"no session in the form {FORMAT!r}")
        if self.record["fingerprint"] != identity(self.gen):
            model = str(self.record["model"])[:LONGEST_TITLE]
            raise SessionError(f"of {model or 'a model'} of other weights than {self.gen.info.name}: choose that one")

    def session(self) -> Session:
        choice = self._choice()
        masks = array_files.read(self.folder / "masks.npz") if self.record["found"] else {}
        found = [self._found(k, said, choice, masks) for k, said in enumerate(self.record["found"])]
        return Session(choice, found, self.record["state"])

    def _choice(self) -> Faces:
        latents = array_files.read(self.folder / "faces.npz")
        check_whole("faces", len(latents["ws"]), most=MOST)
        check_number("latents", latents["ws"])
        check_number("classes", latents.get("classes"))
        rows = Faces.given(self.gen, to_ws(self.gen, WS(latents["ws"], latents.get("classes"))))
        portraits = {said["face"]: self._portrait(k, said) for k, said in enumerate(self.record["photographs"])}
        faces = [
            Face(row.ws, _title(about["title"]), self._label(about["label"]), portraits.get(n), about["by"])
            for n, (row, about) in enumerate(zip(rows, self.record["faces"], strict=True))
        ]
        if not {face.by for face in faces} <= {None, *portraits}:
            raise SessionError("a face like a photograph that is not there")
        return Faces(self.gen, faces, taken=[self._draw(dict(said)) for said in self.record["drawn"]])

    def _label(self, label: Any) -> int | None:
        check_whole("a class", label, least=0, most=max(self.gen.c_dim - 1, 0))
        return label

    def _draw(self, said: dict[str, Any]) -> tuple[Draw, int]:
        taken, labels = said.pop("taken"), said.pop("labels")
        draw = Draw(labels=tuple(labels), **said)
        draw.latents(self.gen, 1)  # which refuses what makes no sense
        check_whole("cutoff", draw.cutoff, least=0, most=self.gen.num_ws)
        check_whole("taken", taken, least=0, most=len(draw))
        return draw, taken

    def _portrait(self, k: int, said: dict[str, Any]) -> Portrait:
        photos = kept.open(self.folder / f"photographs/{k}.npz", self.gen)
        check_whole("the face of a photograph", said["face"], least=0, most=MOST)
        aligned = Aligned.from_record(open_photograph(photos.photographs[0]), photos.alignments[0])
        return Reopened(_title(said["name"]), photos.generator(self.gen), aligned, photos, said["face"])

    def _found(self, k: int, said: dict[str, Any], choice: Faces, masks: Mapping[str, np.ndarray]) -> Found:
        directions = Directions.load(self.folder / f"found/{k}.npz")
        if directions.inside is None or directions.outside is None or directions.search is None:
            raise SessionError(f"found/{k}.npz: directions of no region")
        check_number("inside", directions.inside, above=0)
        edit(choice.at(0), directions, [0.0] * len(directions))
        check_whole("face", said["face"], least=0, most=len(choice) - 1)
        check_number("truncation", said["truncation"], least=0, most=1)
        if said["region"] not in (DRAWN, *known_regions(self.gen.info.regions)):
            raise SessionError(f"this model has no region {said['region']!r}")
        drawing = self._drawing(masks[f"{k}"], said["feather"])
        still = self._still(k, said["still"], masks)
        search = directions.search if still is None else directions.search.but(protect=_protect(still))
        about = said["face"], _title(said["title"]), said["region"], drawing
        return Found(*about, search, directions, float(said["truncation"]), still)

    def _still(self, k: int, said: Any, masks: Mapping[str, np.ndarray]) -> tuple[str | Drawing, ...] | None:
        if said is None:
            return None
        return tuple(
            _title(part) if isinstance(part, str) else self._drawing(masks[f"{k}/still{n}"], part)
            for n, part in enumerate(said)
        )

    def _drawing(self, mask: np.ndarray, feather: Any) -> Drawing:
        drawing = Drawing(check(mask.astype(np.float32), "a mask", grid(self.gen, len(mask))), feather)
        check(drawing.mask)
        return Drawing(drawing.drawn, float(feather))


def _protect(still: tuple[str | Drawing, ...]) -> list[Any] | None:
    return [part.mask if isinstance(part, Drawing) else part for part in still] or None


def _title(text: Any) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TITLE or not text.isprintable():
        raise SessionError("a title is a line of text")
    return text
