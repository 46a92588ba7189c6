"""Read a PyTorch or NVIDIA checkpoint file into plain values, arrays and records.

Four containers are told apart by their content, never by the file's name:
  zip      what torch.save writes since 1.6: `<root>/data.pkl` and one record `<root>/data/<key>` per storage
  legacy   what it wrote before: five pickles, then the storages; also each storage inside NVIDIA's PyTorch pickles
  pickle   NVIDIA's networks, PyTorch (.pkl, a dict) and TensorFlow (.pkl, a tuple of three)
  safetensors  a flat table of named tensors, of any of the projects
What the values mean is not looked at here. Nothing is run (see `pickles`), nothing is written to disk, and whatever the
file holds, `read` returns or raises CheckpointError.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes  # comes with JAX
import numpy as np
from safetensors import SafetensorError, deserialize

from lrgan_jax.foreign.allowed import Allowed, Dtype, Record, StateDict, Storage
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.foreign.pickles import Budget, load

LARGEST = 16 * 2**30  # bytes of one file, and of the arrays that come out of it
DEEPEST = 100  # containers in containers, where an NVIDIA snapshot has about 20
MOST_VALUES = 5_000_000  # in the result, a shared one counted each time it is met
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
OTHER_KINDS = {  # first bytes, in lower case: files often saved under a checkpoint's name
    b"version https://git-lfs": "a git LFS pointer, not the file itself; fetch it with `git lfs pull`",
    b"<": "a web page or XML, not a checkpoint; the download went wrong",
    b"{": "JSON text, not a checkpoint",
    b"\x93numpy": "a NumPy array (.npy), not a checkpoint",
    b"\x89hdf": "an HDF5 file, which is not read here",
    b"\x1f\x8b": "gzip data; decompress it first",
}


def read(path: str | Path) -> Any:
    """Read one checkpoint file.

    Args:
      path: the file. It is read into memory once; arrays in the result are copies, so that memory is let go afterwards.
    Returns:
      What the file holds, usually a dict, made of the types that `pickles` lists. It is at most `DEEPEST` deep, without
      cycles, so it may be walked by recursion.
    Raises:
      CheckpointError: one line, the file's name first, then what is wrong and where.
    """
    with naming(path):
        return parse(bytes_of(Path(path)))


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Inside, whatever is wrong with a file is said with its name."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except MemoryError:  # the file is within every limit, but this machine is too small for it
        raise CheckpointError(f"{path}: does not fit in memory") from None


def parse(data: bytes) -> Any:
    """`read` for bytes that are in memory already. Raises CheckpointError without a file's name."""
    value = _read(data)
    _check_tree(value)
    return value


def bytes_of(path: Path) -> bytes:
    """The whole of a regular file of at most LARGEST bytes. Raises CheckpointError without the file's name."""
    try:
        if path.is_dir():
            raise CheckpointError("a directory, not a file")
        if not path.exists():
            raise CheckpointError("no such file")
        if not path.is_file():
            raise CheckpointError("not a regular file")  # a pipe would never end
        if path.stat().st_size > LARGEST:
            raise CheckpointError(f"larger than {LARGEST} bytes")
        return path.read_bytes()
    except OSError as error:  # permission denied, a broken disk, a name that is too long, ...
        raise CheckpointError(f"cannot be read ({error.strerror or error})") from None


def _read(data: bytes) -> object:
    if not data:
        raise CheckpointError("an empty file")
    start = data[:64].lstrip().lower()
    for prefix, kind in OTHER_KINDS.items():
        if start.startswith(prefix):
            raise CheckpointError(kind)
    # Copies of tensors (bfloat16 doubles), inflated records, small objects: a few times the size of an honest file.
    budget = Budget(memory=min(LARGEST, 8 * len(data) + 2**24))
    view = memoryview(data)
    if data.startswith(b"PK"):
        return _zip(data, budget)
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data) - 8:  # its JSON's length comes first
        return _safetensors(data)
    try:
        value, _ = load(view, 0, budget, load_stored=lambda stored: _legacy(stored, budget))
    except CheckpointError as error:
        if data.startswith(b"\x80"):  # as every pickle does since protocol 2
            raise
        raise CheckpointError(f"no torch file and no intact pickle: {error}") from None
    return _legacy(view, budget) if type(value) is int and value == LEGACY_MAGIC else value


