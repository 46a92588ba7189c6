"""A photograph: read from any picture's file, changed in places, and written with all other pixels as they were.

It stays what it is: 8 or 16 bits a channel, grey or colour, with its transparency and its colour profile. Grey stays
grey, of a change its luma is taken: a black and white photograph whose mouth alone has a tint is nobody's wish. What a
PNG cannot hold is read as RGB, as a viewer shows it: CMYK (whose profile goes) and palettes. The rest of what a camera
writes down, such as the place, is not carried over; its orientation is applied.

Numbers are taken as they are stored: the profile is kept, not applied.
"""

import io
import os
import struct
import warnings
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from PIL import Image

from lrgan_jax import display
from lrgan_jax.base import pictures
from lrgan_jax.base.errors import InputError, MissingError
from lrgan_jax.base.files import write_whole
from lrgan_jax.base.pictures import Picture, PictureError

SHOWN = 160  # pixels of the longer side in a notebook
LEAST = 16  # pixels a side, below which there is no face to find
MOST = 2**27  # pixels: 134 million, beyond which a file is rather a mistake or an attack
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G and B: ITU-R BT.601
SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}  # PNG's, of channels: grey, RGB, both with transparency
HEIF = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")  # what telephones write, and Pillow reads not


class PhotographError(InputError):
    """A file that is no photograph to be edited, or cannot hold one; the message is one line."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """Its picture, the right way up, and its colour profile (ICC), if it has one."""

    picture: Picture = field(repr=False)
    profile: bytes | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<photograph, {', '.join(self._facts())}>"

    def _repr_html_(self) -> str:
        pictures, why = display.if_it_can(lambda: [display.picture(self.shrunk(2 * SHOWN)[None], repr(self), SHOWN)])
        return display.card("photograph", {"": ", ".join(self._facts())}, *pictures, why)

    def _facts(self) -> list[str]:
        (height, width), grey = self.size, self.picture.colours.shape[2] == 1
        facts = [f"{width} x {height}", f"{8 * self.picture.colours.itemsize} bits", "grey" if grey else "RGB"]
        more = {"with transparency": self.picture.alpha is not None, "with a colour profile": self.profile is not None}
        return facts + [name for name, there in more.items() if there]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.picture.colours.shape[:2]

    def part(self, rows: Int[np.ndarray, " h"], columns: Int[np.ndarray, " w"]) -> Float[np.ndarray, "h w 3"]:
        """Pixels of these rows and columns in [-1, 1], grey as RGB, what is transparent laid on white."""
        place = np.ix_(rows, columns)
        values = self.picture.colours[place] * np.float32(2 / self._white) - 1
        if self.picture.alpha is not None:
            values = 1 + (values - 1) * (self.picture.alpha[place] * np.float32(1 / self._white))[..., None]
        return np.broadcast_to(values, (*values.shape[:2], 3))

    def shrunk(self, longest: int) -> Float[np.ndarray, "h w 3"]:
        """All of it in [-1, 1], in 8 bits, its longer side no longer than that."""
        image = Image.fromarray(_three(pictures.to_bytes(self.picture)))
        image.thumbnail((longest, longest), reducing_gap=2.0)
        return np.asarray(image, np.float32) / 127.5 - 1

    def plus(self, top: int, left: int, change: Float[np.ndarray, "h w 3"]) -> "Photograph":
        """With the change, in units of [-1, 1], added from that row and column on; where it is 0, every bit stays."""
        colours = self.picture.colours.copy()
        place = colours[top : top + change.shape[0], left : left + change.shape[1]]
        if colours.shape[2] == 1:
            change = (change @ LUMA)[..., None]
        place[:] = np.clip(np.rint(place + change * np.float32(self._white / 2)), 0, self._white)
        return replace(self, picture=replace(self.picture, colours=colours))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a PNG, whole or not at all.

        Raises:
          PhotographError: if the name is another format's. PlaceError: if it cannot be written there.
        """
        if Path(path).suffix.lower() != ".png":
            raise PhotographError(f"{path}: a photograph is saved as .png, in which every pixel stays as it is")
        return write_whole(path, self.encode())

    def encode(self) -> bytes:
        """The PNG's bytes."""
        channels = [self.picture.colours, *([] if self.picture.alpha is None else [self.picture.alpha[..., None]])]
        return _png(np.concatenate(channels, -1), self.profile)

    @property
    def _white(self) -> int:
        assert self.picture.white is not None  # `open` lets no other pass
        return self.picture.white


def open(file: str | os.PathLike[str] | bytes) -> Photograph:
    """The photograph in a file, or in its content.

    Raises:
      MissingError: if there is no file. PhotographError: if it holds no picture, or several, or one with fewer than
        LEAST pixels a side or more than MOST in all, or one of which nothing says what is white.
    """
    content = file if isinstance(file, bytes) else _content(Path(file))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound here is MOST
            profile = _profile(content)
            picture = pictures.read(io.BytesIO(content), whole=True)
        if picture.cut:
            raise PictureError("grey with transparency in 16 bits, or a rarer kind of them; save it as RGB or with 8")
        pictures.to_bytes(picture)  # which refuses what nobody would see
    except PictureError as error:
        raise PhotographError(f"{'the photograph' if isinstance(file, bytes) else file}: {error}") from error
    return Photograph(picture, profile)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{path} does not exist") from None
    except OSError as error:
        raise PhotographError(f"{path}: {error.strerror or error}") from error


def _profile(content: bytes) -> bytes | None:
    """The colour profile, of a file whose head promises one picture of a size that can be."""
    if content[4:12] in HEIF:
        raise PictureError("HEIC, which is not read here; export it as JPEG or PNG")
    try:
        with Image.open(io.BytesIO(content)) as opened:
            (width, height), mode = opened.size, opened.mode
            # The pictures behind the first in a JPEG of several (MPO) are previews and depths that telephones add.
            count = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
            profile = opened.info.get("icc_profile")
    except Image.DecompressionBombError:
        raise PictureError(f"more than {MOST} pixels; make it smaller") from None
    except Exception as error:  # Pillow raises half a dozen kinds for a damaged file
        raise PictureError("not a readable picture") from error
    if width * height > MOST:
        raise PictureError(f"{width} x {height} pixels, and more than {MOST} are not read; make it smaller")
    if min(width, height) < LEAST:
        raise PictureError(f"{width} x {height} pixels; at least {LEAST} a side are wanted")
    if count > 1:
        raise PictureError(f"{count} pictures in one file; save the one that is meant")
    return None if mode in ("CMYK", "LAB", "YCbCr") else profile


def _three(colours: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.broadcast_to(colours, (*colours.shape[:2], 3))


def _png(pixels: Shaped[np.ndarray, "h w c"], profile: bytes | None) -> bytes:
    """Of 8 or 16 bits a channel: Pillow writes no colour of 16 bits. Rows are stored as differences to the row above
    (filter 2), PNG specification (W3C, third edition), sections 9 and 11.
    """
    height, width, channels = pixels.shape
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    rows = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))  # modulo 256
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), rows], 1)
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, COLOUR_TYPES[channels], 0, 0, 0)
    coloured = [_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))] if profile else []
    data = _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6))
    return b"".join([SIGNATURE, _chunk(b"IHDR", head), *coloured, data, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
