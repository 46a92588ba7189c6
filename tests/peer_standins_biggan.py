"""Generators with the surface of other projects' PyTorch code, as in `peer_standins`: BigGAN.

`BigGAN` and `BigGANDeep` are ajbrock's, `HuggingFace` with `BigGANConfig` is HuggingFace's.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from peer_standins import Holder
from torch import nn

WIDTHS = {32: (4, 4, 4, 4), 64: (16, 16, 8, 4, 2)}


def doubled(x):
    return F.interpolate(x, scale_factor=2)


def attended(x, query, key, value):
    """What each place sees of a picture of half the size."""
    key, value = (F.max_pool2d(part, 2).flatten(2) for part in (key, value))
    seen = torch.softmax(query.flatten(2).transpose(1, 2) @ key, -1)
    return (value @ seen.transpose(1, 2)).unflatten(2, x.shape[2:])


# ---- ajbrock's.


class Layer(nn.Module):
    """Dense if `size` is 0, else a convolution; its weight divided by what one power step makes its largest singular
    value of, if it has vectors.
    """

    def __init__(self, inputs, outputs, size=0, bias=True, vectors=0, eps=1e-12):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *[size] * (2 if size else 0)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.eps = eps
        for i in range(vectors):
            self.register_buffer(f"u{i}", torch.randn(1, outputs))
            self.register_buffer(f"sv{i}", torch.ones(1))

    def forward(self, x):
        weight, vectors = self.weight, dict(self.named_buffers())
        if "u0" in vectors:
            matrix = weight.flatten(1)
            v = F.normalize(vectors["u0"] @ matrix, eps=self.eps)
            u = F.normalize(v @ matrix.T, eps=self.eps)
            weight = weight / (v @ matrix.T @ u.T)[0, 0]
        if x.ndim == 2:
            return F.linear(x, weight, self.bias)
        return F.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)


class Statistics(Holder):
    """Of `mybn`, or of `cross_replica`, which adds its gain."""

    def __init__(self, width, added):
        mean, var = ("running_mean", "running_var") if added else ("stored_mean", "stored_var")
        count = ("num_batches_tracked", torch.tensor(0)) if added else ("accumulation_counter", torch.zeros(1))
        super().__init__((mean, torch.zeros(width)), (var, torch.ones(width)), count)
        self.added, self.accumulate_standing = added, False

    def forward(self, x, gain, bias, eps):
        mean, var, count = self.buffers()
        number = count if self.accumulate_standing else 1
        x = F.batch_norm(x, mean / number, var / number, eps=eps)
        return x + gain + bias if self.added else x * gain + bias


class Norm(nn.Module):
    """Of a class, or without a way to make its gain and bias the last one, with parameters and an eps of its own."""

    def __init__(self, width, linear=None, eps=1e-5, cross_replica=False, mybn=False, norm_style="bn"):
        super().__init__()
        self.conditional, self.eps, self.norm_style = linear is not None, eps, norm_style
        if linear is not None:
            self.gain, self.bias = linear(width), linear(width)
        else:
            self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        if cross_replica or mybn:
            self.bn = Statistics(width, added=cross_replica)
        elif norm_style != "nonorm":
            self.register_buffer("stored_mean", torch.zeros(width))
            self.register_buffer("stored_var", torch.ones(width))

    def forward(self, x, y=None):
        gain, bias = (1 + self.gain(y), self.bias(y)) if self.conditional else (self.gain, self.bias)
        gain, bias = gain[..., None, None], bias[..., None, None]
        if hasattr(self, "bn"):
            return self.bn(x, gain, bias, self.eps)
        if self.norm_style != "nonorm":
            x = F.batch_norm(x, self.get_buffer("stored_mean"), self.get_buffer("stored_var"), eps=self.eps)
        return x * gain + bias


class Attention(nn.Module):
    def __init__(self, width, layer):
        super().__init__()
        self.theta, self.phi, self.g, self.o = (
            layer(a, b, 1, bias=False)
            for a, b in ((width, width // 8), (width, width // 8), (width, width // 2), (width // 2, width))
        )
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x, y):
        return self.gamma * self.o(attended(x, self.theta(x), self.phi(x), self.g(x))) + x


class Block(nn.Module):
    def __init__(self, inputs, outputs, up, layer, norm):
        super().__init__()
        self.conv1, self.conv2 = layer(inputs, outputs, 3), layer(outputs, outputs, 3)
        self.conv_sc = layer(inputs, outputs, 1)
        self.bn1, self.bn2 = norm(inputs), norm(outputs)

    def forward(self, x, y):
        h = self.conv1(doubled(F.relu(self.bn1(x, y))))
        return self.conv2(F.relu(self.bn2(h, y))) + self.conv_sc(doubled(x))


class DeepBlock(nn.Module):
    def __init__(self, inputs, outputs, up, layer, norm):
        super().__init__()
        inner, self.outputs, self.up = inputs // 4, outputs, up
        self.conv1, self.conv4 = layer(inputs, inner, 1), layer(inner, outputs, 1)
        self.conv2, self.conv3 = layer(inner, inner, 3), layer(inner, inner, 3)
        self.bn1, (self.bn2, self.bn3, self.bn4) = norm(inputs), (norm(inner) for _ in "234")

    def forward(self, x, y):
        h = F.relu(self.bn2(self.conv1(F.relu(self.bn1(x, y))), y))
        x = x[:, : self.outputs]
        h, x = (doubled(h), doubled(x)) if self.up else (h, x)
        h = self.conv3(F.relu(self.bn3(self.conv2(h), y)))
        return self.conv4(F.relu(self.bn4(h, y))) + x


class BigGAN(nn.Module):
    deep = False

    def __init__(
        self,
        G_ch=64,
        dim_z=128,
        bottom_width=4,
        resolution=128,
        G_attn="64",
        n_classes=1000,
        num_G_SVs=1,
        G_shared=True,
        shared_dim=0,
        hier=False,
        cross_replica=False,
        mybn=False,
        G_activation=None,
        BN_eps=1e-5,
        SN_eps=1e-12,
        G_param="SN",
        norm_style="bn",
        G_depth=2,
        **kwargs,
    ):
        super().__init__()
        print("a word about the architecture")  # as theirs does
        assert G_activation is None and not isinstance(G_activation, str)
        widths = [G_ch * unit for unit in WIDTHS[resolution]]
        slots = len(widths) if hier and not self.deep else 1
        self.hier, self.bottom, self.chunk = hier, bottom_width, dim_z // slots
        layer = partial(Layer, vectors=num_G_SVs if G_param == "SN" else 0, eps=SN_eps)
        embedded = shared_dim or dim_z
        seen = embedded + (dim_z if self.deep else self.chunk if hier else 0)
        made = partial(layer, seen, bias=False) if G_shared else partial(nn.Embedding, n_classes)
        norm = partial(Norm, linear=made, eps=BN_eps, cross_replica=cross_replica, mybn=mybn, norm_style=norm_style)
        self.shared = nn.Embedding(n_classes, embedded) if G_shared else nn.Identity()
        self.linear = layer(seen if self.deep else self.chunk, widths[0] * bottom_width**2)
        self.blocks, depth = nn.ModuleList(), G_depth if self.deep else 1
        for k, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
            for part in range(depth):
                out = inputs if self.deep and not part else outputs
                block = (DeepBlock if self.deep else Block)(inputs, out, part == depth - 1, layer, norm)
                self.blocks.append(nn.ModuleList([block]))
            if str(8 * 2**k) in G_attn.split("_"):
                self.blocks[-1] = nn.ModuleList([*self.blocks[-1].children(), Attention(outputs, layer)])
        last = Norm(widths[-1], cross_replica=cross_replica, mybn=mybn)
        self.output_layer = nn.Sequential(last, nn.ReLU(), layer(widths[-1], 3, 3))

    def parts(self, z, y):
        """What the first layer sees, and each block."""
        if not self.hier:
            return z, [y] * len(self.blocks)
        first, *rest = z.split(self.chunk, 1)
        return first, [torch.cat([y, part], 1) for part in rest]

    def forward(self, z, y):
        first, each = self.parts(z, y)
        h = self.linear(first).unflatten(1, (-1, self.bottom, self.bottom))
        for blocks, seen in zip(self.blocks, each, strict=True):
            for block in blocks.children():
                h = block(h, seen)
        return torch.tanh(self.output_layer(h))


class BigGANDeep(BigGAN):
    deep = True

    def parts(self, z, y):
        both = torch.cat([y, z], 1)
        return both, [both] * len(self.blocks)


# ---- HuggingFace's, whose spectral norms are torch's own.


class BigGANConfig:
    """Has as attributes whatever is in the dict."""

    eps: float
    n_stats: int
    channel_width: int
    z_dim: int
    num_classes: int
    layers: list
    attention_layer_position: int

    @classmethod
    def from_dict(cls, table):
        config = cls()
        vars(config).update(table)
        return config


def normed(module, config):
    return nn.utils.spectral_norm(module, eps=config.eps)


class StatisticsOf(nn.Module):
    """A norm with statistics for each of many truncations."""

    def __init__(self, width, config, conditional=True):
        super().__init__()
        self.config, self.conditional = config, conditional
        self.register_buffer("running_means", torch.zeros(config.n_stats, width))
        self.register_buffer("running_vars", torch.ones(config.n_stats, width))
        if conditional:
            self.scale, self.offset = (normed(nn.Linear(2 * config.z_dim, width, bias=False), config) for _ in "12")
        else:
            self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x, truncation, y=None):
        share, row = math.modf(truncation / (1 / (self.config.n_stats - 1)))
        means, varis = (self.get_buffer(name) for name in ("running_means", "running_vars"))
        row, after = int(row), min(int(row) + 1, len(means) - 1)
        mean, var = (a[row] if not share else share * a[row] + (1 - share) * a[after] for a in (means, varis))
        gain, bias = (1 + self.scale(y), self.offset(y)) if self.conditional else (self.weight, self.bias)
        return F.batch_norm(x, mean, var, eps=self.config.eps) * gain[..., None, None] + bias[..., None, None]


class HuggingFaceBlock(nn.Module):
    def __init__(self, up, inputs, outputs, config):
        super().__init__()
        self.up, self.outputs = up, outputs
        widths, sizes = (inputs, *[inputs // 4] * 3, outputs), (1, 3, 3, 1)
        for i, size in enumerate(sizes):
            conv = nn.Conv2d(widths[i], widths[i + 1], size, padding=size // 2)
            self.add_module(f"bn_{i}", StatisticsOf(widths[i], config))
            self.add_module(f"conv_{i}", normed(conv, config))

    def forward(self, x, y, truncation):
        h, inside = x, dict(self.named_children())
        for i in range(4):
            h = F.relu(inside[f"bn_{i}"](h, truncation, y))
            h = inside[f"conv_{i}"](doubled(h) if self.up and i == 1 else h)
        x = x[:, : self.outputs]
        return h + (doubled(x) if self.up else x)


class HuggingFaceAttention(nn.Module):
    def __init__(self, width, config):
        super().__init__()
        sides = {"theta": (width, width // 8), "phi": (width, width // 8), "g": (width, width // 2),
                 "o_conv": (width // 2, width)}  # fmt: skip
        for part, (inputs, outputs) in sides.items():
            self.add_module(f"snconv1x1_{part}", normed(nn.Conv2d(inputs, outputs, 1, bias=False), config))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x, y, truncation):
        *see, out = self.children()
        return x + self.gamma * out(attended(x, *(part(x) for part in see)))


class HuggingFace(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = nn.Linear(config.num_classes, config.z_dim, bias=False)
        self.generator, ch = nn.Module(), config.channel_width
        layers = [HuggingFaceBlock(up, ch * inputs, ch * outputs, config) for up, inputs, outputs in config.layers]
        if 0 <= (at := config.attention_layer_position) < len(layers):
            layers.insert(at, HuggingFaceAttention(ch * config.layers[at][1], config))
        self.generator.add_module("gen_z", normed(nn.Linear(2 * config.z_dim, 4 * 4 * 16 * ch), config))
        self.generator.add_module("layers", nn.ModuleList(layers))
        self.generator.add_module("bn", StatisticsOf(ch, config, conditional=False))
        self.generator.add_module("conv_to_rgb", normed(nn.Conv2d(ch, ch, 3, padding=1), config))

    def forward(self, z, class_label, truncation):
        assert 0 < truncation <= 1
        y = torch.cat([z, self.embeddings(class_label)], 1)
        gen_z, layers, norm, rgb = self.generator.children()
        h = gen_z(y).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        for layer in layers.children():
            h = layer(h, y, truncation)
        return torch.tanh(rgb(F.relu(norm(h, truncation)))[:, :3])
