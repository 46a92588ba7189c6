"""NVIDIA's TensorFlow pickles, `(G, D, Gs)`: StyleGAN2's configs E and F, and StyleGAN2-ADA. Neither TensorFlow nor its code is run."""
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.places import number
from lrgan_jax.convert.formats.rules import Rule, numbered_layer
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, one_of, taps_of
from lrgan_jax.convert.formats.stylegan2.network import Network
from lrgan_jax.convert.formats.stylegan2.shapes import LONGEST
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN2Config

FORMAT = "NVIDIA StyleGAN2 (TensorFlow)"
NETWORK = "dnnlib.tflib.network.Network"
OLDEST = 4  # the version of the record; NVIDIA's own converter reads no older one
WITHOUT_EFFECT = (  # at a given latent, in float32, and beyond what shapes show
    *("randomize_noise", "truncation_psi", "truncation_cutoff", "truncation_psi_val", "truncation_cutoff_val", "style_mixing_prob"),
    *("w_avg_beta", "dlatent_avg_beta", "is_training", "is_validation", "is_template_graph", "return_dlatents", "structure"),
    *("fused_modconv", "num_fp16_res", "fp16_channels_last", "dtype", "fmap_base", "fmap_decay", "fmap_min", "fmap_max"),
)
BUILT_BY = {"G_main", "G_synthesis", "G_synthesis_stylegan2", "G_mapping"}  # the functions of NVIDIA's code that we know


def _layer(match: re.Match) -> str:
    """Common name of {r}x{r}/Conv, Conv0_up, Conv1, ToRGB and Skip."""
    return f"synthesis.b{match[1]}." + {"Conv": "conv1", "Conv0_up": "conv0", "ToRGB": "torgb", "Skip": "skip"}.get(match[2], "conv1")


def _at(suffix: str):
    return lambda match: _layer(match) + suffix


_LAYER = r"synthesis/(\d+)x\1/(Conv|Conv0_up|Conv1|ToRGB|Skip)"
RULES = (
    Rule(r"mapping/Dense(\d+)/weight", r"mapping.fc\1.weight", "in,out to out,in", np.transpose),
    Rule(r"mapping/Dense(\d+)/bias", r"mapping.fc\1.bias", "as it is"),
    Rule(r"mapping/LabelEmbed/weight", "mapping.embed.weight", "in,out to out,in", np.transpose),
    Rule(r"mapping/LabelEmbed/bias", "mapping.embed.bias", "as it is"),
    Rule(r"mapping/LabelConcat/weight", "mapping.label_weight", "as it is"),
    Rule(r"dlatent_avg", "mapping.w_avg", "as it is"),
    Rule(r"lod", None, "progressive growth, which StyleGAN2 does not use"),
    Rule(r"synthesis/4x4/Const/const", "synthesis.b4.const", "drop the leading axis of 1", lambda a: a.reshape(a.shape[1:])),
    Rule(
        r"synthesis/noise(\d+)",
        lambda m: numbered_layer(int(m[1])) + ".noise_const",
        "[1, 1, r, r] to [r, r]",
        lambda a: a.reshape(a.shape[2:]),
    ),
    Rule(
        r"synthesis/(\d+)x\1/(Conv0_up)/weight",
        _at(".weight"),
        "HWIO to OIHW, reversed in both axes",
        lambda a: a[::-1, ::-1].transpose(3, 2, 0, 1),
    ),
    Rule(r"synthesis/(\d+)x\1/(Conv|Conv1|ToRGB|Skip)/weight", _at(".weight"), "HWIO to OIHW", lambda a: a.transpose(3, 2, 0, 1)),
    Rule(_LAYER + r"/mod_weight", _at(".affine.weight"), "in,out to out,in", np.transpose),
    Rule(_LAYER + r"/mod_bias", _at(".affine.bias"), "the code adds the 1", lambda a: a + 1),
    Rule(_LAYER + r"/bias", _at(".bias"), "as it is"),
    Rule(_LAYER + r"/noise_strength", _at(".noise_strength"), "a scalar", np.asarray),
    Rule(r"resample_kernel", "synthesis.b4.resample_filter", "an argument, not a variable"),
)  # fmt: skip


