"""Progressive growth: how a network that grows block by block makes its picture at a level of detail.

At `lod` 0 every block is there and the last one makes the picture. At a whole number n the last n blocks are missing,
and the picture of the one before is enlarged; in between, one block's picture is faded in.

Source: Karras et al. 2018, arXiv:1710.10196, section 2.
"""

import math
from typing import Any

from jaxtyping import Array, Float

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import ops


def share(lod: float, level: int) -> float:
    """What part of the picture the block `level` below the last one adds: 0 where it is missing, 1 where it is all."""
    return min(max(level + 1 - lod, 0.0), 1.0)


def faded(
    below: Float[Array, "n h w c"] | None, new: Float[Array, "n g v c"] | None, share: float
) -> Float[Array, "n g v c"]:
    """The picture of a block: its own, `new`, over the enlarged one of the blocks below it."""
    image: Any = new if share == 1 else ops.nearest(below)
    return image if share in (0, 1) else share * new + (1 - share) * image


def check_lod(lod: float | int, blocks: int) -> None:
    """Refuse a level of detail that `blocks` blocks do not have.

    Raises:
      InputError: saying which there are.
    """
    if not (math.isfinite(lod) and 0 <= lod <= blocks - 1):
        raise InputError(f"lod is a level of detail, 0 (all of it) to {blocks - 1} for this model, got {lod}")
