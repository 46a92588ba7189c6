"""The closed list of globals that a checkpoint may name, and the few lines of ours that stand for each.

A call takes the machine of `pickles.py`, for its budget and its errors, and arguments of the types that its row names. Nothing here, or
anywhere in this reader, calls what the file says.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lrgan_jax.foreign.errors import CheckpointError


@dataclass(eq=False)
class Record:
    """An object of another project's class: its name and contents, no behaviour.

    An NVIDIA network or layer is `Record(name="SynthesisLayer", args=(), state={...})`: the bare class name, and the
    module's attribute dict, in which `_parameters` and `_buffers` map names to arrays or None, `_modules` maps names
    to Records or None, and the rest (`img_resolution`, `conv_clamp`, ...) are plain values. All others are named by
    their dotted global: `dnnlib.tflib.network.Network` and `argparse.Namespace` have their attributes in state,
    `torch.device` has its arguments in args.
    """

    name: str
    args: tuple = ()
    state: dict | None = field(default=None, repr=False)


class StateDict(dict):
    """An OrderedDict, with the attributes that it was pickled with: torch keeps a state dict's versions in `_metadata`."""

    attributes: dict = {}  # noqa: RUF012


@dataclass(eq=False)
class Storage:
    """Flat data behind tensors. The digit in the code is the bytes per element; "B2" is bfloat16, which NumPy lacks."""

    code: str
    elements: int
    raw: memoryview | None = None  # None while a legacy stream is read for the first time
    order: str = "<"

    @property
    def size(self) -> int:
        return self.elements * int(self.code[1])


@dataclass(eq=False)
class Dtype:
    code: str
    order: str = "<"  # BUILD sets the real one


@dataclass(eq=False)
class Unfilled:
    """NumPy pickles an empty array and fills it by BUILD, when the memo already has it. So the memo has this."""

    array: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Allowed:
    """One global. `accepts` are its argument types, ... at the end if more may follow; None if it is never called."""

    name: str
    why: str
    accepts: tuple | None
    call: Callable
    code: str = ""  # of a storage type


# ---- Calls.


def short(text: str) -> str:
    return ascii(text[:80])[1:-1]  # one printable line, whatever the file says


def _latin1(machine: Any, text: str, *_) -> bytes:
    machine.budget.spend(memory=len(text))
    if max(text, default="") > "\xff":
        raise machine.error("damaged: bytes above 255")
    return text.encode("latin1")


def _set(machine: Any, items: list):
    machine.budget.spend(memory=100 * len(items))
    return machine.fill(items, set())


def _scalar(machine: Any, dtype: Dtype, data: bytes):
    return make_array(machine, data, dtype, (), "C")[()]


def _module(machine: Any, meta: dict) -> Record:
    match meta:
        case {"class_name": str() as name, "version": int() as version, "state": dict() as state}:
            if version == 6:
                return Record(name, (), state)
            raise machine.error(f"NVIDIA's {short(name)} of persistence version {version}, where only 6 is known,")
    raise machine.error("damaged: an NVIDIA module without name, version or state")


def _storage(machine: Any, data) -> Storage:
    if machine.load_stored is None:
        raise machine.error("refused: a torch stream inside another")
    try:
        storage = machine.load_stored(memoryview(data))
    except CheckpointError as error:
        raise machine.error(f"{error}, in the torch stream embedded") from None
    if type(storage) is not Storage:
        raise machine.error("refused: a torch stream that holds no storage, embedded")
    return storage


def _tensor(machine: Any, storage: Storage, offset: int, shape: tuple, strides: tuple, *rest) -> np.ndarray:
    if len(rest) > 2 and (not isinstance(rest[2], dict) or rest[2]):
        raise machine.error("refused: a tensor with metadata (lazily negated or conjugated)")
    if not _sound(shape) or len(strides) != len(shape) or not all(map(_natural, (offset, *strides))):
        raise machine.error("a tensor with an impossible shape, offset or stride")
    elements = math.prod(shape)
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if elements > storage.elements:  # strides of zero would make terabytes out of one element
        raise machine.error(f"a tensor of {elements} elements on a storage of {storage.elements}")
    if elements and last >= storage.elements:
        raise machine.error(f"a tensor that reaches element {last} of a storage of {storage.elements}")
    if storage.raw is None:
        return np.zeros(0)
    size = int(storage.code[1])
    # The stride of a side of 1 is never used and may be anything, more than NumPy can hold too.
    steps = [stride * size if side > 1 else 0 for side, stride in zip(shape, strides, strict=True)]
    return _copy(machine, storage.raw, storage, shape, strides=steps, offset=offset * size)


def _dtype(machine: Any, code: str, *_) -> Dtype:
    if code not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"):
        raise machine.error(f"refused: numpy.dtype {short(code)}, which no weight has,")
    return Dtype(code)


