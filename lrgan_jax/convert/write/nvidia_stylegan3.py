"""Our StyleGAN3 -> the state dict that NVIDIA's code loads. What it cannot be told is refused before anything is
written, and what was written is read again.
"""

import dataclasses
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.nvidia_stylegan3 import BANDS, back
from lrgan_jax.convert.formats.variables import table
from lrgan_jax.convert.write import torch_writer
from lrgan_jax.convert.write.designs import design_of, differences
from lrgan_jax.convert.write.states import read_again, refuse_another, renamed, with_own_words
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.generators import StyleGAN3, StyleGAN3Config


def written(gen: StyleGAN3) -> memoryview:
    """The file's content.

    Raises:
      CheckpointError: if NVIDIA's code cannot hold the model.
    """
    data = torch_writer.dumps(state(gen))
    refuse_another(is_same(gen, read_again(data)), "nvidia")
    return data


def state(gen: StyleGAN3) -> StateDict:
    """What NVIDIA's `Generator.load_state_dict` takes."""
    cfg = gen.config
    bands = tuple((layer.cutoff, layer.half_width) for layer in cfg.layers)
    words = {**arguments(cfg), BANDS: bands}
    names = [f"L{i}_{layer.size[1]}_{layer.channels}" for i, layer in enumerate(cfg.layers[1:])]
    return with_own_words(renamed(tensors(gen), back(names)), words)


def arguments(config: StyleGAN3Config) -> dict[str, Any]:
    """What NVIDIA's `Generator(...)` is made with for such weights.

    Raises:
      CheckpointError: if nothing makes it.
    """
    unknown = {
        "a tanh of the picture": config.final_tanh,
        "hidden layers of the mapping of another width than w": config.mapping_layers > 1
        and config.mapping_features != config.w_dim,
        "a label embedding of another width than w": config.c_dim > 0 and config.embed_features != config.w_dim,
    }
    if refused := [what for what, true in unknown.items() if true]:
        raise CheckpointError(f"NVIDIA's code cannot hold this model: {', '.join(refused)}")
    return {
        **{name: getattr(config, name) for name in ("z_dim", "c_dim", "w_dim")},
        "mapping_kwargs": {"num_layers": config.mapping_layers, "lr_multiplier": config.mapping_lr},
        **dataclasses.asdict(design_of(config.layers)),
        "output_scale": config.output_scale,
    }


def tensors(gen: StyleGAN3) -> dict[str, np.ndarray]:
    """All of ours that files have: the single 1 that stands for no filter they have not."""
    none = {
        f"buffers/synthesis/layer{i}/{name}"
        for i, layer in enumerate(gen.config.layers[1:])
        for name in ("up_filter", "down_filter")
        if not getattr(layer, name)
    }
    return {name: array for name, array in table(gen.variables).items() if name not in none}


def is_same(gen: StyleGAN3, again: Any) -> bool:
    """Whether they are, but for the rounding of the cutoffs, of which the filters were made once."""
    if not isinstance(again, StyleGAN3) or any(differences(gen.config.layers, again.config.layers)):
        return False
    return _meant(again.config) == _meant(gen.config) and dataclasses.replace(again, config=gen.config) == gen


def _meant(config: StyleGAN3Config) -> StyleGAN3Config:
    """Without the layers, and with those widths of the mapping that no tensor has as a file would show them."""
    embed = config.embed_features if config.c_dim else 0
    hidden = config.mapping_features if config.mapping_layers > 1 else config.w_dim
    return dataclasses.replace(config, layers=(), embed_features=embed, mapping_features=hidden)
