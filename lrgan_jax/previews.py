"""What directions do to an image, in strips: drawn when a notebook shows them, and `show` for whatever has a look."""

import dataclasses
import weakref
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float
from PIL.Image import Image as PillowImage

from lrgan_jax import display
from lrgan_jax.base.errors import InputError
from lrgan_jax.directions import Directions, full_range
from lrgan_jax.generators import WS, Generator, Latent, Z, check_generator, render, to_ws
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.layers import spread

FRAMES = 7  # of a strip, its middle the image itself; four of them fit a batch
FEW = 3  # of images above LARGE, which take long
LARGE = 256


class Preview:
    """Strips of directions at one latent, as `Directions.preview` wants them.

    It only points at the generator, so that directions keep no weights in memory: once it is gone there are no strips.

    Args:
      w: [N, w_dim] or [N, num_ws, w_dim], with its class; the first is shown.
      hold: keep the generator.
    """

    def __init__(self, gen: Generator, w: ArrayLike | Latent, *, hold: bool = False):
        self._latent = to_ws(gen, w[:1])  # pyright: ignore[reportIndexIssue]
        self._generator = (lambda: gen) if hold else _pointer(gen)

    def __call__(self, directions: Directions) -> list[str]:
        """An `<img>` for each."""
        if (gen := self._generator()) is None:
            return []
        reaches = _reaches(directions)
        strips = self._strips(gen, directions, reaches)
        what = [f"direction {k}, steps {low:.2g} to {high:.2g}" for k, (low, high) in enumerate(reaches)]
        return [display.picture(strip, words) for strip, words in zip(strips, what, strict=True)]

    def _strips(
        self, gen: Generator, directions: Directions, reaches: Float[np.ndarray, "k 2"]
    ) -> Float[np.ndarray, "k s h w c"]:
        moves = spread(jnp.asarray(directions.vectors), directions.layers, gen.num_ws)  # [k, L, d]
        frames = FEW if max(gen.size) > LARGE else FRAMES
        steps = np.linspace(reaches[:, 0], reaches[:, 1], frames, axis=1)  # [k, S]
        moved = self._latent.array + jnp.asarray(steps, moves.dtype)[..., None, None, None] * moves[:, None, None]
        return render(gen, self._latent.like(moved))[:, :, 0]


def _reaches(directions: Directions) -> Float[np.ndarray, "k 2"]:
    """As much change of the region for each, as far as that is known."""
    if directions.inside is None:
        return np.tile(directions.step_range, (len(directions), 1))
    return np.array([full_range(inside[None]) for inside in directions.inside])


def _pointer(gen: Generator) -> Any:
    try:
        return weakref.ref(gen)
    except TypeError:  # a class with slots, of somebody else's
        return lambda: gen


def seen_at(gen: Generator, w: ArrayLike | Latent, directions: Directions, *, hold: bool = False) -> Directions:
    """The same directions, which a notebook then shows with strips of the first of these latents."""
    return dataclasses.replace(directions, preview=Preview(gen, w, hold=hold))


@runtime_checkable
class Look(Protocol):
    """What shows itself."""

    def _repr_html_(self) -> str: ...


Shown = TypeVar("Shown", bound=Look | Generator)
Image = ArrayLike | PillowImage


@overload
def show(thing: Latent, gen: Generator) -> display.Pictures: ...  # pyright: ignore[reportOverlappingOverload]
@overload
def show(thing: Shown, gen: Generator | None = None, w: ArrayLike | Latent | None = None) -> Shown: ...
@overload
def show(
    thing: Image | Sequence[Image] | Sequence[Sequence[Image]],
    gen: Generator | None = None,
    w: ArrayLike | Latent | None = None,
) -> display.Pictures: ...
def show(thing: Any, gen: Generator | None = None, w: ArrayLike | Latent | None = None) -> Any:
    """What a notebook shows: `lr.show(images)`, `lr.show(latents, gen)`, `lr.show(directions, gen, w)`.

    Args:
      thing: images in [-1, 1], or uint8, or Pillow's: one [H, W, C], several [N, H, W, C], or rows [R, N, H, W, C], as
        arrays or lists; or directions; or, with gen, latents: z, w or ws, or several edits of them [S, N, ...], of
        which each latent's are a row. What shows itself, such as a generator or a photograph, is given back.
      gen: the model. w: of directions the latent to move, by default image 0 of seed 0.
    Raises:
      InputError: on arrays that are no images, or directions or latents that do not fit the model.
    """
    if gen is None:
        return thing if hasattr(thing, "_repr_html_") else display.Pictures(thing)
    if not isinstance(thing, Directions):
        return display.Pictures(_drawn(gen, thing))
    check_generator(gen)
    if thing.vectors.shape[-1] != gen.w_dim:
        numbers = f"the directions have {thing.vectors.shape[-1]} numbers, the latents {gen.w_dim}"
        raise InputError(f"{numbers}: not the same model")
    return seen_at(gen, _first(gen) if w is None else w, thing, hold=True)


def _drawn(gen: Generator, latents: ArrayLike | Latent) -> Float[np.ndarray, "*n h w c"]:
    """Their images [N, H, W, C]; of several edits of each [N, S, H, W, C]."""
    check_generator(gen)
    if isinstance(latents, Z) and gen.space is not Z:
        latents = gen.mapping(latents, latents.c)
    shape = np.shape(latents)
    own = 1 + isinstance(latents, WS) if isinstance(latents, Latent) else 1 + (shape[-2:] == (gen.num_ws, gen.w_dim))
    if len(shape) != own + 2:
        return render(gen, to_ws(gen, latents))
    flat = jax.tree.map(lambda a: jnp.reshape(a, (-1, *a.shape[2:])), latents)
    return np.swapaxes(render(gen, to_ws(gen, flat)).reshape(*shape[:2], *gen.size, -1), 0, 1)


def _first(gen: Generator) -> Latent:
    """Image 0 of seed 0, of the first class."""
    return seeded(gen, 0, 1, labels=range(min(gen.c_dim, 1))).all()
