"""`lrgan invert`: photographs to latents that draw them again."""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro
from jaxtyping import Float

from lrgan_jax import images
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import check_free
from lrgan_jax.base.interrupt import Interrupted, StopRequest, stop_request
from lrgan_jax.base.progress import hint
from lrgan_jax.captions import captioned
from lrgan_jax.commands.options import Model, UsageError, check_suffix, load_model
from lrgan_jax.generators import Generator
from lrgan_jax.inversion import Fit, Inversion, Kept, Progress, Tuned, Tuning, invert, tune
from lrgan_jax.inversion.likeness import distance, image_features, network_of
from lrgan_jax.inversion.weights import identity
from lrgan_jax.metrics import MetricsError
from lrgan_jax.photographs import Aligned, Photograph, align, framing_of, open_photograph

GOES_ON = "the same command goes on"


class Taken(NamedTuple):
    """A photograph as it lay on disk, and what of it is inverted."""

    file: Path
    content: bytes
    crop: Aligned


@dataclass(frozen=True)
class Crop:
    """What of a photograph is taken: a face that is found there, or one that is pointed at, or a box.

    Attributes:
      face: which of several faces, 0 being the largest.
      points: a face by hand: where in the photograph are the eye on the left of the picture, the eye on the right, the
        corners of the mouth on the left and on the right.
      box: what is no face, or is cut out already: the largest part in the middle, or upper left corner, height and
        width.
      framing: where a face is to lie in the crop: as in the model's own images, or as in FFHQ.
    """

    face: int | None = None
    points: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ROW,COLUMN")] = ()
    box: Annotated[str | None, tyro.conf.arg(metavar="middle|ROW,COLUMN,HEIGHT,WIDTH")] = None
    framing: Literal["model", "ffhq"] = "model"

    def of(self, files: Sequence[Path], gen: Generator) -> list[Taken]:
        """The photographs, and their crops as large as the generator's images.

        Raises:
          InputError: in one line, that of a file with its name.
        """
        opened = [(file, open_photograph(file), file.read_bytes()) for file in files]
        if self.points and len(files) > 1:
            raise UsageError("--points are of one photograph: invert each by itself")
        points = [_numbers("--points", point, 2) for point in " ".join(self.points).split()]
        box = self.box if self.box in (None, "middle") else _numbers("--box", self.box, 4)
        framing = framing_of(gen) if self.framing == "model" and box is None else None
        how = {"face": self.face, "points": np.array(points) if points else None, "box": box, "framing": framing}
        return [Taken(file, content, _aligned(file, photo, gen, how)) for file, photo, content in opened]


@dataclass(frozen=True)
class FitOptions(Fit):
    """How latents are looked for.

    Attributes:
      pool: random latents of which the best are begun with.
      starts: how many of them; the worse half is dropped every eighth of the rounds, until one is left.
      pixels: what the mean squared difference weighs.
      lpips: what LPIPS weighs.
      noise: fit the noise pictures, too; of Adam only.
      noise_weight: of what keeps them noise.
    """

    def __post_init__(self) -> None:
        """What makes no sense is refused by `fit`, in one line, and not by the parser."""

    def fit(self) -> Fit:
        """As the library takes it, with the network named that is there: the absence of another is a note."""
        asked = Fit(**{field.name: getattr(self, field.name) for field in fields(Fit)})
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            name, _ = network_of(asked.network if asked.lpips else "pyramid")
        for warning in said:
            print(f"note: {warning.message}", file=sys.stderr)
        return asked.but(network=name)


def invert_command(
    photos: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO")],
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("photo.npz"),
    overwrite: bool = False,
    tune: Annotated[tuple[int, ...] | None, tyro.conf.arg(metavar="[STEPS]")] = None,
    crop: Annotated[Crop, tyro.conf.OmitArgPrefixes] = Crop(),  # noqa: B008, a constant
    fit: Annotated[FitOptions, tyro.conf.OmitArgPrefixes] = FitOptions(),  # noqa: B008, a constant
) -> None:
    """Find latents that draw photographs again, and save both. The same command goes on where it was stopped.

    `lrgan directions --photo` and `lrgan edit --photo` take what it writes.

    Args:
        photos: pictures of any size and kind, one face in each unless the options say otherwise.
        out: the file to write; a picture is written beside it, with -inverted.png in its name.
        overwrite: replace both if they are there.
        tune: move the generator's weights a little, too, until it draws the photographs: the file holds the change. The
            usual number of steps, or this one.
        crop: what of a photograph is taken.
        fit: how latents are looked for.
    """
    if not photos:
        raise UsageError("name a photograph, or several")
    check_suffix(out, ".npz", what="an inversion is saved")
    picture, unfinished = (out.with_name(out.stem + end) for end in ("-inverted.png", "-unfinished.npz"))
    for path in (out, picture):
        check_free(path, overwrite)
    gen, tuning = load_model(model), _tuning(tune, fit)
    taken, asked = crop.of(photos, gen), fit.fit()
    with stop_request() as stop:
        found = _inverted(gen, np.stack([each.crop.image for each in taken]), asked, unfinished, stop)
        tuned = None if tuning is None else _tuned(gen, found, tuning.but(network=asked.network), stop)
    _kept(gen, taken, found, tuned).save(out, overwrite=overwrite)
    images.save(picture, _rows(taken, found, tuned, images.enlargement(gen.size)))
    unfinished.unlink(missing_ok=True)
    print("\n".join(_lines(taken, found, tuned)))
    hint("PSNR", "LPIPS")
    print(f"wrote {out}, and {picture} to look at: photograph, inverted{', tuned' if tuned else ''}")
    print(f"next: lrgan directions mouth --model {model} --photo {out} --out mouth.npz")
    print(f"      lrgan edit mouth.npz --model {model} --photo {out} --step 2")


