"""The record that a user saves and shares: directions with their layers, range, and where they come from.

Two file forms are written. `.npz` holds everything: the arrays, and one JSON text for the rest. `.npy` holds the rows
alone, which is how the authors of LowRankGAN and ReSeFa publish theirs. Read are rows alone in any file of one array,
torch's, too; none can carry code.
"""

import dataclasses
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lrgan_jax import display
from lrgan_jax.base.deprecation import deprecated
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import check_free, write_whole
from lrgan_jax.foreign import array_files
from lrgan_jax.layers import layers_text
from lrgan_jax.published import recognise
from lrgan_jax.search import Search

FORMAT = "lrgan_jax directions 2"
EARLIER = "lrgan_jax directions 1"  # which has one table of settings for all that is known
ARRAYS = ("vectors", "inside", "outside", "kept")
FULL_CHANGE = 0.04  # mean squared change of the region, by the linear estimate, at the ends of a range: plainly visible
NAMES = ("direction", "directions", "boundary")  # under which rows lie beside other values in files that are not ours


class DirectionsError(InputError):
    """A file or a selection of directions that is unusable; the message is one line for a person."""


@display.record
@dataclasses.dataclass(frozen=True)
class Found:
    """How directions were found, as far as it is known.

    Attributes:
      mu: of the frontier. rank_inside, rank_outside: of the low-rank parts of methods that rest on a robust PCA.
      converged: whether those robust PCAs did. average: latents over which the Grams were averaged.
      source: the file that bare rows were read from.
    """

    mu: float | None = None
    rank_inside: int | None = None
    rank_outside: int | None = None
    converged: bool = True
    average: int | None = None
    source: str = ""


