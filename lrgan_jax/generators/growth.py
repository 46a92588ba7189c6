"""Progressive growth: how a network that grows block by block makes its picture at a level of detail.

At `lod` 0 every block is there and the last one makes the picture. At a whole number n the last n blocks are missing,
and the picture of the one before is enlarged; in between, one block's picture is faded in.

Source: Karras et al. 2018, arXiv:1710.10196, section 2.
"""

import dataclasses
import math
from typing import Any

from jaxtyping import Array, Float

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import ops


def share(lod: float, level: int) -> float:
    """What part of the picture the block `level` below the last one adds: 0 where it is missing, 1 where it is all."""
    return min(max(level + 1 - lod, 0.0), 1.0)


def faded(below: Any, new: Any, share: float) -> Float[Array, "n h w c"]:
    """The picture of a block: its own, `new` [N, H, W, C], faded in over the one of the blocks below, half its size.

    Either may be None where its share is nothing.
    """
    if share == 1:
        return new
    enlarged = ops.nearest(below)
    return enlarged if share == 0 else share * new + (1 - share) * enlarged


class Growing:
    """For generators whose configuration has a `lod`, and as many blocks as `channels`."""

    def with_lod(self: Any, lod: float | int) -> Any:
        """The same network at another level of detail.

        Raises:
          InputError: on one that it does not have.
        """
        check_lod(lod, len(self.config.channels))
        return dataclasses.replace(self, config=dataclasses.replace(self.config, lod=float(lod)))


def check_lod(lod: float | int, blocks: int) -> None:
    """Refuse a level of detail that `blocks` blocks do not have.

    Raises:
      InputError: saying which there are.
    """
    if not (math.isfinite(lod) and 0 <= lod <= blocks - 1):
        raise InputError(f"lod is a level of detail, 0 (all of it) to {blocks - 1} for this model, got {lod}")
