"""The losses of StyleGAN2 as pure functions of scores, critics and generators.

Symbols: D the discriminator's score, G the generator, a the running mean of path lengths.

Source: logistic loss, Goodfellow et al. 2014, arXiv:1406.2661; R1, Mescheder et al. 2018, arXiv:1801.04406, eq. 9; path
lengths and lazy regularisation, Karras et al. 2020, arXiv:1912.04958, section 3.2 and appendix B; feature matching
between images that belong together, Wang et al. 2018, arXiv:1711.11585, eq. 4.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def discriminator_loss(real: Float[Array, " n"], fake: Float[Array, " n"]) -> Float[Array, ""]:
    """-log sigmoid(D(real)) - log(1 - sigmoid(D(fake))), averaged."""
    return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def generator_loss(fake: Float[Array, " n"]) -> Float[Array, ""]:
    """-log sigmoid(D(fake)), averaged: the non-saturating form."""
    return jnp.mean(jax.nn.softplus(-fake))


def feature_matching(
    found: Sequence[Float[Array, "n ..."]], wanted: Sequence[Float[Array, "n ..."]]
) -> Float[Array, ""]:
    """Mean absolute difference of each pair of features, summed over the pairs."""
    return sum(
        (jnp.abs(a.astype(jnp.float32) - b).mean() for a, b in zip(found, wanted, strict=True)),
        jnp.zeros((), jnp.float32),
    )


def r1(critic: Callable[[Array], Array], images: Float[Array, "n h w c"]) -> Float[Array, ""]:
    """Mean over images of |grad D|^2; the penalty is gamma / 2 times this.

    Args:
      critic: images [N, H, W, C] -> scores [N].
    """
    slopes = jax.grad(lambda x: critic(x).sum())(images)
    return jnp.square(slopes).sum((1, 2, 3)).mean()


def path_length(
    f: Callable[[Array], Array], ws: Float[Array, "l d"], direction: Float[Array, "h w c"]
) -> Float[Array, ""]:
    """|J^T y| at one latent, root mean square over its layers, where y is `direction`, standard normal, over sqrt(H W).

    Args:
      f: ws -> one image. Its Jacobian J is never formed: J^T y is one pull-back.
    """
    height, width, _ = direction.shape
    _, pull_back = jax.vjp(f, ws)
    (slopes,) = pull_back(direction / float(height * width) ** 0.5)
    return jnp.sqrt(jnp.square(slopes).sum(-1).mean())
