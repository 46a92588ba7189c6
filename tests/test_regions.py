"""Regions: every way of naming one gives the pixels it says, and everything else is refused in one line."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lrgan_jax import regions
from lrgan_jax.regions import RegionError
from tests.tolerances import EXACT, rounding

# FIELD: as printed in the authors' code, at 256 x 256: row and column of the centre, height, width.
PUBLISHED = {
    "ffhq": {
        "left_eye": (120, 95, 20, 38),
        "right_eye": (120, 159, 20, 38),
        "eyes": (120, 128, 20, 115),
        "nose": (142, 131, 40, 46),
        "mouth": (184, 127, 30, 70),
        "chin": (217, 130, 42, 110),
        "left_region": (128, 74, 128, 64),
        "point_eye": (120, 95, 2, 2),
        "point_mouth": (184, 127, 2, 2),
        "eyebrow": (126, 105, 15, 118),
    },
    "biggan": {
        "center0": (120, 120, 80, 80),
        "center1": (120, 120, 130, 130),
        "center2": (120, 120, 200, 200),
        "left_side": (128, 64, 256, 128),
        "top_side": (64, 128, 128, 256),
        "head0": (89, 115, 49, 70),
        "head1": (93, 110, 48, 70),
    },
}
BOXES = [(table, name) for table, names in PUBLISHED.items() for name in names]
STAR = [(1.3, 9.1), (8.2, 11.7), (14.6, 20.2), (12.9, 10.4), (18.1, 3.3), (9.7, 6.6)]
TRIANGLE = [(2.0, 3.0), (17.5, 8.25), (5.125, 21.0)]


def filled(shape, rows, columns):
    mask = np.zeros(shape, np.float32)
    mask[rows, columns] = 1
    return mask


def one_line(region, *args, match, **kwargs):
    """`region(*args)` must refuse with a RegionError of one line that matches."""
    with pytest.raises(RegionError, match=match) as caught:
        region(*args, **kwargs)
    assert "\n" not in str(caught.value)


def coverage(points, height, width, samples=40):
    """Share of each pixel inside a polygon, by counting sample points with the even-odd rule."""
    rows, columns = np.meshgrid(
        (np.arange(height * samples) + 0.5) / samples, (np.arange(width * samples) + 0.5) / samples, indexing="ij"
    )
    inside = np.zeros(rows.shape, bool)
    for (row, column), (next_row, next_column) in zip(points, [*points[1:], points[0]], strict=True):
        if row != next_row:
            crossing = column + (next_column - column) * (rows - row) / (next_row - row)
            inside ^= ((row > rows) != (next_row > rows)) & (columns < crossing)
    return inside.reshape(height, samples, width, samples).mean((1, 3))


def shoelace(points):
    rows, columns = np.transpose(points)
    return abs(np.dot(rows, np.roll(columns, -1)) - np.dot(columns, np.roll(rows, -1))) / 2


def perimeter(points):
    return np.linalg.norm(np.subtract(points, np.roll(points, -1, axis=0)), axis=1).sum()


def png(path, array, mode=None, **options):
    picture = Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(path, **options)
    return path


# Boxes


@pytest.mark.parametrize("box", [(2, 3, 4, 5), (0, 0, 1, 1), (0, 0, 9, 1), (8, 11, 1, 1)])
def test_a_box_is_a_slice(box):
    """Top, left, height and width count rows and columns, in that order, on an image that is not square."""
    top, left, height, width = box
    mask = regions.box_mask(*box, (9, 12))
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, filled((9, 12), slice(top, top + height), slice(left, left + width)))


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((-2, 3, 4, 5), slice(0, 2), slice(3, 8)),
        ((3, -1, 2, 3), slice(3, 5), slice(0, 2)),
        ((6, 10, 9, 9), slice(6, 9), slice(10, 12)),
    ],
)
def test_a_box_is_cut_at_the_edge_of_the_image(box, rows, columns):
    """What leaves the image is cut off; nothing wraps round to the other side."""
    np.testing.assert_array_equal(regions.box_mask(*box, (9, 12)), filled((9, 12), rows, columns))


@pytest.mark.parametrize(
    "box", [(-4, 0, 4, 4), (9, 0, 2, 2), (0, 12, 2, 2), (0, -3, 2, 3), (2, 2, 0, 3), (2, 2, -1, 3), (-9, 2, 4, 3)]
)
def test_a_box_outside_the_image_is_empty(box):
    """No box that misses the image, or has no extent, picks up pixels by a negative index."""
    one_line(regions.box_mask, *box, (9, 12), match="empty")


@pytest.mark.parametrize("odd", [(5, 7), (4, 7), (5, 6)])
def test_centred_boxes_follow_the_authors_rule(odd):
    """top = row - height // 2, left = column - width // 2: odd sides are centred, even ones start half a
    pixel early.
    """
    height, width = odd
    mask = regions.centred_box_mask(10, 12, height, width, 24)
    top, left = 10 - height // 2, 12 - width // 2
    np.testing.assert_array_equal(mask, filled((24, 24), slice(top, top + height), slice(left, left + width)))


# The papers' tables


@pytest.mark.parametrize(("table", "name"), BOXES)
def test_tables_are_the_published_ones_at_256(table, name):
    """At their own size the tables give exactly the authors' pixels."""
    row, column, height, width = PUBLISHED[table][name]
    top, left = row - height // 2, column - width // 2
    expected = filled((256, 256), slice(max(top, 0), top + height), slice(max(left, 0), left + width))
    np.testing.assert_array_equal(regions.table_mask(name, 256, table), expected)
    np.testing.assert_array_equal(regions.centred_box_mask(row, column, height, width, 256), expected)


