"""`lrgan demo`: a page of local edits."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from lrgan_jax import demo
from lrgan_jax.base.checks import check_whole, random_key
from lrgan_jax.base.files import check_place, write_whole
from lrgan_jax.base.progress import hint, waiting
from lrgan_jax.commands.options import Model, SearchOptions, Which, load_model, regions_or_own
from lrgan_jax.commands.tables import text_table
from lrgan_jax.generators import Generator, Latent
from lrgan_jax.generators.sampling import frontal


def demo_command(
    *,
    model: Model = "faces64",
    out: Path = Path("lrgan-demo/index.html"),
    num_latents: int = 6,
    regions: tuple[str, ...] = (),
    search: Annotated[SearchOptions, tyro.conf.OmitArgPrefixes] = SearchOptions(),  # noqa: B008, a constant
    which: Annotated[Which, tyro.conf.OmitArgPrefixes] = Which(),  # noqa: B008, a constant
) -> None:
    """Find local edits of a few faces and write a page that shows them. Needs nothing but this package.

    `lrgan explain` says what its words mean.

    Args:
        out: the page to write.
        num_latents: how many faces. Near-frontal ones are picked out of 256; of a file or of classes, the first.
        regions: names of regions, masks (box.png) or labels of a label map (map.png:4,5); four of the model's own by
          default.
        search: how to look for directions; the page compares four methods.
        which: which latents.
    """
    check_place(out)
    check_whole("--num-latents", num_latents, most=demo.POOL)
    gen = load_model(model)
    regions = regions_or_own(regions, gen)
    latents, numbers, note = _faces(gen, num_latents, which)
    asked = search.search()
    result = demo.run(gen, latents, regions, asked)
    with waiting("drawing the page"):
        write_whole(out, demo.page(result, model=gen.info.name, numbers=numbers, note=note).encode())
    print("change outside the region, relative to the unprojected direction, at the same change inside (median):")
    ratios = zip(result.methods, demo.leak_ratios(result), strict=True)
    print(text_table(regions, {method: [demo.ratio_text(ratio) for ratio in row] for method, row in ratios}))
    if result.stopped:
        print(f"note: {demo.caveat(result)}", file=sys.stderr)
    print(f"open {out}")
    hint("outside", "frontier")


def _faces(gen: Generator, num: int, which: Which) -> tuple[Latent, Sequence[int], str]:
    """The latents, their numbers, and words for whoever wants the same ones."""
    if which.latents is None and not which.labels and which.cutoff is None:
        faces, numbers = frontal(gen, random_key(which.seed), num, truncation=which.truncation, pool=demo.POOL)
        about = f"seed {which.seed}, truncation {which.truncation:g}; --image takes their numbers"
        return (
            faces,
            numbers.tolist(),
            f"The {num} faces nearest to frontal of {demo.POOL} random ones, {about}.",
        )
    every = which.of(gen, num)
    if which.latents is None:
        return every.all(), range(num), f"The first {which.words(num)}."
    count = min(num, every.num)
    return every.stretch(0, count), range(count), f"The first {count} of {which.words(every.num)}."
