"""Local Basis: how w moves most when z does, the left singular vectors of the mapping's Jacobian at z.

Source: Choi et al. 2022, arXiv:2106.06959, section 3.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator
from lrgan_jax.generators.latents import Z, check_z, weights_dtype
from lrgan_jax.generators.parts import has_mapping
from lrgan_jax.methods.record import Method
from lrgan_jax.search import Search
from lrgan_jax.subspaces import spectrum


def find(gen: Generator, search: Search, z: Any = None) -> Float[Array, "n d d"]:
    """One basis for each z [n, z_dim], with its class where the mapping takes one.

    Raises:
      InputError: without z, for a generator without a mapping network, of which every basis is one, or for one whose
        mapping makes a w for each layer.
    """
    if not has_mapping(gen):
        raise InputError("this model has no mapping network, so it has no local basis")
    if z is None:
        raise InputError("a local basis belongs to the z behind w: give z, which is then mapped")
    label = z.c if isinstance(z, Z) else None
    z = check_z(z, gen.z_dim, weights_dtype(gen))
    check_number("latents", z)

    def basis(item):
        z, *label = item
        J = jax.jacfwd(lambda z: jnp.asarray(gen.mapping(z[None], *(c[None] for c in label)))[0])(z)
        if J.ndim > 2:
            raise InputError("this model's mapping makes a w for each layer, which have no local basis in common")
        return spectrum(jnp.matmul(J, J.T, precision="highest"))[1]

    return jax.lax.map(basis, (z,) if label is None else (z, jnp.asarray(label, z.dtype)))


LOCAL_BASIS = Method("local_basis", "Local Basis", "how w moves most when z does", "mapping", find, "others")
