"""What is edited: a latent and the generator that draws it; and photographs that `lrgan invert` wrote, as such."""

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro
from jaxtyping import ArrayLike, Float

from lrgan_jax.commands.options import UsageError, Which
from lrgan_jax.directions import Directions
from lrgan_jax.editing import edit
from lrgan_jax.generators import WS, Generator, render
from lrgan_jax.inversion import Kept, kept
from lrgan_jax.photographs import Aligned, Photograph, Seam, blend, open_photograph
from lrgan_jax.regions import region_mask

GREY_LEVEL = 2 / 255
Photo = Annotated[
    Path | None,
    tyro.conf.arg(
        metavar="FILE",
        help="a photo.npz that `lrgan invert` wrote, in place of latents: the photographs in it, numbered from 0, each "
        "drawn by the generator that was fitted to it.",
    ),
]


class Scene(NamedTuple):
    """A latent [1, L, d], and the generator that draws it."""

    gen: Generator
    w: WS

    def edited(self, direction: Directions, steps: ArrayLike) -> Float[np.ndarray, "s h w c"]:
        """Images after these steps."""
        return render(self.gen, edit(self.w, direction, steps)[:, 0])


def open_photos(file: Path, gen: Generator, which: Which) -> Kept:
    """What `lrgan invert` wrote.

    Raises:
      UsageError: if other latents are asked for as well. KeptError: in one line, if it is no such file, or of another
        model.
    """
    if which != Which():
        raise UsageError("--photo brings its latents: leave --latents, --seed and what else is of latents out")
    return kept.open(file, gen)


def scenes(photos: Kept, gen: Generator, first: int, num: int) -> list[Scene]:
    """`num` photographs from number `first` on.

    Raises:
      UsageError: if there are not so many.
    """
    if first < 0 or num < 1 or first + num > len(photos.ws):
        raise UsageError(f"--photo holds {len(photos.ws)}, numbered from 0; image {first + num - 1} is not among them")
    return [Scene(photos.generator(gen, n), photos.ws[n : n + 1]) for n in range(first, first + num)]


def crop_of(photos: Kept, number: int) -> Aligned:
    """Where in its photograph the crop of that number lies.

    Raises:
      UsageError: if the file holds no photographs. InputError: if they are damaged.
    """
    if not photos.photographs or not photos.alignments:
        raise UsageError("--photo holds latents and no photograph to put an edit into: leave --step out")
    return Aligned.from_record(open_photograph(photos.photographs[number]), photos.alignments[number])


def put_back(
    aligned: Aligned, scene: Scene, chosen: Directions, step: float, *, blended: bool
) -> tuple[Photograph, Seam | None]:
    """The photograph with what the step changes, and the seam around the region if nothing else may change.

    The change is added to the crop itself, so what the generator could not draw stays.

    Raises:
      UsageError: if `blended`, and the directions say no region.
    """
    before, after = scene.edited(chosen, np.array([0.0, step]))
    crop = aligned.image + (after - before)
    if not blended:
        return aligned.put_back(crop), None
    if not chosen.region:
        raise UsageError("--blend wants directions that say their region, as `lrgan directions` writes them")
    mask = region_mask(chosen.region, scene.gen.size, scene.gen.info.regions)
    image, _, seam = blend(aligned.image, crop, mask)
    return aligned.put_back(image), seam


def changes(photograph: Photograph, edited: Photograph, seam: Seam | None) -> str:
    """How many pixels have changed, for a person; and how steep the border of a blend is."""
    changed = (photograph.picture.colours != edited.picture.colours).any(-1)
    words = f"{changed.sum()} of {changed.size} pixels have changed"
    return words if seam is None else f"{words}, the seam adds {seam.excess / GREY_LEVEL:.1f} grey levels"
