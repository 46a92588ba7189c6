"""What networks see of the edits: as far as the user has them (`python -m convert --metrics`)."""
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.compare.setup import Setup
from lrgan_jax.generators import image_function
from lrgan_jax.images import over_white
from lrgan_jax.metrics import (
    MetricsError,
    expression_change,
    identity_change,
    landmark_change,
    load,
    lpips_change,
    spread_over_layers,
)

NEEDED = ("lpips_alexnet", "face_recognition", "face_expression", "face_landmarks")


class Effects(NamedTuple):
    """Mean over the two ways, [M, N, R]; None where the network is missing."""

    lpips_inside: Float[np.ndarray, "m n r"] | None
    lpips_outside: Float[np.ndarray, "m n r"] | None
    identity: Float[np.ndarray, "m n r"] | None  # distance of the descriptors
    expression: Float[np.ndarray, "m n r"] | None  # total variation
    landmarks: Float[np.ndarray, "m n r"] | None  # mean shift of the 68 points, shares of the image


def networks() -> dict[str, dict[str, Array]]:
    """Those of NEEDED that are there."""
    found = {}
    for name in NEEDED:
        try:
            found[name] = load(name)
        except MetricsError:
            continue
    return found


def effects(setup: Setup, vectors: Float[Array, "m n r d"], sizes: Float[np.ndarray, "m n r 2"]) -> Effects:
    """Of the edits along `vectors` by these steps, backwards and forwards."""
    there, f = networks(), image_function(setup.gen)
    masks = jnp.asarray(setup.masks)
    found = []
    for n, latent in enumerate(setup.ws):
        moves = spread_over_layers(vectors[:, n].reshape(-1, vectors.shape[-1]), latent, setup.layers)
        steps = jnp.asarray(sizes[:, n]) * jnp.array([-1.0, 1.0], sizes.dtype)
        found.append(_of_one(f, there, latent, moves.reshape(*steps.shape[:2], *latent.shape), steps, masks))
    joined = jax.tree.map(lambda *of_latents: np.stack(of_latents, axis=1), *found)
    return Effects(**{name: joined.get(name) for name in Effects._fields})


@jax.jit
def _of_one(f, there, latent, moves: Float[Array, "m r *layers d"], steps: Float[Array, "m r 2"], masks) -> dict[str, Array]:
    before = over_white(f(latent))
    shape = steps.shape

    def image(move, step):
        return over_white(f(latent + step * move))

    after = jax.lax.map(lambda of_method: jax.vmap(jax.vmap(image, (None, 0)))(*of_method), (moves, steps))  # [M, R, 2, H, W, C]
    found = {}
    if (network := there.get("lpips_alexnet")) is not None:
        over_ways = jax.vmap(lambda after, mask: lpips_change(network, before, after, mask), (0, None))
        change = jax.lax.map(lambda of_method: jax.vmap(over_ways)(of_method, masks), after)
        found |= {"lpips_inside": change.inside, "lpips_outside": change.outside}
    flat = after.reshape(-1, *before.shape)
    for field, name, measured in (
        ("identity", "face_recognition", identity_change),
        ("expression", "face_expression", expression_change),
        ("landmarks", "face_landmarks", lambda *images: landmark_change(*images).mean(-1)),
    ):
        if name in there:
            found[field] = measured(there[name], before[None], flat).reshape(shape)
    return {field: a.mean(-1) for field, a in found.items()}
