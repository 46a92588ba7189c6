"""The way back: files that the other projects' code loads, and that we read again as the same model."""

import dataclasses

import jax
import numpy as np
import pytest
import reference
import safetensors.numpy
import tyro
from tolerances import PARITY, worst

from lrgan_jax.commands.convert import convert_command as command
from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.convert.check import outline
from lrgan_jax.convert.write import back, torch_writer
from lrgan_jax.foreign import containers
from lrgan_jax.foreign.allowed import Record, StateDict
from lrgan_jax.generators import DCGAN, DCGANConfig, StyleGAN2, StyleGAN2Config, dcgan, stylegan2
from lrgan_jax.models.checkpoint import fingerprint, load, save

BASE = StyleGAN2Config(channels=(4, 4, 2), z_dim=5, w_dim=6, mapping_layers=2, mapping_features=6, embed_features=0)
SQUARE = dataclasses.replace(BASE, z_dim=6)  # as rosinality's code wants it
MODELS = {
    "skip": BASE,
    "resnet": dataclasses.replace(BASE, architecture="resnet", filter=(0.125, 0.25, 0.375, 0.25)),
    "orig, labels": dataclasses.replace(BASE, architecture="orig", c_dim=3, embed_features=5),
    "no noise": dataclasses.replace(BASE, use_noise=False),
    "clamp": dataclasses.replace(BASE, conv_clamp=256.0, mapping_lr=0.02, scaled_demodulation=True),
    "two-dimensional filter": dataclasses.replace(
        BASE, filter=tuple(map(tuple, (np.arange(1.0, 17).reshape(4, 4) / 136).astype(np.float32).tolist()))
    ),
    "square": SQUARE,
    "square, another filter": dataclasses.replace(SQUARE, filter=(0.125, 0.25, 0.375, 0.25)),
}


@pytest.fixture
def narrow(monkeypatch):
    """rosinality's table of widths, in which our small models have a place; the real one begins with 512."""
    widths = {4: 4, 8: 4, 16: 2}
    monkeypatch.setattr(back, "_width", lambda resolution, multiplier: widths[resolution])


def random_stylegan2(config) -> StyleGAN2:
    return StyleGAN2(config, reference.random_variables(stylegan2.init, config))


@pytest.mark.parametrize("project", back.WRITERS)
@pytest.mark.parametrize("name", MODELS)
def test_there_and_back_is_exact(name, project, tmp_path, narrow):
    """Config, with what no tensor shows, and every weight; or a refusal that says what the other code cannot hold."""
    gen = random_stylegan2(MODELS[name])
    if project == "rosinality" and not name.startswith("square"):
        with pytest.raises(CheckpointError, match="rosinality's code cannot hold this model: "):
            back.WRITERS[project](gen)
        return
    (tmp_path / "file").write_bytes(torch_writer.dumps(back.WRITERS[project](gen)))
    again = read_checkpoint(tmp_path / "file")
    assert again.config == gen.config and fingerprint(again.variables) == fingerprint(gen.variables)
    assert "remarks" not in again.info.provenance  # the mean latent came along


@pytest.mark.parametrize("name", MODELS)
def test_torch_loads_what_is_written(name, tmp_path):
    """With weights_only, all tensors bit by bit; and a network with NVIDIA's names takes them, strictly, and gives our
    images."""
    torch = pytest.importorskip("torch")
    from torch_stylegan2 import Generator

    gen = random_stylegan2(MODELS[name])
    state = back.nvidia(gen)
    (tmp_path / "file.pt").write_bytes(torch_writer.dumps(state))
    loaded = torch.load(tmp_path / "file.pt", weights_only=True)
    assert list(loaded) == list(state)
    for key, tensor in loaded.items():
        np.testing.assert_array_equal(tensor.numpy(), state[key], strict=True)

    peer = Generator(**arguments_of(gen), channels=list(gen.config.channels)).eval()
    peer.load_state_dict(loaded, strict=True)
    z = np.random.default_rng(0).standard_normal((2, gen.z_dim)).astype(np.float32)
    c = np.eye(gen.c_dim, dtype=np.float32)[:2] if gen.c_dim else None
    with torch.no_grad():
        theirs = peer(torch.from_numpy(z), None if c is None else torch.from_numpy(c)).numpy()
    assert worst(np.asarray(gen.synthesis(gen.mapping(z, c))).transpose(0, 3, 1, 2), theirs) < PARITY


