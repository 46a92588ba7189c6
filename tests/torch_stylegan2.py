"""StyleGAN2's generator in plain PyTorch: the yardstick of the benchmarks, and in tests a peer whose checkpoints we
convert.

Classes, arguments and tensors have the names of NVIDIA's code, so `load_state_dict(..., strict=True)` takes its state
dicts, buffers included, and the forward passes go by the same attributes (`conv_clamp`, `act_gain`, ...), whatever made
them. The arithmetic is what public PyTorch implementations do: weights modulated per sample and run as one convolution
with a group per sample; `conv_transpose2d` and then a depthwise filter where a layer upsamples. All of it is ordinary
differentiable functions without in-place updates, so `torch.func` transforms it; the precision is that of the weights
(`.double()` for float64).

Symbols: N samples, I input and O output channels, w [N, w_dim] the style of a layer; images are NCHW.

Source: Karras et al. 2020, arXiv:1912.04958; conditioning and clamping from Karras et al. 2020, arXiv:2006.06676.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

DEFAULT_FILTER = (1, 3, 3, 1)


def normalize_2nd_moment(x):
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def setup_filter(taps):
    """The buffer for these taps: unit sum, an outer product unless long (8 taps and more stay separable) or already
    2-D.
    """
    f = torch.as_tensor(taps, dtype=torch.float32)
    if f.ndim == 1 and len(f) < 8:
        f = torch.outer(f, f)
    return f / f.sum()


def filter_image(x, f, before, after):
    """True convolution, hence the flip, with gain 4 of every channel, after zero padding (negative: cropping) on both
    axes.
    """
    channels = x.shape[1]
    x = F.pad(x, (before, after, before, after))
    if f.ndim == 2:
        return F.conv2d(x, 4 * f.flip((0, 1)).expand(channels, 1, -1, -1), groups=channels)
    taps = 2 * f.flip(0).expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(x, taps, groups=channels), taps.transpose(2, 3), groups=channels)


def upsample2d(x, f):
    """A zero inserted behind every pixel, along both axes, then the filter."""
    n, channels, height, width = x.shape
    x = F.pad(x.reshape(n, channels, height, 1, width, 1), (0, 1, 0, 0, 0, 1)).reshape(
        n, channels, 2 * height, 2 * width
    )
    return filter_image(x, f, (len(f) + 1) // 2, (len(f) - 2) // 2)


def modulated_conv2d(x, weight, styles, *, demodulate=True, up_filter=None, fused=True):
    """Eq. 1-3: the weight [O, I, k, k] scaled by styles [N, I] and normalised per sample and output channel; all
    samples in one call.
    """
    if not fused:
        return scaled_conv2d(x, weight, styles, demodulate, up_filter)
    n, in_channels, height, width = x.shape
    out_channels, _, size, _ = weight.shape
    w = weight * styles[:, None, :, None, None]  # [N, O, I, k, k]
    if demodulate:
        w = w * (w.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.reshape(1, n * in_channels, height, width)
    if up_filter is None:
        x = F.conv2d(x, w.reshape(n * out_channels, in_channels, size, size), padding=size // 2, groups=n)
        return x.reshape(n, out_channels, height, width)
    x = F.conv_transpose2d(x, w.transpose(1, 2).reshape(n * in_channels, out_channels, size, size), stride=2, groups=n)
    x = x.reshape(n, out_channels, 2 * height + 1, 2 * width + 1)
    return filter_image(x, up_filter, (len(up_filter) + 1) // 2 - 1, (len(up_filter) - 2) // 2)


def scaled_conv2d(x, weight, styles, demodulate, up_filter):
    """The same with x scaled instead of the weight, before and after: a quarter of the time on a CPU."""
    y = x * styles[:, :, None, None]
    if up_filter is None:
        y = F.conv2d(y, weight, padding=weight.shape[-1] // 2)
    else:
        y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
        y = filter_image(y, up_filter, (len(up_filter) + 1) // 2 - 1, (len(up_filter) - 2) // 2)
    if not demodulate:
        return y
    norms = (styles.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()  # [N, O]
    return y * norms[:, :, None, None]


def leaky_relu(x, gain=1.0, clamp=None):
    x = F.leaky_relu(x, 0.2) * (math.sqrt(2) * gain)  # sqrt(2) keeps the variance
    return x if clamp is None else x.clamp(-clamp, clamp)


def activate(x, name, gain, clamp=None):
    """NVIDIA's bias_act without the bias; a gain of None is the function's own."""
    function, own = {
        "linear": (lambda x: x, 1.0),
        "relu": (F.relu, 2**0.5),
        "lrelu": (lambda x: F.leaky_relu(x, 0.2), 2**0.5),
    }[name]
    x = function(x) * (own if gain is None else gain)
    return x if clamp is None else x.clamp(-clamp, clamp)


class FullyConnectedLayer(nn.Module):
    """Dense layer with equalised learning rate: weights are stored with standard deviation 1 / lr_multiplier, scaled
    when used.
    """

    def __init__(self, in_features, out_features, activation="linear", lr_multiplier=1.0, bias_init=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init)))
        self.activation, self.weight_gain, self.bias_gain = (
            activation,
            lr_multiplier / math.sqrt(in_features),
            lr_multiplier,
        )

    def forward(self, x):
        return activate(F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain), self.activation, None)


class Conv2dLayer(nn.Module):
    """The residual branch: linear 1x1 convolution without bias, equalised, then upsampling."""

    def __init__(self, in_channels, out_channels, resample_filter=DEFAULT_FILTER):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        self.activation, self.conv_clamp, self.weight_gain, self.act_gain = (
            "linear",
            None,
            1 / math.sqrt(in_channels),
            1,
        )

    def forward(self, x, gain=1.0):
        x = upsample2d(
            F.conv2d(x, self.weight * self.weight_gain), self.resample_filter
        )  # the convolution first: a quarter of the pixels
        return activate(
            x, self.activation, self.act_gain * gain, None if self.conv_clamp is None else self.conv_clamp * gain
        )


class MappingNetwork(nn.Module):
    """z (and label c) -> ws [N, num_ws, w_dim], pulled towards w_avg by truncation."""

    def __init__(
        self,
        z_dim,
        c_dim,
        w_dim,
        num_ws,
        num_layers=8,
        embed_features=None,
        layer_features=None,
        lr_multiplier=0.01,
        activation="lrelu",
        w_avg_beta=0.995,
    ):
        super().__init__()
        self.z_dim, self.c_dim, self.num_ws, self.num_layers = z_dim, c_dim, num_ws, num_layers
        embed_features = (w_dim if embed_features is None else embed_features) if c_dim else 0
        hidden = w_dim if layer_features is None else layer_features
        self.embed = FullyConnectedLayer(c_dim, embed_features) if c_dim else None
        features = [z_dim + embed_features, *[hidden] * (num_layers - 1), w_dim]
        for i in range(num_layers):
            self.add_module(f"fc{i}", FullyConnectedLayer(features[i], features[i + 1], activation, lr_multiplier))
        if w_avg_beta is not None:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z, c=None, truncation_psi=1, truncation_cutoff=None):
        x = normalize_2nd_moment(z)
        if self.c_dim:
            x = torch.cat([x, normalize_2nd_moment(self.embed(c))], dim=1)
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        ws = x[:, None].expand(-1, self.num_ws, -1)
        if truncation_psi == 1:
            return ws
        cutoff = self.num_ws if truncation_cutoff is None else truncation_cutoff
        return torch.cat([self.w_avg.lerp(ws[:, :cutoff], truncation_psi), ws[:, cutoff:]], dim=1)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; doubles the size when up is 2."""

    noise_const: torch.Tensor
    fused = True

    def __init__(
        self,
        in_channels,
        out_channels,
        w_dim,
        resolution,
        up=1,
        use_noise=True,
        resample_filter=DEFAULT_FILTER,
        conv_clamp=None,
    ):
        super().__init__()
        self.up, self.use_noise, self.conv_clamp = up, use_noise, conv_clamp
        self.resolution, self.activation, self.act_gain = resolution, "lrelu", math.sqrt(2)
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        if use_noise:
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x, w, noise_mode="const", gain=1.0):
        up_filter = self.resample_filter if self.up == 2 else None
        x = modulated_conv2d(x, self.weight, self.affine(w), up_filter=up_filter, fused=self.fused)
        if self.use_noise and noise_mode == "const":
            x = x + self.noise_const * self.noise_strength
        elif self.use_noise and noise_mode == "random":
            x = x + torch.randn_like(x[:, :1]) * self.noise_strength
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        return activate(x + self.bias[:, None, None], self.activation, self.act_gain * gain, clamp)


