"""The PyTorch network that stands for NVIDIA's: its names, its pictures, and derivatives that agree with ours.

With the shared checkpoints every output that NVIDIA's code computed is compared; without them it is compared with our
own network, on its own random weights, which reach ours through a file as a user's would.
"""

import json

import jax
import numpy as np
import pytest
from tolerances import PARITY, PARITY_F64, PARITY_W, worst

from lrgan_jax.convert import find_network, read_checkpoint
from lrgan_jax.foreign import containers
from lrgan_jax.generators import image_function
from lrgan_jax.jacobian import region_grams

torch = pytest.importorskip("torch")
import torch_stylegan2 as network  # noqa: E402 - it imports torch

FIXTURES = [
    *(
        f"nvidia_ada/ada_{name}"
        for name in ("asymfilter16", "cifar32", "clamp_fp16_32", "nonoise16", "orig32_cond", "resnet32", "skip64")
    ),
    *(f"nvidia_sg3/sg3_{name}" for name in ("cond32", "skip32")),
]
INPUTS = {"z", "c", "wplus", "jac_w", "truncation_cutoff", "jac_vjp_rel_err"}
UNEVEN = (np.arange(1.0, 17).reshape(4, 4) / 136).tolist()
TINY = dict(z_dim=5, c_dim=0, w_dim=6, img_resolution=16, img_channels=3, channels=[4, 3, 2])
CONFIGS = {
    "skip": TINY | dict(mapping_kwargs=dict(num_layers=2, lr_multiplier=0.02), synthesis_kwargs=dict(conv_clamp=0.7)),
    "resnet": TINY
    | dict(
        mapping_kwargs=dict(num_layers=3, layer_features=7),
        synthesis_kwargs=dict(architecture="resnet", resample_filter=UNEVEN, conv_clamp=1.0),
    ),
    "orig": TINY
    | dict(
        c_dim=3,
        mapping_kwargs=dict(num_layers=1, embed_features=4),
        synthesis_kwargs=dict(architecture="orig", use_noise=False),
    ),
    "long filter": TINY
    | dict(
        z_dim=6,
        img_resolution=8,
        channels=[2, 3],
        mapping_kwargs=dict(num_layers=0),
        synthesis_kwargs=dict(resample_filter=[1, 2, 4, 7, 9, 4, 2, 2, 1]),
    ),
}


def from_numpy(array):
    return torch.from_numpy(np.ascontiguousarray(array))


def load(network_kwargs, tensors):
    """The network with these weights, in NVIDIA's names: none missing, none left over."""
    G = network.Generator(**network_kwargs).eval().requires_grad_(False)
    G.load_state_dict({name: from_numpy(array) for name, array in tensors.items()}, strict=True)
    return G


def jacobian(G, w):
    """d image[c, y, x] / d w[k], one w for all layers: [c, y, x, k]."""
    return torch.func.jacfwd(lambda w: G.synthesis(w.expand(1, G.num_ws, -1))[0])(w)


def outputs(G, stored):
    """Every array of a fixture that the network's precision can give."""
    dtype = G.mapping.w_avg.dtype
    z, wplus = (from_numpy(stored[name]).to(dtype) for name in ("z", "wplus"))
    c = from_numpy(stored["c"]).to(dtype) if "c" in stored else None
    cutoff = int(stored.get("truncation_cutoff", 0))
    ws, ws_psi07, ws_cutoff = G.mapping(z, c), G.mapping(z, c, truncation_psi=0.7), G.mapping(z, c, 0.7, cutoff)
    return {
        "w": ws[:, 0],
        "w_psi07": ws_psi07[:, -1],
        "ws_psi07_cutoff": ws_cutoff,
        "img_const": G(z, c),
        "img_none": G(z, c, noise_mode="none"),
        "img_psi07_const": G(z, c, truncation_psi=0.7),
        "img_psi07_cutoff_const": G(z, c, truncation_psi=0.7, truncation_cutoff=cutoff),
        "img_wplus_const": G.synthesis(wplus, noise_mode="const", force_fp32=True),
    }


