"""Inversion by Gauss and Newton's steps, damped after Levenberg and Marquardt, with the engine of the Jacobians.

Symbols as in `problem`: J = dr/du [P, m] with m = k * d. A step is -(J^T J + (prior / m + damping) I)^-1 g, where
g = J^T r + prior / m u is half the gradient. J^T J comes from `region_grams` as a region's does, the region being all
residuals. It costs m tangents, the gradient but a reverse pass, so `CHORDS` steps with fresh gradients are taken with
every J^T J. In each, several dampings are tried, which takes an image each; the best is taken, and if none is
better than to stay, one stays and tries larger ones.

Source: Marquardt 1963, SIAM J. Appl. Math. 11, 431; Shamanskii 1967, Ukr. Math. J. 19, 118, for several steps with one
Jacobian.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from lrgan_jax import display
from lrgan_jax.base import linalg
from lrgan_jax.inversion.noise import Pictures
from lrgan_jax.inversion.problem import Aim, Problem, aims, loss, residuals
from lrgan_jax.jacobian import region_grams

CHORDS = 5
TRIED = (0.03, 0.3, 3.0, 30.0)  # times the last damping
FIRST, LEAST, MOST = 1e-2, 1e-8, 1e8  # damping, over the mean of the diagonal of J^T J; MOST is to stay


class State(NamedTuple):
    """Between two steps: latents, their noise, which stays, and the last damping."""

    u: Float[Array, "r k d"]
    pictures: Pictures
    damping: Float[Array, " r"]


@display.record
class GaussNewton(NamedTuple):
    """A run of so many Grams, `CHORDS` steps each."""

    rounds: int

    def init(self, u: Float[Array, "r k d"], pictures: Pictures) -> State:
        """Before the first step."""
        return State(u, pictures, jnp.full(len(u), FIRST, u.dtype))

    def advance(self, problem: Problem, state: State) -> tuple[State, Float[Array, " r"]]:
        """A Gram and its steps further; the losses before the last of them."""
        values, axes = jax.vmap(linalg.eigh)(grams(problem, state))
        losses = state.damping
        for _ in range(CHORDS):  # not a loop of XLA's, see `adam`
            state, losses = _step(problem, state, values, axes)
        return state._replace(damping=jnp.minimum(state.damping, 1)), losses


def grams(problem: Problem, state: State) -> Float[Array, "r m m"]:
    """J^T J of every row; what differs between rows goes where `region_grams` takes a class."""
    num, size = problem.targets.shape
    own, structure = jax.tree.flatten((state.pictures, problem.labels))
    shapes = tuple(leaf.shape[1:] for leaf in own)
    own = jnp.concatenate([*(leaf.reshape(num, -1) for leaf in own), jnp.zeros((num, 1))], axis=1)
    shared = problem._replace(targets=problem.targets[:1], labels=None)
    f = Partial(_Column(state.u.shape[1:], structure, shapes), shared)
    everything = jnp.ones((size, 1))
    found = region_grams(f, (state.u.reshape(num, -1), own), everything, size=size, channels="stack", rest=False)
    return found.inside[:, 0] * size


class _Column(NamedTuple):
    """The features of one row as an image of one column. Hashable, so that equal ones share a compiled program."""

    shape: tuple[int, ...]
    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    def __call__(self, problem: Problem, numbers, own):
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        leaves = [part.reshape(shape) for part, shape in zip(jnp.split(own, ends), self.shapes, strict=False)]
        pictures, label = jax.tree.unflatten(self.structure, leaves)
        return residuals(problem, numbers.reshape(self.shape), pictures, Aim(problem.targets[0], label))[:, None, None]


@jax.jit
def _step(problem: Problem, state: State, values: Float[Array, "r m"], axes: Float[Array, "r m m"]):
    """The state after a step, and the losses before it.

    Args:
      values, axes: eigenvalues and eigenvectors, as columns, of every row's J^T J.
    """

    def of_row(row: State, values, axes, aim: Aim):
        of_u = partial(loss, problem, pictures=row.pictures, aim=aim)
        reached, gradient = jax.value_and_grad(of_u)(row.u)
        along = jnp.matmul(gradient.reshape(-1) / 2, axes, precision="highest")
        dampings = jnp.clip(row.damping * jnp.array(TRIED, row.u.dtype), LEAST, MOST)
        shifts = problem.prior / len(values) + dampings[:, None] * values.mean()
        moves = jnp.matmul(along / (values + shifts), axes.T, precision="highest")
        tries = row.u - moves.reshape(-1, *row.u.shape)
        unlike = jax.vmap(of_u)(tries)
        unlike = jnp.append(jnp.where(jnp.isnan(unlike), jnp.inf, unlike), reached)
        best = jnp.argmin(unlike)
        u = jnp.concatenate([tries, row.u[None]])[best]
        return row._replace(u=u, damping=jnp.append(dampings, dampings[-1])[best]), reached

    return jax.vmap(of_row)(state, values, axes, aims(problem))
