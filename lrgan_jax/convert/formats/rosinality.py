"""rosinality/stylegan2-pytorch `.pt`: converted models (`g_ema`, `latent_avg`), and snapshots without a mean latent."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.layouts import scalar, with_first, with_two, without_first, without_two
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, number, taps_of
from lrgan_jax.convert.formats.stylegan2.names import block_number, layer_number, numbered_layer
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network, Understood
from lrgan_jax.convert.formats.stylegan2.own import own_settings
from lrgan_jax.convert.formats.told import GIVEN
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN2Config

NAME = "rosinality/stylegan2-pytorch"
SIGN = "input.input"
USUAL = ("g_ema", "g")


# ---- Names, there and back.


def _common(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of conv1, to_rgb1, convs.{i} or to_rgbs.{k}, the first group of the match."""
    return lambda match: _common_layer(match[1]) + suffix


def _common_layer(place: str) -> str:
    """convs.{2k} and convs.{2k+1} are conv0 and conv1 of resolution 8 * 2^k."""
    kind, _, index = place.partition(".")
    if kind.startswith("conv"):
        return numbered_layer(int(index) + 1 if index else 0)
    return f"synthesis.b{8 * 2 ** int(index) if index else 4}.torgb"


_LAYER = r"(conv1|to_rgb1|convs\.\d+|to_rgbs\.\d+)"
RULES = (
    Rule(r"style\.(\d+)\.(weight|bias)", lambda m: f"mapping.fc{int(m[1]) - 1}.{m[2]}", "style.0 is the pixel norm"),
    Rule(r"input\.input", "synthesis.b4.const", "[1, C, 4, 4] to [C, 4, 4]", without_first),
    Rule(_LAYER + r"\.conv\.weight", _common(".weight"), "[1, O, I, k, k] to [O, I, k, k]", without_first),
    Rule(_LAYER + r"\.conv\.modulation\.weight", _common(".affine.weight"), "as it is"),
    Rule(_LAYER + r"\.conv\.modulation\.bias", _common(".affine.bias"), "as it is, the 1 included"),
    Rule(_LAYER + r"\.activate\.bias", _common(".bias"), "as it is"),
    Rule(_LAYER + r"\.bias", _common(".bias"), "toRGB: [1, 3, 1, 1] to [3]", lambda a: a.reshape(a.size)),
    Rule(_LAYER + r"\.noise\.weight", _common(".noise_strength"), "[1] to a scalar", scalar),
    Rule(_LAYER + r"\.(conv\.blur|upsample)\.kernel", _common(".resample_filter"), "without the gain", lambda a: a / 4),
    Rule(r"noises\.noise_(\d+)", lambda m: f"{numbered_layer(int(m[1]))}.noise_const", "[1, 1, r, r]", without_two),
    Rule(r"latent_avg", "mapping.w_avg", "as it is"),
)


def _theirs(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of b{r}.conv{i} or b{r}.torgb, the first two groups of the match."""
    return lambda match: _their_layer(match[1], match[2]) + suffix


def _their_layer(resolution: str, layer: str) -> str:
    first, others, number = "to_rgb1", "to_rgbs", block_number(resolution)
    if layer != "torgb":
        first, others, number = "conv1", "convs", layer_number(resolution, layer[-1])
    return f"{others}.{number - 1}" if number else first


_ANY, _CONV = r"synthesis\.b(\d+)\.(conv[01]|torgb)", r"synthesis\.b(\d+)\.(conv[01])"
BACK = (
    Rule(r"mapping\.fc(\d+)\.(weight|bias)", lambda m: f"style.{int(m[1]) + 1}.{m[2]}", "style.0 is the pixel norm"),
    Rule(r"synthesis\.b4\.const", "input.input", "[C, 4, 4] to [1, C, 4, 4]", with_first),
    Rule(_ANY + r"\.weight", _theirs(".conv.weight"), "[O, I, k, k] to [1, O, I, k, k]", with_first),
    Rule(_ANY + r"\.affine\.weight", _theirs(".conv.modulation.weight"), "as it is"),
    Rule(_ANY + r"\.affine\.bias", _theirs(".conv.modulation.bias"), "as it is, the 1 included"),
    Rule(_CONV + r"\.bias", _theirs(".activate.bias"), "as it is"),
    Rule(r"synthesis\.b(\d+)\.(torgb)\.bias", _theirs(".bias"), "to [1, 3, 1, 1]", lambda a: a[None, :, None, None]),
    Rule(_CONV + r"\.noise_strength", _theirs(".noise.weight"), "a scalar to [1]", with_first),
    Rule(
        r"synthesis\.b(\d+)\.(conv0)\.resample_filter", _theirs(".conv.blur.kernel"), "with the gain", lambda a: 4 * a
    ),
    Rule(r"synthesis\.b(\d+)\.(torgb)\.resample_filter", _theirs(".upsample.kernel"), "with the gain", lambda a: 4 * a),
    Rule(_CONV + r"\.noise_const", lambda m: f"noises.noise_{layer_number(m[1], m[2][-1])}", "[1, 1, r, r]", with_two),
    Rule(r"mapping\.w_avg", "latent_avg", "as it is"),
)


# ---- What the file says of its network.


def read(place: Place) -> StyleGAN2Network:
    """The network there, with the mean latent that is nearest beside it."""
    tensors = dict(place.tensors)
    if "latent_avg" not in tensors and isinstance(mean := place.beside("latent_avg"), np.ndarray):
        tensors["latent_avg"] = mean
    settings: dict[str, Any] = {"scaled_demodulation": True, **own_settings(place.owner)}
    # z and w are of one width in this code: that of the styles.
    styles = Counter(
        a.shape[-1] for name, a in tensors.items() if name.endswith(".conv.modulation.weight") and a.ndim == 2
    )
    if styles:
        settings["z_dim"] = styles.most_common(1)[0][0]
    training = place.beside("args") if place.path in USUAL else None  # others' `args` mean other things
    arguments = training.state if isinstance(training, Record) else None
    check = partial(_check, arguments or {})
    return StyleGAN2Network(NAME, tensors, RULES, BACK, _understand, settings, check=check, arguments=arguments)


def _understand(given: Mapping[str, Any]) -> Understood:
    """The generator's."""

    def table(config: StyleGAN2Config) -> Table:
        return {
            "size": config.resolutions[-1],
            "style_dim": config.w_dim,
            "n_mlp": config.mapping_layers,
            "channel_multiplier": ANY,  # the widths are in the tensors
            "blur_kernel": taps_of(config.filter),
            "lr_mlp": config.mapping_lr,
        }

    settings = {"mapping_lr": number(given["lr_mlp"], "lr_mlp")} if "lr_mlp" in given else {}
    return Understood(settings, lambda config: disagreements(given, table(config), GIVEN))


def _check(arguments: Mapping[str, Any], config: StyleGAN2Config) -> Iterator[str]:
    """Of what the training script was told, that which makes the network."""
    table = {
        "size": config.resolutions[-1],
        "latent": config.w_dim,
        "n_mlp": config.mapping_layers,
        "arch": "stylegan2",
    }
    yield from disagreements({name: arguments[name] for name in table if name in arguments}, table, "args")
