"""Faces cut out of photographs and put back: transforms by hand, inverses, and a portrait."""

import json

import metric_oracles as oracle
import numpy as np
import pytest
from PIL import Image
from reference import astronaut
from tolerances import EXACT, rounding

import lrgan_jax as lr
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.pictures import Picture
from lrgan_jax.metrics import MetricsError
from lrgan_jax.photographs import Aligned, Framing, Photograph, align, find_points, framing_of
from lrgan_jax.photographs.crop import cut
from lrgan_jax.photographs.framing import crop_map, ffhq_quad, framed_quad, three_points
from lrgan_jax.photographs.model_framing import KNOWN, measured
from lrgan_jax.photographs.warp import inverted, moved, warped

FACE = np.array([[100.0, 80.0], [100.0, 120.0], [140.0, 85.0], [140.0, 115.0]])
QUAD = np.array([[24.0, 20.0], [24.0, 180.0], [184.0, 180.0], [184.0, 20.0]])  # FFHQ's of FACE, by hand
CENTRED = Framing((0.4, 0.3), (0.4, 0.7), (0.8, 0.5))
SIZE = (210, 200)


def photo_of(values, dtype=np.uint8) -> Photograph:
    """Of numbers in [-1, 1]."""
    white = np.iinfo(dtype).max
    colours = np.rint((np.clip(values, -1, 1) + 1) * (white / 2)).astype(dtype)
    return Photograph(Picture(colours, white, None, None, "RGB", False))


