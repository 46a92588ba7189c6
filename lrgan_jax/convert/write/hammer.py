"""Our StyleGAN (1) and PGGAN -> the `.pth` of genforce's Hammer: a state dict beside its constructor's arguments.

What its code cannot be told is refused before anything is written, and what was written is read again.
"""

from typing import Any

import numpy as np

from lrgan_jax.convert.formats import genforce_pggan, hammer_stylegan1
from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.formats.hammer import ARGUMENTS
from lrgan_jax.convert.formats.rules import Rule, refuse, rename
from lrgan_jax.convert.formats.variables import table
from lrgan_jax.convert.write import torch_writer
from lrgan_jax.foreign import CheckpointError, containers
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.generators import PGGAN, PGGANConfig, StyleGAN1, StyleGAN1Config

MODEL = "generator_smooth"


def written(gen: StyleGAN1 | PGGAN) -> memoryview:
    """The bytes of the file.

    Raises:
      CheckpointError: if Hammer's code cannot hold this model.
    """
    if isinstance(gen, StyleGAN1):
        _check(gen.config)
        state, arguments = _state(gen, hammer_stylegan1.BACK, _blurs(gen.config)), stylegan1_arguments(gen.config)
    else:
        state, arguments = _state(gen, genforce_pggan.BACK, {}), pggan_arguments(gen.config)
    data = torch_writer.dumps({"models": {MODEL: state}, ARGUMENTS: {MODEL: arguments}})
    network, _ = find_network(containers.parse(bytes(data)))
    if network.build({})[0] != gen:
        raise CheckpointError("what was written for Hammer does not come back as the same network; nothing was kept")
    return data


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


def _state(gen: StyleGAN1 | PGGAN, back: tuple[Rule, ...], further: dict[str, np.ndarray]) -> StateDict:
    """All its tensors by Hammer's names."""
    problems: list[str] = []
    named = rename({**table(gen.variables), "lod": np.asarray(gen.config.lod, np.float32), **further}, back, problems)
    refuse(problems)
    return StateDict({name: np.asarray(array, np.float32, order="C") for name, array in named.items()})


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
