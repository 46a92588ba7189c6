"""Pictures: grey levels, geometry and files, read back by Pillow."""

import base64
import io

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from lrgan_jax import images
from tests.tolerances import EXACT

GAP = 2


def flat(values, size=(4, 6), channels=3):
    """One even image per value."""
    return np.broadcast_to(np.asarray(values, np.float32)[:, None, None, None], (len(values), *size, channels))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1.2, 1.2, shape).astype(np.float32)


# Grey levels


def test_grey_levels():
    """-1 is 0, 1 is 255, linear between, rounded to the nearest level; what lies outside is clipped, not wrapped."""
    values = [-9, -1.001, -1, -1 + 0.9 / 255, -1 + 1.1 / 255, 0.2, 1 - 0.9 / 255, 1, 1.001, np.inf, -np.inf]
    levels = images.to_uint8(np.array(values)[:, None, None] * np.ones(3))
    np.testing.assert_array_equal(levels[:, 0, 0], [0, 0, 0, 0, 1, 153, 255, 255, 255, 255, 0])


@pytest.mark.parametrize(
    "kind", [np.asarray, jnp.asarray, lambda a: a.astype(np.float64)], ids=["numpy", "jax", "float64"]
)
def test_every_level_survives(kind):
    """All 256 levels come back from their own value."""
    levels = np.arange(256).reshape(1, 16, 16, 1) * np.ones(3)
    np.testing.assert_array_equal(images.to_uint8(kind((levels / 127.5 - 1).astype(np.float32))), levels)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_one_channel_becomes_three(leading):
    grey = noise(*leading, 4, 6, 1)
    colour = images.to_uint8(grey)
    assert colour.shape == (*leading, 4, 6, 3) and colour.dtype == np.uint8
    np.testing.assert_array_equal(colour, images.to_uint8(np.repeat(grey, 3, axis=-1)))


@pytest.mark.parametrize("channels", [2, 4])
def test_opacity_lies_over_white(channels):
    """Wholly transparent is white, wholly opaque the colour itself, half of it half way; a numpy loop over
    the pixels.
    """
    pixels = noise(3, 4, 6, channels)
    expected = np.empty((3, 4, 6, 3))
    for place in np.ndindex(3, 4, 6):
        *colour, opacity = np.clip(pixels[place].astype(np.float64) * 0.5 + 0.5, 0, 1)
        expected[place] = 255 * (opacity * np.array(colour) + 1 - opacity)
    assert np.abs(images.to_uint8(pixels) - expected).max() < 0.5 + 1e-3
    for opacity, level in ((-1, 255), (1, 102)):
        flat_one = np.full((1, 2, 2, channels), -0.2, np.float32)
        flat_one[..., -1] = opacity
        np.testing.assert_array_equal(images.to_uint8(flat_one), level)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="1 to 4 channels, got 5"):
        images.to_uint8(noise(4, 6, 5))


# Grids


def test_tiles_of_a_grid_lie_where_they_should():
    """Row by row with white gaps of two pixels between, none around; a shorter row is filled up with white."""
    rows = [noise(3, 4, 6, 3), noise(2, 4, 6, 3, seed=1)]
    picture = images.grid(rows)
    assert picture.shape == (2 * 4 + GAP, 3 * 6 + 2 * GAP, 3)
    rest = np.ones(picture.shape[:2], bool)
    for i, row in enumerate(rows):
        for k, tile in enumerate(images.to_uint8(row)):
            where = slice(i * (4 + GAP), i * (4 + GAP) + 4), slice(k * (6 + GAP), k * (6 + GAP) + 6)
            np.testing.assert_array_equal(picture[where], tile)
            rest[where] = False
    assert (picture[rest] == 255).all() and rest.sum() == 10 * 22 - 5 * 24


def test_a_strip_is_a_grid_of_one_row():
    row = noise(3, 4, 6, 1)
    np.testing.assert_array_equal(images.strip(row), images.grid([row]))
    assert images.strip(row).shape == (4, 3 * 6 + 2 * GAP, 3)
    np.testing.assert_array_equal(images.strip(row[:1]), images.to_uint8(row[0]))


def test_rows_of_different_heights():
    """Each row keeps its own tile size."""
    picture = images.grid([noise(1, 4, 6, 3), noise(2, 2, 3, 3)])
    assert picture.shape == (4 + GAP + 2, 3 + GAP + 3, 3)


