"""StyleGAN3's files: what their modules, names and filters say is honoured, or refused by name."""

import copy
import json

import numpy as np
import pytest

from lrgan_jax.convert.formats import find_network
from lrgan_jax.convert.formats.trees import tables
from lrgan_jax.foreign import CheckpointError, containers

NVIDIA = ("sg3t32", "sg3r32_cond", "sg3t64_cond", "sg3r64")


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "fixtures" / "public" / "stylegan3"


def tree(folder, name):
    return containers.parse((folder / name).read_bytes())


def built(tree, **arguments):
    return find_network(tree)[0].build({"arguments": arguments} if arguments else {})


def state_of(tree):
    """A state dict of NVIDIA's, as torch.save writes it of G_ema."""
    return dict(next(table for table in tables(tree) if table.path == ("G_ema",)).names)


@pytest.fixture
def pickled(folder):
    return tree(folder, "sg3t32.pkl")


def layer(pickled, name):
    return pickled["G_ema"].state["_modules"]["synthesis"].state["_modules"][name].state


@pytest.mark.parametrize("name", NVIDIA)
def test_a_state_dict_is_the_same_network_as_its_pickle(folder, name):
    """By the rule, and with the project's own arguments; what no tensor shows is told of, of an assumption alone."""
    whole = tree(folder, f"{name}.pkl")
    gen, remarks = built(whole)
    assert remarks == []
    again, (assumed,) = built(state_of(whole))
    assert again == gen and "conv_clamp 256" in assumed and "output_scale 0.25" in assumed
    own = json.loads((folder / f"{name}.json").read_text())["config"]
    everything = {**own, "conv_clamp": 256, "output_scale": 0.25, "mapping_kwargs": {"lr_multiplier": 0.01}}
    assert built(state_of(whole), **everything) == (gen, [])
    assert built(whole, **own) == (gen, [])


def test_hammers_tensors_alone_are_the_same_network(folder):
    """Its resolution is the one whose filters these are."""
    whole = tree(folder, "hammer_sg3t32.pth")
    gen, remarks = built(whole)
    assert remarks == [] and gen.size == (32, 32)
    alone = {"models": whole["models"]}
    again, (assumed,) = built(alone)
    assert again == gen and "conv_clamp 256" in assumed
    own = json.loads((folder / "hammer_sg3t32.json").read_text())["config"]
    assert built(alone, **own)[0] == gen
    louder, _ = built(alone, output_scale=1, final_tanh=True, conv_clamp=None)
    assert (louder.config.output_scale, louder.config.final_tanh, louder.config.layers[-1].clamp) == (1, True, None)


def test_a_file_that_says_its_numbers_may_have_other_filters(folder):
    whole = tree(folder, "hammer_sg3t32.pth")
    whole["models"]["generator_smooth"]["synthesis.layer3.filter.down_filter"] = np.arange(12, dtype=np.float32)
    gen, _ = built(whole)
    np.testing.assert_array_equal(gen.variables["buffers"]["synthesis"]["layer3"]["down_filter"], np.arange(12))
    with pytest.raises(CheckpointError, match=r"layer3.filter.down_filter is not the filter"):
        built({"models": whole["models"]})


def test_hammers_arguments_may_leave_the_bias_of_the_labels_out(folder):
    """Which is zeros then; without a word of it, it is missing."""
    whole = tree(folder, "hammer_sg3t32.pth")
    state = dict(whole["models"]["generator_smooth"])
    first = state["mapping.dense0.weight"]
    state["mapping.dense0.weight"] = np.concatenate([first, first[:, :5]], 1)
    state["mapping.embedding.weight"] = np.ones((5, 3), np.float32)
    gen, _ = built(state, embedding_bias=False)
    assert (gen.c_dim, gen.z_dim) == (3, 10) and not gen.variables["params"]["mapping"]["embed"]["bias"].any()
    with pytest.raises(CheckpointError, match="mapping.embedding.bias: nothing in the checkpoint fills it"):
        built(state)


def test_the_modules_decide(pickled):
    """Filters that no rule makes, a clamp of one layer, the order of layer_names, whatever the layers are called."""
    state = layer(pickled, "L3_36_10")
    state["_buffers"]["down_filter"] = np.arange(12, dtype=np.float32)
    state["conv_clamp"] = 0.5
    synthesis = pickled["G_ema"].state["_modules"]["synthesis"].state
    names = synthesis["layer_names"]
    names[0], names[1] = names[1], names[0]
    gen, _ = built(pickled)
    np.testing.assert_array_equal(gen.variables["buffers"]["synthesis"]["layer3"]["down_filter"], np.arange(12))
    assert [part.clamp for part in gen.config.layers[3:6]] == [256, 0.5, 256]
    drawn = gen.variables["params"]["synthesis"]["layer0"]["kernel"]
    np.testing.assert_array_equal(drawn, layer(pickled, "L1_36_10")["_parameters"]["weight"].transpose(2, 3, 1, 0))


