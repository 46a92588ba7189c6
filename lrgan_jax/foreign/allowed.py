"""What stands for the globals that a file names: a closed list, a few lines of ours for each, and inert records else.

A call takes the machine of `pickles.py`, for its budget and its errors, and arguments of the types that its row names.
Nothing here, or anywhere in this reader, calls what the file says: an object of a class outside the list is a note of
its name and contents, and a call of a function outside it is refused, since only an attack gains by one.
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
    `torch.device` and `pathlib.PosixPath` their arguments in args; `contents` are the items of a class
    derived from list, or the keys and values of one derived from dict.
    """

    name: str
    args: tuple = ()
    state: dict | None = field(default=None, repr=False)
    contents: list | None = field(default=None, repr=False)


class StateDict(dict):
    """An OrderedDict with the attributes that it was pickled with: torch keeps its versions in `_metadata`."""

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

    array: "np.ndarray | Record | None" = None  # a record if it holds no numbers


@dataclass(frozen=True, eq=False)
class Allowed:
    """One global. `accepts` are its argument types, ... at the end if more may follow; None if it is never called."""

    name: str
    why: str
    accepts: tuple | None
    call: Callable
    code: str = ""  # of a storage type
    foreign: bool = False  # not in the list


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


def _scalar(machine: Any, dtype: Dtype | Record, data):
    if isinstance(dtype, Record) or not isinstance(data, RAW):
        return Record("numpy.generic", (dtype, data))
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


def _attribute(machine: Any, owner: Allowed | Record, name: str) -> Allowed | Record:
    """Of a class, a class inside it; of an object, a method of which the name is kept."""
    if isinstance(owner, Allowed) and owner.foreign and owner.accepts is not None:
        return machine.find(owner.name, name)
    return Record("builtins.getattr", (owner, name))


def _array(machine: Any, array: np.ndarray, *_) -> np.ndarray:
    return array


def _rebuilt(machine: Any, kind: Allowed, *_) -> Record:
    return Record(kind.name)


def _typed(machine: Any, function: Allowed, kind: Allowed, args: tuple, *_) -> Any:
    if function.call is _typed:  # in itself a thousand times: nothing here recurses
        raise machine.error("refused: a tensor rebuilt twice")
    return machine.call(function, args)


# Times that a tensor may repeat its storage: one latent for every layer, `w.expand(1, 18, 512)`, is often saved.
EXPANDED = 64


def _tensor(machine: Any, storage: Storage, offset: int, shape: tuple, strides: tuple, *rest) -> np.ndarray:
    if len(rest) > 2 and (not isinstance(rest[2], dict) or rest[2]):
        raise machine.error("refused: a tensor with metadata (lazily negated or conjugated)")
    if not _sound(shape) or len(strides) != len(shape) or not all(map(_natural, (offset, *strides))):
        raise machine.error("a tensor with an impossible shape, offset or stride")
    elements = math.prod(shape)
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if elements > EXPANDED * storage.elements:  # strides of zero would make terabytes out of one element
        raise machine.error(f"a tensor of {elements} elements on a storage of {storage.elements}")
    if elements and last >= storage.elements:
        raise machine.error(f"a tensor that reaches element {last} of a storage of {storage.elements}")
    if storage.raw is None:
        return np.zeros(0)
    size = int(storage.code[1])
    # The stride of a side of 1 is never used and may be anything, more than NumPy can hold too.
    steps = [stride * size if side > 1 else 0 for side, stride in zip(shape, strides, strict=True)]
    return _copy(machine, storage.raw, storage, shape, strides=steps, offset=offset * size)


def _dtype(machine: Any, code: str, *_) -> Dtype | Record:
    """Of the kinds that tensors have; others (text, dates, objects) are noted, as what is of them will be."""
    known = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")
    return Dtype(code) if code in known else Record("numpy.dtype", (code,))


