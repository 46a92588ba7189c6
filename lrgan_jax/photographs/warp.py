"""An affine map of an image, without aliasing: every new pixel is the mean over its own area.

Places are rows and columns in pixels from the image's upper left corner, so that the middle of the first pixel is at
(0.5, 0.5). A map is [2, 3]: place in the old image = map[:, :2] @ place in the new one + map[:, 2].
"""

import math

import numpy as np
from jaxtyping import Float
from PIL import Image

Points = Float[np.ndarray, "n 2"]
Map = Float[np.ndarray, "2 3"]
MARGIN = 3  # pixels that a cubic interpolation looks at beyond the edge
FINEST = 4  # samples a pixel and side; what is shrunk further is first shrunk by whole pixels


def moved(map: Map, points: Points) -> Points:
    """Where the map sends points."""
    return points @ map[:, :2].T + map[:, 2]


def inverted(map: Map) -> Map:
    """The map back."""
    back = np.linalg.inv(map[:, :2])
    return np.column_stack([back, -back @ map[:, 2]])


def places(map: Map, size: tuple[int, int]) -> Float[np.ndarray, "h w 2"]:
    """Where the middles of the new image's pixels lie in the old one."""
    rows, columns = (np.arange(side) + 0.5 for side in size)
    return rows[:, None, None] * map[:, 0] + columns[:, None] * map[:, 1] + map[:, 2]


def scale(map: Map) -> float:
    """Old pixels along a side of a new one, the longer."""
    return float(np.linalg.norm(map[:, :2], axis=0).max())


def warped(image: Float[np.ndarray, "h w c"], map: Map, size: tuple[int, int]) -> Float[np.ndarray, "g v c"]:
    """The image of that size whose pixels lie where the map says; beyond the old image its edge goes on a little.

    Each new pixel is the mean of samples no further apart than old pixels. What is enlarged is first enlarged to about
    the new pixels, by cubic interpolation: Pillow's affine one overshoots (its cubic is the steep one, a = -1), and
    between neighbours alone the old pixels would show.
    """
    shrink, enlarge = max(1, int(scale(map) / FINEST)), max(1, math.ceil(1 / scale(map)))
    samples = math.ceil(scale(map) * enlarge / shrink)
    margin = MARGIN * shrink
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    map = np.column_stack([map[:, :2] / samples, map[:, 2] + margin]) * (enlarge / shrink)
    numbers = [map[1, 1], map[1, 0], map[1, 2], map[0, 1], map[0, 0], map[0, 2]]  # Pillow's: column first
    fine = (size[1] * samples, size[0] * samples)

    def channel(values: np.ndarray) -> np.ndarray:
        old = Image.fromarray(np.ascontiguousarray(values, np.float32)).reduce(shrink)
        old = old.resize((old.width * enlarge, old.height * enlarge), Image.Resampling.BICUBIC)
        new = old.transform(fine, Image.Transform.AFFINE, numbers, Image.Resampling.BILINEAR)
        return np.asarray(new.reduce(samples))

    return np.stack([channel(values) for values in np.moveaxis(padded, -1, 0)], -1)
