"""Our generators and our LPIPS once more as PyTorch functions, on the same weights, for what PyTorch is to optimise.

`opened(gen)` is a StyleGAN2 or a DCGAN, whose w is z; `lpips_features(params)` an AlexNet or a VGG16.

Symbols: N pictures, d numbers of w; images are NCHW in [-1, 1].

Source: `torch_stylegan2`; Radford et al. 2016, arXiv:1511.06434; Zhang et al. 2018, arXiv:1801.03924.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import torch_stylegan2
from tolerances import PARITY, PARITY_W, worst
from torch import Tensor
from torch.func import functional_call

from lrgan_jax.convert.write import back
from lrgan_jax.generators import DCGAN, Generator, StyleGAN2

VGG16_POOLS = (2, 4, 7, 10)  # convolutions that follow a pooling; what is compared is what comes before it


class Network(NamedTuple):
    """A generator.

    Attributes:
      mapping: z [N, z_dim] -> w [N, d]. synthesis: w [N, d] and noise pictures, by name -> images.
      noise: the generator's own pictures [r, r]; pictures [N, 1, r, r] may take their place.
    """

    z_dim: int
    mapping: Callable[[Tensor], Tensor]
    synthesis: Callable[[Tensor, Mapping[str, Tensor]], Tensor]
    noise: Mapping[str, Tensor]


def opened(gen: Generator) -> Network:
    """The same network, which is seen at one latent of it."""
    network = {StyleGAN2: stylegan2, DCGAN: dcgan}[type(gen)](gen)
    z = np.random.default_rng(0).standard_normal((1, gen.z_dim)).astype(np.float32)
    w = network.mapping(torch.from_numpy(z))
    np.testing.assert_allclose(w, gen.mapping(z), rtol=0, atol=PARITY_W)
    expected = np.asarray(gen.synthesis(gen.mapping(z))).transpose(0, 3, 1, 2)
    assert worst(network.synthesis(w, network.noise), expected) < PARITY
    return network


def stylegan2(gen: StyleGAN2) -> Network:
    G = torch_stylegan2.Generator(**back.nvidia_arguments(gen.config)).eval().requires_grad_(False)
    G.load_state_dict({name: tensor(a) for name, a in back.nvidia(gen).items()}, strict=True)
    for module in G.modules():
        module.fused = False  # a quarter of the time
    noise = {name: a for name, a in G.synthesis.named_buffers() if name.endswith("noise_const")}

    def synthesis(w: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        return functional_call(G.synthesis, dict(noise), (w[:, None].expand(-1, G.num_ws, -1),))

    return Network(gen.z_dim, lambda z: G.mapping(z)[:, 0], synthesis, noise)


def dcgan(gen: DCGAN) -> Network:
    """As PyTorch's tutorial builds it; z is a picture of one pixel, to be enlarged like the others."""
    params, running = gen.variables["params"], gen.variables["batch_stats"]
    layers = range(len(gen.config.channels))
    project, *ups = (tensor(params[name], (2, 3, 0, 1)) for name in ("project", *(f"up{k}" for k in layers)))
    parts = (running, "mean"), (running, "var"), (params, "scale"), (params, "bias")
    norms = [[tensor(tree[f"norm{k}"][name]) for tree, name in parts] for k in layers]

    def synthesis(z: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        x = F.conv_transpose2d(z[:, :, None, None], project)
        for up, norm in zip(ups, norms, strict=True):
            x = F.conv_transpose2d(F.relu(F.batch_norm(x, *norm)), up, stride=2, padding=1)
        return x.tanh()

    return Network(gen.z_dim, lambda z: z, synthesis, {})


def lpips_features(params: Mapping[str, Any]) -> Callable[[Tensor], Tensor]:
    """images -> vectors [N, ...] whose squared distance is the LPIPS."""
    weights = {name: tensor(a, (3, 2, 0, 1) if a.ndim == 4 else ()) for name, a in params.items()}
    layers = vgg16 if "conv5/kernel" in weights else alexnet
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])

    def features(images: Tensor) -> Tensor:
        x = (images - shift[:, None, None]) / scale[:, None, None]
        found = [weighted(y, weights[f"weights{i}"]) for i, y in enumerate(layers(weights, x))]
        return torch.cat([y.flatten(1) for y in found], dim=1)

    return features


def weighted(x: Tensor, weights: Tensor) -> Tensor:
    """Of unit length over the channels, then as judged, and averaged over the pixels."""
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)  # at 0, where ReLUs leave nothing, its slope is 0
    return x / (norm + 1e-10) * (weights / x[0, 0].numel()).sqrt()[:, None, None]


def alexnet(weights: Mapping[str, Tensor], x: Tensor) -> Iterator[Tensor]:
    for i, padding in enumerate((2, 2, 1, 1, 1)):
        x = F.max_pool2d(x, 3, 2) if i in (1, 2) else x
        x = F.relu(F.conv2d(x, weights[f"conv{i}/kernel"], weights[f"conv{i}/bias"], 1 if i else 4, padding))
        yield x


def vgg16(weights: Mapping[str, Tensor], x: Tensor) -> Iterator[Tensor]:
    for i in range(13):
        if i in VGG16_POOLS:
            yield x
            x = F.max_pool2d(x, 2)
        x = F.relu(F.conv2d(x, weights[f"conv{i}/kernel"], weights[f"conv{i}/bias"], padding=1))
    yield x


def tensor(array: Any, axes: tuple[int, ...] = ()) -> Tensor:
    """A copy, its axes in that order."""
    return torch.from_numpy(np.array(array).transpose(axes or range(np.ndim(array))))
