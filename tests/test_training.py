"""The trainer's pieces against oracles: finite differences in float64, plain loops, many devices against one, a kill
against none.
"""

import dataclasses
import io
import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tolerances import EXACT, rounding, worst

from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, ops, stylegan2
from lrgan_jax.models import checkpoint
from lrgan_jax.regions import RegionError, load_mask
from lrgan_jax.training import (
    DataError,
    DiscriminatorConfig,
    Schedule,
    TrainConfig,
    TrainingError,
    discriminator,
    folder,
    losses,
    sampled,
    train,
)
from lrgan_jax.training import step as steps
from lrgan_jax.training.augment import adapted, augment, colour, geometry, warp

G = StyleGAN2Config(channels=(6, 5), z_dim=5, w_dim=6, mapping_layers=2, mapping_features=6, embed_features=0)
D = DiscriminatorConfig(channels=(6, 5), group=2)
CONFIG = TrainConfig(G, D, batch=8, r1_every=2, path_every=2, average_images=50.0)
DIFFERENCE = 1e-6  # relative error of a central difference in float64 of these functions, at steps of 1e-5


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of 20 pictures of 8x8."""
    path = tmp_path_factory.mktemp("faces")
    for k in range(20):
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (8, 8, 3), np.uint8)).save(path / f"{k:02}.png")
    return path


@pytest.fixture(scope="module")
def networks():
    """float64 parameters of both networks; noise that shows."""
    variables = jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), G)
    params = jax.tree_util.tree_map_with_path(
        lambda path, a: a + 0.1 if path[-1].key == "noise_strength" else a, variables["params"]
    )
    with jax.enable_x64(True):
        trees = (params, variables["buffers"], jax.jit(discriminator.init, static_argnums=1)(jax.random.key(1), D))
        return jax.tree.map(lambda a: jnp.asarray(np.asarray(a), jnp.float64), trees)


def along(f, params, key):
    """The derivative of f along a random direction: by jax.grad, and by a central difference."""
    f = jax.jit(f)  # one program, where every operation would be one
    leaves, tree = jax.tree.flatten(params)
    direction = tree.unflatten(
        [jax.random.normal(jax.random.fold_in(key, i), a.shape, a.dtype) for i, a in enumerate(leaves)]
    )
    slope = sum(
        jnp.vdot(a, b)
        for a, b in zip(jax.tree.leaves(jax.jit(jax.grad(f))(params)), jax.tree.leaves(direction), strict=True)
    )
    high, low = (f(jax.tree.map(lambda a, d, h=h: a + h * d, params, direction)) for h in (1e-5, -1e-5))
    return float(slope), float((high - low) / 2e-5)


def test_r1_is_the_squared_gradient_and_its_own_gradient_is_right(networks):
    """The value by differences over all pixels of one image; the gradient by differences along random parameters."""
    _, _, critic = networks
    with jax.enable_x64(True):
        images = jax.random.normal(jax.random.key(2), (2, 8, 8, 3), jnp.float64)
        score = partial(discriminator.score, D)

        @jax.jit
        def total(flat):
            return score(critic, flat.reshape(images.shape)).sum()

        flat, h = images.ravel(), 1e-5
        steps_ = h * jnp.eye(flat.size)
        slopes = jax.vmap(lambda s: total(flat + s) - total(flat - s))(steps_) / (2 * h)
        value = losses.r1(partial(score, critic), images)
        np.testing.assert_allclose(value, jnp.square(slopes).sum() / 2, rtol=DIFFERENCE)
        exact, estimate = along(jax.jit(lambda p: losses.r1(partial(score, p), images)), critic, jax.random.key(3))
    assert exact == pytest.approx(estimate, rel=DIFFERENCE)


def test_path_length_is_the_pulled_back_norm_and_its_gradient_is_right(networks):
    params, buffers, _ = networks
    with jax.enable_x64(True):
        ws = jax.random.normal(jax.random.key(4), (G.num_ws, G.w_dim), jnp.float64)
        y = jax.random.normal(jax.random.key(5), (8, 8, 3), jnp.float64)

        def length(p):
            f = lambda ws: stylegan2.synthesize(G, {"params": p, "buffers": buffers}, ws[None])[0]  # noqa: E731
            return losses.path_length(f, ws, y)

        J = jax.jit(
            jax.jacfwd(lambda ws: stylegan2.synthesize(G, {"params": params, "buffers": buffers}, ws[None])[0])
        )(ws)
        rows = np.einsum("hwc,hwcld->ld", np.asarray(y), np.asarray(J)) / 8  # 8 is the root of the pixels
        np.testing.assert_allclose(length(params), np.sqrt(np.square(rows).sum(1).mean()), rtol=1e-9)
        exact, estimate = along(jax.jit(lambda p: jnp.square(length(p) - 0.3)), params, jax.random.key(6))
    assert exact == pytest.approx(estimate, rel=DIFFERENCE)


def test_losses_are_the_cross_entropies_they_are_named_after():
    real, fake = np.array([0.3, -2.0, 40.0]), np.array([-1.0, 0.5, 3.0])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    expected = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    np.testing.assert_allclose(losses.discriminator_loss(jnp.asarray(real), jnp.asarray(fake)), expected, rtol=1e-6)
    np.testing.assert_allclose(losses.generator_loss(jnp.asarray(fake)), -np.log(sigmoid(fake)).mean(), rtol=1e-6)


def test_feature_matching_sums_mean_differences_and_half_precision_loses_nothing_in_the_sum():
    found = [jnp.array([[1.0, -2.0]]), jnp.ones((1, 4096), jnp.bfloat16)]
    wanted = [jnp.array([[0.5, 1.0]]), jnp.full((1, 4096), 0.75, jnp.bfloat16)]
    assert losses.feature_matching(found, wanted) == (0.5 + 3.0) / 2 + 0.25


def filtered(x, filter, padding):
    """A true convolution along both axes, in plain loops."""
    x = np.pad(x, ((0, 0), padding, padding, (0, 0)))
    taps, n = np.outer(filter, filter)[::-1, ::-1], len(filter)
    out = np.zeros((len(x), x.shape[1] - n + 1, x.shape[2] - n + 1, x.shape[3]))
    for i in range(n):
        for j in range(n):
            out += taps[i, j] * x[:, i : i + out.shape[1], j : j + out.shape[2]]
    return out


@pytest.mark.parametrize("filter", [(0.125, 0.375, 0.375, 0.125), (0.5, 0.3, 0.2), (1.0,)])
def test_down_conv_filters_and_then_strides(filter):
    """Against loops; an asymmetric filter tells a convolution from a correlation."""
    random = np.random.default_rng(0)
    x, kernel = random.standard_normal((2, 8, 6, 3)), random.standard_normal((3, 3, 3, 4))
    n = len(filter)
    b = filtered(x, filter, (n // 2, (n + 1) // 2))
    expected = np.zeros((2, 4, 3, 4))
    for i in range(4):
        for j in range(3):
            expected[:, i, j] = np.einsum("nhwi,hwio->no", b[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3], kernel)
    with jax.enable_x64(True):
        found = ops.down_conv(jnp.asarray(x), jnp.asarray(kernel), filter)
        smaller = ops.downsample(jnp.asarray(x), filter)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(
        smaller, filtered(x, filter, ((n - 1) // 2, max(n - 2, 0) // 2 if n > 1 else 0))[:, ::2, ::2], atol=1e-12
    )


@pytest.mark.parametrize("padding, taps", [("SAME", 3), ("VALID", 3), (((1, 1), (0, 0)), 2), ("SAME", 1)])
def test_the_fast_kernel_gradient_is_the_plain_one(padding, taps):
    """Reverse, forward and second derivatives of `ops.conv` against those of XLA's convolution."""
    keys = jax.random.split(jax.random.key(0), 4)
    with jax.enable_x64(True):
        x, k = (
            jax.random.normal(keys[0], (2, 6, 5, 3), jnp.float64),
            jax.random.normal(keys[1], (taps, taps, 3, 4), jnp.float64),
        )
        dx, dk = jax.random.normal(keys[2], x.shape, jnp.float64), jax.random.normal(keys[3], k.shape, jnp.float64)

        def plain(x, k):
            return jax.lax.conv_general_dilated(x, k, (1, 1), padding, dimension_numbers=ops.NHWC)

        @partial(jax.jit, static_argnums=0)
        def derivatives(conv, x, k):
            loss = lambda x, k: jnp.sin(conv(x, k, padding) if conv is ops.conv else conv(x, k)).sum()  # noqa: E731
            slopes = jax.grad(loss, (0, 1))
            return (
                slopes(x, k),
                jax.jvp(loss, (x, k), (dx, dk))[1],
                jax.jvp(slopes, (x, k), (dx, dk))[1],
                jax.grad(lambda k: jnp.square(jax.grad(loss)(x, k)).sum())(k),
            )

        for found, expected in zip(
            jax.tree.leaves(derivatives(ops.conv, x, k)), jax.tree.leaves(derivatives(plain, x, k)), strict=True
        ):
            np.testing.assert_allclose(found, expected, atol=1e-9)


