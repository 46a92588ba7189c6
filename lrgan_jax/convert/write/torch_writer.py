"""Write the file that `torch.save` would write, without torch: a zip of one small pickle, and the tensors' raw data.

The pickle names only the globals of a plain state dict, so `torch.load(weights_only=True)` takes it. Opcodes
are written by hand, as Python's own pickler insists on importing what it names.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.foreign.allowed import StateDict

_STATE_DICT = b"ccollections\nOrderedDict\n)R"
_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def dumps(value: Mapping[str, Any]) -> memoryview:
    """The bytes of such a file.

    Args:
      value: dicts and StateDicts (written as OrderedDicts, with their attributes), tuples, float32 and int64 arrays,
        str, int, float, bool, None.
    """
    tensors: list[np.ndarray] = []
    program = b"\x80\x02" + b"".join(_opcodes(value, tensors)) + pickle.STOP
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", "little")
        for key, array in enumerate(tensors):
            archive.writestr(f"archive/data/{key}", array.astype(array.dtype.newbyteorder("<")).tobytes())
        archive.writestr("archive/version", "3\n")
    return file.getbuffer()


def _opcodes(value: Any, tensors: list[np.ndarray]):
    """The program that puts `value` on the stack; its tensors join `tensors`."""
    match value:
        case None:
            yield pickle.NONE
        case bool():
            yield pickle.NEWTRUE if value else pickle.NEWFALSE
        case int():
            yield pickle.BININT + struct.pack("<i", value)
        case float():
            yield pickle.BINFLOAT + struct.pack(">d", value)
        case str():
            data = value.encode()
            yield pickle.BINUNICODE + struct.pack("<I", len(data)) + data
        case tuple():
            yield pickle.MARK
            for item in value:
                yield from _opcodes(item, tensors)
            yield pickle.TUPLE
        case Mapping():
            yield _STATE_DICT if isinstance(value, StateDict) else pickle.EMPTY_DICT
            yield pickle.MARK
            for key, item in value.items():
                yield from _opcodes(key, tensors)
                yield from _opcodes(item, tensors)
            yield pickle.SETITEMS
            if isinstance(value, StateDict) and value.attributes:
                yield from _opcodes(value.attributes, tensors)
                yield pickle.BUILD
        case np.ndarray(dtype=np.float32 | np.int64):
            yield from _tensor(value, tensors)
        case _:
            raise TypeError(f"a state dict holds no {type(value).__name__}")


def _tensor(array: np.ndarray, tensors: list[np.ndarray]):
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks), the storage by its persistent id."""
    key, strides = str(len(tensors)), tuple(int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim))
    tensors.append(array)
    yield _REBUILD + pickle.MARK + pickle.MARK
    yield from _opcodes("storage", tensors)
    yield b"ctorch\nFloatStorage\n" if array.dtype == np.float32 else b"ctorch\nLongStorage\n"
    for item in (key, "cpu", array.size):
        yield from _opcodes(item, tensors)
    yield pickle.TUPLE + pickle.BINPERSID
    for item in (0, array.shape, strides, False, StateDict()):
        yield from _opcodes(item, tensors)
    yield pickle.TUPLE + pickle.REDUCE
