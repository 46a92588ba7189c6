"""A generator whose image bends in a known way: what real steps do is known, and what first order says of them.

The upper half moves by A (z_0 + z_1), so the step that changes it as wanted is known. The lower half has three patterns
that are orthogonal and of mean square 1, moved by SLOPES[0] z_0, by SLOPES[1] z_1 / sqrt(1 + eased z_1^2), which eases
off, and by bent z_1^2, which first order at 0 does not see.
"""

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from lrgan_jax.generators.functions import from_function

SIDE = 8
REGIONS = {"upper": {"size": SIDE, "boxes": [[0, 0, SIDE // 2, SIDE]]}}
A, SLOPES = 0.1, np.array([0.005, 0.0005]) ** 0.5
PATTERNS = np.linalg.qr(np.random.default_rng(0).standard_normal((96, 4)))[0].T.reshape(4, 4, SIDE, 3) * 96**0.5
START = np.zeros((1, 2), np.float32)


def bending(bent=0.0, eased=0.0):
    """One program whatever the numbers."""
    return from_function(Partial(image, jnp.asarray([bent, eased], jnp.float32)), 2, regions=REGIONS)


def image(numbers, z):
    """Of bent and eased, and a latent."""
    bent, eased = numbers
    upper, *lower = jnp.asarray(PATTERNS, jnp.float32)
    moved = SLOPES[0] * z[0], SLOPES[1] * z[1] / jnp.sqrt(1 + eased * z[1] ** 2), bent * z[1] ** 2
    return jnp.concatenate([A * (z[0] + z[1]) * upper, sum(a * b for a, b in zip(moved, lower, strict=True))])


def leak_and_length(directions, change, z=(0.0, 0.0), bent=0.0, eased=0.0):
    """Of edits along `directions` [k, 2] from z, the leak as the mean over both ways; in float64."""

    def moved(z):
        return np.stack(
            [SLOPES[0] * z[:, 0], SLOPES[1] * z[:, 1] / np.sqrt(1 + eased * z[:, 1] ** 2), bent * z[:, 1] ** 2]
        )

    start, directions = np.asarray([z], np.float64), np.asarray(directions, np.float64)
    steps = change**0.5 / (A * directions.sum(-1, keepdims=True)) * directions
    outside = [np.square(moved(start + way * steps) - moved(start)).sum(0) for way in (-1, 1)]
    return np.mean(outside, axis=0) / change, np.linalg.norm(steps, axis=-1)


def frontier(costs, zs=((0.0, 0.0),), bent=0.0, eased=0.0):
    """The frontier's directions [k, 2] at costs [k] of squared length, of the mean Grams at zs: (M_B + cost)^-1 (1, 1),
    M_B being diagonal.
    """
    z_1 = np.asarray(zs, np.float64)[:, 1]
    gram = SLOPES[0] ** 2, np.mean(SLOPES[1] ** 2 / (1 + eased * z_1**2) ** 3 + (2 * bent * z_1) ** 2)
    rows = 1 / (np.array(gram) + np.asarray(costs, np.float64)[:, None])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def every_direction(num=2001):
    """Those of the quarter turn between z_0 and z_1, in which the best ones lie."""
    angles = np.linspace(0, np.pi / 2, num)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
