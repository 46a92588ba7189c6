"""Our BigGAN and BigGAN-deep -> the state dict that BigGAN-PyTorch's code loads, its `G_ema.pth`.

Its code divides each weight by |W v|, v a unit vector: one step of power iteration from the stored u0, not the largest
singular value. So weights are written as they are, and u0 such that the step finds our norm: a part of the leading
vector, as training goes on from it, and one of a vector whose value is below the norm. A network whose norms no step
finds, or that has none, is written without (G_param "none"), its weights divided.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.ajbrock import ASSUMED, architecture
from lrgan_jax.convert.formats.ajbrock_names import Style, back, in_their_order
from lrgan_jax.convert.write import torch_writer
from lrgan_jax.convert.write.spectral import is_same, left_vectors, parted
from lrgan_jax.convert.write.states import read_again, refuse_another, renamed, with_own_words
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.generators import BigGAN, BigGANConfig

LAST_EPS = 1e-5  # of the last norm, whatever the others are told
CLOSE = 3e-7  # to the norm: a few roundings in 32 bits


def written(gen: BigGAN) -> tuple[memoryview, dict[str, Any]]:
    """The file's content, and what its `Generator(...)` is made with.

    Raises:
      CheckpointError: if BigGAN-PyTorch's code cannot hold the model.
    """
    tensors, made_with = state(gen)
    data = torch_writer.dumps(tensors)
    refuse_another(is_same(gen, read_again(data)), "ajbrock")
    return data, made_with


def state(gen: BigGAN) -> tuple[StateDict, dict[str, Any]]:
    """What `load_state_dict` of a generator takes that is made with these arguments."""
    cfg = gen.config
    made_with = arguments(cfg)
    ours, norms = parted(gen)
    names: dict[str, str] = {}
    tensors = renamed(in_their_order(ours, cfg), back(_style(cfg)), names)
    norms = {name: norms[own] for name, own in names.items() if own in norms}
    tables = [name for name in norms if cfg.class_dim is None and ".bn" in name]  # of classes, which have no norm
    vectors = _vectors(tensors, {name: norm for name, norm in norms.items() if name not in tables})
    for name in tables if vectors else norms:
        tensors[name] = (tensors[name] / norms[name]).astype(np.float32)
    made_with["G_param"] = "SN" if vectors else "none"
    words = {**made_with, "G_nl": "relu", "accumulate_standing": cfg.counted}
    return with_own_words({**tensors, **vectors, **_counters(tensors)}, words), made_with


def _counters(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What PyTorch's own norms have beside running means, and evaluation never reads."""
    means = [name for name in tensors if name.endswith(".running_mean")]
    return {name.replace("running_mean", "num_batches_tracked"): np.zeros((), np.int64) for name in means}


def _style(cfg: BigGANConfig) -> Style:
    kind = "running" if cfg.norm == "added" else "stored"
    nested = "bn." if cfg.norm == "added" or cfg.counted else ""
    return Style(cfg.class_dim is not None, nested, f"{kind}_mean", f"{kind}_var")


# ---- The constructor's arguments.


def arguments(cfg: BigGANConfig) -> dict[str, Any]:
    """What BigGAN-PyTorch's `Generator(...)` is made with, but for `G_param`, and its model's name.

    Raises:
      CheckpointError: if none do.
    """
    arch = architecture(cfg.channels, cfg.deep)
    blocks, end = len(cfg.ups), len(cfg.ups) + 1
    unknown = {
        "statistics by truncation": cfg.by_truncation,
        "blocks that double the size elsewhere": cfg.ups != tuple((k + 1) % arch.depth == 0 for k in range(blocks)),
        "attention elsewhere than behind a stage": any(not k or k % arch.depth for k in cfg.attention),
        f"images of {cfg.img_channels} channels": cfg.img_channels != 3,
        f"eps {cfg.last_eps:g} in the last norm": cfg.last_eps != LAST_EPS,
        "statistics of a number of batches in norms of that kind": cfg.counted and cfg.norm != "usual",
        f"z that goes {cfg.z_goes}": cfg.deep != (cfg.z_goes == "everywhere"),
        "z in chunks that are not even": cfg.z_goes == "chunks" and cfg.z_dim % end > 0,
        "tables of classes in its norms": cfg.class_dim is None and cfg.z_goes != "first",
    }
    if refused := [what for what, true in unknown.items() if true]:
        raise CheckpointError(f"BigGAN-PyTorch's code cannot hold this model: {', '.join(refused)}")
    attended = [8 * 2 ** (k // arch.depth - 1) for k in cfg.attention]
    return {
        "model": "BigGANdeep" if cfg.deep else "BigGAN",
        "G_ch": arch.ch,
        **({"G_depth": arch.depth} if cfg.deep else {}),
        "dim_z": cfg.z_dim,
        "bottom_width": cfg.bottom,
        "resolution": arch.resolution,
        "G_attn": "_".join(map(str, attended or [0])),
        "n_classes": cfg.c_dim,
        "G_shared": cfg.class_dim is not None,
        "shared_dim": cfg.class_dim or 0,
        "hier": cfg.z_goes != "first",
        "cross_replica": cfg.norm == "added",
        "mybn": cfg.counted,
        "norm_style": "nonorm" if cfg.norm == "none" else "bn",
        "BN_eps": cfg.eps,
        "SN_eps": ASSUMED["SN_eps"],
    }


# ---- Spectral norms.


def _vectors(tensors: Mapping[str, np.ndarray], norms: Mapping[str, float]) -> dict[str, np.ndarray]:
    """u0, and sv0, which its code only logs; nothing for a network without norms, or with one that no step finds."""
    if all(norm == 1 for norm in norms.values()):
        return {}
    found: dict[str, np.ndarray] = {}
    for name, norm in norms.items():
        u = _start(tensors[name].reshape(len(tensors[name]), -1), norm)
        if u is None:
            return {}
        stem = name.removesuffix("weight")
        found |= {f"{stem}u0": u[None], f"{stem}sv0": np.array([norm], np.float32)}
    return found


def _start(matrix: np.ndarray, norm: float) -> np.ndarray | None:
    """u such that |W v| is the norm, where v is u W over its length; None if there is none.

    With v = a v1 + b v2 of two right singular vectors, |W v|^2 = a^2 s1^2 + b^2 s2^2; and u W is that v for
    u = a u1 / s1 + b u2 / s2 of the left ones. The second is the nearest below the norm, so that little is divided
    by a small number.
    """
    values, left = left_vectors(matrix)
    if not len(values):
        return None
    second = min(int((values > norm).sum()), len(values) - 1)
    gap = values[0] ** 2 - values[second] ** 2
    share = np.clip((norm**2 - values[second] ** 2) / gap, 0, 1) if gap else 1.0
    mixed = np.sqrt(share) * left[:, 0] / values[0] + np.sqrt(1 - share) * left[:, second] / values[second]
    u = (mixed / np.linalg.norm(mixed)).astype(np.float32)
    v = u @ matrix.astype(np.float64)
    found = np.linalg.norm(matrix @ v) / np.linalg.norm(v)
    return u if abs(found - norm) <= CLOSE * norm else None
