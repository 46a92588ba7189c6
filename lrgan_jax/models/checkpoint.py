"""A model on disk: a folder that holds `model.json` (architecture, config, regions, provenance), `card.md` and
`weights/` (Orbax).

A folder is written beside its final name and renamed when whole, so a checkpoint either exists completely or not at
all.
"""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from lrgan_jax.base.errors import DeviceError, ExistsError, InputError, InputTypeError, LrganError, PlaceError
from lrgan_jax.base.files import check_free
from lrgan_jax.base.progress import waiting
from lrgan_jax.generators import ARCHITECTURES, ModelInfo, StoredGenerator, architecture

DESCRIPTION = "model.json"
VERSION = 1
FIELDS = {
    "version": int,
    "architecture": str,
    "name": str,
    "config": dict,
    "fingerprint": str,
    "regions": dict,
    "provenance": dict,
}

if TYPE_CHECKING:
    NameOrFolder = str | os.PathLike[str]
else:
    NameOrFolder = Any  # the tests' checks of types would come before our own refusal of whatever else is given


class ModelError(InputError):
    """A model that cannot be found or read; the message is one line for a person."""


def embedded_models() -> dict[str, Path]:
    """Name -> folder of the models inside this package."""
    root = Path(str(resources.files("lrgan_jax.models")))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{DESCRIPTION}"))}


