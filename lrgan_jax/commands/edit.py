"""`lrgan edit`: directions to strips, animations and edited photographs."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float

from lrgan_jax import images
from lrgan_jax.base.checks import LONGEST_STEP, check_number, check_whole
from lrgan_jax.base.files import check_place
from lrgan_jax.captions import captioned, frames
from lrgan_jax.commands.directions import say_caveat
from lrgan_jax.commands.options import Layers, Model, UsageError, Which, check_suffix, load_model
from lrgan_jax.commands.photo import Photo, Scene, changes, crop_of, open_photos, put_back, scenes
from lrgan_jax.directions import Directions
from lrgan_jax.generators import WS, Generator, image_function
from lrgan_jax.generators.style_space import MARK
from lrgan_jax.layers import check_layers, spread
from lrgan_jax.metrics import equal_steps
from lrgan_jax.models.named import named_direction

Rows = Literal["directions", "layers"]


def edit_command(
    file: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = None,
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("edit.png"),
    direction: Annotated[str, tyro.conf.arg(metavar="NAME|NUMBER")] = "0",
    image: int = 0,
    num_images: int = 1,
    steps: int = 7,
    reach: float | None = None,
    even: bool = False,
    photo: Photo = None,
    step: float | None = None,
    blend: bool = False,
    layers: Layers = None,
    rows: Rows | None = None,
    which: Annotated[Which, tyro.conf.OmitArgPrefixes] = Which(),  # noqa: B008, a constant
) -> None:
    """Apply a direction to images and write strips (.png) or an animation (.gif, .webp): one of the model's own, such
    as `--direction smile`, or one of a file. With `--photo` and `--step`, to a photograph.

    Args:
        file: directions saved by `lrgan directions`, or rows in an .npy or .pt, such as the authors publish.
        out: the picture to write.
        direction: which one: a name that `lrgan info MODEL` lists, or with a file its number there.
        image: number of the first image in `lrgan sample` of the same seed, or of the photograph.
        num_images: how many images from there on, one strip each.
        steps: pictures in a strip.
        reach: the strip runs from -reach to +reach; the file's suggestion by default.
        even: choose the steps between so that each changes the picture by as much as the next, image by image.
        step: write the photograph itself, edited by a step of this length, and no strip; all pixels outside of its crop
          stay as they are.
        blend: with --step, those outside of the direction's region, too.
        layers: the layers to move, such as 4-7; the file's own by default.
        rows: what bare rows are of which the file has as many as the model has layers: so many directions, or the
          layers of one (W+).
        which: which latents.
    """
    check_suffix(out, ".png", *([] if step is not None else [".gif", ".webp"]), what="pictures are written")
    check_place(out)
    check_whole("--steps", steps, least=2)
    check_number("--reach", reach, above=0, most=LONGEST_STEP)
    _check_step(step, photo, blend, of_strips=reach is not None or even or num_images > 1)
    gen = load_model(model)
    own = model.removesuffix(MARK)
    chosen = named_direction(own, direction) if file is None else _of_file(file, gen, rows)[_number(direction)]
    if layers is not None:
        chosen = dataclasses.replace(chosen, layers=check_layers(layers, gen.num_ws))
    photos = None if photo is None else open_photos(photo, gen, which)
    seen = _drawn(gen, which, image, num_images) if photos is None else scenes(photos, gen, image, num_images)
    _check_fit(chosen, gen, str(file or direction), seen)
    say_caveat(chosen)
    if photos is not None and step is not None:
        before = crop_of(photos, image)
        after, seam = put_back(before, seen[0], chosen, step, blended=blend)
        print(f"wrote {after.save(out)}: {changes(before.photo, after, seam)}")
        return
    low, high = chosen.step_range if reach is None else (-reach, reach)
    spacing = _even_steps if even else _steps
    along = [np.asarray(spacing(*scene, chosen, (low, high, steps))) for scene in seen]
    strips = np.stack([scene.edited(chosen, row) for scene, row in zip(seen, along, strict=True)])
    words = [[f"image {n}, step {step:.2g}" for step in row] for n, row in enumerate(along, image)]
    enlarge = images.enlargement(gen.size)
    if out.suffix == ".png":
        images.save(out, captioned(list(strips), words, enlarge))
    else:
        images.save_animation(out, frames(strips.swapaxes(0, 1), [*zip(*words, strict=True)], enlarge), enlarge=1)
    print(f"wrote {out}: steps {low:.2g} to {high:.2g}")


def _check_step(step: float | None, photo: Path | None, blend: bool, *, of_strips: bool) -> None:
    """Refuse options that do not go together."""
    check_number("--step", step, least=-LONGEST_STEP, most=LONGEST_STEP)
    if step is None and blend:
        raise UsageError("--blend goes with --step")
    if step is not None and photo is None:
        raise UsageError("--step is of a --photo; --reach is how far a strip goes")
    if step is not None and of_strips:
        raise UsageError("--step writes one photograph: leave --reach, --even and --num-images out")


def _drawn(gen: Generator, which: Which, first: int, num: int) -> list[Scene]:
    """Images of the generator's own."""
    ws = which.images(gen, first, num).all()
    return [Scene(gen, ws[n : n + 1]) for n in range(len(ws))]


