"""What is missing or of the wrong shape is said in the words of the file: its own names, its own layouts.

Every format has rules from its names to ours and back. Here the one undoes the other, on every tensor of every shared
checkpoint and of networks written by the tests' own hands; and every tensor in turn is left out, and given one wrong
side.
"""

import dataclasses
import re
import types

import jax
import numpy as np
import pytest
from test_convert import (
    CONFIGS,
    PARITY_FIXTURES,
    dcgan_names,
    genforce_names,
    nvidia_names,
    random_dcgan,
    random_stylegan2,
    rosinality_names,
    tensorflow_network,
)

from lrgan_jax.convert import CheckpointError, find_network
from lrgan_jax.convert.formats import FORMATS, dcgan, find
from lrgan_jax.convert.formats.places import places
from lrgan_jax.convert.formats.rules import rename
from lrgan_jax.convert.formats.stylegan2 import missing
from lrgan_jax.convert.formats.trees import tables
from lrgan_jax.foreign import containers

FIXTURES = [*(f"fixtures/public/{name}" for name in PARITY_FIXTURES), "checkpoints/dcgan_digiface/weights.tar"]
# What a file may lack: the network is then another one, or something is made up, and said.
LEFT_OUT = (
    r".*(resample_filter|\.filter|\.kernel|num_batches_tracked|w_avg|latent_avg|lod|resample_kernel|label_weight)"
)
# A size that a single tensor shows, or just two of them: the network is then another one, or either may be wrong.
EMBEDDING = r"mapping[./](embed|embedding|LabelEmbed)[./](weight|bias)"
SHOWN_ONCE = rf"mapping[./](fc|dense|Dense)0[./]weight|style\.1\.weight|{EMBEDDING}|main\.(0|12)\.weight"


def rules_of(network):
    return (dcgan.RULES, dcgan.BACK) if network.format == dcgan.NAME else (network.rules, network.back)


def small(name):
    """A network of a format's, written here."""
    config = dataclasses.replace(CONFIGS["skip"], z_dim=6)
    gen = random_stylegan2(config)
    return {
        "nvidia": lambda: nvidia_names(gen),
        "rosinality": lambda: rosinality_names(gen),
        "hammer": lambda: genforce_names(random_stylegan2(CONFIGS["resnet"])),
        "hammer, orig, labels": lambda: genforce_names(random_stylegan2(CONFIGS["orig, labels"])),
        "sefa, labels": lambda: genforce_names(random_stylegan2(CONFIGS["labels before the norm"]), old=True),
        "tensorflow": lambda: tensorflow_network(gen),
        "tensorflow, orig, labels": lambda: tensorflow_network(random_stylegan2(CONFIGS["orig, labels"])),
        "dcgan": lambda: dcgan_names(random_dcgan()),
    }[name]()


SMALL = (
    "nvidia",
    "rosinality",
    "hammer",
    "hammer, orig, labels",
    "sefa, labels",
    "tensorflow",
    "tensorflow, orig, labels",
    "dcgan",
)


@pytest.fixture(params=[*FIXTURES, *SMALL])
def network(request, monkeypatch):
    # Estimating a lost w_avg compiles a mapping network; what counts here is what is said.
    monkeypatch.setattr(missing, "mean_latent", lambda config, variables: np.zeros(config.w_dim, np.float32))
    name = request.param
    tree = small(name) if name in SMALL else containers.read(request.getfixturevalue("shared") / name)
    return find_network(tree)[0]


def test_names_and_layouts_come_back(network):
    """From the file's to ours and back: the same tensors, but for those that are dropped."""
    rules, back = rules_of(network)
    problems: list[str] = []
    ours = rename(network.tensors, rules, problems)
    again = rename(ours, back, problems)
    assert not problems and len(again) > 10
    dropped = network.tensors.keys() - again.keys()
    assert again.keys() <= network.tensors.keys() and all(
        re.fullmatch(r"lod|.*num_batches_tracked", name) for name in dropped
    )
    for name, array in again.items():
        assert array.shape == network.tensors[name].shape
        np.testing.assert_allclose(
            array, network.tensors[name], rtol=0, atol=1e-6, err_msg=name
        )  # a style's 1, added and taken off


