"""What the README shows is true of the code."""
import re
from pathlib import Path

import numpy as np
import pytest
from api_index import index
from tolerances import PARITY

import lrgan_jax as lr
from lrgan_jax import sweep

README = (Path(__file__).parents[1] / "README.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_ten_lines_run(tmp_path, monkeypatch):
    """As printed, and with the shapes that their comments promise."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(CODE[0], names)
    assert names["edited"].shape == (3, 1, 100) and names["images"].shape == (3, 64, 64, 3)
    assert np.abs(np.asarray(names["images"])).max() <= 1 and (tmp_path / "mouth.npz").exists()
    np.testing.assert_allclose(names["images"][1], names["gen"].synthesis(names["w"])[0], rtol=0, atol=PARITY)


@pytest.mark.slow
def test_the_sweeps_lines_run(tmp_path, monkeypatch):
    """As printed, on a store of two latents."""
    monkeypatch.chdir(tmp_path)
    gen = lr.load("faces-dcgan")
    sweep.run(gen, "store", sweep.seeded(gen, 0, 2), ["mouth"], block=2)
    exec(CODE[1], {})
    assert len(lr.Directions.load("mouth-of-all.npz")) == 4


def test_links_lead_somewhere():
    """Every relative link and picture exists."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links and all((Path(__file__).parents[1] / link).exists() for link in links)


def test_the_two_lines_are_there():
    """.ci/run looks for them by their ends."""
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [line.split()[-1] for line in lines] == ["demo", ".venv/bin/pytest"]


def test_the_index_is_of_today():
    """Every public name with its docstring's first sentence; `python -m tests.api_index` writes it."""
    assert index() in README