def test_group_deviation_sees_only_its_own_group():
    x = np.random.default_rng(0).standard_normal((4, 2, 2, 3)).astype(np.float32)
    found = discriminator.group_deviation(jnp.asarray(x), 2)
    for group in (0, 1):
        part = x[2 * group : 2 * group + 2]
        np.testing.assert_allclose(
            found[2 * group : 2 * group + 2], np.sqrt(part.var(0) + 1e-8).mean(), **rounding(np.float32, 12)
        )
    with pytest.raises(ValueError, match="groups of 3"):
        discriminator.group_deviation(jnp.asarray(x), 3)


# --- augmentation ---

KEYS = 4000


def test_p_zero_changes_nothing():
    image = jax.random.uniform(jax.random.key(0), (8, 8, 3), minval=-1, maxval=1)
    for k in range(5):
        np.testing.assert_allclose(augment(jax.random.key(k), image, 0.0), image, **EXACT)


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_geometry_has_the_statistics_of_the_paper(p):
    """Log of the area: two normals of 0.2 (isotropic, in both axes); determinant's sign: flipped half of the time that
    p allows.
    """
    maps = np.asarray(jax.vmap(lambda key: geometry(key, p, (32, 32)))(jax.random.split(jax.random.key(1), KEYS)))
    determinants = np.linalg.det(maps[:, :2, :2].astype(np.float64))
    assert abs((determinants < 0).mean() - p / 2) < 4 * np.sqrt(0.25 / KEYS)
    area = np.log2(np.abs(determinants))
    assert np.sqrt(np.mean(area**2)) == pytest.approx(2 * 0.2 * np.sqrt(p), rel=0.1)
    # The image's centre: whole and fractional shifts, of variance 0.25^2 / 12 and 0.125^2 of the size, and rounding to
    # whole pixels.
    moved = maps[:, :2, 2] / 32
    assert np.mean(moved**2) == pytest.approx(p * (0.25**2 / 12 + 0.125**2), rel=0.15)
    np.testing.assert_allclose(maps[:, 2], np.tile([0, 0, 1], (KEYS, 1)), atol=1e-6)


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_colours_have_the_statistics_of_the_paper(p):
    maps, brightness = (
        np.asarray(a) for a in jax.vmap(lambda key: colour(key, p))(jax.random.split(jax.random.key(2), KEYS))
    )
    assert (brightness != 0).mean() == pytest.approx(p, abs=0.04)
    assert brightness.std() == pytest.approx(0.2 * np.sqrt(p), rel=0.06)
    grey = maps @ np.ones(3) / 3  # contrast times the luma flip, on every channel alike
    np.testing.assert_allclose(grey, np.repeat(grey[:, :1], 3, 1), atol=1e-5)
    contrast = 3 * grey[:, 0]
    assert (contrast < 0).mean() == pytest.approx(p / 2, abs=0.04)
    assert np.log2(np.abs(contrast)).std() == pytest.approx(0.5 * np.sqrt(p), rel=0.06)
    red = np.array([2.0, -1.0, -1.0]) / 3  # a hue: turned about grey, and scaled by contrast and saturation
    stretch = np.log2(np.linalg.norm(maps @ red, axis=1) / np.linalg.norm(red) / np.abs(contrast))
    assert stretch.std() == pytest.approx(np.sqrt(p), rel=0.08)
    turned = np.einsum("k,nk->n", red, maps @ red) / np.linalg.norm(maps @ red, axis=1) / np.linalg.norm(red)
    assert (turned < 0.999).mean() == pytest.approx(p, abs=0.06)