# Heat maps and outlines


def test_brightness_of_a_heat_map_rises_all_the_way():
    """No channel ever falls, every twentieth of the scale is visibly brighter, from black to white; beyond it stays
    white.
    """
    change = np.linspace(0, 2, 41)[None]
    picture = images.heat_map(change, 1.0)[0].astype(int)
    assert (np.diff(picture, axis=0) >= 0).all()
    assert (np.diff(picture.sum(1))[:20] > 0).all()
    np.testing.assert_array_equal(picture[[0, 20, 30, 40]], [[0] * 3, [255] * 3, [255] * 3, [255] * 3])


def test_the_scale_of_a_heat_map_is_the_change_that_is_white():
    """Twice the change on twice the scale is the same picture; a scale of zero divides nothing by zero."""
    change = np.random.default_rng(0).random((3, 5))
    np.testing.assert_array_equal(images.heat_map(change, 0.8), images.heat_map(2 * change, 1.6))
    np.testing.assert_array_equal(images.heat_map(np.zeros((3, 5)), 0.0), np.zeros((3, 5, 3)))


def test_an_outlined_image_is_dark_outside_its_region():
    """Unchanged inside, three tenths outside, also where the mask is at half the size."""
    image, mask = noise(4, 6, 3), np.zeros((2, 3), np.float32)
    mask[0, 1:] = 1
    inside = np.kron(mask, np.ones((2, 2))) == 1
    picture, whole = images.outlined(image, mask), images.to_uint8(image)
    np.testing.assert_array_equal(picture[inside], whole[inside])
    np.testing.assert_allclose(picture[~inside], 0.3 * whole[~inside], rtol=0, atol=0.5 + 1e-3)  # rounded to a level


# Files


@pytest.mark.parametrize("enlarge", [1, 3])
def test_a_png_comes_back_as_it_was(tmp_path, enlarge):
    """Bit for bit, each pixel repeated; in a folder that is made for it, without leftovers."""
    picture = images.to_uint8(noise(4, 6, 3))
    path = images.save(tmp_path / "new" / "a.png", picture, enlarge=enlarge)
    with Image.open(path) as loaded:
        assert loaded.format == "PNG"
        np.testing.assert_array_equal(np.asarray(loaded), np.kron(picture, np.ones((enlarge, enlarge, 1))))
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_a_data_uri_holds_the_same_png():
    picture = images.to_uint8(noise(4, 6, 3))
    head, _, body = images.data_uri(picture).partition(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(body)))), picture)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("num", [1, 2, 5])
def test_an_animation_goes_there_and_back(tmp_path, suffix, num):
    """Each image once forwards, the inner ones once more backwards, endlessly, at the size and speed asked for."""
    values = np.linspace(-0.8, 0.8, num)
    path = images.save_animation(tmp_path / f"a{suffix}", flat(values), enlarge=3, frames_per_second=10.0)
    order = [*range(num), *range(num - 2, 0, -1)]
    with Image.open(path) as animation:
        assert animation.size == (18, 12)
        assert getattr(animation, "n_frames", 1) == len(order)
        assert num == 1 or animation.info["loop"] == 0
        for k, expected in enumerate(order):
            animation.seek(k)
            level = np.asarray(animation.convert("RGB")).astype(int)
            # A palette has every level of an even image; lossy WebP is allowed three levels.
            assert np.abs(level - images.to_uint8(flat(values))[expected, 0, 0]).max() <= (0 if suffix == ".gif" else 3)
            assert num == 1 or animation.info["duration"] == 100


def test_other_animations_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.mp4: an animation is saved as \.gif or \.webp"):
        images.save_animation(tmp_path / "a.mp4", flat([0.0, 1.0]))
    assert not list(tmp_path.iterdir())


def test_grids_keep_the_pixels_of_a_png(tmp_path):
    """From image values to the file and back."""
    rows = [noise(2, 4, 6, 3), noise(2, 4, 6, 3, seed=2)]
    path = images.save(tmp_path / "grid.png", images.grid(rows))
    np.testing.assert_allclose(np.asarray(Image.open(path))[6:10, 8:14], images.to_uint8(rows[1][1]), **EXACT)
