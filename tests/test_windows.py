"""Parts of an image and of its layers: the same numbers as the whole, and no more work than they need."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from tolerances import PARITY_F64, worst

from lrgan_jax import targets
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, Window, image_function, stylegan2
from lrgan_jax.generators.windows import needed
from lrgan_jax.jacobian import region_grams
from lrgan_jax.layers import Moves

BASE = StyleGAN2Config(channels=(4, 3, 3, 2), z_dim=5, w_dim=5, mapping_layers=1, mapping_features=5, embed_features=0)
PARTS = [
    Window(0, 0, 32, 32),
    Window(3, 5, 7, 2),
    Window(30, 30, 2, 2),
    Window(0, 0, 1, 1),
    Window(13, 16, 5, 16),
    Window(31, 0, 1, 32),
]
FILTERS = {2: (0.5, 0.5), 3: (0.25, 0.5, 0.25), 4: (0.1, 0.2, 0.3, 0.4), 6: (0.1, 0.2, 0.3, 0.2, 0.1, 0.1)}


def random_stylegan2(config=BASE) -> StyleGAN2:
    return StyleGAN2(config, reference.in_float64(reference.random_variables(stylegan2.init, config)))


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def cut(image, part):
    return image[part.top : part.top + part.height, part.left : part.left + part.width]


@pytest.mark.parametrize(
    ("architecture", "taps"), [*(("skip", taps) for taps in FILTERS), ("resnet", 4), ("resnet", 3), ("orig", 4)]
)
def test_a_part_is_cut_out_of_the_whole(architecture, taps):
    """In the middle, at edges and corners, a single pixel; noise included; filters of any length;
    every architecture.
    """
    gen = random_stylegan2(dataclasses.replace(BASE, architecture=architecture, filter=FILTERS[taps]))
    ws = np.random.default_rng(0).standard_normal((8, 5))
    whole = np.asarray(image_function(gen)(ws))
    for part in PARTS[1:] if (architecture, taps) == ("skip", 4) else PARTS[1:3]:
        assert worst(image_function(gen, window=part)(ws), cut(whole, part)) < PARITY_F64


def test_a_generator_that_cannot_crop_is_cropped(small_dcgan):
    z, part = np.random.default_rng(0).standard_normal(10).astype(np.float32), Window(2, 3, 4, 5)
    whole = image_function(small_dcgan)(z)
    np.testing.assert_array_equal(image_function(small_dcgan, window=part, layers=[0])(z), cut(whole, part))


@pytest.mark.parametrize("window", PARTS)
@pytest.mark.parametrize("taps", FILTERS)
def test_parts_stay_inside_and_grow_little(window, taps):
    """Never beyond the layer's own image, the whole of it for the whole image, and a margin of a few pixels at most;
    of images twice as wide, too.
    """
    for times in (1, 2):
        sizes = tuple((side, times * side) for side in (4, 8, 16, 32))
        window = window._replace(width=times * window.width) if window.width == 32 else window
        windows = needed(window, sizes, taps)
        assert windows[-1] == window
        for (height, width), part, larger in zip(sizes[:-1], windows, windows[1:], strict=False):
            bottom, right = part.top + part.height, part.left + part.width
            assert part.top >= 0 and part.left >= 0 and bottom <= height and right <= width
            assert part.height <= larger.height / 2 + 2 * (2 + taps // 2) + 1
            assert window.height < 32 or part.height == height
            assert window.width < 32 or part.width == width


@pytest.mark.parametrize("const_size", [(4, 2), (3, 5)])
def test_images_that_are_not_square(const_size):
    """Whole against the reference, which takes the constant as it is; parts are cut out of the whole."""
    gen = random_stylegan2(dataclasses.replace(BASE, const_size=const_size))
    height, width = gen.size
    assert (height, width) == (8 * const_size[0], 8 * const_size[1])
    ws = np.random.default_rng(0).standard_normal((8, 5))
    whole = np.asarray(image_function(gen)(ws))
    assert whole.shape == (height, width, 3)
    assert worst(whole, reference.synthesis(gen.config, gen.variables, ws[None])[0]) < PARITY_F64
    for part in (Window(3, 5, 7, 2), Window(height - 1, 0, 1, width)):
        assert worst(image_function(gen, window=part)(ws), cut(whole, part)) < PARITY_F64


@pytest.mark.parametrize("layers", [(0,), (2, 3), (7,)])
def test_layers_that_stay_have_no_tangent(layers):
    """The derivative along the others is the same as ever; the tangent program has convolutions only from the first
    mover on.
    """
    gen = random_stylegan2()
    ws = np.random.default_rng(1).standard_normal((8, 5))
    f, g = image_function(gen), image_function(gen, layers=layers)
    np.testing.assert_array_equal(f(ws), g(ws))
    move = np.zeros((8, 5))
    move[list(layers)] = np.random.default_rng(2).standard_normal(5)
    pushed = [jax.jit(lambda w, v, h=h: jax.jvp(h, (w,), (v,))[1]) for h in (g, f)]
    assert worst(*(push(ws, move) for push in pushed)) < PARITY_F64
    still = np.ones((8, 5))
    still[list(layers)] = 0
    assert not np.any(pushed[0](ws, still))

    def convolutions(function):
        return str(jax.make_jaxpr(lambda w: jax.linearize(function, w)[1](w))(ws)).count("conv_general_dilated[")

    assert convolutions(g) <= convolutions(f) and (layers == (0,) or convolutions(g) < convolutions(f))


@pytest.mark.parametrize("size", [16, 32])
def test_the_pipeline_crops_large_images_when_the_rest_does_not_matter(size, monkeypatch):
    """The Grams of region and keep-set are those of the whole image, pooled or not; small images are left whole."""
    gen = random_stylegan2()
    w, masks = np.random.default_rng(3).standard_normal((2, 5)), np.zeros((2, size, size), np.float32)
    masks[0, 2:4, 3:6], masks[1, 6:8, 4:9] = 1, 0.5
    seen = []
    original = targets.region_grams

    def watched(f, *args, **options):
        seen.append(jax.eval_shape(f, jnp.zeros((8, 5))).shape)
        return original(f, *args, **options)

    monkeypatch.setattr(targets, "region_grams", watched)
    expected = region_grams(
        image_function(gen), np.repeat(w[:, None], 8, 1), masks, size=size, layers=[3, 4], channels="stack"
    )
    for cropped, shape in ((32, (6 * 32 // size, 6 * 32 // size, 3)), (64, (32, 32, 3))):
        monkeypatch.setattr(targets, "CROPPED", cropped)
        found = targets.generator_grams(gen, w, masks, moves=Moves(8, (3, 4)), rest=False, channels="stack")
        assert found.outside is None and seen[-1] == shape
        assert worst(found.inside, expected.inside) < PARITY_F64
    whole = targets.generator_grams(gen, w, masks, moves=Moves(8, (3, 4)), channels="stack")
    assert worst(whole.outside, expected.outside) < PARITY_F64
