"""With JAX's 64 bits switched on, a float32 model is what it was without, and a float64 one is float64 to the end."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import SIDE, linear
from tolerances import PARITY, PARITY_F64, worst

import lrgan_jax as lr
from lrgan_jax import sweep
from lrgan_jax.generators import WS, ModelInfo, W, image_function, render, sample_z, stylegan2, to_ws
from lrgan_jax.layers import Moves
from lrgan_jax.targets import generator_grams

KEY = jax.random.key(3)
README = Path(__file__).resolve().parents[1] / "README.md"
MOUTH = np.pad(np.linspace(0.1, 1, 35, dtype=np.float32).reshape(5, 7), ((6, 5), (4, 5)))  # soft, of 16x16 pixels


@pytest.fixture(params=["small_stylegan2", "small_dcgan"])
def gen(request):
    return request.getfixturevalue(request.param)


def in_64_bits(gen):
    return jax.tree.map(lambda a: a.astype("float64"), gen)


def test_the_ten_lines_with_the_environments_switch(tmp_path):
    """In a process of its own: the latent of the key is the same to the last bit, and all is float32."""
    (lines,) = re.findall(r"## In ten lines\n\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines += "\nimport numpy\nnumpy.savez('found.npz', w=w, edited=edited, vectors=mouth.vectors, images=images)\n"
    environment = os.environ | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(README.parent)}
    subprocess.run([sys.executable, "-c", lines], check=True, env=environment, cwd=tmp_path, timeout=300)
    found = np.load(tmp_path / "found.npz")
    assert {name: a.dtype for name, a in found.items()} == dict.fromkeys(
        ("w", "edited", "vectors", "images"), np.float32
    )
    plain = lr.load("faces-dcgan")
    np.testing.assert_array_equal(found["w"], plain.mapping(sample_z(plain, jax.random.key(2), 1)))
    assert worst(found["images"][1:2], plain.synthesis(found["w"])) < PARITY


def test_a_key_is_the_same_picture_in_any_precision(gen):
    with jax.enable_x64(False):
        z = np.asarray(sample_z(gen, KEY, 2))
    with jax.enable_x64(True):
        assert sample_z(gen, KEY, 2).dtype == jnp.float32
        np.testing.assert_array_equal(sample_z(gen, KEY, 2), z)
        wide = sample_z(in_64_bits(gen), KEY, 2)
        assert wide.dtype == jnp.float64
        np.testing.assert_array_equal(wide, z)


def test_a_key_is_the_same_fresh_network():
    """All its kinds of layers, at the smallest size that has them."""
    config = stylegan2.StyleGAN2Config(
        channels=(3, 2),
        z_dim=4,
        w_dim=5,
        c_dim=2,
        architecture="resnet",
        mapping_layers=1,
        mapping_features=5,
        embed_features=3,
    )
    fresh = []
    for wide in (False, True):
        with jax.enable_x64(wide):
            fresh.append(jax.jit(stylegan2.init, static_argnums=1)(KEY, config))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b, strict=True), *fresh)


@pytest.mark.parametrize("kind", [np.float64, np.int64, jnp.bfloat16])
def test_latents_of_any_dtype_are_taken_in_the_weights(gen, kind):
    """Small whole numbers, which every dtype holds: the images are the same."""
    rows = np.random.default_rng(0).integers(-2, 3, (2, gen.z_dim)).astype(np.float32)
    with jax.enable_x64(True):
        for model, dtype in ((gen, jnp.float32), (in_64_bits(gen), jnp.float64)):
            given = rows.astype(kind)
            w, plain = model.mapping(given, truncation=np.float64(0.7)), model.mapping(rows, truncation=0.7)
            assert (
                w.dtype == dtype
                and to_ws(model, given if gen.num_ws == 1 else np.asarray(w, np.float64)).dtype == dtype
            )
            np.testing.assert_array_equal(w, plain)
            images = model.synthesis(np.asarray(w, np.float64))
            assert images.dtype == render(model, to_ws(model, w)).dtype == dtype
            np.testing.assert_array_equal(images, model.synthesis(plain))


def test_a_generator_that_shows_no_weights_gets_latents_as_they_are():
    """No pytree, so nobody can tell its dtype."""
    opaque = SimpleNamespace(
        info=ModelInfo(),
        z_dim=3,
        w_dim=3,
        c_dim=0,
        num_ws=2,
        size=(8, 8),
        space=W,
        classes=None,
        mapping=print,
        synthesis=print,
    )
    with jax.enable_x64(True):
        assert sample_z(opaque, KEY, 1).dtype == jnp.float32
        for dtype in (jnp.float32, jnp.float64):
            assert to_ws(opaque, np.ones((1, 3), dtype)).dtype == dtype


@pytest.mark.parametrize("wide", [False, True], ids=["float32", "float64"])
def test_directions_and_edits_keep_the_dtype(small_stylegan2, wide):
    """From latents given in the other one."""
    with jax.enable_x64(True):
        gen, dtype, other = (
            (in_64_bits(small_stylegan2), "float64", "float32") if wide else (small_stylegan2, "float32", "float64")
        )
        w = np.asarray(gen.mapping(sample_z(gen, KEY, 1)), other)
        found = lr.find_directions(gen, w, MOUTH, num=2)
        assert {a.dtype for a in (found.vectors, found.inside, found.outside)} == {np.dtype(dtype)}
        assert lr.global_directions(gen, method="random").vectors.dtype == dtype
        ws = to_ws(gen, w)
        edited = lr.edit(ws, found.vectors[:1].astype(other), np.linspace(-1, 1, 3))
        assert isinstance(edited, WS) and edited.dtype == dtype
        step = lr.step_for_change(
            image_function(gen), ws.array[0], jnp.broadcast_to(found.vectors[0], ws.shape[1:]), MOUTH, 1e-4
        )
        assert step.size.dtype == dtype and step.reached


def test_a_walk_keeps_the_dtype():
    gen = linear(top={0: 2.0, 1: 1.0}, middle={2: 1.0}, bottom={3: 1.0})
    with jax.enable_x64(True):
        for model, dtype in ((gen, jnp.float32), (in_64_bits(gen), jnp.float64)):
            points = lr.walk(
                model, W(np.zeros((1, 12))), np.eye(12)[0], "top", length=np.float64(1), num_steps=2, mu=np.float64(2)
            )
            assert points.dtype == dtype
            protected = lr.find_directions(
                model, np.zeros((1, 12)), "top", protect={"middle": 0.5}, method="constrained"
            )
            assert protected.vectors.dtype == dtype


def test_grams_of_a_float64_model_have_its_digits(gen):
    """Against J^T m J from JAX's own Jacobian, for a soft mask."""
    with jax.enable_x64(True):
        model = in_64_bits(gen)
        ws = to_ws(model, model.mapping(sample_z(model, KEY, 1)))
        grams = generator_grams(model, ws, MOUTH[None], moves=Moves(gen.num_ws), channels="stack")
        f = image_function(model)
        J = np.asarray(jax.jit(jax.jacfwd(lambda step: f(ws.array[0] + step)))(jnp.zeros(gen.w_dim))).reshape(
            256, 3, -1
        )
        weights = MOUTH.astype(np.float64).ravel()
        inside, outside = (np.einsum("p,pci,pcj->ij", m, J, J) / (3 * m.sum()) for m in (weights, 1 - weights))
    assert grams.image.dtype == jnp.float64
    assert worst(grams.inside[0, 0], inside) < PARITY_F64 and worst(grams.outside[0, 0], outside) < PARITY_F64


