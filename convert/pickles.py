"""Read pickles without running them.

A pickle is a program for a small stack machine. The danger lies in the opcodes that look up and call any Python
function, so here the machine is played with inert values: a global is looked up in `ALLOWED`, a closed table, and
calling it runs the few lines of ours named there. Nothing is imported, no other project's class is built, embedded
source text is never looked at.

A file can also hurt by its size. Every length is compared with the bytes that exist before anything is allocated; a
`Budget` caps opcodes and memory over all the pickles of one file (stack and memo grow by at most one entry per
opcode); nothing recurses.

Values come back as dict, list, tuple, set, frozenset, str, bytes, int, float, bool, None, `Record`, NumPy scalars
and NumPy arrays (own memory, contiguous, native byte order, bfloat16 as float32). OrderedDict and EasyDict become
dict, bytearray becomes bytes. Bytes of `LARGE` and up that no tensor used stay read-only memoryviews of the file:
to copy all such bytes would double the memory that NVIDIA's pickles need.

Values from the file meet `==` only after a check of their type, because an array answers it with an array.
"""

import math
import pickletools  # only its table of opcodes: their names, and what follows each in the file
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .errors import CheckpointError

LARGE = 2**16


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


@dataclass
class Budget:
    """What one file may still cost."""

    memory: int  # bytes
    opcodes: int = 2_000_000  # a 1024-pixel NVIDIA snapshot takes about a tenth of it

    def spend(self, *, memory: int = 0, opcodes: int = 0) -> None:
        self.memory, self.opcodes = self.memory - memory, self.opcodes - opcodes
        if self.memory < 0:
            raise CheckpointError("asks for more memory than a file of its size justifies")
        if self.opcodes < 0:
            raise CheckpointError("has more pickle opcodes than any checkpoint needs")


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
class _Dtype:
    code: str
    order: str = "<"  # BUILD sets the real one


@dataclass(eq=False)
class _Unfilled:
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


# ---- The machine.


def load(
    data: memoryview, position: int, budget: Budget, *,
    find_storage: Callable[[str, str, int], Storage] | None = None,
    load_stored: Callable[[memoryview], object] | None = None,
) -> tuple[object, int]:  # fmt: skip
    """Read the one pickle that starts at a position.

    Args:
      data: the whole file, or the record of a zip; offsets in errors count from its start.
      find_storage: answers persistent ids (type code, key, number of elements); without it they are refused.
      load_stored: reads the torch stream in torch.storage._load_from_bytes; without it that is refused.
    Returns:
      The value and the position behind the pickle.
    Raises:
      CheckpointError: always that, whatever the bytes are.
    """
    machine = _Machine(data, position, budget, find_storage, load_stored)
    return machine.run(), machine.position


