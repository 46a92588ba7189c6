"""Our discriminator against one in plain PyTorch: scores, and the derivatives that training takes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tolerances import PARITY_F64, worst

from lrgan_jax.training import DiscriminatorConfig, discriminator, losses

torch = pytest.importorskip("torch")
import torch_discriminator as peer  # noqa: E402 - it imports torch

CONFIG = DiscriminatorConfig(channels=(6, 5, 4), group=2)


def test_scores_and_derivatives_are_pytorchs():
    """In float64: the scores of four images, their gradient, and the gradient of R1 by every parameter."""
    images = np.random.default_rng(0).standard_normal((4, 16, 16, 3))
    with jax.enable_x64(True):
        params = jax.tree.map(
            lambda a: jnp.asarray(np.asarray(a), jnp.float64), discriminator.init(jax.random.key(0), CONFIG)
        )
        critic = lambda p, x: discriminator.score(CONFIG, p, x)  # noqa: E731
        scores = critic(params, jnp.asarray(images))
        slopes = jax.jit(jax.grad(lambda x: critic(params, x).sum()))(jnp.asarray(images))
        of_r1 = jax.jit(jax.grad(lambda p: losses.r1(lambda x: critic(p, x), jnp.asarray(images))))(params)
    network = peer.load(peer.Discriminator(CONFIG.channels, group=2).double(), params)
    x = torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=True)
    theirs = network(x)
    (gradient,) = torch.autograd.grad(theirs.sum(), x, create_graph=True)
    gradient.square().sum((1, 2, 3)).mean().backward()
    assert worst(scores, theirs.detach()) < PARITY_F64
    assert worst(slopes, gradient.detach().numpy().transpose(0, 2, 3, 1)) < PARITY_F64
    expected = peer.load(
        peer.Discriminator(CONFIG.channels, group=2).double(), of_r1
    )  # a gradient has the parameters' shapes
    pairs = zip(network.parameters(), expected.parameters(), strict=True)
    theirs, mine = (
        np.concatenate(parts) for parts in zip(*((_flat(a.grad, a), _flat(b, b)) for a, b in pairs), strict=True)
    )
    assert worst(mine, theirs) < PARITY_F64


def _flat(gradient, parameter):
    """R1 does not depend on the last bias: PyTorch then has no gradient, where JAX has zeros."""
    return (torch.zeros_like(parameter) if gradient is None else gradient).detach().numpy().ravel()
