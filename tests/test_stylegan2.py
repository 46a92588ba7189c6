"""StyleGAN2 as a whole: the arithmetic against the float64 reference, and the promises of a functional library."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from tolerances import EXACT, PARITY, PARITY_W, rounding, worst

from lrgan_jax.generators import (
    WS,
    ModelInfo,
    StyleGAN2,
    StyleGAN2Config,
    W,
    Z,
    image_function,
    render,
    sample_z,
    stylegan2,
    to_ws,
)

TINY = StyleGAN2Config(
    channels=(5, 4, 3),
    z_dim=6,
    w_dim=7,
    mapping_layers=2,
    mapping_features=5,
    embed_features=0,
    filter=(0.1, 0.2, 0.3, 0.4),
)
SMALL = dataclasses.replace(TINY, channels=(4, 3))
ROUNDING_F64 = 1e-12  # of the largest magnitude, after a dozen layers in float64


@pytest.fixture(scope="module")
def gen() -> StyleGAN2:
    """8x8, four rows of ws, everything random, the mean latent too."""
    return StyleGAN2(SMALL, reference.random_variables(stylegan2.init, SMALL))


@pytest.fixture(scope="module")
def z(gen) -> Z:
    return sample_z(gen, jax.random.key(5), 3)


@pytest.fixture(scope="module")
def w(gen, z) -> W:
    return gen.mapping(z)


def normal(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


# ---- Against the reference.


@pytest.mark.parametrize("noise", ["const", "none"])
@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_synthesis_matches_the_reference(architecture, noise):
    """Every row of ws different, every bias and noise strength random, an asymmetric filter, and a clamp that bites."""
    config = dataclasses.replace(
        TINY, architecture=architecture, conv_clamp=0.9, scaled_demodulation=architecture == "orig"
    )
    variables, ws = reference.random_variables(stylegan2.init, config), normal(2, config.num_ws, config.w_dim)
    with jax.enable_x64(True):
        actual = StyleGAN2(config, reference.in_float64(variables)).synthesis(ws, noise=noise)
    expected = reference.synthesis(config, variables, ws, noise)
    assert actual.dtype == np.float64 and worst(actual, expected) < ROUNDING_F64
    unclamped = reference.synthesis(dataclasses.replace(config, conv_clamp=None), variables, ws, noise)
    assert worst(unclamped, expected) > 0.01


def test_noiseless_gray_network_matches_the_reference():
    """A model without noise has no noise parameters; one image channel; a filter that is no outer product."""
    taps = tuple(map(tuple, np.abs(normal(4, 4)).tolist()))
    config = dataclasses.replace(
        TINY, channels=(3, 5), use_noise=False, img_channels=1, filter=taps, scaled_demodulation=True
    )
    variables, ws = reference.random_variables(stylegan2.init, config), normal(1, config.num_ws, config.w_dim)
    assert "synthesis" not in variables["buffers"]
    with jax.enable_x64(True):
        actual = StyleGAN2(config, reference.in_float64(variables)).synthesis(ws)
    assert actual.shape == (1, 8, 8, 1)
    assert worst(actual, reference.synthesis(config, variables, ws)) < ROUNDING_F64


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize(("c_dim", "concat"), [(0, False), (4, False), (4, True)])
def test_mapping_matches_the_reference(layers, c_dim, concat):
    """Any depth; the label's embedding follows z, normalised on its own or together with it."""
    if layers == 0 and c_dim:
        pytest.skip("without layers a label would widen w")
    embed = 3 if c_dim else 0
    config = dataclasses.replace(
        TINY,
        channels=(3,),
        mapping_layers=layers,
        z_dim=6 if layers else 7,
        c_dim=c_dim,
        embed_features=embed,
        label_concat=concat,
        mapping_lr=0.02,
    )
    variables, z = reference.random_variables(stylegan2.init, config), normal(3, config.z_dim)
    c = np.eye(c_dim)[[0, 2, 3]] if c_dim else None
    with jax.enable_x64(True):
        actual = StyleGAN2(config, reference.in_float64(variables)).mapping(z, c)
    assert isinstance(actual, W) and actual.shape == (3, 7)
    assert worst(actual, reference.mapping(config, variables, z, c)) < ROUNDING_F64