def test_reverse_mode_takes_latents_of_more_bits():
    """A function with float32 weights, at float64 latents, few of whose pixels count."""
    maps = jax.random.normal(KEY, (SIDE, SIDE, 1, 40), jnp.float32)
    with jax.enable_x64(True):

        def f(w):
            return jnp.einsum("hwcd,d->hwc", maps, w.astype(jnp.float32))

        grams = lr.region_grams(f, np.zeros((1, 40)), np.eye(SIDE)[None] * (np.arange(SIDE) < 4), rest=False)
        assert grams.inside.dtype == jnp.float32
        assert worst(grams.inside[0, 0], np.einsum("pi,pj->ij", *[maps[np.arange(4), np.arange(4), 0]] * 2) / 4) < 1e-5


@pytest.mark.parametrize("wide", [False, True], ids=["float32", "float64"])
def test_a_sweep_keeps_the_dtype(tmp_path, wide):
    gen = linear(top={0: 2.0, 1: 1.0}, middle={2: 1.0}, bottom={3: 1.0})
    with jax.enable_x64(True):
        gen = in_64_bits(gen) if wide else gen
        for latents in (sweep.seeded(gen, 0, 2), np.random.default_rng(0).standard_normal((2, 12))):
            place = tmp_path / type(latents).__name__
            sweep.run(gen, place, latents, ["top"], num=2, method="authors")
            store = sweep.open(place)
            dtype = np.dtype("float64" if wide else "float32")
            assert {store[name].dtype.numpy_dtype for name in ("ws", "vectors", "kept", "spectrum_inside")} == {dtype}
            assert store.directions("top").vectors.dtype == dtype
