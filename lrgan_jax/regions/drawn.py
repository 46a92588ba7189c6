"""What a picture says of a region: a mask, black and white, or a label map. A picture that is neither is refused, never
thresholded.

A mask may be drawn in grey levels or in transparency, with 1 bit, 8, 16 or floats, as 0 and 1 too; its edges may be
soft, or noisy as those of a JPEG. Three things tell that a picture is no mask: colours; areas of a grey between black
and white, or of several near black; and grey levels that fill much of it. The messages are the end of a line that names
the file.
"""

import numpy as np
from jaxtyping import Float, Shaped

from lrgan_jax.base.pictures import Picture, PictureError

SCALES = (1, 255, 65535)  # the numbers that are white, in masks
NEAR = 0.1  # of white: what lies so near to black or white is noise
FILLED = 0.25  # share of the picture inside which, apart from edges, a mask's grey levels stay
AREA = 0.01  # share of the picture from which a single level is an area of its own
FEW = 64  # levels or colours that a drawing has at most, where a photograph has thousands

Grey = Shaped[np.ndarray, "_ _"]


def weights(picture: Picture, *, soft: bool) -> Float[np.ndarray, "h w"]:
    """White as 1, black as 0.

    Args:
      soft: grey levels are meant; otherwise they may be no more than the edges.
    Raises:
      PictureError: if the picture is no mask.
    """
    grey = _drawn(picture)
    low, high = grey.min(), grey.max()
    if not (low >= 0 and high <= SCALES[-1]):  # NaN is neither
        raise PictureError(f"values from {low:g} to {high:g}; a mask has 0 and 1, 0 and 255, or 0 and 65535")
    mask = (grey / next(white for white in SCALES if high <= white)).astype(np.float32)
    if high == 0 and picture.cut:
        raise PictureError(
            "empty as far as its upper 8 bits go, and more is not read of 16-bit colour; save it with 8 bits"
        )
    if not soft:
        _check_levels(grey, mask)
    return mask


def labels(picture: Picture) -> Grey:
    """The numbers of a label map: grey values as they are stored, or the indices of a palette.

    Raises:
      PictureError: if the picture is in colour, where no number is a label; or if a palette of greys has a number for
        an index and for the grey of another, as programs leave it that save labels as a GIF.
    """
    indices, coloured = picture.indices, np.ptp(picture.colours, axis=-1).any()
    if indices is not None:
        grey = picture.colours[..., 0]
        if not coloured and ((grey != indices) & np.isin(grey, indices)).any():
            raise PictureError(
                "a palette whose greys are other numbers than their indices; save the labels as grey values, as a PNG"
            )
        return indices
    if coloured:
        raise PictureError("in colour; a label map has its labels as grey values, or as the indices of a palette")
    return picture.colours[..., 0]


def _drawn(picture: Picture) -> Grey:
    """The numbers that the mask is drawn in: transparency where that varies and colour does not, else grey."""
    colours, alpha = picture.colours.astype(np.float64), picture.alpha
    if alpha is not None and alpha.any() and not (visible := alpha > alpha.max() / 2).all():
        if (np.ptp(colours[visible], axis=0) > NEAR * 255).any():
            raise PictureError("drawn in colours and in transparency; save it as white on black, without transparency")
        return alpha
    if (np.ptp(colours, axis=-1) > NEAR * 255).any():
        raise PictureError(_no_mask_but_colours(picture))
    return colours[..., colours.shape[-1] // 2]


def _no_mask_but_colours(picture: Picture) -> str:
    if picture.indices is not None:
        return "a palette of colours and no mask; " + _labelled(np.unique(picture.indices))
    count = len(np.unique(picture.colours.reshape(-1, 3), axis=0))
    what = "a photograph" if count > FEW else f"a drawing in {count} colours"
    return f"{what} and no mask: a mask is white where the region is, and black elsewhere"


def _check_levels(grey: Grey, mask: Float[np.ndarray, "h w"]) -> None:
    """Refuse grey levels that are more than the soft or noisy edges of a mask."""
    levels = np.unique(grey)
    if 0 < mask.max() < 0.5:
        hint = "; " + _labelled(levels) if len(levels) <= FEW else ""
        raise PictureError("empty, since nothing in it is nearer to white than to black" + hint)
    low, high = _around(mask, np.minimum), _around(mask, np.maximum)
    flat, counts = np.unique(low[low == high], return_counts=True)
    areas = flat[counts >= AREA * mask.size]
    if len(levels) <= FEW and (((areas > NEAR) & (areas < 1 - NEAR)).any() or (areas <= NEAR).sum() > 1):
        raise PictureError("areas of other levels than black and white, so no mask; " + _labelled(levels))
    filled = ((low > NEAR) & (high < 1 - NEAR)).sum() / mask.size
    if filled > FILLED:
        raise PictureError(
            f"grey levels fill {filled:.0%} of it, as in a photograph, which is no mask: a mask is white where the "
            "region is, and black elsewhere (in Python, load_mask(..., soft=True) takes grey levels as weights)"
        )


def _around(mask: Grey, of_two: np.ufunc) -> Grey:
    """The least or the greatest of the 3 x 3 pixels around each one that has them all."""
    rows = of_two(of_two(mask[:-2], mask[1:-1]), mask[2:])
    return of_two(of_two(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _labelled(levels: Shaped[np.ndarray, " n"]) -> str:
    """How to go on with a label map."""
    shown = [f"{level:g}" for level in levels[:8]]
    more = ", ..." if len(levels) > len(shown) else ""
    return (
        f"if it is a label map ({', '.join(shown)}{more}), say which labels are the region: FILE:{','.join(shown[-2:])}"
    )
