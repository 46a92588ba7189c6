"""A photograph's face cut out as a model knows faces, and an edit of it put back.

What comes back is a change: `put_back(edited, of=image)` adds edited - image, carried over to the photograph's pixels
and faded out towards the crop's edges. Against the crop itself, which is what it means without `of`, an unedited crop
changes nothing and detail finer than the crop stays; against what a model made of the crop, only the edit arrives and
not what the model could not draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import ArrayLike, Bool, Float

from lrgan_jax import display
from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.photographs.crop import cut, outside, window
from lrgan_jax.photographs.framing import (
    FourPoints,
    Framing,
    Quad,
    check_face,
    corners,
    crop_map,
    ffhq_quad,
    framed_quad,
)
from lrgan_jax.photographs.landmarks import FaceError, find_points
from lrgan_jax.photographs.photograph import LEAST, Photograph
from lrgan_jax.photographs.warp import inverted, places, warped
from lrgan_jax.regions import polygon_mask

FEATHER = 0.1  # of the crop's shorter side, over which a change fades out
SHOWN = 128  # pixels of the longer side in a notebook
MOST_OUTSIDE = 0.5  # of a crop: beyond, its face is cut off


@display.record
@dataclass(frozen=True, eq=False)
class Aligned:
    """A crop of a photograph.

    Attributes:
      quad: its corners in the photograph, rows and columns: upper left, upper right, lower right, lower left.
      size: its height and width in its own pixels.
      feather: of its shorter side, over which what is put back fades out.
    Raises:
      InputError: if the quad has hardly a pixel.
    """

    photo: Photograph = field(repr=False)
    quad: Quad
    size: tuple[int, int]
    feather: float = FEATHER

    def __post_init__(self):
        down, across = crop_map(self.quad, (1, 1))[:, :2].T
        if not (area := abs(down[0] * across[1] - down[1] * across[0])) >= LEAST**2:
            raise InputError(f"a crop of {area:.0f} pixels of the photograph is too small: {LEAST**2} at least")

    @cached_property
    def image(self) -> Float[np.ndarray, "h w 3"]:
        """The crop in [-1, 1]; where the photograph ends, its mirror image."""
        return cut(self.photo, self.quad, self.size)

    @cached_property
    def outside(self) -> Bool[np.ndarray, "h w"]:
        """Pixels of the crop that the photograph does not have."""
        return outside(self.photo, self.quad, self.size)

    def _repr_html_(self) -> str:
        """Where it lies in the photograph, and itself."""
        height, width = self.size
        facts = {"size": f"{width} x {height}", "outside of the photograph": f"{self.outside.mean():.0%}"}
        place = display.picture(self._place(2 * SHOWN)[None], "the photograph, darkened but for the crop", SHOWN)
        return display.card("crop of a photograph", facts, place, " ", display.picture(self.image[None], "crop", SHOWN))

    def _place(self, longest: int) -> Float[np.ndarray, "h w 3"]:
        """The photograph, darkened but for the crop."""
        small = self.photo.shrunk(longest)
        quad = self.quad * np.divide(small.shape[:2], self.photo.size)
        return np.where(polygon_mask(quad.tolist(), small.shape[:2])[..., None] > 0, small, (small - 1) / 2)

    @property
    def record(self) -> dict[str, Any]:
        """All but the photograph, as JSON has it; `from_record` reads it."""
        return {"quad": self.quad.tolist(), "size": list(self.size), "feather": self.feather}

    @classmethod
    def from_record(cls, photo: Photograph, record: Mapping[str, Any]) -> "Aligned":
        """The crop whose `record` that was, of the same photograph.

        Raises:
          InputError: if it is no such record.
        """
        try:
            quad, size, feather = (record[name] for name in ("quad", "size", "feather"))
            check_number("quad", quad)
            check_number("feather", feather, least=0, most=0.5)
            return cls(photo, np.array(quad, float).reshape(4, 2), _shape(tuple(size)), float(feather))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"no record of a crop, or a damaged one: {error}") from error

    def put_back(self, edited: ArrayLike, *, of: ArrayLike | None = None) -> Photograph:
        """The photograph with edited - of added where the crop lies; all other pixels are as they were.

        Args:
          edited, of: [H, W, C] in [-1, 1] at the crop's size; `of` is the crop itself if None.
        Raises:
          InputError: on another size.
        """
        before = self.image if of is None else self._checked("of", of)
        rows, columns = window(self.photo, self.quad)
        back = inverted(crop_map(self.quad - (rows.start, columns.start), self.size))
        size = (len(rows), len(columns))
        change = warped(self._checked("edited", edited) - before, back, size)
        return self.photo.plus(rows.start, columns.start, change * self._weight(places(back, size)))

    def _weight(self, places: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w 1"]:
        """1 inside the crop, 0 from its edge on, with slope 0 at both ends."""
        inside = np.minimum(places, self.size - places).min(-1, keepdims=True)
        share = np.clip(inside / max(self.feather * min(self.size), 1e-6), 0, 1)
        return (share**2 * (3 - 2 * share)).astype(np.float32)

    def _checked(self, name: str, image: ArrayLike) -> Float[np.ndarray, "h w 3"]:
        image = np.asarray(image, np.float32)
        if image.shape[:-1] != self.size or image.shape[-1] not in (1, 3):
            raise InputError(f"{name} is {image.shape}, and the crop {(*self.size, 3)}")
        return np.broadcast_to(image, (*self.size, 3))


def align(
    photo: Photograph,
    size: int | tuple[int, int],
    *,
    face: int | None = None,
    points: ArrayLike | None = None,
    box: Sequence[int | float] | Literal["middle"] | None = None,
    framing: Framing | None = None,
    feather: float = FEATHER,
) -> Aligned:
    """The crop of a photograph that a model of that image size should see.

    Args:
      size: of the crop in pixels, a generator's `size`: one number for a square.
      face: which of several, 0 being the largest. Faces are found by the metric networks.
      points: [4, 2] or [5, 2], rows and columns in the photograph, 0 being its upper and left edge: the eye on the left
        of the picture, the eye on the right, (the nose,) the corners of the mouth on the left and on the right. No
        network is needed then.
      box: for what is no face: top, left, height and width in the photograph, or "middle": the largest part of that
        shape in the middle.
      framing: where the face is to lie in the crop, see `framing_of`; FFHQ's if None.
      feather: of the crop's shorter side, over which what is put back fades out; 0 to 0.5.
    Raises:
      FaceError: in one line, if there is no face, or several and no choice, or one cut off or too small. InputError: if
        arguments make no sense. MetricsError: with the commands to run, if the networks are not there.
    """
    shape = _shape(size)
    check_number("feather", feather, least=0, most=0.5)
    if sum(given is not None for given in (face, points, box)) > 1:
        raise InputError("say one of face, points and box")
    if box is not None:
        chosen = _middle(photo, shape) if box == "middle" else np.array(box, float)
        return Aligned(photo, _box_quad(photo, chosen), shape, feather)
    found = find_points(photo, face) if points is None else _given_points(photo, points)
    quad = _ffhq_quad(found, shape) if framing is None else framed_quad(found, framing, shape)
    aligned = Aligned(photo, quad, shape, feather)
    if (share := aligned.outside.mean()) > MOST_OUTSIDE:
        raise FaceError(f"the face is cut off: {share:.0%} of its crop lie outside the photograph")
    return aligned


def _shape(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = size if isinstance(size, tuple) else (size, size)
    for side in (height, width):
        check_whole("size", side, least=1)
    return int(height), int(width)


def _given_points(photo: Photograph, points: ArrayLike) -> FourPoints:
    face = np.asarray(points, np.float64)
    check_number("points", face)
    if face.shape not in ((4, 2), (5, 2)):
        raise InputError(
            f"points are two eyes, (the nose,) two corners of the mouth, [4, 2] or [5, 2]; got {face.shape}"
        )
    face = np.delete(face, 2, 0) if len(face) == 5 else face
    if not ((face >= 0) & (face <= photo.size)).all():
        raise InputError(f"points lie outside the photograph of {photo.size[0]} rows and {photo.size[1]} columns")
    check_face(face)
    return face


def _ffhq_quad(face: FourPoints, size: tuple[int, int]) -> Quad:
    if size[0] != size[1]:
        raise InputError(f"FFHQ's crops are square, and {size[0]} x {size[1]} is wanted: give a framing or a box")
    return ffhq_quad(face)


def _box_quad(photo: Photograph, box: Float[np.ndarray, " 4"]) -> Quad:
    check_number("box", box)
    low, high = box[:2], box[:2] + box[2:]
    if low.min() < 0 or box[2:].min() <= 0 or (high > photo.size).any():
        raise InputError(
            f"box is top, left, height and width inside the photograph of {photo.size[0]} rows and {photo.size[1]} "
            f"columns; got {', '.join(f'{number:g}' for number in box)}"
        )
    return low + corners((1, 1)) * box[2:]


def _middle(photo: Photograph, size: tuple[int, int]) -> Float[np.ndarray, " 4"]:
    """The largest box of the crop's shape."""
    sides = np.array(size) * np.divide(photo.size, size).min()
    return np.concatenate([(np.array(photo.size) - sides) / 2, sides])