def test_warp_moves_whole_pixels_exactly_and_mirrors_the_border():
    image = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    shift = jnp.eye(3).at[0, 2].set(1.0)  # each pixel reads the one below
    np.testing.assert_allclose(warp(jnp.asarray(image), shift), image[[1, 2, 3, 2]], **EXACT)
    turn = jnp.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(warp(jnp.asarray(image), turn)[..., 0], np.rot90(image[..., 0], -1), **EXACT)


def test_p_follows_the_overfitting():
    p = jnp.float32(0.5)
    assert float(adapted(p, jnp.float32(0.9), 0.6, 5000)) == pytest.approx(0.51)
    assert float(adapted(p, jnp.float32(0.2), 0.6, 5000)) == pytest.approx(0.49)
    assert float(adapted(jnp.float32(0.0), jnp.float32(-1.0), 0.6, 5000)) == 0.0
    assert float(adapted(jnp.float32(1.0), jnp.float32(1.0), 0.6, 5000)) == 1.0


# --- data ---


def test_a_folder_is_shown_whole_before_any_image_comes_again(faces):
    data = folder(faces, 4, seed=3)
    epoch = np.concatenate([np.asarray(data.batch(step)) for step in range(5)])
    assert len(np.unique(epoch.reshape(20, -1), axis=0)) == 20
    known = {np.asarray(Image.open(file)).tobytes() for file in faces.iterdir()}
    assert {np.rint((image + 1) * 127.5).astype(np.uint8).tobytes() for image in epoch} == known
    np.testing.assert_array_equal(data.batch(7), folder(faces, 4, seed=3).batch(7))
    assert not np.array_equal(data.batch(0), data.batch(5))


