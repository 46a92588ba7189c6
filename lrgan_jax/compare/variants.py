"""The same method asked otherwise: at another latent, over all of them, or for a region drawn a little differently."""
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from lrgan_jax.compare.methods import Finder
from lrgan_jax.compare.setup import AROUND, Setup, over_all
from lrgan_jax.pipeline import analyse
from lrgan_jax.rpca import settled

VARIANTS = ("another image's", "all images' mean", *AROUND)
RANKED = 16  # latents at which ranks are looked at: extreme lambdas take many steps


def variants(setup: Setup, finder: Finder) -> Float[Array, "v n r d"]:
    """Directions to be used at each latent and region, from Grams that are not its own, in the order of VARIANTS."""
    a, b = setup.inside, setup.outside
    of_next = jnp.roll(a, -1, 0), jnp.roll(b, -1, 0)
    of_mean = jnp.broadcast_to(a.mean(0), a.shape), jnp.broadcast_to(b.mean(0), b.shape)
    around = [(setup.inside_around[:, p], setup.outside_around[:, p]) for p in range(len(AROUND))]
    return jnp.stack([finder(*pair) for pair in (of_next, of_mean, *around)])


def ranks(setup: Setup, scales: Float[Array, " s"]) -> dict[str, Shaped[Array, "s n r"]]:
    """Ranks of the low-rank parts, their share of the Grams' traces, and whether both solves converged: for lambda = scale / sqrt(d), at
    the first latents."""

    def of_one(inside, outside, scale):
        split = analyse(inside, outside, scale / len(inside) ** 0.5)
        return {
            "rank inside": split.inside.rank,
            "rank outside": split.outside.rank,
            "energy inside": jnp.trace(split.inside.low_rank) / jnp.trace(inside),
            "energy outside": jnp.trace(split.outside.low_rank) / jnp.trace(outside),
            "converged": settled(split.inside) & settled(split.outside),
        }

    few = setup.inside[:RANKED], setup.outside[:RANKED]
    of_all = over_all(of_one)
    found = [of_all(*few, jnp.full(few[0].shape[:2], scale)) for scale in scales]
    return jax.tree.map(lambda *of_scales: jnp.stack(of_scales), *found)
