"""What directions are asked for: the settings of a search, once for the library, sweeps, comparisons, the panel and the
commands.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from jaxtyping import ArrayLike, Int

from lrgan_jax import display
from lrgan_jax.base.checks import check_number, check_seed, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.settings import changed
from lrgan_jax.jacobian import CHANNELS, POOLINGS, Channels, Pooling
from lrgan_jax.layers import Choice
from lrgan_jax.regions import Region
from lrgan_jax.rpca import MODES, Mode, Scalar

MethodName = Literal[
    "refined",
    "frontier",
    "constrained",
    "resefa",
    "projected",
    "authors",
    "attribute",
    "single",
    "local_basis",
    "sefa",
    "ganspace",
    "random",
]  # of the table of methods, which stands above, for editors and type checkers
Protected = Region | Sequence[Region] | Mapping[str, float] | None
Metric = Literal["natural", "latent"]
METRICS: tuple[Metric, ...] = ("natural", "latent")
Precision = Literal["highest", "mixed"]
PRECISIONS: tuple[Precision, ...] = ("highest", "mixed")
CHANGE = 0.02  # mean squared change of a region: a root mean square of 18 grey levels
PRICE = 3e-3  # measured: below it far edits leave what the generator makes, above it they leak


class Settings(TypedDict, total=False):
    """Those of a `Search` as arguments, `find_directions(gen, w, "mouth", num=2)`: what editors offer and check."""

    layers: Choice
    per_layer: bool
    part: str | Sequence[int] | None
    protect: Protected
    method: MethodName
    num: int
    lam: Scalar | None
    mu: Scalar | Literal["measured"] | None
    metric: Metric
    price: Scalar
    change: Scalar
    num_relax: Int[ArrayLike, ""]
    tao: Scalar | None
    mode: Mode
    draw: int
    channels: Channels
    pooling: Pooling
    size: int | None
    precision: Precision


@display.record
@dataclass(frozen=True)
class Search:
    """How directions are looked for.

    Attributes:
      layers: the layers to differentiate and later to edit, such as 4-7; all by default. "auto" chooses the stretch
        that `layer_map` finds best, where one region is asked for.
      per_layer: a vector for each layer (W+) instead of one that all of them share; of the coarser half by default.
      part: of a latent that is made of parts, such as a BigGAN's z and class, what moves: one by its name, "both", or
        numbers, from one and to another; the first part by default.
      protect: what must keep still, a region, several, or several with weights; the whole rest of the image by default.
      method: by which method; see the table of methods.
      num: at most so many directions.
      lam: weight of the sparse part in the robust PCA; 1/sqrt(latent size) by default.
      mu: frontier only: change the region at least so many times more than the rest. By default the mu whose direction
        has the least leak + price * length^2 to first order, when the region changes by `change`; "measured" tries real
        steps instead.
      metric: the unit of length: natural, the standard deviations of the generator's own latents, in which a step of
        one is a common one whichever way it goes, or latent units. The frontier's directions are that long.
      price: leak that one squared unit of length is worth.
      change: mean squared change of the region that edits are wanted for; images span [-1, 1].
      num_relax: projected and constrained only: so many weak directions of the rest count as still, too.
      tao: ReSeFa's price of a step's length, over the trace of the rest's Gram, 0 by default; given, it sets the
        frontier's mu, too, in place of `price` and `change`.
      mode: authors reproduces the authors' solver of the robust PCA.
      draw: seed of the methods that draw at random.
      channels: stack counts the change of every colour channel, mean only of grey values, as the authors do: a change
        of hue then comes free, and a tenth more of the change was seen to leak.
      pooling: of images above 256 pixels: area takes means of blocks, nearest one pixel of each, as the authors do.
      size: longer side of the Jacobian's pixel grid; the image's up to 256, and 256 above it, by default.
      precision: of the Jacobian's products; highest is float32, mixed takes what tensor cores are fast in, and makes
        the directions exact afterwards, see `exact`: the frontier's at a price alone, in `find_directions` and sweeps.
    """

    layers: Choice = None
    per_layer: bool = False
    part: str | Sequence[int] | None = None
    protect: Protected = None
    method: MethodName = "frontier"
    num: int = 4
    lam: float | None = None
    mu: float | Literal["measured"] | None = None
    metric: Metric = "natural"
    price: float = PRICE
    change: float = CHANGE
    num_relax: int = 0
    tao: float | None = None
    mode: Mode = "converged"
    draw: int = 0
    channels: Channels = "stack"
    pooling: Pooling = "area"
    size: int | None = None
    precision: Precision = "highest"

    def __post_init__(self) -> None:
        """Settings that make no sense are refused before a Jacobian is computed, which takes long."""
        check_whole("num", self.num)
        check_whole("size", self.size)
        check_seed(self.draw)
        check_prices(**{name: getattr(self, name) for name in PRICES} | ({"mu": None} if self.measures else {}))
        if self.measures and self.tao is not None:
            raise InputError('mu="measured" weighs steps by price, in place of which tao stands: leave one of them out')
        choices = {"channels": CHANNELS, "pooling": POOLINGS, "mode": MODES, "metric": METRICS, "precision": PRECISIONS}
        for name, allowed in choices.items():
            if (value := getattr(self, name)) not in allowed:
                raise InputError(f"{name} is {' or '.join(map(repr, allowed))}, got {value!r}")
        if self.precision == "mixed" and (self.method != "frontier" or self.mu is not None):
            raise InputError('precision="mixed" is for the frontier at a price: leave method and mu out')
        if self.layers is not None and not isinstance(self.layers, str):
            object.__setattr__(
                self, "layers", tuple(self.layers)
            )  # hashable, as all of a search but arrays in `protect` is
        if self.part is not None and not isinstance(self.part, str):
            object.__setattr__(self, "part", tuple(self.part))

    def but(self, **changes: Unpack[Settings]) -> "Search":
        """The same with other values of some settings.

        Raises:
          InputError: on a setting that there is not.
        """
        return changed(self, changes, "a search")

    @property
    def measures(self) -> bool:
        """Whether mu is found by real steps."""
        return isinstance(self.mu, str) and self.mu == "measured"  # of an array the comparison is one, too

    def recorded(self) -> "Search":
        """The same as a file can remember it: regions drawn by hand are called "mask"."""
        return self.but(protect=_in_words(self.protect))

    def to_json(self) -> dict[str, Any]:
        """The settings that are not the default ones, as plain values."""
        chosen = {field.name: getattr(self.recorded(), field.name) for field in dataclasses.fields(self)}
        plain = {
            name: value.item() if hasattr(value, "item") else value for name, value in chosen.items()
        }  # NumPy's numbers
        return {
            field.name: plain[field.name] for field in dataclasses.fields(self) if plain[field.name] != field.default
        }


def _in_words(protect: Any) -> Any:
    """Names stay names."""
    if isinstance(protect, Mapping):
        return {str(region): float(weight) for region, weight in protect.items()}
    if protect is None or isinstance(protect, str | os.PathLike):
        return None if protect is None else str(protect)
    if isinstance(protect, list | tuple) and any(isinstance(region, str | os.PathLike) for region in protect):
        return [str(region) if isinstance(region, str | os.PathLike) else "mask" for region in protect]
    return "mask"


PRICES = ("lam", "mu", "price", "change", "num_relax", "tao")  # the settings that are numbers for arithmetic alone


def check_prices(**prices: Any) -> None:
    """Refuse what is known to be negative or not finite, and several at once, which would broadcast."""
    for name, value in prices.items():
        if np.ndim(value):
            raise InputError(f"{name} must be one number, got shape {list(np.shape(value))}; use jax.vmap for several")
    for name in ("lam", "mu", "price", "tao"):
        check_number(name, prices.get(name), least=0)
    check_number("change", prices.get("change"), above=0)
    check_whole("num_relax", prices.get("num_relax"), least=0)
