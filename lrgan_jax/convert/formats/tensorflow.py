"""NVIDIA's TensorFlow pickles, `(G, D, Gs)`: StyleGAN2's configs E and F, and StyleGAN2-ADA."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.layouts import (
    hwio_to_oihw,
    oihw_to_hwio,
    scalar,
    with_first,
    with_two,
    without_first,
    without_two,
)
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, number, one_of, taps_of
from lrgan_jax.convert.formats.stylegan2.names import layer_number, numbered_layer
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network, Understood
from lrgan_jax.convert.formats.stylegan2.shapes import LONGEST
from lrgan_jax.convert.formats.told import GIVEN
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN2Config

NAME = "NVIDIA StyleGAN2 (TensorFlow)"
SIGN = "synthesis/4x4/Const/const"
USUAL = ("Gs", "G")
OLDEST = 4  # the version of the record; NVIDIA's own converter reads no older one
WITHOUT_EFFECT = (  # at a given latent, in float32, and beyond what shapes show
    *("randomize_noise", "truncation_psi", "truncation_cutoff", "truncation_psi_val", "truncation_cutoff_val"),
    *("style_mixing_prob", "w_avg_beta", "dlatent_avg_beta", "is_training", "is_validation", "is_template_graph"),
    *("return_dlatents", "structure", "fused_modconv", "num_fp16_res", "fp16_channels_last", "dtype"),
    *("fmap_base", "fmap_decay", "fmap_min", "fmap_max"),
)
BUILT_BY = {"G_main", "G_synthesis", "G_synthesis_stylegan2", "G_mapping"}  # the functions that we know


# ---- Names, there and back.


def _common(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of {r}x{r}/Conv, Conv0_up, Conv1, ToRGB or Skip, the first two groups of the match."""
    kinds = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}
    return lambda match: f"synthesis.b{match[1]}.{kinds[match[2]]}{suffix}"


_LAYER = r"synthesis/(\d+)x\1/(Conv|Conv0_up|Conv1|ToRGB|Skip)"
_LAYER_UP, _LAYER_LEVEL = r"synthesis/(\d+)x\1/(Conv0_up)", r"synthesis/(\d+)x\1/(Conv|Conv1|ToRGB|Skip)"
RULES = (
    Rule(r"mapping/Dense(\d+)/weight", r"mapping.fc\1.weight", "in,out to out,in", np.transpose),
    Rule(r"mapping/Dense(\d+)/bias", r"mapping.fc\1.bias", "as it is"),
    Rule(r"mapping/LabelEmbed/weight", "mapping.embed.weight", "in,out to out,in", np.transpose),
    Rule(r"mapping/LabelEmbed/bias", "mapping.embed.bias", "as it is"),
    Rule(r"mapping/LabelConcat/weight", "mapping.label_weight", "as it is"),
    Rule(r"dlatent_avg", "mapping.w_avg", "as it is"),
    Rule(r"lod", None, "progressive growth, which StyleGAN2 does not use"),
    Rule(r"synthesis/4x4/Const/const", "synthesis.b4.const", "[1, C, 4, 4] to [C, 4, 4]", without_first),
    Rule(r"synthesis/noise(\d+)", lambda m: f"{numbered_layer(int(m[1]))}.noise_const", "[1, 1, r, r]", without_two),
    Rule(_LAYER_UP + "/weight", _common(".weight"), "HWIO to OIHW, reversed", lambda a: hwio_to_oihw(a[::-1, ::-1])),
    Rule(_LAYER_LEVEL + "/weight", _common(".weight"), "HWIO to OIHW", hwio_to_oihw),
    Rule(_LAYER + "/mod_weight", _common(".affine.weight"), "in,out to out,in", np.transpose),
    Rule(_LAYER + "/mod_bias", _common(".affine.bias"), "the code adds the 1", lambda a: a + 1),
    Rule(_LAYER + "/bias", _common(".bias"), "as it is"),
    Rule(_LAYER + "/noise_strength", _common(".noise_strength"), "a scalar", scalar),
    Rule(r"resample_kernel", "synthesis.b4.resample_filter", "an argument, not a variable"),
)