def fingerprint(variables) -> str:
    """SHA-256 over the names, shapes and float32 values of all arrays: equal exactly when the weights are."""
    digest = hashlib.sha256()
    for path, leaf in tree_flatten_with_path(variables)[0]:
        array = np.ascontiguousarray(leaf, np.float32)
        digest.update(f"{keystr(path)}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save(path: str | os.PathLike[str], gen: Any, *, dtype: Any = np.float32, overwrite: bool = False) -> Path:
    """Write `gen` to the new folder `path`, its weights as `dtype` (float16 halves the size; 1e-3 relative rounding).

    Args:
      gen: a `StoredGenerator`; typed loosely so that the error below is the one that is seen.
    Raises:
      ExistsError: if `path` exists, unless it is a model that may be overwritten. PlaceError: if it cannot be written;
        what was there is there still.
      InputTypeError: on what no file can hold, such as a generator of a function, or a style space.
    """
    from orbax.checkpoint import v1 as ocp  # half a second, which commands that save nothing need not wait for

    path = Path(path).resolve()  # Orbax fails on relative paths, sometimes only in the background
    check_free_folder(path, overwrite)
    name = _architecture(gen)
    stored = jax.tree.map(lambda a: np.asarray(a, dtype), _plain(gen.variables))
    description = {
        "format": "lrgan_jax model",
        "version": VERSION,
        "architecture": name,
        "name": gen.info.name,
        "config": dataclasses.asdict(gen.config),
        "fingerprint": fingerprint(stored),
        "regions": dict(gen.info.regions),
        "provenance": dict(gen.info.provenance),
    }
    with draft_folder(path, sum(leaf.nbytes for leaf in jax.tree.leaves(stored))) as draft:
        (draft / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        (draft / "card.md").write_text(gen.info.card, encoding="utf-8")
        ocp.save(str(draft / "weights"), stored)
        (draft / "weights" / "commit_success.txt").unlink(
            missing_ok=True
        )  # names this machine's path, and the rename is the commit
    return path


def check_free_folder(path: Path, overwrite: bool = False) -> None:
    """Refuse a place that is taken, unless by a model that may be overwritten, or where nothing can be written.

    Raises:
      ExistsError, PlaceError: in one line.
    """
    if path.is_dir() and overwrite:
        if not (path / DESCRIPTION).is_file():
            raise ExistsError(f"{path} is no model, and only a model is overwritten; choose another name or remove it")
        path = path / DESCRIPTION
    check_free(path, overwrite)


@contextmanager
def draft_folder(path: Path, size: int) -> Iterator[Path]:
    """A new folder beside `path` for `size` bytes: renamed so when all is written, removed when anything fails. What
    was there before goes last.
    """
    draft = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(path.parent).free) < size:  # Orbax would tell of it in a dozen tracebacks
            raise PlaceError(f"{path} cannot be written: {size / 1e6:.1f} MB are needed, {free / 1e6:.1f} are free")
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        yield draft
        draft.chmod(0o755)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as former:
            if path.exists():
                path.rename(Path(former) / path.name)
            draft.rename(path)
    except BaseException as error:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
        if not isinstance(error, LrganError) and (reason := _said_by_the_system(error)):
            raise PlaceError(f"{path} cannot be written: {reason}") from error
        raise


def _said_by_the_system(error: BaseException) -> str:
    """That the disk is full, say, or "". TensorStore, beneath Orbax, says so by a number that ends a ValueError."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    told = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(told[1])) if told else ""


def load(name_or_path: NameOrFolder) -> StoredGenerator:
    """The generator of that name inside the package, or of the folder that `lrgan convert` wrote. Weights become
    float32.

    Args:
      name_or_path: its name, or the folder's path.
    Raises:
      ModelError: in one line, if there is no such model, or the folder is damaged, or the file needs converting first.
      DeviceError: if JAX has no device to put the weights on. InputTypeError: on neither text nor a path, such as a
        generator.
    """
    folder = find(name_or_path)
    with waiting(f"loading {folder.name}"):
        return _loaded(folder)


def _loaded(folder: Path) -> StoredGenerator:
    description = describe(folder)
    check_devices()
    cls, config_cls, init = architecture(description["architecture"])
    try:
        config = config_cls(**{key: _tuples(value) for key, value in description["config"].items()})
        wanted = jax.eval_shape(lambda: init(jax.random.key(0), config))
    except (
        Exception
    ) as error:  # a field that does not exist, or a value that makes no network: as many kinds as there are fields
        raise ModelError(
            f"{folder / DESCRIPTION} is damaged: its config makes no network ({_first_line(error)})"
        ) from error
    variables = _read_weights(folder, wanted)
    if fingerprint(variables) != description["fingerprint"]:
        raise ModelError(f"{folder}: its weights are not those it was saved with; convert or copy it again")
    info = ModelInfo(
        name=description["name"],
        fingerprint=description["fingerprint"],
        regions=description["regions"],
        card=_read_card(folder),
        provenance=description["provenance"],
    )
    return cls(config, jax.tree.map(jax.numpy.asarray, variables), info)


def check_devices() -> None:
    """Ask JAX for its devices first, lest their absence look like a damaged model.

    Raises:
      DeviceError: if there are none.
    """
    try:
        jax.devices()
    except (
        RuntimeError,
        AssertionError,
    ) as error:  # an assertion without a word, where a platform is known but has no plugin
        asked = getattr(jax.config, "jax_platforms", None) or "automatic"
        reason = f": {_first_line(error)}" if str(error) else ""
        raise DeviceError(f"no such device: with JAX_PLATFORMS={asked} JAX finds none{reason}") from error


def _read_weights(folder: Path, wanted) -> Any:
    """The arrays of `weights/` in the structure `wanted`, as float32."""
    from orbax.checkpoint import v1 as ocp

    try:
        abstract = jax.tree.map(lambda a: np.empty(a.shape, np.float32), wanted)
        variables = ocp.load(str(folder.resolve() / "weights"), abstract)
    except (MemoryError, jax.errors.JaxRuntimeError):  # this machine is too small, and the folder not to blame
        raise
    except Exception as error:  # Orbax raises a dozen kinds for a damaged folder; all mean the same to the user
        raise ModelError(
            f"{folder}: its weights cannot be read ({_first_line(error)}); convert or copy it again"
        ) from error
    for (path, leaf), want in zip(tree_flatten_with_path(variables)[0], jax.tree.leaves(wanted), strict=True):
        if leaf.shape != want.shape:
            raise ModelError(f"{folder}: {keystr(path)} is {leaf.shape} but the config wants {want.shape}")
    return variables


def _read_card(folder: Path) -> str:
    try:
        return (folder / "card.md").read_text(encoding="utf-8") if (folder / "card.md").exists() else ""
    except UnicodeDecodeError as error:
        raise ModelError(f"{folder / 'card.md'} is damaged: {error}") from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def find(name_or_path: NameOrFolder) -> Path:
    """The folder of a model, or a ModelError that says what to do."""
    if not isinstance(name_or_path, str | os.PathLike):
        raise InputTypeError(
            f"a model's name or folder is wanted, such as 'faces64', got a {type(name_or_path).__name__}"
        )
    embedded = embedded_models()
    if str(name_or_path) in embedded:
        return embedded[str(name_or_path)]
    path = Path(name_or_path)
    if len(str(path)) > 4096 or any(len(part) > 255 for part in path.parts):  # asking the system would raise OSError
        raise ModelError(f"no model {str(name_or_path)[:40]!r}...: the name is too long")
    if path.is_file():
        raise ModelError(f"{path} is a file, not a converted model; run: lrgan convert {path} {path.stem}")
    if not path.exists():
        raise ModelError(f"no model {str(name_or_path)!r}: neither a folder nor one of {', '.join(embedded) or 'none'}")
    if not (path / DESCRIPTION).is_file():
        raise ModelError(f"{path} is not a converted model: it has no {DESCRIPTION}")
    return path


def describe(folder: Path) -> dict[str, Any]:
    """The contents of a model's `model.json`, checked."""
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    if not isinstance(description, dict):
        raise ModelError(f"{path} is damaged: it holds no table of fields")
    for field, kind in FIELDS.items():
        if not isinstance(description.get(field), kind):
            raise ModelError(f"{path} is damaged: {field} is missing or not a {kind.__name__}")
    if description["version"] != VERSION or description["architecture"] not in ARCHITECTURES:
        raise ModelError(
            f"{folder} is a {description['architecture']} of version {description['version']}, "
            "which this release cannot read"
        )
    return description


def _architecture(gen: Any) -> str:
    kind = type(gen).__name__
    found = next((name for name, cls in ARCHITECTURES.items() if kind == cls), None)
    if found is None:
        raise InputTypeError(f"saved are {', '.join(ARCHITECTURES.values())}; a {kind} has no form on disk")
    return found


def _plain(tree):
    """Nested plain dicts, whatever mappings came in."""
    return {key: _plain(value) for key, value in tree.items()} if hasattr(tree, "items") else tree


def _tuples(value):
    """JSON's lists as the tuples that a hashable config holds."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