def read(tree: Any) -> Network | None:
    """Gs (or G), its variables by their full names, with the settings from its arguments; None if this is not such a file."""
    networks = [item for item in (tree if isinstance(tree, tuple | list) else (tree,)) if isinstance(item, Record) and item.name == NETWORK]
    if not networks:
        return None
    network = networks[-1] if len(networks) != 2 else networks[0]  # (G, D, Gs), Gs alone, or (G, D)
    variables = dict(_variables(network))
    if any(re.fullmatch(r"(synthesis/)?ToRGB_lod\d+/.*", name) for name in variables):
        raise CheckpointError("a progressive StyleGAN (ToRGB_lod...): StyleGAN2's configs A to D and StyleGAN are not read, only E and F")
    every = dict(_arguments(network))
    own = every[""]
    variables["resample_kernel"] = _filter(own.get("resample_kernel", [1, 3, 3, 1]))
    # NVIDIA's own conversion leaves out the factor inside the demodulation's root that its TensorFlow code has (a relative 1e-8).
    settings = {
        "conv_clamp": None if own.get("conv_clamp") is None else number(own["conv_clamp"], "conv_clamp"),
        "mapping_lr": number(own.get("mapping_lrmul", 0.01), "mapping_lrmul"),
        "mapping_layers": own.get("mapping_layers", 8),
    }
    return Network(FORMAT, variables, RULES, settings, check=partial(_check, every), arguments=own)


def _arguments(network: Record, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of the network and its components, by path."""
    state = network.state or {}
    given = state.get("static_kwargs", {})
    if not isinstance(given, Mapping):
        raise CheckpointError(f"{path or 'the generator'}: its static_kwargs are no dict")
    if (function := state.get("build_func_name")) is not None and not one_of(*BUILT_BY)(function):
        raise CheckpointError(f"{path or 'the generator'} is built by {function!r:.40}, which is not known here")
    yield path, given
    for name, component in state.get("components", {}).items():
        yield from _arguments(component, f"{path}/{name}".lstrip("/"))


def _check(every: Mapping[str, Mapping[str, Any]], config: StyleGAN2Config) -> Iterator[str]:
    for path, given in every.items():
        yield from disagreements(given, _table(config), path or "static_kwargs")


def _table(config: StyleGAN2Config) -> Table:
    """The arguments of the two TensorFlow codes' generators, mappings and syntheses."""
    cfg = config
    return dict.fromkeys(WITHOUT_EFFECT, ANY) | {
        "latent_size": cfg.z_dim, "label_size": cfg.c_dim, "dlatent_size": cfg.w_dim, "dlatent_broadcast": one_of(cfg.num_ws, None),
        "mapping_layers": cfg.mapping_layers, "mapping_fmaps": cfg.mapping_features if cfg.mapping_layers > 1 else ANY,
        "label_fmaps": one_of(cfg.embed_features, None) if cfg.c_dim else ANY, "mapping_lrmul": cfg.mapping_lr,
        "num_channels": cfg.img_channels, "resolution": cfg.resolutions[-1], "architecture": cfg.architecture, "use_noise": cfg.use_noise,
        "nonlinearity": "lrelu", "mapping_nonlinearity": "lrelu", "normalize_latents": True, "mapping_func": "G_mapping",
        "synthesis_func": one_of("G_synthesis", "G_synthesis_stylegan2"), "conv_clamp": cfg.conv_clamp,
        "resample_kernel": taps_of(cfg.filter),
    }  # fmt: skip


def _variables(network: Any, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Full names and values of a network's variables and those of its components."""
    where = prefix.rstrip("/") or "the generator"
    match network:
        case Record(name="dnnlib.tflib.network.Network", state={"version": int() as version, "variables": list() as own, **rest}):
            if version < OLDEST:
                raise CheckpointError(f"{where}: a TensorFlow network of version {version}; {OLDEST} is the oldest that is read")
            for item in own:
                match item:
                    case (str() as name, np.ndarray() | np.generic() as value):
                        yield prefix + name, np.asarray(value)
                    case _:
                        raise CheckpointError(f"{where}: its variables are no pairs of a name and an array")
            components = rest.get("components", {})
            if not isinstance(components, Mapping):
                raise CheckpointError(f"{where}: its components are no dict")
            if components and prefix:  # one in many places, and that again, would be millions
                raise CheckpointError(f"{where}: it has components, which no part of a StyleGAN2 has")
            for name, component in components.items():
                yield from _variables(component, f"{prefix}{name}/")
        case _:
            raise CheckpointError(f"{where} is not a TensorFlow network with variables")


def _filter(taps: Any) -> np.ndarray:
    """Taps as NVIDIA's code prepares them: squared if one-dimensional, of unit sum, float32."""
    if not isinstance(taps, list | tuple) or not taps or not all(isinstance(tap, int | float) for tap in taps):
        raise CheckpointError(f"resample_kernel should be a list of numbers, the file has {taps!r:.40}")
    if len(taps) > LONGEST:
        raise CheckpointError(f"resample_kernel has {len(taps)} taps, no filter has more than {LONGEST}")
    kernel = np.outer(taps, taps).astype(np.float32)
    return kernel / kernel.sum()
