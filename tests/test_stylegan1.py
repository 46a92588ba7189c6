"""StyleGAN (1): against the projects' own outputs, against the float64 reference in what those do not reach, and from
every project's files.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from peer_files import built, check_arguments, check_float64, opened, pictures, theirs
from tolerances import PARITY, PARITY_W, worst

import lrgan_jax as lr
from lrgan_jax.base.errors import InputError
from lrgan_jax.convert import CheckpointError
from lrgan_jax.convert.check.verify import verify
from lrgan_jax.convert.formats import hammer_stylegan1, rosinality_stylegan1, sefa_stylegan1
from lrgan_jax.convert.formats.stylegan2 import missing
from lrgan_jax.convert.write import hammer
from lrgan_jax.foreign import containers
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
    plain, *_ = opened(path)
    errors = verify(plain, path.with_suffix(".npz"))  # which takes noise and mean latent from there, too
    assert {"w", "img_const", "img_none", "img_psi07"} == {*errors} and max(errors.values()) < PARITY


# ---- Against the reference, in what the fixtures do not reach.

CONFIGS = {
    "rosinality's": ROSINALITY,
    "fading": dataclasses.replace(BASE, lod=1.25),
    "labels, tanh, a w for each layer": dataclasses.replace(
        LABELLED, repeat_w=False, final_tanh=True, conv_lr=0.5, norm_eps=1e-3, latent_eps=1e-2
    ),
    "not equalised": dataclasses.replace(BASE, **UNSCALED, latent_eps=None, filter=(0.5, 0.25, 0.375), lod=1.0),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_images_match_the_reference(name):
    gen = random_network(CONFIGS[name])
    z = np.random.default_rng(0).standard_normal((2, gen.z_dim))
    c = np.eye(3)[[2, 0]] if gen.c_dim else None
    w = reference.stylegan1_mapping(gen.config, gen.variables, z, c)
    ws = (np.repeat(w[:, None], gen.num_ws, 1) if gen.config.repeat_w else w) + np.random.default_rng(
        1
    ).standard_normal((gen.num_ws, gen.w_dim))
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


def test_a_mapping_to_a_w_for_each_layer():
    """Truncated row by row about its own mean; searches and edits of ws go on as ever, but for the local basis."""
    gen = random_network(dataclasses.replace(BASE, repeat_w=False))
    z, mean = lr.sample_z(gen, jax.random.key(0), 2), gen.variables["buffers"]["mapping"]["w_avg"]
    ws, halved = gen.mapping(z), gen.mapping(z, truncation=0.5, cutoff=2)
    assert isinstance(ws, WS) and ws.shape == (2, 6, 4) and isinstance(gen.mapping(z, truncation=0.5), WS)
    np.testing.assert_array_equal(halved[:, 2:], ws[:, 2:])
    np.testing.assert_allclose(halved[:, :2], (np.asarray(ws) + mean)[:, :2] / 2, rtol=0, atol=1e-6)
    found = lr.find_directions(gen, ws, np.eye(16, dtype=np.float32), num=1)
    assert lr.edit(ws, found, 1.0).shape == (2, 6, 4)
    with pytest.raises(InputError, match="a w for each layer"):
        lr.global_directions(gen, method="local_basis", z=z)


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
    "SeFa, a w for each layer": ("SeFa", dataclasses.replace(BASE, repeat_w=False), {"repeat_w": False}),
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
    if project == "rosinality":
        assert "no noise pictures" in remarks[-1]
        back.variables["buffers"]["synthesis"] = gen.variables["buffers"]["synthesis"]
    assert back.config == config and back == gen
    if project == "Hammer":
        tree = {"models": {"generator": tensors}, "model_kwargs_init": {"generator": {**HAMMER, **sizes(gen), **told}}}
        assert built(tree) == (gen, [])


@pytest.mark.parametrize(
    "config",
    [
        dataclasses.replace(LABELLED, channels=(4, 4, 2), lod=0.5, final_tanh=True, conv_gain=0.5, mapping_lr=0.1),
        dataclasses.replace(BASE, channels=(4, 4, 2), filter=(0.5, 0.25, 0.25), repeat_w=False, latent_eps=None),
    ],
    ids=["labels", "a w for each layer"],
)
def test_back_to_hammer(config):
    """What is written is read as the same network, and says all that its constructor needs."""
    gen = random_network(config)
    tree = containers.parse(bytes(hammer.written(gen)))
    assert built(tree) == (gen, [])
    kept = tree["model_kwargs_init"]["generator_smooth"]
    assert set(ARGUMENTS["Hammer"]) - set(kept) <= {"init_res", "fused_scale_res", "mapping_wscale_gain"}
    for change, says in (({"paired": True}, "layers in pairs"), ({"channels": (5, 4, 1)}, "follow no fmaps_base")):
        with pytest.raises(CheckpointError, match=says):
            hammer.written(random_network(dataclasses.replace(config, **change)))


HAMMER = {"model_type": "StyleGANGenerator", "fused_scale": "auto", "noise_type": "spatial"}


def sizes(gen):
    cfg = gen.config
    return {"z_dim": cfg.z_dim, "w_dim": cfg.w_dim, "label_dim": cfg.c_dim, "mapping_layers": 2, "mapping_fmaps": 6}


@pytest.mark.parametrize(("told", "sides"), [({"fused_scale": True}, (8, 16)), ({"fused_scale_res": 16}, (16,))])
def test_fused_layers_hold_reversed_kernels(told, sides):
    """As no shape shows; without a word the project's own default is assumed, and said."""
    gen = random_network(BASE)
    tensors = theirs(gen, hammer_stylegan1.BACK)
    for side in sides:
        layer = f"synthesis.layer{2 * side.bit_length() - 6}.weight"
        tensors[layer] = tensors[layer][:, :, ::-1, ::-1]
    back, remarks = built(tensors, told)
    assert back == gen and "mapping_lr_mul 0.01, use_wscale True, final_tanh False" in remarks[0]
    other, remarks = built(tensors)
    assert other != gen and "fused_scale auto" in remarks[0]


