"""`lrgan sample`: a grid of images."""

from pathlib import Path
from typing import Annotated

import tyro

from lrgan_jax import images
from lrgan_jax.base.files import check_place
from lrgan_jax.captions import captioned
from lrgan_jax.commands.options import Model, Which, check_suffix, load_model
from lrgan_jax.generators import render


def sample_command(
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("samples.png"),
    num: int | None = None,
    which: Annotated[Which, tyro.conf.OmitArgPrefixes] = Which(),  # noqa: B008, a constant
) -> None:
    """Write a grid of random images, each with its number below.

    Args:
        out: the PNG to write.
        num: how many images; 16, or all of a file's, by default.
        which: which latents.
    """
    check_suffix(out, ".png", what="pictures are written")
    check_place(out)
    gen = load_model(model)
    drawn = render(gen, which.images(gen, 0, num).all())
    side = max(1, round(len(drawn) ** 0.5))
    rows = [range(start, min(start + side, len(drawn))) for start in range(0, len(drawn), side)]
    numbers = [list(map(str, row)) for row in rows]
    picture = captioned([drawn[row] for row in rows], numbers, images.enlargement(gen.size))
    print(f"wrote {images.save(out, picture)}")
