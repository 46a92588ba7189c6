"""Comparing layer by layer with the projects' own code: all layers agree, the first wrong one is named, and nothing is
left behind.

Stand-ins take the place of the checkouts: folders with the real ones' file names, whose classes are those of
`peer_standins`.
"""

import dataclasses
import sys

import jax
import nvidia_records
import peer_checkouts
import pytest
import reference

from lrgan_jax.__main__ import main
from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.convert.check import layers as peer
from lrgan_jax.convert.check.verify import TOLERANCE
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network
from lrgan_jax.foreign import containers
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2

torch = pytest.importorskip("torch")
import peer_standins  # noqa: E402 - it imports torch

CHECKOUTS = {  # where a checkout has its generator, and its stand-in
    "ada": ("training/networks.py", "Generator", "Generator"),
    "stylegan3": ("training/networks_stylegan2.py", "Generator", "StyleGAN3"),
    "rosinality": ("model.py", "Generator", "Rosinality"),
    "hammer": ("models/stylegan2_generator.py", "StyleGAN2Generator", "Hammer"),
    "sefa": ("models/stylegan2_generator.py", "StyleGAN2Generator", "SeFa"),
}
NVIDIA = dict(z_dim=5, c_dim=0, w_dim=6, img_resolution=16, img_channels=3)
GENFORCE = dict(resolution=16, mapping_layers=2, mapping_fmaps=7, fmaps_base=64, fmaps_max=5)
NETWORKS = {  # project, arguments, settings that no tensor shows
    "skip": ("ada", NVIDIA | dict(synthesis_kwargs=dict(channel_base=64, conv_clamp=1.0)), {"conv_clamp": 1.0}),
    "resnet, labels": (
        "stylegan3",
        NVIDIA
        | dict(c_dim=3, mapping_kwargs=dict(num_layers=2), channel_base=64, channel_max=7, architecture="resnet"),
        {},
    ),
    "rosinality": ("rosinality", dict(size=16, style_dim=6, n_mlp=2, lr_mlp=0.02), {"mapping_lr": 0.02}),
    "hammer": (
        "hammer",
        GENFORCE | dict(z_dim=5, w_dim=6, label_dim=3, embedding_dim=4, conv_clamp=1.0),
        {"conv_clamp": 1.0},
    ),
    "hammer, resnet": (
        "hammer",
        GENFORCE | dict(z_dim=5, w_dim=6, architecture="resnet", mapping_lr_mul=0.1),
        {"mapping_lr": 0.1},
    ),
    "sefa": ("sefa", GENFORCE | dict(z_space_dim=5, w_space_dim=6, label_size=3, image_channels=1), {}),
    "sefa, origin": ("sefa", GENFORCE | dict(z_space_dim=5, w_space_dim=6, architecture="origin"), {}),
}
FIXTURES = {
    "nvidia_ada": "ada",
    "nvidia_sg3": "stylegan3",
    "rosinality": "rosinality",
    "hammer": "hammer",
    "sefa": "sefa",
}


@pytest.fixture
def checkout(tmp_path):
    """Writes a stand-in's checkout; `body` are further lines of its class."""

    def write(project, body="pass"):
        file, name, standin = CHECKOUTS[project]
        code = peer_checkouts.standing_in(name, "peer_standins", standin, body)
        return peer_checkouts.written(tmp_path / f"{project} checkout", file, code)

    return write


@pytest.fixture
def checkpoint(tmp_path):
    """Writes the file of a random network in which nothing has a harmless value."""

    def write(name):
        project, arguments, settings = NETWORKS[name]
        torch.manual_seed(0)
        net = getattr(peer_standins, CHECKOUTS[project][2])(**arguments)
        state = {
            name: a + 0.3 * torch.randn(a.shape) if name.endswith(("bias", "noise.weight", "noise_strength")) else a
            for name, a in net.state_dict().items()
        }
        path = tmp_path / f"{project}.pt"
        torch.save(
            {"ada": state, "stylegan3": state, "rosinality": {"g_ema": state}}.get(project, {"generator": state}), path
        )
        return path, project, settings

    return write