@pytest.mark.parametrize("size", [64, 1024])
@pytest.mark.parametrize(("table", "name"), BOXES)
def test_tables_scale_with_the_image(table, name, size):
    """Every edge lies within one pixel of its place at 256, at least one pixel is left, and 1024 is exact."""
    row, column, height, width = PUBLISHED[table][name]
    mask = regions.table_mask(name, size, table)
    for axis, start, length in ((1, row - height // 2, height), (0, column - width // 2, width)):
        covered = np.flatnonzero(mask.any(axis))
        edges = np.clip(np.array([start, start + length]) * size / 256, 0, size)
        off = np.abs([covered[0] - edges[0], covered[-1] + 1 - edges[1]]).max()
        assert off == 0 if size == 1024 else off <= 1
    box = mask[np.ix_(mask.any(1), mask.any(0))]
    np.testing.assert_array_equal(box, np.ones_like(box))


def test_tables_stretch_to_images_that_are_not_square():
    """Rows scale with the height, columns with the width."""
    mask = regions.table_mask("mouth", (512, 128))
    np.testing.assert_array_equal(mask, filled((512, 128), slice(338, 398), slice(46, 81)))


def test_unknown_names_of_tables_are_refused():
    one_line(regions.table_mask, "beard", 64, match="'beard' in table 'ffhq'.*mouth")
    one_line(regions.table_mask, "mouth", 64, "beegan", match="beegan")


# Polygons


@pytest.mark.parametrize("corner", [(2, 3, 6, 7), (0, 0, 3, 9), (2.25, 3.5, 6.75, 7.125)])
def test_an_upright_rectangle_is_covered_exactly(corner):
    """Corners on the grid of sub-pixels: the share of every pixel is known, and the four sides are treated alike."""
    top, left, bottom, right = corner
    rows, columns = (
        np.clip(np.minimum(np.arange(n) + 1, high) - np.maximum(np.arange(n), low), 0, 1)
        for n, low, high in ((8, top, bottom), (10, left, right))
    )
    points = [
        (top * 1.0, left * 1.0),
        (top * 1.0, right * 1.0),
        (bottom * 1.0, right * 1.0),
        (bottom * 1.0, left * 1.0),
    ]
    np.testing.assert_array_equal(
        regions.polygon_mask(points, (8, 10), soft=True), np.outer(rows, columns).astype(np.float32)
    )


@pytest.mark.parametrize("points", [STAR, TRIANGLE, STAR[::-1]], ids=["star", "triangle", "reversed"])
def test_soft_polygons_hold_the_share_of_every_pixel(points):
    """Worst pixel within what 8 x 8 sub-pixels can resolve, and no bias: the areas agree much better than
    the pixels.
    """
    mask = regions.polygon_mask(points, (20, 24), soft=True)
    # An edge crosses at most 11 of a pixel's 64 sub-pixels and each is wrong by half at most: 11 / 2 / 64, rounded up.
    np.testing.assert_allclose(mask, coverage(points, 20, 24), rtol=0, atol=0.1)
    assert (
        abs(mask.sum() - shoelace(points)) <= perimeter(points) / 8 / 16
    )  # a sixteenth of a sub-pixel all along the edge


@pytest.mark.parametrize("points", [STAR, TRIANGLE], ids=["star", "triangle"])
def test_hard_polygons_take_the_pixels_that_are_half_covered(points):
    """Half and more is inside; only pixels within the sub-pixels' accuracy of one half may go either way."""
    mask, share = regions.polygon_mask(points, (20, 24)), coverage(points, 20, 24)
    assert set(np.unique(mask)) == {0, 1}
    wrong = (mask == 1) != (share >= 0.5)
    assert np.abs(share[wrong] - 0.5).max(initial=0) <= 0.1


def test_a_pixel_that_is_exactly_half_covered_is_inside():
    """Shares of 5/8 and 1/2 are in, 3/8 is out."""
    for share, last in ((0.625, 8), (0.5, 8), (0.375, 7)):
        points = [(2.0, 3.0), (2.0, 7 + share), (6.0, 7 + share), (6.0, 3.0)]
        np.testing.assert_array_equal(regions.polygon_mask(points, 10), filled((10, 10), slice(2, 6), slice(3, last)))


def test_polygons_are_cut_at_the_edge_of_the_image():
    """A corner outside the image changes nothing inside it."""
    points = [(-5.0, -4.0), (-5.0, 6.0), (4.0, 6.0), (4.0, -4.0)]
    np.testing.assert_array_equal(regions.polygon_mask(points, 10), filled((10, 10), slice(0, 4), slice(0, 6)))


def test_polygons_that_are_none_are_refused():
    one_line(regions.polygon_mask, [(1.0, 1.0), (5.0, 5.0)], 10, match="at least 3 corners, got 2")
    one_line(regions.polygon_mask, [(11.0, 11.0), (15.0, 11.0), (15.0, 19.0)], 10, match="polygon: empty")
    one_line(
        regions.polygon_mask,
        [(-1.0, -1.0), (-1.0, 11.0), (11.0, 11.0), (11.0, -1.0)],
        10,
        match="covers the whole image",
    )


# Label maps

LABELS = np.array([[0, 1, 1, 10], [4, 1, 11, 12], [5, 5, 10, 13]])


def test_labels_by_number_and_by_name():
    """Names are the authors' numbering of CelebAMask-HQ; several labels unite."""
    np.testing.assert_array_equal(
        regions.label_mask(LABELS, [10, "upper_lip", "lower_lip"]), np.isin(LABELS, [10, 11, 12])
    )
    np.testing.assert_array_equal(regions.label_mask(LABELS, ["left_eye"]), LABELS == 4)
    expected = dict(
        background=0,
        skin=1,
        nose=2,
        glasses=3,
        left_eye=4,
        right_eye=5,
        left_brow=6,
        right_brow=7,
        mouth=10,
        upper_lip=11,
    )
    assert expected.items() <= regions.FACE_LABELS.items()
    assert sorted(regions.FACE_LABELS.values()) == list(range(19))


def test_label_maps_are_resized_without_inventing_labels():
    """Enlarging by 3 repeats every label; shrinking back returns the map."""
    large = np.kron(LABELS, np.ones((3, 3), int))
    np.testing.assert_array_equal(regions.label_mask(LABELS, [1], (9, 12)), large == 1)
    np.testing.assert_array_equal(regions.label_mask(large, [1], (3, 4)), LABELS == 1)


def test_label_maps_that_do_not_fit_are_refused():
    one_line(regions.label_mask, LABELS, ["tail"], match=r"unknown labels \['tail'\].*skin")
    one_line(regions.label_mask, LABELS, [17], match="empty")
    one_line(regions.label_mask, LABELS, list(range(19)), match="whole image")
    one_line(regions.label_mask, LABELS[0], [1], match=r"\[H, W\], got shape \[4\]")


# Pictures

SHADES = np.array([[0, 255, 255, 100], [127, 128, 30, 255], [0, 0, 200, 255]], np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA", "I;16"])
def test_a_mask_is_read_from_any_kind_of_picture(tmp_path, mode):
    """Grey, colour, palette, 16-bit and transparent pictures with the same shades give the same mask."""
    array = SHADES.astype(np.uint16) * 257 if mode == "I;16" else SHADES
    path = png(tmp_path / "mask.png", array, None if mode == "I;16" else mode)
    np.testing.assert_array_equal(regions.load_mask(path), SHADES >= 128)
    # 16-bit shades may lose their last bit.
    np.testing.assert_allclose(
        regions.load_mask(path, soft=True), SHADES / 255, rtol=0, atol=1 / 255 if mode == "I;16" else 1e-6
    )


def test_a_black_and_white_picture_of_one_bit(tmp_path):
    path = png(tmp_path / "mask.png", SHADES >= 128)
    assert Image.open(path).mode == "1"
    np.testing.assert_array_equal(regions.load_mask(path), SHADES >= 128)


def test_coloured_palettes_are_read_by_their_colours(tmp_path):
    """The index of a palette means nothing: here 0 is white and 1 is black."""
    picture = Image.fromarray((SHADES < 128).astype(np.uint8), mode="P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(regions.load_mask(tmp_path / "mask.png"), SHADES >= 128)


def test_pictures_are_resized_by_area(tmp_path):
    """Soft: the mean of the block. Hard: inside where at least half of the block is."""
    shades = np.kron([[255, 0], [0, 255]], np.ones((4, 4))).astype(np.uint8)
    shades[0, 4:] = 255  # a quarter of the upper right block
    path = png(tmp_path / "mask.png", shades)
    np.testing.assert_array_equal(regions.load_mask(path, 2, soft=True), np.array([[1, 0.25], [0, 1]], np.float32))
    np.testing.assert_array_equal(regions.load_mask(path, 2), [[1, 0], [0, 1]])
    path = png(tmp_path / "tall.png", np.repeat(shades, 2, axis=0))
    np.testing.assert_array_equal(
        regions.load_mask(path, (8, 4))[:, 2], [1, 0, 0, 0, 1, 1, 1, 1]
    )  # the top row is half white


def test_files_that_are_no_masks_are_refused(tmp_path):
    """Missing, empty, text, truncated, black and white ones: one line that names the file."""
    one_line(regions.load_mask, tmp_path / "no.png", match=r"no\.png: no such file")
    for name, content in (("empty.png", b""), ("text.png", b"not a picture"), ("head.png", b"\x89PNG\r\n\x1a\n")):
        (tmp_path / name).write_bytes(content)
        one_line(regions.load_mask, tmp_path / name, match=f"{name}: not a readable picture")
    one_line(regions.load_mask, tmp_path, match="Is a directory")
    one_line(regions.load_mask, png(tmp_path / "black.png", np.zeros((8, 8), np.uint8)), match=r"black\.png: empty")
    one_line(
        regions.load_mask, png(tmp_path / "white.png", np.full((8, 8), 255, np.uint8)), match=r"white\.png.*whole image"
    )
    one_line(regions.load_mask, png(tmp_path / "dark.png", np.full((8, 8), 90, np.uint8)), match=r"dark\.png: empty")


# What masks look like

BLOB = np.zeros((32, 32), np.uint8)
BLOB[4:14, 6:20] = 1


@pytest.mark.parametrize(
    ("kind", "white"),
    [
        (np.uint8, 1),
        (np.uint8, 254),
        (np.uint16, 1),
        (np.uint16, 255),
        (np.uint16, 65535),
        (np.int32, 1),
        (np.int32, 255),
        (np.float32, 1.0),
        (np.float32, 255.0),
    ],
)
def test_white_is_told_by_the_numbers(tmp_path, kind, white):
    """0 and 1 are black and white at any depth; so are 0 and 255, and 0 and 65535."""
    path = png(tmp_path / "mask.tif", BLOB.astype(kind) * kind(white))
    np.testing.assert_array_equal(regions.load_mask(path), BLOB)
    np.testing.assert_array_equal(regions.load_mask(path, 64), np.kron(BLOB, np.ones((2, 2))))


@pytest.mark.parametrize("under", ["black", "white", "changing"])
def test_a_shape_in_transparency_is_read_there(tmp_path, under):
    """Whatever colour lies where nothing is seen; a picture that shows colours, too, is refused."""
    picture = Image.new("RGB", (32, 32), "black" if under == "black" else "white")
    if under == "changing":
        picture.paste((200, 30, 30), (0, 0, 3, 3))  # outside the shape, where it is transparent
    picture.putalpha(Image.fromarray(BLOB * 255))
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(regions.load_mask(tmp_path / "mask.png"), BLOB)
    picture.paste((90, 30, 30, 255), (8, 6, 12, 9))
    picture.save(tmp_path / "both.png")
    one_line(regions.load_mask, tmp_path / "both.png", match=r"both\.png: drawn in colours and in transparency")


@pytest.mark.parametrize("alpha", [255, 100, 0])
def test_transparency_that_is_the_same_everywhere_says_nothing(tmp_path, alpha):
    picture = Image.fromarray(BLOB * 255).convert("RGBA")
    picture.putalpha(alpha)
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(regions.load_mask(tmp_path / "mask.png"), BLOB)


@pytest.mark.parametrize("quality", [10, 40, 75, 95])
@pytest.mark.parametrize("blur", [0, 2])
def test_noisy_and_soft_edges_are_those_of_a_mask(tmp_path, quality, blur):
    """A JPEG is neither 0 nor 255 anywhere near an edge. What the mask is there, it is to a pixel."""
    large = np.kron(BLOB, np.ones((8, 8), np.uint8)) * 255
    Image.fromarray(large).convert("RGB").filter(ImageFilter.GaussianBlur(blur)).save(
        tmp_path / "mask.jpg", quality=quality
    )
    assert (regions.load_mask(tmp_path / "mask.jpg") != large / 255).mean() < 0.002


def test_a_mask_is_turned_as_its_file_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    path = png(tmp_path / "mask.png", BLOB * 255, exif=exif)
    np.testing.assert_array_equal(regions.load_mask(path), np.rot90(BLOB, -1))


GRADIENT = np.linspace(0, 255, 32, dtype=np.uint8)[None].repeat(32, 0)
COLOURS = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
MAP = np.where(np.roll(BLOB, 15, axis=0), 2, BLOB).astype(np.uint8)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (GRADIENT, "grey levels fill"),
        (COLOURS, "a photograph and no mask"),
        (np.array([[0, 0, 0], [255, 0, 0]], np.uint8)[BLOB], "a drawing in 2 colours and no mask"),
        (MAP, "empty.*FILE:1,2"),
        (MAP * 7, "empty.*FILE:7,14"),
        (MAP.astype(np.uint16) * 7, "empty.*FILE:7,14"),
        (MAP * 127, "areas of other levels.*FILE:127,254"),  # grey between black and white
        (
            np.where(MAP == 2, 255, MAP).astype(np.uint8),
            "areas of other levels.*FILE:1,255",
        ),  # 255 is what a map leaves undecided
    ],
)
def test_what_is_no_mask_is_refused_by_name(tmp_path, array, says):
    path = png(tmp_path / "no.png", array)
    one_line(regions.load_mask, path, match=rf"no\.png: {says}")
    one_line(regions.region_mask, path, 32, match=rf"no\.png: {says}")


def test_grey_levels_are_weights_where_that_is_asked_for(tmp_path):
    np.testing.assert_allclose(
        regions.load_mask(png(tmp_path / "soft.png", GRADIENT), soft=True), GRADIENT / 255, **rounding(np.float32)
    )


def test_a_mask_of_another_shape_is_refused(tmp_path):
    """Never squeezed; a side may be off by the rounding of a scale."""
    path = png(tmp_path / "wide.png", np.kron(BLOB, np.ones((1, 2), np.uint8)) * 255)
    one_line(regions.load_mask, path, 32, match=r"wide\.png: 64 x 32 pixels, but the image is 32 x 32")
    one_line(regions.region_mask, path, 64, match="64 x 32 pixels")
    assert regions.load_mask(path, (16, 32)).shape == (16, 32)
    assert regions.resize_mask(np.eye(4)[:3], (7, 9)).shape == (7, 9)
    one_line(regions.resize_mask, BLOB, (32, 31), match="32 x 32 pixels, but the image is 31 x 32")
    one_line(regions.label_mask, MAP, [1], (16, 32), match="but the image is 32 x 16")


# Pictures of label maps


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "RGB"])
def test_labels_of_a_picture_are_named_behind_it(tmp_path, mode):
    """By number or name; a palette's colours do not matter."""
    picture = Image.fromarray(MAP.astype(np.uint16) if mode == "I;16" else MAP)
    if mode == "P":
        picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    (picture.convert("RGB") if mode == "RGB" else picture).save(tmp_path / "map.png")
    named = f"{tmp_path}/map.png"
    np.testing.assert_array_equal(regions.region_mask(f"{named}:2", 32), MAP == 2)
    np.testing.assert_array_equal(regions.region_mask(f"{named}:skin,nose", 64), np.kron(MAP > 0, np.ones((2, 2))))
    np.testing.assert_array_equal(regions.load_labels(named), MAP)
    one_line(regions.region_mask, f"{named}:7", 32, match=r"map\.png:7: labels \[7\]: empty, the map has 0, 1, 2")
    one_line(regions.region_mask, f"{named}:tail", 32, match=r"unknown labels \['tail'\]")
    if mode == "P":
        one_line(regions.region_mask, named, 32, match=r"a palette of colours and no mask.*FILE:1,2")


