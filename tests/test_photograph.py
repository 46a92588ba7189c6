"""Photographs: any file in, the same pixels out, and one line for what is none."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from tolerances import EXACT, rounding

from lrgan_jax.base.errors import MissingError
from lrgan_jax.photographs import PhotographError, photograph

SHAPE = (19, 23)
RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (*SHAPE, 4), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (*SHAPE, 4), dtype=np.uint16)
ALL = (np.arange(SHAPE[0]), np.arange(SHAPE[1]))


def file(image, format="PNG", **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **settings)
    return buffer.getvalue()


def png(head, data) -> bytes:
    """With a head of width, height, bits and kind of colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    chunks = chunk(b"IHDR", struct.pack(">IIBBBBB", *head, 0, 0, 0)) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def deep_png(pixels) -> bytes:
    """16 bits a channel in colour, which Pillow does not write: rows as they are (filter 0)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png((pixels.shape[1], pixels.shape[0], 16, {3: 2, 4: 6, 2: 4}[pixels.shape[2]]), zlib.compress(rows))


def head_only(width, height) -> bytes:
    """What claims to be of that size."""
    return png((width, height, 8, 2), b"")


def deep_tiff(pixels, planes=1) -> bytes:
    """RGB of 16 bits a channel, little end first, not compressed; in planes=2, one channel after the other, here for
    the head alone.
    """
    height, width, channels = pixels.shape
    data, place = pixels.astype("<u2").tobytes(), 8 + 2 + 12 * 10 + 4
    shorts = [(256, width), (257, height), (259, 1), (262, 2), (277, channels), (278, height), (284, planes)]
    entries = [(tag, 3, 1, value) for tag, value in shorts]
    entries += [(258, 3, channels, place), (273, 4, 1, place + 2 * channels), (279, 4, 1, len(data))]
    table = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + struct.pack("<I", 0)
    return head + struct.pack(f"<{channels}H", *[16] * channels) + data


KINDS = {  # file -> colours, transparency
    "grey": (file(Image.fromarray(BYTES[..., 0])), BYTES[..., :1], None),
    "colour": (file(Image.fromarray(BYTES[..., :3])), BYTES[..., :3], None),
    "colour with alpha": (file(Image.fromarray(BYTES)), BYTES[..., :3], BYTES[..., 3]),
    "grey with alpha": (file(Image.fromarray(BYTES[..., :2], "LA")), BYTES[..., :1], BYTES[..., 1]),
    "grey of 16 bits": (file(Image.fromarray(DEEP[..., 0])), DEEP[..., :1], None),
    "colour of 16 bits": (deep_png(DEEP[..., :3]), DEEP[..., :3], None),
    "alpha of 16 bits": (deep_png(DEEP), DEEP[..., :3], DEEP[..., 3]),
    "TIFF of 16 bits": (deep_tiff(DEEP[..., :3]), DEEP[..., :3], None),
    "TIFF": (file(Image.fromarray(BYTES[..., :3]), "TIFF", compression="tiff_lzw"), BYTES[..., :3], None),
    "WebP": (file(Image.fromarray(BYTES[..., :3]), "WEBP", lossless=True), BYTES[..., :3], None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_pixel_comes_back_as_it_was(kind, tmp_path):
    """As deep as stored; read, written and read again; another program sees the same in 8 bits."""
    content, colours, alpha = KINDS[kind]
    photo = photograph.open(content)
    path = tmp_path / "again.png"
    assert photo.size == SHAPE and photo.save(path) == path
    for one in (photo, photograph.open(path)):
        np.testing.assert_array_equal(one.picture.colours, colours, strict=True)
        np.testing.assert_array_equal(one.picture.alpha, alpha)
    channels = [colours, *([] if alpha is None else [alpha[..., None]])]
    stored = np.concatenate(channels, -1)
    with Image.open(path) as image:
        upper = stored if stored.dtype == np.uint8 or stored.shape[2] == 1 else (stored >> 8).astype(np.uint8)
        np.testing.assert_array_equal(np.array(image).reshape(upper.shape), upper)


@pytest.mark.parametrize("kind", KINDS)
def test_its_numbers_and_a_change(kind):
    """Values from -1 to 1 over white; a change stays where it is, to half a grey level, and leaves transparency."""
    content, colours, alpha = KINDS[kind]
    photo, white = photograph.open(content), {1: 255, 2: 65535}[colours.itemsize]
    values = np.broadcast_to(2.0 * colours / white - 1, (*SHAPE, 3))
    opacity = 1.0 if alpha is None else (alpha / white)[..., None]
    np.testing.assert_allclose(photo.part(*ALL), 1 + (values - 1) * opacity, **rounding(np.float32, 4))
    change = np.zeros((7, 9, 3), np.float32)
    change[2:5, 3:6] = RNG.uniform(-0.3, 0.3, (3, 3, 3))
    changed = photo.plus(4, 5, change)
    wanted = np.zeros((*SHAPE, 3))
    wanted[4:11, 5:14] = change
    wanted = wanted if colours.shape[2] == 3 else (wanted * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)
    expected = np.clip(colours + wanted * white / 2, 0, white)
    assert np.abs(changed.picture.colours - expected).max() <= 0.5 + 1e-3 * (white > 255) * 10
    still = (wanted == 0).all(-1)
    np.testing.assert_array_equal(changed.picture.colours[still], colours[still], strict=True)
    np.testing.assert_array_equal(changed.picture.alpha, alpha)
    np.testing.assert_array_equal(photo.picture.colours, colours)  # which the change made no difference to


TURNS = {  # orientation -> how an upright picture is stored (Exif 2.3, tag 274)
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_it_stands_upright(orientation):
    """And is written so, without the tag that would turn it again."""
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(TURNS[orientation](BYTES[..., :3])))
    photo = photograph.open(file(stored, exif=exif))
    np.testing.assert_array_equal(photo.picture.colours, BYTES[..., :3])
    with Image.open(io.BytesIO(photo.encode())) as image:
        assert 274 not in image.getexif()


def test_what_a_png_cannot_hold_is_read_as_it_is_seen():
    """Palettes and CMYK as RGB; black and white as grey."""
    seen = Image.fromarray(BYTES[..., :3])
    for stored in (seen.convert("P"), Image.fromarray(BYTES, "CMYK")):
        format = "PNG" if stored.mode == "P" else "TIFF"
        expected = np.array(stored.convert("RGB"))
        np.testing.assert_array_equal(photograph.open(file(stored, format)).picture.colours, expected, strict=True)
    drawn = photograph.open(file(Image.fromarray(BYTES[..., 0] > 127)))
    np.testing.assert_array_equal(drawn.picture.colours, np.where(BYTES[..., :1] > 127, 255, 0))


def test_the_colour_profile_stays():
    """But that of CMYK, which is none for RGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for pixels in (BYTES[..., :3], BYTES[..., 0]):
        photo = photograph.open(file(Image.fromarray(pixels), icc_profile=profile))
        with Image.open(io.BytesIO(photo.encode())) as image:
            assert image.info["icc_profile"] == profile
    assert photograph.open(file(Image.fromarray(BYTES, "CMYK"), "TIFF", icc_profile=profile)).profile is None