@pytest.mark.parametrize("name", FIXTURES)
def test_outputs_match_nvidia(name, shared):
    path = shared / "fixtures" / "public" / name
    config, stored = (
        json.loads(path.with_suffix(".json").read_text())["config"],
        dict(np.load(path.with_suffix(".npz"))),
    )
    mapping = dict(
        num_layers=config["mapping_layers"],
        embed_features=config["mapping_embed_features"],
        layer_features=config["mapping_layer_features"],
        lr_multiplier=config["mapping_lr_multiplier"],
    )
    synthesis = (
        "channel_base",
        "channel_max",
        "architecture",
        "resample_filter",
        "conv_clamp",
        "use_noise",
        "num_fp16_res",
    )
    G = load(
        {key: config[key] for key in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")}
        | dict(mapping_kwargs=mapping, synthesis_kwargs={key: config[key] for key in synthesis}),
        find_network(containers.read(path.with_suffix(".pkl")))[0].tensors,
    )
    computed = outputs(G, stored)
    G.double()
    computed |= {f"{key}_f64": value for key, value in outputs(G, stored).items()}
    if "jac" in stored:
        w = from_numpy(stored["jac_w"]).double()
        computed |= {"jac": jacobian(G, w), "jac_img_f64": G.synthesis(w.expand(1, G.num_ws, -1))[0]}
    assert stored.keys() - INPUTS <= computed.keys()  # nothing in the file was overlooked
    for key in stored.keys() - INPUTS:
        actual = computed[key][: len(stored[key])].numpy()  # large pictures are stored for the first latents only
        if key.startswith("w") and not key.endswith("_f64"):
            np.testing.assert_allclose(actual, stored[key], rtol=0, atol=PARITY_W, err_msg=key)
        else:
            assert worst(actual, stored[key]) < (PARITY_F64 if key.endswith("_f64") else PARITY), key


def test_no_nvidia_checkpoint_is_left_out(shared):
    assert {f"{p.parent.name}/{p.stem}" for p in (shared / "fixtures" / "public").glob("nvidia_[!t]*/*.pkl")} == set(
        FIXTURES
    )


def test_faces64_matches_nvidia(shared):
    stored = {key: array[:4] for key, array in np.load(shared / "faces64" / "parity.npz").items()}
    tree = containers.read(shared / "faces64" / "faces64_ada.pt")
    G, z = load(tree["config"], find_network(tree)[0].tensors), from_numpy(stored["z"])
    np.testing.assert_allclose(G.mapping(z)[:, 0].numpy(), stored["w"], rtol=0, atol=PARITY_W)
    for psi, key in ((1, "psi1"), (0.7, "psi07")):
        for noise in ("const", "none"):
            assert worst(G(z, truncation_psi=psi, noise_mode=noise).numpy(), stored[f"img_{key}_{noise}"]) < PARITY, (
                key,
                noise,
            )


def random_network(name):
    """Nothing keeps a harmless initial value: no noise strength or bias is 0, the mean latent neither."""
    torch.manual_seed(0)
    G = network.Generator(**CONFIGS[name]).eval().requires_grad_(False)
    for key, tensor in G.state_dict().items():
        if key.endswith(("bias", "noise_strength", "w_avg")):
            tensor.add_(0.3 * torch.randn_like(tensor))
    return G


@pytest.mark.parametrize("name", CONFIGS)
def test_a_saved_network_converts_to_the_same_latents_images_and_jacobian(name, tmp_path):
    """In float64; the Jacobian is `jacfwd` through torch against ours."""
    G = random_network(name)
    torch.save({"G_ema": G.state_dict()}, tmp_path / "network.pt")
    config = CONFIGS[name]
    settings = dict(
        conv_clamp=config["synthesis_kwargs"].get("conv_clamp"),
        mapping_lr=config["mapping_kwargs"].get("lr_multiplier", 0.01),
    )
    settings |= {
        name: value for name, value in (("mapping_layers", config["mapping_kwargs"]["num_layers"]),) if value == 0
    }
    gen, G = read_checkpoint(tmp_path / "network.pt", settings), G.double()
    rng = np.random.default_rng(0)
    z, c = rng.standard_normal((2, G.z_dim)), np.eye(3)[[2, 0]] if G.c_dim else None
    ws = G.mapping(from_numpy(z), c if c is None else from_numpy(c), truncation_psi=0.8)
    with jax.enable_x64(True):
        gen = jax.tree.map(lambda a: np.asarray(a, np.float64), gen)
        w = np.asarray(gen.mapping(z, c, truncation=0.8))
        mask = np.ones((G.img_resolution, G.img_resolution))
        grams = region_grams(image_function(gen), w, mask, channels="stack", keep_jacobian=True)
    assert worst(ws[:, -1].numpy(), w) < PARITY_F64
    assert worst(G.synthesis(ws).numpy(), np.asarray(grams.image).transpose(0, 3, 1, 2)) < PARITY_F64
    ours = np.asarray(grams.jacobian).transpose(0, 3, 1, 2, 4)
    for row, expected in zip(ws[:, 0], ours, strict=True):
        assert worst(jacobian(G, row).numpy(), expected) < PARITY_F64


@pytest.mark.parametrize("name", CONFIGS)
def test_scaled_activations_are_scaled_weights(name):
    """Images and slopes, in float64."""
    G = random_network(name).double()
    w = torch.randn(2, G.w_dim, dtype=torch.float64)
    fused, slopes = torch.func.vjp(lambda w: G.synthesis(w[:, None].expand(-1, G.num_ws, -1)), w)
    for module in G.modules():
        module.fused = False
    scaled, same = torch.func.vjp(lambda w: G.synthesis(w[:, None].expand(-1, G.num_ws, -1)), w)
    toward = torch.randn_like(fused)
    assert worst(scaled, fused) < PARITY_F64 and worst(same(toward)[0], slopes(toward)[0]) < PARITY_F64


def test_forward_and_reverse_mode_agree():
    """One pixel at a time, as the authors' code takes its Jacobian."""
    G = random_network("resnet").double()
    w = torch.randn(G.w_dim, dtype=torch.float64)
    by_pixel = torch.func.jacrev(lambda w: G.synthesis(w.expand(1, G.num_ws, -1))[0], chunk_size=1)(w)
    assert worst(by_pixel.numpy(), jacobian(G, w).numpy()) < PARITY_F64


def test_hooks_see_what_nvidias_modules_return():
    """Mapping layers and convolutions after their activation; a toRGB its own picture, before it joins the pyramid."""
    G, seen = random_network("skip"), {}
    for name, module in G.named_modules():
        module.register_forward_hook(lambda module, args, output, name=name: seen.__setitem__(name, output))
    image = G(torch.randn(2, G.z_dim))
    torch.testing.assert_close(seen["mapping.fc1"], seen["mapping"][:, 0])
    conv = seen["synthesis.b16.conv1"]
    assert conv.max() == torch.tensor(0.7) and conv.shape == (2, 2, 16, 16)  # clamped
    pictures = [seen[f"synthesis.b{r}.torgb"] for r in G.synthesis.block_resolutions]
    pyramid = pictures[0]
    for picture in pictures[1:]:
        pyramid = network.upsample2d(pyramid, G.synthesis.get_buffer("b4.resample_filter")) + picture
    torch.testing.assert_close(pyramid, image)
