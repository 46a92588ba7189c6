"""Generators with the surface of other projects' PyTorch code, in place of their checkouts: what a peer needs, no more.

That is the names of classes, arguments, modules and tensors, and what calls return; the arithmetic is
torch_stylegan2's. `StyleGAN3` stands for the StyleGAN2 in NVIDIA's second repository, `Rosinality` for rosinality's,
`Hammer` and `SeFa` for genforce's two generations.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch_stylegan2 import (
    DEFAULT_FILTER,
    FullyConnectedLayer,
    Generator,
    leaky_relu,
    modulated_conv2d,
    normalize_2nd_moment,
    setup_filter,
    upsample2d,
)


class StyleGAN3(Generator):
    """Takes the arguments of the synthesis flat."""

    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs=None, **synthesis_kwargs):
        super().__init__(z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs, synthesis_kwargs)


class Holder(nn.Module):
    """Parameters and buffers (a name and a tensor) under one name, no arithmetic."""

    kernel: torch.Tensor
    weight: nn.Parameter
    bias: nn.Parameter
    const: nn.Parameter

    def __init__(self, *buffers, **parameters):
        super().__init__()
        for name, tensor in parameters.items():
            setattr(self, name, nn.Parameter(tensor))
        for name, tensor in buffers:
            self.register_buffer(name, tensor)


def sizes_up_to(resolution):
    return [2**i for i in range(2, int(math.log2(resolution)) + 1)]


# ---- rosinality


class PixelNorm(nn.Module):
    def forward(self, x):
        return normalize_2nd_moment(x)


class ModulatedConv(nn.Module):
    """The equalising factor stands inside the demodulation, the filter has its gain of 4."""

    def __init__(self, in_channels, out_channels, size, style_dim, taps=None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, size, size))
        self.modulation = FullyConnectedLayer(style_dim, in_channels, bias_init=1)
        self.blur = None if taps is None else Holder(("kernel", 4 * setup_filter(taps)))

    def forward(self, x, w):
        weight = self.weight[0] / math.sqrt(self.weight[0, 0].numel())
        up_filter = None if self.blur is None else self.blur.kernel / 4
        return modulated_conv2d(x, weight, self.modulation(w), demodulate=weight.shape[-1] == 3, up_filter=up_filter)


class Activate(Holder):
    def forward(self, x):
        return leaky_relu(x + self.bias[:, None, None])


class StyledConv(nn.Module):
    def __init__(self, in_channels, out_channels, style_dim, taps=None):
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style_dim, taps)
        self.noise, self.activate = Holder(weight=torch.zeros(1)), Activate(bias=torch.zeros(out_channels))

    def forward(self, x, w, picture):
        return self.activate(self.conv(x, w) + self.noise.weight * picture)


class ToRGB(nn.Module):
    """Returns the picture so far."""

    def __init__(self, in_channels, style_dim, first=False):
        super().__init__()
        self.conv, self.bias = ModulatedConv(in_channels, 3, 1, style_dim), nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = None if first else Holder(("kernel", 4 * setup_filter(DEFAULT_FILTER)))

    def forward(self, x, w, image=None):
        rgb = self.conv(x, w) + self.bias
        return rgb if image is None else rgb + upsample2d(image, self.upsample.kernel / 4)


class Rosinality(nn.Module):
    """Widths come from a fixed table, here divided by SHRINK as in the checkpoints that the tests read."""

    SHRINK = 64

    def __init__(self, size, style_dim, n_mlp, channel_multiplier=2, blur_kernel=DEFAULT_FILTER, lr_mlp=0.01):
        super().__init__()
        dense = [FullyConnectedLayer(style_dim, style_dim, "lrelu", lr_mlp) for _ in range(n_mlp)]
        self.style = nn.Sequential(PixelNorm(), *dense)
        sizes = sizes_up_to(size)
        widths = [(512 if r < 64 else 16384 * channel_multiplier // r) // self.SHRINK for r in sizes]
        self.input = Holder(input=torch.randn(1, widths[0], 4, 4))
        self.conv1, self.to_rgb1 = StyledConv(widths[0], widths[0], style_dim), ToRGB(widths[0], style_dim, first=True)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for before, width in zip(widths, widths[1:], strict=False):
            self.convs += [StyledConv(before, width, style_dim, blur_kernel), StyledConv(width, width, style_dim)]
            self.to_rgbs.append(ToRGB(width, style_dim))
        pictures = [torch.randn(1, 1, r, r) for r in (4, *(r for r in sizes[1:] for _ in "01"))]
        self.noises = Holder(*((f"noise_{i}", picture) for i, picture in enumerate(pictures)))

    def forward(self, styles, randomize_noise=True):
        assert len(styles) == 1 and not randomize_noise
        w, pictures = self.style(styles[0]), list(self.noises.buffers())
        x = self.conv1(self.input.input.expand(len(w), -1, -1, -1), w, pictures[0])
        image = self.to_rgb1(x, w)
        for i, to_rgb in enumerate(self.to_rgbs):
            for k in (2 * i, 2 * i + 1):
                x = self.convs[k](x, w, pictures[k + 1])
            image = to_rgb(x, w, image)
        return image, None


# ---- genforce, `old` before Hammer


class Style(FullyConnectedLayer):
    """The old one adds the 1, and starts without."""

    def __init__(self, w_dim, channels, old):
        super().__init__(w_dim, channels, bias_init=0 if old else 1)
        self.added = 1 if old else 0

    def forward(self, w):
        return super().forward(w) + self.added


def add_filter(module, name, old, kernel=DEFAULT_FILTER):
    """A buffer; the old one is a module, with gain and two more axes."""
    taps = setup_filter(kernel)
    if old:
        module.add_module(name, Holder(("kernel", 4 * taps[None, None])))
    else:
        module.register_buffer(name, taps)


class ConvLayer(nn.Module):
    """Modulated 3x3 convolution with all that follows or, without a resolution, a toRGB; returns the style too.

    The old one keeps the kernels of upsampling layers reversed.
    """

    noise: torch.Tensor

    def __init__(
        self,
        in_channels,
        out_channels,
        w_dim,
        resolution=None,
        up=False,
        clamp=None,
        noise_type="spatial",
        filter_kernel=DEFAULT_FILTER,
        demodulate=True,
        old=False,
    ):
        super().__init__()
        self.is_rgb, self.up, self.clamp, self.old = resolution is None, up, clamp, old
        self.has_noise, self.demodulate = not self.is_rgb and noise_type == "spatial", demodulate and not self.is_rgb
        self.taps = filter_kernel
        size = 1 if self.is_rgb else 3
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias, self.style = nn.Parameter(torch.zeros(out_channels)), Style(w_dim, in_channels, old)
        if up:
            add_filter(self, "filter", old, filter_kernel)
        if self.has_noise:
            self.register_buffer("noise", torch.randn(1, 1, resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, x, w, gain=1.0):
        weight, style = self.weight.flip((2, 3)) if self.old and self.up else self.weight, self.style(w)
        if self.old or self.is_rgb:
            weight = weight / math.sqrt(weight[0].numel())
        x = modulated_conv2d(
            x, weight, style, demodulate=self.demodulate, up_filter=setup_filter(self.taps) if self.up else None
        )
        if not self.is_rgb:
            x = x + self.noise * self.noise_strength if self.has_noise else x
            return leaky_relu(
                x + self.bias[:, None, None], gain, None if self.clamp is None else self.clamp * gain
            ), style
        x = x + self.bias[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp), style


class Residual(nn.Module):
    def __init__(self, in_channels, out_channels, filter_kernel):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        add_filter(self, "filter", False, filter_kernel)

    def forward(self, x, gain):
        return upsample2d(F.conv2d(x, self.weight * gain / math.sqrt(self.weight.shape[1])), self.filter)


class Genforce(nn.Module):
    """What both generations share: dense layers and synthesis."""

    def __init__(
        self,
        z_dim,
        w_dim,
        *,
        mapping_layers,
        mapping_fmaps,
        fmaps_base,
        fmaps_max,
        resolution,
        mapping_lr_mul=0.01,
        image_channels=3,
        architecture="skip",
        clamp=None,
        noise_type="spatial",
        filter_kernel=DEFAULT_FILTER,
        demodulate=True,
        final_tanh=False,
        old=False,
    ):
        super().__init__()
        self.final_tanh = final_tanh
        self.sizes, self.mapping, self.synthesis = sizes_up_to(resolution), nn.Module(), nn.Module()
        features = [z_dim, *[mapping_fmaps] * (mapping_layers - 1), w_dim]
        for i in range(mapping_layers):
            self.mapping.add_module(
                f"dense{i}", FullyConnectedLayer(features[i], features[i + 1], "lrelu", mapping_lr_mul)
            )
        widths = [min(fmaps_base // r, fmaps_max) for r in self.sizes]
        common = dict(
            w_dim=w_dim, clamp=clamp, noise_type=noise_type, filter_kernel=filter_kernel, demodulate=demodulate, old=old
        )
        self.synthesis.early_layer = Holder(const=torch.randn(1, widths[0], 4, 4))
        for k, (before, width, r) in enumerate(zip([0, *widths], widths, self.sizes, strict=False)):
            if k and architecture == "resnet":
                self.synthesis.add_module(f"residual{k}", Residual(before, width, filter_kernel))
            if k:
                self.synthesis.add_module(
                    f"layer{2 * k - 1}", ConvLayer(before, width, resolution=r, up=True, **common)
                )
            self.synthesis.add_module(f"layer{2 * k}", ConvLayer(width, width, resolution=r, **common))
            if architecture == "skip" or r == resolution:
                self.synthesis.add_module(f"output{k}", ConvLayer(width, image_channels, **common))
        if architecture == "skip":
            add_filter(self.synthesis, "upsample" if old else "filter", old, filter_kernel)
        self.taps = filter_kernel

    def run(self, w):
        for name, layer in self.mapping.named_children():
            w = layer(w) if name.startswith("dense") else w
        layers, image = dict(self.synthesis.named_children()), None
        first = layers["early_layer"]
        assert isinstance(first, Holder)
        x = first.const.expand(len(w), -1, -1, -1)
        for k in range(len(self.sizes)):
            residual = layers.get(f"residual{k}")
            gain = 1.0 if residual is None else math.sqrt(0.5)
            branch = None if residual is None else residual(x, gain)
            x = layers[f"layer{2 * k - 1}"](x, w)[0] if k else x
            x = layers[f"layer{2 * k}"](x, w, gain)[0]
            x = x if branch is None else branch.add_(x)  # in place, as in NVIDIA's code
            if f"output{k}" in layers:
                rgb, _ = layers[f"output{k}"](x, w)
                image = rgb if image is None else rgb + upsample2d(image, setup_filter(self.taps))
        return {"w": w, "image": image.tanh() if self.final_tanh else image}


class Hammer(Genforce):
    """Labels are embedded and normalised on their own."""

    def __init__(
        self, z_dim=512, w_dim=512, label_dim=0, embedding_dim=512, conv_clamp=None, normalize_z=True, **common
    ):
        super().__init__(z_dim + (embedding_dim if label_dim else 0), w_dim, clamp=conv_clamp, **common)
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.normalize_z = normalize_z
        if label_dim:
            self.mapping.embedding = FullyConnectedLayer(label_dim, embedding_dim)

    def forward(self, z, label=None, noise_mode="const", impl="cuda"):
        assert noise_mode == "const" and impl == "ref"
        labels = [] if label is None else [normalize_2nd_moment(self.mapping.embedding(label))]
        return self.run(torch.cat([normalize_2nd_moment(z) if self.normalize_z else z, *labels], dim=1))


class SeFa(Genforce):
    """Labels are concatenated before the norm."""

    def __init__(self, z_space_dim=512, w_space_dim=512, label_size=0, **common):
        super().__init__(z_space_dim * (2 if label_size else 1), w_space_dim, old=True, **common)
        self.truncation = Holder(("w_avg", torch.zeros(w_space_dim)))
        if label_size:
            self.mapping.label_weight = nn.Parameter(torch.randn(label_size, z_space_dim))

    def forward(self, z, label=None, randomize_noise=False):
        assert not randomize_noise
        labels = [] if label is None else [label @ self.mapping.label_weight]
        return self.run(normalize_2nd_moment(torch.cat([z, *labels], dim=1)))
