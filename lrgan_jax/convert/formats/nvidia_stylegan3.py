"""NVIDIA's StyleGAN3: `.pkl` of stylegan3, whose modules say how each layer computes, and state dicts of its names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import nvidia_stylegan3_modules
from lrgan_jax.convert.formats.own import own_words
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.records import arguments_of, modules_of, plain
from lrgan_jax.convert.formats.rules import Origin, Rule
from lrgan_jax.convert.formats.settings import ANY, disagreements, number, same
from lrgan_jax.convert.formats.stylegan3.names import dense_back, dense_rules, layer_back, layer_rules
from lrgan_jax.convert.formats.stylegan3.network import Plan, StyleGAN3Network, check_sizes
from lrgan_jax.convert.formats.stylegan3.planned import DESIGN, Told, planned, widths
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN3Config
from lrgan_jax.generators.stylegan3_design import Layer

NAME = "NVIDIA StyleGAN3 (PyTorch)"
SIGN = "synthesis.input.freqs"
USUAL = ("G_ema", "G")
BANDS = "bands"  # of the layers: cutoff and half width

_TENSORS = {
    name: name
    for name in ("weight", "bias", "affine.weight", "affine.bias", "magnitude_ema", "up_filter", "down_filter")
}
_INPUT = "synthesis/input"


def read(place: Place) -> StyleGAN3Network:
    """The network there: of a pickle with what its modules say, of a state dict with its names alone."""
    return _pickled(place) if isinstance(place.owner, Record) else _bare(place)


def _rules(names: Sequence[str]) -> tuple[Rule, ...]:
    """Of a network whose layers are called so, in this order."""
    numbers = {name: f"layer{i}" for i, name in enumerate(names)}
    layer = rf"synthesis\.({'|'.join(map(re.escape, names))})"
    return (
        Rule(r"mapping\.w_avg", "buffers/mapping/w_avg", "as it is"),
        *dense_rules(r"mapping\.(fc\d+|embed)", r"params/mapping/\1"),
        *dense_rules(r"synthesis\.input\.affine", f"params/{_INPUT}/affine"),
        Rule(r"synthesis\.input\.weight", f"params/{_INPUT}/kernel", "out,in to in,out", np.transpose),
        Rule(r"synthesis\.input\.freqs", f"buffers/{_INPUT}/frequencies", "as it is"),
        Rule(r"synthesis\.input\.(phases|transform)", rf"buffers/{_INPUT}/\1", "as it is"),
        *layer_rules(layer, lambda match: numbers[match[1]], _TENSORS),
    )


def back(names: Sequence[str]) -> tuple[Rule, ...]:
    """The way back, to a network of such layers."""

    def theirs(layer: str) -> str:
        index = int(layer.removeprefix("layer"))
        return f"synthesis.{names[index] if index < len(names) else layer}"

    return (
        Rule(r"buffers/mapping/w_avg", "mapping.w_avg", "as it is"),
        *dense_back(r"params/mapping/(fc\d+|embed)", r"mapping.\1"),
        *dense_back(f"params/{_INPUT}/affine", "synthesis.input.affine"),
        Rule(f"params/{_INPUT}/kernel", "synthesis.input.weight", "in,out to out,in", np.transpose),
        Rule(f"buffers/{_INPUT}/frequencies", "synthesis.input.freqs", "as it is"),
        Rule(rf"buffers/{_INPUT}/(phases|transform)", r"synthesis.input.\1", "as it is"),
        *layer_back(theirs, _TENSORS),
    )


# ---- Pickles: everything is an attribute of some module.


def _pickled(place: Place) -> StyleGAN3Network:
    modules = modules_of(place)
    state: dict[str, Mapping[str, Any]] = {path: module.state or {} for path, module in modules.items()}
    names = _names(state)

    def check(config: StyleGAN3Config, given: Mapping[str, Any]) -> Iterator[str]:
        yield from nvidia_stylegan3_modules.check(modules, names, config)
        yield from _contradictions(config, given)

    return StyleGAN3Network(
        NAME,
        place.tensors,
        _rules(names),
        back(names),
        lambda tensors, given, origin: _of_modules(state, names, tensors),
        check,
        arguments=arguments_of(modules[""], nvidia_stylegan3_modules.POSITIONAL),
        attributes={path: plain(attributes) for path, attributes in state.items()},
    )


def _names(state: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Of the layers, in their order, which nothing else tells."""
    match state.get("synthesis", {}).get("layer_names"):
        case [_, *_] as names if all(isinstance(name, str) and f"synthesis.{name}" in state for name in names):
            if len(set(names)) == len(names):
                return list(names)
    raise CheckpointError("the layer_names of its synthesis network are no list of its layers")


def _of_modules(state: Mapping[str, Any], names: Sequence[str], tensors: Mapping[str, np.ndarray]) -> Plan:
    own = [state[f"synthesis.{name}"] for name in names]
    layers = [_input(state.get("synthesis.input", {}), own[0])]
    layers += [_layer(attributes, f"synthesis/layer{i}", tensors) for i, attributes in enumerate(own)]
    check_sizes(tuple(layers))
    settings: dict[str, Any] = {"output_scale": number(state["synthesis"].get("output_scale"), "output_scale")}
    if "z_dim" in state.get("mapping", {}):
        settings["z_dim"] = state["mapping"]["z_dim"]
    if "mapping.fc0" in state:  # the learning rate has no name of its own
        settings["mapping_lr"] = number(state["mapping.fc0"].get("bias_gain"), "bias_gain of mapping.fc0")
    return Plan(tuple(layers), settings)