CHANGES = {
    "a padding that does not give the size": ("padding", [9, 9, 9, 8], "padding is .*9, 9, 9, 8.* this network has"),
    "a factor that the filters do not have": ("up_taps", 10, "up_taps is 10"),
    "another size": ("out_size", np.asarray([38, 38]), "in_size is"),
    "a setting that is not known": ("noise_strength", 1.0, "sets noise_strength, which is not known"),
    "a factor beyond reason": ("up_factor", 1000, "its factors are 1000"),
    "no number": ("out_cutoff", "high", "out_cutoff should be a number"),
    "a layer that is no toRGB": ("is_torgb", True, "is_torgb is True, where this network has False"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_the_modules_say_must_fit(pickled, what):
    name, value, message = CHANGES[what]
    layer(pickled, "L3_36_10")[name] = value
    with pytest.raises(CheckpointError, match=message):
        built(pickled)


def test_an_input_without_power_is_refused(pickled):
    layer(pickled, "L3_36_10")["_buffers"]["magnitude_ema"] = np.zeros((), np.float32)
    with pytest.raises(CheckpointError, match="L3_36_10.magnitude_ema: .*above 0"):
        built(pickled)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"conv_kernel": 1}, "conv_kernel is 1"),
        ({"num_layers": 12}, "num_layers is 12"),
        ({"output_scale": 1}, "output_scale is 1"),
        ({"channel_base": 32768}, "layer 0 gives 10 channels, .* it were 512"),
        ({"mapping_kwargs": {"num_layers": 8}}, "mapping_kwargs: num_layers is 8"),
        ({"noise_mode": "const"}, "sets noise_mode, which is not known"),
    ],
)
def test_arguments_that_contradict_a_pickle_are_refused(pickled, arguments, message):
    with pytest.raises(CheckpointError, match=message):
        built(pickled, **arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"first_cutoff": 3}, "up_filter is not the filter"),
        ({"num_critical": 1}, "is not the filter|by StyleGAN3's rule"),
        ({"margin_size": 8}, "layer 0 gives 36 pixels"),
        ({"img_resolution": 64}, "by StyleGAN3's rule"),
        ({"first_stopband": -1}, "above 0"),
        ({"num_critical": 14}, "cannot be critically sampled"),
        ({"conv_clamp": "none"}, "conv_clamp should be a number"),
        ({"z_dim": 4}, "where z has 4"),
    ],
)
def test_arguments_that_contradict_tensors_are_refused(pickled, arguments, message):
    with pytest.raises(CheckpointError, match=message):
        built(state_of(pickled), **arguments)


def test_a_state_dict_of_other_filters_is_refused(pickled):
    """Whoever changed them knows how its network computes; by the rule it cannot be told."""
    state = state_of(pickled)
    state["synthesis.L3_36_10.down_filter"] = state["synthesis.L3_36_10.down_filter"] * np.float32(1.001)
    with pytest.raises(CheckpointError, match="L3_36_10.down_filter is not the filter"):
        built(state)


def test_hammers_arguments_must_fit(folder):
    whole = tree(folder, "hammer_sg3t32.pth")
    for arguments, message in (
        ({"output_scale": 1}, "output_scale is 0.25, where this network has 1"),
        ({"resolution": 64}, "resolution is 32, where this network has 64"),
        ({"repeat_w": False}, "repeat_w is False"),
        ({"fmaps_base": 32768}, "layer 10 gives 8 channels"),
    ):
        with pytest.raises(CheckpointError, match=message):
            built(copy.copy(whole), **arguments)


DESCENDANTS = {
    "StyleGAN-XL": {"mapping.embed_proj.weight": (8, 16)},
    "StyleGAN-T": {"mapping.x_avg": (8,)},
    "EG3D": {"superresolution.block0.conv0.weight": (8, 8, 3, 3)},
}


@pytest.mark.parametrize("what", DESCENDANTS)
def test_descendants_are_known_by_name(pickled, what):
    """Beside the names that they share with what is read, at the top of a file and inside one."""
    alike = {f"backbone.{name}" if what == "EG3D" else name: array for name, array in state_of(pickled).items()}
    state = alike | {name: np.zeros(shape, np.float32) for name, shape in DESCENDANTS[what].items()}
    for file in (state, {"G_ema": state, "step": 3}):
        with pytest.raises(CheckpointError, match=f"an? {what}.* not read"):
            built(file)
    beside, _ = built({"other": state, "G_ema": state_of(pickled)})
    assert beside.size == (32, 32)
