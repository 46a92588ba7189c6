"""NVIDIA's pickled modules as records: made as its constructors make them, and run as its code runs them.

`generator(gen)` writes one of our models with every attribute and argument that stylegan2-ada-pytorch's modules have.
`run(record, z, c)` is the image that its code would give: whatever an attribute says is done, and what would make that
code fail fails here. So it is the judge of files whose attributes were altered. Slow and obvious, in float64, on images
[H, W, C], like `reference`, from which its sums are.
"""

import numpy as np
import reference

from lrgan_jax.convert.formats.stylegan2.names import common_tensors
from lrgan_jax.foreign.allowed import Record

HOOKS = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks")
GAINS = {"linear": 1.0, "relu": 2**0.5, "lrelu": 2**0.5}


# ---- The constructors.


def module(kind, attributes, args, kwargs, parameters=None, buffers=None, modules=None):
    state = {"training": False, "_non_persistent_buffers_set": set(), **{name: {} for name in HOOKS}}
    state |= {"_parameters": parameters or {}, "_buffers": buffers or {}, "_modules": modules or {}}
    return Record(kind, (), state | attributes | {"_init_args": args, "_init_kwargs": kwargs})


def dense(tensors, **kwargs):
    (outputs, inputs), lr = tensors["weight"].shape, kwargs.get("lr_multiplier", 1)
    attributes = {
        "activation": kwargs.get("activation", "linear"),
        "weight_gain": lr / np.sqrt(inputs),
        "bias_gain": lr,
    }
    return module("FullyConnectedLayer", attributes, (inputs, outputs), kwargs, tensors)


def generator(gen):
    """The record of the whole network, G_ema of a snapshot."""
    cfg, named = gen.config, common_tensors(gen)
    taps = np.asarray(cfg.filter, np.float32)
    square = np.outer(taps, taps) if taps.ndim == 1 and len(taps) < 8 else taps

    def below(path):
        return {name.removeprefix(f"{path}."): a for name, a in named.items() if name.rpartition(".")[0] == path}

    layers = {
        f"fc{i}": dense(below(f"mapping.fc{i}"), activation="lrelu", lr_multiplier=cfg.mapping_lr)
        for i in range(cfg.mapping_layers)
    }
    if cfg.c_dim:
        layers["embed"] = dense(below("mapping.embed"))
    latents = {"z_dim": cfg.z_dim, "c_dim": cfg.c_dim, "w_dim": cfg.w_dim}
    mapping_kwargs = {
        "num_layers": cfg.mapping_layers,
        "lr_multiplier": cfg.mapping_lr,
        "layer_features": cfg.mapping_features,
    }
    mapping_kwargs |= {"embed_features": cfg.embed_features} if cfg.c_dim else {}
    mapping = module(
        "MappingNetwork",
        latents | {"num_ws": cfg.num_ws, "num_layers": cfg.mapping_layers, "w_avg_beta": 0.995},
        (),
        latents | {"num_ws": cfg.num_ws} | mapping_kwargs,
        {},
        {"w_avg": named["mapping.w_avg"]},
        layers,
    )
    synthesis_kwargs = {
        "architecture": cfg.architecture,
        "conv_clamp": cfg.conv_clamp,
        "resample_filter": taps.tolist(),
    }
    widths = {
        "channel_base": max(c * r for c, r in zip(cfg.channels, cfg.resolutions, strict=True)),
        "channel_max": max(cfg.channels),
    }
    synthesis_kwargs |= {"use_noise": cfg.use_noise} | widths
    blocks = {f"b{r}": block(cfg, k, below, square) for k, r in enumerate(cfg.resolutions)}
    sizes = {"w_dim": cfg.w_dim, "img_resolution": cfg.resolutions[-1], "img_channels": cfg.img_channels}
    more = {
        "img_resolution_log2": len(cfg.channels) + 1,
        "block_resolutions": list(cfg.resolutions),
        "num_ws": cfg.num_ws,
    }
    synthesis = module("SynthesisNetwork", sizes | more, (), sizes | synthesis_kwargs, modules=blocks)
    images = {name: sizes[name] for name in ("img_resolution", "img_channels")}
    return module(
        "Generator",
        latents | images | {"num_ws": cfg.num_ws},
        (cfg.z_dim, cfg.c_dim),
        {"w_dim": cfg.w_dim} | images | {"mapping_kwargs": mapping_kwargs, "synthesis_kwargs": synthesis_kwargs},
        modules={"synthesis": synthesis, "mapping": mapping},
    )


