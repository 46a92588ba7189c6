"""The record of directions: what goes in a file comes out of it, and no file can do anything but be read or refused."""

import dataclasses
import importlib.util
import io
import json
import os
import pickle
import sys
import warnings

import numpy as np
import pytest

from lrgan_jax import directions as instrumented
from lrgan_jax.base import files
from lrgan_jax.directions import Directions, DirectionsError, Found, Measure
from lrgan_jax.search import Search

ARRAYS = ("vectors", "inside", "outside", "kept")


def unit_rows(k=3, d=5, dtype=np.float32):
    rows = np.random.default_rng(0).standard_normal((k, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def full_record(dtype=np.float32):
    return Directions(
        unit_rows(dtype=dtype),
        inside=np.array([3, 2, 1], dtype),
        outside=np.array([0.1, 1e-30, 0], dtype),
        kept=np.array([1, 0.25, 1e-7], dtype),
        layers=(4, 5, 7),
        step_range=(-2.5, 1 / 3),
        region="mouth ä",
        method="frontier",
        model="faces",
        fingerprint="0123abcd",
        found=Found(mu=12.5, rank_inside=3, average=64),
        search=Search(layers=(4, 5, 7), protect=["eyes", "mask"], mu=12.5, num=3),
        measure=Measure("a smile ä", 0.25, (0.2, 0.3), expression={"happy": 0.5}, found_on=(11, 96), index=1),
        notes={"by": "hand"},
    )


def assert_same(one, other):
    """Every field, of the same type, bit for bit."""
    for field in dataclasses.fields(Directions):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert type(a) is type(b), field.name
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, strict=True, err_msg=field.name)
        else:
            assert a == b, field.name


def test_equality_is_a_yes_or_no():
    """Equal in every number and field, also through a file; and then the hash is equal, too."""
    record = full_record()
    for name, other in {
        "vectors": 2 * record.vectors,
        "inside": None,
        "layers": None,
        "step_range": (-1.0, 1.0),
        "region": "nose",
        "found": Found(),
        "search": None,
        "measure": None,
        "notes": {},
    }.items():
        assert record != dataclasses.replace(record, **{name: other}), name
    assert record == full_record() and hash(record) == hash(full_record()) and len({record, full_record()}) == 1
    assert record[0] != record[1] and record != "record"


@pytest.fixture(scope="module")
def plain():
    """The module as users run it: without the tests' type checks, which would stop a bad file before the code
    has to.
    """
    spec = importlib.util.spec_from_file_location("plain_directions", instrumented.__file__)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def refused(plain, path, match="not a directions file, or a damaged one"):
    """Loading must raise a DirectionsError of one line that names the file and matches."""
    with pytest.raises(plain.DirectionsError, match=match) as caught:
        plain.Directions.load(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


# Round trips


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_archive_keeps_every_field(tmp_path, dtype):
    """`.npz`: arrays with their dtype, tuples as tuples, and what is known as it was."""
    record = full_record(dtype)
    path = record.save(tmp_path / "new folder" / "mouth.npz")
    assert path == tmp_path / "new folder" / "mouth.npz"
    assert_same(loaded := Directions.load(path), record)
    assert loaded == record and hash(loaded) == hash(record)
    assert_same(Directions.load(str(path)), record)


def test_an_archive_keeps_what_is_missing(tmp_path):
    """Fields that were never filled come back as their defaults."""
    record = Directions(unit_rows())
    assert_same(Directions.load(record.save(tmp_path / "a.npz")), record)
    assert record.inside is None and record.layers is None


def test_an_archive_is_read_without_pickle(tmp_path):
    """Any NumPy reads it; nothing inside needs more than arrays and one JSON text."""
    with np.load(full_record().save(tmp_path / "a.npz"), allow_pickle=False) as content:
        assert sorted(content) == sorted([*ARRAYS, "record"])
        assert json.loads(str(content["record"]))["layers"] == [4, 5, 7]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_alone_keep_their_bits(tmp_path, dtype):
    """`.npy`: exactly what numpy.save writes of the vectors."""
    record = full_record(dtype)
    path, expected = record.save(tmp_path / "a.npy"), io.BytesIO()
    np.save(expected, record.vectors)
    assert path.read_bytes() == expected.getvalue()
    loaded = Directions.load(path)
    np.testing.assert_array_equal(loaded.vectors, record.vectors, strict=True)
    assert (loaded.method, loaded.found, loaded.layers) == ("file", Found(source="a.npy"), None)


def test_one_row_without_an_axis_is_one_direction(tmp_path):
    np.save(tmp_path / "row.npy", unit_rows()[0])
    np.testing.assert_array_equal(Directions.load(tmp_path / "row.npy").vectors, unit_rows()[:1])


@pytest.mark.parametrize("kind", [np.float16, ">f4", ">f8"])
def test_other_floats_become_those_that_are_computed_with(tmp_path, kind):
    np.save(tmp_path / "a.npy", unit_rows().astype(kind))
    loaded = Directions.load(tmp_path / "a.npy").vectors
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, unit_rows().astype(kind).astype(np.float32))


def test_a_move_of_every_layer_is_kept(tmp_path):
    """[k, L, d] through both forms; an axis of one layer is none."""
    record = dataclasses.replace(full_record(), vectors=unit_rows(6).reshape(3, 2, 5))
    assert_same(Directions.load(record.save(tmp_path / "a.npz")), record)
    np.testing.assert_array_equal(Directions.load(record.save(tmp_path / "a.npy")).vectors, record.vectors)
    np.save(tmp_path / "b.npy", unit_rows()[:, None])
    np.testing.assert_array_equal(Directions.load(tmp_path / "b.npy").vectors, unit_rows())


def test_rows_in_other_files(tmp_path):
    """A bare .npz of one array, or of one that goes by a known name; of several others none is guessed."""
    np.savez(tmp_path / "one.npz", anything=unit_rows())
    np.savez(tmp_path / "named.npz", boundary=unit_rows(), score=np.ones(3))
    for name in ("one.npz", "named.npz"):
        np.testing.assert_array_equal(Directions.load(tmp_path / name).vectors, unit_rows())
    np.savez(tmp_path / "two.npz", a=unit_rows(), b=unit_rows())
    with pytest.raises(
        DirectionsError, match=r"two\.npz: not a directions file.*holds 2 values \(a, b\), of which one is wanted"
    ):
        Directions.load(tmp_path / "two.npz")


def test_a_torch_file_of_a_direction(shared):
    assert Directions.load(shared / "cases/age.pt").vectors.shape == (1, 16)


def test_published_directions_load_and_save_to_the_same_bytes(shared, tmp_path):
    """All files of LowRankGAN and ReSeFa: unit rows of 512, known whatever their file is called, written again byte for
    byte.
    """
    paths = sorted((shared / "directions").rglob("*.npy"))
    assert len(paths) >= 14  # 4 FFHQ, 4 MetFaces, 6 ReSeFa
    for k, path in enumerate(paths):
        record = Directions.load(path)
        assert record.vectors.shape == (1, 512)
        # They were normalised in float32 or float64, then stored.
        np.testing.assert_allclose(np.linalg.norm(record.vectors, axis=1), 1, rtol=0, atol=1e-6)
        ours = "LowRankGAN" in path.parts
        assert record.step_range == ((-4, 4) if ours else (-10, 10)) and record.region == path.stem
        assert record.layers == ((8, 9, 10, 11) if path.stem in ("eyebrows", "lipstick") else (4, 5, 6, 7))
        assert record.method == ("LowRankGAN" if ours else "ReSeFa")
        assert record.save(tmp_path / f"{k}.npy").read_bytes() == path.read_bytes()


# Selection


@pytest.mark.parametrize(
    "index", [0, 2, -1, -3, slice(0, 2), slice(1, None), slice(None, None, -1), slice(-2, None), slice(3, 9)]
)
def test_selecting_cuts_every_array_and_keeps_the_rest(index):
    """One or several, from either end: still Directions, with all four arrays cut alike."""
    record = full_record()
    chosen = record[index]
    rows = np.atleast_1d(np.arange(3)[index])
    assert len(chosen) == len(rows)
    expected = dataclasses.replace(record, **{name: getattr(record, name)[rows] for name in ARRAYS})
    assert_same(chosen, expected)


def test_selecting_leaves_missing_arrays_missing():
    assert Directions(unit_rows())[1].inside is None


@pytest.mark.parametrize("index", [3, -4, 100])
def test_selecting_what_is_not_there_is_refused(index):
    with pytest.raises(DirectionsError, match=f"direction {index} of 3: count from 0 to 2"):
        full_record()[index]


def test_directions_can_be_walked_through():
    """A sequence with a length and an index is iterated by users: `for direction in directions`."""
    walked = [one.vectors for one in full_record()]
    np.testing.assert_array_equal(np.concatenate(walked), unit_rows())


def test_directions_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        full_record().region = "nose"  # pyright: ignore[reportAttributeAccessIssue]


# Writing


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_nothing_is_overwritten(tmp_path, suffix):
    """An existing file stays as it is, byte for byte."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match=f"a{suffix} exists already"):
        full_record().save(path)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["a.pkl", "a", "a.npz.bak", "a.NPY"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(DirectionsError, match=r"saved as \.npz \(everything\) or \.npy"):
        full_record().save(tmp_path / name)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("broken", ["replace", "chmod"])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, broken):
    """Whatever the disk says: neither the file nor a draft of it."""

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, broken, fail)
    with pytest.raises(OSError, match="disk full"):
        full_record().save(tmp_path / "a.npz")
    monkeypatch.undo()
    assert not os.listdir(tmp_path)


def test_notes_that_json_cannot_hold_leave_nothing_behind(tmp_path):
    record = full_record()
    object.__setattr__(record, "notes", {"f": len})  # which the tests' own type checks would refuse
    with pytest.raises((TypeError, ValueError)):
        record.save(tmp_path / "a.npz")
    assert not os.listdir(tmp_path)


# Files that are something else


class Payload:
    """Unpickled, it makes a folder: the trace of code that ran."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_no_file_runs_code(plain, tmp_path):
    """Pickles, and object arrays in either form, are refused unread."""
    trace = tmp_path / "code ran"
    payload = np.empty(1, object)
    payload[0] = Payload(trace)
    np.save(tmp_path / "object.npy", payload, allow_pickle=True)
    np.savez(tmp_path / "object.npz", vectors=payload, record=np.array("{}"))
    record = np.array([json.dumps({"format": instrumented.FORMAT}), Payload(trace)], object)
    np.savez(tmp_path / "record.npz", vectors=unit_rows(), record=record)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Payload(trace)))
    for name in ("object.npy", "object.npz", "record.npz", "pickle.npy"):
        refused(plain, tmp_path / name)
    assert not trace.exists()
    with pytest.raises(FileNotFoundError):  # the payload itself does work
        pickle.loads(pickle.dumps(Payload(trace / "deeper")))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"hello", b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), bytes(999)]
)
def test_garbage_is_refused(plain, tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    refused(plain, tmp_path / "a.npy")


def test_missing_files_and_folders_are_refused(plain, tmp_path):
    refused(plain, tmp_path / "none.npz", match="no such file")
    (tmp_path / "folder.npz").mkdir()
    refused(plain, tmp_path / "folder.npz", match="Is a directory")


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_damaged_files_raise_nothing_but_directions_errors(plain, tmp_path, suffix):
    """Cut anywhere, or with any byte changed: finite rows or a DirectionsError, never another exception."""
    whole = full_record().save(tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"damaged{suffix}"
    damaged = [whole[:end] for end in range(0, len(whole), 3)]
    damaged += [whole[:k] + bytes([whole[k] ^ (0x01, 0x48)[k % 2]]) + whole[k + 1 :] for k in range(len(whole))]
    stray, refusals = {}, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's and Python's remarks on a damaged header
        for content in damaged:
            path.write_bytes(content)
            try:
                assert np.isfinite(plain.Directions.load(path).vectors).all()
            except plain.DirectionsError as error:
                assert "\n" not in str(error)
                refusals += 1
            except Exception as error:  # collected, so that one run shows all kinds
                stray[type(error).__name__] = str(error)[:80]
    assert not stray
    assert refusals > len(damaged) / 4  # .npy has no checksum: a changed number is a number


@pytest.mark.parametrize(
    "rows",
    [
        np.array(1.0),
        np.ones((2, 3, 4, 5)),
        np.ones((0, 3)),
        np.eye(3, dtype=int),
        np.eye(3) > 0,
        np.eye(3) * 1j,
        np.array(["a", "b"]),
        np.where(np.eye(3), np.nan, 0),
        np.where(np.eye(3), np.inf, 0),
    ],
    ids=["scalar", "4d", "none", "int", "bool", "complex", "text", "nan", "inf"],
)
def test_arrays_that_are_no_directions_are_refused(plain, tmp_path, rows):
    """In both forms: directions are finite real rows."""
    match = r"directions are finite rows \[k, d\], or moves of layers \[k, L, d\], this is"
    np.save(tmp_path / "a.npy", rows)
    refused(plain, tmp_path / "a.npy", match)
    with np.load(full_record().save(tmp_path / "good.npz")) as good:
        np.savez(tmp_path / "a.npz", **{**good, "vectors": rows})
    refused(plain, tmp_path / "a.npz", match)


def test_a_header_that_promises_too_much_is_refused(plain, tmp_path):
    """A shape of many terabytes in a file of 200 bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**21, 2**21)})
    (tmp_path / "a.npy").write_bytes(header.getvalue() + bytes(64))
    refused(plain, tmp_path / "a.npy")


def altered(folder, record=(), **arrays):
    """A whole archive with some entries replaced; None leaves one out."""
    with np.load(full_record().save(folder / "good.npz")) as good:
        content = dict(good) | arrays
        if isinstance(record, dict):
            content["record"] = np.array(json.dumps(json.loads(str(good["record"])) | record))
        elif record != ():
            content["record"] = np.array(record)
    np.savez(folder / "bad.npz", **{name: a for name, a in content.items() if a is not None})
    return folder / "bad.npz"


def test_altering_nothing_alters_nothing(plain, tmp_path):
    """The helper below makes a good archive unless told otherwise."""
    assert plain.Directions.load(altered(tmp_path, {"region": "nose"})).region == "nose"


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "3", "null", "{}", '{"format": 1}'])
def test_archives_with_another_record_are_refused(plain, tmp_path, text):
    """JSON of any other kind, or none."""
    refused(plain, altered(tmp_path, text), match="not a directions file|not in the form")


@pytest.mark.parametrize("missing", ["record", "vectors"])
def test_archives_without_an_essential_entry_are_refused(plain, tmp_path, missing):
    refused(plain, altered(tmp_path, **{missing: None}))


def test_archives_of_another_version_are_refused(plain, tmp_path):
    refused(
        plain, altered(tmp_path, {"format": "lrgan_jax directions 3"}), match="not in the form 'lrgan_jax directions 2'"
    )


@pytest.mark.parametrize(
    "record",
    [
        {"surprise": 1},
        {"layers": 4},
        {"layers": ["a"]},
        {"layers": "abc"},
        {"layers": [-1]},
        {"step_range": 1},
        {"step_range": [1, 2, 3]},
        {"step_range": ["a", "b"]},
        {"region": 7},
        {"found": [1]},
        {"found": None},
        {"found": {"mu": "large"}},
        {"found": {"rank": 3}},
        {"found": {"average": 1.5}},
        {"measure": {"meaning": 7}},
        {"measure": 3},
        {"search": {"num": 0}},
        {"search": {"surprise": 1}},
        {"notes": {"by": 3}},
        {"notes": None},
    ],
    ids=lambda record: json.dumps(record),
)
def test_archives_with_a_wrong_field_are_refused(plain, tmp_path, record):
    """A file that loads can be used: no field surprises later, far from the file that is to blame."""
    refused(plain, altered(tmp_path, record), match=".")


@pytest.mark.parametrize(
    "array", [np.ones(2), np.ones((3, 1)), np.array(1.0), np.array(["a", "b", "c"]), np.full(3, np.nan)]
)
def test_archives_with_measurements_that_do_not_fit_are_refused(plain, tmp_path, array):
    """One finite number per direction."""
    for name in ARRAYS[1:]:
        refused(plain, altered(tmp_path, **{name: array}), match=".")
        (tmp_path / "good.npz").unlink()


# Files of earlier releases


def of_release_1(path, settings):
    """A file as the first form had it: one table of settings for all that was known."""
    rows = unit_rows()
    record = {
        "format": "lrgan_jax directions 1",
        "layers": [4, 5],
        "step_range": [-2.0, 2.0],
        "region": "mouth",
        "method": "frontier",
        "model": "faces",
        "fingerprint": "0123",
        "settings": settings,
    }
    np.savez(path, record=np.array(json.dumps(record)), vectors=rows, kept=np.ones(len(rows), np.float32))
    return rows


def test_the_first_form_is_read(tmp_path):
    """What was known of them comes back typed, what is of no known kind as notes, and nothing is lost; saved again it
    is the new form.
    """
    settings = {
        "mu": 5.0,
        "rank_inside": 3,
        "rank_outside": 9,
        "converged": False,
        "average": 96,
        "meaning": "a smile",
        "leak": 0.25,
        "leak_interval": [0.2, 0.3],
        "expression": {"happy": 0.5},
        "found_on": [11, 96],
        "tao": 1e-3,
        "nested": {"list": [1]},
    }
    rows = of_release_1(tmp_path / "old.npz", settings)
    found = Directions.load(tmp_path / "old.npz")
    np.testing.assert_array_equal(found.vectors, rows)
    assert (
        found.found == Found(5.0, 3, 9, converged=False, average=96) and found.search is None and found.layers == (4, 5)
    )
    assert found.measure == Measure("a smile", 0.25, (0.2, 0.3), expression={"happy": 0.5}, found_on=(11, 96))
    assert found.notes == {"tao": "0.001", "nested": '{"list": [1]}'} and "provisional" in found.caveat
    assert Directions.load(found.save(tmp_path / "new.npz")) == found


def test_settings_as_one_table_is_on_its_way_out():
    """It still answers, and says what to write instead."""
    with pytest.warns(
        DeprecationWarning, match="settings is deprecated since 0.2 and goes with 0.4: use found, measure or notes"
    ):
        settings = full_record().settings
    assert (settings["mu"], settings["meaning"], settings["by"]) == (12.5, "a smile ä", "hand")
