"""Writing files so that a reader sees all of it or nothing; and where what can be made again is kept."""
import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """`lrgan_jax` in $XDG_CACHE_HOME, or in ~/.cache where that is not set; empty or relative it counts as not set, as XDG has it."""
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "lrgan_jax"


def write_whole(path: str | os.PathLike, content: bytes | memoryview) -> Path:
    """Write beside the final name, then rename. Makes missing folders; replaces what was there."""
    path = Path(path)
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
