"""What directions do at real steps: all are moved, both ways, until the region has changed by the same amount."""
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from lrgan_jax.compare.setup import Setup
from lrgan_jax.generators import image_function
from lrgan_jax.metrics import spread_over_layers, steps_for_change
from lrgan_jax.subspaces import energies

CHANGE = 0.02  # mean squared change inside: a root mean square of 18 grey levels
AT_ONCE = 14  # directions of every region that move together: one compiled program serves any number


class Measured(NamedTuple):
    """K directions (or one, by `of`) at N latents and R regions. Mean over the two ways but for `size`."""

    first_inside: Float[np.ndarray, "k n r"]  # first-order change of the region per squared unit of step
    first_outside: Float[np.ndarray, "k n r"]
    size: Float[np.ndarray, "k n r 2"]  # of the step, latent units; backwards first
    inside: Float[np.ndarray, "k n r"]  # mean squared change: what was asked for, unless no step gives it
    outside: Float[np.ndarray, "k n r"]
    reached: Bool[np.ndarray, "k n r"]  # both ways

    @property
    def leak(self) -> Float[np.ndarray, "*k n r"]:
        """Change outside over change inside; infinite for a direction that does not exist."""
        return np.where(np.isnan(self.outside), np.inf, self.outside / np.maximum(self.inside, 1e-12))

    def of(self, k: Any) -> "Measured":
        """The chosen directions only."""
        return Measured(*(a[k] for a in self))


def measure(
    setup: Setup, groups: Sequence[Float[Array, "_ n r d"]], *, change: float = CHANGE, progress: Callable[[Any], Any] = lambda steps: steps
) -> list[Measured]:
    """Move every direction of every group by the step that changes its region by `change`; a result for each group.

    Args:
      progress: wraps the list of latents, as tqdm does.
    """
    f, masks = image_function(setup.gen), jnp.asarray(setup.masks)
    counts = [len(group) for group in groups]
    vectors = jnp.concatenate(groups)
    vectors = jnp.concatenate([vectors, jnp.repeat(vectors[-1:], -len(vectors) % AT_ONCE, axis=0)])
    found = []
    for n, latent in enumerate(progress(list(setup.ws))):
        moves = spread_over_layers(vectors[:, n].reshape(-1, vectors.shape[-1]), latent, setup.layers)
        moves = moves.reshape(len(vectors), len(masks), *latent.shape).swapaxes(0, 1)  # [R, K, L, d]
        parts = [steps_for_change(f, latent, moves[:, k : k + AT_ONCE], masks, change) for k in range(0, len(vectors), AT_ONCE)]
        found.append(jax.tree.map(lambda *steps: np.concatenate(steps, axis=1).swapaxes(0, 1), *parts))
    steps: Any = jax.tree.map(lambda *of_latents: np.stack(of_latents, axis=1), *found)  # [K, N, R, 2]
    change_inside, change_outside = (a.mean(-1) for a in steps.change)
    first_inside, first_outside = (np.asarray(rates(vectors, grams)) for grams in (setup.inside, setup.outside))
    everything = Measured(first_inside, first_outside, steps.size, change_inside, change_outside, steps.reached.all(-1))
    starts = np.cumsum([0, *counts[:-1]])
    return [everything.of(slice(start, start + count)) for start, count in zip(starts, counts, strict=True)]


@jax.jit
def rates(vectors: Float[Array, "k n r d"], grams: Float[Array, "n r d d"]) -> Float[Array, "k n r"]:
    """First-order change per squared unit of step."""
    of_directions = jax.vmap(energies, (0, 0))  # over the regions
    return jnp.moveaxis(jax.vmap(of_directions)(jnp.moveaxis(vectors, 0, 2), grams), 2, 0)
