"""The file of an inversion, `photo.npz`: latents, noise, tuning, how it was aligned, and the photograph itself.

Its latents are under the name `ws`, so that it is a file of latents like any other (`--latents photo.npz`). It holds
arrays and one text of JSON, nothing that could be run; and whatever it holds is checked when it is opened.
"""

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import check_free, write_whole
from lrgan_jax.foreign import array_files
from lrgan_jax.generators import WS, Generator
from lrgan_jax.inversion.noise import noise_pictures
from lrgan_jax.inversion.tuning import Delta
from lrgan_jax.inversion.weights import Gen, derived, identity
from lrgan_jax.photographs import open_photograph

FORMAT = "lrgan_jax photo 1"
NOISE, PHOTOGRAPH = "noise/", "photograph/"  # before the place of a noise picture, and the number of a photograph
RECORD: dict[str, type] = {
    "format": str,
    "model": str,
    "fingerprint": str,
    "settings": dict,
    "alignments": list,
    "places": list,
}


class KeptError(InputError):
    """A file that is no inversion, a damaged one, or one of another model; the message is one line for a person."""


@display.record
@dataclass(frozen=True, eq=False)
class Kept:
    """What an inversion found of N photographs.

    Attributes:
      ws: latents [N, L, d], with classes where synthesis takes them.
      model, fingerprint: of the generator.
      noise: the photographs' own noise pictures [N, h, w] by their place; see `noise`.
      delta: how the weights were tuned to all of them.
      photographs: the files as they were, or none. alignments: the record of each one's crop, or none.
      losses: [N, steps]. settings: by which all this was found, as JSON has it.
    """

    ws: WS
    model: str = ""
    fingerprint: str = ""
    noise: Mapping[str, AnyArray] = field(default_factory=dict)
    delta: Delta | None = None
    photographs: Sequence[bytes] = ()
    alignments: Sequence[Mapping[str, Any]] = ()
    losses: Float[AnyArray, "n steps"] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        facts = {
            "model": self.model,
            "noise": f"{len(self.noise)} pictures each" if self.noise else "",
            "tuned": "" if self.delta is None else f"{len(self.delta.places)} tensors",
            "settings": display.words(self.settings) if self.settings else "",
        }
        photos = [open_photograph(content).shrunk(2 * 80) for content in self.photographs[: display.SHOWN]]
        pictures = [display.picture(photo[None], f"photograph {n}") for n, photo in enumerate(photos)]
        return display.card(f"inversion of {len(self.ws)}, as kept in a file", facts, " ".join(pictures))

    def __post_init__(self) -> None:
        parts = {"photographs": self.photographs, "alignments": self.alignments, "losses": self.losses}
        for name, part in parts.items():
            if part is not None and len(part) not in (0, len(self.ws)):
                raise KeptError(f"{len(self.ws)} latents have {len(part)} {name}: one each, or none")

    def generator(self, gen: Gen, number: int = 0) -> Gen:
        """The one that draws the photograph of this number: tuned, with its noise. An ordinary generator, of a
        fingerprint of its own; the given one itself where neither was changed.

        Raises:
          KeptError, DeltaError: if it is another model's. InputError: without such a photograph.
        """
        self.check(gen)
        if not 0 <= number < len(self.ws):
            raise InputError(f"photograph {number} of {len(self.ws)}: they are counted from 0")
        own = noise_pictures(gen)
        changed = {} if self.delta is None else self.delta.moved(gen)
        changed |= {place: jnp.asarray(pictures[number], own[place].dtype) for place, pictures in self.noise.items()}
        return derived(gen, changed, "photo") if changed else gen

    def check(self, gen: Generator) -> None:
        """Refuse another model's.

        Raises:
          KeptError, DeltaError: in one line.
        """
        if self.fingerprint != identity(gen):
            raise KeptError(f"found with {self.model or 'a model'} of other weights than {gen.info.name}: load that")
        _check_latents(self.ws, gen)
        own = noise_pictures(gen)
        for place, pictures in self.noise.items():
            if place not in own or pictures.shape != (len(self.ws), *own[place].shape):
                raise KeptError(f"noise {list(pictures.shape)} for {place[:80]!r}, which {gen.info.name} does not take")
        if self.delta is not None:
            self.delta.check(gen)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the file, whole or not at all.

        Raises:
          KeptError: on another suffix than .npz. ExistsError: if there is a file already, unless it may be overwritten.
          PlaceError: if it cannot be written.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise KeptError(f"{path}: an inversion is saved as .npz")
        check_free(path, overwrite)
        return write_whole(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file's content."""
        content = io.BytesIO()
        np.savez(content, **self._arrays())  # pyright: ignore[reportArgumentType]
        return content.getvalue()

    def _arrays(self) -> dict[str, np.ndarray]:
        delta = self.delta
        named = {"ws": self.ws.array, "classes": self.ws.c, "losses": self.losses}
        named |= {} if delta is None else {"delta": delta.steps, "delta_sizes": delta.sizes}
        named |= {f"{NOISE}{place}": pictures for place, pictures in self.noise.items()}
        named |= {f"{PHOTOGRAPH}{n}": np.frombuffer(data, np.uint8) for n, data in enumerate(self.photographs)}
        record = {name: getattr(self, name, None) for name in RECORD}
        record |= {"format": FORMAT, "settings": dict(self.settings), "alignments": [*map(dict, self.alignments)]}
        record |= {"places": [] if delta is None else list(delta.places)}
        return {name: np.asarray(a) for name, a in named.items() if a is not None} | {
            "record": np.array(json.dumps(record, allow_nan=False))
        }


def open(path: str | os.PathLike[str], gen: Generator) -> Kept:
    """What `Kept.save` wrote, checked part by part, for the generator that it was found with.

    Raises:
      KeptError: in one line, if the file is missing, damaged, hostile or something else, or of another model.
    """
    try:
        kept = _read(array_files.read(path))
        kept.check(gen)
        return kept
    except FileNotFoundError as error:
        raise KeptError(f"{path}: no such file") from error
    except (IsADirectoryError, PermissionError) as error:
        raise KeptError(f"{path}: {error.strerror}") from error
    except InputError as error:
        raise KeptError(f"{path}: {error}") from error


def _read(content: Any) -> Kept:
    if not isinstance(content, dict) or not {"record", "ws"} <= content.keys():
        raise KeptError("no inversion of a photograph")
    record, left = _record(content.pop("record")), dict(content)
    noise = {name: _numbers(left, name, 3) for name in content if name.startswith(NOISE)}
    numbers = sum(name.startswith(PHOTOGRAPH) for name in content)
    photographs = [_numbers(left, f"{PHOTOGRAPH}{n}", 1, np.uint8).tobytes() for n in range(numbers)]
    ws, classes = _numbers(left, "ws", 3), _numbers(left, "classes", 2) if "classes" in content else None
    losses = _numbers(left, "losses", 2) if "losses" in content else None
    delta = None
    if "delta" in content:
        parts = _numbers(left, "delta_sizes", 1, np.float32), _numbers(left, "delta", 1, np.int8)
        delta = Delta(tuple(record["places"]), *parts, record["fingerprint"])
    if left:
        raise KeptError(f"holds {min(left)[:80]!r}, which an inversion does not")
    return Kept(
        ws=WS(ws, classes),
        noise={name.removeprefix(NOISE): pictures for name, pictures in noise.items()},
        delta=delta,
        photographs=photographs,
        losses=losses,
        **{name: record[name] for name in ("model", "fingerprint", "alignments", "settings")},
    )


def _record(text: np.ndarray) -> dict[str, Any]:
    """The text of JSON, every field of its kind."""
    try:
        record = json.loads(str(text[()])) if text.dtype.kind == "U" and not text.ndim else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise KeptError(f"no inversion of a photograph in the form {FORMAT!r}")
    if wrong := [name for name, kind in RECORD.items() if not isinstance(record.get(name), kind)]:
        raise KeptError(f"damaged: {wrong[0]} is no {RECORD[wrong[0]].__name__}")
    lists: dict[str, type] = {"alignments": dict, "places": str}
    if wrong := [name for name, kind in lists.items() if not all(isinstance(item, kind) for item in record[name])]:
        raise KeptError(f"damaged: {wrong[0]} of the wrong kind")
    return record


def _numbers(left: dict[str, np.ndarray], name: str, axes: int, dtype: Any = np.floating) -> np.ndarray:
    """The array of that name, which is then no longer among those left."""
    array = left.pop(name, None)
    if array is None:
        raise KeptError(f"damaged: {name[:80]!r} is missing")
    if array.ndim != axes or not np.issubdtype(array.dtype, dtype):
        raise KeptError(f"damaged: {name[:80]!r} is {array.dtype} {list(array.shape)}")
    if not np.isfinite(array).all():
        raise KeptError(f"damaged: {name[:80]!r} is not finite")
    return array


def _check_latents(ws: WS, gen: Generator) -> None:
    rows, classes = np.shape(ws.array), None if ws.c is None else np.shape(ws.c)
    wanted = gen.c_dim if gen.classes == "synthesis" else None
    if not rows[0] or rows[1:] != (gen.num_ws, gen.w_dim):
        raise KeptError(f"latents {list(rows)} are not of {gen.info.name}")
    if classes != (None if wanted is None else (rows[0], wanted)):
        raise KeptError(f"classes {classes and list(classes)} are not of {gen.info.name}")
