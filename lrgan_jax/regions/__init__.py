"""Regions of an image as masks: float32 [H, W], 1 inside, 0 outside, between where soft.

Everything is counted in pixels, rows downwards: `top, left, height, width`. The papers' tables are boxes at 256 x 256
given by their centre; they are scaled to the size asked for. Sources, as in the authors' released code: Zhu et al.
2021, arXiv:2106.04488 ("ffhq", also good for MetFaces), and Zhu et al. 2022 (ReSeFa), arXiv:2202.09649 (its eyebrow box
and the other tables).
"""

import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import ArrayLike, Float, Shaped
from PIL import Image

from lrgan_jax.base import pictures
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.regions import drawn
from lrgan_jax.regions.soft import feathered as feathered

Mask = Float[np.ndarray, "h w"]
if TYPE_CHECKING:
    Region = str | os.PathLike[str] | AnyArray | Sequence[Sequence[int | float]]  # see `region_mask`
else:
    Region = Any  # the tests' checks of types would come before our own refusal of whatever else is given

TABLE_SIZE = 256
TABLES: dict[str, dict[str, tuple[int, int, int, int]]] = {  # row and column of the centre, height, width
    "ffhq": {
        "left_eye": (120, 95, 20, 38),
        "right_eye": (120, 159, 20, 38),
        "eyes": (120, 128, 20, 115),
        "nose": (142, 131, 40, 46),
        "mouth": (184, 127, 30, 70),
        "chin": (217, 130, 42, 110),
        "left_region": (128, 74, 128, 64),
        "point_eye": (120, 95, 2, 2),
        "point_mouth": (184, 127, 2, 2),
        "eyebrow": (126, 105, 15, 118),
    },
    "ffhqu": {  # unaligned faces: boxes for single seeds of the authors
        "eyesr2": (134, 116, 30, 115),
        "eyesr3": (64, 128, 26, 115),
        "eyest0": (70, 88, 30, 115),
        "eyest3": (108, 142, 26, 115),
    },
    "biggan": {
        "center0": (120, 120, 80, 80),
        "center1": (120, 120, 130, 130),
        "center2": (120, 120, 200, 200),
        "left_side": (128, 64, 256, 128),
        "top_side": (64, 128, 128, 256),
        "head0": (89, 115, 49, 70),
        "head1": (93, 110, 48, 70),
    },
}
FACE_LABELS = {  # the label maps of CelebAMask-HQ as the authors number them
    "background": 0,
    "skin": 1,
    "nose": 2,
    "glasses": 3,
    "left_eye": 4,
    "right_eye": 5,
    "left_brow": 6,
    "right_brow": 7,
    "left_ear": 8,
    "right_ear": 9,
    "mouth": 10,
    "upper_lip": 11,
    "lower_lip": 12,
    "hair": 13,
    "hat": 14,
    "earring": 15,
    "necklace": 16,
    "neck": 17,
    "cloth": 18,
}


class RegionError(InputError):
    """A region that names or covers nothing, or does not fit the image; the message is one line for a person."""