def make_array(machine: Any, raw, dtype: Dtype, shape: tuple, layout: str, *_) -> np.ndarray:
    if not _sound(shape) or math.prod(shape) * int(dtype.code[1]) != len(raw) or layout not in ("C", "F"):
        raise machine.error(f"an array whose shape does not fit its {len(raw)} bytes")
    return _copy(machine, raw, dtype, shape, layout=layout)


def _copy(machine: Any, raw, kind: Dtype | Storage, shape, *, strides=None, offset=0, layout="C") -> np.ndarray:
    """Copy data whose bounds the caller has checked: one pass gives contiguous, aligned, native, writable memory."""
    machine.budget.spend(memory=math.prod(shape) * max(4, int(kind.code[1])))
    stored = {"b1": "u1", "B2": "u2"}.get(kind.code, kind.code)
    if 0 in shape:
        raw, strides, offset = bytes(0), None, 0
    there = np.ndarray(shape, kind.order + stored, raw, offset, strides, "F" if layout == "F" else "C")
    values = there.astype(stored, order="C")
    if kind.code == "b1":
        values = values != 0  # NumPy's bool must not hold other bytes than 0 and 1
    elif kind.code == "B2":
        values = np.left_shift(values, 16, dtype=np.uint32).view(np.float32)
    return np.asarray(values)


def _natural(number) -> bool:
    return type(number) is int and number >= 0


def _sound(shape: tuple) -> bool:
    """True if NumPy can take it; it multiplies the sides of an empty array too, leaving out the zeros."""
    return len(shape) <= 32 and all(map(_natural, shape)) and math.prod(side or 1 for side in shape) < 2**40


# ---- The closed list of globals.


RAW = (bytes, memoryview)
_BUFFER = (RAW, Dtype, tuple, str, ...)
_NUMPY = ("numpy.core", "numpy._core")  # before and since NumPy 2
_FLOATS = {"Half": "f2", "BFloat16": "B2", "Float": "f4", "Double": "f8"}
_STORAGES = _FLOATS | {"Char": "i1", "Short": "i2", "Int": "i4", "Long": "i8", "Byte": "u1", "Bool": "b1"}


def _record(name: str, why: str, *accepts) -> Allowed:
    return Allowed(name, why, accepts, lambda machine, *args: Record(name, args))


def _named(name: str, why: str, code: str = "") -> Allowed:
    return Allowed(name, why, None, lambda machine: None, code)


_ROWS = (
    Allowed("collections.OrderedDict", "state dicts", (), lambda machine: StateDict()),
    Allowed("dnnlib.util.EasyDict", "NVIDIA's keyword arguments", (), lambda machine: {}),
    Allowed("builtins.set", "sets in protocol 3", (list,), _set),
    Allowed("__builtin__.set", "sets in protocols 0 to 2", (list,), _set),
    Allowed("__builtin__.bytes", "empty bytes in protocols 0 to 2", (), lambda machine: b""),
    Allowed("_codecs.encode", "other bytes in protocols 0 to 2", (str, str), _latin1),
    _record("argparse.Namespace", "rosinality's training options"),
    _record("dnnlib.tflib.network.Network", "NVIDIA's TF networks"),
    _record("torch.device", "devices among training options", str, ...),
    Allowed("torch_utils.persistence._reconstruct_persistent_obj", "NVIDIA's modules", (dict,), _module),
    Allowed("torch._utils._rebuild_parameter", "trained tensors", (np.ndarray, ...), lambda machine, array, *_: array),
    Allowed("torch._utils._rebuild_tensor_v2", "tensors", (Storage, int, tuple, tuple, ...), _tensor),
    Allowed("torch._utils._rebuild_tensor", "tensors before torch 0.4", (Storage, int, tuple, tuple), _tensor),
    Allowed("torch.storage._load_from_bytes", "storages pickled outside torch.save", (RAW,), _storage),
    Allowed("torch.Size", "shapes", (tuple,), lambda machine, sides: sides),
    _named("torch.storage.UntypedStorage", "type in a persistent id", "u1"),
    *(_named(f"torch.{name}Storage", "type in a persistent id", code) for name, code in _STORAGES.items()),
    _named("numpy.ndarray", "first argument of _reconstruct"),
    Allowed("numpy.dtype", "element type of arrays and scalars", (str, ...), _dtype),
    *(Allowed(f"{core}.multiarray.scalar", "gains of layers", (Dtype, bytes), _scalar) for core in _NUMPY),
    *(Allowed(f"{core}.multiarray._reconstruct", "TF variables", (...,), lambda *_: Unfilled()) for core in _NUMPY),
    *(Allowed(f"{core}.numeric._frombuffer", "arrays in protocol 5", _BUFFER, make_array) for core in _NUMPY),
)
ALLOWED = {tuple(row.name.rsplit(".", 1)): row for row in _ROWS}
