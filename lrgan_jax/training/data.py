"""What a run learns from: images of a folder, or samples of another generator. A batch is a pure function of the step.

So a run that resumes sees what it would have seen, and nothing of the data's position has to be saved.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from PIL import Image, ImageOps

from lrgan_jax.base import pictures
from lrgan_jax.base.checks import check_seed, check_whole, random_key
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import counted
from lrgan_jax.generators import Generator, ops, sample_z

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


class DataError(InputError):
    """Data that cannot be trained on; the message is one line for a person."""


class Data(NamedTuple):
    """Images [N, H, W, C] in [-1, 1].

    Attributes:
      size: how many there are, None for data without end. batch: step -> the images of that step.
      reference: n -> n images to compare samples with: of a generator ones that no step shows, of a folder the first n
        of a fixed shuffle.
      latents: step -> the z [N, z_dim] that a generator made that step's images of.
      notes: what a person should know of how the files were read, a line each.
    """

    resolution: int
    img_channels: int
    size: int | None
    batch: Callable[[int], Float[Array, "n h w c"]]
    reference: Callable[[int], Float[Array, "n h w c"]]
    latents: Callable[[int], Float[Array, "n z"]] | None = None
    notes: tuple[str, ...] = ()


def sampled(gen: Generator, batch: int, *, seed: int = 0, on_sphere: bool = False) -> Data:
    """Fresh samples of a generator at every step: data without end.

    Args:
      on_sphere: scale every z to length sqrt(z_dim), for a student whose mapping does that too.
    Raises:
      DataError: if the generator is conditional.
    """
    height, width = gen.size
    if height != width:
        raise DataError(f"images of {width} x {height} pixels: a StyleGAN2, which is to learn from them, makes squares")
    if gen.c_dim:
        raise DataError(
            "samples of a conditional model need labels, which training does not know: learn from one without"
        )

    def latents(key, n: int) -> Float[Array, "n z"]:
        z = jnp.asarray(sample_z(gen, key, n), jnp.float32)
        return ops.normalize_2nd_moment(z) if on_sphere else z

    @partial(jax.jit, static_argnums=2)
    def images(gen: Generator, key, n: int) -> Float[Array, "n h w c"]:
        return gen.synthesis(gen.mapping(latents(key, n))).astype(jnp.float32)

    training, held_out = jax.random.split(random_key(seed))
    channels = jax.eval_shape(partial(images, n=1), gen, training).shape[-1]

    def reference(n: int):
        parts = [images(gen, jax.random.fold_in(held_out, k), batch) for k in range(-(-n // batch))]
        return jnp.concatenate(parts)[:n]

    return Data(
        height,
        channels,
        None,
        batch=lambda step: images(gen, jax.random.fold_in(training, step), batch),
        reference=reference,
        latents=lambda step: latents(jax.random.fold_in(training, step), batch),
    )


def folder(path: str | Path, batch: int, *, resolution: int | None = None, mirror: bool = False, seed: int = 0) -> Data:
    """All images of a folder and its subfolders, in memory as bytes; every image once before any comes again.

    Images are turned as their cameras say; 16 bits keep their scale; what is transparent is laid on white; grey ones
    among coloured ones become coloured. Hidden files are passed over. The `notes` of the result say what of this was
    done.

    Args:
      resolution: to crop (centred, square) and resize to; None takes images that are square and of one size as they
        are.
      mirror: flip every other showing, at random.
    Raises:
      DataError: if there are fewer than a batch of images, one cannot be read, or their size is not 4 * 2^k.
    """
    check_seed(seed)
    check_whole("batch", batch)
    check_whole("resolution", resolution)
    if not Path(path).is_dir():
        raise DataError(f"{path}: no such folder")
    files, notes = _found(Path(path))
    if len(files) < batch:
        raise DataError("; ".join([f"{path} holds {len(files)} images, fewer than a batch of {batch}", *notes]))
    done: Counter[str] = Counter()
    images = [_read(file, resolution, done) for file in counted(files, "reading pictures")]
    notes += [f"{count} of {len(files)} images {what}" for what, count in done.items()]
    images, more = _of_one_kind(files, images)
    notes += more
    height, width, channels = images[0].shape
    odd = [k for k, image in enumerate(images) if image.shape != images[0].shape]
    if odd or height != width:
        sizes = ", ".join(f"{files[k].name} is {images[k].shape[1]}x{images[k].shape[0]}" for k in (0, *odd[:1]))
        raise DataError(
            f"{path}: images are not square and of one size ({sizes}); give a resolution to crop and resize to"
        )
    if height < 8 or height & (height - 1):
        raise DataError(
            f"{path}: images of {height}x{height} are not of 8, 16, 32, ... pixels; give a resolution to resize to"
        )
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

    return Data(height, channels, len(everything), at_step, reference, notes=tuple(notes))


def _signed(images) -> Float[Array, "n h w c"]:
    return jnp.asarray(images, jnp.float32) / 127.5 - 1


def _found(path: Path) -> tuple[list[Path], list[str]]:
    """The images of a folder, and what else lies there."""
    entries = sorted(path.rglob("*"))
    files = [file for file in entries if file.is_file()]
    unfollowed = [link for link in entries if link.is_symlink() and not link.is_file()]
    hidden = [
        file
        for file in files
        if any(part.startswith(".") or part == "__MACOSX" for part in file.relative_to(path).parts)
    ]
    seen = sorted({*files} - {*hidden})
    images = [file for file in seen if file.suffix.lower() in SUFFIXES]
    notes = []
    if hidden:
        notes.append(f"hidden files are passed over: {len(hidden)}, such as {hidden[0].relative_to(path)}")
    if unfollowed:
        what = "links to folders, or to nothing, are not followed"
        notes.append(f"{what}: {len(unfollowed)}, such as {unfollowed[0].relative_to(path)}")
    if len(seen) > len(images):
        endings = sorted({file.suffix or file.name for file in seen} - {file.suffix for file in images})
        notes.append(
            f"files that do not end as images do are passed over: {len(seen) - len(images)} ({_first(endings)})"
        )
    return images, notes


def _read(file: Path, resolution: int | None, done: Counter[str]) -> np.ndarray:
    """RGB, or grey if the file is, as bytes [H, W, C]; what was done to it is counted in `done`."""
    try:
        picture = pictures.read(file)
        array = pictures.to_bytes(picture)
    except (OSError, pictures.PictureError) as error:
        raise DataError(f"{file} cannot be read as an image: {error}") from error
    here = {
        "have 16 bits: 0 to 65535 becomes 0 to 255": picture.white != 255 or picture.cut,
        "are transparent in places: laid on white": picture.alpha is not None and picture.alpha.min() < 255,
        "are CMYK: converted without a colour profile": picture.mode == "CMYK",
        f"are smaller than {resolution} pixels: enlarged": resolution is not None and min(array.shape[:2]) < resolution,
        "are animations or stacks: the first picture of each is taken": picture.count > 1,
    }
    done.update(what for what, true in here.items() if true)
    if resolution is not None:
        image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
        array = np.asarray(ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS))
    return array.reshape(*array.shape[:2], -1)


def _of_one_kind(files: Sequence[Path], images: list[np.ndarray]) -> tuple[list[np.ndarray], list[str]]:
    """All grey, or all in colour."""
    grey = [file.name for file, image in zip(files, images, strict=True) if image.shape[-1] == 1]
    if len(grey) in (0, len(images)):
        return images, []
    note = f"{len(grey)} of {len(images)} images are grey, and become coloured as the others are: {_first(grey)}"
    return [np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image for image in images], [note]


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)
