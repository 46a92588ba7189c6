"""Parts of an image: which part of each layer a part of the picture depends on, so that only that part is computed.

A convolution padded with zeros is right in the middle of a crop and wrong at its border, except where the border is the
image's own. So every layer is computed on a crop that is a little larger than what is needed of it, and the border is
cut off afterwards.
"""

from typing import NamedTuple

from jaxtyping import Array, Float

Size = tuple[int, int]  # height and width


class Window(NamedTuple):
    """A part of an image, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def grown(self, margin: int, size: Size) -> "Window":
        """With `margin` more pixels on every side, as far as an image of `size` goes."""
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        bottom, right = min(self.top + self.height + margin, size[0]), min(self.left + self.width + margin, size[1])
        return Window(top, left, bottom - top, right - left)

    def doubled(self) -> "Window":
        """The same part of the image at twice the size."""
        return Window(*(2 * side for side in self))

    def halved(self) -> "Window":
        """The smallest part of the image at half the size that covers this one."""
        top, left = self.top // 2, self.left // 2
        return Window(top, left, -(-(self.top + self.height) // 2) - top, -(-(self.left + self.width) // 2) - left)


def crop(x: Float[Array, "n h w c"], have: Window, want: Window) -> Float[Array, "n g v c"]:
    """The part `want` of an array that holds the part `have`."""
    top, left = want.top - have.top, want.left - have.left
    return x[:, top : top + want.height, left : left + want.width]


def needed(window: Window, sizes: tuple[Size, ...], taps: int) -> tuple[Window, ...]:
    """For each block, from the smallest up, the part of its output that `window` of the last one's depends on.

    An upsampling layer looks 1 pixel beyond for its convolution and `taps // 2` for its filter, of the small image
    each, which is enough for the 1 pixel of the large one that the next convolution looks beyond.
    """
    windows = [window]
    for size in sizes[-2::-1]:
        windows.append(windows[-1].halved().grown(2 + taps // 2, size))
    return tuple(reversed(windows))