def box_mask(top: int, left: int, height: int, width: int, size: int | tuple[int, int]) -> Mask:
    """A box; the part that leaves the image is cut off."""
    mask = np.zeros(_shape(size), np.float32)
    mask[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 1
    return check(mask, f"box top={top} left={left} height={height} width={width}")


def centred_box_mask(row: int, column: int, height: int, width: int, size: int | tuple[int, int]) -> Mask:
    """The authors' boxes: top = row - height // 2, left = column - width // 2."""
    return box_mask(row - height // 2, column - width // 2, height, width, size)


def polygon_mask(points: Sequence[Sequence[float]], size: int | tuple[int, int], *, soft: bool = False) -> Mask:
    """A polygon with corners (row, column), 0 at the top left corner of the image: the share of each pixel that it
    covers.

    Args:
      soft: keep the share; otherwise a pixel belongs when at least half of it is covered.
    """
    if len(points) < 3:
        raise RegionError(f"a polygon needs at least 3 corners, got {len(points)}")
    height, width = _shape(size)
    fine = (
        8  # lines per row of pixels; along a line the share is exact. Pillow's own polygons hold their outline as well.
    )
    lines = (np.arange(height * fine) + 0.5) / fine
    share = np.zeros((len(lines), width))
    for (row, column), (next_row, next_column) in zip(points, [*points[1:], points[0]], strict=True):
        crossed = (lines >= min(row, next_row)) & (lines < max(row, next_row))
        crossing = column + (next_column - column) * (lines[crossed, None] - row) / ((next_row - row) or 1)
        share[crossed] += np.sign(next_row - row) * np.clip(
            np.arange(1, width + 1) - crossing, 0, 1
        )  # what lies right of this edge
    share = np.clip(np.abs(share), 0, 1).reshape(height, fine, width).mean(1).astype(np.float32)
    return check(share if soft else (share >= 0.5).astype(np.float32), "polygon")


def label_mask(label_map: ArrayLike, labels: Sequence[int | str], size: int | tuple[int, int] | None = None) -> Mask:
    """The pixels of a label map [H, W] that carry one of `labels` (numbers, or names of FACE_LABELS), at `size` by
    nearest pixel.

    Raises:
      RegionError: if a name is unknown, no pixel carries the labels or every one does, or the map has another shape
        than `size`.
    """
    label_map = np.asarray(label_map)
    if label_map.ndim != 2:
        raise RegionError(f"a label map is [H, W], got shape {list(label_map.shape)}")
    unknown = [name for name in labels if isinstance(name, str) and name not in FACE_LABELS]
    if unknown:
        raise RegionError(f"unknown labels {unknown}; known are {', '.join(FACE_LABELS)}")
    numbers = [FACE_LABELS[name] if isinstance(name, str) else name for name in labels]
    mask = np.isin(label_map, numbers).astype(np.float32)
    if not mask.any():
        there = [f"{label:g}" for label in np.unique(label_map)[:20]]
        raise RegionError(
            f"labels {list(labels)}: empty, the map has {', '.join(there)}{', ...' if len(there) == 20 else ''}"
        )
    return check(mask if size is None else resize_mask(mask, size, soft=False), f"labels {list(labels)}")


def load_labels(path: str | os.PathLike[str] | io.BytesIO) -> Shaped[np.ndarray, "h w"]:
    """A label map from a picture: grey values as they are stored, or the indices of a palette.

    Args:
      path: of the file, or its content.
    Raises:
      RegionError: if the file is no picture, or one in colour.
    """
    return _of_picture(path, drawn.labels)


def load_mask(
    path: str | os.PathLike[str] | io.BytesIO, size: int | tuple[int, int] | None = None, *, soft: bool = False
) -> Mask:
    """A mask from a picture (PNG, ...): white is inside, black outside; see `drawn` for what else is
    understood.

    Args:
      path: of the file, or its content.
      size: of the image, to which the mask is resized; it must have the image's shape.
      soft: keep grey levels as weights; otherwise half and above is inside.
    Raises:
      RegionError: if the file is no picture, or the picture no mask, or of another shape, or nothing or everything is
        white.
    """
    mask = _of_picture(path, lambda picture: drawn.weights(picture, soft=soft))
    what = _name(path)
    if size is not None:
        _check_shape(mask, size, what)
        mask = resize_mask(mask, size, soft=True)
    return check(mask if soft else (mask >= 0.5).astype(np.float32), what)


def resize_mask(mask: ArrayLike, size: int | tuple[int, int], *, soft: bool = False) -> Mask:
    """A mask at another size of the same shape: area means when soft, the nearest pixel otherwise."""
    mask = np.asarray(mask, np.float32)
    _check_shape(mask, size, "mask")
    height, width = _shape(size)
    method = Image.Resampling.BOX if soft else Image.Resampling.NEAREST
    picture = Image.fromarray(mask, mode="F")
    return np.clip(np.asarray(picture.resize((width, height), method)), 0, 1)


def table_mask(name: str, size: int | tuple[int, int], table: str = "ffhq") -> Mask:
    """A box of the papers' tables, scaled from 256 x 256; every side is rounded to whole pixels, at least one."""
    if table not in TABLES:
        raise RegionError(f"no table {table!r}; there are {', '.join(TABLES)}")
    if name not in TABLES[table]:
        raise RegionError(f"no region {name!r} in table {table!r}; it has {', '.join(TABLES[table])}")
    row, column, height, width = TABLES[table][name]
    return _scaled_box((row - height // 2, column - width // 2, height, width), np.broadcast_to(TABLE_SIZE, 2), size)


def shapes_mask(
    shapes: Any, size: int | tuple[int, int]
) -> Mask:  # a mapping; said loosely, since it may come out of a file
    """The union of `shapes["boxes"]` (top, left, height, width) and `shapes["polygons"]`, scaled to `size`.

    They are drawn on an image of `shapes["size"]`: [height, width], or one number for both. With `shapes["invert"]`
    true, what they leave over. This is how a model's own regions are written in its `model.json`.

    Raises:
      RegionError: if they are written otherwise, or cover nothing or everything.
    """
    height, width = _shape(size)
    mask = np.zeros((height, width), np.float32)
    try:
        drawn_at, inverted = np.broadcast_to(shapes["size"], 2), shapes.get("invert")
        if not (drawn_at > 0).all():
            raise ValueError("an image has a height and a width")
        for box in shapes.get("boxes", ()):
            mask = np.maximum(mask, _scaled_box(box, drawn_at, size))
        for polygon in shapes.get("polygons", ()):
            points = [(row * height / drawn_at[0], column * width / drawn_at[1]) for row, column in polygon]
            mask = np.maximum(mask, polygon_mask(points, size))
    except RegionError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        wanted = "size: a number or two, boxes: [top, left, height, width], polygons: of [row, column]"
        raise RegionError(f"shapes are written as {wanted}; these are not") from error
    return check(1 - mask if inverted else mask, "region")


def region_mask(region: Region, size: int | tuple[int, int], named: Mapping[str, Any] | None = None) -> Mask:
    """Whatever a user calls a region, as a mask at `size`.

    Args:
      region: a name in `named` (a model's own regions, see `shapes_mask`), a name of the papers' tables ("mouth",
        "biggan/head0"), the path of a mask ("box.png"), of a label map with the labels that are meant
        ("labels.png:4,5", "labels.png:hair"), or an array [H, W], which must already have the right size: booleans,
        weights in [0, 1], or integers 0 and 1, or 0 and 255.
    Raises:
      RegionError: an unknown name, an unreadable picture, an empty, full or wrongly sized mask.
    """
    named = named or {}
    if not isinstance(region, str | os.PathLike):
        return check(_weights(region), "mask", size)
    if str(region) in named:
        try:
            return shapes_mask(named[str(region)], size)
        except RegionError as error:
            raise RegionError(f"{region}, a region of this model's: {error}") from error
    if labelled := _LABELLED.fullmatch(str(region)):
        chosen = [int(label) if label.isdecimal() else label for label in labelled["labels"].split(",")]
        try:
            return label_mask(load_labels(labelled["file"]), chosen, size)
        except RegionError as error:
            raise RegionError(f"{region}: {error}") from error
    if Path(region).suffix:
        return load_mask(region, size)
    table, _, name = str(region).rpartition("/")
    table = table or "ffhq"
    if table in TABLES and name in TABLES[table] and not (named and "/" not in str(region)):
        return table_mask(name, size, table)
    known = ", ".join(known_regions(named))
    raise RegionError(f"no region {str(region)!r}; this model has {known}, or give the path of a black and white PNG")


def known_regions(named: Mapping[str, Any]) -> list[str]:
    """The names that a model's regions go by: its own, or the papers' for faces aligned as FFHQ's are."""
    return [*named] or [*TABLES["ffhq"]]


def check(mask: Float[np.ndarray, "..."], what: str = "mask", size: int | tuple[int, int] | None = None) -> Mask:
    """The mask itself, if it covers something but not everything, at the right size and with weights in [0, 1]."""
    if mask.ndim != 2 or (size is not None and mask.shape != _shape(size)):
        raise RegionError(
            f"{what}: shape {list(mask.shape)}, wants {list(_shape(size)) if size is not None else '[H, W]'}"
        )
    if not (np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1):
        raise RegionError(f"{what}: weights must lie in [0, 1], these go from {mask.min():g} to {mask.max():g}")
    if not mask.any():
        raise RegionError(f"{what}: empty, no pixel of the image lies inside")
    if (mask == 1).all():
        raise RegionError(f"{what}: it covers the whole image, so there is no rest to keep still")
    return mask


def bounding_box(masks: Float[np.ndarray, "r h w"]) -> tuple[int, int, int, int]:
    """`top, left, height, width` of the smallest box that holds every pixel of every mask."""
    rows, columns = np.flatnonzero(masks.any((0, 2))), np.flatnonzero(masks.any((0, 1)))
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


_LABELLED = re.compile(r"(?P<file>.+\.\w+):(?P<labels>\w+(,\w+)*)")


def _of_picture(path: str | os.PathLike[str] | io.BytesIO, reading: Callable[[pictures.Picture], Any]) -> Any:
    try:
        picture = pictures.read(path)
        if picture.count > 1:
            raise pictures.PictureError(f"{picture.count} pictures in one file; save the one that is meant")
        return reading(picture)
    except FileNotFoundError as error:
        raise RegionError(f"{_name(path)}: no such file") from error
    except pictures.PictureError as error:
        raise RegionError(f"{_name(path)}: {error}") from error


def _name(path: str | os.PathLike[str] | io.BytesIO) -> str:
    return str(path) if isinstance(path, str | os.PathLike) else "mask"


def _weights(region: Region) -> Float[np.ndarray, "..."]:
    """An array as weights; of integers, 255 is as white as 1."""
    try:
        array = np.asarray(region)
        if array.dtype.kind in "OSUcmM":
            raise TypeError
        mask = array.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise RegionError("mask: an array of numbers is wanted, [H, W]") from error
    if array.dtype.kind in "iu" and array.size:
        white = 255 if array.max() == 255 else 1
        if not np.isin(array, (0, white)).all():
            raise RegionError(
                "mask: integers are 0 and 1, or 0 and 255; weights are floats, and of a label map `label_mask` takes "
                "labels"
            )
        mask /= white
    return mask


def _check_shape(mask: Float[np.ndarray, "h w"], size: int | tuple[int, int], what: str) -> None:
    """Refuse a mask that resizing would squeeze by more than the rounding of a side."""
    (height, width), (rows, columns) = mask.shape, _shape(size)
    if round(width * rows / height) != columns and round(height * columns / width) != rows:
        raise RegionError(
            f"{what}: {width} x {height} pixels, but the image is {columns} x {rows}: crop it to the image's shape"
        )


def _scaled_box(box: Sequence[int], drawn_at: Shaped[np.ndarray, "2"], size: int | tuple[int, int]) -> Mask:
    height, width = _shape(size)
    top, left, rows, columns = box
    if not (rows > 0 and columns > 0):
        raise RegionError(f"box {list(box)}: height and width must be above 0")
    edges = [(top, rows, height, drawn_at[0]), (left, columns, width, drawn_at[1])]
    (top, rows), (left, columns) = (
        (round(start * side / at), max(1, round(length * side / at))) for start, length, side, at in edges
    )
    return box_mask(top, left, rows, columns, (height, width))


def _shape(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int | np.integer) else (int(size[0]), int(size[1]))


__all__ = [
    "FACE_LABELS",
    "TABLES",
    "Mask",
    "Region",
    "RegionError",
    "bounding_box",
    "box_mask",
    "centred_box_mask",
    "check",
    "known_regions",
    "label_mask",
    "load_labels",
    "load_mask",
    "polygon_mask",
    "region_mask",
    "resize_mask",
    "shapes_mask",
    "table_mask",
]


def __dir__() -> list[str]:
    return __all__
