"""How a store begins, and how one that is there is opened."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrgan_jax.base.settings import differences
from lrgan_jax.sweep.arrays import Layout, attributes, group, made
from lrgan_jax.sweep.buckets import GROUP
from lrgan_jax.sweep.earlier import EARLIER, EarlierStore
from lrgan_jax.sweep.errors import Damaged, SweepError
from lrgan_jax.sweep.objects import Objects, plainly, undamaged
from lrgan_jax.sweep.store import Store

FORMAT = "lrgan_jax sweep 3"
QUOTED = str.maketrans({"%": "%25", "?": "%3F", "#": "%23"})  # what URLs mean something by, and folders do not


def location(path: str | Path) -> str:
    """The URL of a local folder; a URL as it is. With a slash at its end.

    Raises:
      SweepError: on a URL that was taken for a path, as `Path` does, which makes one slash of two.
    """
    text = str(path)
    if found := re.match("(s3|gs):/?(?!/)", text):
        raise SweepError(f"{text}: for a bucket write {found[1]}://bucket/name, as text, and no path")
    url = text if "://" in text else f"file://{str(Path(path).resolve()).translate(QUOTED)}"
    return url.rstrip("/") + "/"


def create(
    path: str | Path, manifest: dict[str, Any], arrays: Mapping[str, Layout], constants: Mapping[str, np.ndarray]
) -> Store:
    """Begin a store, or open the one that is there, if it was begun with the same settings. Of several that begin at
    once the first one's manifest counts for all.

    Args:
      constants: values of the arrays that are known from the start.
    Raises:
      SweepError: on a store with other settings, on something else at this place, or where nothing can be written.
    """
    place, manifest = location(path), {**manifest, "format": FORMAT, "arrays": arrays}
    objects = Objects(place)
    begun = _begun(objects, group(manifest))
    _agree(place, manifest, begun)
    objects.write(f"progress/{GROUP}", group({}))  # for readers that know zarr alone
    with plainly(place):
        made(objects, arrays)
        store = Store(place, begun)
        for name, value in constants.items():
            if not _holds(store, name, value):
                objects.answer(store.arrays[name].write(value))
    return store


def open_store(path: str | Path) -> Store:
    """A store that is there, of this release or an earlier one.

    Raises:
      SweepError: if there is none, or it cannot be read.
    """
    place = location(path)
    content = Objects(place).read(GROUP)
    if not content:
        bucket = ", or no such bucket" if place.startswith("gs:") else ""
        raise SweepError(f"{path} holds no sweep: there is no {GROUP}{bucket}")
    manifest = _manifest(place, content)
    return (EarlierStore if manifest["format"] in EARLIER else Store)(place, manifest)


def _begun(objects: Objects, manifest: bytes) -> dict[str, Any]:
    """The manifest that counts: the one that is there, or this one."""
    seen = objects.seen(GROUP)
    if seen.content is None:
        if objects.names() and objects.read(GROUP) is None:  # whoever begins at the same time writes that first
            raise SweepError(
                f"{objects.place} holds something else than a sweep, or one whose {GROUP} is lost; choose another name"
            )
        objects.write_if(GROUP, manifest, seen.stamp)
        seen = objects.seen(GROUP)
    if (
        seen.content is None
    ):  # GCS refuses what is written into a bucket that is not there as if somebody had been faster
        raise SweepError(f"{objects.place}: nothing can be written: there may be no such bucket")
    return _manifest(objects.place, seen.content)


def _manifest(place: str, content: bytes) -> dict[str, Any]:
    try:
        manifest = attributes(content)
        if manifest["format"] in (FORMAT, *EARLIER):
            return manifest
    except (ValueError, KeyError, TypeError):
        pass
    raise SweepError(f"{place}{GROUP} is not the manifest of a sweep, or damaged")


def _agree(place: str, now: dict[str, Any], before: dict[str, Any]) -> None:
    if before["format"] != now["format"]:
        raise SweepError(
            f"{place} was begun by an earlier release, which this one reads and cannot go on with: choose another, "
            "and bring there with --merge what it holds"
        )
    different = list(differences(json.loads(json.dumps(now["settings"])), before["settings"]))
    if different:
        raise SweepError(f"{place} holds a sweep with other settings: {'; '.join(different)}")


def _holds(store: Store, name: str, value: np.ndarray) -> bool:
    try:
        with undamaged():
            return np.array_equal(store.objects.answer(store.arrays[name].read()), value)
    except Damaged:
        return False
