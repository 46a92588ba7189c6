"""DCGAN against the float64 reference, at any size and width; its z plays the part of w."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from tolerances import PARITY, worst

from lrgan_jax.generators import DCGAN, WS, DCGANConfig, W, Z, dcgan, image_function, render, sample_z, to_ws

SMALL = DCGANConfig(channels=(5, 4), z_dim=10)


def small_weights(config):
    """Random, but small enough to keep the tanh off its ends."""
    variables = reference.random_variables(dcgan.init, config)
    return variables | {"params": jax.tree.map(lambda a: a * 0.3 if a.ndim == 4 else a, variables["params"])}


@pytest.fixture(scope="module")
def gen() -> DCGAN:
    return DCGAN(SMALL, small_weights(SMALL))


@pytest.mark.parametrize(
    "config",
    [
        DCGANConfig(channels=(3,), z_dim=4),
        DCGANConfig(channels=(5, 3), z_dim=7, img_channels=1),
        DCGANConfig(channels=(2, 5, 1), z_dim=1, img_channels=4),
    ],
    ids=lambda config: f"{config.resolution}px",
)
def test_image_matches_the_reference(config):
    """Widths that grow and shrink, one channel or four, batch norm with random statistics."""
    variables = small_weights(config)
    z = np.random.default_rng(0).standard_normal((2, config.z_dim))
    with jax.enable_x64(True):
        images = DCGAN(config, reference.in_float64(variables)).synthesis(z)
    assert images.shape == (2, config.resolution, config.resolution, config.img_channels)
    expected = reference.dcgan(config, variables, z)
    assert images.dtype == np.float64 and worst(images, expected) < 1e-12
    assert np.abs(expected).max() > 0.1 and np.median(np.abs(expected)) < 0.99


def test_float32_is_close_to_the_reference(gen):
    z = sample_z(gen, jax.random.key(0), 3)
    assert worst(gen.synthesis(z), reference.dcgan(gen.config, gen.variables, z)) < PARITY


def test_fresh_variables_are_plain_dicts():
    """The tutorial's: weights normal(0, 0.02), batch norm that does nothing yet."""
    variables = jax.jit(dcgan.init, static_argnums=1)(jax.random.key(0), DCGANConfig(channels=(20, 10), z_dim=30))
    assert {type(node) for node in (variables, *variables.values(), variables["params"]["norm0"])} == {dict}
    assert abs(float(variables["params"]["project"].std()) / 0.02 - 1) < 5 / np.sqrt(2 * 16 * 30 * 20)
    norm, running = variables["params"]["norm1"], variables["batch_stats"]["norm1"]
    np.testing.assert_array_equal(
        np.stack([norm["scale"], norm["bias"], running["var"], running["mean"]]), [[1] * 10, [0] * 10] * 2
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_images_have_the_dtype_of_the_weights(gen, dtype):
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, dtype), (gen, np.zeros((1, 10))))
    with jax.enable_x64(True):
        assert jax.eval_shape(lambda g, z: g.synthesis(z), *shapes).dtype == dtype


def test_mapping_is_the_identity_and_truncation_scales(gen):
    """The mean latent is 0; the only layer is either truncated or not."""
    z = sample_z(gen, jax.random.key(0), 3)
    for mapped, factor in (
        (gen.mapping(z), 1),
        (gen.mapping(z, truncation=0.5), 0.5),
        (gen.mapping(z, truncation=0.5, cutoff=1), 0.5),
        (gen.mapping(z, truncation=0.5, cutoff=0), 1),
    ):
        assert isinstance(mapped, Z)
        np.testing.assert_array_equal(mapped, np.asarray(z) * factor)
    with pytest.raises(ValueError, match="0 or 1 .* 2"):
        gen.mapping(z, cutoff=2)


def test_latents_of_every_form_give_the_same_image(gen):
    """z, z with its one layer axis, plain arrays of both shapes, and one at a time."""
    z = gen.mapping(sample_z(gen, jax.random.key(0), 3))
    images = np.asarray(gen.synthesis(z))
    ws = to_ws(gen, z)
    assert isinstance(ws, WS) and ws.shape == (3, 1, 10)
    for same in (ws, z.array, ws.array, np.asarray(z)):
        np.testing.assert_array_equal(gen.synthesis(same), images)
    np.testing.assert_allclose(image_function(gen)(z.array[1]), images[1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(render(gen, ws, batch=2), images, rtol=0, atol=1e-6)


def test_there_is_no_noise_to_choose(gen):
    z = sample_z(gen, jax.random.key(0), 2)
    images = gen.synthesis(z)
    for same in (gen.synthesis(z, noise="none"), gen.synthesis(z, noise="random", key=jax.random.key(1))):
        np.testing.assert_array_equal(same, images)


def test_gradients_are_finite_and_reach_every_weight(gen):
    def loss(variables, z):
        return jnp.mean(DCGAN(gen.config, variables).synthesis(z) ** 2)

    z = sample_z(gen, jax.random.key(0), 4)
    for path, gradient in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(gen.variables, z)):
        assert np.isfinite(gradient).all() and np.any(gradient), path


def test_new_weights_do_not_recompile(gen):
    z = sample_z(gen, jax.random.key(0), 2)
    images = gen.synthesis(z)
    before = dcgan.synthesize._cache_size()  # pyright: ignore[reportAttributeAccessIssue]
    other = DCGAN(gen.config, jax.tree.map(lambda a: a * 1.5, gen.variables))
    assert worst(other.synthesis(z), images) > 0.01
    assert dcgan.synthesize._cache_size() == before  # pyright: ignore[reportAttributeAccessIssue]


def test_w_of_another_generator_is_refused_by_mapping(gen):
    with pytest.raises(TypeError, match="mapping takes z, but this is w"):
        gen.mapping(W(jnp.zeros((1, 10))))
