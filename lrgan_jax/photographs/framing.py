"""Where a face lies in a crop: as in FFHQ, or as in the images of a model.

A face is four points, rows and columns: the eye on the left of the picture and that on the right, the corners of the
mouth on the left and on the right. A crop is the quad of its corners in the photograph: upper left, upper right, lower
right, lower left; height and width are those of the crop, in its pixels.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lrgan_jax import display
from lrgan_jax.base.errors import InputError
from lrgan_jax.photographs.warp import Map, moved

FourPoints = Float[np.ndarray, "4 2"]
Quad = Float[np.ndarray, "4 2"]


@display.record
class Framing(NamedTuple):
    """The places of the eyes and of the middle of the mouth in a crop, as fractions of its height and width."""

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    mouth: tuple[float, float]


def corners(size: tuple[int, int]) -> Quad:
    """Of a rectangle of that height and width."""
    height, width = size
    return np.array([[0, 0], [0, width], [height, width], [height, 0]], float)


def crop_map(quad: Quad, size: tuple[int, int]) -> Map:
    """From places in the crop to places in the photograph."""
    down, across = (quad[3] - quad[0]) / size[0], (quad[1] - quad[0]) / size[1]
    return np.column_stack([down, across, quad[0]])


def ffhq_quad(face: FourPoints) -> Quad:
    """The square that FFHQ's authors cut out around a face.

    Source: Karras et al. 2019, arXiv:1812.04948, appendix A; the numbers of their published recipe (twice the distance
    of the eyes or 1.8 times that from eyes to mouth, whichever is longer, to each side of a point a tenth below the
    eyes).
    """
    eyes, mouth = face[:2].mean(0), face[2:].mean(0)
    eye_to_eye, eye_to_mouth = face[1] - face[0], mouth - eyes
    across = eye_to_eye + _turned(eye_to_mouth)
    across *= max(2.0 * np.hypot(*eye_to_eye), 1.8 * np.hypot(*eye_to_mouth)) / np.hypot(*across)
    down, middle = -_turned(across), eyes + 0.1 * eye_to_mouth
    return np.stack([middle - across - down, middle + across - down, middle + across + down, middle - across + down])


def framed_quad(face: FourPoints, framing: Framing, size: tuple[int, int]) -> Quad:
    """The rectangle in which the face lies as the framing has it: by the similarity (turn, scale, shift) that brings
    eyes and mouth nearest to it, in least squares.

    Places as complex numbers make that a line through points: face = slope * framing + shift.
    """
    there, here = (points @ (1j, 1) for points in (three_points(face), np.array(framing) * size))
    slope = np.vdot(here - here.mean(), there - there.mean()) / np.vdot(here - here.mean(), here - here.mean())
    shift = there.mean() - slope * here.mean()
    map = np.array([[slope.real, slope.imag, shift.imag], [-slope.imag, slope.real, shift.real]])
    return moved(map, corners(size))


def three_points(face: FourPoints) -> Float[np.ndarray, "3 2"]:
    """Of the mouth its middle: how wide it is, is a smile rather than a size."""
    return np.stack([face[0], face[1], face[2:].mean(0)])


def check_face(face: FourPoints) -> None:
    """Refuse four points in another order, or in one place.

    Raises:
      InputError: in one line that says the order.
    """
    (down, across), (row, column) = face[1] - face[0], face[2:].mean(0) - face[:2].mean(0)
    if not across * row - down * column > 0 or not np.dot(face[3] - face[2], (down, across)) > 0:
        raise InputError(
            "points are rows and columns of the eye on the left of the picture, the eye on the right, and the corners "
            f"of the mouth on the left and on the right; these are in another order: {np.round(face, 1).tolist()}"
        )


def _turned(vector: np.ndarray) -> np.ndarray:
    """By a quarter, from down to across: (1, 0) becomes (0, 1)."""
    return np.array([-vector[1], vector[0]])