def arguments_of(gen) -> dict:
    """Constructor arguments; the widths of these models follow no table, so they are given one by one."""
    table = dataclasses.replace(gen.config, channels=(4,) * len(gen.config.channels))
    return back.nvidia_arguments(table)


def test_torch_loads_rosinality_files(tmp_path, narrow):
    torch = pytest.importorskip("torch")
    tree = back.rosinality(random_stylegan2(SQUARE))
    (tmp_path / "file.pt").write_bytes(torch_writer.dumps(tree))
    loaded = torch.load(tmp_path / "file.pt", weights_only=True)
    np.testing.assert_array_equal(loaded["latent_avg"].numpy(), tree["latent_avg"])
    for key, tensor in loaded["g_ema"].items():
        np.testing.assert_array_equal(tensor.numpy(), tree["g_ema"][key], strict=True)


def test_rosinality_files_keep_their_names(shared, tmp_path, monkeypatch):
    """A genuine file there and back has all of its tensors, and no others."""
    monkeypatch.setattr(back, "_width", lambda resolution, multiplier: 15)
    path = shared / "fixtures" / "public" / "rosinality" / "rosi_converted32_zip.pt"
    theirs, ours = containers.read(path), back.rosinality(read_checkpoint(path))
    assert theirs["g_ema"].keys() == ours["g_ema"].keys()
    for name, array in ours["g_ema"].items():
        np.testing.assert_array_equal(array, theirs["g_ema"][name], strict=True)
    np.testing.assert_array_equal(ours["latent_avg"], theirs["latent_avg"])


def test_nvidia_files_keep_their_names(shared):
    path = shared / "fixtures" / "public" / "nvidia_ada" / "ada_resnet32.pkl"
    theirs, ours = find_network(containers.read(path))[0].tensors, back.nvidia(read_checkpoint(path))
    assert theirs.keys() == ours.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], strict=True)


def test_arguments_follow_nvidias_table_of_widths():
    wide = dataclasses.replace(BASE, channels=(512, 512, 512, 512, 512, 256, 128, 64, 32))
    assert (
        back.nvidia_arguments(wide)["synthesis_kwargs"] | {"channel_base": 32768, "channel_max": 512}
        == (back.nvidia_arguments(wide)["synthesis_kwargs"])
    )
    with pytest.raises(CheckpointError, match="follow no channel_base"):
        back.nvidia_arguments(dataclasses.replace(BASE, channels=(2, 3, 4)))


WIDE = dataclasses.replace(SQUARE, channels=(512,))


def test_rosinality_gets_its_own_learning_rate_and_widths(tmp_path):
    """Its scripts multiply by 0.01: with that, the same w. Other widths and longer filters are refused, as its code
    loads none."""
    gen = random_stylegan2(dataclasses.replace(WIDE, mapping_lr=1.0))
    (tmp_path / "file").write_bytes(back.written(gen, "rosinality"))
    again = read_checkpoint(tmp_path / "file")
    assert again.config == dataclasses.replace(gen.config, mapping_lr=0.01)
    z = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    assert worst(again.mapping(z).array, gen.mapping(z).array) < PARITY
    for change, said in (
        ({"channels": (512, 511)}, r"widths \(512, 511\)"),
        ({"filter": (0.25, 0.5, 0.25)}, "a filter of 3 taps"),
        ({"mapping_layers": 0}, "no mapping layers"),
    ):
        with pytest.raises(CheckpointError, match=said):
            back.rosinality(random_stylegan2(dataclasses.replace(WIDE, **change)))


@pytest.mark.parametrize("project", back.WRITERS)
def test_what_is_written_is_read_again(project, narrow, monkeypatch):
    """A writer that turned one kernel would be noticed before anything is kept."""
    gen, write = random_stylegan2(SQUARE), back.WRITERS[project]

    def wrong(gen):
        tree = write(gen)
        state = tree.get("g_ema", tree)
        name = next(name for name in state if name.endswith("conv1.weight") or name.endswith("conv1.conv.weight"))
        state[name] = np.ascontiguousarray(state[name][..., ::-1, :])
        return tree

    assert bytes(back.written(gen, project))
    monkeypatch.setitem(back.WRITERS, project, wrong)
    with pytest.raises(CheckpointError, match="does not come back as the same network"):
        back.written(gen, project)