def turned(points, angle, scale=1.0, shift=(0.0, 0.0)):
    """Clockwise, seen as pictures are."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return scale * np.asarray(points) @ np.array([[cosine, -sine], [sine, cosine]]) + shift


def middles(size):
    return np.stack(np.meshgrid(*(np.arange(side) + 0.5 for side in size), indexing="ij"), -1)


def blobs(size, spots, width):
    """White spots on black, [H, W, 3]: one a place, the third in colour 0, 1, 2, 0."""
    image = np.full((*size, 3), -1.0)
    for i, middle in enumerate(spots):
        image[..., i % 3] += 2 * np.exp(-np.square((middles(size) - middle) / width).sum(-1) / 2)
    return image


def middle_of(weights):
    return (middles(weights.shape) * weights[..., None]).sum((0, 1)) / weights.sum()


def smooth(points):
    """A picture without edges, of any places [..., 2] in pixels."""
    row, column = np.moveaxis(np.asarray(points), -1, 0)
    return np.stack([np.sin(row / 23), np.cos(column / 31), np.sin((row + column) / 41)], -1) * 0.7


# ---- Transforms by hand.


def test_ffhqs_square_by_hand():
    """Level eyes 40 apart, the mouth 40 below: 80 to each side of a point 4 below the eyes; and it turns and grows with
    the face.
    """
    np.testing.assert_allclose(ffhq_quad(FACE), QUAD, **rounding(np.float64, 100))
    for angle, scale, shift in ((0.4, 1.0, (0, 0)), (-2.0, 3.0, (7, -9)), (np.pi, 0.5, (400, 300))):
        found = ffhq_quad(turned(FACE, angle, scale, shift))
        np.testing.assert_allclose(found, turned(QUAD, angle, scale, shift), rtol=0, atol=1e-9)
    long = FACE + [[0, 0], [0, 0], [40, 0], [40, 0]]  # 80 from eyes to mouth: 1.8 of these are more than 2 of 40
    np.testing.assert_allclose(ffhq_quad(long)[[0, 2]], [[108 - 144, 100 - 144], [108 + 144, 100 + 144]], atol=1e-9)


@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_a_framing_is_met(size):
    """Where a similarity brings the face there, exactly; else nothing nearer is found by trying."""
    there = np.array([(0.4, 0.3), (0.4, 0.7), (0.8, 0.4), (0.8, 0.6)]) * size
    for angle, scale, shift in ((0.0, 1.0, (0, 0)), (0.7, 2.5, (50, 20)), (-3.0, 0.3, (90, 90))):
        quad = framed_quad(turned(there, angle, scale, shift), CENTRED, size)
        back = inverted(crop_map(quad, size))
        np.testing.assert_allclose(moved(back, turned(there, angle, scale, shift)), there, rtol=0, atol=1e-9)

    def missed(map):
        return np.square(moved(map, np.array(CENTRED) * size) - three_points(FACE)).sum()

    best = crop_map(framed_quad(FACE, CENTRED, size), size)
    for angle, scale, shift in ((1e-3, 1, (0, 0)), (-1e-3, 1, (0, 0)), (0, 1.001, (0, 0)), (0, 1, (0.01, -0.01))):
        assert missed(np.column_stack([turned(best[:, :2].T, angle, scale).T, best[:, 2] + shift])) > missed(best)
    smiling = FACE + [[0, 0], [0, 0], [0, -9], [0, 9]]
    np.testing.assert_allclose(framed_quad(smiling, CENTRED, size), framed_quad(FACE, CENTRED, size), atol=1e-9)


@pytest.mark.parametrize(("angle", "scale"), [(0.0, 1.0), (0.3, 0.8), (-0.5, 1.6), (3.0, 1.0)])
@pytest.mark.parametrize("framing", [None, CENTRED])
def test_what_is_painted_at_eyes_and_mouth_lies_where_it_should(angle, scale, framing):
    """To half a pixel of a crop of 64, of spots at the four points of a turned face."""
    size = (400, 420)
    face = turned(FACE - 100, angle, scale, (200, 210))
    crop = align(photo_of(blobs(size, face, 6)), 64, points=face, framing=framing)
    quad = ffhq_quad(face) if framing is None else framed_quad(face, framing, (64, 64))
    np.testing.assert_allclose(crop.quad, quad, **EXACT)
    wanted = moved(inverted(crop_map(quad, (64, 64))), face)
    if framing is None:
        np.testing.assert_allclose(wanted, (FACE - QUAD[0]) * 64 / 160, rtol=0, atol=1e-9)
    assert not crop.outside.any()
    near = 6 * np.abs(middles((64, 64)) - wanted[:, None, None]).max(-1) < 60
    found = [middle_of((crop.image[..., i % 3] + 1) * near[i]) for i in (1, 2)]
    np.testing.assert_allclose(found, wanted[[1, 2]], rtol=0, atol=0.5)
    both = middle_of((crop.image[..., 0] + 1) * (near[0] | near[3]))
    np.testing.assert_allclose(both, (wanted[0] + wanted[3]) / 2, rtol=0, atol=0.5)


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.7, 9.0])
def test_warped_is_the_picture_at_the_places(scale):
    """A smooth picture turned, shifted and enlarged or shrunk: its own formula at the new places, to 2 of 255."""
    corner = turned([[0, 0], [0, 20], [20, 20], [20, 0]], 0.35, scale, (150, 220))
    map = crop_map(corner, (20, 20))
    image = smooth(middles((420, 460)))
    np.testing.assert_allclose(
        warped(image, map, (20, 20)),
        smooth(moved(map, middles((20, 20)).reshape(-1, 2))).reshape(20, 20, 3),
        atol=0.016,
    )


@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_nothing_finer_than_its_pixels_is_left_of_a_shrunk_picture(angle):
    """A chequerboard and stripes become even grey, but for half a period of pixels that a new one's edges may hold."""
    rows, columns = np.indices((300, 300))
    for pattern, period in (((rows + columns) % 2, 2), (columns // 2 % 2, 4)):
        image = np.repeat(pattern[..., None] * 2.0 - 1, 3, -1)
        for scale in (6.0, 9.7, 14.2):
            quad = turned([[0, 0], [0, 10], [10, 10], [10, 0]], angle, scale, (80, 60))
            assert np.abs(warped(image, crop_map(quad, (10, 10)), (10, 10))).max() < period / (2 * scale) + 0.02


def test_beyond_the_photograph_lies_its_reflection():
    values = smooth(middles(SIZE))
    wide = np.pad(values, ((60, 60), (60, 60), (0, 0)), mode="symmetric")
    quad = turned([[0, 0], [0, 90], [90, 90], [90, 0]], 0.3, 1.0, (-20, -30))
    crop = Aligned(photo_of(values), quad, (45, 45))
    np.testing.assert_allclose(crop.image, cut(photo_of(wide), quad + 60, (45, 45)), **rounding(np.float32, 100))
    inside = moved(crop_map(quad, (45, 45)), middles((45, 45)).reshape(-1, 2))
    beyond = (inside < 0).any(-1) | (inside > SIZE).any(-1)
    np.testing.assert_array_equal(crop.outside.ravel(), beyond)
    assert 0.1 < beyond.mean() < 0.9


# ---- The way back.


@pytest.mark.parametrize("size", [32, 200])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_not_edited_stays_bit_for_bit(dtype, size):
    """All of it where nothing is edited; else all that lies outside the crop, which is changed to its very rim."""
    photo = photo_of(np.random.default_rng(0).uniform(-0.5, 0.5, (*SIZE, 3)), dtype)
    face = turned(FACE - 100, 0.4, 0.8, (100, 40))  # a part of whose crop lies outside
    crop = align(photo, size, points=face)
    assert crop.outside.any()
    before = photo.picture.colours
    np.testing.assert_array_equal(crop.put_back(crop.image).picture.colours, before, strict=True)
    after = crop.put_back(crop.image + 0.5).picture.colours
    back = moved(inverted(crop_map(crop.quad, crop.size)), middles(SIZE).reshape(-1, 2))
    inside = ((back > 0) & (back < size)).all(-1).reshape(SIZE)
    np.testing.assert_array_equal(after[~inside], before[~inside])
    deep = ((back > 0.02 * size) & (back < 0.98 * size)).all(-1).reshape(SIZE)
    assert (after[deep] > before[deep]).all()


@pytest.mark.parametrize("size", [40, 150, 400])
def test_an_edit_comes_back_where_it_was_made(size):
    """Spots painted in the crop lie at their places in the photograph to half a pixel of the coarser of the two, and a
    smooth change has its own size there.
    """
    photo = photo_of(np.zeros((*SIZE, 3)), np.uint16)
    crop = align(photo, size, points=turned(FACE - 100, -0.3, 0.7, (105, 100)))
    scale = np.hypot(*(crop.quad[1] - crop.quad[0])) / size
    spots = np.array([[0.35, 0.3], [0.6, 0.5], [0.4, 0.7]]) * size
    edit = (blobs(crop.size, spots, 0.04 * size) + 1) * 0.4
    after = crop.put_back(edit, of=np.zeros_like(edit)).part(*map(np.arange, SIZE)).astype(float)
    found = [middle_of(after[..., i] * (after[..., i] > 0.01)) for i in range(3)]
    np.testing.assert_allclose(found, moved(crop_map(crop.quad, crop.size), spots), rtol=0, atol=0.5 * max(1, scale))
    np.testing.assert_allclose(after.max((0, 1)), 0.8, atol=0.04)


def test_there_and_back_is_the_photograph():
    """A smooth change of the photograph, cut out, put back into the photograph without it: the change, where the
    feather lets all through.
    """
    values, bump = np.zeros((*SIZE, 3)), blobs(SIZE, [(120, 100)] * 3, 12) + 1
    changed, plain = photo_of(values + 0.4 * bump, np.uint16), photo_of(values, np.uint16)
    crop = align(plain, 96, points=FACE)
    again = crop.put_back(align(changed, 96, points=FACE).image).part(*map(np.arange, SIZE))
    np.testing.assert_allclose(again, changed.part(*map(np.arange, SIZE)), atol=2 / 255)


def test_feathers():
    """A change fades out from all of it to nothing, over the share of the crop that was asked for."""
    photo = photo_of(np.zeros((*SIZE, 3)), np.uint16)
    for feather, reach in ((0.0, 1), (0.1, 16), (0.5, 80)):
        crop = align(photo, 32, points=FACE, feather=feather)
        after = crop.put_back(np.full((32, 32, 1), 0.5), of=np.zeros((32, 32, 1))).part(np.array([104]), np.arange(180))
        line = after[0, 20:100, 0]
        assert (np.diff(line) >= -1e-4).all() and line[0] >= 0
        np.testing.assert_allclose(line[reach:], 0.5, atol=1e-3)
        assert reach == 1 or 0.2 < line[reach // 2] < 0.3
    with pytest.raises(InputError, match="feather must be"):
        align(photo, 32, points=FACE, feather=0.6)


def test_a_record_is_all_but_the_photograph():
    photo = photo_of(smooth(middles(SIZE)))
    crop = align(photo, (48, 32), points=FACE, framing=CENTRED)
    again = Aligned.from_record(photo, json.loads(json.dumps(crop.record)))
    np.testing.assert_array_equal(again.image, crop.image)
    assert again.record == crop.record and again.size == (48, 32)
    quads = ([[1, 2]], [["a"] * 2] * 4, [[np.nan] * 2] * 4, [[1, 2]] * 4)
    damages = [{"quad": quad} for quad in quads] + [{"size": [0, 3]}, {"feather": 2}, {"feather": None}]
    for damage in damages:
        with pytest.raises(InputError, match="no record of a crop"):
            Aligned.from_record(photo, {**crop.record, **damage})
    with pytest.raises(InputError, match="no record of a crop"):
        Aligned.from_record(photo, {})


# ---- Boxes and points by hand.


def test_boxes_for_what_is_no_face():
    """The pixels of the box, and the largest middle part of the crop's shape."""
    values = smooth(middles(SIZE))
    photo = photo_of(values, np.uint16)
    np.testing.assert_allclose(align(photo, (30, 40), box=(50, 60, 30, 40)).image, values[50:80, 60:100], atol=1e-4)
    middle = align(photo, (200, 200), box="middle")
    np.testing.assert_allclose(middle.image, values[5:205], atol=1e-4)
    tall = align(photo, (64, 32), box="middle").quad
    np.testing.assert_allclose(tall, [[0, 47.5], [0, 152.5], [210, 152.5], [210, 47.5]])
    with pytest.raises(InputError, match="box is top, left, height and width inside the photograph of 210 rows"):
        align(photo, 32, box=(100, 100, 150, 50))


def test_five_points_are_four_and_a_nose():
    photo = photo_of(smooth(middles(SIZE)))
    five = np.insert(FACE, 2, [120, 100], 0)
    np.testing.assert_array_equal(align(photo, 32, points=five).quad, align(photo, 32, points=FACE).quad)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"points": FACE[[1, 0, 2, 3]]}, "another order"),
        ({"points": FACE[[0, 1, 3, 2]]}, "another order"),
        ({"points": FACE[[2, 3, 0, 1]] + 0}, "another order"),
        ({"points": FACE[:, ::-1]}, "another order"),
        ({"points": FACE[:3]}, r"got \(3, 2\)"),
        ({"points": FACE + 100}, "outside the photograph of 210 rows"),
        ({"points": FACE * np.nan}, "finite"),
        ({"points": np.full((4, 2), 50.0)}, "another order"),
        ({"points": FACE, "box": "middle"}, "one of face, points and box"),
        ({"points": turned(FACE - 100, 0.0, 1.0, (20, 20)).clip(0.5)}, "cut off: .* of its crop lie outside"),
        ({"points": FACE, "size": (64, 32)}, "FFHQ's crops are square"),
        ({"points": (FACE - 100) / 30 + 50}, "a crop of 28 pixels of the photograph is too small"),
        ({"points": FACE, "size": 0}, "size must be at least 1"),
    ],
)
def test_what_makes_no_crop_is_refused_in_one_line(wrong, why):
    with pytest.raises(InputError, match=why) as caught:
        align(photo_of(np.zeros((*SIZE, 3))), **{"size": 32, **wrong})
    assert "\n" not in str(caught.value)