def test_mirroring_flips_about_half(faces):
    plain, mirrored = folder(faces, 20, seed=3), folder(faces, 20, seed=3, mirror=True)
    a, b = (np.concatenate([np.asarray(data.batch(step)) for step in range(10)]) for data in (plain, mirrored))
    same, flipped = ((a == other).all((1, 2, 3)) for other in (b, b[:, :, ::-1]))
    assert (same | flipped).all() and 60 < flipped.sum() < 140


def test_samples_of_a_conditional_model_are_refused(small_stylegan2):
    conditional = StyleGAN2(dataclasses.replace(small_stylegan2.config, c_dim=2), small_stylegan2.variables)
    with pytest.raises(DataError, match="need labels, which training does not know"):
        sampled(conditional, 4)


def test_samples_of_a_generator_are_fresh_and_the_reference_is_apart(small_dcgan):
    data = sampled(small_dcgan, 4)
    seen = np.concatenate([np.asarray(data.batch(step)) for step in range(3)] + [np.asarray(data.reference(6))])
    assert seen.shape == (18, 16, 16, 3)
    assert len(np.unique(seen.reshape(18, -1), axis=0)) == 18
    np.testing.assert_array_equal(data.batch(1), sampled(small_dcgan, 4).batch(1))


@pytest.mark.parametrize("on_sphere", [False, True])
def test_samples_tell_the_latents_they_were_made_from(small_dcgan, on_sphere):
    data = sampled(small_dcgan, 4, on_sphere=on_sphere)
    z = data.latents(3)
    np.testing.assert_allclose(data.batch(3), small_dcgan.synthesis(z), **rounding(np.float32))
    lengths = np.linalg.norm(z, axis=1) / small_dcgan.z_dim**0.5
    assert (np.abs(lengths - 1) < 1e-5).all() == on_sphere


def test_bad_data_is_refused_in_one_line(faces, tmp_path):
    with pytest.raises(DataError, match="holds 20 images, fewer than a batch of 32"):
        folder(faces, 32)
    for k, size in enumerate([(8, 8), (8, 9)]):
        Image.new("RGB", size).save(tmp_path / f"{k}.png")
    with pytest.raises(DataError, match="not square and of one size"):
        folder(tmp_path, 2)
    assert folder(tmp_path, 2, resolution=8).resolution == 8
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"0\.png cannot be read"):
        folder(tmp_path, 2)


LIGHT = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def shown(path, num=1, **options):
    """The images of a folder in the order of their names, as bytes."""
    data = folder(path, num, **options)
    return np.rint((np.asarray(data.reference(num)) + 1) * 127.5).astype(np.uint8), data.notes