@pytest.mark.parametrize("kind", [bool, np.uint8, np.uint16])
@pytest.mark.parametrize("zero", ["black", "white"])
def test_a_tiff_says_whether_zero_is_black(tmp_path, kind, zero):
    """Pillow turns 1 and 8 bits as it writes and reads them, and 16 neither way."""
    white = {bool: 1, np.uint8: 255, np.uint16: 65535}[kind]
    stored = (1 - BLOB if zero == "white" and kind is np.uint16 else BLOB).astype(kind) * kind(white)
    Image.fromarray(stored).save(tmp_path / "mask.tif", tiffinfo={262: int(zero == "black")})
    np.testing.assert_array_equal(regions.load_mask(tmp_path / "mask.tif"), BLOB)


def test_one_of_several_pictures_is_not_guessed(tmp_path):
    frames = [Image.fromarray(mask * 255) for mask in (BLOB, 1 - BLOB)]
    for name in ("mask.gif", "mask.tif", "mask.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        one_line(regions.load_mask, tmp_path / name, match=f"{name}: 2 pictures in one file")
        one_line(regions.region_mask, f"{tmp_path / name}:1", 32, match="2 pictures in one file")
        frames[0].save(tmp_path / name)
        np.testing.assert_array_equal(regions.load_mask(tmp_path / name), BLOB)


def test_a_label_may_not_be_an_index_and_the_grey_of_another(tmp_path):
    """A GIF keeps labels as indices of a palette that it makes; a palette of other greys, such as a mask's, cannot be
    mistaken.
    """
    Image.fromarray(np.where(MAP > 0, MAP + 1, 0).astype(np.uint8)).save(
        tmp_path / "map.gif"
    )  # 0, 2 and 3, stored as 0, 1 and 2
    one_line(regions.region_mask, f"{tmp_path}/map.gif:2", 32, match="other numbers than their indices")
    for greys in ((0, 1, 2), (0, 127, 255)):
        picture = Image.fromarray(MAP)
        picture.putpalette([grey for grey in greys for _ in range(3)])
        picture.save(tmp_path / "map.png")
        np.testing.assert_array_equal(regions.load_labels(tmp_path / "map.png"), MAP)


def test_labels_are_not_read_from_colours(tmp_path):
    one_line(regions.region_mask, f"{png(tmp_path / 'map.png', COLOURS)}:1", 32, match="in colour; a label map has")
    one_line(regions.region_mask, f"{tmp_path}/none.png:1", 32, match=r"none\.png: no such file")


def test_masks_of_real_users(shared):
    """Each is read as it was meant, or refused by name."""
    expected = filled((64, 64), *(slice(*sides) for sides in ((40, 50), (20, 44))))
    for name in ("mask01.png", "mask_alpha_black.png"):
        np.testing.assert_array_equal(regions.region_mask(shared / "cases" / name, 64), expected)
    one_line(regions.region_mask, shared / "cases/labels_palette.png", 64, match="FILE:12,17")
    one_line(regions.region_mask, shared / "cases/mask_wide.png", 64, match="128 x 64")


def test_damaged_pictures_raise_nothing_but_region_errors(tmp_path):
    """Cut anywhere, or with any byte changed: a mask or a RegionError, never another exception."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)).save(buffer, "PNG")
    whole, path = buffer.getvalue(), tmp_path / "mask.png"
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [whole[:k] + bytes([whole[k] ^ 0x55]) + whole[k + 1 :] for k in range(len(whole))]
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of very large pictures
                regions.load_mask(path)
        except RegionError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > len(damaged) / 2


# Sizes


def test_resize_takes_the_nearest_pixel_or_the_mean():
    mask = filled((4, 6), slice(1, 3), slice(2, 5))
    np.testing.assert_array_equal(regions.resize_mask(mask, (8, 12)), np.kron(mask, np.ones((2, 2))))
    np.testing.assert_allclose(
        regions.resize_mask(mask, (2, 3), soft=True), mask.reshape(2, 2, 3, 2).mean((1, 3)), **EXACT
    )
    np.testing.assert_array_equal(regions.resize_mask(mask, (4, 6)), mask)


def test_resize_keeps_soft_masks_in_range_and_about_their_area():
    """Also where the sizes do not divide one another."""
    mask = np.random.default_rng(0).random((9, 7)).astype(np.float32)
    small = regions.resize_mask(mask, (4, 3), soft=True)
    assert small.min() >= 0 and small.max() <= 1
    assert (
        abs(small.mean() - mask.mean()) < 0.01
    )  # where sizes do not divide, Pillow's box takes or leaves whole pixels


# A model's own regions


def test_shapes_unite_boxes_and_polygons_at_any_size():
    """Drawn at 16, asked for at 32 and not square; boxes and polygons of the same rectangle agree."""
    shapes = {"size": 16, "boxes": [[1, 2, 3, 4], [10, 10, 4, 2]]}
    expected = np.maximum(filled((16, 16), slice(1, 4), slice(2, 6)), filled((16, 16), slice(10, 14), slice(10, 12)))
    np.testing.assert_array_equal(regions.shapes_mask(shapes, 16), expected)
    np.testing.assert_array_equal(regions.shapes_mask(shapes, (32, 16)), np.repeat(expected, 2, axis=0))
    polygons = {"size": 16, "boxes": [[10, 10, 4, 2]], "polygons": [[(1, 2), (1, 6), (4, 6), (4, 2)]]}
    np.testing.assert_array_equal(regions.shapes_mask(polygons, (32, 16)), np.repeat(expected, 2, axis=0))


def test_inverted_shapes_are_what_is_left_over():
    shapes = {"size": 16, "boxes": [[1, 2, 3, 4]], "polygons": [[(8.0, 8.0), (15.0, 8.0), (15.0, 15.0)]]}
    np.testing.assert_array_equal(
        regions.shapes_mask(shapes | {"invert": True}, 24), 1 - regions.shapes_mask(shapes, 24)
    )
    np.testing.assert_array_equal(regions.shapes_mask(shapes | {"invert": False}, 24), regions.shapes_mask(shapes, 24))


@pytest.mark.parametrize(
    "shapes",
    [
        None,
        [1],
        {"boxes": [[1, 2, 3, 4]]},
        {"size": 16, "boxes": [[1, 2, 3]]},
        {"size": 16, "boxes": [["1", 2, 3, 4]]},
        {"size": 16, "boxes": [[1, 2, -3, 4]]},
        {"size": 16, "boxes": [[1, 2, np.nan, 4]]},
        {"size": 16, "boxes": [[np.nan, 2, 3, 4]]},
        {"size": 0, "boxes": [[1, 2, 3, 4]]},
        {"size": 16, "polygons": [[[1, 2], [3], [4, 5]]]},
        {"size": 0, "polygons": [[[1, 2], [3, 9], [4, 5]]]},
    ],
)
def test_shapes_that_are_written_otherwise_are_refused(shapes):
    """A person may have written them into `model.json`."""
    one_line(
        regions.region_mask,
        "mouth",
        16,
        {"mouth": shapes},
        match="mouth, a region of this model's: (shapes are written as|box )",
    )


def test_shapes_that_cover_nothing_are_refused():
    one_line(regions.shapes_mask, {"size": 16}, 16, match="empty")
    one_line(regions.shapes_mask, {"size": 16, "invert": True}, 16, match="whole image")


# Whatever a user calls a region

NAMED = {"mouth": {"size": 16, "boxes": [[10, 4, 3, 8]]}}


def test_a_models_own_region_comes_before_the_tables():
    """`mouth` is the model's; without model regions it is the paper's; `ffhq/mouth` always is."""
    np.testing.assert_array_equal(
        regions.region_mask("mouth", 16, NAMED), filled((16, 16), slice(10, 13), slice(4, 12))
    )
    np.testing.assert_array_equal(regions.region_mask("mouth", 64), regions.table_mask("mouth", 64))
    np.testing.assert_array_equal(regions.region_mask("ffhq/mouth", 64, NAMED), regions.table_mask("mouth", 64))
    np.testing.assert_array_equal(
        regions.region_mask("biggan/head0", 64, NAMED), regions.table_mask("head0", 64, "biggan")
    )


def test_a_table_name_that_the_model_lacks_is_refused():
    """A model with regions of its own is not aligned as the papers' faces are: their boxes must be asked for
    by table.
    """
    one_line(regions.region_mask, "nose", 16, NAMED, match="no region 'nose'; this model has mouth,")
    one_line(regions.region_mask, "nosee", 16, match="no region 'nosee'; this model has left_eye, ")
    one_line(regions.region_mask, "biggan/mouth", 16, match="no region 'biggan/mouth'")
    one_line(regions.region_mask, "zoo/mouth", 16, match="no region 'zoo/mouth'")


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_a_path_is_read_and_resized(tmp_path, kind):
    path = png(tmp_path / "mouth.png", np.kron(SHADES, np.ones((2, 2), np.uint8)))
    np.testing.assert_array_equal(regions.region_mask(kind(path), (3, 4), NAMED), SHADES >= 128)


def test_an_array_is_taken_as_it_is():
    """Hard, soft and boolean arrays; no resizing behind the user's back."""
    soft = np.linspace(0, 1, 16).reshape(4, 4)
    np.testing.assert_array_equal(regions.region_mask(soft, 4), soft.astype(np.float32))
    np.testing.assert_array_equal(regions.region_mask(soft > 0.3, 4), soft > 0.3)
    one_line(regions.region_mask, soft, 8, match=r"shape \[4, 4\], wants \[8, 8\]")


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (np.zeros((4, 4)), "empty"),
        (np.ones((4, 4)), "whole image"),
        (np.full((4, 4), np.nan), r"weights must lie in \[0, 1\]"),
        (np.where(np.eye(4), np.inf, 0), r"weights must lie in \[0, 1\]"),
        (np.eye(4) * 1.001, r"weights must lie in \[0, 1\]"),
        (np.eye(4) - 0.1, r"weights must lie in \[0, 1\]"),
        (np.eye(4) * 255, r"weights must lie in \[0, 1\]"),
        (np.eye(4)[None], r"shape \[1, 4, 4\], wants \[4, 4\]"),
        (np.eye(4)[0], r"shape \[4\]"),
        (np.eye(5)[:4], r"shape \[4, 5\]"),
    ],
)
def test_arrays_that_are_no_masks_are_refused(mask, match):
    one_line(regions.region_mask, mask, 4, match=match)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float16])