class _Machine:
    def __init__(self, data, position, budget, find_storage, load_stored):
        self.data, self.position, self.start, self.budget = data, position, position, budget
        self.find_storage, self.load_stored = find_storage, load_stored
        self.stack: list = []
        self.below: list[list] = []  # the stacks under each open mark
        self.memo: dict[int, object] = {}

    def error(self, what: str) -> CheckpointError:
        return CheckpointError(f"{what} at byte {self.start}")

    def run(self):
        """Play the opcodes up to STOP; its value is what STOP finds on the stack."""
        while True:
            self.start = self.position
            self.budget.spend(opcodes=1, memory=100)  # about what the value that it makes takes
            name, follows = _OPCODES.get(self.number("<B"), ("", ""))
            value: Any = _FOLLOWS[follows](self) if follows in _FOLLOWS else None
            match name:
                case "STOP":
                    return self.pop()
                case "MARK":
                    self.below.append(self.stack)
                    self.stack = []
                case "POP" if self.stack:
                    self.pop()
                case "POP" | "POP_MARK":
                    self.pop_mark()
                case "PUT" | "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                    self.memo[len(self.memo) if name == "MEMOIZE" else value] = self.top()
                case "PROTO" | "FRAME":
                    pass
                case _ if name in _PUSHES:
                    pushed = _PUSHES[name](self, value)  # may replace self.stack, so it comes before the next line
                    self.stack.append(pushed)
                case _:
                    raise self.error(f"{'opcode ' + name if name else 'no pickle opcode'}, which no checkpoint has,")

    def take(self, count: int) -> memoryview:
        left = len(self.data) - self.position
        if not 0 <= count <= left:
            raise self.error(f"cut short or damaged: {count} bytes wanted, {left} there,")
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, kind: str):
        return struct.unpack(kind, self.take(struct.calcsize(kind)))[0]

    def counted(self, kind: str) -> memoryview:
        return self.take(self.number(kind))

    def raw(self, kind: str) -> bytes | memoryview:
        data = self.counted(kind)
        return data if len(data) >= LARGE else bytes(data)

    def string(self, kind: str) -> str:
        return self.text(self.counted(kind))

    def integer(self, kind: str) -> int:
        data = self.counted(kind)
        if len(data) > 16:
            raise self.error(f"an integer of {len(data)} bytes")
        return int.from_bytes(data, "little", signed=True)

    def line(self) -> memoryview:
        found = _LINE.match(self.data, self.position)
        return self.take(found.end() - self.position if found else len(self.data))[:-1]

    def decimal(self, kind: Callable):
        line = bytes(self.line()[:41])  # 41 are refused: the time that int() takes grows with their square
        if line in (b"00", b"01"):  # bool in protocols 0 and 1
            return line == b"01"
        try:
            return kind(line.rstrip(b"L") if len(line) < 41 else b"too long")
        except ValueError:
            raise self.error("text that is not a number") from None

    def text(self, data: memoryview, encoding: str = "utf-8") -> str:
        try:
            return str(data, encoding, "surrogatepass")
        except UnicodeDecodeError:
            raise self.error(f"text that is not {encoding}") from None

    def top(self):
        if not self.stack:
            raise self.error("damaged: a value is missing")
        return self.stack[-1]

    def pop(self):
        self.top()
        return self.stack.pop()

    def pop_two(self) -> tuple:
        return (self.pop(), self.pop())[::-1]

    def pop_mark(self) -> list:
        if not self.below:
            raise self.error("damaged: a mark is missing")
        items, self.stack = self.stack, self.below.pop()
        return items

    def recall(self, index: int):
        if index not in self.memo:
            raise self.error("damaged: a memo entry is missing")
        value = self.memo[index]
        return value.array if type(value) is _Unfilled and value.array is not None else value

    def key(self, key):
        """Only keys with a cheap hash: nested shared tuples take exponential time, and big integers can all collide."""
        if type(key) in (str, bytes, float, bool, type(None)) or (type(key) is int and key.bit_length() <= 64):
            return key
        raise self.error(f"a key of type {type(key).__name__}")

    def fill(self, items: list, target=None):
        """Put items in a container, by default the one on top of the stack."""
        target = self.pop() if target is None else target
        if type(target) is list:
            target.extend(items)
        elif type(target) is set:
            target.update(map(self.key, items))
        elif type(target) is dict and len(items) % 2 == 0:
            target.update(zip(map(self.key, items[::2]), items[1::2], strict=True))
        else:
            raise self.error("damaged: items without a container")
        return target

    def find(self, module, name) -> Allowed:
        if type(module) is not str or type(name) is not str:
            raise self.error("damaged: a global without a name")
        if (module, name) not in ALLOWED:
            raise self.error(f"refused: {_short(f'{module}.{name}')}, which no checkpoint needs, is asked for")
        return ALLOWED[module, name]

    def call(self, function, args):
        if type(function) is not Allowed or type(args) is not tuple:
            raise self.error("damaged: a call without function or arguments")
        accepts = function.accepts
        if accepts and accepts[-1] is ...:
            accepts = accepts[:-1] + (object,) * (len(args) - len(accepts) + 1)
        if accepts is None or len(args) != len(accepts) or not all(map(isinstance, args, accepts)):
            raise self.error(f"refused: {function.name} with arguments that no valid file gives it")
        return function.call(self, *args)

    def build(self, target, state):
        """Fill an object made before; what is returned takes its place on the stack."""
        match target, state:
            case Record(state=None), dict():
                target.state = state
            case dict(), dict():
                pass  # attributes of a dict subclass, such as the _metadata of a state dict
            case _Dtype(), (int(), str() as order, *_) if order in ("<", ">", "|"):
                target.order = order.replace("|", "<")
            case _Unfilled(array=None), (int(), tuple() as shape, _Dtype() as dtype, bool() as columns_first, data):
                if not isinstance(data, _RAW):
                    raise self.error("refused: an array of objects")
                target.array = _array(self, data, dtype, shape, "F" if columns_first else "C")
                return target.array
            case _:
                raise self.error("damaged: contents that do not suit their object")
        return target

    def persistent(self, identity) -> Storage:
        match identity:  # legacy streams have a sixth field, None since torch 0.4
            case (str("storage"), Allowed(code=code), str() as key, str(), int() as elements, *view):
                if self.find_storage and code and elements >= 0 and all(item is None for item in view):
                    storage = self.find_storage(code, key, elements)
                    if (storage.code, storage.elements) != (code, elements):
                        raise self.error(f"storage {_short(key)} is described in two ways")
                    return storage
        raise self.error("refused: a persistent id that no valid file has")


