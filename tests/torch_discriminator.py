"""StyleGAN2's discriminator in plain PyTorch, with NVIDIA's names: the yardstick of the training benchmark, and an
oracle for ours.

Source: Karras et al. 2020, arXiv:1912.04958, appendix B.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch_stylegan2 import DEFAULT_FILTER, FullyConnectedLayer, filter_image, setup_filter


def downsample2d(x, f):
    """The filter at gain 1, and every other pixel."""
    return filter_image(x, f, (len(f) - 1) // 2, (len(f) - 2) // 2)[:, :, ::2, ::2] / 4


class EqualisedConv(nn.Module):
    """Convolution of unit-variance weights, halving the size where `down`; bias and leaky ReLU unless it is a linear
    shortcut.
    """

    def __init__(self, in_channels, out_channels, size, *, down=False, gain=1.0, linear=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias = None if linear else nn.Parameter(torch.zeros(out_channels))
        self.down, self.gain = down, gain
        self.register_buffer("resample_filter", setup_filter(DEFAULT_FILTER))

    def forward(self, x):
        size = self.weight.shape[-1]
        weight = self.weight / math.sqrt(self.weight[0].numel())
        if not self.down:
            x = F.conv2d(x, weight, padding=size // 2)
        elif size == 1:
            x = F.conv2d(downsample2d(x, self.resample_filter), weight)
        else:
            x = F.conv2d(filter_image(x, self.resample_filter, 2, 2) / 4, weight, stride=2)
        return (
            x * self.gain
            if self.bias is None
            else F.leaky_relu(x + self.bias[:, None, None], 0.2) * (math.sqrt(2) * self.gain)
        )


class DiscriminatorBlock(nn.Module):
    def __init__(self, channels, narrower, img_channels=None):
        super().__init__()
        self.fromrgb = None if img_channels is None else EqualisedConv(img_channels, channels, 1)
        self.skip = EqualisedConv(channels, narrower, 1, down=True, gain=math.sqrt(0.5), linear=True)
        self.conv0 = EqualisedConv(channels, channels, 3)
        self.conv1 = EqualisedConv(channels, narrower, 3, down=True, gain=math.sqrt(0.5))

    def forward(self, x):
        x = x if self.fromrgb is None else self.fromrgb(x)
        return self.skip(x) + self.conv1(self.conv0(x))


class DiscriminatorEpilogue(nn.Module):
    def __init__(self, channels, group):
        super().__init__()
        self.group = group
        self.conv = EqualisedConv(channels + 1, channels, 3)
        self.fc = FullyConnectedLayer(16 * channels, channels, activation="lrelu")
        self.out = FullyConnectedLayer(channels, 1)

    def forward(self, x):
        groups = x.reshape(-1, self.group, *x.shape[1:])  # consecutive images, as ours
        deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3)).repeat_interleave(self.group)
        x = self.conv(torch.cat([x, deviation[:, None, None, None].expand(-1, 1, 4, 4)], 1))
        return self.out(self.fc(x.flatten(1)))[:, 0]


class Discriminator(nn.Module):
    """The residual discriminator; `channels` from 4x4 upwards."""

    def __init__(self, channels, img_channels=3, group=4):
        super().__init__()
        top = len(channels) - 1
        for k in range(top, 0, -1):
            block = DiscriminatorBlock(channels[k], channels[k - 1], img_channels if k == top else None)
            setattr(self, f"b{4 * 2**k}", block)
        self.b4 = DiscriminatorEpilogue(channels[0], group)
        self.sizes = [4 * 2**k for k in range(top, -1, -1)]

    def forward(self, x):
        for size in self.sizes:
            x = getattr(self, f"b{size}")(x)
        return x


def load(network: Discriminator, params) -> Discriminator:
    """Our parameters, into this network."""

    def tensors(tree, prefix=""):
        for name, value in tree.items():
            if hasattr(value, "items"):
                yield from tensors(value, f"{prefix}{name}.")
            else:
                a = np.asarray(value)
                if prefix == "b4.fc." and name == "kernel":  # flattened with the channels last there, first here
                    a = a.reshape(4, 4, -1, a.shape[1]).transpose(2, 0, 1, 3).reshape(a.shape)
                a = a.transpose(3, 2, 0, 1) if a.ndim == 4 else a.T
                yield prefix + {"kernel": "weight", "bias": "bias"}[name], torch.tensor(np.ascontiguousarray(a))

    found = dict(tensors(params))
    network.load_state_dict(found | dict(network.named_buffers()), strict=True)
    return network
