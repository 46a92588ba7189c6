"""Grams in a chip's fast precision, and the few directions that are wanted made exact.

Tensor cores multiply ten times as fast when they round their factors to ten bits (TF32) or seven (bfloat16). Grams of
such a Jacobian are off by a thousandth, and with them the best direction by some degrees; but they are a good guide to
the exact ones. Symbols as in `subspaces`: A = M_A and B = M_B + cost of the exact Jacobian, in natural coordinates; x_i
the stationary directions of the fast ones, orthonormal in the fast B, and l_i their quotients. A direction v of
quotient l has the residual

    r = A v - l B v = J^T (m_A - l m_B) J v - l cost v,

which takes one product with J and one with J^T in full precision, and the fast pencil in place of the exact one says

    d = - sum_i x_i (x_i^T r) / (l_i - l)    over all i but those of the directions wanted,

Newton's step on the quotient. J of all v and d so far, an orthonormal basis, gives the best of their span exactly
(Rayleigh and Ritz), with its energies. Each round leaves about the square of the error over the gap.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial
from jaxtyping import Array, Float

from lrgan_jax import lengths, subspaces
from lrgan_jax.base import linalg
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.jacobian import reduced
from lrgan_jax.layers import Moves
from lrgan_jax.lengths import Root
from lrgan_jax.subspaces import HIGHEST, Candidates

ROUNDS = 2
Grams = tuple[Float[AnyArray, "m m"], Float[AnyArray, "m m"]]
Weights = tuple[Float[AnyArray, " p"], Float[AnyArray, " p"]]


@partial(jax.jit, static_argnames=("reduction", "moves", "num"))
def exact_directions(
    f: Partial,
    at: tuple[Array, ...],
    weights: Weights,
    fast: Grams,
    root: Root,
    cost: Float[Array, ""],
    *,
    reduction: tuple[Any, ...],
    moves: Moves,
    num: int,
) -> Candidates:
    """The first directions of `subspaces.priced_directions` for the exact Grams, their mean over some latents.

    Args:
      f, at, moves: as `region_grams` takes them; latents [N, d] or [N, L, d], and perhaps their labels [N, c].
      weights: of J's rows in M_A and in M_B. reduction: of an image to these rows, see `jacobian.reduced`.
      fast: M_A and M_B by less precise products, in latent units. root: of natural coordinates. num: of directions.
    Returns:
      Candidates in natural coordinates, of length 1, with exact energies.
    """
    fast_inside, fast_outside = (lengths.natural_gram(gram, root) for gram in fast)
    quotients, guides = subspaces.stationary(fast_inside, fast_outside, cost)
    guides = guides * lax.rsqrt(subspaces.energies(guides, fast_outside) + cost)[:, None]
    num = min(num, len(guides) // (ROUNDS + 1))
    push, pull = _products(f, at, reduction, moves, root)
    inside, outside = weights

    def best(basis, images):
        """Of the span, the combinations that are best."""
        a, b = (jnp.einsum("nip,p,njp->ij", images, m, images, precision=HIGHEST) / len(images) for m in weights)
        return jax.tree.map(lambda a: a[:num], subspaces.priced_directions(a, b, cost))

    def further(basis, images):
        """Towards the exact ones."""
        found = best(basis, images)
        reached = (found.inside / (found.outside + cost))[:, None]
        seen = _dot(found.vectors, images) * (inside - reached * outside)
        residuals = pull(seen) - reached * cost * _dot(found.vectors, basis)
        others, apart = guides[num:], quotients[num:] - reached
        steps = _dot(_dot(residuals, others.T) / jnp.where(apart == 0, 1, apart), others)
        return _orthonormal(_without(_without(steps, basis), basis))

    basis = _orthonormal(guides[:num])
    images = push(basis)
    for _ in range(ROUNDS):
        new = further(basis, images)
        basis, images = jnp.concatenate([basis, new]), jnp.concatenate([images, push(new)], axis=1)
    found = best(basis, images)
    vectors = _dot(found.vectors, basis)
    turned = (vectors * guides[:num]).sum(1, keepdims=True) < 0  # either sign is as good: the one of the fast direction
    return found._replace(vectors=jnp.where(turned, -vectors, vectors))


def _products(f, at, reduction, moves: Moves, root: Root):
    """With J at every latent, in full precision: `push` of rows [k, m] in natural coordinates, [N, k, P], and `pull` of
    images [N, k, P], the mean over the latents.
    """

    def linear(latent, *label):
        def rows(latent):
            return reduced(f(latent, *label), *reduction).reshape(-1)

        return jax.linearize(rows, latent)

    def push(rows):
        tangents = moves.spread(lengths.latent_moves(rows, root), at[0].shape[-1])

        def of_one(at):
            return jax.vmap(linear(*at)[1])(tangents.astype(at[0].dtype)).astype(rows.dtype)

        with jax.default_matmul_precision("highest"):
            return lax.map(of_one, at)

    def pull(images):
        def of_one(item):
            at, images = item
            values, push_forward = linear(*at)
            (gradients,) = jax.vmap(jax.linear_transpose(push_forward, at[0]))(images.astype(values.dtype))
            return jax.vmap(moves.gather)(gradients).astype(images.dtype)

        with jax.default_matmul_precision("highest"):
            gradients = lax.map(of_one, (at, images)).mean(0)
        return lengths.latent_moves(gradients, root)  # which is its own transpose

    return push, pull


def _dot(a, b):
    return jnp.matmul(a, b, precision=HIGHEST)


def _without(rows, basis):
    return rows - _dot(_dot(rows, basis.T), basis)


def _orthonormal(rows):
    return linalg.qr(rows.T)[0].T
