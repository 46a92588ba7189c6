"""Generators with the surface of other projects' PyTorch code, as in `peer_standins`: genforce's StyleGAN (1)
and PGGAN.

`StyleGAN` and `PGGAN` are Hammer's, `SeFaStyleGAN` and `SeFaPGGAN` of the code before.
"""

import math

import torch
import torch.nn.functional as F
from peer_standins import Holder, sizes_up_to
from torch import nn

ROOT_2 = math.sqrt(2)


def pixel_norm(x):
    return x / torch.sqrt(x.square().mean(1, keepdim=True) + 1e-8)


def leaky(x):
    return F.leaky_relu(x, 0.2)


def doubled(x):
    return F.interpolate(x, scale_factor=2)


def blur_kernel(channels):
    return torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])).repeat(channels, 1, 1, 1) / 16


def blurred(x, kernel):
    """Every channel by the first of the kernels."""
    return F.conv2d(x.flatten(0, 1)[:, None], kernel[:1], padding=1)[:, 0].unflatten(0, x.shape[:2])


def grown(lod, run_block, run_colours, blocks):
    """The picture of a progressive network: the block at the level of detail, faded into from the one before."""
    x = image = None
    for k in range(blocks):
        level = blocks - 1 - k
        if lod < level + 1:
            x = run_block(k, x)
        image = None if image is None else doubled(image)
        if abs(lod - level) < 1:
            share, colours = min(level + 1 - lod, 1), run_colours(k, x)
            image = colours if image is None or share == 1 else share * colours + (1 - share) * image
    return image


class Weighted(nn.Module):
    """A weight and a bias, with their factors."""

    def __init__(self, shape, fan_in, outputs, gain=ROOT_2, lr=1.0, linear=False):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(shape)), nn.Parameter(torch.zeros(outputs))
        self.scale, self.lr, self.linear = gain * lr / math.sqrt(fan_in), lr, linear

    def finished(self, x):
        bias = self.lr * self.bias
        x = x + (bias if x.ndim == 2 else bias[:, None, None])
        return x if self.linear else leaky(x)


class Dense(Weighted):
    def __init__(self, inputs, outputs, **more):
        super().__init__((outputs, inputs), inputs, outputs, **more)

    def forward(self, x):
        return self.finished(x @ (self.scale * self.weight).T)


# ---- genforce's StyleGAN.


class OldStyle(Dense):
    """Returns what it is applied to, and itself behind."""

    def forward(self, x, w):  # pyright: ignore[reportIncompatibleMethodOverride]
        style = super().forward(w)
        return styled(x, style), style


def styled(x, style):
    scale, shift = style[:, :, None, None].chunk(2, 1)
    return x * (1 + scale) + shift


class StyledLayer(Weighted):
    """Convolution or constant, noise, bias, activation, norm and style, which it returns behind the rest."""

    weight: nn.Parameter | None

    def __init__(self, inputs, outputs, r, w_dim, up=False, fused=False, old=False):
        super().__init__((outputs, inputs, 3, 3), 9 * max(inputs, 1), outputs)
        if not inputs:
            self.weight, self.const = None, nn.Parameter(torch.randn(1, outputs, r, r))
        self.up, self.fused, self.old = up, fused, old
        if old:
            self.apply_noise = Holder(("noise", torch.randn(1, 1, r, r)), weight=torch.zeros(outputs))
        else:
            self.register_buffer("noise", torch.randn(1, 1, r, r))
            self.noise_strength = nn.Parameter(torch.zeros(1, outputs, 1, 1))
        self.style = (OldStyle if old else Dense)(w_dim, 2 * outputs, gain=1.0, linear=True)
        if up and old:
            self.blur = Holder(("kernel", blur_kernel(outputs)))
        elif up:
            self.register_buffer("filter", blur_kernel(1))

    def forward(self, x, w, noise_mode="const"):
        assert noise_mode == "const"
        if self.weight is None:
            x = self.const.expand(len(w), -1, -1, -1)
        else:
            weight = self.scale * self.weight
            x = doubled(x) if self.up else x
            x = F.conv2d(x, weight.flip((2, 3)) if self.fused else weight, padding=1)
            x = blurred(x, self.blur.kernel if self.old else self.get_buffer("filter")) if self.up else x
        strength = self.apply_noise.weight[:, None, None] if self.old else self.noise_strength
        x = self.finished(x + (self.apply_noise if self.old else self).get_buffer("noise") * strength)
        x = x - x.mean((2, 3), keepdim=True)
        x = x / torch.sqrt(x.square().mean((2, 3), keepdim=True) + 1e-8)
        return self.style(x, w) if self.old else (styled(x, style := self.style(w)), style)


