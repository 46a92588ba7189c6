"""What a notebook shows: HTML that parses, the right pictures in it, and never an error in their place."""

import copy
import dataclasses
import gc
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from looks import look
from PIL import Image

import lrgan_jax as lr
from lrgan_jax import display, images
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2
from lrgan_jax.generators.shown import facts
from lrgan_jax.previews import FEW, FRAMES
from lrgan_jax.regions import box_mask


def picture_maker(shape, c_dim=0, name="moving <parts>"):
    maps = jnp.asarray(np.random.default_rng(0).standard_normal((6, *shape)) / 3, jnp.float32)
    shifts = jnp.linspace(-1, 1, max(c_dim, 1))

    def f(z, c=None):
        return jnp.tanh(jnp.tensordot(z, maps, 1) + (0 if c is None else c @ shifts))

    return lr.from_function(f, 6, c_dim=c_dim, name=name)


@pytest.fixture(scope="module")
def conditional():
    config = StyleGAN2Config(channels=(8, 6), z_dim=8, w_dim=9, c_dim=3, mapping_layers=2, mapping_features=9)
    return StyleGAN2(config, jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(2), config))


@pytest.fixture(scope="module")
def generators(small_stylegan2, small_dcgan, conditional):
    return {
        "stylegan2": small_stylegan2,
        "dcgan": small_dcgan,
        "with classes": conditional,
        "a function": picture_maker((12, 20, 3)),
        "a function with classes": picture_maker((12, 20, 1), c_dim=2),
        "a function with opacity": picture_maker((12, 20, 4)),
    }


KINDS = ["stylegan2", "dcgan", "with classes", "a function", "a function with classes", "a function with opacity"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_shows_samples_and_facts(generators, kind):
    """The images of seed 0, of all classes in turn, as `seeded` has them; one line in a terminal."""
    gen = generators[kind]
    shown = look(gen)
    labels = np.eye(gen.c_dim, dtype=np.float32)[np.arange(8) % gen.c_dim] if gen.c_dim else None
    expected = gen.synthesis(gen.mapping(lr.sample_z(gen, jax.random.key(0), 8), labels))
    for picture, image in zip(shown.pictures(), images.to_uint8(expected), strict=True):
        assert np.abs(picture[..., :3].astype(int) - image).max() <= 1 and (picture[..., 3] == 255).all()
    for fact in (gen.info.name, type(gen).__name__, "16 x 16" if gen.size == (16, 16) else ""):
        assert fact in shown.text
    assert all(image["alt"] for image in shown.images)
    assert "\n" not in repr(gen) and len(repr(gen)) < 120 and type(gen).__name__ in repr(gen)
    assert bool(gen.c_dim) == ("classes" in shown.text)


def test_the_facts(generators, conditional):
    """Parameters are what is trained, without noise pictures and averages."""
    params = jax.tree.leaves(conditional.variables["params"])
    assert facts(conditional)["parameters"] == f"{sum(a.size for a in params):,}"
    assert facts(conditional)["latent"] == "z 8 to w 9, 4 layers" and facts(conditional)["classes"] == "3"
    assert facts(generators["dcgan"])["latent"] == "z 10"
    assert facts(generators["a function"])["images"] == "20 x 12 pixels"


def test_a_generator_that_fails_shows_its_facts():
    """And says what hinders it."""
    gen = lr.from_function(lambda z: jnp.full((4, 6, 3), jnp.inf) + z[0], 3, name="overflows")
    shown = look(gen)
    assert not shown.images and "overflows" in shown.text and "no pictures: InputError: the image is not" in shown.text


LAYERED = [("stylegan2", True), ("with classes", True)]


@pytest.mark.parametrize(("kind", "per_layer"), [*((kind, False) for kind in KINDS), *LAYERED])
def test_directions_show_strips(generators, kind, per_layer):
    """A strip each, the image itself in its middle, the ends where the region changes as much for each."""
    gen = generators[kind]
    c = np.eye(gen.c_dim, dtype=np.float32)[[1, 0]] if gen.c_dim else None
    w = gen.mapping(lr.sample_z(gen, jax.random.key(1), 2), c)
    box = box_mask(2, 2, 4, 4, gen.size)
    found = lr.find_directions(gen, w[:1], box, num=2, per_layer=per_layer)
    shown = look(found)
    strips = [strip[..., :3].astype(int) for strip in shown.pictures()]
    assert len(strips) == len(found)
    height, width = gen.size
    (plain,) = images.to_uint8(lr.render(gen, lr.to_ws(gen, w[:1]))).astype(int)
    for k, strip in enumerate(strips):
        assert strip.shape[:2] == (height, FRAMES * (width + display.GAP) - display.GAP)
        middle = FRAMES // 2 * (width + display.GAP)
        assert np.abs(strip[:, middle : middle + width] - plain).max() <= 1
        reach = (0.04 / found.inside[k]) ** 0.5
        (last,) = images.to_uint8(lr.render(gen, lr.edit(lr.to_ws(gen, w[:1]), found[k], reach)))
        assert np.abs(strip[:, -width:] - last).max() <= 1
    assert "everything else" in shown.text and "lr.show" not in shown.text
    assert len(look(found[0]).images) == 1


def test_directions_tell_what_they_know(small_stylegan2):
    """Facts of the search and its numbers, whatever signs their names hold."""
    regions = {"<eyes> & co": {"size": 16, "boxes": [[3, 4, 4, 4]]}, "mouth": {"size": 16, "boxes": [[10, 4, 4, 4]]}}
    gen = StyleGAN2(small_stylegan2.config, small_stylegan2.variables, lr.ModelInfo("small", regions=regions))
    w = gen.mapping(lr.sample_z(gen, jax.random.key(1), 3))
    settings = {"layers": "1-3", "protect": {"mouth": 0.5}, "method": "projected", "num": 2, "lam": 0.2}
    found = lr.find_directions(gen, w, "<eyes> & co", **settings)
    shown = look(found)
    for fact in ("<eyes> & co", "projected", "small", "layers 1-3", "mouth (0.5)", "average of 3", "lam 0.2", "kept"):
        assert fact in shown.text
    assert repr(found).startswith("<2 directions for <eyes> & co, by projected, of small, layers 1-3")


def test_many_directions_show_the_first(small_stylegan2):
    found = lr.Directions(np.eye(12, dtype=np.float32))
    shown = look(lr.show(found, small_stylegan2))
    assert len(shown.images) == 8 and "and 4 more" in shown.text
    assert repr(found) == "<12 directions, all layers>"


@pytest.fixture
def found(small_stylegan2):
    w = small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(1), 1))
    return lr.find_directions(small_stylegan2, w, "mouth", num=2)


