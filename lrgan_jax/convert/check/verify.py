"""Is the converted model the same function? Its outputs against reference outputs that its own project computed."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.generators import Generator, to_ws

TOLERANCE = 2e-5  # of the image's largest magnitude: float32 rounding through a whole network stays below
LATENTS = re.compile(r"(w|ws|wp)(_psi07)?(_cutoff)?")
INPUTS = re.compile(r"z|c|y|label|class_label|wplus|w[sp]_mix|trunc\w+|transform|mean_style|noise_\d+")
IMAGES = re.compile(r"img(?:_(?P<of>[a-z0-9]+?))??(?P<cutoff>_cutoff)?(?:_(?P<noise>const|none))?")

Reference = dict[str, np.ndarray]


def verify(gen: Generator, path: str | Path) -> dict[str, float]:
    """Worst error of every reference output in an .npz, relative to its largest magnitude: name -> error.

    Inputs read: `z` [N, z_dim], `c` [N, c_dim] (or `label`, `class_label`, or their numbers `y`), `wplus`, `ws_mix` or
    `wp_mix` [N, num_ws, w_dim], `truncation_cutoff` or `trunc_layers`, `transform`, `truncations`; and what a file may
    lack: `mean_style` and the noise pictures `noise_0`, `noise_1` and so on. Outputs compared, when present: `w`, or
    `ws` and `wp` with a row for each layer, and images NCHW, `img`; of truncation 0.7 with `_psi07`, and with
    `_cutoff`; an image's own are `_wplus`, `_mix`, `_transform`, `_trunc`, `_standing` and `_lod0`, and `_const` or
    `_none` says its noise. Rows of an output belong to the first rows of its input.

    Raises:
      CheckpointError: in one line, if the file is unreadable or holds nothing to compare.
    """
    reference = _read(path)
    computed = {name: compute for name in reference if (compute := _recipe(gen, reference, name)) is not None}
    if not computed:
        raise CheckpointError(
            f"{path}: nothing to compare; it holds {', '.join(reference) or 'nothing'}, wanted z and img"
        )
    try:
        with jax.default_matmul_precision("highest"):  # or a GPU's TF32 would look like another network
            return {name: _worst(np.asarray(compute()), reference[name], name) for name, compute in computed.items()}
    except ValueError as error:  # inputs or outputs of another model's shapes
        raise CheckpointError(f"{path} does not belong to this model: {error}") from error


def left(gen: Generator, path: str | Path) -> list[str]:
    """Names of the arrays that `verify` makes no use of."""
    reference = _read(path)
    return [name for name in reference if not INPUTS.fullmatch(name) and _recipe(gen, reference, name) is None]


def _recipe(gen: Generator, reference: Reference, name: str) -> Callable[[], Any] | None:
    """How to compute the output `name`, or None if that is not known."""
    if (found := LATENTS.fullmatch(name)) and "z" in reference:
        return lambda: _latent(gen, reference, name, len(reference[name]), bool(found[2]), bool(found[3]))
    if found := IMAGES.fullmatch(name):
        return _image(gen, reference, name, found["of"] or "", bool(found["cutoff"]), found["noise"] or "const")
    return None


def _latent(gen: Generator, reference: Reference, name: str, rows: int, truncated: bool, cut: bool) -> Any:
    """Of the first rows of z: w, or a row for each layer where the reference has that."""
    own = _completed(gen, reference)
    w = _mapped(own, reference, rows, 0.7 if truncated else 1.0, _cutoff(reference) if cut else None)
    return to_ws(own, w).array if reference[name].ndim == 3 else w


def _image(gen: Generator, reference: Reference, name: str, of: str, cut: bool, noise: Any) -> Callable[[], Any] | None:
    rows = len(reference[name]) if reference[name].ndim else 0
    given = {"wplus": ("wplus",), "mix": ("ws_mix", "wp_mix"), "transform": ("transform",), "trunc": ("truncations",)}
    inputs = [reference[key] for key in given.get(of, ("z",)) if key in reference]
    if of not in ("", "psi1", "psi07", "lod0", "standing", *given) or not inputs or "z" not in reference and not of:
        return None

    def images() -> Any:
        own: Any = _variant(_completed(gen, reference), of, reference)
        if of in ("wplus", "mix"):
            latents = inputs[0][:rows]
        elif of == "trunc":
            each = [_mapped(own, reference, 1, float(truncation)) for truncation in inputs[0][:rows]]
            latents = jnp.concatenate([jnp.asarray(w) for w in each])
        else:
            latents = _mapped(own, reference, rows, 0.7 if of == "psi07" else 1.0, _cutoff(reference) if cut else None)
        return np.asarray(own.synthesis(latents, noise=noise)).transpose(0, 3, 1, 2)

    return images


def _mapped(gen: Generator, reference: Reference, rows: int, truncation: float, cutoff: int | None = None) -> Any:
    c = _labels(gen, reference)
    return gen.mapping(reference["z"][:rows], None if c is None else c[:rows], truncation, cutoff)


def _cutoff(reference: Reference) -> int | None:
    found = reference.get("truncation_cutoff", reference.get("trunc_layers"))
    return None if found is None else int(found)


def _labels(gen: Generator, reference: Reference) -> np.ndarray | None:
    if "y" in reference:
        numbers = reference["y"]
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < gen.c_dim:
            raise ValueError(f"its classes y are not among 0 to {gen.c_dim - 1}")
        return np.eye(gen.c_dim, dtype=np.float32)[numbers]
    return next((reference[name] for name in ("c", "label", "class_label") if name in reference), None)


def _variant(gen: Any, of: str, reference: Reference) -> Any:
    """The generator as an image of that name was made by it."""
    if of == "transform":
        return gen.with_transform(reference["transform"])
    if of == "lod0":
        return gen.with_lod(0)
    if hasattr(gen.config, "counted") and gen.config.counted != (of == "standing"):
        return dataclasses.replace(gen, config=dataclasses.replace(gen.config, counted=of == "standing"))
    return gen


def _completed(gen: Any, reference: Reference) -> Any:
    """With the mean latent and the noise pictures of the reference, whose file had none."""
    if "mean_style" not in reference:
        return gen
    buffers = gen.variables["buffers"]
    pictures = {
        block: {**held, **{name: reference[f"noise_{int(block[1:]).bit_length() - 3}"][0, 0] for name in held}}
        for block, held in buffers["synthesis"].items()
    }
    mean = {**buffers["mapping"], "w_avg": reference["mean_style"].reshape(-1)}
    variables = {**gen.variables, "buffers": {**buffers, "mapping": mean, "synthesis": pictures}}
    return dataclasses.replace(gen, variables=variables)


def _read(path: str | Path) -> Reference:
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
