"""Reading foreign checkpoints: right values from honest files, a one-line refusal from all others, and no code run."""

import collections
import datetime
import io
import json
import logging
import pickle
import time
import uuid
import zipfile
from pathlib import Path
from typing import Optional

import numpy as np
import pytest

from lrgan_jax.convert.check import outline
from lrgan_jax.foreign import containers
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.foreign.pickles import LARGE

SHARED = Path(__file__).parents[1].parent / "shared"
FIXTURES = SHARED / "fixtures" / "public"
HOSTILE = FIXTURES / "hostile"
FOLDERS = (
    "nvidia_ada",
    "nvidia_sg3",
    "nvidia_tf",
    "rosinality",
    "hammer",
    "sefa",
    "stylegan1",
    "stylegan3",
    "pggan",
    "biggan_ajbrock",
)
CHECKPOINTS = [path for folder in FOLDERS for path in sorted(FIXTURES.glob(f"{folder}/*.[mp]*[lth]"))]
CHECKPOINTS += sorted(FIXTURES.glob("biggan_hf/*/*.bin"))
CHECKPOINTS += [*SHARED.glob("checkpoints/dcgan_digiface/weights.tar"), *SHARED.glob("faces64/faces64_ada.pt")]
HOSTILE_NAMES = sorted(path.name for path in HOSTILE.glob("*") if path.suffix != ".json")
# What is wrong with these is the names and shapes, or something that a reader does not even look at.
READABLE = [name for name in HOSTILE_NAMES if name.startswith("rosi_")]
READABLE += ["nvidia_missing_tensor.pkl", "nvidia_module_src.pkl", "pickle_wrong_object.pkl", "zip_path_names.pt"]


def read_bytes(data: bytes, folder: Path):
    path = folder / "file"
    path.write_bytes(data)
    return containers.read(path)


def assert_same(ours, theirs):
    """Compare with what pickle or torch make of the same file."""
    if isinstance(ours, Record):
        assert_same(ours.state, vars(theirs).get("state", vars(theirs)))
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, np.ndarray):
        assert ours.flags.c_contiguous and ours.flags.aligned and ours.flags.writeable and ours.dtype.isnative
        if hasattr(theirs, "detach"):
            theirs = theirs.detach().cpu()
            theirs = (theirs.float() if str(theirs.dtype) == "torch.bfloat16" else theirs).numpy()
        np.testing.assert_array_equal(ours, theirs, strict=ours.dtype == theirs.dtype)
        assert ours.dtype == theirs.dtype.newbyteorder("=")
    else:
        assert type(ours) is type(theirs) and ours == theirs


class Trusting(pickle.Unpickler):
    """Python's own reader, for fixtures known to be harmless, with stand-ins for NVIDIA's classes."""

    def find_class(self, module, name):
        if name == "_reconstruct_persistent_obj":
            return lambda meta: Record(meta["class_name"], (), meta["state"])
        if name in ("EasyDict", "Network"):
            return type(name, (dict,) if name == "EasyDict" else (), {})
        return super().find_class(module, name)


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.name)
def test_every_fixture_holds_what_pickle_and_torch_find_in_it(path):
    torch = pytest.importorskip("torch")
    if path.suffix == ".pkl":
        with path.open("rb") as file:
            theirs = Trusting(file).load()
    else:
        theirs = torch.load(path, map_location="cpu", weights_only=False)
    assert_same(containers.read(path), theirs)


@pytest.mark.skipif(not CHECKPOINTS, reason="the shared fixtures are not there")
def test_nvidia_modules_are_records():
    network = containers.read(FIXTURES / "nvidia_ada" / "ada_skip64.pkl")["G_ema"]
    layer = network.state["_modules"]["synthesis"].state["_modules"]["b8"].state["_modules"]["conv0"]
    assert (network.name, layer.name, layer.args) == ("Generator", "SynthesisLayer", ())
    assert isinstance(layer.state["_parameters"]["weight"], np.ndarray) and layer.state["up"] == 2


# ---- Pickles.

TWICE = [1, 2]
VALUES = [
    *(None, True, False, 0, -1, 255, 65536, -(2**31), 2**63, -(2**100), 0.1, float("inf")),
    *("", "naïve ☃ \n \\u 🙂", "\udc80", "y" * 70_000, b"", bytes(range(256)), b"x" * 70_000),
    *([], {}, set(), (), (1,), (1, 2), (1, 2, 3), tuple(range(9)), {1, "a"}, list(range(3000)), [TWICE, TWICE]),
    {"a": [1, {"b": (None, 2.5)}], 3: b"c", None: [], True: ()},
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=[type(value).__name__ for value in VALUES])
def test_python_values_survive(value, protocol, tmp_path):
    ours = read_bytes(pickle.dumps(value, protocol), tmp_path)
    assert ours == value and (type(ours) is type(value) or len(value) >= LARGE)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("module", [b"numpy.core", b"numpy._core"])
