"""Our BigGAN-deep -> the folder that pytorch-pretrained-BigGAN's `from_pretrained` loads.

Its code divides by u (W v) of both stored vectors: they are the leading singular ones, u scaled so that the product is
our norm, which nothing but that product notices, as its training normalises both anew.
"""

import json
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.formats.huggingface import CONFIG, WEIGHTS, back
from lrgan_jax.convert.write import torch_writer
from lrgan_jax.convert.write.spectral import is_same, left_vectors, parted
from lrgan_jax.convert.write.states import refuse_another, renamed
from lrgan_jax.foreign import CheckpointError, containers
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.generators import BigGAN, BigGANConfig

BOTTOM, FIRST = 4, 16  # side of the first picture and its width in units, which the code has no arguments for


def written(gen: BigGAN) -> dict[str, bytes | memoryview]:
    """The content of the folder's files.

    Raises:
      CheckpointError: if the project's code cannot hold the model.
    """
    config = arguments(gen.config)
    data = torch_writer.dumps(state(gen))
    tree = {"pytorch_model": containers.parse(bytes(data)), "config": config}
    refuse_another(is_same(gen, find_network(tree)[0].build({})[0]), "huggingface")
    return {WEIGHTS: data, CONFIG: json.dumps(config, indent=2).encode() + b"\n"}


def state(gen: BigGAN) -> StateDict:
    """What the model's `load_state_dict` takes."""
    cfg = gen.config
    tensors, norms = parted(gen)
    unseen = (0, cfg.channels[-1] - cfg.img_channels)  # it computes as many channels as there are, and keeps three
    for name in ("params/rgb/kernel", "params/rgb/bias"):
        tensors[name] = np.pad(tensors[name], [(0, 0)] * (tensors[name].ndim - 1) + [unseen])
    names: dict[str, str] = {}
    found = renamed(tensors, back(cfg.attention[0] if cfg.attention else None), names)
    for name, own in names.items():
        if own in norms:
            if norms[own] < 0:  # which our reader takes for damage, and is the same as the opposite of both
                found[name], norms[own] = -found[name], -norms[own]
            u, v = _vectors(name, found[name].reshape(len(found[name]), -1), norms[own])
            stem = name.removesuffix("_orig")
            found |= {f"{stem}_u": u.astype(np.float32), f"{stem}_v": v.astype(np.float32)}
    return StateDict(found)


def _vectors(name: str, matrix: np.ndarray, norm: float) -> tuple[np.ndarray, np.ndarray]:
    values, left = left_vectors(matrix)
    if not len(values):
        raise CheckpointError(f"{name}: a weight of zeros has no spectral norm, by which the project's code divides")
    return left[:, 0] * (norm / values[0]), left[:, 0] @ matrix / values[0]


def arguments(cfg: BigGANConfig) -> dict[str, Any]:
    """What `BigGANConfig(...)` is made with.

    Raises:
      CheckpointError: if none make such a network.
    """
    ch, blocks = cfg.channels[-1], len(cfg.ups)
    pairs = list(zip(cfg.channels, cfg.channels[1:], strict=False))
    unknown = {
        "no BigGAN-deep": not cfg.deep or cfg.z_goes != "everywhere",
        "one table of statistics instead of some by truncation": not cfg.by_truncation,
        "norms of that kind": cfg.norm != "usual" or cfg.counted,
        f"a class embedding of {cfg.y_dim} numbers beside z of {cfg.z_dim}": cfg.class_dim != cfg.z_dim,
        f"widths {cfg.channels}": cfg.channels[0] != FIRST * ch or any(width % ch for width in cfg.channels),
        "blocks that keep other channels than all or half": any(b not in (a, a // 2) for a, b in pairs),
        f"a first picture of {cfg.bottom} pixels": cfg.bottom != BOTTOM,
        f"attention at {cfg.attention}": len(cfg.attention) > 1 or blocks in cfg.attention,
        "different eps": cfg.eps != cfg.last_eps,
        f"images of {cfg.img_channels} channels": cfg.img_channels != min(3, ch),
    }
    if refused := [what for what, true in unknown.items() if true]:
        raise CheckpointError(f"pytorch-pretrained-BigGAN's code cannot hold this model: {', '.join(refused)}")
    return {
        "output_dim": cfg.size,
        "z_dim": cfg.z_dim,
        "class_embed_dim": cfg.z_dim,
        "channel_width": ch,
        "num_classes": cfg.c_dim,
        "layers": [[up, a // ch, b // ch] for up, (a, b) in zip(cfg.ups, pairs, strict=True)],
        "attention_layer_position": cfg.attention[0] if cfg.attention else -1,
        "eps": cfg.eps,
        "n_stats": cfg.num_statistics,
    }
