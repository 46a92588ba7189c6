"""StyleGAN (1): against the projects' own outputs, against the float64 reference in what those do not reach, and from
every project's files.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from peer_files import built, check_float64, opened, pictures, theirs
from tolerances import PARITY, PARITY_W, worst

from lrgan_jax.convert.formats import hammer_stylegan1, rosinality_stylegan1, sefa_stylegan1
from lrgan_jax.generators import WS, StyleGAN1, StyleGAN1Config, W, image_function, stylegan1, to_ws
from lrgan_jax.generators.windows import Window

BASE = StyleGAN1Config(channels=(5, 4, 3), z_dim=5, w_dim=4, mapping_layers=2, mapping_features=6)
ROOT_2 = 2**0.5
ROSINALITY = dataclasses.replace(
    BASE,
    z_dim=4,
    mapping_features=4,
    mapping_lr=1.0,
    style_gain=ROOT_2,
    rgb_gain=ROOT_2,
    noise_gain=ROOT_2,
    norm_eps=1e-5,
    adds_one=False,
    bias_first=True,
    paired=True,
)
LABELLED = dataclasses.replace(BASE, c_dim=3, embed_features=2)
UNSCALED = dict.fromkeys(("mapping_gain", "conv_gain", "style_gain", "rgb_gain"), None)


def random_network(config) -> StyleGAN1:
    return StyleGAN1(config, reference.random_variables(stylegan1.init, config))


# ---- Against the projects themselves.

FIXTURES = ("sefa_sg1_32.pth", "hammer_sg1_32_cond.pth")


@pytest.mark.parametrize("name", FIXTURES)
def test_outputs_are_those_of_genforce(name, shared):
    """Every array that was stored: w, truncation and cutoff, mixing, noise, labels, fused layers; float64, Jacobian."""
    gen, stored, wide = opened(shared / "fixtures" / "public" / "stylegan1" / name)
    z, c, cutoff = stored["z"], stored.get("label"), int(stored["trunc_layers"])
    np.testing.assert_array_equal(gen.variables["buffers"]["mapping"]["w_avg"], stored["w_avg"])
    psi, cut = to_ws(gen, gen.mapping(z, c, 0.7)), gen.mapping(z, c, 0.7, cutoff)
    latents = {"w": gen.mapping(z, c), "wp_psi07": psi, "wp_psi07_cutoff": cut}
    half = np.arange(gen.num_ws)[:, None] < gen.num_ws // 2
    latents["wp_mix"] = np.where(half, *np.asarray(latents["w"])[:2, None])[None]
    for key, found in latents.items():
        np.testing.assert_allclose(np.asarray(found), stored[key], rtol=0, atol=PARITY_W, err_msg=key)
    w = latents["w"]
    images = {"img_const": pictures(gen, w), "img_none": pictures(gen, w[:1], "none")}
    images |= {"img_psi07": pictures(gen, psi[:1]), "img_psi07_cutoff": pictures(gen, cut[:1])}
    images["img_mix"] = pictures(gen, WS(stored["wp_mix"]))
    for key, found in images.items():
        assert worst(found, stored[key]) < PARITY, key
    assert not set(stored) - {"z", "label", "trunc_layers", "w_avg"} - latents.keys() - images.keys()
    assert not set(wide) - check_float64(gen, z, c, wide)


def test_outputs_are_those_of_rosinality(shared):
    """With the noise and the mean latent that its file lacks; blocks mixed, and one faded in."""
    path = shared / "fixtures" / "public" / "stylegan1" / "rosi_sg1_32.model"
    gen, stored, wide = opened(path, w_avg=np.load(path.with_suffix(".npz"))["mean_style"])
    noises = [name for name in stored if name.startswith("noise_")]
    for name in noises:
        gen.variables["buffers"]["synthesis"][f"b{4 * 2 ** int(name[-1])}"]["noise0"] = stored[name][0, 0]
    z, w = stored["z"], gen.mapping(stored["z"])
    np.testing.assert_allclose(np.asarray(w), stored["w"], rtol=0, atol=PARITY_W)
    rows = np.asarray(to_ws(gen, w))
    mixed = np.where(np.arange(gen.num_ws)[:, None] < 2, rows[1], rows[0])[None]
    images = {"img_const": pictures(gen, w), "img_none": pictures(gen, w[:1], "none")}
    images |= {"img_psi07": pictures(gen, gen.mapping(z[:1], truncation=0.7)), "img_mix": pictures(gen, WS(mixed))}
    images["img_fade"] = pictures(gen.with_lod(1 - 0.3), w[:1])
    for key, found in images.items():
        assert worst(found, stored[key]) < PARITY, key
    assert not set(stored) - {"z", "w", "mean_style", *noises} - images.keys()
    assert not set(wide) - check_float64(gen, z, None, wide)


# ---- Against the reference, in what the fixtures do not reach.

CONFIGS = {
    "rosinality's": ROSINALITY,
    "fading": dataclasses.replace(BASE, lod=1.25),
    "labels, tanh": dataclasses.replace(LABELLED, final_tanh=True, conv_lr=0.5, norm_eps=1e-3, latent_eps=1e-2),
    "not equalised": dataclasses.replace(BASE, **UNSCALED, latent_eps=None, filter=(0.5, 0.25, 0.375), lod=1.0),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_images_match_the_reference(name):
    gen = random_network(CONFIGS[name])
    z = np.random.default_rng(0).standard_normal((2, gen.z_dim))
    c = np.eye(3)[[2, 0]] if gen.c_dim else None
    w = reference.stylegan1_mapping(gen.config, gen.variables, z, c)
    ws = np.repeat(w[:, None], gen.num_ws, 1) + np.random.default_rng(1).standard_normal((gen.num_ws, gen.w_dim))
    with jax.enable_x64(True):
        wide = StyleGAN1(gen.config, reference.in_float64(gen.variables))
        assert worst(wide.mapping(z, c), w) < 1e-12
        assert worst(wide.synthesis(ws), reference.stylegan1(gen.config, gen.variables, ws)) < 1e-12


def test_levels_of_detail(small_stylegan1):
    """A whole number enlarges the picture of an earlier block; none and too many are refused."""
    gen, w = small_stylegan1, W(np.ones((1, 9), np.float32))
    coarse = np.asarray(gen.with_lod(2).synthesis(w))
    np.testing.assert_array_equal(coarse, coarse[:, ::4, ::4].repeat(4, 1).repeat(4, 2))
    assert gen.with_lod(2).with_lod(0) == gen
    for lod in (-0.5, 2.5, float("nan")):
        with pytest.raises(ValueError, match="lod is a level of detail, 0"):
            gen.with_lod(lod)


# ---- As a generator.


def test_rows_that_do_not_move_are_held(small_stylegan1):
    """Moving some rows is moving them in the whole, a window is a part of the image, and vmap is a batch."""
    gen = small_stylegan1
    ws = np.random.default_rng(0).standard_normal((2, gen.num_ws, gen.w_dim)).astype(np.float32)
    move = np.zeros_like(ws[0])
    move[[2, 5]] = 1
    window = Window(3, 2, 8, 9)
    part = image_function(gen, layers=[2, 5], window=window)
    image, slope = jax.jit(lambda f, w: jax.jvp(f, (w,), (jnp.ones_like(w),)))(part, ws[0])
    whole, expected = jax.jit(lambda f, w: jax.jvp(f, (w,), (move,)))(image_function(gen), ws[0])
    for found, wanted in ((image, whole), (slope, expected)):
        np.testing.assert_allclose(found, wanted[3:11, 2:11], rtol=0, atol=2e-5 * np.abs(wanted).max())
    many = jax.jit(jax.vmap(image_function(gen)))(ws)
    assert worst(many, gen.synthesis(ws)) < PARITY


def test_noise_and_dtypes(small_stylegan1):
    gen, w = small_stylegan1, np.ones((2, 9), np.float32)
    const, none = gen.synthesis(w), gen.synthesis(w, noise="none")
    one, other = (gen.synthesis(w, noise="random", key=jax.random.key(seed)) for seed in (0, 1))
    for a, b in ((const, none), (one, other), (one[0], one[1])):
        assert worst(a, b) > 1e-3
    for dtype in ("bfloat16", "float64"):
        cast = jax.tree.map(lambda a, dtype=dtype: jax.ShapeDtypeStruct(a.shape, dtype), (gen, w))
        with jax.enable_x64(True):
            assert jax.eval_shape(lambda g, w: g.synthesis(w), *cast).dtype == dtype


def test_gradients_are_finite_and_reach_every_weight():
    """But for the noise pictures and the mean latent, all of them: of the last toRGB alone, as no other is seen."""
    gen = random_network(LABELLED)
    z, c = np.ones((2, 5), np.float32), np.eye(3, dtype=np.float32)[:2]
    loss = lambda params: jnp.mean(  # noqa: E731
        dataclasses.replace(gen, variables={**gen.variables, "params": params}).synthesis(
            dataclasses.replace(gen, variables={**gen.variables, "params": params}).mapping(z, c)
        )
        ** 2
    )
    for path, gradient in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(gen.variables["params"])):
        names = [entry.key for entry in path]
        hidden = "torgb" in names and "b16" not in names
        assert np.isfinite(gradient).all() and np.any(gradient) != hidden, names


@pytest.mark.parametrize("config", [BASE, ROSINALITY], ids=["row a layer", "row a block"])
def test_style_weights_are_those_of_the_rows(config):
    """Scale and shift of every channel, of the layers that the row styles."""
    gen = random_network(config)
    blocks = gen.variables["params"]["synthesis"]
    rows = gen.style_weights([1])
    layers = ["b8/conv0", "b8/conv1"] if config.paired else ["b4/conv1"]
    expected = [blocks[b][layer]["affine"]["kernel"].T for b, layer in (name.split("/") for name in layers)]
    np.testing.assert_array_equal(rows, np.concatenate(expected))
    assert gen.style_weights().shape == (4 * sum(config.channels), config.w_dim)


# ---- From files.

BACK = {"Hammer": hammer_stylegan1.BACK, "SeFa": sefa_stylegan1.BACK, "rosinality": rosinality_stylegan1.BACK}


CASES = {  # project and network, and what its constructor has to be told
    "Hammer, labels, level of detail": ("Hammer", dataclasses.replace(LABELLED, lod=1.5), {}),
    "Hammer, everything": (
        "Hammer",
        dataclasses.replace(
            BASE, mapping_gain=0.5, mapping_lr=0.1, conv_gain=0.25, conv_lr=0.5, norm_eps=1e-3, latent_eps=None
        ),
        {
            "mapping_wscale_gain": 0.5,
            "mapping_lr_mul": 0.1,
            "wscale_gain": 0.25,
            "lr_mul": 0.5,
            "eps": 1e-3,
            "normalize_z": False,
        },
    ),
    "SeFa, labels, not equalised": (
        "SeFa",
        dataclasses.replace(LABELLED, **UNSCALED, final_tanh=True),
        {"use_wscale": False, "final_tanh": True, "label_size": 3, "z_space_dim": 5},
    ),
    "SeFa, no noise": ("SeFa", dataclasses.replace(BASE, use_noise=False), {}),
    "rosinality": ("rosinality", ROSINALITY, {"step": 2, "code_dim": 4, "n_mlp": 2}),
    "rosinality, fading": ("rosinality", dataclasses.replace(ROSINALITY, lod=0.75), {"size": 16, "alpha": 0.25}),
}


@pytest.mark.parametrize("name", CASES)
def test_files_come_back_exactly(name):
    """Under the names of every project, with what its constructor is told: by the user, or by Hammer's file itself."""
    project, config, told = CASES[name]
    gen = random_network(config)
    tensors = theirs(gen, BACK[project])
    lacking = {"w_avg": gen.variables["buffers"]["mapping"]["w_avg"]} if project == "rosinality" else {}
    back, remarks = built(tensors, told, **lacking)
    assert back.config == config
    if project == "rosinality":
        back.variables["buffers"]["synthesis"] = gen.variables["buffers"]["synthesis"]
        assert ["no noise pictures" in remark for remark in remarks] == [False, True][: len(remarks)] or "alpha" in told
    assert back == gen
    if project == "Hammer":
        tree = {"models": {"generator": tensors}, "model_kwargs_init": {"generator": {**HAMMER, **sizes(gen), **told}}}
        assert built(tree) == (gen, [])


HAMMER = {"model_type": "StyleGANGenerator", "fused_scale": "auto", "noise_type": "spatial", "filter_kernel": (1, 2, 1)}


def sizes(gen):
    cfg = gen.config
    return {"z_dim": cfg.z_dim, "w_dim": cfg.w_dim, "label_dim": cfg.c_dim, "mapping_layers": 2, "mapping_fmaps": 6}
