"""Single channels, as StyleSpace edits by them: one number of the latent alone, all others as they are.

In style space a number is a channel of a convolution; numbers of w or z mean nothing by themselves. Ranked by the same
quotient as directions found elsewhere.

Source: Wu et al. 2021, arXiv:2011.12799, whose authors rank channels by where their gradients lie in the image.
"""

import jax.numpy as jnp

from lrgan_jax import subspaces
from lrgan_jax.methods.record import Method, Pair
from lrgan_jax.subspaces import Candidates


def find(pair: Pair) -> Candidates:
    """The largest quotient first."""
    alone = jnp.eye(len(pair.inside), dtype=pair.inside.dtype)
    return subspaces.single_directions(pair.inside, pair.outside, pair.costs(alone))


SINGLE = Method(
    "single", "single", "one number of the latent alone: in style space, one channel", "grams", find, "others"
)