@display.record
@dataclasses.dataclass(frozen=True)
class Measure:
    """What directions do, measured on other images than they were found on.

    Attributes:
      meaning: what a positive step does, for a person.
      leak: change outside over change inside, with its 95 % interval.
      expression, landmarks: the face networks' largest change: of a probability, of a part's place as a share of the
        image.
      found_on, measured_on: seed and number of latents. truncation: of both. index: which of the directions found it
        was.
    """

    meaning: str = ""
    leak: float | None = None
    leak_interval: tuple[float, float] | None = None
    expression: Mapping[str, float] = dataclasses.field(default_factory=dict)
    landmarks: Mapping[str, float] = dataclasses.field(default_factory=dict)
    found_on: tuple[int, int] | None = None
    measured_on: tuple[int, int] | None = None
    truncation: float | None = None
    index: int | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Directions:
    """k directions that belong together, best first. Equal ones are equal in every number and field, wherever they come
    from.

    Attributes:
      vectors: rows [k, d], the same on all layers; or moves of ws (W+), [k, L, d]. Unit ones, but for the frontier's,
        whose length is one in the metric of the search.
      inside, outside: first-order change of the region and of the rest per squared unit of step, [k]; None if never
        measured.
      kept: share of the attribute vector that survives, or lies in the attribute space, [k]; see
        `subspaces.Candidates`.
      layers: rows of ws that move; None for all.
      step_range: suggested smallest and largest step.
      region, method, model, fingerprint: where they come from; the fingerprint is the model's.
      found: how they were found. search: what was asked for. measure: what they do, of directions that were measured.
      notes: whatever else a file says of them, name -> text.
      preview: for notebooks, what draws them; neither saved nor compared. See `previews`.
    """

    vectors: Float[np.ndarray, "k *layers d"]
    inside: Float[np.ndarray, " k"] | None = None
    outside: Float[np.ndarray, " k"] | None = None
    kept: Float[np.ndarray, " k"] | None = None
    layers: tuple[int, ...] | None = None
    step_range: tuple[float, float] = (-4.0, 4.0)
    region: str = ""
    method: str = ""
    model: str = ""
    fingerprint: str = ""
    found: Found = Found()
    search: Search | None = None
    measure: Measure | None = None
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    preview: Callable[["Directions"], list[str]] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Directions):
            return NotImplemented
        same = all(np.array_equal(a, b) for a, b in ((getattr(self, name), getattr(other, name)) for name in ARRAYS))
        return same and self._record() == other._record()

    def __hash__(self) -> int:
        return hash((len(self), self.layers, self.step_range, self.region, self.method, self.model, self.fingerprint))

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: all but the pictures, which need a generator."""
        return vars(self) | {"preview": None}

    def __repr__(self) -> str:
        named = {" for ": self.region, ", by ": self.method, ", of ": self.model, ", ": layers_text(self.layers)}
        told = "".join(word + name for word, name in named.items() if name)
        return f"<{len(self)} direction{'s' * (len(self) > 1)}{told}>"

    def _repr_html_(self) -> str:
        """For notebooks: facts, numbers, and strips where it is known of which latents."""
        shown = self[: display.SHOWN]
        strips, why = display.if_it_can(lambda: [] if self.preview is None else self.preview(shown))
        hint = why or ("" if strips else display.note("lr.show(directions, gen, w) shows what they do to an image"))
        columns = {"": [str(k) for k in range(len(shown))]} | shown._columns() | ({"strip": strips} if strips else {})
        return display.card(repr(self)[1:-1], self._facts(), display.table(columns, len(self)), hint)

    def _columns(self) -> dict[str, list[str]]:
        """The numbers of each, by what they are."""
        inside, outside = self.inside, self.outside
        columns = {} if inside is None or outside is None else display.changes(inside, outside)
        return columns if self.kept is None else columns | {"kept": [f"{share:.2f}" for share in self.kept]}

    def _facts(self) -> dict[str, Any]:
        """What is known of all of them, for a person."""
        found, measure, search = self.found, self.measure or Measure(), self.search
        told = {"layers", "per_layer", "protect", "method", "num"}
        others = {} if search is None else {name: value for name, value in search.to_json().items() if name not in told}
        low, high = self.step_range
        return {
            "does": measure.meaning,
            "keeps still": "" if search is None else _said(search.recorded().protect),
            "steps": f"{low:.3g} to {high:.3g}",
            "vectors": "one for each layer" if self.vectors.ndim == 3 else "",
            "latents": f"average of {found.average}" if (found.average or 1) > 1 else "",
            "mu": None if found.mu is None else f"{found.mu:.3g}",
            "ranks": "" if found.rank_inside is None else f"{found.rank_inside} inside, {found.rank_outside} outside",
            "settings": ", ".join(f"{name} {value}" for name, value in others.items()),
            "measured leak": "" if measure.leak is None else f"{100 * measure.leak:.2g} %",
            "file": found.source,
            "caution": self.caveat,
        } | dict(self.notes)

    @property
    def caveat(self) -> str:
        """What to know before relying on them, in one line; empty if nothing."""
        if self.found.converged:
            return ""
        return (
            "the robust PCA behind these directions stopped before it converged, so their ranks, and with them "
            "the directions, are provisional"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Deprecated: `found`, `measure` and `notes`, as one table."""
        deprecated("settings", instead="found, measure or notes", since="0.2")
        known = dataclasses.asdict(self.found) | ({} if self.measure is None else dataclasses.asdict(self.measure))
        return known | dict(self.notes)

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator["Directions"]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: int | slice) -> "Directions":
        """The chosen ones, still as Directions: `directions[0]` holds one row."""
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise DirectionsError(f"direction {index} of {len(self)}: count from 0 to {len(self) - 1}")
            index = slice(index, index + 1 or None)
        chosen = {name: None if (a := getattr(self, name)) is None else a[index] for name in ARRAYS}
        return dataclasses.replace(self, **chosen)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write `.npz` (everything) or `.npy` (the rows alone), whole or not at all.

        Raises:
          DirectionsError: on another suffix. ExistsError: if there is a file already, unless it may be overwritten.
          PlaceError: if it cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".npz", ".npy"):
            raise DirectionsError(f"{path}: directions are saved as .npz (everything) or .npy (vectors alone)")
        check_free(path, overwrite)
        if path.suffix == ".npz":
            return write_whole(path, self.to_bytes())
        buffer = io.BytesIO()
        np.save(buffer, self.vectors)
        return write_whole(path, buffer.getvalue())

    def to_bytes(self) -> bytes:
        """The content of the `.npz`."""
        buffer = io.BytesIO()
        arrays = {name: a for name in ARRAYS if (a := getattr(self, name)) is not None}
        np.savez(buffer, record=np.array(json.dumps({"format": FORMAT} | self._record())), **arrays)
        return buffer.getvalue()

    def _record(self) -> dict[str, Any]:
        """All that is not an array, as JSON can say it."""
        typed = {"found": _json(self.found), "measure": None if self.measure is None else _json(self.measure)}
        search = None if self.search is None else self.search.to_json()
        fields = (f.name for f in dataclasses.fields(self) if f.name not in (*ARRAYS, "preview"))
        return {name: getattr(self, name) for name in fields} | typed | {"search": search, "notes": dict(self.notes)}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Directions":
        """Read either form, or another program's file of rows: .npy, .npz, .pt. [d] is one row, [L, d] are L rows,
        whatever the model; a move of L layers (W+) is [1, L, d]. The published directions come with their authors'
        layers and ranges (see `published`).

        Raises:
          DirectionsError: in one line, if the file is missing, damaged, or something else.
        """
        path = Path(path)
        try:
            values = array_files.read(path)
            if isinstance(values, dict) and "record" in values:
                return cls._from_archive(values, path)
            return cls._from_rows(np.array(array_files.only_array(values, NAMES)), path)
        except FileNotFoundError as error:
            raise DirectionsError(f"{path}: no such file") from error
        except (IsADirectoryError, PermissionError) as error:  # the content is not to blame
            raise DirectionsError(f"{path}: {error.strerror}") from error
        except DirectionsError:
            raise
        except array_files.ArrayFileError as error:
            raise DirectionsError(f"{path}: not a directions file, or a damaged one ({error})") from error
        except Exception as error:  # whatever a record of ours may hold that we would not write
            raise DirectionsError(f"{path}: not a directions file, or a damaged one") from error

    @classmethod
    def _from_rows(cls, rows: np.ndarray, path: Path) -> "Directions":
        rows = rows[None] if rows.ndim == 1 else rows[:, 0] if rows.ndim == 3 and rows.shape[1] == 1 else rows
        if (
            rows.ndim not in (2, 3)
            or not rows.size
            or not np.issubdtype(rows.dtype, np.floating)
            or not np.isfinite(rows).all()
        ):
            what = f"{rows.dtype} of shape {list(rows.shape)}"
            raise DirectionsError(
                f"{path}: directions are finite rows [k, d], or moves of layers [k, L, d], this is {what}"
            )
        if rows.dtype not in (
            np.float32,
            np.float64,
        ):  # halves would round steps, and JAX takes no other order of bytes
            rows = rows.astype(np.float32)
        found = Found(source=path.name)
        if (known := recognise(rows)) is None:
            return cls(rows, method="file", found=found)
        reach = (-known.reach, known.reach)
        about: dict[str, Any] = {"region": known.name, "method": known.method, "model": known.model}
        return cls(rows, layers=known.layers, step_range=reach, found=found, **about)

    @classmethod
    def _from_archive(cls, content: dict[str, np.ndarray], path: Path) -> "Directions":
        record = json.loads(str(content["record"]))
        form = record.pop("format")
        if form not in (FORMAT, EARLIER):
            raise DirectionsError(f"{path}: not in the form {FORMAT!r}")
        record |= _of_settings(record.pop("settings")) if form == EARLIER else _typed(record)
        low, high = record["step_range"]
        record["step_range"] = float(low), float(high)
        if not np.isfinite(record["step_range"]).all():
            raise ValueError("steps are finite")
        layers = record["layers"]
        record["layers"] = None if layers is None else tuple(layers)
        texts = (record[name] for name in ("region", "method", "model", "fingerprint"))
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a field of the wrong kind")
        if any(type(layer) is not int or layer < 0 for layer in record["layers"] or ()):
            raise ValueError("layers are numbers from 0")
        rows = cls._from_rows(content["vectors"], path)
        measured = {name: content[name] for name in ARRAYS[1:] if name in content}
        for a in measured.values():
            if a.shape != (len(rows),) or not np.issubdtype(a.dtype, np.floating) or not np.isfinite(a).all():
                raise ValueError("one finite number per direction")
        return dataclasses.replace(rows, **record, **measured)