def test_label_changes_the_latent():
    config = dataclasses.replace(TINY, channels=(3,), c_dim=2, embed_features=3)
    gen = StyleGAN2(config, reference.random_variables(stylegan2.init, config))
    first, second = np.asarray(gen.mapping(np.repeat(normal(1, 6), 2, axis=0), np.eye(2)))
    assert worst(first, second) > 0.1


def test_float32_is_close_to_the_reference(gen, z, w):
    np.testing.assert_allclose(np.asarray(w), reference.mapping(SMALL, gen.variables, z), rtol=0, atol=PARITY_W)
    ws = np.repeat(np.asarray(w)[:, None], gen.num_ws, axis=1)
    assert worst(gen.synthesis(w), reference.synthesis(SMALL, gen.variables, ws)) < PARITY


# ---- Truncation.


@pytest.mark.parametrize("psi", [0.7, 0.0, -0.5])
def test_truncation_pulls_towards_the_mean(gen, z, w, psi):
    w_avg = gen.variables["buffers"]["mapping"]["w_avg"]
    truncated = gen.mapping(z, truncation=psi)
    assert isinstance(truncated, W)
    np.testing.assert_allclose(np.asarray(truncated), w_avg + psi * (np.asarray(w) - w_avg), **rounding(np.float32, 2))


@pytest.mark.parametrize("cutoff", [0, 1, 4])
def test_cutoff_truncates_only_the_first_layers(gen, z, w, cutoff):
    ws = gen.mapping(z, truncation=0.3, cutoff=cutoff)
    assert isinstance(ws, WS) and ws.shape == (3, 4, 7)
    truncated = gen.mapping(z, truncation=0.3)
    for layer in range(4):
        np.testing.assert_array_equal(np.asarray(ws)[:, layer], truncated if layer < cutoff else w)


@pytest.mark.parametrize("cutoff", [-1, 5])
def test_cutoff_outside_the_layers_is_refused(gen, z, cutoff):
    with pytest.raises(ValueError, match=rf"0 to 4 .*{cutoff}"):
        gen.mapping(z, cutoff=cutoff)


# ---- Noise.


def test_random_noise_is_standard_normal_and_one_picture_for_all_channels():
    """With a large bias the only layer is linear, so the noise can be read off the image."""
    config = dataclasses.replace(TINY, channels=(4,))
    variables = reference.random_variables(stylegan2.init, config)
    layers = variables["params"]["synthesis"]["b4"]
    layers["conv1"]["bias"] += 50
    w = np.repeat(normal(1, 7), 200, axis=0)
    with jax.enable_x64(True):
        gen = StyleGAN2(config, reference.in_float64(variables))
        added = np.asarray(gen.synthesis(w, noise="random", key=jax.random.key(0)) - gen.synthesis(w, noise="none"))
    style = reference.dense(w[0], reference.in_float64(layers["torgb"]["affine"])) / np.sqrt(4)
    per_unit = np.sqrt(2) * float(layers["conv1"]["noise_strength"]) * style @ layers["torgb"]["kernel"][0, 0]
    noise = added / per_unit
    np.testing.assert_allclose(noise[..., 1:], noise[..., :-1], rtol=0, atol=1e-9)
    noise = noise[..., 0]
    five_sigma = 5 / np.sqrt(noise.size)
    assert abs(noise.mean()) < five_sigma and abs(noise.std() - 1) < five_sigma
    assert np.abs(np.corrcoef(noise.reshape(200, 16).T) - np.eye(16)).max() < 5 / np.sqrt(200)  # pixels are independent
    assert np.abs(np.corrcoef(noise.reshape(200, 16))[np.triu_indices(200, 1)]).max() < 0.95  # so are samples