def block(cfg, k, below, square):
    resolution, width, before = cfg.resolutions[k], cfg.channels[k], cfg.channels[k - 1] if k else 0
    path, last = f"synthesis.b{resolution}", k == len(cfg.channels) - 1
    default = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    modules = {}
    for name, inputs, up in (("conv0", before, 2), ("conv1", width, 1))[0 if k else 1 :]:
        own = below(f"{path}.{name}")
        picture = {name: own.pop(name) for name in ("noise_const",) if name in own}
        attributes = {
            "resolution": resolution,
            "up": up,
            "use_noise": cfg.use_noise,
            "activation": "lrelu",
            "conv_clamp": cfg.conv_clamp,
        }
        modules[name] = module(
            "SynthesisLayer",
            attributes | {"padding": 1, "act_gain": np.sqrt(2)},
            (inputs, width),
            {"w_dim": cfg.w_dim, "resolution": resolution, "conv_clamp": cfg.conv_clamp, "channels_last": False}
            | ({"up": 2, "resample_filter": square.tolist()} if up == 2 else {}),
            own,
            {"resample_filter": square if up == 2 else default} | picture,
            {"affine": dense(below(f"{path}.{name}.affine"), bias_init=1)},
        )
    has_rgb = last or cfg.architecture == "skip"
    if has_rgb:
        modules["torgb"] = module(
            "ToRGBLayer",
            {"conv_clamp": cfg.conv_clamp, "weight_gain": 1 / np.sqrt(width)},
            (width, cfg.img_channels),
            {"w_dim": cfg.w_dim, "conv_clamp": cfg.conv_clamp},
            below(f"{path}.torgb"),
            {},
            {"affine": dense(below(f"{path}.torgb.affine"), bias_init=1)},
        )
    if k and cfg.architecture == "resnet":
        attributes = {
            "activation": "linear",
            "up": 2,
            "down": 1,
            "conv_clamp": None,
            "padding": 0,
            "act_gain": 1,
            "bias": None,
        }
        modules["skip"] = module(
            "Conv2dLayer",
            attributes | {"weight_gain": 1 / np.sqrt(before)},
            (before, width),
            {"kernel_size": 1, "bias": False, "up": 2},
            below(f"{path}.skip"),
            {"resample_filter": square},
        )
    attributes = {
        "in_channels": before,
        "w_dim": cfg.w_dim,
        "resolution": resolution,
        "img_channels": cfg.img_channels,
        "is_last": last,
    }
    attributes |= {"architecture": cfg.architecture, "use_fp16": False, "channels_last": False}
    attributes |= {"num_conv": 2 if k else 1, "num_torgb": int(has_rgb)}
    kwargs = {
        "w_dim": cfg.w_dim,
        "resolution": resolution,
        "img_channels": cfg.img_channels,
        "is_last": last,
        "use_fp16": False,
    }
    return module(
        "SynthesisBlock",
        attributes,
        (before, width),
        kwargs | {"architecture": cfg.architecture},
        {} if k else {"const": below(path)["const"]},
        {"resample_filter": square},
        modules,
    )


# ---- The forward pass.


class Layer:
    """A record's attributes, tensors and children by name, as `self.name` finds them in a module."""

    def __init__(self, record):
        self.state = record.state

    def __getattr__(self, name):
        for part in (self.state["_parameters"], self.state["_buffers"], self.state["_modules"], self.state):
            if name in part:
                value = part[name]
                if isinstance(value, Record):
                    return Layer(value)
                return np.asarray(value, np.float64) if isinstance(value, np.ndarray) else value
        raise AttributeError(name)


