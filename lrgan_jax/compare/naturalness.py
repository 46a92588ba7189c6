"""Whether an edited picture is still one that the generator could have made.

Leak alone can be had by painting: white eyes, a dark mouth. Two measures see that: the depth of the edited latent,
which is how far out among the generator's own it lies, and the oddity of the region, which is how far its pixels are
from those of the generator's pictures.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lrgan_jax import display
from lrgan_jax.evaluation import Loop, Scene
from lrgan_jax.generators import render
from lrgan_jax.generators.natural import depth
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.metrics.oddity import Part, learn_part, oddity, pixels_at, place_around
from lrgan_jax.regions import bounding_box

SAMPLES = 1024  # pictures that say what the generator makes
AT_ONCE = 64  # of them
SEED = 1  # not that of the compared latents, as a rule


@display.record
class Naturalness(NamedTuple):
    """[M, N, R], or [M, R] at one latent; the mean over the two ways. Of a typical sample both are 1."""

    depth: Float[np.ndarray, "m *n r"]
    oddity: Float[np.ndarray, "m *n r"]

    @property
    def strangeness(self) -> Float[np.ndarray, "m *n r"]:
        """Both in one number. The square of the oddity is what agreed best with the eye; see notebooks/RESULTS.md."""
        return self.depth * self.oddity**2


def naturalness(
    scene: Scene, vectors: Float[np.ndarray, "m n r k"], sizes: Float[np.ndarray, "m n r 2"], each: Loop
) -> Naturalness:
    """Of the edits along `vectors` by these steps, backwards and forwards, at the latents that `each` goes through."""
    parts = _parts(scene)

    def of_latent(n: int) -> Naturalness:
        steps = sizes[:, n] * np.array([-1, 1], sizes.dtype)
        moves = np.nan_to_num(steps[..., None, None] * scene.spread(vectors[:, n])[:, :, None])  # [M, R, 2, L, d]
        _, after = scene.pictures(moves[None], [n])
        odd = np.stack([oddity(part, after[0, :, r]) for r, part in enumerate(parts)], axis=1)
        deep = depth(scene.gen, scene.ws.array[n] + moves)
        known = np.isfinite(steps)
        return Naturalness(*(np.where(known, a, np.nan).mean(-1) for a in (deep, odd)))

    return Naturalness(*(np.stack(a, axis=1) for a in zip(*each(of_latent), strict=True)))


def _parts(scene: Scene) -> list[Part]:
    """What each region looks like in the generator's own pictures, of which no more than the regions is kept."""
    gen = scene.gen
    latents = seeded(gen, SEED, SAMPLES, labels=range(gen.c_dim)).all()
    places = [place_around(bounding_box(mask[None]), gen.size) for mask in scene.masks]
    stretches = (latents[first : first + AT_ONCE] for first in range(0, SAMPLES, AT_ONCE))
    seen = [[pixels_at(place, images) for place in places] for images in (render(gen, ws) for ws in stretches)]
    return [learn_part(np.concatenate(of), place) for of, place in zip(zip(*seen, strict=True), places, strict=True)]
