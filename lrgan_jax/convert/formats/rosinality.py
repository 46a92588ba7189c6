"""rosinality/stylegan2-pytorch `.pt`: converted models (`g_ema`, `latent_avg`) and training snapshots, which carry no mean latent."""
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule, numbered_layer
from lrgan_jax.convert.formats.settings import disagreements
from lrgan_jax.convert.formats.stylegan2.network import Network
from lrgan_jax.convert.formats.stylegan2.own import own_settings
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN2Config

FORMAT = "rosinality/stylegan2-pytorch"
SIGN = "input.input"
USUAL = ("g_ema", "g")


def _conv(match: re.Match) -> str:
    """convs.{2k} and convs.{2k+1} are conv0 and conv1 of resolution 8 * 2^k."""
    index = int(match[1])
    return f"synthesis.b{8 * 2 ** (index // 2)}.conv{index % 2}"


def _rgb(match: re.Match) -> str:
    return f"synthesis.b{8 * 2 ** int(match[1])}.torgb"


def _layer(pattern, place) -> tuple[Rule, ...]:
    """The rules of one kind of layer; `place` gives its common name."""

    def to(suffix):
        return lambda match: place(match) + suffix

    return (
        Rule(pattern + r"\.conv\.weight", to(".weight"), "drop the leading axis of 1", lambda a: a.reshape(a.shape[1:])),
        Rule(pattern + r"\.conv\.modulation\.weight", to(".affine.weight"), "as it is"),
        Rule(pattern + r"\.conv\.modulation\.bias", to(".affine.bias"), "as it is, the 1 included"),
        Rule(pattern + r"\.activate\.bias", to(".bias"), "as it is"),
        Rule(pattern + r"\.noise\.weight", to(".noise_strength"), "a scalar", lambda a: a.reshape(())),
        Rule(pattern + r"\.bias", to(".bias"), "toRGB: [1, 3, 1, 1] to [3]", lambda a: a.reshape(a.size)),
        Rule(pattern + r"\.(conv\.blur|upsample)\.kernel", to(".resample_filter"), "the gain of 4 is ours to add", lambda a: a / 4),
    )


RULES = (
    Rule(r"style\.(\d+)\.(weight|bias)", lambda m: f"mapping.fc{int(m[1]) - 1}.{m[2]}", "style.0 is the pixel norm"),
    Rule(r"input\.input", "synthesis.b4.const", "drop the leading axis of 1", lambda a: a.reshape(a.shape[1:])),
    *_layer(r"conv1", lambda match: "synthesis.b4.conv1"),
    *_layer(r"to_rgb1", lambda match: "synthesis.b4.torgb"),
    *_layer(r"convs\.(\d+)", _conv),
    *_layer(r"to_rgbs\.(\d+)", _rgb),
    Rule(
        r"noises\.noise_(\d+)",
        lambda m: numbered_layer(int(m[1])) + ".noise_const",
        "[1, 1, r, r] to [r, r]",
        lambda a: a.reshape(a.shape[2:]),
    ),
    Rule(r"latent_avg", "mapping.w_avg", "as it is"),
)


def read(place: Place) -> Network:
    """The network there, with the mean latent that is nearest beside it."""
    tensors = dict(place.tensors)
    if "latent_avg" not in tensors and isinstance(mean := place.beside("latent_avg"), np.ndarray):
        tensors["latent_avg"] = mean
    settings = {"scaled_demodulation": True, **own_settings(place.owner)}
    if (style := tensors.get("conv1.conv.modulation.weight")) is not None and style.ndim == 2:
        settings["z_dim"] = style.shape[1]  # z and w are of one width in this code
    training = place.beside("args") if place.path in USUAL else None  # others' `args` mean other things
    arguments = training.state if isinstance(training, Record) else None
    return Network(FORMAT, tensors, RULES, settings, check=partial(_check, arguments or {}), arguments=arguments)


def _check(arguments: Mapping[str, Any], config: StyleGAN2Config) -> Iterator[str]:
    """Of what the training script was told, that which makes the network."""
    table = {"size": config.resolutions[-1], "latent": config.w_dim, "n_mlp": config.mapping_layers, "arch": "stylegan2"}
    yield from disagreements({name: arguments[name] for name in table if name in arguments}, table, "args")
