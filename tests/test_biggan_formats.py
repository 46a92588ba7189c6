"""BigGANs' files: every variant that their projects can make, what a user says of them, and what is refused."""

import json
import re

import ajbrock_reference as peer
import jax
import numpy as np
import pytest
from tolerances import PARITY, PARITY_F64, worst

from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.foreign import containers
from lrgan_jax.models.checkpoint import load, save

VARIANTS = {
    "z that leaves a rest": dict(dim_z=17, resolution=64, G_ch=2, G_attn="16_32"),
    "not hierarchical": dict(hier=False, G_attn="8", BN_eps=1e-3),
    "no shared embedding": dict(hier=False, G_shared=False, bottom_width=3),
    "shared_dim as wide as z, two singular vectors": dict(shared_dim=0, dim_z=8, num_G_SVs=2, SN_eps=2.0),
    "sync norm": dict(cross_replica=True, mybn=True, G_attn="32"),
    "neither norm": dict(norm_style="nonorm", G_param="none"),
    "deep, widths change": dict(model="BigGANdeep", resolution=64, G_ch=4, G_attn="8_64"),
    "deep, one block a stage": dict(model="BigGANdeep", G_depth=1, G_attn="16"),
    "deep, three blocks a stage": dict(model="BigGANdeep", G_depth=3, mybn=True),
}


def built(tensors, arguments=None):
    return find_network(tensors)[0].build({} if arguments is None else {"arguments": arguments})


def inputs(gen):
    rng = np.random.default_rng(1)
    return rng.standard_normal((2, gen.z_dim)), rng.dirichlet(np.ones(gen.c_dim), 2)


def in_64_bits(gen, z, c):
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype("float64"), gen)
        return np.asarray(wide.synthesis(wide.mapping(z, c))).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_gives_its_images(name):
    arguments = VARIANTS[name]
    tensors = peer.state(**arguments)
    gen, _ = built(tensors, peer.DEFAULTS | arguments)
    z, c = inputs(gen)
    assert worst(in_64_bits(gen, z, c), peer.image(tensors, z, c, **arguments)) < PARITY_F64


def test_standing_statistics():
    """They are sums, divided by their number; unless the user says that they were not."""
    tensors = peer.state(count=16, mybn=True)
    gen, remarks = built(tensors)
    z, c = inputs(gen)
    assert any("sums over batches" in remark for remark in remarks)
    assert worst(in_64_bits(gen, z, c), peer.image(tensors, z, c, mybn=True, standing=True)) < PARITY_F64
    gen, remarks = built(tensors, {"accumulate_standing": False})
    assert not any("sums over batches" in remark for remark in remarks)
    assert worst(in_64_bits(gen, z, c), peer.image(tensors, z, c, mybn=True)) < PARITY_F64
    tensors["blocks.1.0.bn1.bn.accumulation_counter"][:] = 0
    with pytest.raises(CheckpointError, match="some of the statistics are sums"):
        built(tensors)