def test_nvidia_widths_are_refused_before_anything_is_written():
    with pytest.raises(CheckpointError, match="follow no channel_base"):
        back.nvidia(random_stylegan2(dataclasses.replace(BASE, channels=(16, 12, 8))))


def test_our_settings_in_a_state_dict_are_checked(tmp_path):
    state = back.nvidia(random_stylegan2(BASE))
    for settings in ({"conv_clamp": "much"}, {"channels": [1]}, {"mapping_lr": None}):
        state.attributes = {"_metadata": {"": {"lrgan_jax": settings}}}
        (tmp_path / "file").write_bytes(
            torch_writer.dumps(state) if "channels" not in settings else writable(state, settings)
        )
        with pytest.raises(CheckpointError, match="none of ours"):
            read_checkpoint(tmp_path / "file")


def writable(state, settings):
    """The writer has no lists, which is as well; a tuple will do."""
    state.attributes["_metadata"][""]["lrgan_jax"] = {name: tuple(value) for name, value in settings.items()}
    return torch_writer.dumps(state)


def test_the_writer_refuses_what_no_state_dict_holds():
    for value in ({"a": np.ones(2)}, {"a": [1]}, {"a": {1, 2}}):  # float64 included: nothing is rounded in silence
        with pytest.raises(TypeError, match="holds no"):
            torch_writer.dumps(value)


def test_plain_values_are_written_as_they_are(tmp_path):
    value = {"a": None, "b": True, "c": -3, "d": 2.5, "e": "ünï\n", "f": (1, (2, 3), ())}
    value["g"] = StateDict({"x": np.zeros((0, 3), np.float32)})
    (tmp_path / "file").write_bytes(torch_writer.dumps(value))
    back_again = containers.read(tmp_path / "file")
    array = back_again.pop("g")["x"]
    value.pop("g")
    assert back_again == value and array.shape == (0, 3)


# ---- safetensors.


@pytest.mark.parametrize("prefix", ["", "G_ema.", "module."])
def test_safetensors_with_nvidia_names(prefix, tmp_path):
    gen = random_stylegan2(BASE)
    tensors = {prefix + name: array for name, array in back.nvidia(gen).items()}
    (tmp_path / "file").write_bytes(safetensors.numpy.save(tensors, metadata={"a": "b"}))
    again = read_checkpoint(tmp_path / "file")
    assert again.config == gen.config and fingerprint(again.variables) == fingerprint(gen.variables)


def test_safetensors_with_rosinality_names(tmp_path, narrow):
    gen = random_stylegan2(dataclasses.replace(SQUARE, scaled_demodulation=True))
    tree = back.rosinality(gen)
    for prefix in ("", "g_ema."):
        tensors = {prefix + name: array for name, array in tree["g_ema"].items()} | {"latent_avg": tree["latent_avg"]}
        (tmp_path / "file").write_bytes(safetensors.numpy.save(tensors))
        again = read_checkpoint(tmp_path / "file")
        assert again.config == gen.config and fingerprint(again.variables) == fingerprint(gen.variables)


