"""Comparing layer by layer with the projects' own code (see `test_peer`): StyleGAN 1 and 3, PGGAN, BigGAN."""

import dataclasses
import json
import sys

import ajbrock_reference
import jax
import numpy as np
import pytest
import reference
from peer_files import theirs

from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.convert.check import layers as peer
from lrgan_jax.convert.check.checkout import imported
from lrgan_jax.convert.check.verify import TOLERANCE
from lrgan_jax.convert.formats import (
    genforce_pggan,
    hammer_stylegan1,
    hammer_stylegan3,
    rosinality_stylegan1,
    sefa_stylegan1,
)
from lrgan_jax.convert.formats.variables import table
from lrgan_jax.convert.reading import network_in
from lrgan_jax.generators import PGGAN, BigGAN, PGGANConfig, StyleGAN1, StyleGAN1Config, StyleGAN3, pggan, stylegan1

torch = pytest.importorskip("torch")
import peer_checkouts  # noqa: E402
import peer_standins_biggan  # noqa: E402 - they import torch

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


@pytest.fixture
def checkout(tmp_path):
    """Writes a stand-in's checkout; `body` are further lines of its class."""

    def write(project, body="pass"):
        file, name, module, standin = CHECKOUTS[project]
        code = peer_checkouts.standing_in(name, f"peer_standins_{module}", standin, body)
        return peer_checkouts.written(tmp_path / f"{project} checkout", file, code)

    return write


# ---- Which layers are compared.


def expected_layers(gen):
    """All that are, but for the order: whatever has weights and makes something of the image, and the image."""
    found = {name for name in (layer_of(gen, place) for place in table(gen.variables)) if name}
    conditioned = isinstance(gen, BigGAN) and gen.config.c_dim
    return {*found, "image"} | ({f"attention{k}" for k in gen.config.attention} if conditioned else set())


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
        return f"{layer}.conv{0 if gen.config.paired else leaf[-1]}"
    if parts[-1] == "statistics":  # of a norm, which is seen in what follows it
        return layer.removesuffix(".statistics").replace(".norm", ".conv")
    return layer.removesuffix(".affine") if isinstance(gen, StyleGAN1) else layer


def assert_all_layers_agree(errors, gen):
    assert errors.keys() == expected_layers(gen) and list(errors)[-1] == "image"
    assert max(errors.values()) < TOLERANCE, errors


# ---- The projects' own files.

SHRUNK = {"StyledGenerator": "WIDTHS = (12, 12, 12, 12, 10, 8, 6, 5, 4)"}
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
    told = told.get("arguments", told["config"] if "config" in told else None)
    gen = read_checkpoint(path, arguments=told)
    errors, made_with = peer.compare(gen, network_in(path, None)[0], checkout(FILES[file]), told)
    assert_all_layers_agree(errors, gen)
    assert ("the file's own arguments" in made_with) == file.startswith(("stylegan3", "biggan_hf"))
