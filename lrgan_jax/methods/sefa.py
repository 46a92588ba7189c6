"""SeFa: what the weights behind the latent amplify most, without any image.

Source: Shen and Zhou 2021, arXiv:2007.06600, section 3.
"""

from typing import Any

from jaxtyping import Array, Float

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator, HasStyles
from lrgan_jax.generators.parts import moving_numbers
from lrgan_jax.methods.record import Method
from lrgan_jax.search import Search
from lrgan_jax.subspaces import weight_directions


def find(gen: Generator, search: Search, z: Any = None) -> Float[Array, "m m"]:
    """Of the styles of the chosen layers. The last row of a StyleGAN2 counts by its last toRGB, as in the authors'
    code.

    Raises:
      InputError: for a generator that shows no affine maps.
    """
    if not isinstance(gen, HasStyles):
        raise InputError("SeFa needs the affine maps behind a generator's latent, which this one does not show")
    first, end = moving_numbers(gen, search.part) or (0, gen.w_dim)
    return weight_directions(gen.style_weights(search.layers)[:, first:end]).basis


SEFA = Method("sefa", "SeFa", "what the weights behind the latent amplify most", "weights", find, "others")
