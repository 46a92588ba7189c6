"""What an inversion found."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lrgan_jax import display
from lrgan_jax.generators import WS
from lrgan_jax.inversion.fit import Fit
from lrgan_jax.inversion.likeness import Compared
from lrgan_jax.inversion.weights import Gen, derived

RANGE = 2.0  # of a pixel


@display.record
@dataclass(frozen=True)
class Inversion:
    """N photographs as a generator makes them.

    Attributes:
      latents: [N, L, d], with their classes where the synthesis takes them; equal rows in W.
      images: of the latents, [N, H, W, C] in [-1, 1]. targets: the photographs.
      noise: the pictures that were fitted, by their place among the weights, [N, h, w] each; none where they were not.
      losses: of each photograph's best attempt after every round, [N, rounds].
      fit: as asked for. compared: the network of LPIPS, or "pyramid".
      model, fingerprint: of the generator.
    """

    latents: WS
    images: Float[np.ndarray, "n h w c"]
    targets: Float[np.ndarray, "n h w c"]
    noise: dict[str, Float[np.ndarray, "n g v"]]
    losses: Float[np.ndarray, "n s"]
    fit: Fit
    compared: Compared
    model: str
    fingerprint: str

    def __len__(self) -> int:
        return len(self.images)

    def _repr_html_(self) -> str:
        """Each photograph, what became of it, and how the loss fell."""
        few = range(min(len(self), display.SHOWN))
        columns = {
            "photograph": [display.picture(self.targets[n][None], f"photograph {n}") for n in few],
            "found": [display.picture(self.images[n][None], f"what was found of photograph {n}") for n in few],
            "PSNR": [f"{self.psnr[n]:.1f} dB" for n in few],
            "loss": [f"{losses[-1]:.3g}" for losses in self.losses[: len(few)]],
            "of each round": [display.graph(losses, "losses, falling") for losses in self.losses[: len(few)]],
        }
        noise = f"{len(self.noise)} pictures" if self.noise else ""
        facts = {"model": self.model, "fit": repr(self.fit), "compared by": self.compared, "noise": noise}
        title = f"inversion of {len(self)} photograph{'s' * (len(self) > 1)}"
        return display.card(title, facts, display.table(columns, len(self)))

    @property
    def psnr(self) -> Float[np.ndarray, " n"]:
        """Of each image: 10 log10 of the squared range over the mean squared difference, in dB."""
        unlike = np.square(self.images - self.targets, dtype=np.float64).mean((1, 2, 3))
        return 10 * np.log10(RANGE**2 / np.maximum(unlike, 1e-12))

    def generator(self, gen: Gen, number: int = 0) -> Gen:
        """The generator with the noise pictures of one photograph; the given one itself where none were fitted."""
        own = {place: jnp.asarray(pictures[number]) for place, pictures in self.noise.items()}
        return derived(gen, own, "photo") if own else gen