def _buffer(machine: Any, raw, dtype: Dtype | Record, shape: tuple, layout: str, *_):
    if isinstance(dtype, Record):
        return Record("numpy.ndarray", (shape, dtype, raw))
    return make_array(machine, raw, dtype, shape, layout)


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
_BUFFER = (RAW, (Dtype, Record), tuple, str, ...)
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
    *(
        Allowed(f"{module}.getattr", "classes in classes, methods, to protocol 3", ((Allowed, Record), str), _attribute)
        for module in ("builtins", "__builtin__")
    ),
    _record("argparse.Namespace", "rosinality's training options"),
    _record("dnnlib.tflib.network.Network", "NVIDIA's TF networks"),
    _record("torch.device", "devices among training options", str, ...),
    *(
        Allowed(f"{module}._reconstructor", "objects in protocols 0 and 1", (Allowed, Allowed, object), _rebuilt)
        for module in ("copyreg", "copy_reg")
    ),
    Allowed("torch_utils.persistence._reconstruct_persistent_obj", "NVIDIA's modules", (dict,), _module),
    Allowed("torch._utils._rebuild_parameter", "trained tensors", (np.ndarray, ...), _array),
    Allowed("torch._utils._rebuild_parameter_with_state", "the same with attributes", (np.ndarray, ...), _array),
    Allowed("torch._tensor._rebuild_from_type_v2", "tensors with attributes", (Allowed, Allowed, tuple, ...), _typed),
    Allowed("torch._utils._rebuild_tensor_v2", "tensors", (Storage, int, tuple, tuple, ...), _tensor),
    Allowed("torch._utils._rebuild_tensor", "tensors before torch 0.4", (Storage, int, tuple, tuple), _tensor),
    Allowed("torch.storage._load_from_bytes", "storages pickled outside torch.save", (RAW,), _storage),
    Allowed("torch.Size", "shapes", (tuple,), lambda machine, sides: sides),
    _named("torch.storage.UntypedStorage", "type in a persistent id", "u1"),
    *(_named(f"torch.{name}Storage", "type in a persistent id", code) for name, code in _STORAGES.items()),
    _named("numpy.ndarray", "first argument of _reconstruct"),
    Allowed("numpy.dtype", "element type of arrays and scalars", (str, ...), _dtype),
    *(Allowed(f"{core}.multiarray.scalar", "gains of layers", ((Dtype, Record), object), _scalar) for core in _NUMPY),
    *(Allowed(f"{core}.multiarray._reconstruct", "TF variables", (...,), lambda *_: Unfilled()) for core in _NUMPY),
    *(Allowed(f"{core}.numeric._frombuffer", "arrays in protocol 5", _BUFFER, _buffer) for core in _NUMPY),
)
ALLOWED = {tuple(row.name.rsplit(".", 1)): row for row in _ROWS}

# ---- Everything else: classes are noted, never built.

# Modules that reach the system: a file that names one is an attack, and refused whole.
_REACHING = {
    *("os", "posix", "nt", "posixpath", "ntpath", "sys", "subprocess", "popen2", "commands", "pty", "shutil"),
    *("tempfile", "socket", "ssl", "socketserver", "http", "urllib", "urllib2", "ftplib", "smtplib", "telnetlib"),
    *("webbrowser", "antigravity", "asyncio", "threading", "multiprocessing", "concurrent", "signal", "ctypes"),
    *("cffi", "mmap", "importlib", "imp", "pkgutil", "runpy", "zipimport", "code", "codeop", "pdb", "bdb", "trace"),
    *("timeit", "profile", "cProfile", "doctest", "pickle", "cPickle", "_pickle", "marshal", "shelve", "dill"),
    *("cloudpickle", "joblib", "pip", "ensurepip", "venv", "setuptools", "distutils", "idlelib", "gc", "inspect"),
    *("types", "operator", "_operator", "io", "_io", "fileinput", "logging", "atexit", "site", "builtins"),
    *("__builtin__",),
}
_PLAIN = {  # of Python's own; the last three in protocols 0 to 2
    *("object", "complex", "slice", "range", "int", "float", "str", "bool", "list", "tuple", "dict", "frozenset"),
    *("bytearray", "type", "Ellipsis", "long", "unicode", "xrange"),
}
_SMALL = {  # classes, and makers of plain values, whose names look like functions'
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _PLAIN),
    *("collections.defaultdict", "collections.deque", "datetime.date", "datetime.time", "datetime.datetime"),
    *("datetime.timedelta", "datetime.timezone", "functools.partial", "types.SimpleNamespace", "_io.BytesIO"),
    *("_io.StringIO", "logging.getLogger", "re._compile", "time.struct_time", "_operator.getitem"),
    *("numpy.random.bit_generator.__pyx_unpickle_SeedSequence", "torch._utils._rebuild_sparse_tensor"),
    *("torch._utils._rebuild_meta_tensor_no_storage", "itertools.count", "torch.serialization._get_layout"),
    *("torch.nn.backends.thnn._get_thnn_function_backend",),
    *(f"numpy.random._pickle.__{kind}_ctor" for kind in ("randomstate", "generator", "bit_generator")),
}


def inert(module: str, name: str) -> Allowed | None:
    """What stands for a global outside the list; None if a file that names it is refused.

    A class makes records. A function can be named, as networks name their activations, but not be called.
    """
    full = f"{module}.{name}"
    by_way = {module.partition(".")[0], *name.split(".")[:-1]}  # `torch` and the name `os.system` lead there too
    if full not in _SMALL and by_way & _REACHING:
        return None
    is_class = full in _SMALL or all(part.lstrip("_")[:1].isupper() for part in name.split("."))
    accepts = (...,) if is_class else None
    return Allowed(full, "not known", accepts, lambda machine, *args: Record(full, args), foreign=True)
