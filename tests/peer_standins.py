"""Generators with the surface of other projects' PyTorch code, in place of their checkouts: what `convert.peer` relies on, no more.

That is the names of classes, arguments, modules and tensors, and what calls return; the arithmetic is torch_stylegan2's. `Hammer` and
`SeFa` stand for genforce's two generations, `Rosinality` for rosinality's code, `StyleGAN3` for the StyleGAN2 in NVIDIA's second
repository. Some arguments are taken and left alone, as the networks have no choice there.
"""
import math

import torch
from torch import nn
from torch_stylegan2 import Conv2dLayer, FullyConnectedLayer, Generator
from torch_stylegan2 import leaky_relu, modulated_conv2d, normalize_2nd_moment, setup_filter, upsample2d  # fmt: skip


class StyleGAN3(Generator):
    """Takes the arguments of the synthesis flat."""

    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs=None, **synthesis_kwargs):
        super().__init__(z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs, synthesis_kwargs)


# ---- rosinality


class Kernel(nn.Module):
    """A filter with its gain of 4 inside."""

    def __init__(self, taps):
        super().__init__()
        self.register_buffer("kernel", 4 * setup_filter(taps))


class PixelNorm(nn.Module):
    def forward(self, x):
        return normalize_2nd_moment(x)


class ModulatedConv(nn.Module):
    """The equalising factor stands inside the demodulation."""

    def __init__(self, in_channels, out_channels, size, style_dim, taps=None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, size, size))
        self.modulation = FullyConnectedLayer(style_dim, in_channels, bias_init=1)
        self.blur = None if taps is None else Kernel(taps)

    def forward(self, x, w):
        weight = self.weight[0] / math.sqrt(self.weight[0, 0].numel())
        taps = None if self.blur is None else self.blur.kernel / 4
        return modulated_conv2d(x, weight, self.modulation(w), demodulate=weight.shape[-1] == 3, up_filter=taps)


class Noise(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x, picture):
        return x + self.weight * picture


class Activate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return leaky_relu(x + self.bias[:, None, None])


class StyledConv(nn.Module):
    def __init__(self, in_channels, out_channels, style_dim, taps=None):
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style_dim, taps)
        self.noise, self.activate = Noise(), Activate(out_channels)

    def forward(self, x, w, picture):
        return self.activate(self.noise(self.conv(x, w), picture))


class ToRGB(nn.Module):
    """Returns the picture so far."""

    def __init__(self, in_channels, style_dim, first=False):
        super().__init__()
        self.conv = ModulatedConv(in_channels, 3, 1, style_dim)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = None if first else Kernel([1, 3, 3, 1])

    def forward(self, x, w, image=None):
        rgb = self.conv(x, w) + self.bias
        return rgb if image is None else rgb + upsample2d(image, self.upsample.kernel / 4)


