"""The PyTorch tutorial's DCGAN generator: a state dict with `main.{i}` names, at any width and size, bare or inside a larger dict."""
import re
from collections.abc import Mapping

import jax
import numpy as np
from jax.tree_util import tree_flatten_with_path

from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule, fill, refuse, rename
from lrgan_jax.generators import DCGAN, DCGANConfig
from lrgan_jax.generators.dcgan import init

FORMAT = "DCGAN (PyTorch tutorial)"
SIGN = "main.0.weight"
USUAL = ("generator", "netG")


def _norm(collection: str, name: str):
    """main.{3k+1} is the batch norm after the k-th convolution."""
    return lambda match: f"{collection}/norm{int(match[1]) // 3}/{name}"


_PREFIX = r"main\."
RULES = (
    Rule(_PREFIX + r"0\.weight", "params/project", "a convolution of a 1x1 image: IOHW to HWIO", lambda a: a.transpose(2, 3, 0, 1)),
    Rule(
        _PREFIX + r"((?!0\.)\d+)\.weight",
        lambda match: f"params/up{int(match[1]) // 3 - 1}" if int(match[1]) % 3 == 0 else _norm("params", "scale")(match),
        "transposed convolutions IOHW to HWIO; batch norm's scale as it is",
        lambda a: a.transpose(2, 3, 0, 1) if a.ndim == 4 else a,
    ),
    Rule(_PREFIX + r"(\d+)\.bias", _norm("params", "bias"), "batch norm's shift"),
    Rule(_PREFIX + r"(\d+)\.running_mean", _norm("batch_stats", "mean"), "batch norm's statistics"),
    Rule(_PREFIX + r"(\d+)\.running_var", _norm("batch_stats", "var"), "batch norm's statistics"),
    Rule(_PREFIX + r"\d+\.num_batches_tracked", None, "a counter that evaluation never reads"),
)  # fmt: skip


def read(place: Place) -> dict[str, np.ndarray] | None:
    """The tensors there, if they are a generator's; the discriminator has the same names, but no norm after its first layer."""
    return place.tensors if "main.1.running_mean" in place.tensors else None


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
