"""Words that several commands of `lrgan` share."""
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from lrgan_jax.errors import InputError
from lrgan_jax.generators import Generator, Latent, Z
from lrgan_jax.generators.latent_files import Space, load_latents
from lrgan_jax.jacobian import Pooling
from lrgan_jax.layers import check_layers

Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT")]
Model = Annotated[str, tyro.conf.arg(metavar="NAME|FOLDER")]
Layers = Annotated[str | None, tyro.conf.arg(metavar="4-7|4,6")]


class UsageError(InputError):
    """Options that do not fit together or the model; the message is one line for a person."""


@dataclass(frozen=True)
class Search:
    """How directions are looked for.

    Attributes:
      layers: the layers to differentiate and later to edit, such as 4-7; all by default.
      method: frontier (ours), constrained, projected (the paper's), attribute (ignores the rest).
      num: at most so many directions.
      lam: weight of the sparse part in the robust PCA; 1/sqrt(latent size) by default.
      mu: frontier only: change the region at least so many times more than the rest; set from the Jacobian by default.
      num_relax: projected and constrained only: so many weak directions of the rest count as still, too.
      mode: authors reproduces the authors' solver.
      pooling: of images above 256 pixels: area takes means of blocks, nearest one pixel of each, as the authors do.
    """

    layers: Layers = None
    method: str = "frontier"
    num: int = 4
    lam: float | None = None
    mu: float | None = None
    num_relax: int = 0
    mode: Literal["converged", "authors"] = "converged"
    pooling: Pooling = "area"

    def arguments(self, gen: Generator) -> dict[str, Any]:
        """As `find_directions` and `sweep.run` take them."""
        return asdict(self) | {"layers": chosen_layers(self.layers, gen)}


@dataclass(frozen=True)
class FromFile:
    """Latents of a file in place of random ones.

    Attributes:
      latents: take the latents in this .npy, .npz or .pt instead of random ones; image numbers then count its rows.
      space: what they are; by default w or ws (one w per layer, W+), as their shape says. z are mapped.
    """

    latents: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    space: Space | None = None

    def load(self, gen: Generator, *, seed: int, truncation: float, label: int | None = None) -> Latent | None:
        """As they lie there, None without a file; refuses what goes with random ones alone."""
        if self.latents is None:
            if self.space is not None:
                raise UsageError("--space says what the rows of --latents FILE are")
            return None
        if seed:
            raise UsageError("--seed is of random latents, and does not go with --latents")
        if self.space != "z" and (truncation != 1 or label is not None):
            raise UsageError("--truncation and --label are for z; with --latents, w and ws are taken as they are")
        return load_latents(self.latents, gen, space=self.space)

    def mapped(self, gen: Generator, *, seed: int, truncation: float) -> Latent | None:
        """The same, z mapped to w."""
        found = self.load(gen, seed=seed, truncation=truncation)
        if isinstance(found, Z) and gen.c_dim:
            raise UsageError("z of a conditional model need their labels: map them first, and give w")
        return gen.mapping(found, None, truncation) if isinstance(found, Z) else found


def regions_or_own(regions: tuple[str, ...], gen: Generator) -> tuple[str, ...]:
    """The model's own first four where none are named."""
    regions = regions or tuple(gen.info.regions)[:4]
    if not regions:
        raise UsageError("this model has no named regions: name some of the papers' tables, such as --regions eyes mouth nose")
    return regions


def chosen_layers(text: str | None, gen: Generator) -> list[int] | None:
    """ "4-7,9" -> [4, 5, 6, 7, 9]."""
    return None if text is None else list(check_layers(text, gen.num_ws))