def _legacy(data: memoryview, budget: Budget) -> object:
    """Five pickles (magic number, protocol, system, value, storage keys), then per key a count and the data.

    Tensors come before their storages, so the value is read twice: the first time only to learn types and lengths.
    """
    storages: dict[str, Storage] = {}

    def find_storage(code: str, key: str, elements: int) -> Storage:
        return storages.setdefault(key, Storage(code, elements))

    magic, position = load(data, 0, budget)
    protocol, position = load(data, position, budget)
    if (type(magic), type(protocol)) != (int, int) or (magic, protocol) != (LEGACY_MAGIC, 1001):
        raise CheckpointError("not a legacy torch stream of protocol 1001 at byte 0")
    _, value_start = load(data, position, budget)  # about the writer's machine; the data are little-endian in any case
    _, position = load(data, value_start, budget, find_storage=find_storage)
    keys, position = load(data, position, budget)
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(storages):
        raise CheckpointError(f"damaged: the list of storages does not match those in use, before byte {position}")
    for key in keys:
        storage = storages[key]
        header, position = position, position + 8
        count = int.from_bytes(data[header:position], "little")
        storage.raw = data[position : position + storage.size]
        if count != storage.elements or len(storage.raw) != storage.size:
            raise CheckpointError(f"cut short or damaged: {storage.size} bytes of a storage wanted at byte {header}")
        position += storage.size
    return load(data, value_start, budget, find_storage=find_storage)[0]


def _zip(data: bytes, budget: Budget) -> object:
    try:
        listed = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
        # zipfile promises the first of these only; the others are what it lets through on damaged directories.
        raise CheckpointError("a zip that is cut short or damaged: no readable directory at its end") from None
    entries = {entry.filename: entry for entry in listed}
    if len(entries) != len(listed):
        raise CheckpointError("a zip with two records of one name")
    # Only names formed here are ever looked up, so records with absolute or climbing names are never touched.
    roots = [name.removesuffix("data.pkl") for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(roots) != 1:
        raise CheckpointError(f"a zip with {len(roots)} records */data.pkl, where torch.save writes one")
    root, view = roots[0], memoryview(data)
    order, storages = b"little", {}
    if f"{root}byteorder" in entries:
        order = bytes(_record(view, entries[f"{root}byteorder"], budget))
    if order not in (b"little", b"big"):
        raise CheckpointError("damaged: the record byteorder says neither little nor big")

    def find_storage(code: str, key: str, elements: int) -> Storage:
        if key not in storages:
            storage = Storage(code, elements, order="<" if order == b"little" else ">")
            entry = entries.get(f"{root}data/{key}")
            if entry is None or entry.file_size != storage.size:
                there = f"has {entry.file_size}" if entry else "is not there"
                raise CheckpointError(f"storage {ascii(key[:80])} needs {storage.size} bytes, its record {there}")
            storage.raw = _record(view, entry, budget)
            storages[key] = storage
        return storages[key]

    pickle = _record(view, entries[f"{root}data.pkl"], budget)
    try:
        return load(pickle, 0, budget, find_storage=find_storage)[0]
    except CheckpointError as error:
        raise CheckpointError(f"{error} (in {ascii(root[:80])[1:-1]}data.pkl)") from None


def _record(data: memoryview, entry: zipfile.ZipInfo, budget: Budget) -> memoryview:
    """One record's bytes: a view if stored, as torch writes them; else inflated, to the announced size at most."""
    where = f"of record {ascii(entry.filename[:80])}"
    start = entry.header_offset
    if not 0 <= start <= len(data) - 30 or data[start : start + 4] != b"PK\x03\x04":
        raise CheckpointError(f"damaged: no header {where} at byte {start}")
    start += 30 + sum(struct.unpack("<HH", data[start + 26 : start + 30]))
    raw = data[start : start + entry.compress_size]
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CheckpointError(f"encryption or unusual compression {where}")
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        budget.spend(memory=entry.file_size)
        try:
            raw = memoryview(zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, entry.file_size + 1))
        except zlib.error:
            raise CheckpointError(f"damaged: the deflated data {where}") from None
    if len(raw) != entry.file_size:
        raise CheckpointError(f"cut short or damaged: {entry.file_size} bytes announced, {len(raw)} there {where}")
    if entry.CRC not in (0, zlib.crc32(raw)):  # torch can be told to leave checksums out, and then writes 0
        raise CheckpointError(f"damaged: wrong checksum {where}")
    return raw


