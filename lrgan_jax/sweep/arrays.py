"""The zarr 3 arrays of a store, as TensorStore opens and makes them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import tensorstore as ts

from lrgan_jax.sweep.objects import Objects, as_json

ARRAY = {"driver": "zarr3", "store_data_equal_to_fill_value": True}  # so that a file which is not there is a lost one
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


class Layout(NamedTuple):
    """One array. `axes` names its axes; files hold `piece` steps of the first one."""

    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    piece: int


def opened(objects: Objects, names: Iterable[str], folder: str = "") -> dict[str, Any]:
    """The arrays of these names, all asked for at once."""
    specs = {name: {**ARRAY, "kvstore": objects.spec(f"{folder}{name}/")} for name in names}
    return _all(objects, specs, create=False)


def made(objects: Objects, layouts: Mapping[str, Layout], folder: str = "") -> dict[str, Any]:
    """The same; those that are not there are made first."""
    specs = {
        name: {**ARRAY, "kvstore": objects.spec(f"{folder}{name}/"), "metadata": _metadata(layout)}
        for name, layout in layouts.items()
    }
    return _all(objects, specs, create=True)


def _all(objects: Objects, specs: Mapping[str, Any], *, create: bool) -> dict[str, Any]:
    opening = {name: ts.open(spec, context=objects.context, open=True, create=create) for name, spec in specs.items()}
    return {name: objects.answer(array) for name, array in opening.items()}


def group(attributes: Mapping[str, Any]) -> bytes:
    """What the `zarr.json` of a group says."""
    return as_json({"zarr_format": 3, "node_type": "group", "attributes": attributes})


def attributes(content: bytes) -> dict[str, Any]:
    """Of a group.

    Raises:
      ValueError, KeyError, TypeError: if it is none.
    """
    return json.loads(content)["attributes"]


def _metadata(layout: Layout) -> dict[str, Any]:
    """A file per piece; in it a chunk per step, each with a checksum of its own."""
    inner = [LITTLE, {"name": "zstd", "configuration": {"level": 1}}, {"name": "crc32c"}]
    rest = layout.shape[1:]
    codecs: list[Any] = inner
    if layout.piece > 1:
        shard = {"chunk_shape": [1, *rest], "codecs": inner, "index_codecs": [LITTLE, {"name": "crc32c"}]}
        codecs = [{"name": "sharding_indexed", "configuration": shard}]
    return {
        "shape": layout.shape,
        "data_type": layout.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [layout.piece, *rest]}},
        "codecs": codecs,
        "dimension_names": layout.axes,
    }