def _said(protect: Any) -> str:
    """What keeps still, as a search remembers it."""
    if protect is None:
        return "everything else"
    if isinstance(protect, Mapping):
        return ", ".join(region if weight == 1 else f"{region} ({weight:g})" for region, weight in protect.items())
    return protect if isinstance(protect, str) else ", ".join(protect)


def full_range(inside: Float[np.ndarray, " k"]) -> tuple[float, float]:
    """Steps at which the first of some directions changes the region by `FULL_CHANGE`."""
    reach = float(np.sqrt(FULL_CHANGE / max(float(inside[0]), 1e-12)))
    return -reach, reach


def _json(values: Found | Measure) -> dict[str, Any]:
    """The fields that are not the default ones."""
    mine = dataclasses.asdict(values)
    return {name: value for name, value in mine.items() if value not in (None, "", {})}


def _typed(record: dict[str, Any]) -> dict[str, Any]:
    """Found, measure, search and notes of a record, as their types."""
    measure, search, notes = record["measure"], record["search"], record["notes"]
    if not isinstance(notes, dict) or not all(isinstance(text, str) for text in notes.values()):
        raise ValueError("notes are texts by name")
    return {
        "found": _made(Found, record["found"]),
        "measure": None if measure is None else _made(Measure, measure),
        "search": None if search is None else Search(**search),
    }


