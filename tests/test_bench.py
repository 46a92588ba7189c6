"""`lrgan bench`: that it measures what it says, on a model small enough; how fast that is, is no matter for a test."""

import json

import numpy as np
import pytest

from lrgan_jax import __main__, bench
from lrgan_jax.models.checkpoint import save


@pytest.fixture
def folder(small_stylegan2, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(
        bench, "_grams_like", lambda num, d: np.stack([np.diag(np.arange(1.0, 13))] * num).astype(np.float32)
    )
    return save(tmp_path / "model", small_stylegan2)


def test_the_command_prints_and_writes_its_figures(folder, tmp_path, monkeypatch, capsys):
    """All of them positive, a table for a person, the blocks of the network, and the same as JSON."""
    out = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["lrgan", "bench", "--models", str(folder), "--blocks", "--out", str(out)])
    assert __main__.main() == 0
    figures, said = json.loads(out.read_text()), capsys.readouterr().out
    (row,) = figures["models"]
    assert (
        (row["resolution"], row["latent"], row["columns"]) == (16, 12, 12)
        and row["forward_images"] > 0
        and row["grams"] > 0
    )
    assert figures["machine"]["matmul_flops"] > 0 and [block["size"] for block in figures["blocks"][str(folder)]] == [
        4,
        8,
        16,
    ]
    assert "column/forward" in said and "forward ms" in said


def test_a_block_adds_its_own_operations(folder):
    """The blocks' operations add up to those of the whole image function."""
    blocks = list(bench.by_block(str(folder), columns=2))
    assert all(block["gflop"] > 0 for block in blocks)
    macs = 9 * (
        8 * 8 * 16 + 8 * 8 * 16 + 8 * 8 * 64 + 8 * 6 * 64 + 6 * 6 * 256
    )  # 3x3 layers, the upsampling ones on the small image
    assert (
        sum(block["gflop"] for block in blocks) * 1e9 > 2 * 0.8 * macs
    )  # taps that fall into the padding are not counted