def compare(path, settings, folder, change=lambda gen: gen):
    gen = read_checkpoint(path, settings)
    return peer.compare(change(gen), find_network(containers.read(path))[0], folder)[0]


def layers(config, sums_up):
    """All that is to be compared, but for the order."""
    blocks = config.resolutions
    names = {f"mapping.fc{i}" for i in range(config.mapping_layers)} | {"image"}
    names |= {"mapping.embed"} if config.c_dim and not config.label_concat else set()
    for r in blocks:
        convs = {f"synthesis.b{r}.conv1"} | ({f"synthesis.b{r}.conv0"} if r > 4 else set())
        rgb = {f"synthesis.b{r}.torgb"} if config.architecture == "skip" or r == blocks[-1] else set()
        names |= {f"{layer}.affine" for layer in convs | rgb} | convs
        names |= {f"synthesis.b{r}"} if sums_up else rgb
        names |= {f"synthesis.b{r}.skip"} if config.architecture == "resnet" and r > 4 else set()
    return names


def assert_all_layers_agree(errors, config, project):
    assert errors.keys() == layers(config, sums_up=project == "rosinality")
    assert list(errors)[-1] == "image" and list(errors)[0] in ("mapping.fc0", "mapping.embed")
    assert max(errors.values()) < TOLERANCE, errors


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_agrees(name, checkpoint, checkout):
    path, project, settings = checkpoint(name)
    assert_all_layers_agree(compare(path, settings, checkout(project)), read_checkpoint(path, settings).config, project)


@pytest.mark.parametrize("folder", FIXTURES)
def test_every_layer_of_the_shared_checkpoints_agrees(folder, shared, checkout):
    paths = sorted(
        path for path in (shared / "fixtures" / "public" / folder).iterdir() if path.suffix in (".pkl", ".pt", ".pth")
    )
    assert paths
    for path in paths:
        gen = read_checkpoint(path)
        body = f"SHRINK = {512 // gen.config.channels[0]}"  # of rosinality's table
        assert_all_layers_agree(compare(path, {}, checkout(FIXTURES[folder], body)), gen.config, FIXTURES[folder])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_first_layer_that_differs_is_the_changed_one(name, checkpoint, checkout):
    """Every tensor of ours in turn: the layers before it agree, its own does not."""
    path, project, settings = checkpoint(name)
    variables = read_checkpoint(path, settings).variables
    folder = checkout(project)
    for where, _ in jax.tree_util.tree_leaves_with_path(variables):
        _, *place, leaf = (entry.key for entry in where)
        if leaf == "w_avg":  # without truncation it is not used
            continue

        def change(gen, where=where):
            changed = jax.tree_util.tree_map_with_path(lambda at, a: a + 1 if at == where else a, variables)
            return dataclasses.replace(gen, variables=changed)

        expected = {"const": "synthesis.b4.conv1", "label_weight": "mapping.fc0"}.get(leaf, ".".join(place))
        expected = (
            expected.replace(".torgb", "") if project == "rosinality" and expected.endswith("torgb") else expected
        )
        errors = compare(path, settings, folder, change)
        assert next(layer for layer, error in errors.items() if error > TOLERANCE) == expected, (where, errors)
        assert errors["image"] > TOLERANCE


# ---- The peer is made of what the file says, not of what we read.


