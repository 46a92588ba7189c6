"""What a network was made with, given beside a file that does not say: every argument reaches the network, agrees with
the tensors, or is refused by name.
"""

import dataclasses
import json

import pytest
from test_convert import dcgan_names, genforce_names, nvidia_names, random_dcgan, rosinality_names
from test_convert_settings import HAMMER, TENSORFLOW, altered, hammer_tree, random_network, same, tensorflow_tree

from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.convert.write import torch_writer

NVIDIA = {
    "z_dim": 5,
    "c_dim": 0,
    "w_dim": 6,
    "img_resolution": 16,
    "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2, "lr_multiplier": 0.3, "layer_features": 6},
    "synthesis_kwargs": {"conv_clamp": 0.5, "channel_base": 64, "num_fp16_res": 0, "architecture": "skip"},
}
ROSINALITY = {
    "size": 16,
    "style_dim": 6,
    "n_mlp": 2,
    "channel_multiplier": 2,
    "lr_mlp": 0.3,
    "blur_kernel": [1, 3, 3, 1],
}
SEFA = {"resolution": 16, "z_space_dim": 5, "w_space_dim": 6, "mapping_layers": 2, "mapping_fmaps": 6}
SEFA |= {"mapping_lr_mul": 0.3, "architecture": "skip", "demodulate": True, "final_tanh": False, "label_size": 0}
CLAMPED, PLAIN = random_network(conv_clamp=0.5, mapping_lr=0.3), random_network(mapping_lr=0.3)
SQUARE = random_network(mapping_lr=0.3, z_dim=6)  # rosinality's z is as wide as w
CASES = {  # the network, its file without arguments, what it was made with, and what of it touches no image
    "NVIDIA": (CLAMPED, {"G_ema": nvidia_names(CLAMPED)}, NVIDIA, ("channel_base", "num_fp16_res")),
    "NVIDIA, flat": (
        CLAMPED,
        nvidia_names(CLAMPED),
        {**NVIDIA, "synthesis_kwargs": {}, "conv_clamp": 0.5, "channel_max": 4},
        ("channel_max",),
    ),
    "rosinality": (SQUARE, {"g_ema": rosinality_names(SQUARE)}, ROSINALITY, ("channel_multiplier", "blur_kernel")),
    "Hammer": (
        CLAMPED,
        {"models": {"generator_smooth": genforce_names(CLAMPED)}},
        HAMMER | {"conv_clamp": 0.5, "mapping_lr_mul": 0.3},
        ("fmaps_base", "fmaps_max", "filter_kernel", *(name for name in HAMMER if "embedding" in name)),
    ),
    "genforce": (PLAIN, {"generator_smooth": genforce_names(PLAIN, old=True)}, SEFA, ()),
}
HONOURED = {
    "conv_clamp": "conv_clamp",
    "lr_multiplier": "mapping_lr",
    "mapping_lr_mul": "mapping_lr",
    "lr_mlp": "mapping_lr",
}


def built(tree, arguments):
    return find_network(tree)[0].build({} if arguments is None else {"arguments": arguments})


@pytest.mark.parametrize("case", CASES)
def test_arguments_say_what_no_tensor_shows(case):
    """Nothing is left to assume of the arithmetic, and the configuration is the network's own."""
    gen, tree, arguments, _ = CASES[case]
    found, remarks = built(tree, arguments)
    scaled = case in ("rosinality", "genforce")
    assert found.config == dataclasses.replace(gen.config, scaled_demodulation=scaled)
    assert not any("assumed" in remark for remark in remarks)
    without, assumed = built(tree, None)
    assert without.config != found.config
    assert any("assumed" in remark for remark in assumed) or scaled


@pytest.mark.parametrize("case", CASES)
def test_no_altered_argument_is_accepted_wrongly(case):
    """Refused by name; or harmless, and then the very same network; or honoured, and then in the configuration."""
    _, tree, arguments, harmless = CASES[case]
    base, _ = built(tree, arguments)
    tried = 0
    for name in [*arguments, "frobnicate"]:
        for value in altered(arguments[name]) if name in arguments else [1]:
            if repr(value) == repr(arguments.get(name)):
                continue
            tried += 1
            part, new = name, value
            if isinstance(value, dict):
                changed = [k for k in value if value[k] != arguments[name].get(k)]
                if not changed:
                    continue  # one left out, for which the constructor has a default
                part, new = changed[0], value[changed[0]]
            try:
                other, _ = built(tree, {**arguments, name: value})
            except CheckpointError as error:
                words = (str(part), HONOURED.get(str(part), ""), "mapping layers", "mapping network", "z_dim")
                assert any(word in str(error) for word in words) and "\n" not in str(error), (name, value, error)
                continue
            if (field := HONOURED.get(part)) is not None:
                assert getattr(other.config, field) == new
            else:  # None stands for a default here and there
                assert (part in harmless or new is None) and same(other, base), (name, value)
    assert tried > 20


@pytest.mark.parametrize("tree", [hammer_tree, tensorflow_tree], ids=["Hammer", "TensorFlow"])
def test_what_the_file_says_itself_stands(tree):
    """The same again does no harm; a contradiction is refused."""
    own = HAMMER if tree is hammer_tree else TENSORFLOW
    gen = random_network()
    file = tree(gen, own)
    again, _ = built(file, own)
    assert same(again, built(file, None)[0])
    with pytest.raises(CheckpointError, match="arguments: conv_clamp is 256"):
        built(file, own | {"conv_clamp": 256})


def test_a_dcgans_arguments_can_only_agree():
    gen = random_dcgan()
    cfg = gen.config
    right = {"nz": cfg.z_dim, "ngf": cfg.channels[-1], "nc": cfg.img_channels}
    assert built(dcgan_names(gen), right)[0].config == cfg
    with pytest.raises(CheckpointError, match="arguments: nz is 99"):
        built(dcgan_names(gen), right | {"nz": 99})


def test_the_command_takes_a_json(tmp_path, convert_command):
    """And `read_checkpoint` the same table."""
    file, told = tmp_path / "network.pt", tmp_path / "arguments.json"
    file.write_bytes(torch_writer.dumps(nvidia_names(CLAMPED)))
    told.write_text(json.dumps(NVIDIA))
    code, said = convert_command(str(file), "--show", "--arguments", str(told))[:2]
    assert code == 0 and "conv_clamp=0.5" in said and "assumed" not in said
    assert read_checkpoint(file, arguments=NVIDIA).config == CLAMPED.config
    told.write_text(json.dumps(NVIDIA | {"w_dim": 7}))
    code, said = convert_command(str(file), str(tmp_path / "model"), "--arguments", str(told))[:2]
    assert code == 1 and "arguments: w_dim is 7, where this network has 6" in said
    assert not (tmp_path / "model").exists()