def _short(text: str) -> str:
    return ascii(text[:80])[1:-1]  # one printable line, whatever the file says


_LINE = re.compile(rb"[^\n]*\n")
_OPCODES = {ord(opcode.code): (opcode.name, opcode.arg.name if opcode.arg else "") for opcode in pickletools.opcodes}
_NUMBERS = {"uint1": "<B", "uint2": "<H", "int4": "<i", "uint4": "<I", "uint8": "<Q", "float8": ">d"}
_COUNTS = {1: "<B", 4: "<I", 8: "<Q"}
_FOLLOWS: dict[str, Callable] = {  # by the names of pickletools
    **{name: partial(_Machine.number, kind=kind) for name, kind in _NUMBERS.items()},
    **{f"long{width}": partial(_Machine.integer, kind=kind) for width, kind in _COUNTS.items()},
    **{f"bytes{width}": partial(_Machine.raw, kind=kind) for width, kind in _COUNTS.items()},
    **{f"unicodestring{width}": partial(_Machine.string, kind=kind) for width, kind in _COUNTS.items()},
    "bytearray8": partial(_Machine.raw, kind="<Q"),
    "unicodestringnl": lambda machine: machine.text(machine.line(), "raw-unicode-escape"),
    "stringnl_noescape_pair": lambda machine: (machine.text(machine.line()), machine.text(machine.line())),
    "decimalnl_short": lambda machine: machine.decimal(int),
    "decimalnl_long": lambda machine: machine.decimal(int),
    "floatnl": lambda machine: machine.decimal(float),
}
_ITSELF = (
    *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
_PUSHES: dict[str, Callable] = {  # opcodes that push one value, made of what follows them and of what they pop
    **dict.fromkeys(_ITSELF, lambda machine, value: value),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, index: machine.recall(index)),
    "NONE": lambda machine, _: None,
    "NEWTRUE": lambda machine, _: True,
    "NEWFALSE": lambda machine, _: False,
    "DUP": lambda machine, _: machine.top(),
    "EMPTY_TUPLE": lambda machine, _: (),
    "EMPTY_LIST": lambda machine, _: [],
    "EMPTY_DICT": lambda machine, _: {},
    "EMPTY_SET": lambda machine, _: set(),
    "TUPLE1": lambda machine, _: (machine.pop(),),
    "TUPLE2": lambda machine, _: machine.pop_two(),
    "TUPLE3": lambda machine, _: (machine.pop(), machine.pop(), machine.pop())[::-1],
    "TUPLE": lambda machine, _: tuple(machine.pop_mark()),
    "LIST": lambda machine, _: machine.pop_mark(),
    "DICT": lambda machine, _: machine.fill(machine.pop_mark(), {}),
    "FROZENSET": lambda machine, _: frozenset(machine.fill(machine.pop_mark(), set())),
    "APPEND": lambda machine, _: machine.fill([machine.pop()]),
    "SETITEM": lambda machine, _: machine.fill(list(machine.pop_two())),
    **dict.fromkeys(("APPENDS", "SETITEMS", "ADDITEMS"), lambda machine, _: machine.fill(machine.pop_mark())),
    "GLOBAL": lambda machine, names: machine.find(*names),
    "STACK_GLOBAL": lambda machine, _: machine.find(*machine.pop_two()),
    "INST": lambda machine, names: machine.call(machine.find(*names), tuple(machine.pop_mark())),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda machine, _: machine.call(*machine.pop_two())),
    "BUILD": lambda machine, _: machine.build(*machine.pop_two()),
    "BINPERSID": lambda machine, _: machine.persistent(machine.pop()),
}