def test_16_bits_keep_their_scale(tmp_path):
    Image.fromarray(LIGHT.astype(np.uint16) * 257).save(tmp_path / "0.tif")
    (image,), notes = shown(tmp_path)
    np.testing.assert_array_equal(image[..., 0], LIGHT)
    assert notes == ("1 of 1 images have 16 bits: 0 to 65535 becomes 0 to 255",)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (LIGHT.astype(np.uint16), "no value above 255 of 65535"),
        (LIGHT.astype(np.int32) * 257, "nothing says what is white"),
        (LIGHT.astype(np.float32) / 255, "nothing says what is white"),
        (np.dstack([LIGHT] * 3 + [0 * LIGHT]), "wholly transparent"),
    ],
)
def test_pictures_without_a_known_scale_are_refused_by_name(tmp_path, array, says):
    Image.fromarray(array).save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match=rf"deep\.tif cannot be read as an image: .*{says}"):
        folder(tmp_path, 1)


def deep_png(array):
    """The content of a PNG of 16 bits a channel, which Pillow cannot write."""
    height, width, channels = array.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in array)
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(lines), b"IEND": b""}
    coded = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_of_colour_keep_their_scale(tmp_path, channels):
    """Of which Pillow gives the upper 8, so numbers up to 255 would all be black."""
    array = np.dstack([LIGHT, LIGHT.T, 255 - LIGHT, 0 * LIGHT + 255][:channels]).astype(np.uint16)
    (tmp_path / "0.png").write_bytes(deep_png(array * 257))
    (image,), notes = shown(tmp_path)
    np.testing.assert_array_equal(image, array[..., :3])
    assert notes == ("1 of 1 images have 16 bits: 0 to 65535 becomes 0 to 255",)
    array[..., 3:] = 65535
    (tmp_path / "0.png").write_bytes(deep_png(array))
    with pytest.raises(DataError, match=r"0\.png cannot be read as an image: 16 bits, and no value above 255"):
        folder(tmp_path, 1)
    with pytest.raises(RegionError, match="empty as far as its upper 8 bits go"):
        load_mask(io.BytesIO((tmp_path / "0.png").read_bytes()))