class ToRGBLayer(nn.Module):
    """Modulated 1x1 convolution without demodulation or noise; the equalising 1/sqrt(I) goes on the style."""

    fused = True

    def __init__(self, in_channels, out_channels, w_dim, conv_clamp=None):
        super().__init__()
        self.conv_clamp, self.weight_gain = conv_clamp, 1 / math.sqrt(in_channels)
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x, w):
        styles = self.affine(w) * self.weight_gain
        x = modulated_conv2d(x, self.weight, styles, demodulate=False, fused=self.fused) + self.bias[:, None, None]
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)


class SynthesisBlock(nn.Module):
    """One resolution: (conv0,) conv1 and, where the architecture has one, a toRGB added to the picture; in_channels 0
    is the first.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        w_dim,
        resolution,
        img_channels,
        is_last,
        architecture="skip",
        resample_filter=DEFAULT_FILTER,
        conv_clamp=None,
        use_noise=True,
        fp16_channels_last=False,
        fused_modconv_default=True,
    ):
        super().__init__()
        self.in_channels, self.architecture, self.is_last = in_channels, architecture, is_last
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        layer = dict(w_dim=w_dim, resolution=resolution, use_noise=use_noise, conv_clamp=conv_clamp)
        self.num_conv = 1 if in_channels == 0 else 2
        self.conv0 = self.torgb = self.skip = None
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(in_channels, out_channels, up=2, resample_filter=resample_filter, **layer)
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, **layer
        )  # NVIDIA's has the default filter too, and no use for it
        if is_last or architecture == "skip":
            self.torgb = ToRGBLayer(out_channels, img_channels, w_dim, conv_clamp)
        if in_channels and architecture == "resnet":
            self.skip = Conv2dLayer(in_channels, out_channels, resample_filter)

    def forward(self, x, img, ws, noise_mode="const"):
        """ws [N, 2 or 3, w_dim] has a row for each convolution, then one for toRGB."""
        if self.in_channels == 0:
            x = self.conv1(self.const.expand(len(ws), -1, -1, -1), ws[:, 0], noise_mode)
        elif self.architecture != "resnet":
            x = self.conv1(self.conv0(x, ws[:, 0], noise_mode), ws[:, 1], noise_mode)
        else:
            gain = math.sqrt(0.5)  # two branches of unit variance add up to unit variance
            x = self.skip(x, gain) + self.conv1(self.conv0(x, ws[:, 0], noise_mode), ws[:, 1], noise_mode, gain)
        img = None if img is None else upsample2d(img, self.resample_filter)
        if self.is_last or self.architecture == "skip":
            rgb = self.torgb(x, ws[:, self.num_conv])
            img = rgb if img is None else img + rgb
        return x, img


class SynthesisNetwork(nn.Module):
    """ws -> image. `channels`, widths from 4x4 upwards, overrides channel_base and channel_max."""

    def __init__(
        self,
        w_dim,
        img_resolution,
        img_channels,
        channel_base=32768,
        channel_max=512,
        num_fp16_res=0,
        channels=None,
        **block_kwargs,
    ):  # num_fp16_res is taken and left alone: this network has one precision, as NVIDIA's with force_fp32
        super().__init__()
        self.block_resolutions = [4 * 2**k for k in range(int(math.log2(img_resolution)) - 1)]
        self.num_ws = 2 * len(self.block_resolutions)
        if channels is None:
            channels = [min(channel_base // resolution, channel_max) for resolution in self.block_resolutions]
        for in_channels, out_channels, r in zip([0, *channels[:-1]], channels, self.block_resolutions, strict=True):
            block = SynthesisBlock(
                in_channels, out_channels, w_dim, r, img_channels, r == img_resolution, **block_kwargs
            )
            self.add_module(f"b{r}", block)

    def forward(self, ws, noise_mode="const", force_fp32=True):
        """noise_mode is const, none or random."""
        x = img = None
        start = 0
        for resolution in self.block_resolutions:
            block = getattr(self, f"b{resolution}")
            x, img = block(x, img, ws[:, start : start + block.num_conv + 1], noise_mode)
            start += block.num_conv  # the row of toRGB is also the next block's first
        return img


class Generator(nn.Module):
    """Mapping and synthesis. `channels`: widths from 4x4 upwards, where no channel_base gives them."""

    def __init__(
        self,
        z_dim,
        c_dim,
        w_dim,
        img_resolution,
        img_channels,
        mapping_kwargs=None,
        synthesis_kwargs=None,
        channels=None,
    ):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.synthesis = SynthesisNetwork(
            w_dim, img_resolution, img_channels, channels=channels, **synthesis_kwargs or {}
        )
        self.num_ws = self.synthesis.num_ws
        self.mapping = MappingNetwork(z_dim, c_dim, w_dim, self.num_ws, **mapping_kwargs or {})

    def forward(self, z, c=None, truncation_psi=1, truncation_cutoff=None, noise_mode="const", force_fp32=True):
        return self.synthesis(self.mapping(z, c, truncation_psi, truncation_cutoff), noise_mode, force_fp32)
