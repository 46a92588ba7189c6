"""Writing files so that a reader sees all of it or nothing; and where what can be made again is kept."""

import os
import tempfile
from pathlib import Path

from lrgan_jax.base.errors import DeniedError, ExistsError, FolderError, NoFolderError, PlaceError


def cache_folder() -> Path:
    """`lrgan_jax` in $XDG_CACHE_HOME, or in ~/.cache where that is not set; empty or relative it counts as not set, as
    XDG has it.
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "lrgan_jax"


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuse a file that cannot be written there, before what takes long is computed for it.

    Raises:
      FolderError, NoFolderError, DeniedError: in one line.
    """
    path = Path(path)
    if path.is_dir():
        raise FolderError(f"{path} is a folder, and a file is to be written there")
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if not nearest.is_dir():
        raise NoFolderError(f"{path} cannot be written: {nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DeniedError(f"{path} cannot be written: permission denied in {nearest}")


def check_free(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """The same, and refuse a place that is taken, unless what is there may be overwritten.

    Raises:
      ExistsError, and those of `check_place`: in one line.
    """
    if Path(path).exists() and not overwrite:
        raise ExistsError(f"{path} exists already; choose another name, or overwrite it")
    check_place(path)


def write_whole(path: str | os.PathLike[str], content: bytes | memoryview) -> Path:
    """Write beside the final name, then rename. Makes missing folders; replaces what was there.

    Raises:
      PlaceError: in one line.
    """
    path = Path(path)
    check_place(path)
    try:
        return _write(path, content)
    except OSError as error:  # a full disk, say
        raise PlaceError(f"{path} cannot be written: {error.strerror or error}") from error


def _write(path: Path, content: bytes | memoryview) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as draft:
        try:
            draft.write(content)
            draft.close()
            os.chmod(draft.name, 0o644)  # a temporary file starts private
            os.replace(draft.name, path)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    return path
