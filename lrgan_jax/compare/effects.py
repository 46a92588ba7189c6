"""What networks see of the edits: as far as the user has them (`lrgan convert --metrics`)."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax import display
from lrgan_jax.evaluation import Loop, Scene
from lrgan_jax.images import over_white
from lrgan_jax.layers import Moves
from lrgan_jax.metrics import (
    MetricsError,
    expression_change,
    identity_change,
    landmark_change,
    load,
    lpips_change,
)
from lrgan_jax.metrics.lpips import SMALLEST

NEEDED = ("lpips_alexnet", "face_recognition", "face_expression", "face_landmarks")


@display.record
class Effects(NamedTuple):
    """Mean over the two ways, [M, N, R], or [M, R] at one latent; None where the network is missing, or the
    pictures too small for it.
    """

    lpips_inside: Float[np.ndarray, "m *n r"] | None
    lpips_outside: Float[np.ndarray, "m *n r"] | None
    identity: Float[np.ndarray, "m *n r"] | None  # distance of the descriptors
    expression: Float[np.ndarray, "m *n r"] | None  # total variation
    landmarks: Float[np.ndarray, "m *n r"] | None  # mean shift of the 68 points, shares of the image


def networks() -> dict[str, dict[str, Array]]:
    """Those of NEEDED that are there."""
    found = {}
    for name in NEEDED:
        try:
            found[name] = load(name)
        except MetricsError:
            continue
    return found


def effects(
    scene: Scene, vectors: Float[np.ndarray, "m n r k"], sizes: Float[np.ndarray, "m n r 2"], each: Loop
) -> Effects:
    """Of the edits along `vectors` by these steps, backwards and forwards, at the latents that `each` goes through."""
    there = networks()
    if min(scene.gen.size) < SMALLEST["AlexNet"]:
        there.pop("lpips_alexnet", None)
    nothing = dict.fromkeys(Effects._fields)

    def of_latent(n: int) -> Effects:
        steps = sizes[:, n] * np.array([-1, 1], sizes.dtype)
        found = _of_one(scene.image_at(n), there, scene.ws.array[n], vectors[:, n], steps, scene.masks, scene.moves)
        return Effects(**nothing | {field: np.asarray(a) for field, a in found.items()})

    found = each(of_latent) if there else [Effects(**nothing)]
    return Effects(*(None if a[0] is None else np.stack(a, axis=1) for a in zip(*found, strict=True)))


@partial(jax.jit, static_argnames="moving")
def _of_one(
    f, there, latent, vectors: Float[Array, "m r k"], steps: Float[Array, "m r 2"], masks, moving: Moves
) -> dict[str, Array]:
    moves = moving.spread(vectors, latent.shape[-1])
    before = over_white(f(latent))
    shape = steps.shape

    def image(move, step):
        return over_white(f(latent + step * move))

    def of_method(method):
        return jax.vmap(jax.vmap(image, (None, 0)))(*method)

    after = jax.lax.map(of_method, (moves, steps))  # [M, R, 2, H, W, C]
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