def test_shrunk_by_area():
    """A fine chequerboard becomes grey; what is small enough stays."""
    board = np.indices((64, 96)).sum(0).astype(np.uint8) % 2 * 255
    small = photograph.open(file(Image.fromarray(board))).shrunk(24)
    assert small.shape == (16, 24, 3) and np.abs(small).max() < 0.05
    kept = photograph.open(KINDS["colour"][0]).shrunk(24)
    np.testing.assert_allclose(kept, BYTES[..., :3] / 127.5 - 1, **rounding(np.float32))


REFUSED = {
    "text": (b"# A README", "not a readable picture"),
    "empty": (b"", "not a readable picture"),
    "cut short": (KINDS["colour"][0][:-200], "not a readable picture"),
    "animated": (
        file(Image.fromarray(BYTES[..., 0]), "GIF", save_all=True, append_images=[Image.fromarray(BYTES[..., 1])]),
        "2 pictures in one file",
    ),
    "tiny": (file(Image.fromarray(BYTES[:15, :, 0])), "23 x 15 pixels; at least 16 a side"),
    "huge": (head_only(2**15, 2**13), "more than 134217728 pixels"),
    "large": (head_only(2**14, 2**13 + 1), "16384 x 8193 pixels, and more than 134217728"),
    "floats": (file(Image.fromarray(np.zeros((20, 20), np.float32)), "TIFF"), "nothing says what is white"),
    "unseen": (file(Image.fromarray(BYTES * np.uint8([1, 1, 1, 0]))), "wholly transparent"),
    "separate planes": (deep_tiff(DEEP[..., :3], planes=2), "in separate planes"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(50), "export it as JPEG"),
    "grey with alpha of 16 bits": (deep_png(DEEP[..., :2]), "save it as RGB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_photograph_is_refused_in_one_line(case, tmp_path):
    content, why = REFUSED[case]
    path = tmp_path / "photo"
    path.write_bytes(content)
    for one, name in ((content, "the photograph"), (path, str(path))):
        with pytest.raises(PhotographError, match=why) as caught:
            photograph.open(one)
        assert str(caught.value).startswith(f"{name}: ") and "\n" not in str(caught.value)


def test_places_and_formats(tmp_path):
    with pytest.raises(MissingError, match="does not exist"):
        photograph.open(tmp_path / "none.jpg")
    with pytest.raises(PhotographError, match="directory"):
        photograph.open(tmp_path)
    with pytest.raises(PhotographError, match=r"saved as \.png"):
        photograph.open(KINDS["colour"][0]).save(tmp_path / "edited.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_telephones_file_of_several_is_its_first(tmp_path):
    """An MPO: a JPEG with previews behind it."""
    first, second = (Image.fromarray(BYTES[..., i : i + 3]) for i in (0, 1))
    content = file(first, "MPO", save_all=True, append_images=[second], quality=95)
    alone = file(first, "JPEG", quality=95)
    np.testing.assert_allclose(photograph.open(content).part(*ALL), photograph.open(alone).part(*ALL), **EXACT)