def refusal(network, tensors) -> str:
    """Why a network of these tensors is refused; "" if it is not."""
    try:
        dataclasses.replace(network, tensors=tensors).build({})
    except CheckpointError as error:
        assert str(error).isprintable()
        return str(error)
    return ""


def test_a_missing_tensor_is_called_by_its_name_in_the_file(network):
    for name in network.tensors:
        said = refusal(network, {other: a for other, a in network.tensors.items() if other != name})
        assert f"{name}: nothing in the checkpoint fills it" in said or re.fullmatch(LEFT_OUT, name), (name, said)


def longer(array):
    """The same with one of its sides longer, each in turn."""
    for axis in range(array.ndim):
        yield np.concatenate([array, np.take(array, [0], axis)], axis)


def test_a_wrong_shape_is_told_as_it_is_in_the_file(network):
    for name, array in network.tensors.items():
        for wrong in longer(array):
            said = refusal(network, network.tensors | {name: wrong})
            if name in said or re.fullmatch(LEFT_OUT, name):
                continue
            if not said and name.endswith("const") and not any("noise" in other for other in network.tensors):
                continue  # the constant alone says how large the pictures are
            layer = name.replace("/", ".").rpartition(".")[0]
            assert re.fullmatch(SHOWN_ONCE, name) or layer in said.replace("/", "."), (name, wrong.shape, said)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.NAME)
def test_without_the_tensor_that_a_format_is_known_by_that_is_named(format):
    with pytest.raises(CheckpointError, match=re.escape(f"{format.NAME} by its {format.SIGN}")):
        find_network({"epoch": 3})


def test_a_format_is_a_file_and_a_row(monkeypatch):
    """What a new one takes: it is found in any wrapper, chosen, read and built without a word of it anywhere else."""

    @dataclasses.dataclass
    class Network:
        tensors: dict
        format = "new"

        def build(self, given):
            return random_dcgan(), [f"given {sorted(given)}"]

    new = types.SimpleNamespace(
        NAME="new", SIGN="layers.0.first", USUAL=("net",), read=lambda place: Network(place.tensors)
    )
    monkeypatch.setattr(find, "FORMATS", (*FORMATS, new))
    tensors = {"layers.0.first": np.zeros(3), "layers.0.second": np.zeros(2)}
    for tree in ({"net": tensors}, {"net": {f"module.{name}": a for name, a in tensors.items()}}):
        found, remark = find_network(tree)
        assert (found.format, remark) == ("new", "") and found.tensors.keys() == tensors.keys()
    found, remark = find_network({"state": {"net_ema": tensors, "net": tensors}})
    assert "'state.net_ema'" in remark
    assert found.build({"noise": "zeros"})[1] == ["given ['noise']"]


@pytest.mark.parametrize(
    "given", [{"conv_clamp": 1.0}, {"noise": "zeros"}, {"w_avg": np.zeros(6, np.float32)}, {"no_such": 1}]
)
def test_what_a_network_does_not_have_is_refused_by_name(given):
    (name,) = given
    option = re.escape(f"no {name} (--{name.replace('_', '-')})")
    with pytest.raises(CheckpointError, match=f"a DCGAN has {option}"):
        find_network(small("dcgan"))[0].build(given)
    if name == "no_such":
        with pytest.raises(CheckpointError, match=f"a StyleGAN2 has {option}"):
            find_network(small("nvidia"))[0].build(given)


def test_tensorflow_networks_are_found_and_chosen_as_all_are():
    """`(G, D, Gs)`: the average by itself, any by its name; and within whatever lies around it."""
    one, other = (tensorflow_network(random_stylegan2(CONFIGS[name])) for name in ("skip", "one block"))
    tree = (other, None, one)
    assert [place.path for place in places(tables(tree), "synthesis/4x4/Const/const")] == ["G", "Gs"]
    assert (
        len(find_network(tree)[0].tensors)
        == len(find_network(tree, "Gs")[0].tensors)
        > len(find_network(tree, "G")[0].tensors)
    )
    assert find_network(tree)[1] == find_network((other, None))[1] == find_network(one)[1] == ""
    assert "under 'nets.Gs'" in find_network({"nets": (None, None, one)})[1]
    assert jax.tree.leaves(find_network((None, None, one))[0].build({})[0].variables)