def _input(attributes: Mapping[str, Any], first: Mapping[str, Any]) -> Layer:
    return Layer(
        channels=0,
        size=_size(attributes.get("size"), "size"),
        rate=number(attributes.get("sampling_rate"), "sampling_rate"),
        cutoff=number(attributes.get("bandwidth"), "bandwidth"),
        half_width=number(first.get("in_half_width"), "in_half_width"),
    )


def _layer(attributes: Mapping[str, Any], ours: str, tensors: Mapping[str, np.ndarray]) -> Layer:
    def whole(name: str, value: Any = None) -> int:
        found = number(attributes.get(name) if value is None else value, name)
        if not found.is_integer():
            raise CheckpointError(f"{name} should be a whole number, the file has {found!r:.40}")
        return int(found)

    padding, clamp = attributes.get("padding"), attributes.get("conv_clamp")
    if not isinstance(padding, list | tuple) or len(padding) != 4:
        raise CheckpointError(f"padding should be four numbers, the file has {padding!r:.40}")
    shapes = [tensors.get(f"buffers/{ours}/{name}", np.zeros(())).shape for name in ("up_filter", "down_filter")]
    return Layer(
        channels=0,
        size=_size(attributes.get("out_size"), "out_size"),
        rate=number(attributes.get("out_sampling_rate"), "out_sampling_rate"),
        cutoff=number(attributes.get("out_cutoff"), "out_cutoff"),
        half_width=number(attributes.get("out_half_width"), "out_half_width"),
        kernel=whole("conv_kernel"),
        up=whole("up_factor"),
        down=whole("down_factor"),
        before=(whole("padding", padding[2]), whole("padding", padding[0])),
        up_filter=shapes[0],
        down_filter=shapes[1],
        clamp=None if clamp is None else number(clamp, "conv_clamp"),
    )


def _size(value: Any, name: str) -> tuple[int, int]:
    if (size := nvidia_stylegan3_modules.sides(value)) is None:
        raise CheckpointError(f"{name} should be a width and a height, the file has {value!r:.40}")
    return size


# ---- State dicts: names and shapes, and the rule.


def _bare(place: Place) -> StyleGAN3Network:
    found = {name.split(".")[1] for name in place.tensors if re.match(r"synthesis\.L\d{1,4}_\d{1,4}_\d{1,4}\.", name)}
    names = sorted(found, key=lambda name: [int(part) for part in name[1:].split("_")])
    if not names or [int(name[1:].partition("_")[0]) for name in names] != list(range(len(names))):
        raise CheckpointError(f"its layers are not numbered from 0: {', '.join(names)[:80] or 'there are none'}")
    sizes = {i: int(name.split("_")[1]) for i, name in enumerate(names)}
    own = dict(own_words(place.owner))
    bands = own.pop(BANDS, None)

    def plan(tensors: Mapping[str, np.ndarray], given: Mapping[str, Any], origin: Origin) -> Plan:
        found = _by_rule(sizes, tensors, {**own, **given}, origin, certain=bool(own))
        return found if bands is None else found._replace(layers=_with_bands(found.layers, bands))

    def check(config: StyleGAN3Config, given: Mapping[str, Any]) -> Iterator[str]:
        yield from _contradictions(config, own, "what the state dict says of itself")
        yield from _contradictions(config, given)

    return StyleGAN3Network(NAME, place.tensors, _rules(names), back(names), plan, check, own or None)


def _with_bands(layers: tuple[Layer, ...], bands: Any) -> tuple[Layer, ...]:
    """The same with the cutoffs and half widths that we wrote, which differ in their last bit: a pickle has NumPy's."""
    rule = [(layer.cutoff, layer.half_width) for layer in layers]
    if not same(bands, rule):
        raise CheckpointError(f"the state dict's {BANDS} are none of ours: they do not fit its layers")
    return tuple(
        layer._replace(cutoff=float(cutoff), half_width=float(width))
        for layer, (cutoff, width) in zip(layers, bands, strict=True)
    )


def _by_rule(
    sizes: dict[int, int], tensors: Mapping[str, np.ndarray], given: Mapping[str, Any], origin: Origin, *, certain: bool
) -> Plan:
    mapping = given.get("mapping_kwargs")
    mapping = mapping if isinstance(mapping, Mapping) else {}
    design = {name: given[name] for name in DESIGN if name in given}
    settings: dict[str, Any] = {"z_dim": given["z_dim"]} if "z_dim" in given else {}
    if "output_scale" in given:
        settings["output_scale"] = number(given["output_scale"], "output_scale")
    if "lr_multiplier" in mapping:
        settings["mapping_lr"] = number(mapping["lr_multiplier"], "lr_multiplier")
    return planned(tensors, Told(design, settings, certain=certain), sizes, None, origin)


def _contradictions(
    config: StyleGAN3Config, given: Mapping[str, Any], where: str = "the arguments given"
) -> Iterator[str]:
    table = {**nvidia_stylegan3_modules.generator_table(config), "note": ANY}  # JSON has no comments
    yield from disagreements(given, table, where)
    if given.keys() & {"channel_base", "channel_max"}:
        yield from widths(config, given.get("channel_base"), given.get("channel_max"))
