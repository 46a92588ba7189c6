"""The PyTorch tutorial's DCGAN generator: a state dict with `main.{i}` names, at any width and size, bare or inside a larger dict."""
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.tree_util import tree_flatten_with_path

from convert.rules import Rule, fill, refuse, rename
from lrgan_jax.generators import DCGAN, DCGANConfig
from lrgan_jax.generators.dcgan import init

FORMAT = "DCGAN (PyTorch tutorial)"


def _norm(collection: str, name: str):
    """main.{3k+1} is the batch norm after the k-th convolution."""
    return lambda match: f"{collection}/norm{int(match[2]) // 3}/{name}"


_PREFIX = r"(module\.)?main\."  # "module." is left by DataParallel
RULES = (
    Rule(_PREFIX + r"0\.weight", "params/project", "a convolution of a 1x1 image: IOHW to HWIO", lambda a: a.transpose(2, 3, 0, 1)),
    Rule(
        _PREFIX + r"((?!0\.)\d+)\.weight",
        lambda match: f"params/up{int(match[2]) // 3 - 1}" if int(match[2]) % 3 == 0 else _norm("params", "scale")(match),
        "transposed convolutions IOHW to HWIO; batch norm's scale as it is",
        lambda a: a.transpose(2, 3, 0, 1) if a.ndim == 4 else a,
    ),
    Rule(_PREFIX + r"(\d+)\.bias", _norm("params", "bias"), "batch norm's shift"),
    Rule(_PREFIX + r"(\d+)\.running_mean", _norm("batch_stats", "mean"), "batch norm's statistics"),
    Rule(_PREFIX + r"(\d+)\.running_var", _norm("batch_stats", "var"), "batch norm's statistics"),
    Rule(_PREFIX + r"\d+\.num_batches_tracked", None, "a counter that evaluation never reads"),
)  # fmt: skip


def read(tree: Any) -> dict[str, np.ndarray] | None:
    """The tensors of the first dict, at most one level down, that is a DCGAN generator: its first layer spreads z over 4x4."""
    if not isinstance(tree, Mapping):
        return None
    for state in (tree, *(value for value in tree.values() if isinstance(value, Mapping))):
        first = next((state[name] for name in ("main.0.weight", "module.main.0.weight") if name in state), None)
        # The discriminator has the same names; its first layer takes the image, so only the generator's batch norm is main.1.
        if isinstance(first, np.ndarray) and any(re.fullmatch(_PREFIX + r"1\.running_mean", str(name)) for name in state):
            return {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    return None


def build(tensors: Mapping[str, np.ndarray]) -> DCGAN:
    """The generator. Raises CheckpointError with all disagreements in one line."""
    problems: list[str] = []
    ours = rename(tensors, RULES, problems)
    ups = sorted((name for name in ours if re.fullmatch(r"params/up\d+", name)), key=lambda name: int(name[9:]))
    if "params/project" not in ours or not ups or any(ours[name].ndim != 4 for name in ("params/project", *ups)):
        refuse([*problems, "main.0.weight, main.3.weight, ...: no chain of transposed convolutions"])
    config = DCGANConfig(
        channels=tuple(ours[name].shape[2] for name in ups),
        z_dim=ours["params/project"].shape[2],
        img_channels=ours[ups[-1]].shape[3],
    )
    wanted, structure = tree_flatten_with_path(jax.eval_shape(lambda: init(jax.random.key(0), config)))
    shapes = {"/".join(entry.key for entry in path): leaf.shape for path, leaf in wanted}
    fill(ours, shapes, problems)
    refuse(problems)
    return DCGAN(config, jax.tree.unflatten(structure, [np.asarray(ours[name], np.float32) for name in shapes]))