def test_an_array_of_any_kind_of_number_is_a_mask(kind):
    np.testing.assert_array_equal(regions.region_mask(BLOB.astype(kind), 32), BLOB)
    if kind is not bool and kind is not np.float16:
        np.testing.assert_array_equal(regions.region_mask(BLOB.astype(kind) * 255, 32), BLOB)
        one_line(regions.region_mask, MAP.astype(kind), 32, match="integers are 0 and 1, or 0 and 255")


@pytest.mark.parametrize("region", [BLOB * 1j, BLOB.astype("datetime64[s]"), BLOB.astype(str)])
def test_what_is_no_array_of_numbers_is_refused(region):
    one_line(regions.region_mask, region, 32, match="an array of numbers is wanted")


def test_a_soft_mask_that_is_full_nowhere_passes():
    """Half a weight everywhere leaves half a weight for the rest."""
    half = np.full((4, 4), 0.5, np.float32)
    np.testing.assert_array_equal(regions.check(half), half)


def test_shapes_are_drawn_on_an_image_of_its_own_sides():
    """[height, width] of an image that is no square, and one number, which stands for both."""
    shapes = {"boxes": [[2, 8, 3, 4]], "polygons": [[[0, 0], [0, 4], [2, 4], [2, 0]]]}
    expected = np.zeros((16, 32), np.float32)
    expected[4:10, 16:24] = expected[:4, :8] = 1
    np.testing.assert_array_equal(regions.shapes_mask(shapes | {"size": [8, 16]}, (16, 32)), expected)
    square = regions.shapes_mask({"size": 8, "boxes": [[2, 4, 3, 2]]}, (16, 32))
    np.testing.assert_array_equal(square, expected * (np.arange(16)[:, None] >= 4))