def test_grey_among_colour_becomes_coloured(tmp_path):
    Image.fromarray(LIGHT).save(tmp_path / "old.png")
    Image.fromarray(np.dstack([LIGHT, LIGHT, 255 - LIGHT])).save(tmp_path / "new.png")
    images, notes = shown(tmp_path, 2)
    assert {image.tobytes() for image in images} == {
        np.dstack([LIGHT, LIGHT, c]).tobytes() for c in (LIGHT, 255 - LIGHT)
    }
    assert notes == ("1 of 2 images are grey, and become coloured as the others are: old.png",)
    (tmp_path / "new.png").unlink()
    assert shown(tmp_path)[0].shape == (1, 8, 8, 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_pictures_of_every_mode_look_as_they_do_elsewhere(tmp_path, mode):
    picture = Image.fromarray(LIGHT).convert(mode)
    picture.save(tmp_path / "0.tif")
    (image,), notes = shown(tmp_path)
    np.testing.assert_array_equal(np.broadcast_to(image, (8, 8, 3)), np.asarray(picture.convert("RGB")))
    assert len(notes) == (mode == "CMYK")


def test_pictures_are_turned_as_their_cameras_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8  # to be turned by a quarter, anticlockwise
    Image.fromarray(LIGHT).save(tmp_path / "0.png", exif=exif)
    np.testing.assert_array_equal(shown(tmp_path)[0][0, ..., 0], np.rot90(LIGHT))


def test_what_is_transparent_lies_on_white(tmp_path):
    """Half of it where it is half transparent, whatever colour is stored there."""
    alpha = np.repeat(np.array([0, 51, 255, 255], np.uint8), 2)[:, None].repeat(8, 1)
    Image.fromarray(np.dstack([LIGHT] * 3 + [alpha])).save(tmp_path / "0.png")
    (image,), notes = shown(tmp_path)
    np.testing.assert_array_equal(image[:2], 255)
    np.testing.assert_allclose(image[2:4, :, 0], 0.2 * LIGHT[2:4] + 0.8 * 255, rtol=0, atol=0.5)
    np.testing.assert_array_equal(image[4:, :, 1], LIGHT[4:])
    assert notes == ("1 of 1 images are transparent in places: laid on white",)


def test_strays_are_passed_over_and_counted(tmp_path):
    """What a Mac or an editor leaves behind does not stop a run; what is no picture by its name is said."""
    for name in ("0.png", "b/1.PNG", "__MACOSX/0.png", "._0.png", ".cache/0.png", ".DS_Store", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(LIGHT).save(tmp_path / name, "PNG") if name in ("0.png", "b/1.PNG") else (
            tmp_path / name
        ).write_bytes(b"no image")
    data = folder(tmp_path, 1)
    assert data.size == 2
    notes = (
        "hidden files are passed over: 4, such as .DS_Store",
        "files that do not end as images do are passed over: 1 (.txt)",
    )
    assert data.notes == notes
    with pytest.raises(
        DataError, match=r"holds 2 images, fewer than a batch of 3; hidden files .*; files .* 1 \(.txt\)"
    ):
        folder(tmp_path, 3)


def test_what_is_left_out_of_a_folder_is_said(tmp_path):
    """Links that lead to no file, and all pictures of an animation but the first."""
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "gone.png").symlink_to("nothing.png")
    black, white = (Image.new("L", (8, 8), grey) for grey in (0, 255))
    black.save(tmp_path / "data" / "0.png", save_all=True, append_images=[white])
    data = folder(tmp_path / "data", 1)
    assert data.size == 1 and (data.batch(0) == -1).all()
    assert data.notes == (
        "links to folders, or to nothing, are not followed: 2, such as gone.png",
        "1 of 1 images are animations or stacks: the first picture of each is taken",
    )


def test_enlarged_images_are_counted(tmp_path):
    for size in (4, 8, 16):
        Image.new("L", (size, 16)).save(tmp_path / f"{size}.png")
    assert folder(tmp_path, 1, resolution=8).notes == ("1 of 3 images are smaller than 8 pixels: enlarged",)


def test_an_odd_size_is_named(tmp_path):
    for name, size in (("0.png", 8), ("1.png", 8), ("2.png", 16)):
        Image.new("L", (size, size)).save(tmp_path / name)
    with pytest.raises(DataError, match=r"one size \(0.png is 8x8, 2.png is 16x16\)"):
        folder(tmp_path, 1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("photos_16bit", "4 of 4 images have 16 bits"),
        ("photos_one_gray", "old.jpg"),
        ("photos_macos", "hidden files are passed over: 2"),
    ],
)
def test_folders_of_real_users(shared, name, says):
    data = folder(shared / "cases" / name, 4, resolution=16)
    images = np.asarray(data.batch(0))
    assert abs(images.mean()) < 0.2 and images.std() > 0.2  # neither black nor white
    assert len(data.notes) == 1 and says in data.notes[0]


# --- steps ---


