"""Style space: the plain generator's images, which number is which channel, and all that takes a generator takes it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from tolerances import PARITY, PARITY_F64, worst

import lrgan_jax as lr
from lrgan_jax.base.errors import InputError, InputTypeError
from lrgan_jax.commands.explore import file_or_frontal
from lrgan_jax.commands.options import Which, load_model
from lrgan_jax.generators import (
    Generator,
    ModelInfo,
    StyleGAN2,
    StyleGAN2Config,
    StyleSpace,
    Window,
    image_function,
    stylegan2,
)
from lrgan_jax.generators.natural import own_latents
from lrgan_jax.generators.style_space import Channel
from lrgan_jax.targets import pair_grams, targets

KEY = jax.random.key(2)
MASK = np.pad(np.ones((4, 6), np.float32), ((8, 4), (5, 5)))
ONE_OF_EACH = ("b4/conv1", "b4/torgb", "b8/conv0", "b8/conv1", "b8/torgb", "b16/conv0", "b16/conv1", "b16/torgb")


@pytest.fixture(scope="module")
def gen(small_stylegan2):
    return dataclasses.replace(small_stylegan2, info=ModelInfo("small", "beef", {"spot": {"size": 2, "boxes": []}}))


@pytest.fixture(scope="module")
def space(gen) -> StyleSpace:
    return lr.style_space(gen)


@pytest.fixture(scope="module")
def z(gen):
    return lr.sample_z(gen, KEY, 2)


@pytest.fixture(scope="module")
def styles(space, z):
    return space.mapping(z, truncation=0.7)


def test_what_it_is(gen, space):
    """A generator of one row, with the regions and the size of the other, and a name and a fingerprint of its own."""
    assert isinstance(space, Generator) and space == lr.style_space(gen) and hash(space) == hash(lr.style_space(gen))
    assert (space.num_ws, space.w_dim, space.z_dim, space.size) == (1, 5 * 8 + 8 + 2 * 6, 10, (16, 16))
    assert space.info.name == "small:styles" and space.info.regions == gen.info.regions
    unknown = lr.style_space(dataclasses.replace(gen, info=ModelInfo()))
    assert len(space.info.fingerprint) == 64 and unknown.info.fingerprint == ""


@pytest.mark.parametrize("mapped", [{}, {"truncation": 0.5}, {"truncation": 0.5, "cutoff": 3}], ids=str)
def test_images_are_those_of_w(gen, space, z, mapped):
    images = gen.synthesis(gen.mapping(z, **mapped))
    assert worst(space.synthesis(space.mapping(z, **mapped)), images) < PARITY


@pytest.mark.parametrize("noise", ["none", "random"])
def test_noise_is_the_same(gen, space, z, noise):
    """Random pictures of the same key, too."""
    key = jax.random.key(1) if noise == "random" else None
    images = gen.synthesis(gen.mapping(z, truncation=0.7), noise=noise, key=key)
    assert worst(space.synthesis(space.mapping(z, truncation=0.7), noise=noise, key=key), images) < PARITY


@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_of_any_architecture_with_classes(architecture):
    """One toRGB, at the end; labels go into the mapping; of ws whose rows all differ."""
    config = StyleGAN2Config((4, 3), 6, 7, c_dim=2, architecture=architecture, mapping_layers=1, embed_features=3)
    gen = StyleGAN2(config, reference.random_variables(stylegan2.init, config))
    space = lr.style_space(gen)
    expected = ["b4/conv1"] * 4 + ["b8/conv0"] * 4 + ["b8/conv1"] * 3 + ["b8/torgb"] * 3
    assert [channel.convolution for channel in space.channels] == expected
    z, c = lr.sample_z(gen, KEY, 2), np.eye(2, dtype=np.float32)
    np.testing.assert_array_equal(space.mapping(z, c), space.styles(gen.mapping(z, c)))
    ws = np.random.default_rng(0).standard_normal((2, 4, 7)).astype(np.float32)
    assert worst(space.synthesis(space.styles(ws)), gen.synthesis(ws)) < PARITY
    with pytest.raises(InputError, match="its mapping"):
        space.synthesis(space.styles(ws), c)


def test_channels_are_where_they_are_said_to_be(gen, space, z):
    """Adding to a number of the latent is adding to the affine map's bias of that channel."""
    w = gen.mapping(z)
    for number, name in enumerate(ONE_OF_EACH):
        block, conv = name.split("/")
        index = space.channels.index(Channel(name, number % 6))
        variables = jax.tree.map(lambda a: a, gen.variables)
        affine = variables["params"]["synthesis"][block][conv]["affine"]
        affine["bias"] = affine["bias"].at[number % 6].add(0.8)
        expected = dataclasses.replace(gen, variables=variables).synthesis(w)
        moved = space.styles(w) + 0.8 * jax.nn.one_hot(index, space.w_dim)
        assert worst(space.synthesis(moved), expected) < PARITY
        assert worst(gen.synthesis(w), expected) > 100 * PARITY
    assert {channel.convolution for channel in space.channels} == set(ONE_OF_EACH)


def test_the_gram_of_w_follows_from_that_of_the_styles(gen, space, z, styles):
    """By the chain rule M_w = A^T M_s A, A being the affine maps' weights, by name, in float64."""
    search = lr.Search()
    of_styles = pair_grams(space, styles, targets(space, [MASK], search), search)
    of_w = pair_grams(gen, gen.mapping(z, truncation=0.7), targets(gen, [MASK], search), search)
    blocks = gen.variables["params"]["synthesis"]
    kernels = [np.asarray(blocks[b][c]["affine"]["kernel"], np.float64) for b, c in (n.split("/") for n in ONE_OF_EACH)]
    A = np.concatenate(kernels, axis=1).T / gen.w_dim**0.5
    for ours, theirs in zip(of_styles[:2], of_w[:2], strict=True):
        gram = np.asarray(ours, np.float64)
        assert worst(A.T @ gram @ A, theirs) < 1e-5  # sums of some hundred float32 products
    assert worst(of_styles.image, of_w.image) < PARITY


