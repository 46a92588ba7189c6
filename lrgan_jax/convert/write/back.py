"""Our StyleGAN2 -> state dicts that NVIDIA's and rosinality's PyTorch code loads. The way here is `common.py` and `rosinality.py`.

What no tensor shows (clamp, learning rate, the root's factor, ...) goes into the state dict's metadata, where torch keeps versions and
looks at nothing else: `load_state_dict` is content, and our own reader gives back exactly the model that was written. What the other code
cannot be told is refused before anything is written, and what was written is read again.
"""
import dataclasses
import re
from typing import Any

import numpy as np
from jax.tree_util import tree_leaves_with_path

from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.formats.rules import Rule, refuse, rename
from lrgan_jax.convert.formats.stylegan2.network import Network, build
from lrgan_jax.convert.formats.stylegan2.own import OWN, SETTINGS
from lrgan_jax.convert.formats.stylegan2.shapes import DEFAULT_FILTER
from lrgan_jax.convert.write import torch_writer
from lrgan_jax.foreign import containers
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config

_LAYER = r"params/synthesis/(b\d+)/(conv[01]|torgb|skip)"
TO_NVIDIA = (
    Rule(_LAYER + r"/kernel", r"synthesis.\1.\2.weight", "HWIO to OIHW", lambda a: a.transpose(3, 2, 0, 1)),
    Rule(_LAYER + r"/affine/kernel", r"synthesis.\1.\2.affine.weight", "in,out to out,in", np.transpose),
    Rule(_LAYER + r"/affine/bias", r"synthesis.\1.\2.affine.bias", "as it is, the 1 included"),
    Rule(_LAYER + r"/(bias|noise_strength)", r"synthesis.\1.\2.\3", "as it is"),
    Rule(r"params/synthesis/b4/const", "synthesis.b4.const", "HWC to CHW", lambda a: a.transpose(2, 0, 1)),
    Rule(r"buffers/synthesis/(b\d+)/(\w+)/noise_const", r"synthesis.\1.\2.noise_const", "as it is"),
    Rule(r"params/mapping/(\w+)/kernel", r"mapping.\1.weight", "in,out to out,in", np.transpose),
    Rule(r"params/mapping/(\w+)/bias", r"mapping.\1.bias", "as it is"),
    Rule(r"buffers/mapping/w_avg", "mapping.w_avg", "as it is"),
)

LABEL_WEIGHT = Rule(r"params/mapping/label_weight", "mapping.label_weight", "no name of NVIDIA's")


def _layer(match: re.Match) -> str:
    """rosinality's name of b{r}.conv{i} or b{r}.torgb, the first two groups of the match."""
    k = int(match[1]).bit_length() - 4  # -1 for 4x4
    if match[2] == "torgb":
        return "to_rgb1" if k < 0 else f"to_rgbs.{k}"
    return "conv1" if k < 0 else f"convs.{2 * k + int(match[2][-1])}"


def _at(suffix: str):
    return lambda match: _layer(match) + suffix


def _noise(match: re.Match) -> str:
    k = int(match[1]).bit_length() - 4
    return f"noises.noise_{0 if k < 0 else 2 * k + 1 + int(match[2][-1])}"


_BLOCK = r"synthesis\.b(\d+)\.(conv[01]|torgb)"
TO_ROSINALITY = (  # from NVIDIA's names
    Rule(r"mapping\.fc(\d+)\.(weight|bias)", lambda m: f"style.{int(m[1]) + 1}.{m[2]}", "style.0 is the pixel norm"),
    Rule(r"mapping\.w_avg", "latent_avg", "as it is"),
    Rule(r"synthesis\.b4\.const", "input.input", "with a leading axis of 1", lambda a: a[None]),
    Rule(_BLOCK + r"\.weight", _at(".conv.weight"), "with a leading axis of 1", lambda a: a[None]),
    Rule(_BLOCK + r"\.affine\.(weight|bias)", lambda m: _layer(m) + f".conv.modulation.{m[3]}", "as it is"),
    Rule(r"synthesis\.b(\d+)\.(conv[01])\.bias", _at(".activate.bias"), "as it is"),
    Rule(r"synthesis\.b(\d+)\.(torgb)\.bias", _at(".bias"), "[3] to [1, 3, 1, 1]", lambda a: a[None, :, None, None]),
    Rule(_BLOCK + r"\.noise_strength", _at(".noise.weight"), "[] to [1]", lambda a: a[None]),
    Rule(_BLOCK + r"\.noise_const", _noise, "[r, r] to [1, 1, r, r]", lambda a: a[None, None]),
    Rule(r"synthesis\.b(\d+)\.(conv0)\.resample_filter", _at(".conv.blur.kernel"), "the gain of 4 inside", lambda a: 4 * a),
    Rule(r"synthesis\.b(?!4\.)(\d+)()\.resample_filter", lambda m: f"to_rgbs.{int(m[1]).bit_length() - 4}.upsample.kernel",
         "the gain of 4 inside", lambda a: 4 * a),
    Rule(r"synthesis\.b(4|\d+\.conv1)\.resample_filter", None, "never used"),
)  # fmt: skip


def common_tensors(gen: StyleGAN2) -> dict[str, np.ndarray]:
    """All variables in the common language, which has NVIDIA's names."""
    problems: list[str] = []
    ours = {"/".join(entry.key for entry in path): np.asarray(leaf) for path, leaf in tree_leaves_with_path(dict(gen.variables))}
    named = rename(ours, (*TO_NVIDIA, LABEL_WEIGHT), problems)
    refuse(problems)
    return named


