"""What a large picture looks like while a slider moves, without drawing it: from pictures that are there already.

Of every slider the pictures at its two ends are known, and the one at its middle. A parabola through the three of them
says what it adds at any other step; what several sliders add is added up, and what that misses of the last picture
that was drawn in full is put right. A network that is cut off below its last blocks would be worse: its picture is
another one, and what changes in it is hardly more than half of what does change.
"""

import numpy as np
from jaxtyping import Float

from lrgan_jax.panel.rendering import Rendering
from lrgan_jax.panel.wanted import Edit, Wanted
from lrgan_jax.panel.wire import uri

Change = Float[np.ndarray, "h w 3"]  # in grey levels


class Quick:
    """Smaller pictures of faces, sooner."""

    def __init__(self, rendering: Rendering):
        self.rendering = rendering
        self._rested: dict[int, Wanted] = {}  # what was drawn last in full, of each face

    def rests(self, wanted: Wanted) -> None:
        """This picture has just been drawn."""
        self._rested[wanted.face] = wanted

    def picture(self, wanted: Wanted) -> str:
        """For the page; the ends of the sliders are drawn first if they are not known yet."""
        near = self._rested.get(wanted.face, wanted.plain)
        near = near if near.plain == wanted.plain else wanted.plain
        estimate = self.rendering.small(near) + self._changed(wanted) - self._changed(near)
        return uri(np.clip(np.rint(estimate), 0, 255).astype(np.uint8))

    def _changed(self, wanted: Wanted) -> Change | float:
        """By all sliders."""
        moved = [(edit, k) for edit in wanted.edits for k, step in enumerate(edit.steps) if step]
        return sum((self._by_one(wanted.plain, edit, k) for edit, k in moved), 0.0)

    def _by_one(self, plain: Wanted, edit: Edit, index: int) -> Change:
        low, high = self.rendering.along(plain, edit.found, index, 2, index in edit.walked)
        middle = self.rendering.small(plain)
        back, ahead = self.rendering.small(low) - middle, self.rendering.small(high) - middle
        at = edit.steps[index] / self.rendering.reach(plain, edit.found, index, index in edit.walked)
        return at * (ahead - back) / 2 + at**2 * (ahead + back) / 2