@pytest.mark.parametrize("pixels", [0.5, 3, 8.0])
def test_feathering_is_a_gaussian_that_goes_on_beyond_the_border(pixels):
    """Pixel by pixel, by a sum over the whole plane that is as large as it matters, in float64."""
    mask = regions.box_mask(0, 3, 7, 6, (13, 17))
    far, deviation = 20, pixels / 4
    wide = np.pad(mask.astype(np.float64), far, mode="edge")
    rows, columns = np.mgrid[-far : far + 1, -far : far + 1]
    weights = np.exp(-(rows**2 + columns**2) / (2 * deviation**2))
    expected = np.array(
        [[(wide[r : r + 2 * far + 1, c : c + 2 * far + 1] * weights).sum() for c in range(17)] for r in range(13)]
    )
    # What lies beyond four deviations is left out: 6e-5 of the sum.
    np.testing.assert_allclose(regions.feathered(mask, pixels), expected / expected.max(), atol=2e-4)


def test_an_edge_falls_off_over_as_many_pixels():
    """From 0.98 to 0.02, half of them inside; along the edge nothing changes."""
    mask = regions.box_mask(0, 0, 40, 50, (40, 100))
    soft = regions.feathered(mask, 20)
    assert np.ptp(soft, axis=0).max() < 1e-6
    np.testing.assert_allclose(np.interp([39.5, 49.5, 59.5], np.arange(100), soft[0]), [0.977, 0.5, 0.023], atol=2e-3)
    np.testing.assert_array_equal(regions.feathered(mask, 0), mask)
    assert regions.feathered(regions.box_mask(9, 9, 2, 2, 20), 12).max() == 1  # narrower than its edge


@pytest.mark.parametrize("pixels", [-1, np.nan, 17, True])
def test_feathers_that_make_no_sense_are_refused(pixels):
    with pytest.raises(ValueError, match="^feather must be"):
        regions.feathered(regions.box_mask(1, 1, 3, 3, 16), pixels)