def mesh(num):
    devices = jax.devices()
    if len(devices) < num:
        pytest.skip(f"needs {num} devices")
    return jax.make_mesh((num,), (steps.AXIS,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices[:num])


def reals_of(config, k):
    return jax.random.uniform(
        jax.random.fold_in(jax.random.key(9), k), (config.batch, 8, 8, 3), np.float32, minval=-1, maxval=1
    )


def after(config, num_steps, num_devices=1, *, always=False, latents=None):
    state, metrics = steps.init(config, 0), {}
    for k in range(num_steps):
        due = {"regularise_r1": always or k % 2 == 1, "regularise_path": always or k % 2 == 1}
        state, metrics = steps.train_step(config, mesh(num_devices), state, reals_of(config, k), latents, **due)
    return jax.device_get((state, metrics))


def test_a_step_moves_both_networks_and_the_averages():
    state, metrics = after(CONFIG, 2)
    fresh = jax.device_get(steps.init(CONFIG, 0))
    for name in ("generator", "discriminator", "average"):
        pairs = zip(jax.tree.leaves(getattr(state, name)), jax.tree.leaves(getattr(fresh, name)), strict=True)
        assert np.mean([bool((a != b).any()) for a, b in pairs]) > 0.9, name
    assert state.step == 2 and np.any(state.buffers["mapping"]["w_avg"])
    assert 0 < state.path_mean == metrics["path_length"] and metrics["r1"] > 0  # the first measurement begins the mean
    assert np.isfinite([*metrics.values()]).all()
    assert not {"matched", "l1"} & metrics.keys()


def test_the_first_average_is_near_the_weights_and_later_ones_lag():
    """At first the half-life is 5 % of what was seen, so the average is the newest weights to 2^-20."""
    state, _ = after(CONFIG, 1)
    assert (
        max(
            worst(a, b)
            for a, b in zip(jax.tree.leaves(state.average), jax.tree.leaves(state.generator), strict=True)
            if b.any()
        )
        < 1e-4
    )


Z = jax.random.normal(jax.random.key(5), (8, G.z_dim))
MATCHING = dataclasses.replace(CONFIG, match=10.0, path_weight=0.0, learning_rate=0.01)


def test_matching_brings_each_latent_to_its_own_image():
    """The first step's figures by other means: no noise shows yet, the generator is the fresh one and the critic is one
    update old. Then eight plain colours by heart, which nothing but matching could pair with their latents.
    """
    reals = jnp.broadcast_to(reals_of(MATCHING, 0)[:, :1, :1], (8, 8, 8, 3))
    state = steps.init(MATCHING, 0)
    fresh, due = (
        steps.averaged(MATCHING, jax.tree.map(jnp.array, state)),
        {"regularise_r1": False, "regularise_path": False},
    )
    state, metrics = steps.train_step(MATCHING, mesh(1), state, reals, Z, **due)
    made = fresh.synthesis(fresh.mapping(Z))
    features = [discriminator.score_and_features(D, state.discriminator, x)[1] for x in (made, reals)]
    assert [a.shape for a in features[0]] == [(8, 4, 4, 6)]
    l1 = np.abs(np.asarray(made) - np.asarray(reals)).mean()
    assert metrics["l1"] == pytest.approx(l1, rel=1e-5)
    assert metrics["matched"] == pytest.approx(
        l1 + np.abs(np.asarray(features[0][0] - features[1][0])).mean(), rel=1e-5
    )

    for _ in range(300):
        state, _ = steps.train_step(MATCHING, mesh(1), state, reals, Z, **due)
    trained = StyleGAN2(G, {"params": state.generator, "buffers": state.buffers})
    apart = np.abs(np.asarray(trained.synthesis(trained.mapping(Z)))[:, None] - np.asarray(reals)).mean(
        (2, 3, 4)
    )  # [latent, image]
    assert np.diag(apart).mean() < 0.4 * apart[~np.eye(8, dtype=bool)].mean()


@pytest.mark.slow
def test_four_devices_train_as_one(tmp_path):
    """In a process that is given four: the same two steps, with regularisers. Adam with b1 = 0 moves every weight by
    about the learning rate whatever its gradient, so where a gradient is all rounding its sign may differ: hence a
    large epsilon here.
    """
    program = (
        "import sys, numpy as np, jax, optax, functools\n"
        "import test_training as t\n"
        "from lrgan_jax.training import step as steps\n"
        "steps.optax.adam = functools.partial(optax.adam, eps=1e-2)\n"
        "for n in (1, 4):\n"
        "    leaves = jax.tree.leaves((t.after(t.CONFIG, 2, n, always=True), t.after(t.MATCHING, 2, n, latents=t.Z)))\n"
        "    np.savez(f'{sys.argv[1]}/{n}.npz', *leaves)\n"
    )
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "4", "JAX_PLATFORMS": "cpu"}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        env=environment,
        cwd=Path(__file__).parent,
        timeout=500,
    )
    one, four = (np.load(tmp_path / f"{n}.npz") for n in (1, 4))
    assert len(one.files) > 50
    for name in one.files:
        np.testing.assert_allclose(four[name], one[name], rtol=2e-4, atol=2e-5)