def _safetensors(data: bytes) -> dict[str, Any]:
    try:
        listed = deserialize(data)
    except SafetensorError as error:
        raise CheckpointError(f"a damaged safetensors file: {ascii(str(error)[:200])[1:-1]}") from None
    tensors: dict[str, Any] = {}
    for name, tensor in listed:
        if tensor["dtype"] not in _SAFETENSORS:
            raise CheckpointError(f"tensor {ascii(name[:80])} is of type {tensor['dtype']}, which no weight has")
        array = np.frombuffer(tensor["data"], _SAFETENSORS[tensor["dtype"]]).reshape(tensor["shape"])
        tensors[name] = array.astype(np.float32) if tensor["dtype"] == "BF16" else array
    return tensors


def _check_tree(root: object) -> None:
    """Refuse what a caller's recursion would not survive, and what is no value, such as a storage without its tensor.

    Cycles and great depth are the plain cases; the sly one is a list that holds one list ten times, which holds another
    one ten times, and so on.
    """
    done: dict[int, tuple[int, int]] = {}  # depth of a container, and the values it unfolds to
    above: set[int] = set()  # the containers that the current one lies in
    todo = [root]
    while todo:
        node = todo[-1]
        if id(node) in done:
            todo.pop()
            continue
        contents = _contents(node)
        inner = [child for child in contents if not isinstance(child, _LEAVES)]
        if id(node) not in above:
            above.add(id(node))
            if not above.isdisjoint(map(id, inner)):
                raise CheckpointError("a value that contains itself")
            todo += [child for child in inner if id(child) not in done]
            continue
        depth = 1 + max((done[id(child)][0] for child in inner), default=0)
        values = 1 + len(contents) + sum(done[id(child)][1] for child in inner)
        if depth > DEEPEST or values > MOST_VALUES:
            raise CheckpointError(f"nested {depth} deep, {values} values; the limits are {DEEPEST} and {MOST_VALUES}")
        done[id(node)] = depth, values
        above.remove(id(node))


_SAFETENSORS = {"F16": "<f2", "BF16": ml_dtypes.bfloat16, "F32": "<f4", "F64": "<f8", "BOOL": "?"}
_SAFETENSORS |= {f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)}
_LEAVES = (str, bytes, memoryview, int, float, type(None), np.ndarray, np.generic)


def _contents(node: object) -> list:
    match node:
        case StateDict():
            return [*node.values(), node.attributes]
        case dict():
            return list(node.values())
        case list() | tuple() | set() | frozenset():
            return list(node)
        case Record():
            return [node.state, *node.args, node.contents]
        case Allowed(foreign=True) | Dtype():  # a class or function that is named and no more, the type of no array
            return []
    if isinstance(node, _LEAVES):
        return []
    raise CheckpointError(f"damaged: {type(node).__name__.strip('_')} left over in the result")