def test_another_size_is_not_put_back():
    crop = align(photo_of(np.zeros((*SIZE, 3))), 32, points=FACE)
    with pytest.raises(InputError, match=r"edited is \(16, 16, 3\), and the crop \(32, 32, 3\)"):
        crop.put_back(np.zeros((16, 16, 3)))


# ---- With the networks that find faces.

EYES_AND_MOUTH = np.array([[101, 203], [103, 246], [140, 202], [142, 245]])  # of the portrait, looked at
PORTRAIT = (slice(0, 256), slice(96, 352))


@pytest.fixture(scope="module")
def portrait():
    for name in ("face_detection", "face_landmarks"):
        oracle.load_or_skip(name)
    return Photograph(Picture(astronaut()[PORTRAIT], 255, None, None, "RGB", False))


def test_a_portrait_is_aligned(portrait):
    """Its points to a tenth of the distance of the eyes; turned, the same crop."""
    found = find_points(portrait) + (0, 96)
    assert np.abs(found - EYES_AND_MOUTH).max() < 4.3
    crop = align(portrait, 64)
    np.testing.assert_allclose(crop.quad, align(portrait, 64, points=EYES_AND_MOUTH - (0, 96)).quad, atol=10)
    image = Image.fromarray(portrait.picture.colours).rotate(20, Image.Resampling.BICUBIC)
    tilted = align(Photograph(Picture(np.array(image), 255, None, None, "RGB", False)), 64)
    back = turned(tilted.quad - 128, np.deg2rad(20), 1.0, (128, 128))
    np.testing.assert_allclose(back, crop.quad, atol=0.03 * 170)


