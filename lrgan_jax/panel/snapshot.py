"""How a panel was left, as a picture: a face before and after, where the regions lie, how far the sliders are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lrgan_jax import display
from lrgan_jax.images import Picture, to_uint8
from lrgan_jax.panel.found import Found, Named
from lrgan_jax.panel.rendering import Rendering
from lrgan_jax.panel.wanted import Edit, Wanted
from lrgan_jax.regions import Mask

SIDE = 192  # of each picture on the screen
LINE = (255, 140, 0)


@display.record
class Snapshot(NamedTuple):
    """Attributes:
    title: of the face. before, after: the image without its edits and with them.
    outlined: before, enlarged, with the outlines of the regions that move.
    steps: of the sliders out of their middle, by region and direction.
    """

    title: str
    before: Picture
    after: Picture
    outlined: Picture
    steps: dict[str, float]

    def _repr_html_(self) -> str:
        pictures = {"before": self.outlined, "after": self.after}
        shown = [display.picture(picture[None], name, SIDE) for name, picture in pictures.items()]
        steps = {name: f"{step:+.2f}" for name, step in self.steps.items()}
        return display.card(self.title, steps, " ".join(shown))


def snapshot(rendering: Rendering, wanted: Wanted) -> Snapshot:
    """Of what is shown."""
    before, after = (to_uint8(rendering.image(one)) for one in (wanted.plain, wanted))
    moving = [edit for edit in wanted.edits if any(edit.steps)]
    masks = [edit.found.drawing.mask for edit in moving if isinstance(edit.found, Found)]
    title = f"{rendering.gen.info.name}, {rendering.faces[wanted.face].title}"
    return Snapshot(title, before, after, outlined(before, masks), {k: v for edit in moving for k, v in _steps(edit)})


def outlined(picture: Picture, masks: list[Mask]) -> Picture:
    """Enlarged until a line of a pixel is thin, with a line around each region."""
    times = -(-2 * SIDE // max(picture.shape[:2]))
    drawn = picture.repeat(times, 0).repeat(times, 1)
    for mask in masks:
        inside = Image.fromarray(np.asarray(mask >= 0.5)).resize(drawn.shape[1::-1], Image.Resampling.NEAREST)
        drawn[_border(np.asarray(inside))] = LINE
    return drawn


def _border(inside: UInt8[np.ndarray, "h w"] | np.ndarray, width: int = 3) -> np.ndarray:
    """Pixels of the region whose neighbours, so far away, are not all of it."""
    around = np.pad(inside, width)
    height, length = inside.shape
    steps = [(0, width), (2 * width, width), (width, 0), (width, 2 * width)]
    return inside & ~np.all([around[top : top + height, left : left + length] for top, left in steps], axis=0)


def _steps(edit: Edit) -> list[tuple[str, float]]:
    title, several = edit.found.title, not isinstance(edit.found, Named)
    names = [f"{title}, direction {k + 1}" if several else title for k in range(len(edit.steps))]
    return [(name, step) for name, step in zip(names, edit.steps, strict=True) if step]
