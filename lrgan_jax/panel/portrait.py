"""A photograph on its way to being one of the faces: aligned, inverted and perhaps tuned, a few steps at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Generic, TypeVar

from jaxtyping import ArrayLike, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import WS, Generator, render
from lrgan_jax.inversion import Fit, Halfway, Inversion, Kept, Progress, Tuned, Tuning, inverting, tuning_rounds
from lrgan_jax.inversion.weights import identity
from lrgan_jax.photographs import Aligned, Photograph, align, open_photograph

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photograph that is one of the faces.

    Attributes:
      name: of its file. gen: what draws it.
    """

    name: str
    gen: Generator
    aligned: Aligned

    @property
    def kept(self) -> Kept:
        """All that a file of it holds."""
        raise NotImplementedError

    @property
    def latents(self) -> WS:
        """[1, L, d]"""
        return self.kept.ws

    @property
    def image(self) -> Float[AnyArray, "h w c"]:
        """Without an edit."""
        raise NotImplementedError

    @property
    def edited_name(self) -> str:
        """Of the file with an edit."""
        return f"{PurePath(self.name).stem}-edited.png"

    def put_back(self, edited: ArrayLike) -> Photograph:
        """The photograph with the edit."""
        return self.aligned.put_back(edited, of=self.image)


@dataclass(frozen=True, eq=False)
class Inverted(Portrait):
    """One that was inverted here.

    Attributes:
      model: the generator as it was. content: of the file.
      inversion: how its latent was found. stopped: after how many rounds, None after all.
      tuned: how the generator was, None where it was not.
    """

    model: Generator
    content: bytes
    inversion: Inversion
    stopped: int | None
    tuned: Tuned | None

    @property
    def image(self) -> Float[AnyArray, "h w c"]:
        return (self.tuned or self.inversion).images[0]

    @property
    def kept(self) -> Kept:
        found, tuned = self.inversion, self.tuned
        settings = {"files": [self.name], "fit": found.fit.to_json()}
        return Kept(
            found.latents,
            found.model,
            identity(self.model),
            noise=found.noise,
            delta=None if tuned is None else tuned.delta,
            photographs=[self.content],
            alignments=[self.aligned.record],
            losses=found.losses,
            settings=settings if tuned is None else settings | {"tuning": tuned.tuning.to_json()},
        )


@dataclass(frozen=True, eq=False)
class Reopened(Portrait):
    """One out of a session: face `number` there."""

    file: Kept
    number: int

    @property
    def image(self) -> Float[AnyArray, "h w c"]:
        return render(self.gen, self.file.ws)[0]

    @property
    def kept(self) -> Kept:
        return self.file


class Rounds(Generic[T]):
    """What goes one round further each time that it is asked, and stays as it is after the last; what fails begins
    anew.

    Attributes:
      last: what the last round gave.
    """

    def __init__(self, begin: Callable[[], Iterator[T]]):
        self._begin, self._going = begin, None
        self.last: T | None = None

    def further(self) -> T:
        going, self._going = self._going or self._begin(), None
        self.last = next(going, self.last)
        self._going = going
        assert self.last is not None  # there is at least one round
        return self.last


class Sitting:
    """A photograph that is open, and what is known of it so far.

    Args:
      name, content: of its file.
    """

    def __init__(self, gen: Generator, name: str, content: bytes):
        self.gen, self.name, self.content, self.photo = gen, name, content, open_photograph(content)
        self.aligned: Aligned | None = None
        self._inverting: Rounds[Progress] | None = None
        self._tuning: Rounds[Halfway] | None = None

    def align(self, **where: Any) -> Aligned:
        """As `photographs.align` does; what was found of another crop is forgotten."""
        self.aligned = align(self.photo, self.gen.size, **where)
        self._inverting = self._tuning = None
        return self.aligned

    def invert(self, fit: Fit) -> Progress:
        """A round further."""
        if self.aligned is None:
            raise InputError("say first what part of the photograph is meant")
        images = self.aligned.image[None]
        self._inverting = self._inverting or Rounds(lambda: inverting(self.gen, images, fit))
        self._tuning = None  # it was from another latent
        return self._inverting.further()

    def tune(self, tuning: Tuning) -> Halfway:
        """Some steps further, from the latent found so far."""
        self._tuning = self._tuning or Rounds(lambda: self._tuned(tuning))
        return self._tuning.further()

    def inversion(self) -> Inversion:
        """What is found so far."""
        return self._found().inversion()

    def portrait(self) -> Inverted:
        """What is found so far, as a face."""
        progress, tuning = self._found(), self._tuning and self._tuning.last
        assert self.aligned is not None  # what is inverted is aligned
        inversion, tuned = progress.inversion(), tuning and tuning.tuned()
        gen = inversion.generator(self.gen)
        stopped = progress.done if progress.done < progress.rounds else None
        drawing = tuned.delta.apply(gen) if tuned else gen
        return Inverted(self.name, drawing, self.aligned, self.gen, self.content, inversion, stopped, tuned)

    def _found(self) -> Progress:
        if self._inverting is None or self._inverting.last is None:
            raise InputError("the photograph is not inverted yet")
        return self._inverting.last

    def _tuned(self, tuning: Tuning) -> Iterator[Halfway]:
        pivot = self.inversion()
        return tuning_rounds(pivot.generator(self.gen), pivot.latents, pivot.targets, tuning)