ARGUMENTS = {  # everything that a constructor takes, for BASE
    "Hammer": {
        **HAMMER,
        **sizes(random_network(BASE)),
        **{"repeat_w": True, "normalize_z": True, "mapping_use_wscale": True, "mapping_wscale_gain": ROOT_2},
        **{"mapping_lr_mul": 0.01, "embedding_dim": 512, "resolution": 16, "init_res": 4, "image_channels": 3},
        **{"final_tanh": False, "fused_scale_res": 16, "use_wscale": True, "wscale_gain": ROOT_2, "lr_mul": 1.0},
        **{"fmaps_base": 64, "fmaps_max": 5, "eps": 1e-8},
    },
    "SeFa": {
        **{"resolution": 16, "z_space_dim": 5, "w_space_dim": 4, "label_size": 0, "mapping_layers": 2},
        **{"mapping_fmaps": 6, "mapping_lr_mul": 0.01, "repeat_w": True, "image_channels": 3, "final_tanh": False},
        **{"const_input": True, "fused_scale": False, "use_wscale": True, "fmaps_base": 64, "fmaps_max": 5},
    },
    "rosinality": {"step": 2, "size": 16, "code_dim": 4, "n_mlp": 2, "alpha": 1, "fused": False, "widths": "halved"},
}
HARMLESS = {"fmaps_base", "fmaps_max", "embedding_dim", "widths"}
HONOURED = {
    *("normalize_z", "mapping_use_wscale", "mapping_wscale_gain", "mapping_lr_mul", "final_tanh", "fused_scale"),
    *("fused_scale_res", "use_wscale", "wscale_gain", "lr_mul", "eps", "alpha"),
}


@pytest.mark.parametrize("project", ARGUMENTS)
def test_no_argument_is_ignored(project, monkeypatch):
    monkeypatch.setattr(missing, "mean_latent", lambda config, *_: np.zeros(config.w_dim, np.float32))
    gen = random_network(ROSINALITY if project == "rosinality" else BASE)
    check_arguments(
        theirs(gen, BACK[project]), ARGUMENTS[project], HARMLESS, HONOURED, ("the mapping network takes", "size is")
    )


