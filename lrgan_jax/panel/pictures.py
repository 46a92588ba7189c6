"""Pictures that a person keeps: the image as it is, before and after, a strip, an animation."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from lrgan_jax import images
from lrgan_jax.base.errors import InputError
from lrgan_jax.display import pictures

KINDS = ("image", "before_after", "strip", "animation")
VARYING = {"strip": 7, "animation": 25}  # images of these, from one end of a slider to the other
THUMBNAIL = 96  # pixels of the longer side


class File(NamedTuple):
    """Something to keep.

    Attributes:
      type: as MIME has it.
    """

    name: str
    type: str
    content: bytes


def kept(what: str, name: str, shown: Float[np.ndarray, "n h w c"]) -> File:
    """One of KINDS.

    Args:
      name: of the file, without its end.
      shown: one image, two (before and after), or as many as VARYING says.
    """
    if what == "animation":
        return File(f"{name}.webp", "image/webp", images.encode_animation(shown))
    return File(f"{name}.png", "image/png", images.encode(images.strip(shown)))


def check_kind(what: str) -> None:
    """Refuse what is none of KINDS."""
    if what not in KINDS:
        raise InputError(f"what is one of {', '.join(KINDS)}")


def shrunk(picture: images.Picture, longest: int) -> UInt8[np.ndarray, "g v 3"]:
    """No larger than that, by area means."""
    return pictures.shrunk(picture[None], longest)[0]
