"""PGGAN: against the projects' own outputs, against the float64 reference in what those do not reach, as a generator
that draws by class, and from its files.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from peer_files import built, check_arguments, check_float64, opened, pictures, theirs
from tolerances import PARITY, worst

import lrgan_jax as lr
from lrgan_jax.base.errors import InputError
from lrgan_jax.convert import CheckpointError, read_checkpoint
from lrgan_jax.convert.formats import genforce_pggan
from lrgan_jax.convert.write import hammer
from lrgan_jax.generators import PGGAN, PGGANConfig, Z, image_function, pggan, sample_z, to_ws
from lrgan_jax.targets import pair_grams, targets

BASE = PGGANConfig(channels=(5, 4, 3), z_dim=6)
LABELLED = dataclasses.replace(BASE, c_dim=3)
FIXTURES = ("sefa_pg32.pth", "hammer_pg32_cond.pth", "sefa_pg64.pth")


def random_network(config) -> PGGAN:
    return PGGAN(config, reference.random_variables(pggan.init, config))


@pytest.mark.parametrize("name", FIXTURES)
def test_outputs_are_those_of_genforce(name, shared):
    """Every array that was stored: images of z and label; in float64, with the Jacobian by z and its Gram."""
    gen, stored, wide = opened(shared / "fixtures" / "public" / "pggan" / name)
    z, c = stored["z"], stored.get("label")
    latents = gen.mapping(z, c)
    assert worst(pictures(gen, latents[: len(stored["img"])]), stored["img"]) < PARITY
    assert not set(stored) - {"z", "label", "img"}
    assert not set(wide) - check_float64(gen, z, c, wide)


@pytest.mark.parametrize(
    "config",
    [
        dataclasses.replace(BASE, lod=1.25, final_tanh=True, eps=1e-2),
        dataclasses.replace(LABELLED, conv_gain=None, rgb_gain=None),
        dataclasses.replace(LABELLED, conv_gain=0.5, img_channels=1, lod=1.0),
    ],
    ids=["fading, tanh", "labels, not equalised", "labels, gray, coarse"],
)
def test_images_match_the_reference(config):
    gen = random_network(config)
    z = np.random.default_rng(0).standard_normal((2, config.z_dim))
    c = np.float32([[0, 0, 1], [0.25, 0.75, 0]]) if config.c_dim else None
    expected = reference.pggan(config, gen.variables, z, c)
    with jax.enable_x64(True):
        wide = PGGAN(config, reference.in_float64(gen.variables))
        assert worst(wide.synthesis(wide.mapping(z, c)), expected) < 1e-12
    assert worst(gen.synthesis(z, c), expected) < PARITY


def test_levels_of_detail(small_pggan):
    z = sample_z(small_pggan, jax.random.key(0), 1)
    coarse = np.asarray(small_pggan.with_lod(1).synthesis(z))
    np.testing.assert_array_equal(coarse, coarse[:, ::2, ::2].repeat(2, 1).repeat(2, 2))
    with pytest.raises(InputError, match="lod is a level of detail, 0"):
        small_pggan.with_lod(3)


# ---- As a generator.


def test_the_length_of_z_means_nothing(small_pggan):
    """So truncation, which is known to the letter, leaves the image alone."""
    gen = small_pggan
    z = sample_z(gen, jax.random.key(0), 2)
    half = gen.mapping(z, truncation=0.5)
    assert isinstance(half, Z) and worst(gen.synthesis(half), gen.synthesis(z)) < PARITY
    np.testing.assert_array_equal(half, np.asarray(z) / 2)
    np.testing.assert_array_equal(gen.mapping(z, truncation=0.5, cutoff=0), z)
    with pytest.raises(InputError, match="0 or 1 for this model, got 2"):
        gen.mapping(z, cutoff=2)


def test_dtypes_and_gradients():
    """Every weight has one, but those of toRGBs that are not seen; bfloat16 stays so."""
    gen = random_network(LABELLED)
    z, c = np.ones((2, 6), np.float32), np.eye(3, dtype=np.float32)[:2]
    loss = lambda variables: jnp.mean(dataclasses.replace(gen, variables=variables).synthesis(z, c) ** 2)  # noqa: E731
    for path, gradient in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(gen.variables)):
        names = [entry.key for entry in path]
        hidden = "torgb" in names and "b16" not in names
        assert np.isfinite(gradient).all() and np.any(gradient) != hidden, names
    for dtype in ("bfloat16", "float64"):
        cast = jax.tree.map(lambda a, dtype=dtype: jax.ShapeDtypeStruct(a.shape, dtype), (gen, z, c))
        with jax.enable_x64(True):
            assert jax.eval_shape(lambda g, z, c: g.synthesis(z, c), *cast).dtype == dtype


def test_a_class_goes_with_its_latent():
    """Through Grams, searches and edits: latent n is drawn and differentiated as its own class."""
    gen = random_network(LABELLED)
    assert gen.classes == "synthesis" and gen.c_dim == 3
    labels, z = np.eye(3, dtype=np.float32)[[2, 0]], sample_z(gen, jax.random.key(0), 2)
    latents = gen.mapping(z, labels)
    images = gen.synthesis(latents)
    assert worst(gen.synthesis(z, labels), images) < 1e-6 and worst(gen.synthesis(z, labels[::-1]), images) > 0.01
    assert worst(lr.render(gen, to_ws(gen, latents)), images) < PARITY
    region = np.zeros((16, 16), np.float32)
    region[2:7, 3:8] = 1
    search = lr.Search()
    pairs = pair_grams(gen, latents, targets(gen, [region], search), search)
    f = image_function(gen)
    J = np.asarray(jax.jit(jax.vmap(jax.jacfwd(f)))(to_ws(gen, latents).array, jnp.asarray(labels)))[..., 0, :]
    rows = J[:, region > 0].reshape(2, -1, 6)
    assert worst(pairs.inside[:, 0], np.einsum("npi,npj->nij", rows, rows) / rows.shape[1]) < 1e-4
    found = lr.find_directions(gen, latents[1:], region, num=1)
    edited = lr.edit(latents[1:], found, [-1.0, 1.0])
    assert edited.shape == (2, 1, 6) and edited.c.shape == (2, 1, 3)
    with pytest.raises(InputError, match="draws by class: give latents with their classes"):
        lr.find_directions(gen, z, region)
    with pytest.raises(InputError, match="this model is conditional"):
        gen.mapping(z)


def test_style_weights_are_those_of_z_alone():
    """A row for every number of the first features, as SeFa's code takes them; a label is no direction."""
    gen = random_network(LABELLED)
    kernel = gen.variables["params"]["b4"]["project"]["kernel"]
    rows = gen.style_weights()
    assert rows.shape == (4 * 4 * 5, 6)
    np.testing.assert_array_equal(rows[1], kernel[0, 0, :6, 1])
    assert lr.global_directions(gen, method="sefa", num=2).vectors.shape == (2, 6)