def _numbers(option: str, text: str | None, count: int) -> list[float]:
    try:
        numbers = [float(number) for number in (text or "").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise UsageError(f"{option} {text}: write {count} numbers with commas between them")
    return numbers


def _aligned(file: Path, photo: Photograph, gen: Generator, how: dict[str, Any]) -> Aligned:
    try:
        return align(photo, gen.size, **how)
    except MetricsError as error:
        raise UsageError(f"{error}; or say where the face is, with --points, or give a --box") from error
    except InputError as error:
        raise UsageError(f"{file}: {error}") from error


def _tuning(steps: tuple[int, ...] | None, fit: Fit) -> Tuning | None:
    """As it is asked for; compared by the network of the fit."""
    if steps is None:
        return None
    if len(steps) > 1:
        raise UsageError("--tune takes one number of steps")
    if fit.noise:
        raise UsageError("--tune makes weights draw the photographs with the model's own noise: leave --noise out")
    tuning = Tuning(seed=fit.seed)
    return tuning.but(steps=steps[0]) if steps else tuning


def _inverted(
    gen: Generator, targets: Float[np.ndarray, "n h w c"], fit: Fit, unfinished: Path, stop: StopRequest
) -> Inversion:
    """From the first round, or the one after the last in the file."""

    def look(now: Progress) -> None:
        if stop.number is not None:
            raise Interrupted(f"stopped after round {now.done} of {now.rounds}; {GOES_ON}", stop.number)

    return invert(gen, targets, fit, kept=unfinished, progress=look)


def _tuned(gen: Generator, found: Inversion, tuning: Tuning, stop: StopRequest) -> Tuned:
    """From the first step: what tuning has done is not kept, what it begins with is."""

    def look(done: int, loss: float) -> None:
        if stop.number is not None:
            raise Interrupted(f"stopped at tuning, with the latents kept; {GOES_ON}", stop.number)

    return tune(gen, found.latents, found.targets, tuning, progress=look)


def _kept(gen: Generator, taken: list[Taken], found: Inversion, tuned: Tuned | None) -> Kept:
    settings = {"files": [each.file.name for each in taken], "fit": found.fit.to_json()}
    return Kept(
        found.latents,
        gen.info.name,
        identity(gen),
        noise=found.noise,
        delta=None if tuned is None else tuned.delta,
        photographs=[each.content for each in taken],
        alignments=[each.crop.record for each in taken],
        losses=found.losses,
        settings=settings if tuned is None else settings | {"tuning": tuned.tuning.to_json()},
    )


def _rows(taken: list[Taken], found: Inversion, tuned: Tuned | None, enlarge: int) -> images.Picture:
    """A row a photograph: its crop, and what draws it ever better."""
    columns = [found.targets, found.images, *([] if tuned is None else [tuned.images])]
    rows = [np.stack(row) for row in zip(*columns, strict=True)]
    words = [[f"{n}: {each.file.name}", "inverted", "tuned"][: len(columns)] for n, each in enumerate(taken)]
    return captioned(rows, words, enlarge)


def _lines(taken: list[Taken], found: Inversion, tuned: Tuned | None) -> list[str]:
    """How near each photograph its images are, and by what they were compared."""
    columns = [_figures(found)]
    if tuned is not None:
        columns.append([f"tuned {figures}" for figures in _figures(replace(found, images=tuned.images))])
    near = [f"{each.file}: {', '.join(row)}" for each, *row in zip(taken, *columns, strict=True)]
    return [*near, f"compared by pixels and {found.compared}"]


def _figures(found: Inversion) -> list[str]:
    psnr = [f"PSNR {value:.1f} dB" for value in found.psnr]
    name, network = network_of(found.compared)  # pyright: ignore[reportArgumentType]
    if network is None:
        return psnr
    unlike = distance(image_features(network, pixels=0), found.images, found.targets)
    return [f"{like}, LPIPS {value:.3f}" for like, value in zip(psnr, unlike, strict=True)]
