"""What the Jacobian engine compiles to: on this the speed rests, so it must stay so."""

import re

import jax
import numpy as np
import pytest

from lrgan_jax.generators import BigGANConfig, DCGANConfig, StyleGAN2Config, image_function, to_ws
from lrgan_jax.jacobian import region_grams

CHUNK = 5


def convolutions(gen, **options) -> list[dict]:
    """Every convolution of the compiled program that gives the Grams: its batch, window and all that is said of it."""
    latents = np.zeros((1, gen.num_ws, gen.w_dim), np.float32)
    mask = np.eye(gen.size[0], dtype=np.float32)
    f = image_function(gen, layers=options.get("layers"))
    program = (
        jax.jit(lambda f, w: region_grams(f, w, mask, chunk=CHUNK, **options)[:2]).lower(f, latents).compile().as_text()
    )
    found = []
    for line in program.splitlines():
        if match := re.search(r"= f32\[([\d,]+)\]\S* convolution\(.*window=\{size=(\d+)x(\d+)", line):
            shape = [int(side) for side in match[1].split(",")]
            found.append({"batch": shape[0], "shape": shape, "taps": int(match[2]) * int(match[3]), "text": line})
    return found


@pytest.fixture(params=["small_stylegan2", "small_stylegan1", "small_pggan", "small_dcgan", "small_biggan"])
def gen(request):
    return request.getfixturevalue(request.param)


def test_the_tangent_program_has_one_dense_convolution_per_layer(gen):
    """For a chunk of tangents at once: none grouped, depthwise or dilated, and as many as the image itself takes, for
    all regions.

    An upsampling layer of StyleGAN2 is one convolution in its four output phases, of 4, 2, 2 and 1 taps, the last being
    a plain product.
    """
    found = convolutions(gen, channels="stack")
    for convolution in found:
        assert not re.search(r"feature_group_count|batch_group_count|lhs_dilate|rhs_dilate", convolution["text"])
    tangents = [c for c in found if c["batch"] == CHUNK]
    image = [c for c in found if c["batch"] == 1]
    assert [c["taps"] for c in tangents] == [c["taps"] for c in image]
    assert [c["shape"][1:] for c in tangents] == [c["shape"][1:] for c in image]
    assert len(tangents) + len(image) == len(found)
    if isinstance(gen.config, DCGANConfig):
        assert [c["taps"] for c in tangents] == [4] * len(
            gen.config.channels
        )  # every phase of a 4x4 kernel has 2x2 taps
    elif not isinstance(gen.config, BigGANConfig):
        per_block = sorted(c["taps"] for c in tangents)
        ups = len(gen.config.channels) - 1
        up = [4, 2, 2] if isinstance(gen.config, StyleGAN2Config) else [4]  # all phases at once, 2x2 taps each
        assert per_block == sorted([9] * (ups + 1) + up * ups)


def test_a_style_that_comes_last_has_no_tangent_before_it(small_stylegan1):
    """StyleGAN's rows 3 and 5 act behind the conv1 of the two blocks above: what is left is one upsampling."""
    for layers, taps in (([3, 5], [4, 9]), ([4], [9]), ([5], [])):
        assert [c["taps"] for c in convolutions(small_stylegan1, layers=layers) if c["batch"] == CHUNK] == taps


def test_tangents_begin_at_the_first_layer_that_moves(small_stylegan2):
    """Layers 3 and 4 are the last block's: nothing of the two blocks below is differentiated."""
    tangents = [c for c in convolutions(small_stylegan2, layers=[3, 4]) if c["batch"] == CHUNK]
    assert sorted(c["taps"] for c in tangents) == [2, 2, 4, 9] and min(c["shape"][1] for c in tangents) >= 8


def test_the_grams_are_those_of_the_generator(gen):
    """The program looked at above is the one that answers: its Jacobian is the generator's own derivative along one
    direction.
    """
    labels = [np.eye(1, gen.c_dim)] if gen.c_dim else []
    w = to_ws(gen, gen.mapping(np.random.default_rng(0).standard_normal((1, gen.z_dim)), *labels)).array
    f, mask = image_function(gen), np.eye(gen.size[0], dtype=np.float32)
    J = np.asarray(region_grams(f, w, mask, channels="stack", chunk=CHUNK, keep_jacobian=True).jacobian)[0]
    move = np.random.default_rng(1).standard_normal(gen.w_dim).astype(np.float32)
    slope = jax.jit(lambda w, v: jax.jvp(f, (w,), (v,))[1])(w[0], np.broadcast_to(move, w.shape[1:]))
    np.testing.assert_allclose(
        J @ move, slope, rtol=0, atol=1e-5 * np.abs(slope).max()
    )  # the sum of d products, in another order