class Colours(Weighted):
    def __init__(self, inputs, outputs):
        super().__init__((outputs, inputs, 1, 1), inputs, outputs, gain=1.0, linear=True)

    def forward(self, x, _=None):
        return self.finished(F.conv2d(x, self.scale * self.weight))


class StyleGAN(nn.Module):
    old = False

    def __init__(
        self,
        z_dim=512,
        w_dim=512,
        repeat_w=True,
        normalize_z=True,
        mapping_layers=8,
        mapping_fmaps=512,
        mapping_use_wscale=True,
        mapping_wscale_gain=ROOT_2,
        mapping_lr_mul=0.01,
        label_dim=0,
        embedding_dim=512,
        resolution=-1,
        init_res=4,
        image_channels=3,
        final_tanh=False,
        fused_scale="auto",
        fused_scale_res=128,
        use_wscale=True,
        wscale_gain=ROOT_2,
        lr_mul=1.0,
        noise_type="spatial",
        fmaps_base=16384,
        fmaps_max=512,
        filter_kernel=(1, 2, 1),
        eps=1e-8,
    ):
        super().__init__()
        assert mapping_use_wscale and use_wscale and normalize_z and noise_type == "spatial" and init_res == 4
        sizes = sizes_up_to(resolution)
        widths = [0, *(min(fmaps_base // r, fmaps_max) for r in sizes)]
        self.repeat_w, self.w_dim, self.blocks, self.final_tanh = repeat_w, w_dim, len(sizes), final_tanh
        self.mapping, self.synthesis = nn.Module(), nn.Module()
        total = w_dim if repeat_w else w_dim * 2 * len(sizes)
        features = [z_dim + (embedding_dim if label_dim else 0), *[mapping_fmaps] * (mapping_layers - 1), total]
        for i, (inputs, outputs) in enumerate(zip(features, features[1:], strict=False)):
            dense = Dense(inputs, outputs, gain=mapping_wscale_gain, lr=mapping_lr_mul)
            self.mapping.add_module(f"dense{i}", dense)
        if label_dim:
            table = nn.Parameter(torch.randn(label_dim, embedding_dim))
            self.mapping.register_parameter("label_weight" if self.old else "embedding", table)
        if self.old:
            self.truncation = Holder(("w_avg", torch.zeros(total)))
        else:
            self.register_buffer("w_avg", torch.zeros(total))
        self.synthesis.register_buffer("lod", torch.zeros(()))
        for k, r in enumerate(sizes):
            fused = bool(k) and (r >= fused_scale_res if fused_scale == "auto" else fused_scale)
            first = StyledLayer(widths[k], widths[k + 1], r, w_dim, k > 0, fused, self.old)
            second = StyledLayer(widths[k + 1], widths[k + 1], r, w_dim, old=self.old)
            self.synthesis.add_module(f"layer{2 * k}", first)
            self.synthesis.add_module(f"layer{2 * k + 1}", second)
            self.synthesis.add_module(f"output{k}", Colours(widths[k + 1], image_channels))

    def run(self, z, label):
        tables = dict(self.mapping.named_parameters(recurse=False)).values()
        w = pixel_norm(torch.cat([z, *(label @ table for table in tables)], 1))
        for _, dense in self.mapping.named_children():
            w = dense(w)
        ws = w[:, None].expand(-1, 2 * self.blocks, -1) if self.repeat_w else w.unflatten(1, (-1, self.w_dim))
        layers = dict(self.synthesis.named_children())

        def block(k, x):
            for i in (2 * k, 2 * k + 1):
                x, _ = layers[f"layer{i}"](x, ws[:, i])
            return x

        lod = self.synthesis.get_buffer("lod").item()
        image = grown(lod, block, lambda k, x: layers[f"output{k}"](x), self.blocks)
        return {"w": w, "image": image.tanh() if self.final_tanh else image}

    def forward(self, z, label=None, lod=None, noise_mode="const"):
        assert lod is None and noise_mode == "const"
        return self.run(z, label)


class SeFaStyleGAN(StyleGAN):
    """Labels have a row as wide as z."""

    old = True

    def __init__(self, resolution, z_space_dim=512, w_space_dim=512, label_size=0, const_input=True, **common):
        assert const_input
        super().__init__(z_space_dim, w_space_dim, label_dim=label_size, embedding_dim=z_space_dim,
                         resolution=resolution, **common)  # fmt: skip

    def forward(self, z, label=None, lod=None, randomize_noise=False, **unused):
        assert lod is None and not randomize_noise
        return self.run(z, label)


# ---- genforce's PGGAN.


class NormLayer(Weighted):
    """Fused ones hold their weight the other way round."""

    def __init__(self, inputs, outputs, size, padding, up=False, fused=False, **more):
        shape = (inputs, outputs, size, size) if fused else (outputs, inputs, size, size)
        super().__init__(shape, size * size * inputs, outputs, **more)
        self.padding, self.up, self.fused = padding, up, fused

    def forward(self, x):
        x = doubled(pixel_norm(x)) if self.up else pixel_norm(x)
        weight = self.scale * (self.weight.flip((2, 3)).transpose(0, 1) if self.fused else self.weight)
        return self.finished(F.conv2d(x, weight, padding=self.padding))


class PGGAN(nn.Module):
    def __init__(
        self,
        resolution,
        init_res=4,
        z_dim=512,
        image_channels=3,
        final_tanh=False,
        label_dim=0,
        fused_scale=False,
        use_wscale=True,
        wscale_gain=ROOT_2,
        fmaps_base=16384,
        fmaps_max=512,
        eps=1e-8,
    ):
        super().__init__()
        assert init_res == 4 and use_wscale and eps == 1e-8
        sizes = sizes_up_to(resolution)
        widths = [min(fmaps_base // r, fmaps_max) for r in sizes]
        self.blocks, self.final_tanh = len(sizes), final_tanh
        self.register_buffer("lod", torch.zeros(()))
        for k, width in enumerate(widths):
            self.add_module(f"layer{2 * k}",
                NormLayer(widths[k - 1], width, 3, 1, up=True, fused=fused_scale, gain=wscale_gain)
                if k else NormLayer(z_dim + label_dim, width, 4, 3, gain=wscale_gain))  # fmt: skip
            self.add_module(f"layer{2 * k + 1}", NormLayer(width, width, 3, 1, gain=wscale_gain))
            self.add_module(f"output{k}", NormLayer(width, image_channels, 1, 0, gain=1.0, linear=True))

    def forward(self, z, label=None, lod=None):
        assert lod is None
        z = torch.cat([pixel_norm(z), *([] if label is None else [label])], 1)[:, :, None, None]
        layers = dict(self.named_children())

        def block(k, x):
            return layers[f"layer{2 * k + 1}"](layers[f"layer{2 * k}"](x if k else z))

        image = grown(self.get_buffer("lod").item(), block, lambda k, x: layers[f"output{k}"](x), self.blocks)
        return {"z": z, "image": image.tanh() if self.final_tanh else image}


class SeFaPGGAN(PGGAN):
    def __init__(self, resolution, z_space_dim=512, label_size=0, **common):
        super().__init__(resolution, z_dim=z_space_dim, label_dim=label_size, **common)

    def forward(self, z, label=None, lod=None, **unused):
        return super().forward(z, label, lod)