def _theirs(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of b{r}.conv{i}, b{r}.torgb or b{r}.skip, the first two groups of the match."""
    return lambda match: f"synthesis/{match[1]}x{match[1]}/{_their_kind(match[1], match[2])}{suffix}"


def _their_kind(resolution: str, layer: str) -> str:
    kinds = {"conv0": "Conv0_up", "conv1": "Conv" if resolution == "4" else "Conv1", "torgb": "ToRGB", "skip": "Skip"}
    return kinds[layer]


def _their_noise(match: re.Match) -> str:
    return f"synthesis/noise{layer_number(match[1], match[2][-1])}"


_COMMON = r"synthesis\.b(\d+)\.(conv[01]|torgb|skip)"
_COMMON_UP, _COMMON_LEVEL = r"synthesis\.b(\d+)\.(conv0)", r"synthesis\.b(\d+)\.(conv1|torgb|skip)"
BACK = (
    Rule(r"mapping\.fc(\d+)\.weight", r"mapping/Dense\1/weight", "out,in to in,out", np.transpose),
    Rule(r"mapping\.fc(\d+)\.bias", r"mapping/Dense\1/bias", "as it is"),
    Rule(r"mapping\.embed\.weight", "mapping/LabelEmbed/weight", "out,in to in,out", np.transpose),
    Rule(r"mapping\.embed\.bias", "mapping/LabelEmbed/bias", "as it is"),
    Rule(r"mapping\.label_weight", "mapping/LabelConcat/weight", "as it is"),
    Rule(r"mapping\.w_avg", "dlatent_avg", "as it is"),
    Rule(r"synthesis\.b4\.const", "synthesis/4x4/Const/const", "[C, 4, 4] to [1, C, 4, 4]", with_first),
    Rule(_COMMON + r"\.noise_const", _their_noise, "[r, r] to [1, 1, r, r]", with_two),
    Rule(_COMMON_UP + r"\.weight", _theirs("/weight"), "OIHW to HWIO, reversed", lambda a: oihw_to_hwio(a)[::-1, ::-1]),
    Rule(_COMMON_LEVEL + r"\.weight", _theirs("/weight"), "OIHW to HWIO", oihw_to_hwio),
    Rule(_COMMON + r"\.affine\.weight", _theirs("/mod_weight"), "out,in to in,out", np.transpose),
    Rule(_COMMON + r"\.affine\.bias", _theirs("/mod_bias"), "without the 1", lambda a: a - 1),
    Rule(_COMMON + r"\.bias", _theirs("/bias"), "as it is"),
    Rule(_COMMON + r"\.noise_strength", _theirs("/noise_strength"), "as it is"),
    Rule(r"synthesis\.b4\.resample_filter", "resample_kernel", "an argument, not a variable"),
)


# ---- What the file says of its network.


def read(place: Place) -> StyleGAN2Network:
    """The network there, its variables by their full names, with the settings from its arguments."""
    if any(re.fullmatch(r"(synthesis/)?ToRGB_lod\d+/.*", name) for name in place.tensors):
        raise CheckpointError(
            "a progressive StyleGAN (ToRGB_lod...), one of StyleGAN2's configs A to D or StyleGAN (1): of NVIDIA's "
            "TensorFlow files only configs E and F are read; genforce's converters make a .pth of it, which is"
        )
    every = dict(_arguments(place.owner))
    own = every[""]
    variables = place.tensors | {"resample_kernel": _filter(own.get("resample_kernel", [1, 3, 3, 1]))}
    # NVIDIA's own conversion leaves out the factor in the demodulation's root that its TensorFlow code has (1e-8).
    settings = {
        "conv_clamp": None if own.get("conv_clamp") is None else number(own["conv_clamp"], "conv_clamp"),
        "mapping_lr": number(own.get("mapping_lrmul", 0.01), "mapping_lrmul"),
        "mapping_layers": own.get("mapping_layers", 8),
    }
    return StyleGAN2Network(
        NAME, variables, RULES, BACK, _understand, settings, check=partial(_check, every), arguments=own
    )


def _arguments(network: Record, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of the network and its components, by path."""
    state = network.state or {}
    where, given, version = path or "the generator", state.get("static_kwargs", {}), state.get("version")
    if type(version) is not int or version < OLDEST:
        raise CheckpointError(
            f"{where}: a TensorFlow network of version {version!r:.40}; {OLDEST} is the oldest that is read"
        )
    if not isinstance(given, Mapping):
        raise CheckpointError(f"{where}: its static_kwargs are no dict")
    if (function := state.get("build_func_name")) is not None and not one_of(*BUILT_BY)(function):
        raise CheckpointError(f"{where} is built by {function!r:.40}, which is not known here")
    yield path, given
    for name, component in state.get("components", {}).items():
        yield from _arguments(component, f"{path}/{name}".lstrip("/"))


def _check(every: Mapping[str, Mapping[str, Any]], config: StyleGAN2Config) -> Iterator[str]:
    for path, given in every.items():
        yield from disagreements(given, _table(config), path or "static_kwargs")


def _understand(given: Mapping[str, Any]) -> Understood:
    """The file has them all already, those left out being the defaults, so they can only agree with it."""
    return Understood({}, partial(_check, {GIVEN: given}))


def _table(config: StyleGAN2Config) -> Table:
    """The arguments of the two TensorFlow codes' generators, mappings and syntheses."""
    cfg = config
    return dict.fromkeys(WITHOUT_EFFECT, ANY) | {
        "latent_size": cfg.z_dim,
        "label_size": cfg.c_dim,
        "dlatent_size": cfg.w_dim,
        "dlatent_broadcast": one_of(cfg.num_ws, None),
        "mapping_func": "G_mapping",
        "mapping_layers": cfg.mapping_layers,
        "mapping_fmaps": cfg.mapping_features if cfg.mapping_layers > 1 else ANY,
        "mapping_lrmul": cfg.mapping_lr,
        "mapping_nonlinearity": "lrelu",
        "label_fmaps": one_of(cfg.embed_features, None) if cfg.c_dim else ANY,
        "normalize_latents": True,
        "synthesis_func": one_of("G_synthesis", "G_synthesis_stylegan2"),
        "num_channels": cfg.img_channels,
        "resolution": cfg.resolutions[-1],
        "architecture": cfg.architecture,
        "use_noise": cfg.use_noise,
        "nonlinearity": "lrelu",
        "conv_clamp": cfg.conv_clamp,
        "resample_kernel": taps_of(cfg.filter),
    }


def _filter(taps: Any) -> np.ndarray:
    """Taps as NVIDIA's code prepares them: squared if one-dimensional, of unit sum, float32."""
    if not isinstance(taps, list | tuple) or not taps or not all(isinstance(tap, int | float) for tap in taps):
        raise CheckpointError(f"resample_kernel should be a list of numbers, the file has {taps!r:.40}")
    if len(taps) > LONGEST:
        raise CheckpointError(f"resample_kernel has {len(taps)} taps, no filter has more than {LONGEST}")
    kernel = np.outer(taps, taps).astype(np.float32)
    return kernel / kernel.sum()