# ---- Calls. Each takes the machine, for its budget and its errors, and arguments of the types that `ALLOWED` names.


def _latin1(machine: _Machine, text: str, *_) -> bytes:
    machine.budget.spend(memory=len(text))
    if max(text, default="") > "\xff":
        raise machine.error("damaged: bytes above 255")
    return text.encode("latin1")


def _set(machine: _Machine, items: list):
    machine.budget.spend(memory=100 * len(items))
    return machine.fill(items, set())


def _scalar(machine: _Machine, dtype: _Dtype, data: bytes):
    return _array(machine, data, dtype, (), "C")[()]


def _module(machine: _Machine, meta: dict) -> Record:
    match meta:
        case {"class_name": str() as name, "version": int() as version, "state": dict() as state}:
            if version == 6:
                return Record(name, (), state)
            raise machine.error(f"NVIDIA's {_short(name)} of persistence version {version}, where only 6 is known,")
    raise machine.error("damaged: an NVIDIA module without name, version or state")


def _storage(machine: _Machine, data) -> Storage:
    if machine.load_stored is None:
        raise machine.error("refused: a torch stream inside another")
    try:
        storage = machine.load_stored(memoryview(data))
    except CheckpointError as error:
        raise machine.error(f"{error}, in the torch stream embedded") from None
    if type(storage) is not Storage:
        raise machine.error("refused: a torch stream that holds no storage, embedded")
    return storage


def _tensor(machine: _Machine, storage: Storage, offset: int, shape: tuple, strides: tuple, *rest) -> np.ndarray:
    if len(rest) > 2 and (type(rest[2]) is not dict or rest[2]):
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


def _dtype(machine: _Machine, code: str, *_) -> _Dtype:
    if code not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"):
        raise machine.error(f"refused: numpy.dtype {_short(code)}, which no weight has,")
    return _Dtype(code)


def _array(machine: _Machine, raw, dtype: _Dtype, shape: tuple, layout: str, *_) -> np.ndarray:
    if not _sound(shape) or math.prod(shape) * int(dtype.code[1]) != len(raw) or layout not in ("C", "F"):
        raise machine.error(f"an array whose shape does not fit its {len(raw)} bytes")
    return _copy(machine, raw, dtype, shape, layout=layout)


def _copy(machine: _Machine, raw, kind: _Dtype | Storage, shape, *, strides=None, offset=0, layout="C") -> np.ndarray:
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


_RAW = (bytes, memoryview)
_BUFFER = (_RAW, _Dtype, tuple, str, ...)
_NUMPY = ("numpy.core", "numpy._core")  # before and since NumPy 2
_FLOATS = {"Half": "f2", "BFloat16": "B2", "Float": "f4", "Double": "f8"}
_STORAGES = _FLOATS | {"Char": "i1", "Short": "i2", "Int": "i4", "Long": "i8", "Byte": "u1", "Bool": "b1"}


def _record(name: str, why: str, *accepts) -> Allowed:
    return Allowed(name, why, accepts, lambda machine, *args: Record(name, args))


def _named(name: str, why: str, code: str = "") -> Allowed:
    return Allowed(name, why, None, lambda machine: None, code)


_ROWS = (
    Allowed("collections.OrderedDict", "state dicts", (), lambda machine: {}),
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
    Allowed("torch.storage._load_from_bytes", "storages pickled outside torch.save", (_RAW,), _storage),
    Allowed("torch.Size", "shapes", (tuple,), lambda machine, sides: sides),
    _named("torch.storage.UntypedStorage", "type in a persistent id", "u1"),
    *(_named(f"torch.{name}Storage", "type in a persistent id", code) for name, code in _STORAGES.items()),
    _named("numpy.ndarray", "first argument of _reconstruct"),
    Allowed("numpy.dtype", "element type of arrays and scalars", (str, ...), _dtype),
    *(Allowed(f"{core}.multiarray.scalar", "gains of layers", (_Dtype, bytes), _scalar) for core in _NUMPY),
    *(Allowed(f"{core}.multiarray._reconstruct", "TF variables", (...,), lambda *_: _Unfilled()) for core in _NUMPY),
    *(Allowed(f"{core}.numeric._frombuffer", "arrays in protocol 5", _BUFFER, _array) for core in _NUMPY),
)
ALLOWED = {tuple(row.name.rsplit(".", 1)): row for row in _ROWS}
