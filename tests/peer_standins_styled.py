"""A generator with the surface of another project's PyTorch code, as in `peer_standins`: rosinality's StyleGAN (1)."""

import math

import torch
import torch.nn.functional as F
from peer_standins import Holder, PixelNorm
from peer_standins_growing import blur_kernel, blurred, doubled, leaky
from torch import nn


class Equal(nn.Module):
    """Dense if `size` is 0; a name deeper, with the factor of everything there."""

    def __init__(self, inputs, outputs, size=0, padding=0, bias=0.0):
        super().__init__()
        held = Holder(weight_orig=torch.randn(outputs, inputs, *[size] * (2 if size else 0)),
                      bias=torch.full((outputs,), bias))  # fmt: skip
        self.add_module("conv" if size else "linear", held)
        self.padding = padding

    def forward(self, x):
        (held,) = self.children()
        weight, bias = held.get_parameter("weight_orig"), held.get_parameter("bias")
        weight = weight * math.sqrt(2 / weight[0].numel())
        return F.linear(x, weight, bias) if x.ndim == 2 else F.conv2d(x, weight, bias, padding=self.padding)


class Fused(Holder):
    """Upsampling and convolution in one; the four shifts of its kernel are averaged."""

    def __init__(self, inputs, outputs):
        super().__init__(weight=torch.randn(inputs, outputs, 3, 3), bias=torch.zeros(outputs))

    def forward(self, x):
        weight = self.weight.flip((2, 3)).transpose(0, 1) * math.sqrt(2 / (9 * len(self.weight))) / 4
        return F.conv2d(doubled(x), weight, self.bias, padding=1)


class Blur(Holder):
    def __init__(self, width):
        super().__init__(("weight", blur_kernel(width)), ("weight_flip", blur_kernel(width)))

    def forward(self, x):
        return blurred(x, self.weight)


class Constant(Holder):
    input: nn.Parameter

    def forward(self, x):
        return self.input.expand(len(x), -1, -1, -1)


class AdaptiveNorm(nn.Module):
    def __init__(self, width, style_dim):
        super().__init__()
        self.style = Equal(style_dim, 2 * width, bias=1.0)

    def forward(self, x, w):
        scale, shift = self.style(w)[:, :, None, None].chunk(2, 1)
        return scale * F.instance_norm(x) + shift


class StyledBlock(nn.Module):
    def __init__(self, inputs, outputs, style_dim, fused):
        super().__init__()
        start = [Fused(inputs, outputs)] if fused else [nn.Upsample(scale_factor=2), Equal(inputs, outputs, 3, 1)]
        self.conv1 = nn.Sequential(*start, Blur(outputs)) if inputs else Constant(input=torch.randn(1, outputs, 4, 4))
        self.conv2 = Equal(outputs, outputs, 3, 1)
        self.noise1, self.noise2 = (Holder(weight_orig=torch.zeros(1, outputs, 1, 1)) for _ in "12")
        self.adain1, self.adain2 = AdaptiveNorm(outputs, style_dim), AdaptiveNorm(outputs, style_dim)

    def forward(self, x, w, noise):
        for conv, strength, norm in (
            (self.conv1, self.noise1, self.adain1),
            (self.conv2, self.noise2, self.adain2),
        ):
            weight = strength.get_parameter("weight_orig")
            x = norm(leaky(conv(x) + noise * weight * math.sqrt(2 / weight.numel())), w)
        return x


class Styled(nn.Module):
    """As many blocks as there are widths, which are the class's own."""

    WIDTHS, FUSED_FROM = (12, 12, 12, 12, 10, 8, 6, 5, 4), 5

    def __init__(self, code_dim=512, n_mlp=8):
        super().__init__()
        dense = [layer for _ in range(n_mlp) for layer in (Equal(code_dim, code_dim), nn.LeakyReLU(0.2))]
        self.style, self.generator = nn.Sequential(PixelNorm(), *dense), nn.Module()
        pairs = zip((0, *self.WIDTHS), self.WIDTHS, strict=False)
        blocks = [StyledBlock(*pair, code_dim, k >= self.FUSED_FROM) for k, pair in enumerate(pairs)]
        self.generator.progression = nn.ModuleList(blocks)
        self.generator.to_rgb = nn.ModuleList(Equal(width, 3, 1) for width in self.WIDTHS)

    def forward(self, input, noise=None, step=0, alpha=-1, mean_style=None, style_weight=0, mixing_range=(-1, -1)):
        assert noise is not None and mean_style is None and mixing_range == (-1, -1)
        w, x, before = self.style(input), noise[0], noise[0]
        blocks, colours = (getattr(self.generator, name) for name in ("progression", "to_rgb"))
        for k in range(step + 1):
            before, x = x, blocks[k](x, w, noise[k])
        image = colours[step](x)
        if step and 0 <= alpha < 1:
            image = alpha * image + (1 - alpha) * doubled(colours[step - 1](before))
        return image
