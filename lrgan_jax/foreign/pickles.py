"""Read pickles without running them.

A pickle is a program for a small stack machine. The danger lies in the opcodes that look up and call any Python
function, so here the machine is played with inert values: a global is looked up in `ALLOWED`, a closed table, and
calling it runs the few lines of ours named there; objects of other classes become inert records. Nothing is imported,
no other project's class is built, embedded source text is never looked at.

A file can also hurt by its size. Every length is compared with the bytes that exist before anything is allocated; a
`Budget` caps opcodes and memory over all the pickles of one file (stack and memo grow by at most one entry per
opcode); nothing recurses.

Values come back as dict, list, tuple, set, frozenset, str, bytes, int, float, bool, None, `Record`, NumPy scalars
and NumPy arrays (own memory, contiguous, native byte order, bfloat16 as float32). OrderedDict and EasyDict become
dict, bytearray becomes bytes. Bytes of `LARGE` and up that no tensor used stay read-only memoryviews of the file:
to copy all such bytes would double the memory that NVIDIA's pickles need.

Values from the file meet `==` only after a check of their type, because an array answers it with an array.
"""

import pickletools  # only its table of opcodes: their names, and what follows each in the file
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from lrgan_jax.foreign.allowed import (
    ALLOWED,
    RAW,
    Allowed,
    Dtype,
    Record,
    StateDict,
    Storage,
    Unfilled,
    inert,
    make_array,
    short,
)
from lrgan_jax.foreign.errors import CheckpointError

LARGE = 2**16
MOST_ARGUMENTS = 1000  # of a call, and
LONGEST_NAME = 500  # of a global: a file may ask for each a million times


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


def load(
    data: memoryview,
    position: int,
    budget: Budget,
    *,
    find_storage: Callable[[str, str, int], Storage] | None = None,
    load_stored: Callable[[memoryview], object] | None = None,
) -> tuple[object, int]:
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
        if len(data) > 64:  # of random number generators they have 17 bytes
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
        return value.array if type(value) is Unfilled and value.array is not None else value

    def key(self, key):
        """Only keys with a cheap hash: nested shared tuples take exponential time, and big integers can all collide."""
        if _cheap(key) or (type(key) is tuple and len(key) <= 8 and all(map(_cheap, key))):
            return key
        raise self.error(f"a key of type {type(key).__name__}")

    def fill(self, items: list, target=None):
        """Put items in a container, by default the one on top of the stack."""
        target = self.pop() if target is None else target
        if type(target) is Record:  # of a class derived from list, set or dict, which the opcode does not always tell
            target.contents = [] if target.contents is None else target.contents
            target.contents.extend(items)
        elif type(target) is list:
            target.extend(items)
        elif type(target) is set:
            target.update(map(self.key, items))
        elif isinstance(target, dict) and len(items) % 2 == 0:
            target.update(zip(map(self.key, items[::2]), items[1::2], strict=True))
        else:
            raise self.error("damaged: items without a container")
        return target

    def find(self, module, name) -> Allowed:
        if type(module) is not str or type(name) is not str:
            raise self.error("damaged: a global without a name")
        found = None if len(module) + len(name) > LONGEST_NAME else ALLOWED.get((module, name)) or inert(module, name)
        if found is None:
            raise self.error(f"refused: {short(f'{module}.{name}')}, which no checkpoint needs, is asked for")
        return found

    def call(self, function, args):
        if type(function) is not Allowed or type(args) is not tuple or len(args) > MOST_ARGUMENTS:
            raise self.error("damaged: a call without function or arguments, or with too many")
        if function.foreign and function.accepts is None:
            raise self.error(f"refused: a call of {short(function.name)}, which no checkpoint needs,")
        accepts = function.accepts
        if accepts and accepts[-1] is ...:
            accepts = accepts[:-1] + (object,) * (len(args) - len(accepts) + 1)
        if accepts is None or len(args) != len(accepts) or not all(map(isinstance, args, accepts)):
            raise self.error(f"refused: {function.name} with arguments that no valid file gives it")
        return function.call(self, *args)

    def call_named(self, named, call: tuple):
        """A call with named arguments, which none in the list takes."""
        function, args = call
        if type(named) is not dict or type(args) is not tuple or len(named) + len(args) > MOST_ARGUMENTS:
            raise self.error("damaged: a call without arguments, or with too many")
        if named and not (type(function) is Allowed and function.foreign):
            raise self.error("refused: a call with named arguments that no valid file gives it")
        return self.call(function, (*args, *named.values()))

    def build(self, target, state):
        """Fill an object made before; what is returned takes its place on the stack."""
        match target, state:
            case Record(state=None), dict():
                target.state = state
            case Record(state=None), _:
                target.state = {"state": state}
            case StateDict(), dict():
                target.attributes = state
            case dict(), dict():
                pass  # attributes of another dict subclass
            case Dtype(), (int(), str() as order, *_) if order in ("<", ">", "|"):
                target.order = order.replace("|", "<")
            case Unfilled(array=None), (int(), tuple() as shape, Record() as dtype, bool(), data):
                target.array = Record("numpy.ndarray", (shape, dtype, data))
                return target.array
            case Unfilled(array=None), (int(), tuple() as shape, Dtype() as dtype, bool() as columns_first, data):
                if not isinstance(data, RAW):
                    raise self.error("refused: an array of objects")
                target.array = make_array(self, data, dtype, shape, "F" if columns_first else "C")
                return target.array
            case _:
                raise self.error("damaged: contents that do not suit their object")
        return target

    def persistent(self, identity) -> Storage | Allowed:
        match identity:  # legacy streams have a sixth field, None since torch 0.4
            case (str("module"), Allowed() as kind, str() | None, str() | None):  # a class, with its source beside it
                return kind
            case (str("storage"), Allowed(code=code), str() as key, str(), int() as elements, *view):
                if self.find_storage and code and elements >= 0 and all(item is None for item in view):
                    storage = self.find_storage(code, key, elements)
                    if (storage.code, storage.elements) != (code, elements):
                        raise self.error(f"storage {short(key)} is described in two ways")
                    return storage
        raise self.error("refused: a persistent id that no valid file has")


def _cheap(key) -> bool:
    cheap = (str, bytes, float, bool, type(None), Record, Allowed)
    return type(key) in cheap or (type(key) is int and key.bit_length() <= 64)


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
    "NEWOBJ_EX": lambda machine, _: machine.call_named(machine.pop(), machine.pop_two()),
    "BUILD": lambda machine, _: machine.build(*machine.pop_two()),
    "BINPERSID": lambda machine, _: machine.persistent(machine.pop()),
}
