"""Comparing layer by layer with the projects' own code (see `test_peer`): StyleGAN 1 and 3, PGGAN, BigGAN."""

import dataclasses
import importlib
import json
import sys

import jax
import numpy as np
import peer_checkouts
import pytest

from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.convert.check import layers as peer
from lrgan_jax.convert.check.checkout import imported
from lrgan_jax.convert.check.verify import TOLERANCE
from lrgan_jax.convert.formats.variables import table
from lrgan_jax.convert.reading import network_in
from lrgan_jax.generators import PGGAN, StyleGAN1

torch = pytest.importorskip("torch")

CHECKOUTS = {  # where a checkout has its generator, its stand-in, and where that is
    "NVIDIA StyleGAN3": ("training/networks_stylegan3.py", "Generator", "stylegan3", "Alias"),
    "Hammer StyleGAN3": ("models/stylegan3_generator.py", "StyleGAN3Generator", "stylegan3", "HammerAlias"),
    "Hammer StyleGAN": ("models/stylegan_generator.py", "StyleGANGenerator", "growing", "StyleGAN"),
    "SeFa StyleGAN": ("models/stylegan_generator.py", "StyleGANGenerator", "growing", "SeFaStyleGAN"),
    "rosinality": ("model.py", "StyledGenerator", "styled", "Styled"),
    "Hammer PGGAN": ("models/pggan_generator.py", "PGGANGenerator", "growing", "PGGAN"),
    "SeFa PGGAN": ("models/pggan_generator.py", "PGGANGenerator", "growing", "SeFaPGGAN"),
    "BigGAN": ("BigGAN.py", "Generator", "biggan", "BigGAN"),
    "BigGAN-deep": ("BigGANdeep.py", "Generator", "biggan", "BigGANDeep"),
    "HuggingFace": ("pytorch_pretrained_biggan/model.py", "BigGAN", "biggan", "HuggingFace"),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Of PyTorch's, which would wait for one another at every small operation while other processes run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def checkout(tmp_path):
    """Writes a stand-in's checkout, of its class with these attributes."""

    def write(project, attributes=None):
        file, name, module, standin = CHECKOUTS[project]
        body = "\n    ".join(f"{name} = {value!r}" for name, value in (attributes or {}).items())
        code = peer_checkouts.standing_in(name, f"peer_standins_{module}", standin, body or "pass")
        return peer_checkouts.written(tmp_path / f"{project} checkout", file, code)

    return write


# ---- Which layers are compared.


def expected_layers(gen):
    """All that are, but for the order: whatever has weights and makes something of the image, and the image."""
    return {layer for place in table(gen.variables) if (layer := layer_of(gen, place))} | {"image"}


def layer_of(gen, place):
    """The first layer of these that a tensor of ours shows in; None if it shows in none."""
    _, *parts, leaf = place.split("/")
    layer, growing = ".".join(parts), isinstance(gen, StyleGAN1 | PGGAN)
    if leaf == "w_avg" or growing and parts[-1:] == ["torgb"] and f"b{gen.config.resolutions[-1]}" not in parts:
        return None  # without truncation, and of a network that has grown
    if leaf == "label_weight":
        return "mapping.fc0"
    if leaf == "embedding":
        return "project" if gen.config.deep else "block0.norm1.gain"
    if leaf == "const":
        return f"{layer}.conv0"
    if leaf.startswith("noise") and leaf != "noise_strength":
        return None if gen.config.paired else f"{layer}.conv{leaf[-1]}"  # which rosinality's code is given ours of
    if parts[-1] == "statistics":  # of a norm, which is seen in what follows it
        return layer.removesuffix(".statistics").replace(".norm", ".conv")
    return layer.removesuffix(".affine") if isinstance(gen, StyleGAN1) else layer


def assert_all_layers_agree(errors, gen):
    assert errors.keys() == expected_layers(gen) and list(errors)[-1] == "image"
    assert max(errors.values()) < TOLERANCE, errors


# ---- The projects' own files.

FILES = {
    "stylegan3/sg3t32.pkl": "NVIDIA StyleGAN3",
    "stylegan3/sg3r32_cond.pkl": "NVIDIA StyleGAN3",
    "stylegan3/sg3r64.pkl": "NVIDIA StyleGAN3",
    "stylegan3/sg3t64_cond.pkl": "NVIDIA StyleGAN3",
    "stylegan3/hammer_sg3t32.pth": "Hammer StyleGAN3",
    "stylegan1/hammer_sg1_32_cond.pth": "Hammer StyleGAN",
    "stylegan1/sefa_sg1_32.pth": "SeFa StyleGAN",
    "stylegan1/rosi_sg1_32.model": "rosinality",
    "pggan/hammer_pg32_cond.pth": "Hammer PGGAN",
    "pggan/sefa_pg32.pth": "SeFa PGGAN",
    "pggan/sefa_pg64.pth": "SeFa PGGAN",
    "biggan_ajbrock/ajb32.pth": "BigGAN",
    "biggan_ajbrock/ajb32_noshared.pth": "BigGAN",
    "biggan_ajbrock/ajb_deep32.pth": "BigGAN-deep",
    "biggan_hf/hf16_51": "HuggingFace",
    "biggan_hf/hf16_zip": "HuggingFace",
    "biggan_hf/hf32": "HuggingFace",
}


@pytest.mark.parametrize("file", FILES)
def test_every_layer_of_the_shared_checkpoints_agrees(file, shared, checkout):
    path = shared / "fixtures" / "public" / file
    told = json.loads(path.with_suffix(".json").read_text())
    told = told.get("arguments", told.get("config"))
    gen = read_checkpoint(path, arguments=told)
    errors, made_with = peer.compare(gen, network_in(path, None)[0], checkout(FILES[file]), told)
    assert_all_layers_agree(errors, gen)
    assert ("the file's own arguments" in made_with) == file.startswith(("stylegan3", "biggan_hf"))


# ---- Small networks, of whatever their projects can make.

CUT = dict(num_layers=4, num_critical=1, margin_size=6, filter_size=4)  # as small_stylegan3, whose filters they have
GROWN = dict(resolution=16, fmaps_base=64, fmaps_max=5, fused_scale=True)
STYLED = GROWN | dict(mapping_layers=2, mapping_fmaps=6, mapping_lr_mul=0.1)
SMALL = dict(G_ch=4, dim_z=8, resolution=32, n_classes=4, G_attn="16", shared_dim=3)
LAYERS = [[True, 16, 8], [False, 8, 4], [True, 4, 2], [False, 2, 1]]
NETWORKS = {  # project, arguments
    "NVIDIA StyleGAN3": CUT
    | dict(z_dim=6, c_dim=3, w_dim=7, img_resolution=16, img_channels=3, channel_base=64, channel_max=5),
    "Hammer StyleGAN3": CUT
    | dict(z_dim=6, w_dim=7, resolution=16, fmaps_base=64, fmaps_max=5, kernel_size=3, mapping_fmaps=9)
    | dict(label_dim=3, embedding_dim=4),
    "Hammer StyleGAN": STYLED | dict(z_dim=5, w_dim=4, label_dim=3, embedding_dim=2),
    "SeFa StyleGAN": STYLED | dict(z_space_dim=5, w_space_dim=4, label_size=3, repeat_w=False),
    "rosinality": dict(code_dim=5, n_mlp=2),
    "Hammer PGGAN": GROWN | dict(z_dim=5, label_dim=2),
    "SeFa PGGAN": GROWN | dict(z_space_dim=5, label_size=2),
    "BigGAN": SMALL | dict(hier=True),
    "BigGAN-deep": SMALL | dict(hier=True, mybn=True, G_depth=1),
    "HuggingFace": dict(z_dim=3, channel_width=2, num_classes=4, layers=LAYERS, attention_layer_position=1)
    | dict(output_dim=16, eps=1e-4, n_stats=5),
}
TOLD = {"rosinality": {"step": 2, "fused_from": 16}}  # what a user says besides
CUT_SHORT = {"rosinality": {"WIDTHS": (6, 5, 4), "FUSED_FROM": 2}}  # what their classes have fixed


def standin(project, arguments):
    """The network, in which nothing has a harmless value."""
    *_, module, name = CHECKOUTS[project]
    home = importlib.import_module(f"peer_standins_{module}")
    made = type(name, (getattr(home, name),), CUT_SHORT.get(project, {}))
    torch.manual_seed(0)
    net = made(home.BigGANConfig.from_dict(arguments)) if project == "HuggingFace" else made(**arguments)
    for name, a in net.state_dict().items():
        if name.endswith(("bias", "noise_strength", "apply_noise.weight", "weight_orig", "gamma", "mean", "means")):
            a += 0.3 * torch.randn(a.shape)
        elif name.endswith(("var", "vars", "accumulation_counter")):
            a += torch.rand(a.shape)
        elif name.endswith(".sv0"):
            a.fill_(float("nan"))  # a record, which nobody reads
    if project == "HuggingFace":
        net(torch.randn(2, arguments["z_dim"]), torch.eye(arguments["num_classes"])[:2], 1.0)  # a power step each
    return net


@pytest.fixture
def small(small_stylegan3):
    """The tensors of a network, and all that a user may say of it."""

    def make(project, **more):
        net = standin(project, NETWORKS[project] | more)
        tensors = {name: a.numpy() for name, a in net.state_dict().items()}
        if "StyleGAN3" in project:
            tensors |= filters(net, small_stylegan3)
        return tensors, NETWORKS[project] | more | TOLD.get(project, {})

    return make


def filters(net, gen):
    """Those of our network of the same design, and the places of the input's samples."""
    ours = table(gen.variables)
    names = getattr(net.synthesis, "layer_names", None)
    found = {}
    for i in range(gen.num_ws - 2):
        start = f"synthesis.{names[i]}" if names else f"synthesis.layer{i}.filter"
        for kind in ("up_filter", "down_filter"):
            found[f"{start}.{kind}"] = ours[f"buffers/synthesis/layer{i}/{kind}"]
    if not names:
        side, rate = gen.config.layers[0].size[0], gen.config.layers[0].rate
        x = (np.arange(side) + 0.5 - side / 2) / rate
        found["synthesis.early_layer.grid"] = np.stack(np.meshgrid(x, x), -1)[None].astype(np.float32)
    return found


def read(tensors, told=None):
    """The network in the file, and its generator."""
    network, _ = find_network(tensors)
    return network, network.build({} if told is None else {"arguments": told})[0]


@pytest.mark.parametrize("project", NETWORKS)
def test_the_first_layer_that_differs_is_the_changed_one(project, small, checkout):
    """Every tensor of ours in turn: the layers before it agree, its own does not; unless it shows nowhere."""
    tensors, told = small(project)
    network, gen = read(tensors, told)
    folder = checkout(project, CUT_SHORT.get(project))
    assert_all_layers_agree(peer.compare(gen, network, folder, told)[0], gen)
    for where, _ in jax.tree_util.tree_leaves_with_path(gen.variables):
        changed = jax.tree_util.tree_map_with_path(
            lambda at, a, where=where: a + 0.7 if at == where else a, gen.variables
        )
        errors, _ = peer.compare(dataclasses.replace(gen, variables=changed), network, folder, told)
        place = "/".join(entry.key for entry in where)
        assert next((layer for layer, error in errors.items() if not error <= TOLERANCE), None) == layer_of(
            gen, place
        ), place


UNSEEN = {  # arguments that no tensor shows, and the first layer that they change
    "NVIDIA StyleGAN3": ({"output_scale": 0.5}, "image"),
    "Hammer StyleGAN3": ({"mapping_lr_mul": 0.1}, "mapping.fc0"),
    "Hammer StyleGAN": ({"mapping_lr_mul": 0.2}, "mapping.fc0"),
    "SeFa StyleGAN": ({"final_tanh": True}, "image"),
    "Hammer PGGAN": ({"final_tanh": True}, "image"),
    "SeFa PGGAN": ({"final_tanh": True}, "image"),
    "BigGAN": ({"BN_eps": 0.5}, "block0.conv1"),
    "BigGAN-deep": ({"BN_eps": 0.5}, "block0.conv1"),
}


@pytest.mark.parametrize("project", UNSEEN)
def test_the_peer_is_made_with_the_arguments_given(project, small, checkout):
    """Not with what we read them as: here we did not hear them."""
    (argument, first), folder = UNSEEN[project], checkout(project)
    tensors, told = small(project, **argument)
    network, gen = read(tensors, told)
    errors, made_with = peer.compare(gen, network, folder, told)
    assert max(errors.values()) < TOLERANCE and "and those given" in made_with
    assert all(f"{name}={value!r}" in made_with for name, value in argument.items())
    deaf = {name: value for name, value in told.items() if name not in argument}
    errors, _ = peer.compare(read(tensors, deaf)[1], network, folder, told)
    assert next(layer for layer, error in errors.items() if error > TOLERANCE) == first


# ---- Networks that have not grown up.


@pytest.mark.parametrize("project", ["Hammer StyleGAN", "SeFa StyleGAN", "Hammer PGGAN", "SeFa PGGAN", "rosinality"])
@pytest.mark.parametrize(("lod", "colours"), [(0.4, {8, 16}), (1.0, {8})])
def test_a_level_of_detail_is_that_of_the_file(project, lod, colours, small, checkout):
    """Half way two blocks make the colours; at a whole level the last block is not there, at least for us."""
    tensors, told = small(project)
    if project == "rosinality":
        told |= {"alpha": 1 - lod}
    else:
        tensors["lod" if "lod" in tensors else "synthesis.lod"] = np.asarray(lod, np.float32)
    network, gen = read(tensors, told)
    errors, _ = peer.compare(gen, network, checkout(project, CUT_SHORT.get(project)), told)
    assert max(errors.values()) < TOLERANCE
    found = {int(layer.split(".")[-2][1:]) for layer in errors if layer.endswith(".torgb")}
    assert found == colours and any(".b16." in f".{layer}" for layer in errors) == (lod < 1)


# ---- Checkouts.


def test_statistics_that_are_sums_are_divided_by_the_peer_too(small, checkout):
    tensors, told = small("BigGAN", mybn=True)
    network, gen = read(tensors, told)
    assert gen.config.counted
    assert max(peer.compare(gen, network, checkout("BigGAN"), told)[0].values()) < TOLERANCE
    network, gen = read(tensors, told | {"accumulate_standing": False})
    assert not gen.config.counted
    assert max(peer.compare(gen, network, checkout("BigGAN"), told)[0].values()) < TOLERANCE


@pytest.mark.parametrize(
    ("project", "other", "file"),
    [
        ("BigGAN-deep", "BigGAN", "BigGANdeep.py"),
        ("BigGAN", "BigGAN-deep", "BigGAN.py"),
        ("Hammer StyleGAN3", "Hammer StyleGAN", "models/stylegan3_generator.py"),
    ],
)
def test_a_checkout_without_the_file_is_refused_by_its_name(project, other, file, small, checkout):
    tensors, told = small(project)
    network, gen = read(tensors, told)
    with pytest.raises(CheckpointError, match=f"no checkout of this file's project, it has no {file}"):
        peer.compare(gen, network, checkout(other), told)


@pytest.mark.parametrize("project", ["NVIDIA StyleGAN3", "Hammer StyleGAN3", "BigGAN"])
def test_without_arguments_the_peer_is_made_of_what_was_read(project, small, checkout):
    tensors, told = small(project)
    network, gen = read(tensors, told)
    errors, made_with = peer.compare(gen, network, checkout(project))
    assert_all_layers_agree(errors, gen)
    assert "with what its tensors show:" in made_with


def test_the_command_passes_them_on_and_keeps_what_the_code_prints(small, checkout, convert_command, tmp_path, capsys):
    tensors, told = small("BigGAN", BN_eps=0.5)
    assert "a word about" in capsys.readouterr().out
    torch.save({name: torch.from_numpy(a) for name, a in tensors.items()}, tmp_path / "G_ema.pth")
    (tmp_path / "told.json").write_text(json.dumps(told))
    code, out = convert_command(
        tmp_path / "G_ema.pth", "--peer", checkout("BigGAN"), "--arguments", tmp_path / "told.json"
    )
    assert code == 0 and "BN_eps=0.5" in out and "block2.conv1" in out and "a word about" not in out


def test_a_folder_of_packages_leaves_what_is_loaded_of_it(tmp_path, monkeypatch):
    """As a checkout that is installed: the package that is loaded stays, with what the code loads of it meanwhile."""
    for file, code in {
        "an_installed_package/__init__.py": "import warnings",
        "an_installed_package/part.py": "",
        "another_package.py": "",
        "model.py": "import an_installed_package.part as part, another_package\nprint('a word')",
    }.items():
        peer_checkouts.written(tmp_path, file, code)
    monkeypatch.syspath_prepend(tmp_path)
    shadowed = type(sys)("another_package")
    monkeypatch.setitem(sys.modules, "another_package", shadowed)
    package = importlib.import_module("an_installed_package")
    monkeypatch.setitem(sys.modules, "an_installed_package", package)
    before, path = dict(sys.modules), sys.path[:]
    with imported(tmp_path, "model.py") as module:
        assert sys.modules["an_installed_package"] is package and module.another_package is not shadowed
    part = sys.modules.pop("an_installed_package.part")
    assert part is module.part and sys.modules == before and sys.path == path