ARITHMETIC = {  # module, attribute, another value
    "a clamp": ("synthesis.b8.conv0", "conv_clamp", 0.1),
    "a toRGB's clamp": ("synthesis.b8.torgb", "conv_clamp", 0.1),
    "noise": ("synthesis.b8.conv1", "use_noise", False),
    "an activation": ("synthesis.b8.conv1", "activation", "relu"),
    "a gain": ("synthesis.b4.conv1", "act_gain", 1.0),
    "the mapping's activation": ("mapping.fc1", "activation", "relu"),
    "a weight's gain": ("mapping.fc0", "weight_gain", 0.3),
    "a bias's gain": ("mapping.fc0", "bias_gain", 0.3),
    "a style's gain": ("synthesis.b8.conv0.affine", "weight_gain", 0.3),
    "toRGB's gain": ("synthesis.b8.torgb", "weight_gain", 0.3),
    "the residual's gain": ("synthesis.b8.skip", "act_gain", 3.0),
    "the residual's clamp": ("synthesis.b8.skip", "conv_clamp", 0.01),
    "the architecture": ("synthesis.b8", "architecture", "skip"),
    "fewer mapping layers": ("mapping", "num_layers", 1),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_a_reader_that_overlooks_an_attribute_is_found_out(name, checkout):
    """The file says one thing, our model was made as if it did not: the peer differs, or its code fails."""
    config = StyleGAN2Config(
        channels=(4, 2), z_dim=6, w_dim=6, mapping_layers=2, mapping_features=6, embed_features=0, architecture="resnet"
    )
    gen = StyleGAN2(config, reference.random_variables(stylegan2.init, config))
    record, folder = nvidia_records.generator(gen), checkout("ada")
    errors, told = peer.compare(gen, find_network({"G_ema": record})[0], folder)
    assert max(errors.values()) < TOLERANCE and "the file's own arguments" in told
    path, attribute, value = ARITHMETIC[name]
    module = record
    for part in path.split("."):
        module = module.state["_modules"][part]
    module.state[attribute] = value
    network = find_network({"G_ema": record})[0]
    try:
        errors, _ = peer.compare(gen, network, folder)
    except CheckpointError as error:
        assert "its code fails" in str(error)
    else:
        assert errors["image"] > TOLERANCE
    assert isinstance(network, StyleGAN2Network)
    assert list(network.check(config)) or attribute == "use_noise"  # and the reader itself does not overlook it


@pytest.mark.parametrize(
    "argument",
    [{"conv_clamp": 0.1}, {"mapping_lr_mul": 0.5}, {"demodulate": False}, {"final_tanh": True}, {"normalize_z": False}],
)
def test_a_reader_that_overlooks_an_argument_is_found_out(argument, checkout):
    torch.manual_seed(0)
    net = peer_standins.Hammer(**GENFORCE, z_dim=5, w_dim=6)
    state = {name: a.numpy() for name, a in net.state_dict().items()}
    arguments = {"model_type": "StyleGAN2Generator", **GENFORCE, "z_dim": 5, "w_dim": 6}

    def tree(**more):
        return {"models": {"generator": state}, "model_kwargs_init": {"generator": arguments | more}}

    gen, _ = find_network(tree())[0].build({"noise": "zeros"})
    folder = checkout("hammer")
    errors, told = peer.compare(gen, find_network(tree())[0], folder)
    assert max(errors.values()) < TOLERANCE and "the file's own arguments" in told
    errors, _ = peer.compare(gen, find_network(tree(**argument))[0], folder)
    assert errors["image"] > TOLERANCE


BESIDE = ["ada_noavg.pkl", "ada_use_noise_off_after.pkl", "hammer_nonoise.pth", "hammer_clamp.6.pth", "hammer_lr1.pth"]


@pytest.mark.parametrize("name", BESIDE)
def test_files_with_settings_off_the_beaten_path_agree(name, shared, checkout):
    path = shared / "cases" / name
    errors, told = peer.compare(
        read_checkpoint(path), find_network(containers.read(path))[0], checkout(name.partition("_")[0])
    )
    assert max(errors.values()) < TOLERANCE and "the file's own arguments" in told


@pytest.mark.parametrize("name", ["ros_no_noises.pt", "ros_compiled.pt", "psp.pt", "lightning_ros.ckpt"])
def test_files_without_arguments_or_noise_agree_and_what_is_assumed_is_said(name, shared, checkout):
    path = shared / "cases" / name
    errors, told = peer.compare(
        read_checkpoint(path), find_network(containers.read(path))[0], checkout("rosinality", "SHRINK = 64")
    )
    assert max(errors.values()) < TOLERANCE
    assert "the file carries no arguments" in told and "lr_mlp=0.01" in told


def test_code_that_compiles_an_extension_when_imported_runs_without_cuda(checkpoint, checkout):
    """As rosinality's does; torch has its loader back afterwards."""
    import torch.utils.cpp_extension as extension

    load = extension.load
    path, project, settings = checkpoint("rosinality")
    folder = checkout(project)
    code = (folder / "model.py").read_text()
    (folder / "model.py").write_text(
        f"from torch.utils.cpp_extension import load\nfused = load('fused', sources=['none.cpp'])\n{code}"
    )
    assert max(compare(path, settings, folder).values()) < TOLERANCE
    assert extension.load is load


# ---- Through the command


@pytest.fixture
def command(capsys):
    """Exit code, output and the lines of complaint; imports are the same afterwards, whatever happened."""

    def run(*arguments):
        path, modules = sys.path[:], dict(sys.modules)
        code = main(["convert", *map(str, arguments)])
        assert sys.path == path and not {
            n for n in ("model", "models", "training") if sys.modules.get(n) is not modules.get(n)
        }
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return run


def test_command_lists_the_layers_and_writes_the_model(checkpoint, checkout, command, tmp_path):
    path, project, _ = checkpoint("sefa")
    code, out, complaints = command(path, tmp_path / "model", "--peer", checkout(project))
    assert (code, complaints) == (0, []) and (tmp_path / "model").is_dir()
    assert all(layer in out for layer in ("mapping.fc1", "synthesis.b16.conv0.affine", "synthesis.b8.torgb", "image"))


def test_command_names_the_first_difference_and_writes_nothing(checkpoint, checkout, command, tmp_path):
    path, project, settings = checkpoint("rosinality")
    folder = checkout(
        project,
        "def load_state_dict(self, state):\n        super().load_state_dict(state)\n"
        "        self.convs[1].activate.bias.data += 0.01",
    )
    code, _, complaints = command(path, tmp_path / "model", "--peer", folder, "--mapping-lr", 0.02)
    assert code == 1 and len(complaints) == 1 and "synthesis.b8.conv1 is the first layer that differs" in complaints[0]
    assert not (tmp_path / "model").exists()


def test_peers_of_one_name_do_not_shadow_one_another(checkpoint, checkout, monkeypatch):
    """Hammer's `models`, SeFa's `models`, and one that was there before, which comes back."""
    before = type(sys)("models")
    monkeypatch.setitem(sys.modules, "models", before)
    for name in ("hammer", "sefa", "hammer"):
        path, project, settings = checkpoint(name)
        assert max(compare(path, settings, checkout(project)).values()) < TOLERANCE
    assert sys.modules["models"] is before and "models.stylegan2_generator" not in sys.modules


@pytest.mark.parametrize(
    ("body", "other", "said"),
    [
        ("pass", "rosinality", "it has no models/stylegan2_generator.py"),
        ("raise OSError('no compiler\\nat all')", None, "its code fails: OSError: no compiler at all"),
        ("import a_package_that_is_not_there", None, "its code fails: ModuleNotFoundError"),
        ("def forward(self, z, label): pass", None, "its code fails: TypeError"),
        ("def load_state_dict(self, state): super().load_state_dict({})", None, "its code fails: RuntimeError"),
    ],
    ids=["another project", "import", "missing package", "signature", "tensors"],
)
def test_a_checkout_that_does_not_fit_is_one_clear_line(body, other, said, checkpoint, checkout, command, tmp_path):
    path, project, _ = checkpoint("hammer")
    code, _, complaints = command(path, tmp_path / "model", "--peer", checkout(other or project, body))
    assert code == 1 and len(complaints) == 1 and said in complaints[0]
    assert not (tmp_path / "model").exists()


def test_without_torch_one_line_says_so(checkpoint, checkout, command, monkeypatch):
    path, project, _ = checkpoint("sefa")
    folder = checkout(project)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, complaints = command(path, "--peer", folder)
    assert code == 1 and complaints == ["error: comparing layers needs PyTorch: pip install torch"]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("fixtures/public/nvidia_tf/tf_config_f_32.pkl", "PyTorch code only"),
        ("checkpoints/dcgan_digiface/weights.tar", "PyTorch code only"),
    ],
)
def test_formats_without_pytorch_code_are_refused(file, said, shared, checkout, command):
    code, _, complaints = command(shared / file, "--peer", checkout("ada"))
    assert code == 1 and len(complaints) == 1 and said in complaints[0]
