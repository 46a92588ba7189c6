"""genforce's StyleGAN2 as Hammer saves and ReSeFa loads it, `.pth`; the names and places of its older relative in `sefa.py` too.

Published files are tensors alone. Those of Hammer's runner and converters carry the constructor's arguments beside the models.
"""
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.places import Place, number
from lrgan_jax.convert.formats.rules import Rule, numbered_layer
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, taps_of, word
from lrgan_jax.convert.formats.stylegan2.network import Network
from lrgan_jax.convert.formats.stylegan2.own import own_settings, untold
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN2Config

FORMAT = "genforce/Hammer StyleGAN2 (ReSeFa)"
SIGN = "synthesis.early_layer.const"
USUAL = ("models.generator_smooth", "models.generator", "generator_smooth", "generator")
ARGUMENTS = "model_kwargs_init"
# What the constructor takes where a file leaves an argument out, for those that fix the arithmetic and are no shape.
DEFAULTS = {"architecture": "skip", "label_dim": 0, "noise_type": "spatial"}


def place_of(match: re.Match) -> str:
    """Common name of layer{i}, output{k} and residual{k}, the first two groups of the match."""
    index = int(match[2])
    return numbered_layer(index) if match[1] == "layer" else f"synthesis.b{4 * 2**index}.{'torgb' if match[1] == 'output' else 'skip'}"


def at(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: the layer's common name, and this."""
    return lambda match: place_of(match) + suffix


LAYER = r"synthesis\.(layer|output|residual)(\d+)"
SHARED = (
    Rule(r"mapping\.dense(\d+)\.(weight|bias)", r"mapping.fc\1.\2", "as it is"),
    Rule(r"synthesis\.early_layer\.const", "synthesis.b4.const", "drop the leading axis of 1", lambda a: a.reshape(a.shape[1:])),
    Rule(LAYER + r"\.(bias|noise_strength|style\.weight)", lambda m: at("." + m[3].replace("style", "affine"))(m), "as it is"),
    Rule(LAYER + r"\.noise", at(".noise_const"), "[1, 1, r, r] to [r, r]", lambda a: a.reshape(a.shape[2:])),
)
RULES = (
    *SHARED,
    Rule(r"w_avg", "mapping.w_avg", "as it is"),
    Rule(r"mapping\.embedding\.(weight|bias)", r"mapping.embed.\1", "as it is"),
    Rule(LAYER + r"\.weight", at(".weight"), "as it is"),
    Rule(LAYER + r"\.style\.bias", at(".affine.bias"), "as it is, the 1 included"),
    Rule(LAYER + r"\.filter", at(".resample_filter"), "as it is"),
    Rule(r"synthesis\.filter", "synthesis.b4.resample_filter", "the picture pyramid's"),
)


def read(place: Place) -> Network | None:
    """The network there, with its arguments if the file has them; None if it is the older relative."""
    if is_old(place.tensors):
        return None
    given = _arguments(place)
    if given is None:
        settings = own_settings(place.owner)
        return Network(FORMAT, place.tensors, RULES, settings, untold=untold(settings))
    clamp = given.get("conv_clamp")
    settings = {
        "conv_clamp": None if clamp is None else number(clamp, "conv_clamp"),
        "mapping_lr": number(given.get("mapping_lr_mul", 0.01), "mapping_lr_mul"),
        "z_dim": given.get("z_dim", 512),
        "mapping_layers": given.get("mapping_layers", 8),
    }
    return Network(FORMAT, place.tensors, RULES, settings, check=partial(_check, given), arguments=given)


def is_old(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether the names are those before Hammer, whose weights differ in two ways that no shape shows."""
    return any(re.fullmatch(r"truncation\.w_avg|mapping\.label_weight|synthesis\..*\.kernel", name) for name in tensors)


def _arguments(place: Place) -> Mapping[str, Any] | None:
    """What the model of that name was made with, `model_type` included; an average has the arguments of what it averages."""
    every = place.beside(ARGUMENTS)
    if every is None:
        return None
    name = place.path.rpartition(".")[2]
    given = every.get(name, every.get(name.removesuffix("_smooth"))) if isinstance(every, Mapping) else None
    if not isinstance(given, Mapping):
        raise CheckpointError(f"{ARGUMENTS} says nothing of {place.path!r}, which it should")
    return given


def _check(given: Mapping[str, Any], config: StyleGAN2Config) -> Iterator[str]:
    yield from disagreements({**DEFAULTS, **given}, _table(config), ARGUMENTS)


def _table(config: StyleGAN2Config) -> Table:
    """Every argument of the constructor (Hammer's spelling of the embedding's gain included)."""
    cfg = config
    return {
        "model_type": "StyleGAN2Generator", "z_dim": cfg.z_dim, "w_dim": cfg.w_dim, "repeat_w": True, "normalize_z": True,
        "mapping_layers": cfg.mapping_layers, "mapping_fmaps": cfg.mapping_features if cfg.mapping_layers > 1 else ANY,
        "mapping_use_wscale": True, "mapping_wscale_gain": 1, "mapping_lr_mul": cfg.mapping_lr, "label_dim": cfg.c_dim,
        "embedding_dim": cfg.embed_features if cfg.c_dim else ANY, "embedding_bias": True if cfg.c_dim else ANY,
        "embedding_use_wscale": True if cfg.c_dim else ANY, "embedding_wscale_gian": 1 if cfg.c_dim else ANY,
        "embedding_wscale_gain": 1 if cfg.c_dim else ANY, "embedding_lr_mul": 1 if cfg.c_dim else ANY,
        "normalize_embedding": True if cfg.c_dim else ANY, "normalize_embedding_latent": False if cfg.c_dim else ANY,
        "resolution": cfg.resolutions[-1], "init_res": 4, "image_channels": cfg.img_channels, "final_tanh": False, "const_input": True,
        "architecture": word(cfg.architecture.replace("orig", "origin")),
        "demodulate": True, "use_wscale": True, "wscale_gain": 1, "lr_mul": 1, "noise_type": word("spatial" if cfg.use_noise else "none"),
        "fmaps_base": ANY, "fmaps_max": ANY, "filter_kernel": taps_of(cfg.filter), "conv_clamp": cfg.conv_clamp, "eps": 1e-8,
    }  # fmt: skip
