"""Damaged files: thousands of mutations of real checkpoints end in a conversion or in one line, never in anything
else."""

import math
import pickletools
import random
import struct

import jax
import numpy as np
import pytest
import reference
import safetensors.numpy

from lrgan_jax.convert import CheckpointError, read_checkpoint
from lrgan_jax.convert.formats.stylegan2 import missing
from lrgan_jax.convert.write import back, torch_writer
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2

FILES = {  # the smallest of every container and format, and how often each is damaged
    "nvidia_ada/ada_nonoise16.pkl": 500,
    "nvidia_tf/tf_ada_cond_16.pkl": 500,
    "rosinality/rosi_training16_cuda.pt": 500,
    "rosinality/rosi_converted32_legacy.pt": 500,
    "hostile/nvidia_module_src.pkl": 500,
    "hammer/hammer_origin16_cond_nosmooth.pth": 500,
    "sefa/sefa_skip32.pth": 300,
    "stylegan1/sefa_sg1_32.pth": 200,
    "stylegan1/hammer_sg1_32_cond.pth": 300,
    "stylegan1/rosi_sg1_32.model": 150,
    "pggan/sefa_pg32.pth": 300,
    "pggan/hammer_pg32_cond.pth": 300,
    "biggan_ajbrock/ajb32.pth": 200,
    "biggan_hf/hf16_zip/pytorch_model.bin": 200,
    "../../cases/hammer_lr1.pth": 500,
    "../../cases/lightning_ros.ckpt": 500,
    "../../cases/nv_state_with_path.pt": 500,
    "stylegan3/hammer_sg3t32.pth": 200,
    "stylegan3/sg3r32_cond.pkl": 200,
    "our own .pt": 500,
    "our own .safetensors": 500,
}
TOLD = {"stylegan1/rosi_sg1_32.model": {"arguments": {"step": 3}}}  # without which it is refused however whole it is
OPCODES = [ord(opcode.code) for opcode in pickletools.opcodes]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One bit flipped, a cut, a splice, a deletion, an opcode or a length put in the place of whatever was there."""
    at, other, length = rng.randrange(len(data)), rng.randrange(len(data)), 1 + int(rng.expovariate(0.05))
    match rng.randrange(7):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[other : other + length] + data[at:]
        case 3:
            return data[:at] + data[at + length :]
        case 4:
            return data[:at] + bytes([rng.choice(OPCODES)]) + data[at + 1 :]
        case 5:
            return data[:at] + bytes([rng.choice(OPCODES)]) + data[at:]
        case _:
            size = rng.choice((0, 1, 255, 2**31 - 1, 2**32 - 1))
            return data[:at] + struct.pack("<I", size) + data[at + 4 :]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Half of the time near the start or the end, where the structure is: weights fill most of a file, and damage to
    them is silent."""
    edge = rng.choice((len(data), len(data), 3000, 300))
    for _ in range(rng.choice((1, 1, 2, 5))):
        if rng.random() < 0.5:
            data = mutated(data[:edge], rng) + data[edge:]
        else:
            cut = max(len(data) - edge, 0)
            data = data[:cut] + mutated(data[cut:] or b".", rng)
        data = data or b"."
    return data


def contents(name: str, request) -> bytes:
    """A file to damage: ours, written here, or a fixture, without which the test is skipped."""
    if name.startswith("our own"):
        config = StyleGAN2Config(
            channels=(3, 2), z_dim=4, w_dim=4, mapping_layers=1, mapping_features=4, embed_features=0
        )
        state = back.nvidia(StyleGAN2(config, reference.random_variables(stylegan2.init, config)))
        return bytes(torch_writer.dumps(state)) if name.endswith(".pt") else safetensors.numpy.save(dict(state))
    return (request.getfixturevalue("shared") / "fixtures" / "public" / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_damage_ends_in_a_conversion_or_a_refusal(name, request, tmp_path, monkeypatch):
    """What converts is a whole network: of the shapes that its config says, and finite."""
    monkeypatch.chdir(tmp_path)
    # Estimating a lost w_avg compiles a mapping network; what counts here is that it is called for at all.
    monkeypatch.setattr(missing, "mean_latent", lambda config, *_: np.zeros(config.w_dim, np.float32))
    data, rng = contents(name, request), random.Random(name)
    path, outcomes = tmp_path / "file", {True: 0, False: 0}
    for _ in range(FILES[name]):
        path.write_bytes(damaged(data, rng))
        try:
            gen = read_checkpoint(path, TOLD.get(name))
        except CheckpointError as error:
            assert str(error).isprintable() and len(str(error)) < 2000
            outcomes[False] += 1
        else:
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gen.variables))
            assert math.log2(gen.size[0]) % 1 == 0
            outcomes[True] += 1
    assert min(outcomes.values()) > 0, outcomes  # both kinds of end were seen
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_enough_damage_is_done():
    assert sum(FILES.values()) >= 5000