def test_it_is_a_pytree(gen, space, styles):
    """With the weights for leaves, so that other weights need no other program; in their dtype to the end."""
    assert jax.tree.leaves(space) == jax.tree.leaves(gen)
    traced = []

    @jax.jit
    def images(space, styles):
        traced.append(1)
        return space.synthesis(styles)

    assert worst(images(space, styles), space.synthesis(styles)) < PARITY
    brighter = jax.tree.map(lambda a: a * 1.1, dataclasses.replace(gen, info=ModelInfo("other")))
    images(lr.style_space(brighter), styles)
    assert len(traced) == 1
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype("float64"), space)
        z = np.random.default_rng(0).standard_normal((1, 10))
        image = wide.synthesis(wide.mapping(z))
        assert image.dtype == jnp.float64
        assert worst(image, wide.gen.synthesis(wide.gen.mapping(z))) < PARITY_F64


def test_parts_of_the_image(space, styles):
    window = Window(8, 5, 4, 6)
    part = image_function(space, window=window)(styles.array[0])
    assert worst(part, space.synthesis(styles)[0, 8:12, 5:11]) < PARITY


def test_directions_are_found_applied_and_saved(gen, space, styles, tmp_path):
    """A small step does what the Grams say; on w they do not fit, and the record says whose they are."""
    found = lr.find_directions(space, styles[:1], MASK, num=2)
    assert found.vectors.shape == (2, 60) and found.model == "small:styles"
    assert found.fingerprint == space.info.fingerprint != gen.info.fingerprint
    found.save(tmp_path / "found.npz")
    assert lr.Directions.load(tmp_path / "found.npz") == found
    step = 0.02 * found.step_range[1]
    before, after = (np.asarray(space.synthesis(lr.edit(styles[:1], found[0], [s]))[0]) for s in (-step, step))
    change = np.square(after - before)[MASK > 0].mean() / (2 * step) ** 2
    np.testing.assert_allclose(change, found.inside[0], rtol=0.01)
    with pytest.raises(InputError, match="60 numbers, the latents 12: not the same model"):
        lr.edit(gen.mapping(lr.sample_z(gen, KEY, 1)), found[0], 1.0)
    path = lr.walk(space, styles[:1], found[0], MASK, length=0.1, num_steps=1)
    assert path.shape == (2, 1, 1, 60)


def test_single_channels(space, styles):
    """Of all channels, each alone, those of the largest quotient; the same as ranking unit vectors."""
    search = lr.Search(method="single", num=3)
    found = lr.find_directions(space, styles, MASK, search)
    pairs = pair_grams(space, styles, targets(space, [MASK], search), search)
    inside, outside = (np.asarray(gram, np.float64)[:, 0].mean(0) for gram in pairs[:2])
    a, b = np.diag(inside), np.diag(outside)
    root = np.asarray(own_latents(space).root, np.float64)
    lengths = np.square(np.linalg.inv(root)).sum(0)  # squared, of one number alone
    best = np.argsort(-a / (b + search.price * search.change * lengths))[:3]
    np.testing.assert_array_equal(found.vectors, np.eye(60)[best])
    np.testing.assert_allclose(found.inside, a[best], rtol=1e-5)
    np.testing.assert_allclose(found.outside, b[best], rtol=1e-4)


def test_refusals(gen, space, z, small_dcgan, tmp_path):
    """Each in one line."""
    refused = [
        (lambda: lr.style_space(small_dcgan), InputError, "style space is a StyleGAN2's: DCGAN unnamed has none"),
        (lambda: lr.style_space(space), InputError, "StyleSpace small:styles has none"),
        (lambda: space.synthesis(z), InputTypeError, "this is z"),
        (lambda: space.mapping(space.mapping(z)), InputTypeError, "already mapped"),
        (lambda: space.synthesis(gen.mapping(z)), InputError, r"w of shape \[N, 60\]"),
        (lambda: space.synthesis(space.mapping(z), noise="random"), InputError, "needs a key"),
        (lambda: space.mapping(z, cutoff=7), InputError, "0 to 6 for this model"),
        (lambda: lr.global_directions(space, method="sefa"), InputError, "does not show"),
        (lambda: lr.save(tmp_path / "model", space), InputTypeError, "a StyleSpace has no form on disk"),
    ]
    for act, kind, says in refused:
        with pytest.raises(kind, match=says) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_commands_know_it_by_the_end_of_a_name(tmp_path):
    """And the panel's copied code makes the same generator."""
    space = load_model("faces64:styles")
    assert space == lr.style_space(lr.load("faces64")) and space.info.name == "faces64:styles"
    with pytest.raises(InputError, match="DCGAN faces-dcgan has none"):
        load_model("faces-dcgan:styles")
    np.save(tmp_path / "styles.npy", np.ones((2, space.w_dim), np.float32))
    faces, source = file_or_frontal(space, "faces64:styles", None, Which(latents=tmp_path / "styles.npy"))
    names: dict = {"lr": lr}
    exec(source, names)
    assert names["gen"] == space
    np.testing.assert_array_equal(names["faces"], faces.ws[:, 0])
