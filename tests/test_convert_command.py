"""`lrgan convert` and its other door, `python -m convert`: what a user causes is one line, a bug is not mistaken for
that."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference

import convert
import lrgan_jax.convert
from lrgan_jax.base import errors
from lrgan_jax.commands import convert as command
from lrgan_jax.convert import CheckpointError, check, formats, write
from lrgan_jax.convert.write import back, torch_writer
from lrgan_jax.generators import DCGAN, DCGANConfig, StyleGAN2, StyleGAN2Config, dcgan, stylegan2
from lrgan_jax.models import checkpoint

SMALL = StyleGAN2Config(channels=(4, 2), z_dim=6, w_dim=6, mapping_layers=2, mapping_features=6, embed_features=0)


@pytest.fixture(scope="module")
def gen():
    return StyleGAN2(SMALL, reference.random_variables(stylegan2.init, SMALL))


@pytest.fixture
def file(gen, tmp_path):
    """A checkpoint as small as they come."""
    path = tmp_path / "network.pt"
    path.write_bytes(torch_writer.dumps(back.nvidia(gen)))
    return path


def only_line(said: str) -> str:
    """Of a refusal, which is one line and no traceback."""
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said.splitlines()[-1] == lines[0] and "Traceback" not in said and lines[0].isprintable()
    return lines[0]


def test_both_doors_lead_to_the_same_room():
    """In a checkout `convert` is a name for what the package has."""
    assert convert.__all__ == lrgan_jax.convert.__all__
    assert all(getattr(convert, name) is getattr(lrgan_jax.convert, name) for name in convert.__all__)
    root = Path(convert.__file__).parents[1]
    for words in (["-m", "convert", "--help"], ["-m", "lrgan_jax", "convert", "--help"]):
        done = subprocess.run([sys.executable, *words], cwd=root, capture_output=True, text=True, timeout=120)
        named = "python -m convert" if words[1] == "convert" else "lrgan convert"
        assert done.returncode == 0 and done.stdout.startswith(f"usage: {named} [-h] [OPTIONS] IN OUT"), done.stderr


def test_a_refusal_is_an_error_of_ours():
    """So that who calls the function can tell it from a bug, as the command does."""
    assert issubclass(CheckpointError, errors.LrganError) and issubclass(CheckpointError, ValueError)


def test_rooms_know_no_command_line():
    folder = Path(lrgan_jax.convert.__file__).parent
    assert {Path(room.__file__).parent.parent for room in (formats, write, check)} == {folder}
    assert not [path for path in folder.rglob("*.py") if "tyro" in path.read_text()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["."], "a directory, not a file"),
        (["nothing.pt"], "nothing.pt: no such file"),
        (["x" * 300], "cannot be read (File name too long)"),
        (["network.pt/inside"], "network.pt/inside: no such file"),
        (["--inspect", "."], "a directory, not a file"),
        (["--inspect", "nothing.pt"], "nothing.pt: no such file"),
        (["--metrics", "."], "a directory, not a file"),
        (["network.pt", "--w-avg", "."], "cannot be read (Is a directory)"),
        (["network.pt", "--w-avg", "nothing.npy"], "nothing.npy: cannot be read (No such file or directory)"),
        (["network.pt", "--verify", "."], "not a readable .npz"),
        (["network.pt", "--peer", "nothing"], "nothing: no checkout of this file's project"),
        (["network.pt", "--card", "."], "not a readable text file"),
        (["network.pt", "--regions", "list.json"], "a table of names is wanted"),
        (["network.pt", "--regions", "deep.json"], "not readable JSON"),
        (["dcgan.pt", "--conv-clamp", "256"], "a DCGAN has no conv_clamp (--conv-clamp)"),
        (["dcgan.pt", "--noise", "zeros", "--z-dim", "3"], "a DCGAN has no z_dim (--z-dim), no noise (--noise)"),
        (["--to", "nvidia", "nothing", "back.pt"], "no model 'nothing'"),
    ],
)
def test_what_a_user_can_cause_is_one_line(words, said, file, convert_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    config = DCGANConfig(channels=(2, 3), z_dim=4)
    random = DCGAN(config, reference.random_variables(dcgan.init, config))
    from test_convert import dcgan_names

    tensors = {name: np.asarray(a, np.float32) for name, a in dcgan_names(random).items()}
    (tmp_path / "dcgan.pt").write_bytes(torch_writer.dumps(tensors))
    before = sorted(tmp_path.iterdir())
    target = [] if words[0].startswith("--") else ["model"]
    code, answer = convert_command(*words[:1], *target, *words[1:])
    assert code == 1 and said in only_line(answer), answer
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_read_says_why(file, convert_command, monkeypatch):
    """Also to those who may read everything, as in a container."""

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    for words in ((file, "--show"), ("--inspect", file), ("--metrics", file)):
        code, said = convert_command(*words)
        assert code == 1 and f"{file}: cannot be read (Permission denied)" in only_line(said)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(file, convert_command, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "read_checkpoint", lambda *args, **options: pytest.fail("it was read"))
    for target in (file / "model", "/dev/null/model"):
        code, said = convert_command(file, target)
        assert code == 1 and "is no folder" in only_line(said)
    (tmp_path / "there").mkdir()
    for words in ((file, tmp_path / "there"), ("--to", "nvidia", "faces64", file)):
        code, said = convert_command(*words)
        assert code == 1 and "exists already" in only_line(said)


def test_a_full_disk_is_one_line(file, gen, convert_command, tmp_path, monkeypatch):
    """Seen beforehand; met on the way, as the system says it and as TensorStore does; and of a state dict."""
    from orbax.checkpoint import v1 as ocp

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_store(*args, **options):
        raise ValueError("RESOURCE_EXHAUSTED: Error writing: Failed to write 9 bytes [os_error_code='28']")

    model = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1})())
        code, said = convert_command(file, model)
        assert code == 1 and "0.0 are free" in only_line(said)
    for stand_in in (full, full_store):
        with monkeypatch.context() as patch:
            patch.setattr(ocp, "save", stand_in)
            code, said = convert_command(file, model)
            assert code == 1 and f"{model} cannot be written: No space left on device" in only_line(said)
    with monkeypatch.context() as patch:
        patch.setattr("lrgan_jax.base.files.os.replace", full)
        checkpoint.save(tmp_path / "again", gen)
        code, said = convert_command("--to", "nvidia", tmp_path / "again", tmp_path / "back.pt")
        assert code == 1 and "back.pt cannot be written: No space left on device" in only_line(said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "network.pt"]


def test_a_bug_shows_where_it_is_and_asks_to_be_reported(file, convert_command, monkeypatch):
    """Even if it is of a kind that bad input often is."""

    def broken(*args, **options):
        raise ValueError("shapes do not match")

    monkeypatch.setattr(command, "read_checkpoint", broken)
    code, said = convert_command(file, "--show")
    assert code not in (0, 1) and "Traceback" in said and "in broken" in said
    assert "report" in said.splitlines()[-1] and said.splitlines()[-2] == "ValueError: shapes do not match"
