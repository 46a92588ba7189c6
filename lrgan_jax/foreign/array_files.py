"""Arrays in the files that people share them in: NumPy's .npy and .npz and torch's .pt, told apart by content.

Nothing in them is run.
"""

import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lrgan_jax.base.errors import InputError
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.foreign.containers import LARGEST, parse
from lrgan_jax.foreign.containers import read as read_foreign
from lrgan_jax.foreign.errors import CheckpointError

INFLATED = 100  # times the file's size that an .npz may take in memory, and 16 MB besides


class ArrayFileError(InputError):
    """A file that holds no array, or not one alone; the message is the end of a line that names the file."""


def read(path: str | os.PathLike[str]) -> Any:
    """An array, or values of which some may be: a dict by name of an .npz; whatever was saved by torch.

    Returns:
      The array of an .npy is mapped, not read, so that it may be larger than the memory. An .npy of objects, such as a
      dict that `np.save` was given, is the list of them.
    Raises:
      FileNotFoundError, IsADirectoryError, PermissionError: if there is no such file, or none that can be opened.
      ArrayFileError: if it is damaged or of another kind.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if (start := file.read(6)) == b"\x93NUMPY":
                return _objects(file) or np.load(path, mmap_mode="r", allow_pickle=False)
            entries = zipfile.ZipFile(file).infolist() if start.startswith(b"PK") else []
        if not entries or not all(entry.filename.endswith(".npy") for entry in entries):
            return read_foreign(path)
        if sum(entry.file_size for entry in entries) > INFLATED * path.stat().st_size + 2**24:
            raise ArrayFileError("it would take far more memory than an honest file")
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (FileNotFoundError, IsADirectoryError, PermissionError, ArrayFileError):
        raise
    except CheckpointError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ArrayFileError(f"no file of arrays: {reason}") from error
    except (
        Exception
    ) as error:  # NumPy and zipfile raise a dozen kinds for a damaged file; all mean the same to the user
        raise ArrayFileError("no file of arrays, or a damaged one") from error


def _objects(file: BinaryIO) -> list | None:
    """The values of an .npy of Python objects, in one list; None of an .npy of numbers.

    `np.save` of a dict or a ragged list writes such a file, a pickle behind NumPy's header.
    """
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = read_header(file)
    if not dtype.hasobject:
        return None
    match parse(file.read(LARGEST)):
        case Record(name="numpy.ndarray", args=(_, _, list() as values)):
            return values
    raise ArrayFileError("holds objects that are no values")


def only_array(values: Any, names: Collection[str]) -> np.ndarray:
    """The array that is meant: the only one, or the one of these names.

    What holds a single value is opened, and of a dict the entry that bears one of `names`, if just one does.

    Raises:
      ArrayFileError: if that leaves no array or several; the message lists what is there.
    """
    while not isinstance(values, np.ndarray):
        entries = (
            values if isinstance(values, dict) else dict(enumerate(values)) if isinstance(values, list | tuple) else {}
        )
        known = [name for name in entries if name in names]
        chosen = known if known else [*entries]
        if len(chosen) != 1:
            listed = ", ".join(ascii(name)[:40].strip("'") for name in chosen[:8])
            raise ArrayFileError(
                f"holds {len(chosen)} values ({listed}), of which one is wanted" if chosen else "holds no array"
            )
        values = entries[chosen[0]]
    return values


def floating(array: np.ndarray) -> np.ndarray:
    """The array in float32 or float64, in this machine's order of bytes.

    Raises:
      ArrayFileError: if it is of another kind than floats, or not finite.
    """
    if not np.issubdtype(array.dtype, np.floating):
        raise ArrayFileError(f"floats are wanted, these are {array.dtype}")
    rows = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
    step = 4096  # so that a mapped file is never whole in memory
    if not all(np.isfinite(rows[first : first + step]).all() for first in range(0, len(rows), step)):
        raise ArrayFileError("not all numbers are finite")
    return rows
