"""Pictures with captions, taken apart again."""

import numpy as np
from PIL import Image


def tiles(path, rows, side=128, gap=16):
    """Every image [R, S, side, side, 3], and the line of words below each."""
    with Image.open(path) as file:
        picture = np.asarray(file)
    high, wide = (len(picture) + gap) // rows, side + gap
    across = (picture.shape[1] + gap) // wide
    places = [[np.s_[r * high :, k * wide : k * wide + side] for k in range(across)] for r in range(rows)]
    images = np.stack([[picture[place][:side] for place in row] for row in places])
    lines = np.stack([[picture[place][side : high - gap] for place in row] for row in places])
    return images, lines
