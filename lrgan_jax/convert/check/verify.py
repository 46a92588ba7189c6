"""Is the converted model the same function? Its outputs against reference outputs that its own project computed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.generators import Generator

TOLERANCE = 2e-5  # of the image's largest magnitude: float32 rounding through a whole network stays below


def verify(gen: Generator, path: str | Path) -> dict[str, float]:
    """Worst error of every reference output in an .npz, relative to its largest magnitude: name -> error.

    Inputs read: `z` [N, z_dim], `c` [N, c_dim] (or `class_label`, or their numbers `y`), `wplus` [N, num_ws, w_dim],
    `truncation_cutoff`. Outputs compared, when present: `w`, `w_psi07`, `ws_psi07_cutoff`, and images NCHW named `img`
    or `img_{const,none}`, after `psi1`, `psi07`, `psi07_cutoff` or `wplus` where they apply (`img_psi07_const`:
    truncation 0.7, constant noise). Rows of an output belong to the first rows of its input.

    Raises:
      CheckpointError: in one line, if the file is unreadable or holds nothing to compare.
    """
    reference = _read(path)
    computed = {
        name: compute
        for name in reference
        if name.startswith(("w", "img")) and (compute := _recipe(gen, reference, name)) is not None
    }
    if not computed:
        raise CheckpointError(
            f"{path}: nothing to compare; it holds {', '.join(reference) or 'nothing'}, wanted z and img"
        )
    try:
        with jax.default_matmul_precision("highest"):  # or a GPU's TF32 would look like another network
            return {name: _worst(np.asarray(compute()), reference[name], name) for name, compute in computed.items()}
    except ValueError as error:  # inputs or outputs of another model's shapes
        raise CheckpointError(f"{path} does not belong to this model: {error}") from error


def _recipe(gen: Generator, reference: dict[str, np.ndarray], name: str) -> Callable[[], Any] | None:
    """How to compute the output `name`, or None if that is not known."""
    rows = len(reference[name]) if reference[name].ndim else 0
    truncation = 0.7 if "psi07" in name else 1.0
    cutoff = (
        int(reference["truncation_cutoff"]) if name.find("cutoff") > 0 and "truncation_cutoff" in reference else None
    )

    def w():
        c = _labels(gen, reference)
        return gen.mapping(reference["z"][:rows], None if c is None else c[:rows], truncation, cutoff)

    def image():
        ws = reference["wplus"][:rows] if "wplus" in name else w()
        images = gen.synthesis(ws, noise="none" if name.endswith("_none") else "const")
        return np.asarray(images).transpose(0, 3, 1, 2)

    needed = "wplus" if "wplus" in name and name.startswith("img") else "z"
    if needed not in reference:
        return None
    if name in ("w", "w_psi07", "ws_psi07_cutoff"):
        return w
    images = {"img"} | {
        f"img_{a}{noise}" for a in ("", "psi1_", "psi07_", "psi07_cutoff_", "wplus_") for noise in ("const", "none")
    }
    return image if name in images else None


def _labels(gen: Generator, reference: dict[str, np.ndarray]) -> np.ndarray | None:
    if "y" in reference:
        numbers = reference["y"]
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < gen.c_dim:
            raise ValueError(f"its classes y are not among 0 to {gen.c_dim - 1}")
        return np.eye(gen.c_dim, dtype=np.float32)[numbers]
    return reference.get("c", reference.get("class_label"))


def _read(path: str | Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except Exception as error:  # NumPy raises half a dozen kinds on damaged archives
        raise CheckpointError(f"{path}: not a readable .npz of plain arrays") from error


def _worst(actual: np.ndarray, expected: np.ndarray, what: str) -> float:
    if actual.shape != expected.shape:
        raise ValueError(f"{what} has shape {list(expected.shape)}, the model gives {list(actual.shape)}")
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-12))
