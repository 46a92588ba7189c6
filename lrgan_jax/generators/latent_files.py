"""Latents in files: what projectors, encoders and other people's scripts leave behind, as latents of a model."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lrgan_jax.base.errors import InputError
from lrgan_jax.foreign import array_files
from lrgan_jax.generators.latents import WS, Latent, W, Z
from lrgan_jax.generators.protocol import Generator

Space = Literal["z", "w", "ws"]
SPACES: dict[Space, type[Latent]] = {"z": Z, "w": W, "ws": WS}
NAMES = ("w", "ws", "w_plus", "latent", "latents", "projected_w")  # under which latents lie beside other values
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"}  # by whose names they may lie


class LatentsError(InputError):
    """A file that holds no latents of this model, or could mean two things; the message is one line for a person."""


def load_latents(path: str | os.PathLike[str], gen: Generator, *, space: Space | None = None) -> Latent:
    """The latents in a file: .npy, .npz or .pt with one array, or with one under a name such as `w` or `latents`, or
    with one under the name of each of several pictures.

    So load the files of NVIDIA's and rosinality's projectors, of encoders (e4e, ReStyle, HyperStyle), of PTI, of
    InterFaceGAN and LowRankGAN, and our own. Of a picture that an encoder saw several times the last is taken.

    Args:
      space: what they are. None tells by the shape: w [d] or [N, d], ws [N, L, d] (W+) or [N, L * d]; [N, 1, d] is w.
        Just [L, d], which may be L latents w or the layers of one ws, is asked about, unless it is one picture's. z is
        never guessed.
    Returns:
      W [N, w_dim], WS [N, num_ws, w_dim] or Z [N, z_dim]. An .npy is mapped, not read.
    Raises:
      LatentsError: in one line, if the file is missing, damaged or hostile, or does not fit the model.
    """
    values = _told(path, lambda: array_files.read(path))
    pictures = _told(path, lambda: _of_pictures(values))
    if pictures is None:
        array = _told(path, lambda: array_files.only_array(values, ("z",) if space == "z" else NAMES))
    else:
        array, space = pictures, space or ("w" if pictures.ndim == 2 else "ws")
    rows = _told(path, lambda: array_files.floating(array[None] if array.ndim < 2 else array))
    if space is None and (isinstance(values, dict) and [*values] == ["z"] or Path(path).name == "z.npy"):
        raise LatentsError(
            f"{path}: its array is named z: if it holds z, say so with --space z (in Python: space=), else --space w"
        )
    layers, width = gen.num_ws, gen.w_dim
    if space != "ws" and rows.ndim == 3 and rows.shape[1] == 1:
        rows = rows[:, 0]
    if space in (None, "ws") and layers > 1 and rows.shape[1:] == (layers * width,):
        rows = rows.reshape(-1, layers, width)
    if space is None and rows.shape == (layers, width) and layers > 1:
        raise LatentsError(
            f"{path}: [{layers}, {width}] can be {layers} latents w, or the {layers} layers of one latent (W+): say "
            "which, with --space w or --space ws (in Python: space=)"
        )
    if space == "ws" and rows.ndim == 2:
        rows = rows[None]
    kind = SPACES[space or ("ws" if rows.ndim == 3 else "w")]
    expected = {Z: (gen.z_dim,), W: (width,), WS: (layers, width)}[kind]
    if not len(rows) or rows.shape[1:] != expected:
        wanted = f"w [N, {width}], ws [N, {layers}, {width}], or z [N, {gen.z_dim}] with --space z (in Python: space=)"
        raise LatentsError(
            f"{path}: {list(array.shape)}{f', as {space},' if space else ''} are no latents of this model: {wanted}"
        )
    return kind(rows)


def _told(path: str | os.PathLike[str], reading: Callable[[], Any]) -> Any:
    """What reading gives, or what is wrong with the file, said with its name."""
    try:
        return reading()
    except FileNotFoundError as error:
        raise LatentsError(f"{path}: no such file") from error
    except (IsADirectoryError, PermissionError) as error:  # the content is not to blame
        raise LatentsError(f"{path}: {error.strerror}") from error
    except array_files.ArrayFileError as error:
        raise LatentsError(f"{path}: {error}") from error


def _of_pictures(values: Any) -> np.ndarray | None:
    """Latents [N, d] or [N, L, d] that lie under the names of N pictures, in that order; None where none do."""
    while isinstance(values, list) and len(values) == 1:
        values = values[0]
    if not isinstance(values, dict) or not values or not all(map(_names_a_picture, values)):
        return None
    latents = [_of_picture(value) for value in values.values()]
    if len({latent.shape for latent in latents}) > 1:
        shapes = " and ".join(sorted({str(list(latent.shape)) for latent in latents}))
        raise array_files.ArrayFileError(f"its pictures have latents of different shapes, {shapes}")
    return np.stack(latents)


def _names_a_picture(key: Any) -> bool:
    return isinstance(key, str) and Path(key).suffix.lower() in PICTURES


def _of_picture(value: Any) -> np.ndarray:
    """One picture's latent, [d] or [L, d]; ReStyle lists what each of its passes found."""
    passes = isinstance(value, list) and all(isinstance(item, np.ndarray) for item in value)
    latent = array_files.only_array(value[-1:] if passes else value, NAMES)
    return latent[0] if latent.ndim > 1 and len(latent) == 1 else latent
