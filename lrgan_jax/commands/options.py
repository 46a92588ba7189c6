"""Groups of options that several commands share: which latents, and how to look for directions."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from lrgan_jax import methods
from lrgan_jax.base.checks import LARGEST_SEED, check_whole, random_key
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator, Z, load_latents, style_space
from lrgan_jax.generators.latent_files import Space
from lrgan_jax.generators.sampling import Latents, check_classes, given, one_hot, sample_z, seeded
from lrgan_jax.generators.style_space import MARK
from lrgan_jax.models import checkpoint
from lrgan_jax.search import Search

Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT")]
Model = Annotated[
    str,
    tyro.conf.arg(
        metavar="NAME|FOLDER[:styles]",
        help="a name that lrgan info lists, or a folder that lrgan convert wrote; with :styles after it the style "
        "space of a StyleGAN2: its latent is then one number for each channel of its convolutions.",
    ),
]
Layers = Annotated[str | None, tyro.conf.arg(metavar="4-7|4,6")]
Regions = tuple[str, ...]
BY_METHOD = "; ".join(f"{method.name}, {method.about}" for method in reversed(methods.METHODS.values()))


class UsageError(InputError):
    """Options that do not fit together or the model; the message is one line for a person."""


def load_model(model: str) -> Generator:
    """The model that `--model` names, or with MARK its style space. A folder whose own name ends so takes a slash.

    Raises:
      ModelError, DeviceError, InputError: in one line, if there is none.
    """
    gen = checkpoint.load(model.removesuffix(MARK))
    return style_space(gen) if model.endswith(MARK) else gen


@dataclass(frozen=True)
class Which:
    """Which latents: random ones, numbered from 0, or those of a file.

    Attributes:
      seed: of the random latents; the same seed is the same faces in every command.
      truncation: below 1 pulls latents towards the mean.
      cutoff: truncate only so many of the first layers.
      labels: classes of a conditional model, taken in turn.
      latents: take the latents in this .npy, .npz or .pt instead of random ones; image numbers then count its rows.
      space: what they are; by default w or ws (one w per layer, W+), as their shape says. z are mapped.
    """

    seed: int = 0
    truncation: float = 1.0
    cutoff: int | None = None
    labels: Annotated[tuple[int, ...], tyro.conf.arg(aliases=("--label",))] = ()
    latents: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    space: Space | None = None

    def of(self, gen: Generator, num: int) -> Latents:
        """`num` random ones, or all of the file's."""
        mapped = {"labels": self.labels, "truncation": self.truncation, "cutoff": self.cutoff}
        if self.latents is None:
            if self.space is not None:
                raise UsageError("--space says what the rows of --latents FILE are")
            return seeded(gen, self.seed, num, **mapped)
        if self.seed:
            raise UsageError("--seed is of random latents, and does not go with --latents")
        found = load_latents(self.latents, gen, space=self.space)
        if not isinstance(found, Z) and mapped != {"labels": (), "truncation": 1.0, "cutoff": None}:
            raise UsageError(
                "--truncation, --cutoff and --labels are for z; with --latents, w and ws are taken as they are"
            )
        return given(gen, found, **mapped)

    def images(self, gen: Generator, first: int, num: int | None) -> Latents:
        """Those from number `first` on: `num` of them, or all of a file's, or 16 random ones."""
        if first < 0 or (num is not None and num < 1):
            raise UsageError("image numbers start at 0, and at least one image is needed")
        check_whole("the number of an image", first + (num or 16) - 1, least=0, most=LARGEST_SEED)
        every = self.of(gen, first + (16 if num is None else num))
        if first + (num or 1) > every.num:
            number = first + (num or 1) - 1
            raise UsageError(
                f"{self.latents} holds {every.num} latents, numbered from 0; image {number} is not among them"
            )
        return Latents(
            every.num - first if num is None else num, lambda k, n: every.stretch(first + k, n), every.record
        )

    def z(self, gen: Generator, number: int) -> Z:
        """That of one image, not mapped yet, with its class: for methods that look at the mapping itself."""
        if self.truncation != 1 or self.cutoff is not None:
            raise UsageError("such directions belong to a latent as it is mapped: leave --truncation and --cutoff out")
        check_classes(gen, self.labels)
        label = one_hot(gen, self.labels, np.array([number]))
        if self.latents is None:
            return Z(sample_z(gen, random_key(self.seed), 1, first=number).array, label)
        found = load_latents(self.latents, gen, space=self.space)
        if not isinstance(found, Z) or number >= len(found):
            raise UsageError(f"{self.latents}: a z of number {number} is wanted; it holds {len(found)} {found.space}")
        return Z(found.array[number : number + 1], label)

    def words(self, num: int) -> str:
        """For a person who wants the same ones."""
        if self.latents is not None:
            return f"{num} latents of {self.latents}"
        classes = f", classes {' '.join(map(str, self.labels))} in turn" if self.labels else ""
        cutoff = "" if self.cutoff is None else f" of {self.cutoff} layers"
        return f"{num} random latents, seed {self.seed}, truncation {self.truncation:g}{cutoff}{classes}"


@dataclass(frozen=True)
class SearchOptions(Search):
    """How to look for directions.

    Attributes:
      protect: what alone must keep still, with weights if they differ: eyes nose=0.5; the whole rest of the image by
        default.
    """

    layers: Layers = None
    part: Annotated[str | None, tyro.conf.arg(metavar="z|class|both")] = None
    protect: Annotated[tuple[str, ...], tyro.conf.arg(metavar="REGION[=WEIGHT]")] = ()
    method: Annotated[
        Literal[tuple(methods.METHODS)],  # pyright: ignore[reportInvalidTypeForm]
        tyro.conf.arg(metavar="METHOD", help=BY_METHOD),
    ] = "frontier"

    def __post_init__(self) -> None:
        """What makes no sense is refused by `search`, in one line, and not by the parser."""

    def search(self) -> Search:
        """As the library takes it: regions and their weights apart, None for none."""
        chosen: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(Search)}
        chosen["protect"] = _weighted(self.protect)
        return Search(**chosen)


def _weighted(regions: tuple[str, ...]) -> dict[str, float] | None:
    """("eyes", "nose=0.5") -> {"eyes": 1.0, "nose": 0.5}."""
    weights = {}
    for region in regions:
        name, equals, number = region.rpartition("=")
        try:
            weights[name if equals else region] = float(number) if equals else 1.0
        except ValueError:
            raise UsageError(f"--protect {region}: write a region, or a region and its weight, nose=0.5") from None
    return weights or None


def regions_or_own(regions: Regions, gen: Generator) -> Regions:
    """The model's own first four where none are named; each once."""
    regions = tuple(dict.fromkeys(regions or tuple(gen.info.regions)[:4]))
    if not regions:
        raise UsageError(
            "this model has no named regions: name some of the papers' tables, such as --regions eyes mouth nose"
        )
    return regions


def check_suffix(path: Path, *suffixes: str, what: str) -> None:
    """Refuse a file to write of another kind."""
    if path.suffix not in suffixes:
        *some, last = suffixes
        others = f"{', '.join(some)} or " if some else ""
        raise UsageError(f"{path}: {what} as {others}{last}")
