"""NVIDIA's PyTorch files: `.pkl` of stylegan2-ada-pytorch and of stylegan3's StyleGAN2, and plain state dicts with those names."""
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from convert.rules import Rule
from convert.state_dicts import Found, find, number
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.foreign.errors import CheckpointError

FORMAT = "NVIDIA StyleGAN2 (PyTorch)"
RULES = (Rule(r"(mapping|synthesis)\..*", r"\g<0>", "these names are the common language"),)


def read(tree: Any) -> Found | None:
    """The generator's tensors by dotted name and its settings; None if this is not such a file.

    The averaged generator G_ema is taken, or G where a file has no other.
    """
    parts = (tree.get("G_ema"), tree.get("G")) if isinstance(tree, Mapping) else (tree,)
    network = next((part for part in parts if part is not None), None)
    return _module(network) if isinstance(network, Record) else find(tree, ("G_ema", "G"), "synthesis.b4.const")


def _module(generator: Record) -> Found | None:
    """Tensors and settings of a persistent network object, read from the attributes of its modules."""
    modules = {path: (kind, attributes) for path, kind, attributes in _walk(generator)}
    kinds = {kind for kind, _ in modules.values()}
    if "SynthesisNetwork" not in kinds:
        return None
    if "SynthesisBlock" not in kinds:
        raise CheckpointError("this is a StyleGAN3 network; only StyleGAN2 networks can be converted")
    tensors = {
        f"{path}.{name}".lstrip("."): value
        for path, (_, attributes) in modules.items()
        for name, value in [*attributes["_parameters"].items(), *attributes["_buffers"].items()]
        if isinstance(value, np.ndarray)
    }
    layers = [attributes for kind, attributes in modules.values() if kind in ("SynthesisLayer", "ToRGBLayer")]
    if unknown := {str(layer.get("activation", "lrelu")) for layer in layers} - {"lrelu"}:
        raise CheckpointError(f"activation {', '.join(sorted(unknown))}: only lrelu is known")
    clamps = [layer.get("conv_clamp") for layer in layers]
    if any(clamp != clamps[0] for clamp in clamps):
        raise CheckpointError(f"the layers use different values of conv_clamp: {sorted(set(map(str, clamps)))}")
    settings = {"conv_clamp": None if clamps[0] is None else number(clamps[0], "conv_clamp")}
    if "mapping.fc0" in modules:
        settings["mapping_lr"] = number(modules["mapping.fc0"][1].get("bias_gain"), "bias_gain")  # it has no name of its own
    return tensors, settings


def _walk(module: Any, path: str = "") -> Iterator[tuple[str, str, Mapping]]:
    """Path, class name and attributes of a network and all modules below it."""
    attributes = module.state if isinstance(module, Record) else None
    parts = ("_parameters", "_buffers", "_modules")
    if not isinstance(attributes, Mapping) or not all(isinstance(attributes.get(part), Mapping) for part in parts):
        raise CheckpointError(f"{path or 'the generator'} is not a network module")
    yield path, module.name, attributes
    for name, child in attributes["_modules"].items():
        if child is not None:
            yield from _walk(child, f"{path}.{name}".lstrip("."))
