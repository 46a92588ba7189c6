"""Latents in files: what projectors, encoders and other people's scripts leave behind, as latents of a model."""

import os
from typing import Literal

from lrgan_jax.base.errors import InputError
from lrgan_jax.foreign import array_files
from lrgan_jax.generators.latents import WS, Latent, W, Z
from lrgan_jax.generators.protocol import Generator

Space = Literal["z", "w", "ws"]
SPACES: dict[Space, type[Latent]] = {"z": Z, "w": W, "ws": WS}
NAMES = ("w", "ws", "w_plus", "latent", "latents", "projected_w")  # under which latents lie beside other values


class LatentsError(InputError):
    """A file that holds no latents of this model, or could mean two things; the message is one line for a person."""


def load_latents(path: str | os.PathLike, gen: Generator, *, space: Space | None = None) -> Latent:
    """The latents in a file: .npy, .npz or .pt with one array, or with one under a name such as `w` or `latents`.

    Args:
      space: what they are. None tells by the shape: w [d] or [N, d], ws [N, L, d] (W+); [N, 1, d] is w. Just [L, d],
        which may be L latents w or the layers of one ws, is asked about. z is never guessed.
    Returns:
      W [N, w_dim], WS [N, num_ws, w_dim] or Z [N, z_dim]. An .npy is mapped, not read.
    Raises:
      LatentsError: in one line, if the file is missing, damaged or hostile, or does not fit the model.
    """
    try:
        values = array_files.read(path)
        array = array_files.only_array(values, ("z",) if space == "z" else NAMES)
        rows = array_files.floating(array[None] if array.ndim < 2 else array)
    except FileNotFoundError as error:
        raise LatentsError(f"{path}: no such file") from error
    except (IsADirectoryError, PermissionError) as error:  # the content is not to blame
        raise LatentsError(f"{path}: {error.strerror}") from error
    except array_files.ArrayFileError as error:
        raise LatentsError(f"{path}: {error}") from error
    if space is None and isinstance(values, dict) and [*values] == ["z"]:
        raise LatentsError(
            f"{path}: its array is named z: if it holds z, say so with --space z (in Python: space=), else --space w"
        )
    layers, width = gen.num_ws, gen.w_dim
    if space != "ws" and rows.ndim == 3 and rows.shape[1] == 1:
        rows = rows[:, 0]
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
