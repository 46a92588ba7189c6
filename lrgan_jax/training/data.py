"""What a run learns from: images of a folder, or samples of another generator. A batch is a pure function of the step.

So a run that resumes sees what it would have seen, and nothing of the data's position has to be saved.
"""
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from PIL import Image, ImageOps, UnidentifiedImageError

from lrgan_jax.generators import Generator, ops, sample_z

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


class DataError(ValueError):
    """Data that cannot be trained on; the message is one line for a person."""


class Data(NamedTuple):
    """Images [N, H, W, C] in [-1, 1].

    Attributes:
      size: how many there are, None for data without end. batch: step -> the images of that step.
      reference: n -> n images to compare samples with: of a generator ones that no step shows, of a folder the first n of a fixed shuffle.
      latents: step -> the z [N, z_dim] that a generator made that step's images of.
    """

    resolution: int
    img_channels: int
    size: int | None
    batch: Callable[[int], Float[Array, "n h w c"]]
    reference: Callable[[int], Float[Array, "n h w c"]]
    latents: Callable[[int], Float[Array, "n z"]] | None = None


def sampled(gen: Generator, batch: int, *, seed: int = 0, on_sphere: bool = False) -> Data:
    """Fresh samples of a generator at every step: data without end.

    Args:
      on_sphere: scale every z to length sqrt(z_dim), for a student whose mapping does that too.
    """

    def latents(key, n: int) -> Float[Array, "n z"]:
        z = sample_z(gen, key, n).array.astype(jnp.float32)
        return ops.normalize_2nd_moment(z) if on_sphere else z

    @partial(jax.jit, static_argnums=2)
    def images(gen: Generator, key, n: int) -> Float[Array, "n h w c"]:
        return gen.synthesis(gen.mapping(latents(key, n))).astype(jnp.float32)

    training, held_out = jax.random.split(jax.random.key(seed))
    channels = jax.eval_shape(partial(images, n=1), gen, training).shape[-1]

    def reference(n: int):
        parts = [images(gen, jax.random.fold_in(held_out, k), batch) for k in range(-(-n // batch))]
        return jnp.concatenate(parts)[:n]

    return Data(
        gen.resolution, channels, None,
        batch=lambda step: images(gen, jax.random.fold_in(training, step), batch),
        reference=reference,
        latents=lambda step: latents(jax.random.fold_in(training, step), batch),
    )  # fmt: skip


def folder(path: str | Path, batch: int, *, resolution: int | None = None, mirror: bool = False, seed: int = 0) -> Data:
    """All images of a folder and its subfolders, in memory as bytes; every image once before any comes again.

    Args:
      resolution: to crop (centred, square) and resize to; None takes images that are square and of one size as they are.
      mirror: flip every other showing, at random.
    Raises:
      DataError: if there are fewer than a batch of images, one cannot be read, or their size is not 4 * 2^k.
    """
    files = sorted(file for file in Path(path).rglob("*") if file.suffix.lower() in SUFFIXES)
    if len(files) < batch:
        raise DataError(f"{path} holds {len(files)} images, fewer than a batch of {batch}")
    images = [_read(file, resolution) for file in files]
    shapes = {image.shape for image in images}
    height, width, channels = images[0].shape
    if len(shapes) > 1 or height != width:
        raise DataError(f"{path}: images are not square and of one size; give a resolution to crop and resize to")
    if height < 8 or height & (height - 1):
        raise DataError(f"{path}: images of {height}x{height} are not of 8, 16, 32, ... pixels; give a resolution to resize to")
    everything = np.stack(images)
    per_epoch = len(everything) // batch

    def at_step(step: int):
        epoch, place = divmod(step, per_epoch)
        random = np.random.default_rng((seed, epoch))
        chosen = random.permutation(len(everything))[place * batch : (place + 1) * batch]
        shown = everything[chosen]
        if mirror:
            flipped = np.random.default_rng((seed, epoch, place)).random(batch) < 0.5
            shown = np.where(flipped[:, None, None, None], shown[:, :, ::-1], shown)
        return _signed(shown)

    def reference(n: int):
        if n > len(everything):
            raise DataError(f"{path} holds {len(everything)} images, fewer than the {n} to compare samples with")
        return _signed(everything[np.random.default_rng(seed).permutation(len(everything))[:n]])

    return Data(height, channels, len(everything), at_step, reference)


def _signed(images) -> Float[Array, "n h w c"]:
    return jnp.asarray(images, jnp.float32) / 127.5 - 1


def _read(file: Path, resolution: int | None) -> np.ndarray:
    """RGB, or grey if the file is, as bytes [H, W, C]."""
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("L" if opened.mode in ("1", "L") else "RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} cannot be read as an image: {error}") from error
    if resolution is not None:
        image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array
