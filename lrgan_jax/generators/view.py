"""From a generator to what the core takes: a pure function from one latent to one image, and rows of ws."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import ArrayLike, Float

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.durations import of_images
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import waiting
from lrgan_jax.generators.latents import WS, Latent, Z, check_ws, weights_dtype
from lrgan_jax.generators.protocol import Generator, MakesParts, Noise
from lrgan_jax.generators.windows import Window, crop
from lrgan_jax.layers import Choice, Moves, check_layers

BATCHES = (1, 8, 32)  # images rendered at once: few sizes, since each is a program of its own
PIXELS = 32 * 256**2  # of them together: eight of 1024x1024 took 3 GB more than one, and no less time each, on a CPU


def image_function(
    gen: Generator,
    noise: Literal["const", "none"] = "const",
    *,
    layers: Choice | Moves = None,
    window: Window | None = None,
) -> jax.tree_util.Partial:
    """The pure function one latent -> one image: w [w_dim] or ws [num_ws, w_dim] -> [H, W, C].

    A `Partial`, hence a pytree: under `jit` the weights are arguments, neither baked into the program nor a cause to
    recompile. Of a generator whose synthesis takes classes it takes one, [c_dim], as a second argument.

    Args:
      layers: rows of ws that will move; the others may then be treated as constants, which spares the tangents below
        the first of them.
      window: the part of the image that is wanted, if not all of it; a generator that can computes only what it depends
        on.
    """
    moving = layers.rows if isinstance(layers, Moves) else None if layers is None else check_layers(layers, gen.num_ws)
    return jax.tree_util.Partial(_View(noise, moving, window), gen)


@dataclass(frozen=True)
class _View:
    """What of a generator is looked at: hashable, so that equal ones share a compiled program."""

    noise: Noise
    moving: tuple[int, ...] | None
    window: Window | None

    def __call__(self, gen, w, c=None):
        if (self.moving, self.window) != (None, None) and isinstance(gen, MakesParts):
            return gen.partial_synthesis(w[None], self.noise, self.moving, self.window)[0]
        image = gen.synthesis(w[None], None if c is None else c[None], noise=self.noise)
        return (image if self.window is None else crop(image, Window(0, 0, *image.shape[1:3]), self.window))[0]


def to_ws(gen: Generator, w: ArrayLike | Latent) -> WS:
    """One row per layer: w [N, w_dim] repeated, ws as it is; in the dtype of the weights, where they can be seen, and
    with its classes.

    For a generator whose latent is z, z itself with an axis of 1.

    Raises:
      InputError: on what does not fit, or lacks the classes that this generator's synthesis needs.
    """
    own = w.array if isinstance(w, Z) and gen.space is Z else w
    ws = check_ws(own, gen.num_ws, gen.w_dim, weights_dtype(gen))
    label = w.c if isinstance(w, Latent) else None
    if gen.classes == "synthesis" and label is None:
        raise InputError("this model draws by class: give latents with their classes, as gen.mapping(z, c) makes them")
    return WS(ws, label)


def render(
    gen: Generator, ws: ArrayLike | Latent, *, noise: Literal["const", "none"] = "const", batch: int = BATCHES[-1]
) -> Float[np.ndarray, "*n h w c"]:
    """Images [..., H, W, C] of any number of latents ws [..., num_ws, w_dim], `batch` at a time at most and fewer of
    large ones, as a NumPy array.

    Raises:
      InputError: without latents, on some that do not fit or are not finite, or if an image is not, as when a network
        overflows.
    """
    check_whole("batch", batch)
    rows = np.asarray(ws)
    check_number("latents", rows)
    lead = rows.shape[:-2]
    rows = rows.reshape(-1, *rows.shape[-2:])
    if not len(rows):
        raise InputError("there is no latent to render")
    label = ws.c if isinstance(ws, Latent) else None
    label = None if label is None else np.asarray(label).reshape(len(rows), -1)
    images = np.concatenate(list(_batches(gen, rows, label, noise, batch)))
    if not np.isfinite(images).all():
        raise InputError("the image is not finite at these latents: take others, or a truncation below 1")
    return images.reshape(*lead, *images.shape[1:])


def _batches(gen: Generator, rows: np.ndarray, label: np.ndarray | None, noise: Noise, batch: int) -> Any:
    """Images of whole batches, the last one cut to what it holds."""
    most = max(b for b in BATCHES if b == 1 or b * math.prod(gen.size) <= PIXELS)
    size = min(next((b for b in BATCHES if b >= len(rows)), batch), batch, most)
    with waiting("drawing images", total=len(rows), operations=of_images(gen.size, len(rows))) as job:
        for first in range(0, len(rows), size):
            part = np.arange(first, first + size).clip(max=len(rows) - 1)
            images = gen.synthesis(rows[part], None if label is None else label[part], noise=noise)
            whole = np.asarray(images)[: len(rows) - first]
            job.step(len(whole))
            yield whole
