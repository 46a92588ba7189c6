"""Our StyleGAN (1), StyleGAN3 and PGGAN -> the `.pth` of Hammer: a state dict beside its constructor's arguments.

What its code cannot be told is refused before anything is written, and what was written is read again.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import genforce_pggan, hammer_stylegan1, hammer_stylegan3
from lrgan_jax.convert.formats.hammer import ARGUMENTS
from lrgan_jax.convert.formats.hammer_stylegan3 import GRID
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.variables import table
from lrgan_jax.convert.write import nvidia_stylegan3, torch_writer
from lrgan_jax.convert.write.designs import design_of
from lrgan_jax.convert.write.states import read_again, refuse_another, renamed
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.generators import PGGAN, PGGANConfig, StyleGAN1, StyleGAN1Config, StyleGAN3, StyleGAN3Config

MODEL = "generator_smooth"
Parts = tuple[dict[str, np.ndarray], dict[str, Any]]  # a network's tensors and arguments
RESOLUTIONS = tuple(2**k for k in range(3, 11))  # that its StyleGAN3 is made in


def written(gen: StyleGAN1 | StyleGAN3 | PGGAN) -> memoryview:
    """The bytes of the file.

    Raises:
      CheckpointError: if Hammer's code cannot hold this model.
    """
    tensors, arguments = _PARTS[type(gen)](gen)
    data = torch_writer.dumps({"models": {MODEL: StateDict(tensors)}, ARGUMENTS: {MODEL: arguments}})
    again = read_again(data)
    refuse_another(nvidia_stylegan3.is_same(gen, again) if isinstance(gen, StyleGAN3) else again == gen, "hammer")
    return data


def _stylegan1(gen: StyleGAN1) -> Parts:
    _check(gen.config)
    return _tensors(gen, hammer_stylegan1.BACK, _blurs(gen.config)), stylegan1_arguments(gen.config)


def _stylegan3(gen: StyleGAN3) -> Parts:
    tensors = renamed(nvidia_stylegan3.tensors(gen), hammer_stylegan3.BACK)
    return {GRID: _grid(gen.config), **tensors}, stylegan3_arguments(gen.config)


def _pggan(gen: PGGAN) -> Parts:
    return _tensors(gen, genforce_pggan.BACK, {}), pggan_arguments(gen.config)


_PARTS: dict[type, Callable[[Any], Parts]] = {StyleGAN1: _stylegan1, StyleGAN3: _stylegan3, PGGAN: _pggan}


# ---- StyleGAN (1) and PGGAN.


def _check(cfg: StyleGAN1Config) -> None:
    """Refuse what is rosinality's way, or nobody's."""
    plain = 1.0 if cfg.conv_gain is not None else None
    unknown = {
        "layers in pairs": cfg.paired,
        "the bias before the blur": cfg.bias_first,
        "styles that hold their 1": not cfg.adds_one,
        "equalised noise": cfg.noise_gain is not None,
        "other gains of styles and colours": (cfg.style_gain, cfg.rgb_gain) != (plain, plain),
        "different eps": cfg.latent_eps not in (None, cfg.norm_eps),
        "a blur that is no product of taps": np.ndim(cfg.filter) != 1,
    }
    if refused := [what for what, true in unknown.items() if true]:
        raise CheckpointError(f"Hammer's code cannot hold this model: {', '.join(refused)}")


def _tensors(gen: StyleGAN1 | PGGAN, back: tuple[Rule, ...], further: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All its tensors by Hammer's names."""
    return renamed({**table(gen.variables), "lod": np.asarray(gen.config.lod, np.float32), **further}, back)


def _blurs(cfg: StyleGAN1Config) -> dict[str, np.ndarray]:
    taps = np.flip(cfg.filter).astype(np.float32)
    return {f"filter/synthesis/b{r}": np.outer(taps, taps) for r in cfg.resolutions[1:]}


