"""Generators with the surface of other projects' PyTorch code, as in `peer_standins`: StyleGAN3.

`Alias` is NVIDIA's, `HammerAlias` genforce's. Filters are of the right shapes; their numbers come with the file.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch_stylegan2 import FullyConnectedLayer, normalize_2nd_moment

# ---- The arithmetic.


class Scale(NamedTuple):
    """Of one layer: channels, side, samples across the image."""

    channels: int
    side: int
    rate: int


def scales(resolution, channels, base, most, count, critical, cutoff, stopband, last_rel, margin):
    """From the input to the colours."""
    share = np.minimum(np.arange(count + 1) / (count - critical), 1)
    cutoffs = cutoff * (resolution / 2 / cutoff) ** share
    stopbands = stopband * (resolution / 2 * last_rel / stopband) ** share
    rates = 2 ** np.ceil(np.log2(np.minimum(2 * stopbands, resolution)))
    found = [
        Scale(round(min(base / 2 / c, most)), int(s + 2 * margin), int(s)) for c, s in zip(cutoffs, rates, strict=True)
    ]
    found[-2:] = [scale._replace(side=resolution) for scale in found[-2:]]
    return [*found[:-1], found[-1]._replace(channels=channels)], float(cutoffs[0])


class Resampling(NamedTuple):
    """Of one layer: up_factor, down_factor, the taps of both filters (0: none) and the padding before and behind."""

    up: int
    down: int
    up_taps: int
    down_taps: int
    padding: tuple[int, int]

    @classmethod
    def between(cls, before, after, kernel, oversampling, size):
        rate = max(before.rate, after.rate) * oversampling
        up, down = rate // before.rate, rate // after.rate
        taps = [size * factor if factor > 1 else 1 for factor in (up, down)]
        total = (after.side - 1) * down + 1 - (before.side + kernel - 1) * up + sum(taps) - 2
        low = (total + up) // 2
        return cls(up, down, *(t if t > 1 else 0 for t in taps), (low, total - low))


def fourier(w, module, frequencies, phases, transform, side, rate, cutoff):
    """The input: waves, shifted and turned as the affine layer of w says."""
    t = module(w)
    cos, sin, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).T
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    turn = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).unflatten(1, (3, 3))
    move = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).unflatten(1, (3, 3))
    whole = turn @ move @ transform
    phases = phases + (frequencies @ whole[:, :2, 2:])[..., 0]
    frequencies = frequencies @ whole[:, :2, :2]
    inside = (1 - (frequencies.norm(dim=2) - cutoff) / (rate / 2 - cutoff)).clamp(0, 1)
    at = (torch.arange(side) + 0.5 - side / 2) / rate
    u, v = (frequencies[:, None, None, :, i] for i in (0, 1))
    angle = u * at[None, None, :, None] + v * at[None, :, None, None] + phases[:, None, None]
    return torch.sin(2 * math.pi * angle) * inside[:, None, None]


def modulated(x, weight, style, magnitude, demodulate):
    """A sample at a time, growing by the kernel's size but one."""
    if demodulate:
        weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        style = style * style.square().mean().rsqrt()
    else:
        style = style / math.sqrt(weight.shape[1])
    found = []
    for sample, scale in zip(x, style, strict=True):
        kernel = weight * scale[:, None, None]
        if demodulate:
            kernel = kernel * (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        found.append(F.conv2d(sample[None], kernel * magnitude.rsqrt(), padding=weight.shape[-1] - 1))
    return torch.cat(found)


def filtered(x, taps):
    if taps is None:
        return x
    taps = torch.outer(taps, taps) if taps.ndim == 1 else taps
    return F.conv2d(x.flatten(0, 1)[:, None], taps.flip((0, 1))[None, None])[:, 0].unflatten(0, x.shape[:2])


def bent(x, bias, up_filter, down_filter, up, down, padding, slope, gain, clamp):
    """Bias, upsampling, leaky ReLU, clamp, downsampling."""
    x = x + bias[:, None, None]
    n, channels, height, width = x.shape
    finer = x.new_zeros(n, channels, height * up, width * up)
    finer[:, :, ::up, ::up] = x
    x = filtered(
        F.pad(finer, padding), None if up_filter is None else up_filter * (up if up_filter.ndim == 1 else up**2)
    )
    x = F.leaky_relu(x, slope) * gain
    x = x if clamp is None else x.clamp(-clamp, clamp)
    return filtered(x, down_filter)[:, :, ::down, ::down]


def filter_of(taps, radial=False):
    return None if not taps else torch.zeros((taps, taps) if radial else taps)


# ---- NVIDIA's modules, which go by the attributes that they were saved with.


class Input(nn.Module):
    def __init__(self, w_dim, scale, bandwidth):
        super().__init__()
        self.size, self.sampling_rate, self.bandwidth = np.array([scale.side] * 2), scale.rate, bandwidth
        self.weight = nn.Parameter(torch.randn(scale.channels, scale.channels))
        self.affine = FullyConnectedLayer(w_dim, 4)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", torch.randn(scale.channels, 2))
        self.register_buffer("phases", torch.randn(scale.channels))

    def forward(self, w):
        waves = (self.get_buffer(name) for name in ("freqs", "phases", "transform"))
        x = fourier(w, self.affine, *waves, int(self.size[0]), self.sampling_rate, self.bandwidth)
        return (x @ self.weight.T / math.sqrt(len(self.weight))).permute(0, 3, 1, 2)


class Layer(nn.Module):
    up_filter: torch.Tensor | None
    down_filter: torch.Tensor | None
    magnitude_ema: torch.Tensor

    def __init__(self, w_dim, before, after, is_torgb, radial, conv_kernel, filter_size, lrelu_upsampling, conv_clamp):
        super().__init__()
        self.is_torgb, self.conv_clamp = is_torgb, conv_clamp
        self.conv_kernel = 1 if is_torgb else conv_kernel
        how = Resampling.between(before, after, self.conv_kernel, 1 if is_torgb else lrelu_upsampling, filter_size)
        self.up_factor, self.down_factor, self.padding = how.up, how.down, [*how.padding, *how.padding]
        self.affine = FullyConnectedLayer(w_dim, before.channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(after.channels, before.channels, self.conv_kernel, self.conv_kernel))
        self.bias = nn.Parameter(torch.zeros(after.channels))
        self.register_buffer("magnitude_ema", torch.ones(()))
        self.register_buffer("up_filter", filter_of(how.up_taps))
        self.register_buffer("down_filter", filter_of(how.down_taps, radial))

    def forward(self, x, w, noise_mode="random", force_fp32=False):
        assert force_fp32
        x = modulated(x, self.weight, self.affine(w), self.magnitude_ema, not self.is_torgb)
        slope, gain = (1, 1) if self.is_torgb else (0.2, math.sqrt(2))
        return bent(x, self.bias, self.up_filter, self.down_filter, self.up_factor, self.down_factor, self.padding,
                    slope, gain, self.conv_clamp)  # fmt: skip


class Mapping(nn.Module):
    def __init__(self, z_dim, c_dim, w_dim, num_layers=2, lr_multiplier=0.01):
        super().__init__()
        self.embed = FullyConnectedLayer(c_dim, w_dim) if c_dim else None
        for i in range(num_layers):
            inputs = w_dim if i else z_dim + (w_dim if c_dim else 0)
            self.add_module(f"fc{i}", FullyConnectedLayer(inputs, w_dim, "lrelu", lr_multiplier))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z, c):
        w = torch.cat([normalize_2nd_moment(z), *([normalize_2nd_moment(self.embed(c))] if self.embed else [])], 1)
        for name, layer in self.named_children():
            w = layer(w) if name.startswith("fc") else w
        return w


