"""Where faces are in a photograph: the small detector of face-api.js.

A network in the manner of YOLO: the picture is a grid of cells, CELL pixels each, and every cell says of five boxes
whether a face's middle lies in it, and where the box's edges are. Faces of 50 to 300 pixels are found at any one
size of the picture, so it is looked at in several, and of boxes that overlap the surest stays.

Boxes are top, left, height, width. Source: V. Muehler's TinyFaceDetector as in @vladmandic/face-api, after Redmon and
Farhadi 2016, arXiv:1612.08242. Trained on boxes that cover all 68 landmarks, which suits the network that looks for
these.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from PIL import Image

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.metrics.layers import conv, depthwise, max_pool

CELL = 32  # pixels a side, of the picture that the network sees
MEAN = np.array([117.001, 114.697, 97.404], np.float32)  # of the training images, in 0 to 255
ANCHORS = np.array(  # height and width of the five boxes, in cells
    [[2.094468, 1.603231], [7.080126, 6.041143], [3.518061, 2.882459], [5.178857, 4.266906], [10.66308, 9.041765]]
)
SURE = 0.5  # chance that a box holds a face
OVERLAP = 0.5  # share of the smaller of two boxes that lies in the other: above it they are of one face
SIDES = (128, 256, 512, 1024)  # of the squares in which a photograph is looked at


@display.record
class Face(NamedTuple):
    """A box in pixels, which may leave the picture, and the chance that it holds a face."""

    score: float
    top: float
    left: float
    height: float
    width: float


def find_faces(params: Mapping[str, AnyArray], image: Float[np.ndarray, "h w 3"]) -> list[Face]:
    """The faces of a picture in [-1, 1], the largest first. `params` of "face_detection".

    It is enlarged to twice its size at most: in what is larger still, the network sees nothing but blur.
    """
    longest = max(image.shape[:2])
    sides = [side for side in SIDES if side <= 2 * longest] or SIDES[:1]
    seen = [_seen_at(params, image, side, longest / side) for side in sides]
    scores, boxes = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    faces = [Face(float(scores[i]), *map(float, boxes[i])) for i in strongest(boxes, scores)]
    return sorted(faces, key=lambda face: -face.height)


@jax.jit
def face_boxes(
    params: Mapping[str, AnyArray], images: Float[AnyArray, "n s s 3"]
) -> tuple[Float[Array, "n boxes"], Float[Array, "n boxes 4"]]:
    """Chances and boxes of all cells, in pixels, of square images in [-1, 1]. `params` of "face_detection".

    Raises:
      InputError: while tracing, if the side is no multiple of CELL.
    """
    if images.shape[1] % CELL:
        raise InputError(f"the detector sees squares of a multiple of {CELL} pixels, got {images.shape[1]}")
    cells = _cells(params, images)
    corner = jnp.stack(jnp.mgrid[: cells.shape[1], : cells.shape[2]], -1)[:, :, None]
    middle = corner + jax.nn.sigmoid(cells[..., 1::-1])  # the network gives column and width first
    size = jnp.exp(cells[..., 3:1:-1]) * ANCHORS.astype(cells.dtype)
    boxes = CELL * jnp.concatenate([middle - size / 2, size], -1)
    return jax.nn.sigmoid(cells[..., 4]).reshape(len(images), -1), boxes.reshape(len(images), -1, 4)


def strongest(boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"]) -> list[int]:
    """Which boxes stay, the surest first: none that overlaps a surer one (non-maximum suppression).

    The authors compare the intersection with the union, which lets a box twice as large stay around another; from
    two sizes of a picture such boxes do come.
    """
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(_overlap(boxes[i], boxes[j]) <= OVERLAP for j in kept):
            kept.append(int(i))
    return kept


def _overlap(one: Float[np.ndarray, " 4"], other: Float[np.ndarray, " 4"]) -> float:
    """Intersection over the smaller."""
    shared = np.minimum(one[:2] + one[2:], other[:2] + other[2:]) - np.maximum(one[:2], other[:2])
    return np.maximum(shared, 0).prod() / min(one[2:].prod(), other[2:].prod())


def _seen_at(params, image, side: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """What is surely a face when the picture is laid into a square of that side, top left, black around it."""
    square = np.full((side, side, 3), -1, np.float32)
    height, width = (max(1, round(length / scale)) for length in image.shape[:2])
    square[:height, :width] = _resized(image, height, width)
    scores, boxes = (np.asarray(part[0], np.float64) for part in face_boxes(params, square[None]))
    sure = scores > SURE
    return scores[sure], boxes[sure] * scale


def _resized(image: Float[np.ndarray, "h w 3"], height: int, width: int) -> Float[np.ndarray, "g v 3"]:
    """By area where it shrinks: the authors' code takes single pixels, in which small faces drown."""
    channels = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(3)]
    return np.stack([np.asarray(c.resize((width, height), Image.Resampling.BILINEAR)) for c in channels], -1)


def _cells(params: Mapping[str, AnyArray], images: Float[AnyArray, "n s s 3"]) -> Float[Array, "n h w 5 5"]:
    """Five numbers of each of five boxes in every cell: column, row, width, height and chance, all before their
    last function.
    """
    dtype = params["conv8/bias"].dtype
    x = ((jnp.asarray(images, dtype) + 1) * 127.5 - MEAN) / 255
    x = _leaky(conv(x, params["conv0/filters"], params["conv0/bias"], padding="VALID"))
    for i in range(1, 6):
        x = depthwise(max_pool(x, 2, 2, "SAME"), params[f"conv{i}/depthwise_filter"])
        x = _leaky(conv(x, params[f"conv{i}/pointwise_filter"], params[f"conv{i}/bias"]))
    x = conv(max_pool(x, 2, 1, "SAME"), params["conv8/filters"], params["conv8/bias"])
    return x.reshape(*x.shape[:3], 5, 5)


def _leaky(x: Array) -> Array:
    return jax.nn.leaky_relu(x, 0.1)
