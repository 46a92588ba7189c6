"""What the rest of the library asks of a generator; anything that fits can be edited, embedded or not (see
`from_function`).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.checks import check_key
from lrgan_jax.base.errors import InputError, InputTypeError
from lrgan_jax.generators.latents import Latent, Z
from lrgan_jax.generators.windows import Window
from lrgan_jax.jacobian import pixel_grid
from lrgan_jax.layers import Choice

Noise = Literal["const", "none", "random"]
Classes = Literal["mapping", "synthesis"]  # where a class label goes


@display.record
@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model besides its arithmetic; never compared, so that it cannot cause a recompilation.

    Attributes:
      fingerprint: SHA-256 over names, shapes and values of the weights; directions remember it.
      regions: name -> shapes (see `regions.shapes_mask`) in pixels of this model's image.
      card: the model card, Markdown.
      provenance: origin of the weights: source file, its SHA-256, format, date, verification.
    """

    name: str = field(default="unnamed", compare=False)
    fingerprint: str = field(default="", compare=False)
    regions: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    card: str = field(default="", compare=False, repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@runtime_checkable
class Generator(Protocol):
    """A network from latents to images.

    Attributes:
      z_dim, w_dim: numbers of a latent before and after the mapping. c_dim: of a class label, 0 without classes.
      num_ws: rows of ws, one per layer; 1 where all layers share one latent.
      size: height and width of the image.
      space: what `mapping` gives and `synthesis` takes: W, or Z where no mapping network lies between.
      classes: where a label goes: into the mapping, after which w says it all, or into the synthesis too; None without
        classes.
    """

    @property
    def info(self) -> ModelInfo: ...
    @property
    def z_dim(self) -> int: ...
    @property
    def w_dim(self) -> int: ...
    @property
    def c_dim(self) -> int: ...
    @property
    def num_ws(self) -> int: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def space(self) -> type[Latent]: ...
    @property
    def classes(self) -> Classes | None: ...

    def mapping(
        self,
        z: ArrayLike | Latent,
        c: ArrayLike | None = None,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> Latent:
        """z [N, z_dim] -> w [N, w_dim]; with a cutoff, ws [N, num_ws, w_dim].

        It carries c where `synthesis` needs it.
        """
        ...

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """w [N, w_dim] or ws [N, num_ws, w_dim] -> images, about [-1, 1]. c may come with the latent instead."""
        ...


@runtime_checkable
class MakesParts(Protocol):
    """The ability to compute no more than a part of the image, or than the tangents of some layers."""

    def partial_synthesis(
        self, ws: ArrayLike | Latent, noise: Noise, moving: tuple[int, ...] | None, window: Window | None
    ) -> Float[Array, "n h w c"]:
        """The part `window` of the images, all if None; rows of ws that are not `moving` have no derivative, all have
        one if None.
        """
        ...


@runtime_checkable
class HasStyles(Protocol):
    """The ability to show the affine maps behind the latent, which SeFa factorises."""

    def style_weights(self, layers: Choice = None) -> Float[Array, "k d"]:
        """Their rows, one per channel of a style of these layers."""
        ...


@runtime_checkable
class DrawsZ(Protocol):
    """A distribution of z that is not standard normal, or not at every truncation."""

    def drawn(self, z: Z, truncation: float) -> Z:
        """The z that standard normal numbers stand for."""
        ...


@runtime_checkable
class StoredGenerator(Generator, Protocol):
    """A generator that `checkpoint` can write: a config dataclass and nested dicts of arrays say all about it."""

    @property
    def config(self) -> Any: ...
    @property
    def variables(self) -> Any: ...


class Modulated(NamedTuple):
    """A convolution whose input channels a style scales, one number each.

    Attributes:
      name: its block and its place there, such as "b8/conv0". row: of ws, which its style is made of.
      channels: how many.
    """

    name: str
    row: int
    channels: int


@runtime_checkable
class TakesStyles(StoredGenerator, Protocol):
    """The ability to make images of styles themselves, whatever ws they are of, if any; see `StyleSpace`."""

    @property
    def modulated(self) -> tuple[Modulated, ...]:
        """The convolutions that have a style, in the order in which `styles` lays them one after the other."""
        ...

    def styles(self, w: ArrayLike | Latent) -> Float[Array, "n s"]:
        """w [N, w_dim] or ws [N, num_ws, w_dim] -> their styles."""
        ...

    def synthesis_of_styles(
        self, styles: Float[Array, "n s"], noise: Noise, key: Array | None = None, window: Window | None = None
    ) -> Float[Array, "n h w c"]:
        """Styles -> images, or the part `window` of them."""
        ...


def grid(gen: Generator, size: int | None = None) -> tuple[int, int]:
    """Height and width of the grid of pixels on which its regions are drawn and its Jacobians taken; see
    `jacobian.pixel_grid`.
    """
    return pixel_grid(gen.size, size)


def check_noise(noise: str, key: Array | None) -> None:
    """Refuse an unknown kind of noise, and random noise without a key or with something else for one."""
    if noise not in ("const", "none", "random"):
        raise InputError(f'noise is "const", "none" or "random", got {noise!r}')
    if noise == "random" and key is None:
        raise InputError('noise="random" needs a key: pass key=jax.random.key(seed)')
    if key is not None:
        check_key(key)


def check_no_label(gen: Generator, c: ArrayLike | None) -> None:
    """Refuse a label where synthesis takes none."""
    if c is not None:
        where = "goes into its mapping: gen.mapping(z, c)" if gen.classes else "means nothing: it has no classes"
        raise InputError(f"this model's synthesis takes no label; one {where}")


def check_generator(gen: Any) -> None:
    """Refuse a model's name where the model is wanted."""
    if isinstance(gen, str | os.PathLike):
        raise InputTypeError(
            f"a generator is wanted, got the name {str(gen)!r}: load it first, gen = lr.load({str(gen)!r})"
        )
