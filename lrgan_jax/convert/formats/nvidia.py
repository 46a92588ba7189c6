"""NVIDIA's PyTorch files: `.pkl` of stylegan2-ada-pytorch and of stylegan3's StyleGAN2, and plain state dicts with those names."""
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import nvidia_modules
from lrgan_jax.convert.formats.places import Place, modules, number
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.stylegan2.network import Network
from lrgan_jax.convert.formats.stylegan2.own import own_settings, untold
from lrgan_jax.foreign.allowed import Record

FORMAT = "NVIDIA StyleGAN2 (PyTorch)"
SIGN = "synthesis.b4.const"
USUAL = ("G_ema", "G")
RULES = (Rule(r"(mapping|synthesis)\..*", r"\g<0>", "these names are the common language"),)


def read(place: Place) -> Network:
    """The network there: of a pickle with the settings of its modules, of a state dict with none."""
    if isinstance(place.owner, Record):
        return _pickled(place)
    settings = own_settings(place.owner)
    return Network(FORMAT, place.tensors, RULES, settings, untold=untold(settings))


def _pickled(place: Place) -> Network:
    start = f"{place.inside}." if place.inside else ""
    own = {path[len(start) :]: module for path, module in modules(place.owner) if f"{path}.".startswith(start)}
    state: dict[str, Mapping[str, Any]] = {path: module.state or {} for path, module in own.items()}
    clamp = state.get("synthesis.b4.conv1", {}).get("conv_clamp")  # which all others have to share
    mapping = state.get("mapping", {})
    settings: dict[str, Any] = {"conv_clamp": None if clamp is None else number(clamp, "conv_clamp")}
    settings |= {ours: mapping[name] for ours, name in (("z_dim", "z_dim"), ("mapping_layers", "num_layers")) if name in mapping}
    if "mapping.fc0" in state:
        settings["mapping_lr"] = number(state["mapping.fc0"].get("bias_gain"), "bias_gain of mapping.fc0")  # it has no name of its own
    return Network(
        FORMAT, place.tensors, RULES, settings, check=partial(nvidia_modules.check, own), arguments=nvidia_modules.arguments(own[""]),
        silent=tuple(path for path, attributes in state.items() if _is_off(attributes.get("use_noise"))),
        attributes={path: _plain(attributes) for path, attributes in state.items()},
    )  # fmt: skip


def _is_off(value: Any) -> bool:
    return isinstance(value, bool | int | np.generic) and not value


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What of a module's attributes is a plain value, which says how it computes."""
    return {
        name: value for name, value in attributes.items()
        if not name.startswith("_") and isinstance(value, bool | int | float | str | list | tuple | np.generic | None)
    }  # fmt: skip