def test_no_noise_is_noise_of_no_strength(gen, w):
    silent = jax.tree_util.tree_map_with_path(
        lambda path, a: 0 * a if path[-1].key == "noise_strength" else a, gen.variables
    )
    silent, none = dataclasses.replace(gen, variables=silent).synthesis(w), gen.synthesis(w, noise="none")
    assert worst(silent, none) < PARITY and worst(gen.synthesis(w), none) > 0.01


def test_random_noise_follows_its_key(gen, w):
    one, again, other = (np.asarray(gen.synthesis(w, noise="random", key=jax.random.key(seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert worst(other, one) > 0.01
    assert worst(one, gen.synthesis(w, noise="const")) > 0.01


def test_mean_over_weak_random_noise_is_no_noise(gen, w):
    """To first order in its strength, noise averages out; each sample of the batch draws its own."""
    weak = jax.tree_util.tree_map_with_path(
        lambda path, a: a * 5e-4 if path[-1].key == "noise_strength" else a, gen.variables
    )
    weak = dataclasses.replace(gen, variables=weak)
    same = np.repeat(np.asarray(w)[:1], 256, axis=0)
    images = np.asarray(weak.synthesis(same, noise="random", key=jax.random.key(3)))
    none = np.asarray(weak.synthesis(w, noise="none"))[0]
    sigmas = np.abs(images.mean(0) - none) / (images.std(0) / np.sqrt(256))
    assert images.std(0).min() > 2e-5 and sigmas.max() < 5


# ---- A functional library.


@pytest.mark.parametrize("blocks", range(1, 10))
def test_num_ws_and_resolution_follow_from_the_number_of_blocks(blocks):
    config = StyleGAN2Config(channels=(8,) * blocks)
    assert config.resolutions[-1] == 2 ** (blocks + 1)
    assert config.num_ws == 2 * np.log2(config.resolutions[-1]) - 2


def test_config_is_hashable_and_compares_by_value():
    assert hash(dataclasses.replace(TINY)) == hash(TINY) and dataclasses.replace(TINY) == TINY
    for change in (
        dict(conv_clamp=1.0),
        dict(architecture="orig"),
        dict(filter=(1.0,)),
        dict(scaled_demodulation=True),
    ):
        assert dataclasses.replace(TINY, **change) != TINY


def test_fresh_variables_are_plain_dicts_of_unit_variance():
    """Raw parameters as NVIDIA stores them: normal(0, 1) kernels (1 / lr in the mapping), affine biases 1, no noise."""
    config = dataclasses.replace(TINY, c_dim=3, embed_features=20, w_dim=30, mapping_layers=1, channels=(20,))
    variables = jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), config)
    assert set(variables) == {"params", "buffers"} and "w_avg" in variables["buffers"]["mapping"]

    def check(node, path=()):
        if isinstance(node, jax.Array):
            *parents, name = path
            scale = 100 if parents[-1].startswith("fc") else 1
            if name in ("kernel", "noise_const", "const"):
                assert abs(float(node.std()) / scale - 1) < 5 / np.sqrt(2 * node.size), path
            else:
                assert (node == (1.0 if parents[-1] == "affine" else 0.0)).all(), path
            return
        assert type(node) is dict, path
        for key, child in node.items():
            check(child, (*path, key))

    check(variables)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("architecture", ["skip", "resnet"])
def test_outputs_have_the_dtype_of_the_weights(architecture, dtype):
    """Under x64 too, where a float64 constant in the wrong place would make everything float64."""
    config = dataclasses.replace(SMALL, architecture=architecture)
    inputs = reference.random_variables(stylegan2.init, config), np.zeros((1, 6)), np.zeros((1, 7))
    variables, z, w = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, dtype), inputs)
    with jax.enable_x64(True):
        mapped = jax.eval_shape(lambda v, z: StyleGAN2(config, v).mapping(z, truncation=0.5), variables, z)
        images = jax.eval_shape(lambda v, w: StyleGAN2(config, v).synthesis(w), variables, w)
    assert mapped.array.dtype == dtype and images.dtype == dtype