def test_of_several_faces_one_is_chosen(portrait):
    """By number; without one they are listed, if none is by far the largest."""
    face = portrait.picture.colours[40:200, 60:220]
    half = np.array(Image.fromarray(face).resize((96, 96), Image.Resampling.LANCZOS))
    both = np.concatenate([face, face[:, ::-1]], 1)
    photo = Photograph(Picture(both, 255, None, None, "RGB", False))
    with pytest.raises(
        InputError, match="2 faces are found; choose one by its number: 0 at row .*; 1 at row "
    ) as caught:
        align(photo, 64)
    assert "\n" not in str(caught.value)
    columns = sorted(align(photo, 64, face=number).quad[:, 1].mean() for number in (0, 1))
    assert columns[0] < 160 < columns[1]
    with pytest.raises(InputError, match="2 faces are found; choose"):
        align(photo, 64, face=2)
    beside = np.full((160, 160, 3), 128, np.uint8)
    beside[32:128, 32:128] = half
    smaller = Photograph(Picture(np.concatenate([face, beside], 1), 255, None, None, "RGB", False))
    assert align(smaller, 64).quad[:, 1].mean() < 160


def test_no_face_and_half_a_face(portrait):
    none = Photograph(Picture(portrait.picture.colours[180:], 255, None, None, "RGB", False))
    with pytest.raises(InputError, match="no face is found in the photograph"):
        align(none, 64)
    half = Photograph(Picture(np.ascontiguousarray(portrait.picture.colours[106:]), 255, None, None, "RGB", False))
    with pytest.raises(InputError, match="the face is cut off: its eye on the left lies outside"):
        align(half, 64)