class Synthesis(nn.Module):
    def __init__(
        self,
        w_dim,
        img_resolution,
        img_channels,
        channel_base=32768,
        channel_max=512,
        num_layers=14,
        num_critical=2,
        first_cutoff=2,
        first_stopband=2**2.1,
        last_stopband_rel=2**0.3,
        margin_size=10,
        output_scale=0.25,
        num_fp16_res=4,
        conv_kernel=3,
        filter_size=6,
        lrelu_upsampling=2,
        use_radial_filters=False,
        conv_clamp=256,
        magnitude_ema_beta=0.999,
    ):
        super().__init__()
        every, bandwidth = scales(img_resolution, img_channels, channel_base, channel_max, num_layers, num_critical,
                                  first_cutoff, first_stopband, last_stopband_rel, margin_size)  # fmt: skip
        self.input, self.layer_names, self.output_scale = Input(w_dim, every[0], bandwidth), [], output_scale
        for i, (before, after) in enumerate(zip([every[0], *every], every, strict=False)):
            radial = use_radial_filters and i < num_layers - num_critical
            layer = Layer(w_dim, before, after, i == num_layers, radial, conv_kernel, filter_size, lrelu_upsampling,
                          conv_clamp)  # fmt: skip
            self.layer_names.append(f"L{i}_{after.side}_{after.channels}")
            self.add_module(self.layer_names[-1], layer)

    def forward(self, w, **words):
        x, layers = self.input(w), dict(self.named_children())
        for name in self.layer_names:
            x = layers[name](x, w, **words)
        return x * self.output_scale


class Alias(nn.Module):
    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs=None, **synthesis_kwargs):
        super().__init__()
        self.synthesis = Synthesis(w_dim, img_resolution, img_channels, **synthesis_kwargs)
        self.mapping = Mapping(z_dim, c_dim, w_dim, **(mapping_kwargs or {}))

    def forward(self, z, c, truncation_psi=1, **words):
        assert truncation_psi == 1
        return self.synthesis(self.mapping(z, c), **words)


# ---- Hammer's, which return styles behind, and know `ref`.


