"""Inversion by Adam: a step of several rows is one compiled program.

Source: Kingma and Ba 2014, arXiv:1412.6980, by Optax. The rate rises, stays and falls along a cosine, and noise
pictures are kept noise, as in Karras et al. 2020, arXiv:1912.04958, appendix D.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from lrgan_jax import display
from lrgan_jax.inversion import noise
from lrgan_jax.inversion.noise import Pictures
from lrgan_jax.inversion.problem import Aim, Problem, aims, loss

RISE, FALL = 0.05, 0.5  # of the steps


class State(NamedTuple):
    """Between two steps.

    Attributes:
      u: latents. pictures: of noise by name, [R, h, w] each, none where the generator's own stay.
      memory: Adam's. step: how many were taken.
    """

    u: Float[Array, "r k d"]
    pictures: Pictures
    memory: Any
    step: Int[Array, ""]


@display.record
class Adam(NamedTuple):
    """A run of so many steps.

    Attributes:
      rate: of the numbers of u, in standard deviations. noise_weight: of `noise.correlation`.
      each: steps that `advance` takes.
    """

    steps: int
    rate: float
    noise_weight: float
    each: int = 10

    @property
    def rounds(self) -> int:
        """How often `advance` is called."""
        return -(-self.steps // self.each)

    def init(self, u: Float[Array, "r k d"], pictures: Pictures) -> State:
        """Before the first step."""
        return State(u, pictures, self.optimizer().init((u, pictures)), jnp.zeros((), jnp.int32))

    def advance(self, problem: Problem, state: State) -> tuple[State, Float[Array, " r"]]:
        """`each` steps further; the losses before the last of them."""
        losses = jnp.zeros(len(state.u))
        for _ in range(self.each):  # XLA's convolutions are up to nine times as slow on CPUs in a loop of its own
            state, losses = one_step(self, problem, state)
        return state, losses

    def optimizer(self) -> optax.GradientTransformation:
        """Adam with the schedule of this run."""
        return optax.adam(self._rate)

    def _rate(self, step):
        done = step / self.steps
        falling = jnp.clip((1 - done) / FALL, 0, 1)
        return self.rate * jnp.minimum(1, (done + 1 / self.steps) / RISE) * (0.5 - 0.5 * jnp.cos(jnp.pi * falling))


@partial(jax.jit, static_argnums=0)
def one_step(run: Adam, problem: Problem, state: State) -> tuple[State, Float[Array, " r"]]:
    """One step further, compiled; the losses before it."""

    def total(moving: tuple[Array, Pictures], aim: Aim):
        u, pictures = moving
        own = loss(problem, u, pictures, aim)
        return own + run.noise_weight * noise.correlation(pictures), own

    moving = (state.u, state.pictures)
    gradients, losses = jax.vmap(jax.grad(total, has_aux=True))(moving, aims(problem))
    changes, memory = run.optimizer().update(gradients, state.memory, moving)
    u, pictures = jax.tree.map(jnp.add, moving, changes)
    return State(u, jax.tree.map(jax.vmap(noise.normalised), pictures), memory, state.step + 1), losses
