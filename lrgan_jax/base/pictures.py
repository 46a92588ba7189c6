"""Files of pictures to numbers, as deep as they are stored: what training learns from, and what a region is read from.

Pillow's own `convert` clips 16 bits to 8, takes floats for grey levels from 0 to 255 and drops transparency, all
without a word.
"""

import io
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps

from lrgan_jax.base.errors import InputError

PHOTOMETRIC = 262  # the tag in a TIFF that says whether 0 is black


class PictureError(InputError):
    """A picture that cannot be read, or not as what is wanted; the message is the end of a line that names the file
    first.
    """


@dataclass(frozen=True)
class Picture:
    """What a file holds, the right way up.

    Attributes:
      colours: one number a pixel where it is grey, [H, W, 1]; else RGB, [H, W, 3].
      white: the number that is white; None where the file does not say, as with 32-bit integers and floats.
      alpha: 0 transparent, 255 opaque; None where there is none.
      indices: of a picture with a palette.
      mode: Pillow's word for how it is stored.
      cut: stored with 16 bits a channel, of which Pillow gives the upper 8.
      count: pictures in the file, as in an animation or a stack; this is the first.
    """

    colours: Shaped[np.ndarray, "h w c"]
    white: int | None
    alpha: UInt8[np.ndarray, "h w"] | None
    indices: UInt8[np.ndarray, "h w"] | None
    mode: str
    cut: bool
    count: int = 1


def read(file: str | os.PathLike | io.BytesIO) -> Picture:
    """The picture in a file, or in its content; the first one of several.

    Raises:
      FileNotFoundError, PictureError: if there is none.
    """
    try:
        with Image.open(file) as opened:
            cut = len(opened.getbands()) > 1 and any(";16" in str(part[-1]) for part in opened.tile)
            # PNG has no integers of 32 bits: "I" is how older releases of Pillow open those of 16.
            deep = opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PNG")
            count = getattr(opened, "n_frames", 1)
            inverted = (
                deep and getattr(opened, "tag_v2", {}).get(PHOTOMETRIC) == 0
            )  # white is 0, which Pillow heeds up to 8 bits
            picture = _numbers(ImageOps.exif_transpose(opened), deep, cut)
            return replace(picture, count=count, colours=65535 - picture.colours if inverted else picture.colours)
    except (FileNotFoundError, PictureError):
        raise
    except (IsADirectoryError, PermissionError) as error:  # the content is not to blame
        raise PictureError(str(error.strerror)) from error
    except Exception as error:  # Pillow raises half a dozen kinds for a damaged file
        raise PictureError("not a readable picture") from error


def to_bytes(picture: Picture) -> UInt8[np.ndarray, "h w c"]:
    """8 bits a channel, what is transparent laid on white.

    Raises:
      PictureError: if nothing says which number is white, or nothing would be seen.
    """
    colours, white, alpha = picture.colours, picture.white, picture.alpha
    if white is None:
        raise PictureError("floats or 32-bit integers, of which nothing says what is white; save it with 8 or 16 bits")
    if (white > 255 and 0 < colours.max() <= 255) or (picture.cut and not colours.any()):
        raise PictureError(
            "16 bits, and no value above 255 of 65535; are these 8 bits in a deeper file? save it with 8"
        )
    if white > 255:
        colours = np.rint(colours * (255 / white))
    if alpha is not None and alpha.min() < 255:
        if not alpha.any():
            raise PictureError("wholly transparent")
        colours = np.rint(255 + (colours - 255.0) * (alpha[..., None] / 255))
    return colours.astype(np.uint8)


def _numbers(picture: Image.Image, deep: bool, cut: bool) -> Picture:
    mode, alpha = picture.mode, None
    indices = np.array(picture) if mode == "P" else None
    if deep or mode in ("I", "F"):
        return Picture(np.array(picture)[..., None], 65535 if deep else None, None, None, mode, cut)
    if picture.has_transparency_data:
        colours: Any = np.array(picture.convert("RGBA"))
        colours, alpha = colours[..., :3], colours[..., 3]
    else:
        colours = np.array(picture.convert("RGB"))
    grey = mode in ("1", "L", "LA", "La")
    return Picture(colours[..., :1] if grey else colours, 255, alpha, indices, mode, cut)