def test_w_means_the_same_w_for_every_layer(gen, w):
    repeated = WS(np.repeat(np.asarray(w)[:, None], 4, axis=1))
    np.testing.assert_array_equal(gen.synthesis(w), gen.synthesis(repeated))
    np.testing.assert_array_equal(to_ws(gen, w), repeated)
    np.testing.assert_array_equal(to_ws(gen, repeated), repeated)


def test_jit_is_eager():
    """Without any compiled program around it, the same numbers; `test_ops` does the same for upsampling."""
    config = dataclasses.replace(TINY, channels=(3,))
    gen = StyleGAN2(config, jax.tree.map(jnp.asarray, reference.random_variables(stylegan2.init, config)))
    ws = normal(1, 2, 7).astype(np.float32)
    compiled = gen.synthesis(ws)
    with jax.disable_jit():
        assert worst(gen.synthesis(ws), compiled) < PARITY


def test_vmap_is_a_batch_and_samples_do_not_meet(gen, w):
    images = gen.synthesis(w)
    one_by_one = jax.jit(jax.vmap(lambda g, w: g.synthesis(w[None])[0], in_axes=(None, 0)))(gen, w)
    assert worst(one_by_one, images) < PARITY
    changed = np.asarray(w).copy()
    changed[1] = 0
    np.testing.assert_allclose(gen.synthesis(changed)[::2], images[::2], **EXACT)


def test_gradients_are_finite_and_reach_every_weight(gen, z):
    """Including those of the stored noise; the mean latent alone plays no part without truncation."""

    def loss(variables, z):
        g = dataclasses.replace(gen, variables=variables)
        return jnp.mean(g.synthesis(g.mapping(z)) ** 2)

    by_weights, by_z = jax.jit(jax.grad(loss, argnums=(0, 1)))(gen.variables, z)
    assert isinstance(by_z, Z) and np.isfinite(by_z).all() and np.asarray(by_z).any(axis=1).all()
    for path, gradient in jax.tree_util.tree_leaves_with_path(by_weights):
        assert np.isfinite(gradient).all(), path
        assert np.any(gradient) == (path[-1].key != "w_avg"), path


def test_new_weights_do_not_recompile(gen, w):
    """Weights are arguments, name and fingerprint are not part of the program: one trace serves all models of
    a shape.
    """
    traces = []

    @jax.jit
    def image(f, w):
        traces.append(f)
        return f(w)

    halved = jax.tree.map(lambda a: a / 2, gen.variables)
    other = dataclasses.replace(
        gen, variables=halved, info=ModelInfo(name="other", fingerprint="f", card="text", regions={"a": []})
    )
    one, two = (image(image_function(g), w.array[0]) for g in (gen, other))
    assert len(traces) == 1 and worst(two, one) > 0.01
    gen.synthesis(w)
    before = stylegan2.synthesize._cache_size()  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(other.synthesis(w)[0], two, rtol=0, atol=1e-5)
    assert stylegan2.synthesize._cache_size() == before  # pyright: ignore[reportAttributeAccessIssue]
    image(image_function(gen, "none"), w.array[0])
    assert len(traces) == 2  # the kind of noise is static


def test_image_function_and_render_are_synthesis(gen, w):
    """One image, and many in batches of which the last is filled up and what was added dropped."""
    assert worst(image_function(gen, "none")(w.array[1]), gen.synthesis(w, noise="none")[1]) < PARITY
    ws = np.repeat(np.asarray(w)[:, None], 4, axis=1).reshape(3, 1, 4, 7)
    rendered = render(gen, ws, batch=2)
    assert rendered.shape == (3, 1, 8, 8, 3) and worst(rendered[:, 0], gen.synthesis(w)) < PARITY
