"""What an inversion is asked for."""

from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

from lrgan_jax import display
from lrgan_jax.base.checks import check_number, check_seed, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.settings import changed, not_default
from lrgan_jax.inversion.adam import Adam
from lrgan_jax.inversion.gauss_newton import GaussNewton
from lrgan_jax.inversion.likeness import COMPARED, Compared

Space = Literal["w", "ws"]
Method = Literal["adam", "gauss_newton"]
CHOICES = {
    "space": ("w", "ws"),
    "method": ("adam", "gauss_newton"),
    "network": (None, *COMPARED),
}
SHARED = 1 / 3  # of the rounds in W+ begin with one latent for all layers


class FitSettings(TypedDict, total=False):
    """Those of a `Fit` as arguments of `invert`."""

    space: Space
    method: Method
    steps: int | None
    pool: int
    starts: int
    pixels: float
    lpips: float
    network: Compared | None
    prior: float
    rate: float
    noise: bool
    noise_weight: float
    seed: int


@display.record
@dataclass(frozen=True)
class Fit:
    """How latents of photographs are looked for.

    Attributes:
      space: w, one latent for all layers, or ws (W+), one for each: nearer to the photograph, farther from what the
        generator draws.
      method: adam, or gauss_newton, whose steps are dearer and fewer; it alone finds again what the generator drew.
      steps: of Adam; Grams of Gauss and Newton.
      pool: random latents of which the best are begun with. starts: how many of them; the worse half is dropped every
        eighth of the rounds, until one is left.
      pixels, lpips: what the mean squared difference and LPIPS weigh.
      network: LPIPS' network, or pyramid, of pixels, in its place; by default lpips_alexnet where it is installed.
      prior: what the mean square of the latent's white coordinates weighs; it keeps the latent near those that the
        generator draws.
      rate: of Adam, in standard deviations of a number.
      noise: fit the noise pictures, too; of Adam only. noise_weight: of what keeps them noise.
      seed: of the pool.
    """

    space: Space = "ws"
    method: Method = "adam"
    steps: int | None = None
    pool: int = 256
    starts: int = 1
    pixels: float = 1.0
    lpips: float = 2.0
    network: Compared | None = None
    prior: float = 2e-3
    rate: float = 0.2
    noise: bool = False
    noise_weight: float = 1e2
    seed: int = 0

    def __post_init__(self) -> None:
        """What makes no sense is refused before anything is computed."""
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                known = " or ".join(repr(choice) for choice in allowed if choice)
                raise InputError(f"{name} is {known}, got {value!r}")
        check_seed(self.seed)
        for name in ("steps", "pool", "starts"):
            check_whole(name, getattr(self, name))
        check_whole("starts", self.starts, most=self.pool)
        for name in ("pixels", "lpips", "prior", "noise_weight"):
            check_number(name, getattr(self, name), least=0)
        check_number("rate", self.rate, above=0)
        if not self.pixels and not self.lpips:
            raise InputError("pixels and lpips both weigh 0: nothing would be compared")
        if self.noise and self.method != "adam":
            raise InputError("noise pictures are fitted by method='adam' alone")

    def but(self, **changes: Unpack[FitSettings]) -> "Fit":
        """The same with other values of some settings.

        Raises:
          InputError: on a setting that there is not.
        """
        return changed(self, changes, "an inversion")

    def to_json(self) -> dict[str, Any]:
        """The settings that are not the default ones, as plain values."""
        return not_default(self)

    def phases(self, num_ws: int) -> list[tuple[int, Adam | GaussNewton]]:
        """Rows of u and method, one after the other."""
        spaces = [1] if self.space == "w" or num_ws == 1 else [1, num_ws]
        parts = [1.0] if len(spaces) == 1 else [SHARED, 1 - SHARED]
        return [(k, self._method(part)) for k, part in zip(spaces, parts, strict=True)]

    def _method(self, part: float) -> Adam | GaussNewton:
        if self.method == "gauss_newton":
            return GaussNewton(max(1, round(part * (self.steps or 12))))
        return Adam(max(1, round(part * (self.steps or 300))), self.rate, self.noise_weight)
