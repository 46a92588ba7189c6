"""`lrgan directions`: from a region to a file of directions."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from lrgan_jax import methods, sweep
from lrgan_jax.base.files import check_free
from lrgan_jax.base.progress import hint
from lrgan_jax.commands.options import Model, SearchOptions, UsageError, Which, check_suffix, load_model
from lrgan_jax.commands.photo import Photo, Scene, open_photos, scenes
from lrgan_jax.directions import Directions
from lrgan_jax.generators import Generator
from lrgan_jax.layer_map import layer_map
from lrgan_jax.pipeline import find_directions


def directions_command(
    region: Annotated[str, tyro.conf.Positional],
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("directions.npz"),
    overwrite: bool = False,
    image: int | None = None,
    average: int = 1,
    photo: Photo = None,
    from_sweep: Annotated[str | None, tyro.conf.arg(metavar="STORE")] = None,
    search: Annotated[SearchOptions, tyro.conf.OmitArgPrefixes] = SearchOptions(),  # noqa: B008, a constant
    which: Annotated[Which, tyro.conf.OmitArgPrefixes] = Which(),  # noqa: B008, a constant
) -> None:
    """Find directions that edit one region and leave the rest still, and save them.

    `lrgan explain` says what the words mean that it prints.

    Args:
        region: a region's name (see `lrgan info MODEL`), a PNG, white inside, or labels of a label map, such as
          map.png:4,5.
        out: the file to write, .npz (everything) or .npy (the vectors alone).
        overwrite: replace the file if there is one.
        image: number of the image in `lrgan sample` of the same seed, 0 by default; or of the photograph, or of the
          latent in the sweep.
        average: average over so many images from there on: directions that serve them all.
        from_sweep: take what `lrgan sweep` found, for all of its latents together or for --image; only --num and --out
          matter then.
        search: how to look for them.
        which: which latents.
    """
    check_free(out, overwrite)
    check_suffix(out, ".npz", ".npy", what="directions are saved")
    if from_sweep is not None:
        if photo is not None:
            raise UsageError("--photo and --from-sweep: say one of them")
        found = sweep.open(from_sweep).directions(region, image)[: search.num]
    else:
        gen = load_model(model)
        asked = search.search()
        if photo is not None:
            gen, latents = _of_photo(photo, gen, which, image or 0, average)
        elif methods.named(asked.method).needs == "mapping":
            if average > 1:
                raise UsageError(f"{asked.method} belongs to one latent: leave --average out")
            latents = which.z(gen, image or 0)
        else:
            latents = which.images(gen, image or 0, average).all()
        if asked.layers == "auto":
            judged = layer_map(gen, latents, region, asked)
            print("\n".join(judged.lines()))
            asked = asked.but(layers=judged.best(region))
        found = find_directions(gen, latents, region, asked)
    print("\n".join(lines(found)))
    say_caveat(found)
    hint("ratio", "mu")
    low, high = found.step_range
    print(f"wrote {found.save(out, overwrite=overwrite)}, suggested steps {low:.2g} to {high:.2g}")


def _of_photo(photo: Path, gen: Generator, which: Which, number: int, average: int) -> Scene:
    """A photograph's latent, with the generator that draws it."""
    if average > 1:
        raise UsageError("directions of a photograph are its own: leave --average out")
    (scene,) = scenes(open_photos(photo, gen, which), gen, number, 1)
    return scene


def lines(found: Directions) -> list[str]:
    """What each direction does to first order, and how they were found."""
    assert found.inside is not None and found.outside is not None
    each = [
        f"direction {k}: inside {a:.2e}, outside {b:.2e}, ratio {a / max(b, 1e-12):.1f}"
        for k, (a, b) in enumerate(zip(found.inside, found.outside, strict=True))
    ]
    if found.kept is not None:
        each = [f"{line}, attribute share {kept:.2f}" for line, kept in zip(each, found.kept, strict=True)]
    about = found.found
    known = {
        "mu": None if about.mu is None else f"{about.mu:.3g}",
        "rank inside": about.rank_inside,
        "rank outside": about.rank_outside,
        "average over": about.average,
    }
    return [*each, ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)]


def say_caveat(found: Directions) -> None:
    """On stderr, if there is one."""
    if found.caveat:
        print(f"note: {found.caveat}", file=sys.stderr)
