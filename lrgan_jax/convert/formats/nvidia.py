"""NVIDIA's PyTorch files: `.pkl` of stylegan2-ada-pytorch and of stylegan3's StyleGAN2, state dicts of those names."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import nvidia_modules
from lrgan_jax.convert.formats.layouts import scalar
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.records import modules_of, plain
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.settings import disagreements, number
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network, Understood
from lrgan_jax.convert.formats.stylegan2.own import own_settings, untold
from lrgan_jax.convert.formats.told import GIVEN
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record

NAME = "NVIDIA StyleGAN2 (PyTorch)"
SIGN = "synthesis.b4.const"
USUAL = ("G_ema", "G")
_LAYER = r"synthesis\.b\d+\.(conv[01]|torgb|skip)"
RULES = (  # these names are the common language
    Rule(r"mapping\.(w_avg|label_weight|(fc\d+|embed)\.(weight|bias))", r"\g<0>", "as it is"),
    Rule(r"synthesis\.(b4\.const|b\d+\.resample_filter)", r"\g<0>", "as it is"),
    Rule(_LAYER + r"\.(weight|bias|affine\.(weight|bias)|noise_const|resample_filter)", r"\g<0>", "as it is"),
    Rule(_LAYER + r"\.noise_strength", r"\g<0>", "a scalar", scalar),
)
BACK = (Rule(r".*", r"\g<0>", "as it is"),)


def read(place: Place) -> StyleGAN2Network:
    """The network there: of a pickle with the settings of its modules, of a state dict with none."""
    if isinstance(place.owner, Record):
        return _pickled(place)
    settings = own_settings(place.owner)
    return StyleGAN2Network(NAME, place.tensors, RULES, BACK, _understand, settings, untold=untold(settings))


def _pickled(place: Place) -> StyleGAN2Network:
    own = modules_of(place)
    state: dict[str, Mapping[str, Any]] = {path: module.state or {} for path, module in own.items()}
    clamp = state.get("synthesis.b4.conv1", {}).get("conv_clamp")  # which all others have to share
    mapping = state.get("mapping", {})
    settings: dict[str, Any] = {"conv_clamp": None if clamp is None else number(clamp, "conv_clamp")}
    settings |= {
        ours: mapping[name] for ours, name in (("z_dim", "z_dim"), ("mapping_layers", "num_layers")) if name in mapping
    }
    if "mapping.fc0" in state:  # the learning rate has no name of its own
        settings["mapping_lr"] = number(state["mapping.fc0"].get("bias_gain"), "bias_gain of mapping.fc0")
    return StyleGAN2Network(
        NAME,
        place.tensors,
        RULES,
        BACK,
        _understand,
        settings,
        check=partial(nvidia_modules.check, own),
        arguments=nvidia_modules.arguments(own[""]),
        silent=tuple(path for path, attributes in state.items() if _is_off(attributes.get("use_noise"))),
        attributes={path: plain(attributes) for path, attributes in state.items()},
    )


def _understand(given: Mapping[str, Any]) -> Understood:
    """The generator's arguments, those of its parts beside them or within them. The clamp has another default in each
    repository, so only one that is given counts.
    """
    inner = {name: given.get(name) or {} for name in ("mapping_kwargs", "synthesis_kwargs")}
    if wrong := [name for name, value in inner.items() if not isinstance(value, Mapping)]:
        raise CheckpointError(f"{GIVEN}: {wrong[0]} is {inner[wrong[0]]!r:.40}, where a table of arguments is wanted")
    mapping, synthesis = inner["mapping_kwargs"], {**given, **inner["synthesis_kwargs"]}
    settings: dict[str, Any] = {"mapping_lr": number(mapping.get("lr_multiplier", 0.01), "lr_multiplier")}
    if "conv_clamp" in synthesis:
        clamp = synthesis["conv_clamp"]
        settings["conv_clamp"] = None if clamp is None else number(clamp, "conv_clamp")
    settings |= {name: given[name] for name in ("z_dim",) if name in given}
    return Understood(settings, lambda config: disagreements(given, nvidia_modules.tables(config)[""][1], GIVEN))


def _is_off(value: Any) -> bool:
    return isinstance(value, bool | int | np.generic) and not value