OTHERS = {
    "G_ch": [8],
    "dim_z": [7, 9.0, "8"],
    "bottom_width": [3],
    "resolution": [64, "32"],
    "G_attn": ["0", "16_32", 16, "sixteen"],
    "n_classes": [6],
    "num_G_SVs": [2],
    "G_shared": [False],
    "shared_dim": [4, 0],
    "hier": [False],
    "cross_replica": [True],
    "mybn": [True],
    "norm_style": ["gn", "nonorm"],
    "G_activation": ["elu", None],
    "G_nl": ["leaky_relu"],
    "G_param": ["none"],
    "channel_ratio": [2],
    "BN_eps": [0, -1e-5, "small", float("nan")],
    "SN_eps": [None],
    "model": ["BigGANdeep"],
    "accumulate_standing": [True],
    "frobnicate": [1],
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_contradiction_is_refused_by_name(name):
    right = dict(G_attn="16", shared_dim=3, dim_z=8)
    tensors = peer.state(**right)
    built(tensors, peer.DEFAULTS | right)
    for value in OTHERS[name]:
        with pytest.raises(CheckpointError, match=name):
            built(tensors, right | {name: value})


def test_what_is_assumed_is_said():
    tensors = peer.state()
    (remark,) = built(tensors)[1]
    assert "BN_eps 1e-05, SN_eps 1e-12, G_activation relu" in remark
    assert built(tensors, {"BN_eps": 1e-5, "SN_eps": 1e-6, "G_nl": "inplace_relu"})[1] == []


def without(tensors, name):
    return {other: array for other, array in tensors.items() if other != name}


def refusal(tensors, arguments=None):
    """Why they are refused; "" if they are not."""
    try:
        built(tensors, arguments)
    except CheckpointError as error:
        return str(error)
    return ""


def longer(array):
    """The same with one of its sides longer, each in turn."""
    for axis in range(array.ndim):
        yield np.concatenate([array, np.take(array, [0], axis)], axis)


NEVER_READ = r".*\.(sv\d|num_batches_tracked)"
SIGNS = ("output_layer.0.gain", "generator.gen_z.weight_orig")  # without which nothing is looked for
SHOWN_ONCE = ("shared.weight", "embeddings.weight")  # another number of classes, or the layers that see them are wrong


@pytest.fixture(params=["BigGAN", "HuggingFace"])
def network(request):
    """Tensors, and arguments that go with them."""
    if request.param == "HuggingFace":
        folder = request.getfixturevalue("folder").parent / "hf16_zip"
        return read_tree(folder), config_of(folder)
    return peer.state(model=request.param, G_attn="16"), {}


def test_a_missing_tensor_is_called_by_its_name_in_the_file(network):
    tensors, arguments = network
    for name in tensors:
        said = refusal(without(tensors, name), arguments)
        told = f"{name}: nothing in the checkpoint fills it" in said or name in SIGNS
        assert told or re.fullmatch(NEVER_READ, name), (name, said)


def test_a_wrong_shape_is_told_as_it_is_in_the_file(network):
    tensors, arguments = network
    for name, array in tensors.items():
        for wrong in longer(array):
            said = refusal(tensors | {name: wrong}, arguments)
            known = name in said or re.fullmatch(NEVER_READ, name) or name in SHOWN_ONCE
            assert known, (name, wrong.shape, said)


@pytest.mark.parametrize("value", [np.nan, 0])
def test_weights_that_make_no_network_are_refused_by_name(value):
    tensors = peer.state()
    name = "blocks.1.0.conv2.weight"
    assert name in refusal(tensors | {name: np.full_like(tensors[name], value)})


def test_other_files_of_the_project_are_refused_by_name():
    hub = {"ScaledCrossReplicaBN.weight": np.ones(3, np.float32), "linear.weight": np.ones((3, 3), np.float32)}
    with pytest.raises(CheckpointError, match="TFHub"):
        built(hub)
    with pytest.raises(CheckpointError, match="G_ema.pth"):
        built({"itr": 3, "epoch": 1, "config": {"G_ch": 64}})


def test_the_own_form_keeps_everything(tmp_path):
    gen, _ = built(peer.state(mybn=True, count=3, G_attn="16"))
    again = load(save(tmp_path / "model", gen))
    assert again == gen and again.config == gen.config


# ---- HuggingFace's.


@pytest.fixture
def folder(shared):
    return shared / "fixtures" / "public" / "biggan_hf" / "hf32"


def read_tree(folder):
    return containers.read(folder / "pytorch_model.bin")


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def test_the_config_is_read_wherever_it_lies(folder, tmp_path):
    """In the folder, beside the file, or under the names of published ones; else it is given."""
    whole = read_checkpoint(folder)
    assert whole == read_checkpoint(folder / "pytorch_model.bin")
    for name in ("pytorch_model.bin", "config.json"):
        (tmp_path / f"biggan-deep-32-{name}").write_bytes((folder / name).read_bytes())
    assert whole == read_checkpoint(tmp_path / "biggan-deep-32-pytorch_model.bin")
    assert whole == built(read_tree(folder), config_of(folder))[0]
    (tmp_path / "biggan-deep-32-config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"config\.json beside it"):
        read_checkpoint(tmp_path / "biggan-deep-32-pytorch_model.bin")


def test_without_a_config_the_published_layout_is_assumed(folder):
    gen, (remark,) = built(read_tree(folder))
    assert "eps 0.0001, layers that double the size in turn" in remark
    assert gen.config.ups == (False, True) * 3 and gen.size == (32, 32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output_dim", 64),
        ("z_dim", 5),
        ("channel_width", 8),
        ("num_classes", 10),
        ("layers", [[True, 16, 8]]),
        ("layers", [["yes", 16, 8]] * 6),
        ("layers", [[True, 16, 8], [False, 8, 8], [True, 8, 4], [False, 4, 4], [True, 4, 1], [False, 2, 1]]),
        ("attention_layer_position", 2),
        ("eps", 0),
        ("eps", "tiny"),
        ("n_stats", 51),
        ("frobnicate", 1),
    ],
)
def test_a_config_of_another_network_is_refused_by_name(name, value, folder):
    with pytest.raises(CheckpointError, match=name):
        find_network({"pytorch_model": read_tree(folder), "config": config_of(folder) | {name: value}})[0].build({})
    with pytest.raises(CheckpointError, match=name):
        built(read_tree(folder), config_of(folder) | {name: value})


def test_arguments_do_not_contradict_the_config(folder):
    network, remark = find_network({"pytorch_model": read_tree(folder), "config": config_of(folder)})
    assert not remark
    network.build({"arguments": {"n_stats": 11, "eps": 1e-4}})
    with pytest.raises(CheckpointError, match=r"arguments: eps is 0\.001"):
        network.build({"arguments": {"eps": 1e-3}})
    with pytest.raises(CheckpointError, match="conv-clamp"):
        network.build({"conv_clamp": 3.0})


@pytest.mark.parametrize("name", ["biggan_ajbrock/ajb32.pth", "biggan_hf/hf32"])
def test_the_command_converts_and_verifies(name, shared, tmp_path, convert_command):
    source = shared / "fixtures" / "public" / name
    code, said = convert_command(source, tmp_path / "model", "--verify", source.with_suffix(".npz"))
    assert code == 0 and "32x32" in said
    line = next(line for line in said.splitlines() if line.startswith("note: not compared: "))
    assert "img_" in line and not {"z", "c", "y", "class_label", "img"} & set(line.split(": ")[-1].split(", "))
    assert load(tmp_path / "model").info.provenance["worst_error"] < PARITY
