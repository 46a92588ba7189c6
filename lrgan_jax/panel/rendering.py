"""From what is wanted to a picture of it."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from lrgan_jax.base.errors import InputError
from lrgan_jax.editing import edit
from lrgan_jax.generators import WS, Generator, render
from lrgan_jax.images import to_uint8
from lrgan_jax.panel.faces import Faces
from lrgan_jax.panel.found import Found, Named
from lrgan_jax.panel.pictures import THUMBNAIL, shrunk
from lrgan_jax.panel.portrait import Portrait
from lrgan_jax.panel.walks import Walks
from lrgan_jax.panel.wanted import Edit, Wanted
from lrgan_jax.panel.wire import uri
from lrgan_jax.photographs import Photograph

SMALL = 256  # longer side of a smaller picture, and of those that have none
KEPT = 512  # of them, 0.2 MB each

Image = Float[np.ndarray, "h w c"]


class Rendering:
    """Draws the faces. A face without edits is looked at again and again, so its pictures are kept; of large ones a
    smaller picture of each that was drawn, too.
    """

    def __init__(self, gen: Generator, faces: Faces, walks: Walks):
        self.gen, self.faces, self.walks = gen, faces, walks
        self.large = max(gen.size) > SMALL
        self._plain = lru_cache(maxsize=64)(lambda wanted: uri(to_uint8(self.image(wanted))))
        self._thumbnails = lru_cache(maxsize=1024)(lambda wanted: uri(shrunk(to_uint8(self.image(wanted)), THUMBNAIL)))
        self._smaller: dict[object, np.ndarray] = {}

    def gen_of(self, face: int) -> Generator:
        """What draws it: a photograph may have its own, and so have faces like it."""
        one = self.faces[face]
        portrait = one.origin if one.by is None else self.faces[one.by].origin
        return portrait.gen if isinstance(portrait, Portrait) else self.gen

    def latent(self, wanted: Wanted) -> WS:
        """[1, L, d]"""
        ws = self.faces.at(wanted.face, wanted.truncation)
        for one in wanted.edits if wanted.moves else ():
            ws = edit(ws, one.found.directions, one.straight)
            for index in one.walked:
                ws = ws + self.walks.known(wanted, one.found, index).move(one.steps[index])
        return ws

    def image(self, wanted: Wanted) -> Image:
        """In [-1, 1]."""
        image = render(self.gen_of(wanted.face), self.latent(wanted))[0]
        if self.large:
            self._smaller[wanted.key] = shrunk(to_uint8(image), SMALL)
            self._smaller = dict([*self._smaller.items()][-KEPT:])
        return image

    def images(self, wanted: Sequence[Wanted]) -> Float[np.ndarray, "n h w c"]:
        """One after the other: of large ones several at once would take much memory, and more time than one."""
        return np.stack([self.image(one) for one in wanted])

    def small(self, wanted: Wanted) -> Float[np.ndarray, "h w 3"]:
        """A large picture made small, 0 to 255."""
        if wanted.key not in self._smaller:
            self.image(wanted)
        return self._smaller[wanted.key].astype(np.float32)

    def picture(self, wanted: Wanted) -> str:
        """For the page."""
        return uri(to_uint8(self.image(wanted))) if wanted.moves else self._plain(wanted.plain)

    def thumbnail(self, wanted: Wanted) -> str:
        """The same without edits, as a thumbnail."""
        return self._thumbnails(wanted.plain)

    def whole(self, wanted: Wanted) -> Photograph:
        """The photograph with the image in it."""
        if not isinstance(portrait := self.faces[wanted.face].origin, Portrait):
            raise InputError("this face is of no photograph")
        return portrait.put_back(self.image(wanted))

    def reach(self, wanted: Wanted, found: Found | Named, index: int, walked: bool) -> float:
        """How far a slider goes."""
        return self.walks.known(wanted, found, index).reach if walked else found.reaches[index]

    def along(self, wanted: Wanted, found: Found | Named, index: int, num: int, walked: bool) -> list[Wanted]:
        """One slider from end to end in so many pictures, the others as they are."""
        others = [one for one in wanted.edits if one.found is not found]
        now = next((one for one in wanted.edits if one.found is found), Edit(found, [0.0] * len(found.directions)))
        way = tuple(sorted({*now.walked} - {index} | ({index} if walked else set())))
        reach = self.reach(wanted, found, index, walked)
        steps = [
            [*now.steps[:index], step, *now.steps[index + 1 :]] for step in np.linspace(-reach, reach, num).tolist()
        ]
        return [wanted._replace(edits=(*others, Edit(found, each, way))) for each in steps]
