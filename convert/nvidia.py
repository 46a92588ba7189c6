"""NVIDIA's PyTorch files: `.pkl` of stylegan2-ada-pytorch and of stylegan3's StyleGAN2, and plain state dicts with those names."""
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from convert.errors import CheckpointError
from convert.pickles import Record
from convert.rules import Rule

FORMAT = "NVIDIA StyleGAN2 (PyTorch)"
RULES = (Rule(r"(mapping|synthesis)\..*", r"\g<0>", "these names are the common language"),)


def read(tree: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The generator's tensors by dotted name and its settings; None if this is not such a file.

    The averaged generator G_ema is taken, or G where a file has no other.
    """
    if isinstance(tree, Mapping):
        for key in ("G_ema", "G"):
            if tree.get(key) is not None:
                return _network(tree[key])
    return _network(tree)


def _network(tree) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    if isinstance(tree, Record):
        return _module(tree)
    if not isinstance(tree, Mapping) or "synthesis.b4.const" not in tree:
        return None
    return {name: value for name, value in tree.items() if isinstance(value, np.ndarray)}, {}


def _module(generator: Record):
    """Tensors and settings of a persistent network object, read from the attributes of its modules."""
    modules = dict(_walk(generator))
    classes = {module.name for module in modules.values()}
    if "SynthesisNetwork" not in classes:
        return None
    if "SynthesisBlock" not in classes:
        raise CheckpointError("this is a StyleGAN3 network; only StyleGAN2 networks can be converted")
    tensors: dict[str, np.ndarray] = {}
    for path, module in modules.items():
        for name, value in [*module.state["_parameters"].items(), *module.state["_buffers"].items()]:
            if isinstance(value, np.ndarray):
                tensors[f"{path}.{name}".lstrip(".")] = value
    layers = [m.state for m in modules.values() if m.name in ("SynthesisLayer", "ToRGBLayer")]
    clamps = {layer.get("conv_clamp") for layer in layers}
    if len(clamps) > 1:
        raise CheckpointError(f"the layers use different values of conv_clamp, {sorted(map(str, clamps))}")
    activations = {m.state["activation"] for m in modules.values() if m.name == "SynthesisLayer" and "activation" in m.state}
    if activations - {"lrelu"}:
        raise CheckpointError(f"activation {sorted(activations)}: only lrelu is known")
    settings = {"conv_clamp": clamps.pop()}
    first = modules.get("mapping.fc0")
    if first is not None:
        settings["mapping_lr"] = float(first.state["bias_gain"])  # it has no name of its own
    return tensors, settings


def _walk(module: Record, path: str = "") -> Iterator[tuple[str, Record]]:
    if not isinstance(module.state, Mapping) or not isinstance(module.state.get("_modules"), Mapping):
        raise CheckpointError(f"{path or 'the network'} is a {module.name}, not a network module")
    yield path, module
    for name, child in module.state["_modules"].items():
        if child is not None:
            yield from _walk(child, f"{path}.{name}".lstrip("."))
