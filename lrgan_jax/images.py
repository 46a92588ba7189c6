"""Arrays to pictures: uint8, strips, grids, heat maps, files."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import ArrayLike, Float, UInt8
from PIL import Image

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import write_whole

Picture = UInt8[np.ndarray, "h w 3"]
GAP = 2  # pixels of white between the tiles of a strip or grid


def to_uint8(images: ArrayLike) -> UInt8[np.ndarray, "*n h w 3"]:
    """[-1, 1] -> 0..255, rounded and clipped. Grey becomes three channels; a second or fourth channel is opacity, over
    white.

    Raises:
      InputError: on other numbers of channels.
    """
    images = np.asarray(images, np.float32)
    if images.shape[-1] not in (1, 2, 3, 4):
        raise InputError(f"pictures are grey or RGB, with or without opacity: 1 to 4 channels, got {images.shape[-1]}")
    images = over_white(images)
    images = np.broadcast_to(images, (*images.shape[:-1], 3))
    return np.clip(np.rint(images * 127.5 + 127.5), 0, 255).astype(np.uint8)


def over_white(images: Float[AnyArray, "*n c"]) -> Float[AnyArray, "*n d"]:
    """Images on [-1, 1] without their channel of opacity, the second of two or the fourth of four; NumPy's or JAX's."""
    if images.shape[-1] in (1, 3):
        return images
    opacity = (images[..., -1:] / 2 + 0.5).clip(0, 1)
    return 1 + opacity * (images[..., :-1].clip(-1, 1) - 1)


def grid(rows: AnyArray | Sequence[ArrayLike]) -> Picture:
    """Rows of images [S, H, W, C], each in [-1, 1] -> one picture with thin white gaps."""
    lines = []
    for row in rows:
        tiles = to_uint8(row)
        padded = np.pad(tiles, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
        lines.append(np.concatenate(list(padded), axis=1)[:, :-GAP])
    width = max(line.shape[1] for line in lines)
    lines = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0)), constant_values=255) for line in lines]
    return np.concatenate(lines)[:-GAP]


def strip(images: ArrayLike) -> Picture:
    """[S, H, W, C] side by side."""
    return grid([images])


def heat_map(change: Float[np.ndarray, "h w"], scale: float) -> Picture:
    """Change per pixel, 0 to `scale`, from black through red and yellow to white; brightness rises all the way."""
    level = np.clip(change / max(scale, 1e-12), 0, 1)[..., None]
    return np.rint(255 * np.clip(level * (1.8, 1.8, 2.5) - (0, 0.6, 1.5), 0, 1)).astype(np.uint8)


def outlined(image: ArrayLike, mask: Float[np.ndarray, "g v"]) -> Picture:
    """The image darkened outside the region, to show where it lies; the mask may be at another size than the image."""
    image = to_uint8(image).astype(np.float32)
    size = (image.shape[1], image.shape[0])
    weight = np.asarray(Image.fromarray(np.asarray(mask, np.float32)).resize(size, Image.Resampling.NEAREST))
    return np.rint(image * (0.3 + 0.7 * weight[..., None])).astype(np.uint8)


def enlargement(size: tuple[int, int]) -> int:
    """How many times each pixel of images [H, W] is repeated so that a person sees something."""
    return max(1, 128 // max(size))


def encode(picture: UInt8[np.ndarray, "h w c"], enlarge: int = 1) -> bytes:
    """PNG bytes, of RGB, with opacity or without, each pixel repeated `enlarge` times."""
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(np.repeat(picture, enlarge, 0), enlarge, 1)).save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(picture: UInt8[np.ndarray, "h w c"]) -> str:
    """The picture as an `src` that needs no file."""
    return "data:image/png;base64," + base64.b64encode(encode(picture)).decode()


def save(path: str | os.PathLike[str], picture: Picture, *, enlarge: int = 1) -> Path:
    """Write a PNG, whole or not at all."""
    return write_whole(path, encode(picture, enlarge))


def save_animation(
    path: str | os.PathLike[str], images: ArrayLike, *, enlarge: int = 4, frames_per_second: float = 12
) -> Path:
    """Write images [S, H, W, C], floats in [-1, 1] or uint8, as an endless `.gif` or `.webp`, there and back again.

    Raises:
      InputError: on another suffix.
    """
    path = Path(path)
    if path.suffix not in (".gif", ".webp"):
        raise InputError(f"{path}: an animation is saved as .gif or .webp")
    return write_whole(path, encode_animation(images, path.suffix[1:], enlarge, frames_per_second))


def encode_animation(images: ArrayLike, kind: str = "webp", enlarge: int = 1, frames_per_second: float = 12) -> bytes:
    """The content of such a file, gif or webp."""
    tiles = np.asarray(images)
    tiles = tiles if tiles.dtype == np.uint8 else to_uint8(tiles)
    frames = [Image.fromarray(np.repeat(np.repeat(tile, enlarge, 0), enlarge, 1)) for tile in (*tiles, *tiles[-2:0:-1])]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        kind.upper(),
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / frames_per_second),
        loop=0,
    )
    return buffer.getvalue()


__all__ = [
    "Picture",
    "data_uri",
    "encode",
    "encode_animation",
    "enlargement",
    "grid",
    "heat_map",
    "outlined",
    "over_white",
    "save",
    "save_animation",
    "strip",
    "to_uint8",
]


def __dir__() -> list[str]:
    return __all__