def test_without_the_networks_the_commands_are_said(monkeypatch, tmp_path, small_stylegan2):
    """And a box or points are enough."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    photo = photo_of(smooth(middles(SIZE)))
    for asking in (lambda: align(photo, 32), lambda: measured(small_stylegan2, num=2)):
        with pytest.raises(MetricsError, match="face_detection.* is not there yet: run `npm pack"):
            asking()
    assert align(photo, 32, points=FACE).image.shape == align(photo, 32, box="middle").image.shape == (32, 32, 3)


def test_the_embedded_models_framings_are_known():
    for name in lr.embedded_models():
        assert framing_of(lr.load(name)) is KNOWN[lr.load(name).info.fingerprint]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["faces-dcgan", "faces64"])
def test_a_models_framing_is_measured(name, portrait):
    """Of the embedded models, to half a pixel of 64 of what is known; a portrait then lies as their faces do."""
    gen = lr.load(name)
    found = measured(gen, seed=3)
    np.testing.assert_allclose(found, KNOWN[gen.info.fingerprint], atol=0.5 / 64)
    crop = align(portrait, gen.size, framing=found)
    there = moved(inverted(crop_map(crop.quad, crop.size)), three_points(find_points(portrait))) / gen.size
    np.testing.assert_allclose(there, found, atol=0.03)


@pytest.mark.slow
def test_a_model_of_no_faces_has_no_framing(small_stylegan2, portrait):
    with pytest.raises(InputError, match="0 of 4 images of the model show one face; give a box instead"):
        measured(small_stylegan2, num=4)