class Rosinality(nn.Module):
    """Widths come from a fixed table, here divided by SHRINK as in the checkpoints that the tests read."""

    SHRINK = 64

    def __init__(self, size, style_dim, n_mlp, channel_multiplier=2, blur_kernel=(1, 3, 3, 1), lr_mlp=0.01):
        super().__init__()
        layers = [FullyConnectedLayer(style_dim, style_dim, "lrelu", lr_mlp) for _ in range(n_mlp)]
        self.style = nn.Sequential(PixelNorm(), *layers)
        sizes = [2**i for i in range(2, int(math.log2(size)) + 1)]
        widths = [(512 if r < 64 else 16384 * channel_multiplier // r) // self.SHRINK for r in sizes]
        self.input = nn.Module()
        self.input.input = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.conv1, self.to_rgb1 = StyledConv(widths[0], widths[0], style_dim), ToRGB(widths[0], style_dim, first=True)
        self.convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        for narrow, wide in zip(widths, widths[1:], strict=False):
            self.convs += [StyledConv(narrow, wide, style_dim, blur_kernel), StyledConv(wide, wide, style_dim)]
            self.to_rgbs.append(ToRGB(wide, style_dim))
        for i in range(len(self.convs) + 1):
            self.noises.register_buffer(f"noise_{i}", torch.randn(1, 1, sizes[(i + 1) // 2], sizes[(i + 1) // 2]))

    def forward(self, styles, randomize_noise=True):
        (z,), pictures = styles, list(self.noises.buffers())
        assert not randomize_noise
        w = self.style(z)
        x = self.conv1(self.input.input.expand(len(z), -1, -1, -1), w, pictures[0])
        image = self.to_rgb1(x, w)
        for i, to_rgb in enumerate(self.to_rgbs):
            for k in (2 * i, 2 * i + 1):
                x = self.convs[k](x, w, pictures[k + 1])
            image = to_rgb(x, w, image)
        return image, None


# ---- genforce


class GenforceLayer(nn.Module):
    """Modulated 3x3 convolution with all that follows or, without a resolution, a toRGB; returns the style too.

    The older generation adds 1 to the style and keeps the kernels of upsampling layers reversed.
    """

    def __init__(self, in_channels, out_channels, w_dim, resolution=None, up=False, clamp=None, old=False):
        super().__init__()
        self.is_rgb, self.up, self.clamp, self.old, size = resolution is None, up, clamp, old, 1 if resolution is None else 3
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.style = OldStyle(w_dim, in_channels) if old else FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        if up:
            add_filter(self, "filter", old)
        if not self.is_rgb:
            self.register_buffer("noise", torch.randn(1, 1, resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, x, w, gain=1.0):
        style = self.style(w)
        weight = self.weight.flip((2, 3)) if self.old and self.up else self.weight
        if self.old or self.is_rgb:
            weight = weight / math.sqrt(weight[0].numel())
        taps = setup_filter([1, 3, 3, 1]) if self.up else None
        x = modulated_conv2d(x, weight, style, demodulate=not self.is_rgb, up_filter=taps)
        if not self.is_rgb:
            return leaky_relu(x + self.noise * self.noise_strength + self.bias[:, None, None], gain, self.clamp), style
        x = x + self.bias[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp), style


class OldStyle(FullyConnectedLayer):
    def forward(self, w):
        return super().forward(w) + 1


class Residual(Conv2dLayer):
    """The filter has another name here."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.register_buffer("filter", self._buffers.pop("resample_filter"))
        self.resample_filter = self.filter


def add_filter(module, name, old):
    """The buffer of the newer generation; the older one has a module here, with gain and two more axes."""
    if old:
        setattr(module, name, Kernel([1, 3, 3, 1]))
        getattr(module, name).kernel = getattr(module, name).kernel[None, None]
    else:
        module.register_buffer(name, setup_filter([1, 3, 3, 1]))


class GenforceSynthesis(nn.Module):
    def __init__(self, resolution, w_dim, image_channels, architecture, fmaps_base, fmaps_max, clamp=None, old=False):
        super().__init__()
        self.architecture, common = architecture, dict(w_dim=w_dim, clamp=clamp, old=old)
        self.sizes = [2**i for i in range(2, int(math.log2(resolution)) + 1)]
        widths = [min(fmaps_base // r, fmaps_max) for r in self.sizes]
        self.early_layer = nn.Module()
        self.early_layer.const = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        for k, (narrow, wide, r) in enumerate(zip([0, *widths], widths, self.sizes, strict=False)):
            if k and architecture == "resnet":
                self.add_module(f"residual{k}", Residual(narrow, wide))
            if k:
                self.add_module(f"layer{2 * k - 1}", GenforceLayer(narrow, wide, resolution=r, up=True, **common))
            self.add_module(f"layer{2 * k}", GenforceLayer(wide, wide, resolution=r, **common))
            if architecture == "skip" or r == resolution:
                self.add_module(f"output{k}", GenforceLayer(wide, image_channels, **common))
        if architecture == "skip":
            add_filter(self, "upsample" if old else "filter", old)

    def forward(self, w):
        x, image = self.early_layer.const.expand(len(w), -1, -1, -1), None
        for k in range(len(self.sizes)):
            has_residual = self.architecture == "resnet" and k > 0
            gain = math.sqrt(0.5) if has_residual else 1.0
            before = x
            if k:
                x, _ = getattr(self, f"layer{2 * k - 1}")(x, w)
            x, _ = getattr(self, f"layer{2 * k}")(x, w, gain)
            if has_residual:
                x = getattr(self, f"residual{k}")(before, gain).add_(x)  # in place, as NVIDIA's code does it
            if hasattr(self, f"output{k}"):
                rgb, _ = getattr(self, f"output{k}")(x, w)
                image = rgb if image is None else rgb + upsample2d(image, setup_filter([1, 3, 3, 1]))
        return image


def dense_layers(mapping, count, in_features, hidden, out_features, lr):
    for i in range(count):
        sizes = hidden if i else in_features, hidden if i < count - 1 else out_features
        mapping.add_module(f"dense{i}", FullyConnectedLayer(*sizes, "lrelu", lr))


class Hammer(nn.Module):
    """Label embedding, normalised on its own."""

    def __init__(
        self, z_dim=512, w_dim=512, mapping_layers=8, mapping_fmaps=512, mapping_lr_mul=0.01, label_dim=0, embedding_dim=512,
        resolution=-1, image_channels=3, architecture="skip", fmaps_base=32768, fmaps_max=512, conv_clamp=None,
    ):  # fmt: skip
        super().__init__()
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.mapping, self.num_layers = nn.Module(), mapping_layers
        if label_dim:
            self.mapping.embedding = FullyConnectedLayer(label_dim, embedding_dim)
        dense_layers(self.mapping, mapping_layers, z_dim + embedding_dim * (label_dim > 0), mapping_fmaps, w_dim, mapping_lr_mul)
        self.synthesis = GenforceSynthesis(resolution, w_dim, image_channels, architecture, fmaps_base, fmaps_max, conv_clamp)

    def forward(self, z, label=None, noise_mode="const", impl="cuda"):
        assert noise_mode == "const" and impl == "ref"
        w = normalize_2nd_moment(z)
        if label is not None:
            w = torch.cat([w, normalize_2nd_moment(self.mapping.embedding(label))], dim=1)
        for i in range(self.num_layers):
            w = getattr(self.mapping, f"dense{i}")(w)
        return {"w": w, "image": self.synthesis(w)}


class SeFa(nn.Module):
    """Labels concatenated before the norm."""

    def __init__(
        self, resolution, z_space_dim=512, w_space_dim=512, label_size=0, mapping_layers=8, mapping_fmaps=512, mapping_lr_mul=0.01,
        image_channels=3, architecture="skip", fmaps_base=32768, fmaps_max=512,
    ):  # fmt: skip
        super().__init__()
        self.mapping, self.truncation, self.num_layers = nn.Module(), nn.Module(), mapping_layers
        if label_size:
            self.mapping.label_weight = nn.Parameter(torch.randn(label_size, z_space_dim))
        dense_layers(self.mapping, mapping_layers, z_space_dim * (2 if label_size else 1), mapping_fmaps, w_space_dim, mapping_lr_mul)
        self.truncation.register_buffer("w_avg", torch.zeros(w_space_dim))
        self.synthesis = GenforceSynthesis(resolution, w_space_dim, image_channels, architecture, fmaps_base, fmaps_max, old=True)

    def forward(self, z, label=None, randomize_noise=False):
        w = normalize_2nd_moment(z if label is None else torch.cat([z, label @ self.mapping.label_weight], dim=1))
        for i in range(self.num_layers):
            w = getattr(self.mapping, f"dense{i}")(w)
        return {"w": w, "image": self.synthesis(w)}