def test_pictures_are_no_part_of_directions(found, tmp_path):
    """Neither saved, compared, hashed, pickled nor copied; what is loaded shows numbers, and `show` adds the strips."""
    bare = dataclasses.replace(found, preview=None)
    assert found.preview is not None and found == bare and hash(found) == hash(bare)
    assert found.to_bytes() == bare.to_bytes()
    for other in (
        lr.Directions.load(found.save(tmp_path / "f.npz")),
        pickle.loads(pickle.dumps(found)),
        copy.copy(found),
    ):
        assert other == found and other.preview is None
        shown = look(other)
        assert not shown.images and "mouth" in shown.text and "lr.show(directions, gen, w)" in shown.text


def test_show_adds_strips(found, small_stylegan2, tmp_path):
    """Of a given latent or of image 0 of seed 0; the generator stays for as long as they do."""
    loaded = lr.Directions.load(found.save(tmp_path / "f.npz"))
    w = small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(1), 1))
    assert lr.show(loaded) is loaded and lr.show(small_stylegan2) is small_stylegan2
    assert look(lr.show(loaded, small_stylegan2, w)).images == look(found).images
    shown = lr.show(loaded, StyleGAN2(small_stylegan2.config, small_stylegan2.variables))
    gc.collect()
    assert shown == found and len(look(shown).images) == len(found)
    with pytest.raises(InputError, match="12 numbers, the latents 6: not the same model"):
        lr.show(loaded, picture_maker((12, 20, 3)))
    with pytest.raises(InputError, match="synthesis takes w"):
        lr.show(loaded, small_stylegan2, np.zeros((1, 5), np.float32))


def test_directions_keep_no_generator(small_stylegan2):
    """Once it is gone, so are the strips."""
    gen = StyleGAN2(small_stylegan2.config, small_stylegan2.variables)
    found = lr.find_directions(gen, gen.mapping(lr.sample_z(gen, jax.random.key(1), 1)), "mouth", num=2)
    assert len(look(found).images) == len(found)
    del gen
    gc.collect()
    shown = look(found)
    assert not shown.images and "lr.show(directions, gen, w)" in shown.text


def test_strips_that_fail_leave_the_numbers(found):
    def fails(directions):
        raise MemoryError("out of <memory>\nand more")

    shown = look(dataclasses.replace(found, preview=fails))
    assert not shown.images and "no pictures: MemoryError: out of <memory>" in shown.text and "leak" in shown.text


def test_large_images_show_few_and_small():
    """Three pictures a strip, each shrunk."""
    gen = picture_maker((24, 300, 3))
    found = lr.find_directions(gen, lr.sample_z(gen, jax.random.key(0), 1), box_mask(2, 2, 4, 4, (12, 150)), num=1)
    (strip,) = look(found).pictures()
    assert strip.shape[:2] == (13, FEW * (160 + display.GAP) - display.GAP)


def png(thing):
    return np.asarray(Image.open(io.BytesIO(lr.show(thing)._repr_png_())))


