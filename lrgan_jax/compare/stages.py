"""What is done of a comparison, kept piece by piece, so that it goes on where it was stopped, by whatever stopped it.

A piece is a record of arrays in a file that is written whole. Beside them lies what they belong to: the settings.
"""

import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import write_whole
from lrgan_jax.base.progress import counted
from lrgan_jax.base.settings import differences
from lrgan_jax.evaluation import Loop

SETTINGS = "settings.json"

Record = TypeVar("Record", bound=tuple)  # a NamedTuple of arrays, or of None where something is missing
Progress = Callable[[str, Sequence[int]], Any]  # wraps the numbers that a stage named so goes through


def shown(name: str, numbers: Sequence[int]) -> Iterator[int]:
    """How far a stage is."""
    return counted(numbers, f"comparing, {name}")


class Stages:
    """A folder of pieces; without a folder nothing is kept.

    Args:
      settings: what the pieces follow from, as JSON gives it back.
    Raises:
      InputError: if the folder holds pieces of other settings; the message names them.
    """

    def __init__(self, folder: Path | None, settings: dict[str, Any], progress: Progress = shown):
        self.folder, self.progress = folder, progress
        if folder is None:
            return
        settings = json.loads(json.dumps(settings))
        if (place := folder / SETTINGS).exists():
            if different := list(differences(settings, json.loads(place.read_text()))):
                raise InputError(
                    f"{folder} holds the pieces of a comparison that was stopped, with other settings: "
                    f"{'; '.join(different)}. Ask for the same, choose another place, or remove that folder"
                )
        else:
            write_whole(place, json.dumps(settings, indent=1).encode())

    def keep(self, name: str, kind: type[Record], compute: Callable[[], Record]) -> Record:
        """The record of this kind and name, as it was kept, or computed and kept now."""
        if self.folder is None:
            return compute()
        path, fields = self.folder / f"{name}.npz", [*kind.__annotations__]
        if path.exists():
            with np.load(path) as kept:
                return kind(**dict.fromkeys(fields) | dict(kept))
        record = compute()
        content = io.BytesIO()
        np.savez(content, **{field: a for field, a in zip(fields, record, strict=True) if a is not None})
        write_whole(path, content.getbuffer())
        return record

    def each(self, name: str, kind: type[tuple], num: int) -> Loop:
        """The loop over `num` latents, or regions, that keeps the record of each."""

        def loop(of_one):
            numbers = self.progress(name, range(num))
            return [self.keep(f"{name}-{n:05d}", kind, lambda n=n: of_one(n)) for n in numbers]

        return loop


def forget(folder: Path) -> None:
    """Remove the pieces: what was to come of them is there."""
    shutil.rmtree(folder, ignore_errors=True)