def run(record, z, c=None):
    """The image [H, W, C] of one latent z [z_dim], with constant noise."""
    net = Layer(record)
    return synthesis_network(net.synthesis, mapping_network(net.mapping, z[None].astype(np.float64), c))


def activate(x, name, gain, clamp=None):
    x = {"linear": lambda x: x, "relu": lambda x: np.maximum(x, 0), "lrelu": lambda x: np.where(x < 0, 0.2 * x, x)}[
        name
    ](x) * gain
    return x if clamp is None else np.clip(x, -clamp, clamp)


def fully_connected(layer, x):
    x = x @ (layer.weight * layer.weight_gain).T + layer.bias * layer.bias_gain
    return activate(x, layer.activation, GAINS[layer.activation])


def mapping_network(net, z, c):
    x = None
    if net.z_dim > 0:
        assert z.shape[1] == net.z_dim
        x = reference.normalize(z)
    if net.c_dim > 0:
        assert c.shape[-1] == net.c_dim
        y = reference.normalize(fully_connected(net.embed, c[None]))
        x = y if x is None else np.concatenate([x, y], axis=1)
    for i in range(net.num_layers):
        x = fully_connected(getattr(net, f"fc{i}"), x)
    return np.repeat(x, net.num_ws, axis=0)


def synthesis_network(net, ws):
    assert ws.shape == (net.num_ws, net.w_dim)
    x = img = None
    start = 0
    for resolution in net.block_resolutions:
        block = getattr(net, f"b{resolution}")
        x, img = synthesis_block(block, x, img, ws[start : start + block.num_conv + block.num_torgb])
        start += block.num_conv
    return img


def synthesis_block(net, x, img, ws):
    assert ws.shape == (net.num_conv + net.num_torgb, net.w_dim)
    rows, gain = iter(ws), 0.5**0.5
    if net.in_channels == 0:
        x = synthesis_layer(net.conv1, net.const.transpose(1, 2, 0), next(rows))
    else:
        assert x.shape == (net.resolution // 2, net.resolution // 2, net.in_channels)
        if net.architecture == "resnet":
            y = conv_layer(net.skip, x, gain)
            x = y + synthesis_layer(net.conv1, synthesis_layer(net.conv0, x, next(rows)), next(rows), gain)
        else:
            x = synthesis_layer(net.conv1, synthesis_layer(net.conv0, x, next(rows)), next(rows))
    img = None if img is None else reference.upsample(img, net.resample_filter)
    if net.is_last or net.architecture == "skip":
        rgb = torgb_layer(net.torgb, x, next(rows))
        img = rgb if img is None else img + rgb
    return x, img


def synthesis_layer(layer, x, w, gain=1.0):
    assert (
        x.shape[:2] == (layer.resolution // layer.up,) * 2
        and layer.padding == layer.weight.shape[-1] // 2
        and layer.up in (1, 2)
    )
    taps = layer.resample_filter if layer.up == 2 else None
    x = reference.modulated_conv(x, layer.weight.transpose(2, 3, 1, 0), fully_connected(layer.affine, w), taps=taps)
    if layer.use_noise:
        x = x + (layer.noise_const * layer.noise_strength)[..., None]
    clamp = None if layer.conv_clamp is None else layer.conv_clamp * gain
    return activate(x + layer.bias, layer.activation, layer.act_gain * gain, clamp)


def torgb_layer(layer, x, w):
    style = fully_connected(layer.affine, w) * layer.weight_gain
    x = reference.modulated_conv(x, layer.weight.transpose(2, 3, 1, 0), style, demodulate=False)
    return activate(x + layer.bias, "linear", 1, layer.conv_clamp)


def conv_layer(layer, x, gain):
    assert (layer.up, layer.down, layer.padding, layer.bias) == (2, 1, 0, None)
    x = reference.upsample(
        reference.correlate(x, layer.weight.transpose(2, 3, 1, 0) * layer.weight_gain), layer.resample_filter
    )
    return activate(
        x, layer.activation, layer.act_gain * gain, None if layer.conv_clamp is None else layer.conv_clamp * gain
    )