def test_numpy_arrays_and_scalars_survive(module, protocol, tmp_path):
    kinds = ["<f2", ">f4", "<f8", "i1", ">i2", "<i4", ">i8", "u1", "?"]
    ramp = np.arange(24).reshape(2, 3, 4)
    value = [ramp.astype(kind) for kind in kinds]
    value += [np.asfortranarray(ramp), ramp[:, ::2], np.zeros((0, 3)), np.array(7), value[0]]
    value += [np.float64(1.5), np.float32(2), np.bool_(True), np.int64(-3)]
    data = pickle.dumps(value, protocol)
    if protocol < 4:  # from 4 on names have a length, which a replacement would have to change
        data = data.replace(b"numpy._core", module)
    ours = read_bytes(data, tmp_path)
    assert_same(ours, value)
    assert ours[0] is ours[13]  # a memoised array is one array


class Point:
    """A class that no reader knows."""

    def __init__(self, x):
        self.x = x


class Outer:
    class Inner:
        pass

    def method(self):
        pass


class Words(list):
    kind: str


class Table(dict):
    pass


@pytest.mark.parametrize("protocol", range(2, 6))
def test_objects_of_other_classes_are_inert_records(protocol, tmp_path):
    """Their names and contents, wherever they are: paths, dates, defaultdicts, classes derived from list and dict,
    functions by name."""
    point = Point([1, 2])
    words, table = Words("ab"), Table(a=point)
    words.kind = "letters"
    value = {
        "path": Path("runs"),
        "point": point,
        "words": words,
        "table": table,
        "class": Point,
        "function": json.dumps,
        "again": point,
    }
    value |= {"when": datetime.timedelta(3), "counts": collections.defaultdict(list, {"a": [1]})}
    value |= {
        "text": np.array(["a", "b"]),
        "objects": np.array([{}, None]),
        "word": np.str_("x"),
        "log": logging.getLogger("x"),
    }
    ours = read_bytes(pickle.dumps(value, protocol), tmp_path)
    assert ours["text"].name == ours["objects"].name == "numpy.ndarray" and ours["word"].name == "numpy.generic"
    assert ours["log"].args == ("x",)
    assert ours["path"].name.startswith("pathlib.") and ours["path"].args == ("runs",) and ours["when"].args[0] == 3
    assert (
        ours["point"].name == f"{__name__}.Point"
        and ours["point"].state == {"x": [1, 2]}
        and ours["again"] is ours["point"]
    )
    assert ours["words"].contents == ["a", "b"] and ours["words"].state == {"kind": "letters"}
    assert ours["table"].contents == ["a", ours["point"]] and ours["counts"].contents == ["a", [1]]
    assert ours["class"].name == f"{__name__}.Point" and ours["function"].name == "json.dumps"
    listed = "\n".join(outline.lines(ours))
    assert all(text in listed for text in ("Point>", "letters", "json.dumps", "datetime.timedelta"))


@pytest.mark.parametrize("protocol", range(2, 6))
def test_what_training_scripts_keep_beside_their_networks_is_noted(protocol, tmp_path):
    """Generators of random numbers, identities, times, types, and what old protocols reach by way of another object."""
    value = {
        "random": np.random.default_rng(0),
        "id": uuid.UUID(int=2**128 - 1),
        "time": time.gmtime(0),
        "range": range(3),
    }
    value |= {"inner": Outer.Inner(), "class": Outer.Inner, "method": Outer().method, "type": type(None)}
    value |= {
        "counts": collections.defaultdict(int, a=1),
        "dtype": np.dtype("f4"),
        "table": np.zeros(2, [("a", "f4")]),
        "rest": ...,
    }
    value["hint"] = Optional[int]  # noqa: UP045, pickled by a call
    ours = read_bytes(pickle.dumps(value, protocol), tmp_path)
    assert ours.keys() == value.keys()
    assert ours["inner"].name == ours["class"].name == f"{__name__}.Outer.Inner" and ours["method"].args[1] == "method"
    assert all(text in "\n".join(outline.lines(ours)) for text in ("UUID", "struct_time", "Outer.Inner"))


# ---- Torch.

DTYPES = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def save(request):
    torch = pytest.importorskip("torch")

    def saved(value) -> bytes:
        buffer = io.BytesIO()
        torch.save(value, buffer, _use_new_zipfile_serialization=request.param)
        return buffer.getvalue()

    return saved


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_every_type_and_stride_survive(dtype, save, tmp_path):
    import torch

    base = (torch.arange(120).reshape(2, 3, 4, 5) % 100).to(getattr(torch, dtype))
    repeated = base[:1, :1, :1].expand(1, 3, 4, 5)
    views = [
        repeated,
        base,
        base[1],
        base[:, 1:, ::2],
        base.permute(3, 1, 0, 2),
        base[0, 0, 0, 3],
        base[:0],
        base[:, :, :1, :1],
    ]
    value = {"views": views, "channels last": base.contiguous(memory_format=torch.channels_last), "size": base.shape}
    if base.is_floating_point():
        value["parameter"] = torch.nn.Parameter(base)
    assert_same(read_bytes(save(value), tmp_path), value)