def stylegan1_arguments(cfg: StyleGAN1Config) -> dict[str, Any]:
    """What Hammer's `StyleGANGenerator(...)` is made with, and its name."""
    gains = {"mapping_wscale_gain": cfg.mapping_gain, "wscale_gain": cfg.conv_gain}
    return {
        "model_type": "StyleGANGenerator",
        "z_dim": cfg.z_dim,
        "w_dim": cfg.w_dim,
        "repeat_w": cfg.repeat_w,
        "normalize_z": cfg.latent_eps is not None,
        "mapping_layers": cfg.mapping_layers,
        "mapping_fmaps": cfg.mapping_features,
        "mapping_use_wscale": cfg.mapping_gain is not None,
        "mapping_lr_mul": cfg.mapping_lr,
        "label_dim": cfg.c_dim,
        "embedding_dim": cfg.embed_features,
        "use_wscale": cfg.conv_gain is not None,
        **{name: gain for name, gain in gains.items() if gain is not None},
        "lr_mul": cfg.conv_lr,
        "noise_type": "spatial" if cfg.use_noise else "none",
        "filter_kernel": tuple(np.flip(cfg.filter).tolist()),
        "eps": cfg.norm_eps,
        **_common(cfg),
    }


def pggan_arguments(cfg: PGGANConfig) -> dict[str, Any]:
    """What Hammer's `PGGANGenerator(...)` is made with, and its name.

    Raises:
      CheckpointError: on gains that its code cannot be told.
    """
    if cfg.rgb_gain != (None if cfg.conv_gain is None else 1.0):
        raise CheckpointError("Hammer's code cannot hold this model: another gain of colours")
    return {
        "model_type": "PGGANGenerator",
        "z_dim": cfg.z_dim,
        "label_dim": cfg.c_dim,
        "use_wscale": cfg.conv_gain is not None,
        **({} if cfg.conv_gain is None else {"wscale_gain": cfg.conv_gain}),
        "eps": cfg.eps,
        **_common(cfg),
    }


def _common(cfg: StyleGAN1Config | PGGANConfig) -> dict[str, Any]:
    """What both constructors are told. Our kernels are those of layers that are not fused."""
    largest, base = max(cfg.channels), max(c * r for c, r in zip(cfg.channels, cfg.resolutions, strict=True))
    if cfg.channels != tuple(min(base // r, largest) for r in cfg.resolutions):
        raise CheckpointError(f"widths {cfg.channels} follow no fmaps_base and fmaps_max")
    return {
        "resolution": cfg.resolutions[-1],
        "image_channels": cfg.img_channels,
        "final_tanh": cfg.final_tanh,
        "fused_scale": False,
        "fmaps_base": base,
        "fmaps_max": largest,
    }


# ---- StyleGAN3.


def _grid(cfg: StyleGAN3Config) -> np.ndarray:
    """Where the input's samples are, [1, S, S, 2]: x and y."""
    x, y = ((np.arange(side) + 0.5 - side / 2) / cfg.layers[0].rate for side in reversed(cfg.layers[0].size))
    return np.stack(np.meshgrid(x, y), -1)[None].astype(np.float32)


def stylegan3_arguments(cfg: StyleGAN3Config) -> dict[str, Any]:
    """What Hammer's `StyleGAN3Generator(...)` is made with, and its name.

    Raises:
      CheckpointError: if nothing makes it.
    """
    design = design_of(cfg.layers)
    unknown = {
        "activations that are not upsampled, which its code leaves out": design.lrelu_upsampling == 1,
        f"pictures of {design.img_resolution} pixels": design.img_resolution not in RESOLUTIONS,
    }
    if refused := [what for what, true in unknown.items() if true]:
        raise CheckpointError(f"Hammer's code cannot hold this model: {', '.join(refused)}")
    labels = {"embedding_dim": cfg.embed_features} if cfg.c_dim else {}
    return {
        "model_type": "StyleGAN3Generator",
        "z_dim": cfg.z_dim,
        "w_dim": cfg.w_dim,
        "mapping_layers": cfg.mapping_layers,
        "mapping_fmaps": cfg.mapping_features,
        "mapping_lr_mul": cfg.mapping_lr,
        "label_dim": cfg.c_dim,
        **labels,
        **{theirs: getattr(design, ours) for ours, theirs in hammer_stylegan3.DESIGN.items()},
        "final_tanh": cfg.final_tanh,
        "output_scale": cfg.output_scale,
    }