@pytest.mark.slow
def test_low_precision_stays_close():
    """bfloat16 in the layers: the first losses agree to its 8 bits, the weights stay float32.

    Augmentation begins at p = 0, then rises.
    """
    config = dataclasses.replace(CONFIG, precision="bfloat16", augment_target=-0.9)
    state, metrics = after(config, 1)
    _, expected = after(CONFIG, 1)
    assert {leaf.dtype for leaf in jax.tree.leaves((state.generator, state.discriminator, state.average))} == {
        np.dtype("float32")
    }
    assert metrics["loss_d"] == pytest.approx(float(expected["loss_d"]), rel=0.05)
    assert state.augment_p == metrics["augment_p"] == np.float32(8 / 500_000)


# --- runs ---


def run_in(out, data, images=48):
    lines = []
    gen = train(
        CONFIG, data, out, Schedule(images, log_every=2, snapshot_every=2, compared=0), seed=1, report=lines.append
    )
    return gen, lines


def test_a_run_leaves_what_it_says_and_its_model_is_a_checkpoint(faces, tmp_path):
    gen, lines = run_in(tmp_path / "run", folder(faces, 8))
    assert [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()] == lines
    assert [line["images"] for line in lines if "loss_g" in line] == [16, 32, 48]
    assert all("r1" in line and "path_length" in line for line in lines if "loss_g" in line)
    loaded = checkpoint.load(tmp_path / "run" / "models" / "000000048")
    for a, b in zip(jax.tree.leaves(loaded.variables), jax.tree.leaves(gen.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {p.name for p in (tmp_path / "run" / "samples").iterdir()} == {
        "000000016.png",
        "000000032.png",
        "000000048.png",
    }


@pytest.mark.slow
def test_killed_at_any_moment_a_run_ends_the_same(faces, tmp_path):
    """A process that is killed with SIGKILL as soon as a snapshot is there, resumed twice, against one that never
    stopped: bit for bit.
    """
    expected, _ = run_in(tmp_path / "whole", folder(faces, 8), images=80)
    program = (
        "import sys, os, signal\n"
        "import test_training as t\n"
        "count = 0\n"
        "def report(line):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == 4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "schedule = t.Schedule(80, log_every=2, snapshot_every=2, compared=0)\n"
        "t.train(t.CONFIG, t.folder(sys.argv[1], 8), sys.argv[2], schedule, seed=1, report=report)\n"
    )
    command = [sys.executable, "-c", program, str(faces), str(tmp_path / "killed")]
    done = subprocess.run(command, cwd=Path(__file__).parent, timeout=500)
    assert done.returncode == -signal.SIGKILL
    found, lines = run_in(tmp_path / "killed", folder(faces, 8), images=80)
    assert lines[0]["step"] > 2, "it resumed"
    for a, b in zip(jax.tree.leaves(found.variables), jax.tree.leaves(expected.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "killed")]
    without_speed = [
        [{k: v for k, v in json.loads(line).items() if k != "images_per_second"} for line in log] for log in logs
    ]
    assert without_speed[0] == without_speed[1]


def test_a_run_goes_on_only_with_its_own_settings(faces, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(TrainingError, match="holds something else"):
        run_in(tmp_path / "other", folder(faces, 8))
    (tmp_path / "run").mkdir()
    settings = {"config": dataclasses.asdict(CONFIG) | {"batch": 16}, "seed": 1}
    (tmp_path / "run" / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(TrainingError, match=r"config\.batch is 16, not 8"):
        run_in(tmp_path / "run", folder(faces, 8))


def test_what_does_not_fit_is_refused(faces, tmp_path, small_dcgan):
    schedule = Schedule(8)
    for config, data, message in (
        (dataclasses.replace(CONFIG, batch=7), folder(faces, 7), "whole groups of 2"),
        (CONFIG, sampled(small_dcgan, 8), "for images of 8 pixels"),
        (dataclasses.replace(CONFIG, generator=dataclasses.replace(G, c_dim=2)), folder(faces, 8), "without labels"),
        (MATCHING, folder(faces, 8), "the latent of every image"),
        (dataclasses.replace(MATCHING, augment_target=0.6), sampled(small_dcgan, 8), "no augmentation"),
        (
            dataclasses.replace(MATCHING, generator=dataclasses.replace(G, z_dim=3)),
            sampled(small_dcgan, 8),
            f"z of {small_dcgan.z_dim}",
        ),
    ):
        with pytest.raises(TrainingError, match=message):
            train(config, data, tmp_path / "run", schedule)
    assert not (tmp_path / "run").exists()
