"""Files of pictures to numbers, as deep as they are stored: what training learns from, and what a region is read from.

Pillow's own `convert` clips 16 bits to 8, takes floats for grey levels from 0 to 255 and drops transparency, all
without a word.
"""

import io
import os
import re
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16
from PIL import Image, ImageOps

from lrgan_jax.base.errors import InputError

PHOTOMETRIC = 262  # the tag in a TIFF that says whether 0 is black
BITS = 258  # and that of the bits of each channel


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
      alpha: 0 transparent, 255 opaque, or 65535 where colour has 16 bits; None where there is none.
      indices: of a picture with a palette.
      mode: Pillow's word for how it is stored.
      cut: stored with 16 bits a channel, of which Pillow gives the upper 8.
      count: pictures in the file, as in an animation or a stack; this is the first.
    """

    colours: Shaped[np.ndarray, "h w c"]
    white: int | None
    alpha: Shaped[np.ndarray, "h w"] | None
    indices: UInt8[np.ndarray, "h w"] | None
    mode: str
    cut: bool
    count: int = 1


def read(file: str | os.PathLike[str] | io.BytesIO, *, whole: bool = False) -> Picture:
    """The picture in a file, or in its content; the first one of several.

    Args:
      whole: read all 16 bits of a channel where colour has as many, not the upper 8.
    Raises:
      FileNotFoundError, PictureError: if there is none.
    """
    try:
        with Image.open(file) as opened:
            cut = len(opened.getbands()) > 1 and any(";16" in str(part[-1]) for part in opened.tile)
            # PNG has no integers of 32 bits: "I" is how older releases of Pillow open those of 16.
            deep = opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PNG")
            if len(opened.getbands()) > 1 and not cut and max(getattr(opened, "tag_v2", {}).get(BITS, (8,))) > 8:
                raise PictureError("more than 8 bits a channel in separate planes; save it with the channels together")
            count = getattr(opened, "n_frames", 1)
            inverted = (
                deep and getattr(opened, "tag_v2", {}).get(PHOTOMETRIC) == 0
            )  # white is 0, which Pillow heeds up to 8 bits
            picture = _numbers(ImageOps.exif_transpose(opened), deep, cut)
            if whole and cut:
                picture = _with_lower_bits(file, picture)
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
    if alpha is not None and alpha.min() < white:
        if not alpha.any():
            raise PictureError("wholly transparent")
        colours = np.rint(255 + (colours - 255.0) * (alpha[..., None] / white))
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


def _with_lower_bits(file: str | os.PathLike[str] | io.BytesIO, upper: Picture) -> Picture:
    """The same with all 16 bits.

    Pillow unpacks the upper byte of either order of bytes: told the other order, it gives the lower one. Of what has
    no such pair, as grey with transparency, the picture stays as it is.
    """
    with Image.open(file) as opened:
        tiles = [tile._replace(args=_other_order(tile.args)) for tile in opened.tile]
        if "transparency" in opened.info or tiles == opened.tile:
            return upper
        opened.tile = tiles
        lower = _numbers(ImageOps.exif_transpose(opened), False, True)
    alpha = None if upper.alpha is None else _joined(upper.alpha, lower.alpha)
    return replace(upper, colours=_joined(upper.colours, lower.colours), white=65535, alpha=alpha, cut=False)


def _joined(upper: Any, lower: Any) -> UInt16[np.ndarray, "..."]:
    return upper.astype(np.uint16) << 8 | lower


def _other_order(arguments: Any) -> Any:
    """Of Pillow's decoder: RGB of 16 bits, the bytes of each in the other order (B big end first, L last, N native)."""
    name, *rest = [arguments] if isinstance(arguments, str) else arguments
    found = re.fullmatch(r"(RGBA?;16)([BLN])", name)
    if found is None:
        return arguments
    name = found[1] + {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}[found[2]]
    return name if isinstance(arguments, str) else (name, *rest)
