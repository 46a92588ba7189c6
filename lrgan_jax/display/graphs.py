"""Numbers as small pictures without axes, in colours that are seen on light and on dark ground: the words beside a
picture, and its `alt`, say how much it is.
"""

import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Shaped
from PIL import Image

from lrgan_jax.display.cards import image

WIDTH, HEIGHT = 160, 40  # on the screen; twice as many pixels, for screens whose pixels are fine
DECADES = 6  # of a graph, from its largest number down
PLAIN, MARKED, NEGATIVE = (128, 128, 128), (222, 110, 32), (48, 128, 220)
ROWS, TALL = 20, 8  # so many rows of a matrix are strips, each so high on the screen
LARGEST = 1024  # matrices of which a spectrum is shown: a fifth of a second


def graph(values: ArrayLike, what: str, marked: Bool[np.ndarray, " n"] | None = None) -> str:
    """Sizes of numbers [n] on a logarithmic scale, `DECADES` high, those that are marked in colour."""
    sizes = np.abs(np.nan_to_num(np.asarray(values, np.float64), posinf=0, neginf=0))
    columns = np.arange(2 * WIDTH) * len(sizes) // (2 * WIDTH)
    top = sizes.max(initial=0)
    height = 1 + np.log10(np.maximum(sizes, 1e-300) / max(top, 1e-300)) / DECADES
    filled = height[columns] * 2 * HEIGHT >= np.arange(2 * HEIGHT, 0, -1)[:, None]
    chosen = np.zeros(len(sizes), bool) if marked is None else np.asarray(marked)
    pixels = np.zeros((2 * HEIGHT, 2 * WIDTH, 4), np.uint8)
    pixels[..., :3] = np.where(chosen[columns, None], MARKED, PLAIN)
    pixels[..., 3] = 255 * (filled & (top > 0))
    return image(pixels, what, WIDTH)


def spectrum(symmetric: Float[ArrayLike, "d d"], rank: int | None = None) -> str:
    """Eigenvalues of a symmetric matrix, falling in size, the first `rank` in colour; what hinders it in words."""
    values = np.asarray(symmetric, np.float64)
    if len(values) > LARGEST:
        return f"{len(values)} x {len(values)}: too large to look at its spectrum in passing"
    if not np.isfinite(values).all():
        return "not finite"
    sizes = np.sort(np.abs(np.linalg.eigvalsh(values)))[::-1]
    kept = "" if rank is None else f", {rank} of {len(sizes)} counted"
    return graph(sizes, f"eigenvalues, the largest {sizes[0]:.3g}{kept}", np.arange(len(sizes)) < (rank or 0))


def matrix(values: Shaped[ArrayLike, "r c"], what: str, width: int = WIDTH) -> str:
    """Numbers [r, c] as pixels: positive and negative ones in two colours, the larger the less transparent."""
    numbers = np.nan_to_num(np.asarray(values, np.float32), posinf=0, neginf=0)
    rows, columns = (min(side, 2 * width) for side in numbers.shape)
    if numbers.shape != (rows, columns):
        numbers = np.asarray(Image.fromarray(numbers).resize((columns, rows), Image.Resampling.BOX))
    share = np.abs(numbers) / max(np.abs(numbers).max(initial=0), 1e-30)
    pixels = np.zeros((*numbers.shape, 4), np.uint8)
    pixels[..., :3] = np.where((numbers < 0)[..., None], NEGATIVE, MARKED)
    pixels[..., 3] = np.rint(255 * np.sqrt(share))
    times = max(1, 2 * width // columns)
    tall = times if rows > ROWS else 2 * TALL
    return image(pixels.repeat(times, 1).repeat(tall, 0), what, width)