def test_safetensors_of_any_type(tmp_path):
    """Half precisions widen without loss; what is no number type of ours is refused by name."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save as save_torch

    values = torch.arange(12.0).reshape(3, 4)
    kinds = (
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.int8,
        torch.int64,
        torch.uint8,
        torch.bool,
    )
    (tmp_path / "file").write_bytes(save_torch({str(kind): values.to(kind) for kind in kinds}))
    tree = containers.read(tmp_path / "file")
    for kind in kinds:
        np.testing.assert_array_equal(tree[str(kind)], values.to(kind).float().numpy())
    (tmp_path / "file").write_bytes(save_torch({"a": values.to(torch.float8_e5m2)}))
    with pytest.raises(CheckpointError, match="'a' is of type F8_E5M2"):
        containers.read(tmp_path / "file")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:100], "not|damaged|no torch"),
        (lambda data: data[:-1], "damaged safetensors"),
        (lambda data: data.replace(b"F32", b"F99"), "damaged safetensors"),
    ],
)
def test_damaged_safetensors_are_refused(damage, said, tmp_path):
    (tmp_path / "file").write_bytes(damage(safetensors.numpy.save({"a": np.ones((3, 4), np.float32)})))
    with pytest.raises(CheckpointError, match=said):
        containers.read(tmp_path / "file")


# ---- The command.


def test_models_are_written_back_in_either_order(convert_command, tmp_path, narrow):
    gen = dataclasses.replace(random_stylegan2(dataclasses.replace(SQUARE, channels=(4, 4, 2))))
    save(tmp_path / "model", gen)
    assert convert_command("--to", "rosinality", tmp_path / "model", tmp_path / "a.pt")[0] == 0
    code, said = convert_command("--to", "nvidia", tmp_path / "b.pt", tmp_path / "model")
    assert code == 0 and "Generator(z_dim=6" in said
    for name in ("a.pt", "b.pt"):
        assert fingerprint(read_checkpoint(tmp_path / name).variables) == fingerprint(
            load(tmp_path / "model").variables
        )
    code, said = convert_command("--to", "nvidia", tmp_path / "model", tmp_path / "b.pt")
    assert code == 1 and "exists already" in said and said.count("\n") == 1


def test_what_cannot_be_written_back_is_said(convert_command, tmp_path):
    save(tmp_path / "labels", random_stylegan2(MODELS["orig, labels"]))
    config = DCGANConfig(channels=(2, 3), z_dim=4)
    save(tmp_path / "dcgan", DCGAN(config, reference.random_variables(dcgan.init, config)))
    for arguments, expected in (
        (("rosinality", tmp_path / "labels", tmp_path / "x.pt"), "architecture orig, labels"),
        (
            ("nvidia", tmp_path / "dcgan", tmp_path / "x.pt"),
            "a DCGAN does not go to nvidia, only StyleGAN2 and StyleGAN3",
        ),
        (("nvidia", tmp_path / "nothing", tmp_path / "x.pt"), "nothing"),
        (("nvidia", tmp_path / "labels"), "say which model and where"),
    ):
        code, said = convert_command("--to", *arguments)
        assert code == 1 and expected in said and said.count("\n") == 1
    assert not (tmp_path / "x.pt").exists()


def test_any_file_is_listed(convert_command, tmp_path):
    """Tensors with type and shape, nested; nothing from the file reaches the terminal but printable ASCII."""
    state = {"conv.weight": np.zeros((2, 3), np.float32), "evil\x1b[2Jname": "\x1b]0;title\x07", "size": (1, 2)}
    (tmp_path / "file").write_bytes(torch_writer.dumps({"g_ema": StateDict(state), "step": 3}))
    code, said = convert_command("--inspect", tmp_path / "file")
    assert code == 0 and said.isascii() and "\x1b" not in said
    assert "    conv.weight: float32 [2, 3]" in said.splitlines() and "  step: 3" in said.splitlines()
    many = list(outline.lines({"a": [None] * 1000, "b": Record("x.y", (1,), {"hooks": {}, "up": 2})}))
    assert (
        len(many) < 220
        and "... and 800 more" in many[-5] + many[-4] + many[-3]
        and not any("hooks" in line for line in many)
    )


def test_a_target_that_exists_is_refused_at_once(convert_command, tmp_path):
    (tmp_path / "there").mkdir()
    code, said = convert_command(tmp_path / "missing.pkl", tmp_path / "there")
    assert code == 1 and "exists already" in said


def test_help_is_there_for_every_option(capsys):
    with pytest.raises(SystemExit) as done:
        tyro.cli(command, args=["--help"])
    said = capsys.readouterr().out
    assert done.value.code == 0 and all(
        option in said for option in ("--inspect", "--to", "--peer", "--verify", "--show")
    )


# ---- What a file may cost.


def test_weights_survive_being_written_and_read(tmp_path):
    """A thousand shapes of arrays, and those that are no contiguous block."""
    rng = np.random.default_rng(0)
    arrays = {
        str(i): rng.standard_normal(rng.integers(0, 4, rng.integers(0, 5))).astype(np.float32) for i in range(1000)
    }
    arrays["turned"] = rng.standard_normal((3, 4)).astype(np.float32).T
    (tmp_path / "file").write_bytes(torch_writer.dumps(arrays))
    again = containers.read(tmp_path / "file")
    assert list(again) == list(arrays)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b, strict=True), again, arrays)