def test_the_file_is_not_contradicted():
    """Neither by the user, nor by its own tensors, nor by what it leaves out."""
    gen = random_network(LABELLED)
    tensors, told = theirs(gen, hammer_stylegan1.BACK), {**HAMMER, **sizes(gen)}
    tree = {"models": {"generator": tensors}, "model_kwargs_init": {"generator": told}}
    with pytest.raises(CheckpointError, match="model_kwargs_init: fused_scale is 'auto', where .* True"):
        built(tree, {"fused_scale": True})
    del told["label_dim"]
    with pytest.raises(CheckpointError, match="model_kwargs_init: label_dim is 0, where this network has 3"):
        built(tree)
    assert built(tensors, {"filter_kernel": [2, 4, 2]})[0] == gen  # whatever its sum is
    with pytest.raises(CheckpointError, match="arguments: filter_kernel is"):
        built(tensors, {"filter_kernel": [1, 3, 3, 1]})
    with pytest.raises(CheckpointError, match="arguments should be a table"):
        built(tensors, [1])
    with pytest.raises(CheckpointError, match="a StyleGAN has no conv_clamp"):
        built(tensors, conv_clamp=1.0)


def test_rosinalitys_fused_layers_are_known_by_their_names():
    """Stored [I, O] and averaged over the four shifts; here the last block's, as from 128 pixels on in real files."""
    gen = random_network(ROSINALITY)
    tensors = theirs(gen, rosinality_stylegan1.BACK)
    block = "generator.progression.2.conv1"
    plain = tensors.pop(f"{block}.1.conv.weight_orig")
    tensors[f"{block}.0.weight"] = 4 * plain[:, :, ::-1, ::-1].swapaxes(0, 1)
    tensors[f"{block}.0.bias"] = tensors.pop(f"{block}.1.conv.bias")
    tensors[f"{block}.1.weight"] = np.broadcast_to(np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16, (3, 1, 3, 3))
    mean = gen.variables["buffers"]["mapping"]["w_avg"]
    back, _ = built(tensors, {"step": 2, "fused_from": 16}, w_avg=mean)
    assert back.variables["params"]["synthesis"]["b16"]["conv0"]["kernel"].shape == (3, 3, 4, 3)
    back.variables["buffers"]["synthesis"] = gen.variables["buffers"]["synthesis"]
    assert back == gen
    with pytest.raises(CheckpointError, match="arguments: fused_from is 128, where this network has 16"):
        built(tensors, {"step": 2, "fused_from": 128}, w_avg=mean)


def test_what_rosinality_has_to_be_told():
    """How many blocks were trained; those above are left out, whatever is in them."""
    gen = random_network(ROSINALITY)
    tensors = theirs(gen, rosinality_stylegan1.BACK)
    with pytest.raises(CheckpointError, match="blocks up to 16 pixels.*: give its step"):
        built(tensors)
    for step in (3, -1, 1.5, "2"):
        with pytest.raises(CheckpointError, match="step is .*, where the blocks are 0 to 2"):
            built(tensors, {"step": step})
    tensors["generator.to_rgb.2.conv.bias"] = np.full(3, np.nan, np.float32)
    small, remarks = built({"g_running": tensors, "generator": tensors}, {"step": 1}, noise="zeros", w_avg=np.zeros(4))
    assert small.size == (8, 8) and small.num_ws == 2 and "they are zeros" in remarks[1]
    assert not np.any(small.variables["buffers"]["synthesis"]["b8"]["noise0"])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("mapping.dense1.bias", None, "mapping.dense1.bias: nothing in the checkpoint fills it"),
        ("synthesis.layer2.noise_strength", np.zeros(4), r"shape \(4,\) does not fit"),
        ("synthesis.layer3.weight", np.zeros((4, 4, 3, 1)), r"layer3.weight: shape \(4, 4, 3, 1\), the model wants"),
        ("synthesis.layer2.filter", np.ones((1, 1, 5, 5)), "the blur is one of 3x3"),
        ("synthesis.lod", np.asarray(3.5), "lod is a level of detail, 0 .* to 2 for this model, got 3.5"),
        ("synthesis.lod", np.asarray(np.nan), "synthesis.lod: holds NaN"),
        ("mapping.embedding", None, "the mapping network takes 7 inputs"),
        ("synthesis.layer9.bias", np.zeros(3), "blocks of sizes"),
        ("frobnicate", np.zeros(3), "frobnicate: matched by 0 rules"),
    ],
)
def test_other_tensors_are_refused_by_name(name, value, says):
    tensors = theirs(random_network(LABELLED), hammer_stylegan1.BACK)
    tensors |= {name: np.asarray(value, np.float32)} if value is not None else {}
    tensors = {key: array for key, array in tensors.items() if key != name or value is not None}
    with pytest.raises(CheckpointError, match=says):
        built(tensors, {"z_dim": 5})
