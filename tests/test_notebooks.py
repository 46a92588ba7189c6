"""Notebooks run again where they ran before, cell by cell twice, and do no harm: nothing is in the way of itself."""

import copy
from pathlib import Path

import nbformat
import pytest

nbclient = pytest.importorskip("nbclient")
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_again(path, tmp_path):
    """In one folder: as it is, then in a fresh kernel with every cell run twice."""
    notebook = nbformat.read(path, 4)
    twice = copy.deepcopy(notebook)
    twice.cells = [copy.deepcopy(cell) for cell in notebook.cells for _ in range(2)]
    for n, cell in enumerate(twice.cells):
        cell["id"] = f"cell-{n}"
    for run in (notebook, twice):
        nbclient.NotebookClient(run, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
