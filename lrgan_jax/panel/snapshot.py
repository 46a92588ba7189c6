"""How a panel was left, as a picture: a face before and after, where the regions lie, how far the sliders are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
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
    """What a panel shows.

    Attributes:
      title: of the face. before, after: the image without its edits and with them; large ones are small here.
      outlined: the first with the outlines of the regions that move.
      steps: of the sliders that are out of their middle, by region and direction.
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
    before, after = (_seen(rendering, one) for one in (wanted.plain, wanted))
    moving = [edit for edit in wanted.edits if any(edit.steps)]
    masks = [edit.found.drawing.mask for edit in moving if isinstance(edit.found, Found)]
    title = f"{rendering.gen.info.name}, {rendering.faces[wanted.face].title}"
    return Snapshot(title, before, after, outlined(before, masks), {k: v for edit in moving for k, v in _steps(edit)})


def _seen(rendering: Rendering, wanted: Wanted) -> Picture:
    """Of a large image the small one that is kept: to draw it again would let the next slider wait."""
    return rendering.small(wanted).astype(np.uint8) if rendering.large else to_uint8(rendering.image(wanted))


def outlined(picture: Picture, masks: list[Mask]) -> UInt8[np.ndarray, "g v 3"]:
    """With a line around each region; small pictures are enlarged, so that the line is a thin one."""
    share = max(1.0, SIDE / max(picture.shape[:2]))
    height, width = (round(share * side) for side in picture.shape[:2])
    drawn = np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
    for mask in masks:
        inside = Image.fromarray((mask >= 0.5).astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
        drawn[_border(np.asarray(inside), max(1, round(max(height, width) / SIDE)))] = LINE
    return drawn


def _border(inside: UInt8[np.ndarray, "h w"], thick: int) -> Bool[np.ndarray, "h w"]:
    """Pixels of the region that are so near to what is none of it, or to the edge."""
    around, (height, width) = np.pad(inside, thick), inside.shape
    steps = [(0, thick), (2 * thick, thick), (thick, 0), (thick, 2 * thick)]
    return (inside > 0) & ~np.all([around[top:, left:][:height, :width] for top, left in steps], axis=0)


def _steps(edit: Edit) -> list[tuple[str, float]]:
    title, several = edit.found.title, not isinstance(edit.found, Named)
    names = [f"{title}, direction {k + 1}" if several else title for k in range(len(edit.steps))]
    return [(name, step) for name, step in zip(names, edit.steps, strict=True) if step]