class HammerInput(nn.Module):
    def __init__(self, w_dim, scale, cutoff):
        super().__init__()
        self.scale, self.cutoff = scale, cutoff
        self.weight = nn.Parameter(torch.randn(scale.channels, scale.channels))
        self.affine = FullyConnectedLayer(w_dim, 4)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("frequency", torch.randn(scale.channels, 2))
        self.register_buffer("phase", torch.randn(scale.channels))
        self.register_buffer("grid", torch.zeros(1, scale.side, scale.side, 2))

    def forward(self, w):
        waves = (self.get_buffer(name) for name in ("frequency", "phase", "transform"))
        x = fourier(w, self.affine, *waves, self.scale.side, self.scale.rate, self.cutoff)
        return (x @ self.weight.T / math.sqrt(len(self.weight))).permute(0, 3, 1, 2)


class HammerConv(nn.Module):
    def __init__(self, w_dim, before, after, size, demodulate):
        super().__init__()
        self.weight, self.demodulate = nn.Parameter(torch.randn(after, before, size, size)), demodulate
        self.style = FullyConnectedLayer(w_dim, before, bias_init=1)

    def forward(self, x, w, magnitude):
        return modulated(x, self.weight, style := self.style(w), magnitude, self.demodulate), style


class HammerFilter(nn.Module):
    up_filter: torch.Tensor | None
    down_filter: torch.Tensor | None

    def __init__(self, width, how, radial, slope, gain, clamp):
        super().__init__()
        self.how, self.bending = how, (slope, gain, clamp)
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("up_filter", filter_of(how.up_taps))
        self.register_buffer("down_filter", filter_of(how.down_taps, radial))

    def forward(self, x):
        padding = (*self.how.padding, *self.how.padding)
        return bent(x, self.bias, self.up_filter, self.down_filter, self.how.up, self.how.down, padding, *self.bending)


class HammerLayer(nn.Module):
    def __init__(self, conv, resample):
        super().__init__()
        self.conv, self.filter = conv, resample
        self.register_buffer("magnitude_ema", torch.ones(()))

    def forward(self, x, w, impl="cuda"):
        assert impl == "ref"
        x, style = self.conv(x, w, self.get_buffer("magnitude_ema"))
        return self.filter(x), style


class HammerAlias(nn.Module):
    def __init__(
        self,
        z_dim=512,
        w_dim=512,
        mapping_layers=2,
        mapping_fmaps=512,
        mapping_lr_mul=0.01,
        label_dim=0,
        embedding_dim=512,
        resolution=-1,
        image_channels=3,
        final_tanh=False,
        output_scale=0.25,
        num_layers=14,
        num_critical=2,
        fmaps_base=32768,
        fmaps_max=512,
        kernel_size=1,
        conv_clamp=256,
        first_cutoff=2,
        first_stopband=2**2.1,
        last_stopband_rel=2**0.3,
        margin_size=10,
        filter_size=6,
        act_upsampling=2,
        use_radial_filter=False,
    ):
        super().__init__()
        every, cutoff = scales(resolution, image_channels, fmaps_base, fmaps_max, num_layers, num_critical,
                               first_cutoff, first_stopband, last_stopband_rel, margin_size)  # fmt: skip
        self.mapping, self.synthesis = nn.Module(), nn.Module()
        self.output_scale, self.final_tanh = output_scale, final_tanh
        features = [z_dim + (embedding_dim if label_dim else 0), *[mapping_fmaps] * (mapping_layers - 1), w_dim]
        if label_dim:
            self.mapping.add_module("embedding", FullyConnectedLayer(label_dim, embedding_dim))
        for i, (inputs, outputs) in enumerate(zip(features, features[1:], strict=False)):
            self.mapping.add_module(f"dense{i}", FullyConnectedLayer(inputs, outputs, "lrelu", mapping_lr_mul))
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.synthesis.add_module("early_layer", HammerInput(w_dim, every[0], cutoff))
        for i, (before, after) in enumerate(zip([every[0], *every], every, strict=False)):
            last = i == num_layers
            size, bending = (1, (1, 1)) if last else (kernel_size, (0.2, math.sqrt(2)))
            how = Resampling.between(before, after, size, 1 if last else act_upsampling, filter_size)
            radial = use_radial_filter and i < num_layers - num_critical
            conv = HammerConv(w_dim, before.channels, after.channels, size, not last)
            resample = HammerFilter(after.channels, how, radial, *bending, conv_clamp)
            self.synthesis.add_module(f"layer{i}", HammerLayer(conv, resample))

    def forward(self, z, label=None, trunc_psi=None, impl="cuda"):
        layers = dict(self.mapping.named_children())
        labels = [normalize_2nd_moment(layers.pop("embedding")(label))] if "embedding" in layers else []
        w = torch.cat([normalize_2nd_moment(z), *labels], 1)
        for dense in layers.values():
            w = dense(w)
        first, *rest = self.synthesis.children()
        x = first(w)
        for layer in rest:
            x, _ = layer(x, w, impl=impl)
        image = x * self.output_scale
        return {"w": w, "image": image.tanh() if self.final_tanh else image}