def _of_file(file: Path, gen: Generator, rows: Rows | None) -> Directions:
    """The directions in a file.

    As many bare rows as there are layers may be the layers of one direction, which only a person can tell.
    """
    found = Directions.load(file)
    several = found.method == "file" and found.vectors.shape == (gen.num_ws, gen.w_dim) and gen.num_ws > 1
    if several and rows is None:
        raise UsageError(
            f"{file}: [{gen.num_ws}, {gen.w_dim}] can be {gen.num_ws} directions, or the {gen.num_ws} layers of one "
            "(W+): say which, with --rows directions or --rows layers"
        )
    if rows == "layers" and not several and found.vectors.ndim == 2:
        raise UsageError(f"--rows layers: {file} holds {len(found)} rows, {gen.info.name} has {gen.num_ws} layers")
    return dataclasses.replace(found, vectors=found.vectors[None]) if rows == "layers" and several else found


def _check_fit(chosen: Directions, gen: Generator, source: str, seen: list[Scene]) -> None:
    """Refuse directions of another model's shape; say so if they are of other weights than the model's, and than those
    that draw a photograph.
    """
    _, *deep, length = chosen.vectors.shape
    if length != gen.w_dim or deep not in ([], [gen.num_ws]):
        holds = f"{source} holds directions of {length} numbers" + "".join(f" for each of {num} layers" for num in deep)
        raise UsageError(f"{holds}, {gen.info.name} has latents of {gen.w_dim} for {gen.num_ws}")
    if chosen.fingerprint not in ("", gen.info.fingerprint, *(scene.gen.info.fingerprint for scene in seen)):
        print(
            f"note: these directions were found on {chosen.model}, with other weights than {gen.info.name}",
            file=sys.stderr,
        )


Spacing = tuple[float, float, int]  # from, to, how many


def _steps(gen: Generator, w: WS, chosen: Directions, spacing: Spacing) -> Float[np.ndarray, " s"]:
    """Evenly spaced by their length."""
    return np.linspace(*spacing)


def _even_steps(gen: Generator, w: WS, chosen: Directions, spacing: Spacing) -> Float[Array, " s"]:
    """Evenly spaced by what they change."""
    (move,) = spread(jnp.asarray(chosen.vectors), chosen.layers, gen.num_ws)
    f, label = image_function(gen), w.c
    one = f if label is None else lambda latent: f(latent, label[0])
    return equal_steps(one, w.array[0], move, *spacing)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(
            f"--direction {text}: directions in a file have numbers, from 0; names are those of the model, "
            "without a file"
        )
    return int(text)