def nvidia(gen: StyleGAN2) -> StateDict:
    """What NVIDIA's `Generator.load_state_dict` takes."""
    if gen.config.label_concat:
        raise CheckpointError("NVIDIA's PyTorch code has no labels concatenated before the norm (LabelConcat)")
    nvidia_arguments(gen.config)  # or widths that its code cannot be told are refused
    return _with_settings(common_tensors(gen) | _filters(gen.config), gen.config)


def rosinality(gen: StyleGAN2) -> dict[str, Any]:
    """What rosinality's scripts load: `g_ema`, and `latent_avg` beside it; the mapping's learning rate becomes theirs."""
    cfg = gen.config
    table = [tuple(_width(r, multiplier) for r in cfg.resolutions) for multiplier in (1, 2)]
    unknown = {
        f"architecture {cfg.architecture}": cfg.architecture != "skip",
        "labels": cfg.c_dim > 0,
        "conv_clamp": cfg.conv_clamp is not None,
        "layers without noise": not cfg.use_noise,
        f"images of {cfg.img_channels} channels": cfg.img_channels != 3,
        "latents and mapping layers of different widths": len({cfg.z_dim, cfg.w_dim, cfg.mapping_features}) > 1,
        f"a filter of {len(cfg.filter)} taps, not 4": len(cfg.filter) != 4,
        f"widths {cfg.channels}, not those of its table, {table[-1]}": cfg.channels not in table,
        "no mapping layers": cfg.mapping_layers == 0,
    }
    if refused := [what for what, true in unknown.items() if true]:
        raise CheckpointError(f"rosinality's code cannot hold this model: {', '.join(refused)}")
    problems: list[str] = []
    named = rename(common_tensors(gen) | _filters(cfg), TO_ROSINALITY, problems)
    refuse(problems)
    # Its scripts know one learning rate for the mapping, with which the code multiplies weights and biases; ours goes into them.
    scale = np.float32(cfg.mapping_lr / MAPPING_LR)
    named = {name: a * scale if name.startswith("style.") else a for name, a in named.items()}
    return {"latent_avg": named.pop("latent_avg"), "g_ema": _with_settings(named, dataclasses.replace(cfg, mapping_lr=MAPPING_LR))}


def _width(resolution: int, multiplier: int) -> int:
    """rosinality's table of widths, which its code keeps to itself."""
    return 512 if resolution < 64 else 16384 * multiplier // resolution


MAPPING_LR = 0.01
WRITERS = {"nvidia": nvidia, "rosinality": rosinality}


def written(gen: StyleGAN2, project: str) -> memoryview:
    """The file's content, which was read again and is the same network.

    Raises:
      CheckpointError: if the project's code cannot hold the model.
    """
    data = torch_writer.dumps(WRITERS[project](gen))
    network, _ = find_network(containers.parse(bytes(data)))
    assert isinstance(network, Network)
    again, _ = build(network, {}, w_avg=None, noise="zeros")
    ours, theirs = _effective(gen), _effective(again)
    alike = ours.keys() == theirs.keys() and all(np.allclose(ours[name], theirs[name], rtol=1e-6, atol=0) for name in ours)
    if not alike or again.config != dataclasses.replace(gen.config, mapping_lr=again.config.mapping_lr):
        raise CheckpointError(f"what was written for {project} does not come back as the same network; nothing was kept")
    return data


def _effective(gen: StyleGAN2) -> dict[str, np.ndarray]:
    """All tensors, the mapping's learning rate multiplied in."""
    return {
        name: a * np.float32(gen.config.mapping_lr) if name.startswith("mapping.fc") else a for name, a in common_tensors(gen).items()
    }


def nvidia_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    """What NVIDIA's `Generator(...)` is made with for such weights; widths that follow no base and maximum raise CheckpointError."""
    largest, base = max(config.channels), max(c * r for c, r in zip(config.channels, config.resolutions, strict=True))
    if config.channels != tuple(min(base // r, largest) for r in config.resolutions):
        raise CheckpointError(f"widths {config.channels} follow no channel_base and channel_max")
    mapping = {"num_layers": config.mapping_layers, "layer_features": config.mapping_features, "lr_multiplier": config.mapping_lr}
    if config.c_dim:
        mapping["embed_features"] = config.embed_features
    synthesis = {"channel_base": base, "channel_max": largest, "architecture": config.architecture, "conv_clamp": config.conv_clamp,
                 "resample_filter": np.array(config.filter).tolist(), "use_noise": config.use_noise}  # fmt: skip
    return {
        **{name: getattr(config, name) for name in ("z_dim", "c_dim", "w_dim", "img_channels")},
        "img_resolution": config.resolutions[-1], "mapping_kwargs": mapping, "synthesis_kwargs": synthesis,
    }  # fmt: skip


def _with_settings(tensors: dict[str, np.ndarray], config: StyleGAN2Config) -> StateDict:
    state = StateDict({name: np.asarray(array, order="C") for name, array in tensors.items()})
    state.attributes = {"_metadata": {"": {"version": 1, OWN: {name: getattr(config, name) for name in SETTINGS}}}}
    return state


def _filters(config: StyleGAN2Config) -> dict[str, np.ndarray]:
    """The resampling filter at every place where NVIDIA's modules keep it; conv1's is never used and always the default."""
    square, default = (
        np.asarray(np.outer(taps, taps) if np.ndim(taps) == 1 and len(taps) < 8 else taps, np.float32)  # longer ones stay rows there
        for taps in (config.filter, DEFAULT_FILTER)
    )
    out = {}
    for resolution in config.resolutions:
        block = f"synthesis.b{resolution}"
        out |= {f"{block}.resample_filter": square, f"{block}.conv1.resample_filter": default}
        if resolution > 4:
            out[f"{block}.conv0.resample_filter"] = square
            if config.architecture == "resnet":
                out[f"{block}.skip.resample_filter"] = square
    return out
