"""A generator whose image is linear in w, so that its Grams are known: what the method must find can be built in."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from lrgan_jax.generators import ModelInfo, W
from lrgan_jax.generators.latents import check_ws

SIDE, D = 8, 12
BANDS = {"top": (0, 4), "middle": (4, 6), "bottom": (6, 8)}
REGIONS = {name: {"size": SIDE, "boxes": [[start, 0, end - start, SIDE]]} for name, (start, end) in BANDS.items()}
REGIONS["rest"] = {"size": SIDE, "boxes": [[4, 0, 4, SIDE]]}


@partial(jax.tree_util.register_dataclass, data_fields=("maps",), meta_fields=("info", "num_ws", "spread"))
@dataclasses.dataclass(frozen=True)
class Linear:
    """A generator whose image is linear in w (in the mean of ws): its Jacobian is `maps` [H, W, C, d], everywhere.

    Numbers of w vary by `spread`, those of z by one.
    """

    maps: jax.Array
    info: ModelInfo = ModelInfo("linear", "f00d", REGIONS)
    num_ws: int = 3
    spread: tuple[float, ...] = (1.0,) * D
    z_dim = w_dim = D
    c_dim = 0
    size = (SIDE, SIDE)
    space = W
    classes = None

    def mapping(self, z, c=None, truncation=1.0, cutoff=None):
        return W(jnp.asarray(z) * jnp.array(self.spread) * truncation)

    def synthesis(self, w, c=None, *, noise="const", key=None):
        return jnp.einsum("hvcd,nd->nhvc", self.maps, check_ws(w, self.num_ws, D).mean(1), precision="highest")


AXES = np.linalg.qr(np.random.default_rng(0).standard_normal((D, D)))[0]  # row k: the latent direction called q_k below


def linear(**strengths):
    """A generator in which q_k moves a band by as much: `top={0: 2.0}` means a mean square of 4 in the top band per
    unit of q_0.

    Directions move a band in orthogonal patterns, so the Gram of the band is the sum of s^2 q q^T.
    """
    maps = np.zeros((SIDE, SIDE, 3, D))
    random = np.random.default_rng(1)
    for band, moved in strengths.items():
        start, end = BANDS[band]
        patterns = np.linalg.qr(random.standard_normal(((end - start) * SIDE * 3, len(moved))))[0].T
        for pattern, (k, strength) in zip(patterns, moved.items(), strict=True):
            unit = pattern.reshape(end - start, SIDE, 3) * pattern.size**0.5  # mean square 1
            maps[start:end] += strength * unit[..., None] * AXES[k]
    return Linear(jnp.array(maps, jnp.float32))
