"""What the formats of progressively grown networks share: blocks that double in size, and a level of detail."""

import re
from collections.abc import Iterable

import numpy as np

from lrgan_jax.base.errors import InputError
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators.growth import check_lod

LARGEST = 4096  # pixels, four times the largest published: noise pictures of that size may have to be made up


def resolutions(names: Iterable[str], network: str) -> tuple[int, ...]:
    """Of the blocks b4, b8, ... that appear in names of ours.

    Raises:
      CheckpointError: if they do not double from 4.
    """
    found = sorted({int(match[1]) for name in names if (match := re.search(r"/b(\d+)/", name))})
    if not found or found != [4 * 2**k for k in range(len(found))] or found[-1] > LARGEST:
        raise CheckpointError(
            f"blocks of sizes {found!r:.80} are no {network}: they should double from 4, to {LARGEST} at most"
        )
    return tuple(found)


def level_of_detail(lod: np.ndarray | None, blocks: int, problems: list[str]) -> float:
    """The stored one, 0 if there is none; `problems` is told of one that the network does not have."""
    if lod is None or not np.isfinite(lod).all():  # of which there is word already
        return 0.0
    try:
        check_lod(float(lod), blocks)
    except InputError as error:
        problems.append(str(error))
        return 0.0
    return float(lod)