def test_tensors_that_would_not_be_what_they_seem_are_refused(save, tmp_path):
    import torch

    for tensor in (torch.ones(1).expand(1000), torch._neg_view(torch.ones(3)), torch.ones(3, dtype=torch.complex64)):
        with pytest.raises(CheckpointError):
            read_bytes(save({"tensor": tensor}), tmp_path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zips_rewritten_by_others_are_read(compression, tmp_path):
    """Big-endian, with another root folder and compressed."""
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.arange(6.0).reshape(2, 3)}, tmp_path / "little.pt")
    with zipfile.ZipFile(tmp_path / "little.pt") as little, zipfile.ZipFile(tmp_path / "big", "w", compression) as big:
        big.writestr("another root/data.pkl", little.read("little/data.pkl"))
        big.writestr("another root/data/0", np.arange(6, dtype=">f4").tobytes())
        big.writestr("another root/byteorder", "big")
    np.testing.assert_array_equal(containers.read(tmp_path / "big")["a"], [[0, 1, 2], [3, 4, 5]])


# ---- Refusals.


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        containers.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable() and len(message) < 300 + len(str(path))
    return message


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_files_are_refused_and_leave_nothing_behind(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in READABLE:
        containers.read(HOSTILE / name)
    else:
        refusal(HOSTILE / name)
    assert not list(tmp_path.iterdir())


def test_the_list_of_hostile_files_is_complete():
    if HOSTILE_NAMES:
        listed = json.loads((HOSTILE / "hostile.json").read_text())["files"]
        assert sorted(entry["file"] for entry in listed) == HOSTILE_NAMES


NESTED = b"".join(b"](" + 10 * (b"h" + bytes([level])) + b"eq" + bytes([level + 1]) for level in range(20))
ATTACKS = {
    "not among the globals": (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "posix.system"),
    "a dotted name": (b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93.", "torch.os.system"),
    "old-style instance": (b"(ios\nsystem\n.", "os.system"),
    "more than is there": (b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"abc.", "byte 2"),
    "a cycle": (b"\x80\x02]q\x00h\x00a.", "contains itself"),
    "billions of values": (b"\x80\x02]q\x00" + NESTED + b".", "nested"),
    "deep tuples": (b")" + b"\x85" * 1000 + b".", "nested 101 deep"),
    "slow hash": (b"\x80\x02})" + b"2\x86" * 60 + b"Ns.", "a key of type tuple"),
    "an array as a key": (b"\x80\x02}]Ns.", "a key of type list"),
    "many objects": (b"\x80\x04(" + b"\x8f" * 500_000 + b"t.", "more memory"),
    "huge integer": (b"\x80\x02\x8b" + (10**6).to_bytes(4, "little") + bytes(10**6) + b".", "an integer of"),
    "a type as a value": (b"\x80\x02ctorch\nFloatStorage\n.", "left over"),
    "wrong arguments": (b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.", "OrderedDict"),
    "the extension registry": (b"\x80\x02\x82\x01.", "EXT1"),
    "a class that starts programs": (b"\x80\x02csubprocess\nPopen\n)\x81.", "subprocess.Popen"),
    "its way through another module": (
        b"\x80\x04\x8c\x05torch\x8c\x10subprocess.Popen\x93)\x81.",
        "torch.subprocess.Popen",
    ),
    "a way through a class": (b"\x80\x02c__builtin__\ngetattr\ncos\nPathLike\nX\x01\x00\x00\x00a\x86R.", "os.PathLike"),
    "a method that is called": (b"\x80\x02c__builtin__\ngetattr\ncm\nA\nX\x01\x00\x00\x00a\x86R)R.", "a call of m.A.a"),
    "an unknown function": (b"\x80\x02csome.module\nrun\n(X\x01\x00\x00\x00atR.", "a call of some.module.run"),
    "a call in a class's arguments": (b"\x80\x02csome.module\nThing\n(cos\nsystem\ntR.", "os.system"),
    "a long name": (b"\x80\x02c" + b"a" * 600 + b"\nB\n.", "which no checkpoint needs"),
    "too many arguments": (b"\x80\x02csome\nThing\n(" + b"N" * 1001 + b"tR.", "too many"),
    "named arguments where none are taken": (b"\x80\x04ccollections\nOrderedDict\n)}N" + b"Ns\x92.", "named arguments"),
    "a rebuild in a rebuild": (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\nq\x00(h\x00ctorch\nTensor\n(h\x00ctorch\nTensor\n)NtNtR.",
        "rebuilt twice",
    ),
    "no STOP": (b"\x80\x02]", "byte 3"),
    "gzip": (b"\x1f\x8b\x08\x00", "gzip"),
    "another zip": (b"PK\x05\x06" + bytes(18), "data.pkl"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_small_attacks_are_refused_by_name(attack, tmp_path):
    data, expected = ATTACKS[attack]
    (tmp_path / "file").write_bytes(data)
    assert expected in refusal(tmp_path / "file")


def test_paths_without_a_file_are_refused(tmp_path):
    assert "directory" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "missing.pt")


def test_messages_are_one_printable_line():
    """Whatever names a file gives its tensors."""
    message = str(CheckpointError("tensor \x1b[2J\r\n\u202e" + "x" * 10_000))
    assert message.isprintable() and len(message) == 2000 and r"\x1b[2J\r\n\u202e" in message
