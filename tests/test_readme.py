"""What the documents show is true of the code: README, CONTRIBUTING, RESULTS, INDEX and the changelog."""

import re
from pathlib import Path

import api_index
import numpy as np
import pytest
from tolerances import PARITY

import lrgan_jax as lr
from lrgan_jax import sweep

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/RESULTS.md", "notebooks/INDEX.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEN_LINES, FUNCTION, SWEEP = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def text(document):
    return (ROOT / document).read_text(encoding="utf-8")


def test_the_ten_lines_run(tmp_path, monkeypatch):
    """As printed, and with the shapes that their comments promise."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(TEN_LINES, names)
    assert names["edited"].shape == (3, 1, 100) and names["images"].shape == (3, 64, 64, 3)
    assert np.abs(np.asarray(names["images"])).max() <= 1 and (tmp_path / "mouth.npz").exists()
    np.testing.assert_allclose(names["images"][1], names["gen"].synthesis(names["w"])[0], rtol=0, atol=PARITY)


def test_the_functions_lines_run():
    """As printed: two discs, of which only the left one moves."""
    names: dict = {}
    exec(FUNCTION, names)
    gen, z, left = names["gen"], names["z"], names["left"]
    image, edited = gen.synthesis(z)[0], gen.synthesis(lr.edit(z, left[0], 1.0))[0]
    assert image.shape == (32, 64, 3)
    change = lr.region_change(image, edited, lr.region_mask("left", gen.size, gen.info.regions))
    assert change.inside > 1e-3 and change.outside < 1e-6 * change.inside


@pytest.mark.slow
def test_the_sweeps_lines_run(tmp_path, monkeypatch):
    """As printed, on a store of two latents."""
    monkeypatch.chdir(tmp_path)
    gen = lr.load("faces-dcgan")
    sweep.run(gen, "store", sweep.seeded(gen, 0, 2), ["mouth"], keep=sweep.Keep(block=2))
    exec(SWEEP, {})
    assert len(lr.Directions.load("mouth-of-all.npz")) == 4


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    """Every relative link and picture exists, and every heading that is pointed at."""
    for link in re.findall(r"\]\(([^)]+)\)", text(document)):
        file, _, heading = link.partition("#")
        if not link.startswith("http"):
            target = (ROOT / document).parent / file if file else ROOT / document
            assert target.exists(), link
            assert not heading or heading in headings(target), link


def headings(file):
    """The anchors of a document, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "notebooks/RESULTS.md"])
def test_files_that_are_named_exist(document):
    """Whatever looks like a file or folder, from the root or from the package; NAME stands for one to be written."""
    named = re.findall(r"`([\w./*\-]+(?:/|\.(?:py|md|yaml|toml)))`", text(document))
    named += re.findall(r"tests/[\w./]+\.py", text(document))
    assert len(named) > 5
    for path in named:
        inside = [ROOT, ROOT / "lrgan_jax", ROOT / "tests" / "benchmarks"]
        assert "NAME" in path or any(any(place.glob(path.rstrip("/"))) for place in inside), path


def test_files_and_names_of_a_recipe_are_there():
    """What CONTRIBUTING tells to write a row in has that table, and protocols are where it says."""
    places = {
        "ARCHITECTURES": "generators/__init__.py",
        "ROWS": "methods/__init__.py",
        "COMMANDS": "__main__.py",
        "NETWORKS": "metrics/networks.py",
        "FORMATS": "convert/formats/table.py",
        "Generator": "generators/protocol.py",
        "Method": "methods/record.py",
        "Format": "convert/formats/protocol.py",
    }
    for name, file in places.items():
        assert f"`{name}`" in text("CONTRIBUTING.md") or name == "Format"
        assert re.search(rf"^(class )?{name}\b", text(f"lrgan_jax/{file}"), re.MULTILINE), file


def test_the_two_lines_are_there():
    """.ci/run looks for them by their ends."""
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [line.split()[-1] for line in lines] == ["demo", ".venv/bin/pytest"]


@pytest.mark.parametrize("part", api_index.PARTS)
def test_what_is_generated_is_of_today(part):
    """Commands, methods and public names, with what their docstrings say; `python -m tests.api_index` writes them."""
    assert api_index.part(part)[1] == api_index.PARTS[part][1]()


def test_commands_that_are_shown_exist():
    """Each `lrgan ...` in the documents is a command, and each command has a line to try."""
    from lrgan_jax.__main__ import COMMANDS

    for document in DOCUMENTS:
        assert set(re.findall(r"(?:`|^|&& )lrgan ([a-z]+)", text(document), re.MULTILINE)) <= COMMANDS.keys()
    assert api_index.EXAMPLES.keys() == COMMANDS.keys()


def test_they_stay_short():
    """README is read in one go, and so is CONTRIBUTING; the long tables are in RESULTS."""
    assert len(README.encode()) <= 14_000 and len(text("CONTRIBUTING.md").encode()) <= 9_000


def test_the_changelog_begins_with_this_version():
    assert text("CHANGELOG.md").splitlines()[2].startswith(f"## {lr.__version__}")