@pytest.mark.parametrize(("num", "rows", "columns"), [(1, 1, 1), (5, 1, 5), (8, 1, 8), (11, 2, 8)])
def test_images_are_shown(num, rows, columns):
    """Side by side, eight in a row, each pixel repeated, and the page between them."""
    pictures = np.random.default_rng(0).uniform(-1, 1, (num, 20, 30, 3)).astype(np.float32)
    shown, (height, width) = png(pictures), (20 * 4, 30 * 4)
    assert shown.shape == (rows * (height + 2) - 2, columns * (width + 2) - 2, 4)
    last = shown[(rows - 1) * (height + 2) :, (num - 1) % 8 * (width + 2) :][:height, :width]
    np.testing.assert_array_equal(last[::4, ::4, :3], images.to_uint8(pictures)[-1])
    assert (last[..., 3] == 255).all()
    if num > 1:
        assert not shown[:, width : width + 2].any()


def test_images_of_any_kind_are_shown():
    """One alone, rows, lists, uint8, grey, with opacity, JAX's, of few bits, large ones."""
    picture = np.random.default_rng(0).uniform(-1, 1, (64, 128, 3)).astype(np.float32)
    as_bytes = images.to_uint8(picture)
    for same in (picture, [picture], [[picture]], as_bytes, jnp.asarray(picture)):
        np.testing.assert_array_equal(png(same)[..., :3], as_bytes)
    np.testing.assert_array_equal(png([[picture] * 3] * 2)[66:, 260:, :3], as_bytes)
    assert png(picture[..., :1]).shape == png(jnp.asarray(picture, jnp.bfloat16)).shape == (64, 128, 4)
    np.testing.assert_array_equal(png(as_bytes[..., :1])[..., :3], np.broadcast_to(as_bytes[..., :1], (64, 128, 3)))
    assert png(np.zeros((1024, 2048, 3), np.float32)).shape == (256, 512, 4)


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (np.zeros((4, 4)), "got shape"),
        (np.zeros((0, 4, 4, 3)), "got shape"),
        (np.zeros((4, 4, 7)), "1 to 4 channels"),
        (np.zeros((4, 4, 3), int), "floats in"),
        (np.full((4, 4, 3), np.nan), "not finite"),
        ([np.zeros((4, 4, 3)), np.zeros((5, 4, 3))], "differ in shape"),
        ("mouth", "got shape"),
    ],
)
def test_what_is_no_image_is_refused(thing, told):
    with pytest.raises(InputError, match=told):
        lr.show(thing)


def test_images_say_something_in_a_terminal():
    assert repr(lr.show(np.zeros((5, 20, 30, 3)))) == "<5 pictures, 30 x 20, values 0 to 0; a notebook shows them>"


def test_what_draws_is_loaded_late():
    """Importing the library loads neither the panel's server nor a widget, nor the command line."""
    late = "m.startswith('lrgan_jax.panel.') or m in ('tyro', 'anywidget')"
    code = f"import sys, lrgan_jax; print([m for m in sys.modules if {late}])"
    environment = os.environ | {"PYTHONPATH": str(Path(lr.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.strip() == "[]", done


def test_latents_are_shown_with_their_model(generators):
    """z, w and ws, plain or typed, with and without classes; several edits of a latent are a row."""
    for kind, gen in generators.items():
        c = np.eye(gen.c_dim, dtype=np.float32)[[1, 0]] if gen.c_dim else None
        z = lr.sample_z(gen, jax.random.key(1), 2)
        w = gen.mapping(z, c)
        expected = images.to_uint8(lr.render(gen, lr.to_ws(gen, w)))
        same = [w, lr.to_ws(gen, w)] + ([] if gen.c_dim else [z, np.asarray(w), lr.to_ws(gen, w).array])
        for latents in same:
            (row,) = lr.show(latents, gen).rows
            assert np.abs(row.astype(int) - expected).max() <= 1, kind
        move = np.linspace(-1, 1, w.shape[1], dtype=np.float32)
        for latents in (w, lr.to_ws(gen, w)):
            rows = lr.show(lr.edit(latents, move, [-1.0, 0.0, 1.0]), gen).rows
            assert np.shape(rows)[:2] == (2, 3)
            assert np.abs(rows[:, 1].astype(int) - expected).max() <= 1, kind
            assert not np.array_equal(rows[:, 2], rows[:, 1])
    with pytest.raises(InputError, match="synthesis takes w"):
        lr.show(np.zeros((2, 5), np.float32), generators["stylegan2"])


def test_pictures_of_pillow_are_shown():
    """Alone and in lists, grey or RGB, transparent or not."""
    picture = images.to_uint8(np.random.default_rng(0).uniform(-1, 1, (64, 128, 3)))
    colours, grey = Image.fromarray(picture), Image.fromarray(picture[..., 0])
    clear = colours.copy()
    clear.putalpha(0)
    np.testing.assert_array_equal(png(colours)[..., :3], picture)
    np.testing.assert_array_equal(png([colours, grey])[:, 130:, :3], np.repeat(picture[..., :1], 3, -1))
    assert (png(clear)[..., :3] == 255).all()
