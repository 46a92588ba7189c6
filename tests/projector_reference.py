"""NVIDIA's projector in PyTorch, for a batch of pictures: what inversions are compared with.

By Adam, from the mean of w, towards the least LPIPS: one w for all layers, moved about at random while the search is
young, and the noise pictures, kept white. Each picture has its own w and noise, and its loss depends on no other's.

Symbols: N pictures, d numbers of w, r the side of a noise picture, t the share of the steps that are done; images are
NCHW in [-1, 1].

Source: Karras et al. 2020, arXiv:1912.04958, appendix D.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_networks import Network

STEPS, RATE, BETAS = 1000, 0.1, (0.9, 0.999)
RISING, FALLING, WANDERING = 0.05, 0.25, 0.75  # shares of the steps
SAMPLES, SPREAD = 10_000, 0.05  # of w, and how far it is moved about at first, in standard deviations
NOISE_WEIGHT, SMALLEST = 1e5, 8  # of the regulariser, and the last side of its pyramid
PASSES = 3  # of the network a step: an image, and the way back, which is as much as two


class Shown(NamedTuple):
    """After some step, w [N, d] not moved about, and the images drawn by it."""

    w: np.ndarray
    images: np.ndarray


class Projection(NamedTuple):
    """What was found.

    Attributes:
      losses: [N, steps], the distance that each step saw, w being moved about. squared: the mean squared difference of
        the pixels of the same images.
      noise: pictures [N, 1, r, r] of the end.
      shown: by the number of steps done, all of them last.
    """

    losses: np.ndarray
    squared: np.ndarray
    noise: dict[str, np.ndarray]
    shown: dict[int, Shown]

    @property
    def best(self) -> np.ndarray:
        """The least loss up to each step, [N, steps]."""
        return np.minimum.accumulate(self.losses, axis=1)


def project(
    network: Network,
    targets: Tensor,
    features: Callable[[Tensor], Tensor],
    *,
    steps: int = STEPS,
    seed: int = 0,
    show: Sequence[int] = (),
) -> Projection:
    """w and noise of each target [N, C, H, W]. `features` of images are vectors whose squared distance is the loss."""
    random = torch.Generator().manual_seed(seed)
    mean, spread = statistics(network, random)
    w = mean.repeat(len(targets), 1).requires_grad_()
    noise = {name: drawn(random, len(targets), 1, *own.shape).requires_grad_() for name, own in network.noise.items()}
    adam, wanted = torch.optim.Adam([w, *noise.values()], betas=BETAS), features(targets)
    losses, squared, shown = [], [], {}
    for step in range(steps):
        t = step / steps
        adam.param_groups[0]["lr"] = rate(t)
        images = network.synthesis(w + wander(t) * spread * drawn(random, *w.shape), noise)
        loss = (features(images) - wanted).square().sum(1)
        adam.zero_grad()
        (loss.sum() + NOISE_WEIGHT * sum(map(autocorrelation, noise.values()))).backward()
        adam.step()
        normalise(noise.values())
        losses.append(loss.detach())
        squared.append((images.detach() - targets).square().mean((1, 2, 3)))
        if step + 1 in (*show, steps):
            with torch.no_grad():
                shown[step + 1] = Shown(w.numpy().copy(), network.synthesis(w, noise).numpy())
    own = {name: picture.detach().numpy() for name, picture in noise.items()}
    return Projection(torch.stack(losses, 1).numpy(), torch.stack(squared, 1).numpy(), own, shown)


def rate(t: float) -> float:
    """Adam's learning rate: a line up, a level, half a cosine down to 0."""
    falling = min(1.0, (1 - t) / FALLING)
    return RATE * min(1.0, t / RISING) * (1 - math.cos(math.pi * falling)) / 2


def wander(t: float) -> float:
    """How far w is moved about, in standard deviations of w."""
    return SPREAD * max(0.0, 1 - t / WANDERING) ** 2


def statistics(network: Network, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """The mean of w, and one standard deviation of all its numbers: the root mean square distance from the mean."""
    w = network.mapping(drawn(random, SAMPLES, network.z_dim))
    mean = w.mean(0)
    return mean, (w - mean).square().sum(1).mean().sqrt()


def autocorrelation(noise: Tensor) -> Tensor:
    """How alike neighbours are in pictures [N, 1, r, r], across and down, at each side from r to 8; of all pictures.

    A picture is halved to means of four pixels times 2, so that white noise keeps its variance. That is the paper's;
    the code released with it leaves the 2 out.
    """
    across, down = ((noise * noise.roll(1, axis)).mean((1, 2, 3)).square().sum() for axis in (3, 2))
    coarser = autocorrelation(2 * F.avg_pool2d(noise, 2)) if noise.shape[-1] > SMALLEST else 0
    return across + down + coarser


@torch.no_grad()
def normalise(noise: Iterable[Tensor]) -> None:
    """Each picture to mean 0 and variance 1, in place."""
    for picture in noise:
        picture -= picture.mean((1, 2, 3), keepdim=True)
        picture *= picture.square().mean((1, 2, 3), keepdim=True).rsqrt()


def drawn(random: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=random)