# ---- From files.


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (dataclasses.replace(BASE, lod=0.5), {}),
        (LABELLED, {"label_size": 3, "z_space_dim": 6}),
        (
            dataclasses.replace(LABELLED, conv_gain=0.5, eps=1e-3, final_tanh=True),
            {"label_dim": 3, "wscale_gain": 0.5, "eps": 1e-3, "final_tanh": True},
        ),
        (dataclasses.replace(BASE, conv_gain=None, rgb_gain=None), {"use_wscale": False}),
    ],
    ids=["plain", "labels", "everything", "not equalised"],
)
def test_files_come_back_exactly(config, told):
    """By the names of either project's arguments; by Hammer's file itself."""
    gen = random_network(config)
    tensors = theirs(gen, genforce_pggan.BACK)
    back, remarks = built({"generator_smooth": tensors, "generator": {}}, told)
    assert back.config == config and back == gen and len(remarks) == 1
    tree = {"models": {"generator": tensors}, "model_kwargs_init": {"generator": {"label_dim": config.c_dim, **told}}}
    assert built(tree) == (gen, [])


def test_back_to_hammer(tmp_path, convert_command):
    """By the command: what is written is read as the same network."""
    gen = random_network(dataclasses.replace(LABELLED, channels=(4, 4, 2), lod=1.0, eps=1e-3))
    lr.save(tmp_path / "model", gen)
    code, told = convert_command("--to", "hammer", tmp_path / "model", tmp_path / "model.pth")
    assert code == 0 and "with the arguments of its constructor" in told
    assert read_checkpoint(tmp_path / "model.pth") == gen
    with pytest.raises(CheckpointError, match="another gain of colours"):
        hammer.written(random_network(dataclasses.replace(gen.config, rgb_gain=0.5)))


@pytest.mark.parametrize("channels", [(5, 4, 3), (4, 4, 4)], ids=["shown by shapes", "told"])
def test_fused_layers(channels):
    """Stored the other way round and reversed; widths that change show it, equal ones do not."""
    gen = random_network(dataclasses.replace(BASE, channels=channels))
    tensors = theirs(gen, genforce_pggan.BACK)
    for layer in ("layer2.weight", "layer4.weight"):
        tensors[layer] = tensors[layer][:, :, ::-1, ::-1].swapaxes(0, 1)
    assert built(tensors, {"fused_scale": True})[0] == gen
    back, remarks = built(tensors)
    assert (back == gen) == (channels[0] != 4) == ("fused_scale" not in remarks[0])
    if channels[0] != 4:
        with pytest.raises(CheckpointError, match="arguments: fused_scale is False, where this network has True"):
            built(tensors, {"fused_scale": False})


def test_no_argument_is_ignored():
    arguments = {
        **{"resolution": 16, "z_dim": 6, "image_channels": 3, "label_dim": 0, "final_tanh": False, "init_res": 4},
        **{"z_space_dim": 6, "fused_scale": False, "use_wscale": True, "wscale_gain": 2**0.5, "eps": 1e-8},
        **{"fmaps_base": 64, "fmaps_max": 5, "model_type": "PGGANGenerator"},
    }
    honoured = {"final_tanh", "fused_scale", "use_wscale", "wscale_gain", "eps"}
    tensors = theirs(random_network(dataclasses.replace(BASE, channels=(4, 4, 4))), genforce_pggan.BACK)
    check_arguments(tensors, arguments, {"fmaps_base", "fmaps_max"}, honoured, ("z_dim is 6",))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("layer0.bias", None, "layer0.bias: nothing in the checkpoint fills it"),
        ("layer3.weight", np.zeros((4, 4, 3, 1)), r"layer3.weight: shape \(4, 4, 3, 1\), the model wants"),
        ("lod", np.asarray(2.5), "lod is a level of detail, 0 .* to 2 for this model, got 2.5"),
        ("output1.bias", np.full(3, np.nan), "output1.bias: holds NaN"),
        ("layer9.bias", np.zeros(3), "blocks of sizes"),
        ("frobnicate", np.zeros(3), "frobnicate: matched by 0 rules"),
    ],
)
def test_other_tensors_are_refused_by_name(name, value, says):
    tensors = theirs(random_network(BASE), genforce_pggan.BACK)
    tensors |= {name: np.asarray(value, np.float32)} if value is not None else {}
    tensors = {key: array for key, array in tensors.items() if key != name or value is not None}
    with pytest.raises(CheckpointError, match=says):
        built(tensors)