def _of_settings(settings: Any) -> dict[str, Any]:
    """The same of an earlier file's one table."""
    if not isinstance(settings, dict):
        raise ValueError("settings are values by name")
    parts = {kind: {f.name for f in dataclasses.fields(kind)} for kind in (Found, Measure)}
    of = {kind: {name: value for name, value in settings.items() if name in names} for kind, names in parts.items()}
    other = {
        name: json.dumps(value)
        for name, value in settings.items()
        if not any(name in names for names in parts.values())
    }
    measure = _made(Measure, of[Measure]) if of[Measure] else None
    return {"found": _made(Found, of[Found]), "measure": measure, "search": None, "notes": other}


NUMBERS = {
    "mu": float,
    "leak": float,
    "truncation": float,
    "rank_inside": int,
    "rank_outside": int,
    "average": int,
    "index": int,
}
TEXTS, PAIRS, TABLES = ("source", "meaning"), ("leak_interval", "found_on", "measured_on"), ("expression", "landmarks")


def _made(kind: type, values: dict[str, Any]) -> Any:
    """One of the typed parts, each field of the kind that it should be."""
    for name, value in values.items():
        allowed = (
            (NUMBERS[name], int)
            if name in NUMBERS
            else str
            if name in TEXTS
            else bool
            if name == "converged"
            else list | dict
        )
        if not isinstance(value, allowed) or (name in NUMBERS and not np.isfinite(value)):
            raise ValueError(f"{name} is of the wrong kind")
    return kind(**{name: tuple(value) if name in PAIRS else value for name, value in values.items()})
