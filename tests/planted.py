"""Networks that are taught two coloured squares, so that it is known what moves a region and nothing else."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lrgan_jax import step_for_change
from lrgan_jax.generators import image_function

SIDE = 16
LEFT, RIGHT = (slice(4, 12), slice(1, 7)), (slice(4, 12), slice(9, 15))
GREYS = np.linspace(-0.6, 0.6, 4)
CHANGE = 0.02  # mean squared, of the region
OPTIMISED = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}


def two_squares(z, c=None):
    """A square on the left whose colour three numbers of z say, one on the right that the others do; the class says how
    grey it is around them.
    """
    around = jnp.zeros(len(z)) if c is None else c @ GREYS
    picture = jnp.broadcast_to(around[:, None, None, None], (len(z), SIDE, SIDE, 3))
    for square, colour in ((LEFT, z[:, :3]), (RIGHT, z[:, 3:])):
        picture = picture.at[:, *square].set(0.8 * jnp.tanh(colour)[:, None, None])
    return picture


def masks():
    """Of the squares, and of what is around them."""
    found = {name: np.zeros((SIDE, SIDE), np.float32) for name in ("left", "right")}
    found["left"][LEFT], found["right"][RIGHT] = 1, 1
    return found | {"around": 1 - found["left"] - found["right"]}


def trained(gen, picture, *, steps, batch, rate):
    """The same generator, taught by Adam to draw `picture(z, c)`."""
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def loss(params, z, c):
        own = dataclasses.replace(gen, variables=gen.variables | {"params": params})
        return jnp.square(own.synthesis(own.mapping(z, c)) - picture(z, c)).mean()

    # Of this many steps the time to compile, which all other tests save, is little.
    @partial(jax.jit, compiler_options=OPTIMISED)
    def step(params, state, key):
        numbers, label = jax.random.split(key)
        z, c = jax.random.normal(numbers, (batch, gen.z_dim)), None
        if gen.c_dim:
            c = jax.nn.one_hot(jax.random.randint(label, batch, 0, gen.c_dim), gen.c_dim)
        change, state = optimiser.update(jax.grad(loss)(params, z, c), state, params)
        return optax.apply_updates(params, change), state

    params = gen.variables["params"]
    state = optimiser.init(params)
    for key in jax.random.split(jax.random.key(0), steps):
        params, state = step(params, state, key)
    return dataclasses.replace(gen, variables=gen.variables | {"params": params})


def leaks(gen, w, vectors, mask):
    """[K], of each direction at one w [d]: change outside over that inside at steps that really change the region by
    CHANGE, the mean of both ways; infinite where none does.
    """
    f = image_function(gen)
    steps = jax.vmap(lambda vector: step_for_change(f, w, vector, mask, CHANGE))(np.concatenate([vectors, -vectors]))
    found = np.where(steps.reached, steps.change.outside / steps.change.inside, np.inf)
    return found.reshape(2, -1).mean(0)
