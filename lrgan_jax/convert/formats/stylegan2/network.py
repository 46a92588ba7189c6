"""The common language of all StyleGAN2 files: NVIDIA's PyTorch names and layouts. From here to our variables.

Every format is first renamed to these names; the hyper-parameters are then read off the shapes (`shapes.py`), in one place for all
formats, what may be missing is made up (`missing.py`), and `TO_OURS` carries the tensors over. What no shape shows (`conv_clamp`, the
mapping's learning rate) comes with the format as a setting.
"""
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.tree_util import tree_flatten_with_path

from lrgan_jax.convert.formats.rules import Rule, fill, refuse, rename, unusable
from lrgan_jax.convert.formats.stylegan2 import missing, shapes
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config
from lrgan_jax.generators.stylegan2 import init

_LAYER = r"synthesis\.(b\d+)\.(conv[01]|torgb)"
TO_OURS = (
    Rule(_LAYER + r"\.weight", r"params/synthesis/\1/\2/kernel", "OIHW to HWIO", lambda a: a.transpose(2, 3, 1, 0)),
    Rule(r"synthesis\.(b\d+)\.skip\.weight", r"params/synthesis/\1/skip/kernel", "OIHW to HWIO", lambda a: a.transpose(2, 3, 1, 0)),
    Rule(_LAYER + r"\.bias", r"params/synthesis/\1/\2/bias", "as it is"),
    Rule(_LAYER + r"\.affine\.weight", r"params/synthesis/\1/\2/affine/kernel", "out,in to in,out", lambda a: a.transpose(1, 0)),
    Rule(_LAYER + r"\.affine\.bias", r"params/synthesis/\1/\2/affine/bias", "as it is, the 1 included"),
    Rule(_LAYER + r"\.noise_strength", r"params/synthesis/\1/\2/noise_strength", "a scalar", lambda a: a.reshape(())),
    Rule(_LAYER + r"\.noise_const", r"buffers/synthesis/\1/\2/noise_const", "as it is"),
    Rule(r"synthesis\.b4\.const", "params/synthesis/b4/const", "CHW to HWC", lambda a: a.transpose(1, 2, 0)),
    Rule(r"synthesis\.b\d+(\.\w+)?\.resample_filter", None, "a constant of the configuration"),
    Rule(r"mapping\.(fc\d+|embed)\.weight", r"params/mapping/\1/kernel", "out,in to in,out", lambda a: a.transpose(1, 0)),
    Rule(r"mapping\.(fc\d+|embed)\.bias", r"params/mapping/\1/bias", "as it is"),
    Rule(r"mapping\.label_weight", "params/mapping/label_weight", "as it is"),
    Rule(r"mapping\.w_avg", "buffers/mapping/w_avg", "as it is"),
)  # fmt: skip


class Network(NamedTuple):
    """A network as its file has it.

    Attributes:
      kind: its format. rules: rename its tensors to the common language.
      settings: fields of StyleGAN2Config that the file tells. untold: those of which it has no word, although networks differ in them.
      silent: layers, by their common names, whose noise is switched off whatever strength they have.
      check: of the configuration in the end, against all else that the file says: every disagreement, in words.
      arguments: of its project's constructor, as the file carries them; None if it carries none.
      attributes: of its project's modules by path, as they were saved, whatever the arguments made.
    """

    kind: str
    tensors: dict[str, np.ndarray]
    rules: tuple[Rule, ...]
    settings: Mapping[str, Any] = {}
    untold: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    check: Callable[[StyleGAN2Config], Iterable[str]] = lambda config: ()
    arguments: Mapping[str, Any] | None = None
    attributes: Mapping[str, Mapping[str, Any]] = {}


def build(
    network: Network, settings: Mapping[str, Any], *, w_avg: np.ndarray | None, noise: missing.Pictures
) -> tuple[StyleGAN2, list[str]]:
    """The generator, and remarks: whatever had to be assumed or made up, a sentence each.

    Args:
      settings: fields of StyleGAN2Config that the file does not tell. w_avg, noise: see `read_checkpoint`.
    Raises:
      CheckpointError: one line with all disagreements between the file, its settings and the model.
    """
    problems: list[str] = []
    origin: dict[str, str] = {}
    tensors = rename(network.tensors, network.rules, problems, origin=origin)
    if w_avg is not None:
        tensors["mapping.w_avg"], origin["mapping.w_avg"] = w_avg, "the mean latent given"
        problems += [f"the mean latent given {problem}" for problem in [unusable(w_avg)] if problem]
    if "mapping.w_avg" in tensors:
        tensors["mapping.w_avg"] = missing.one_row(tensors["mapping.w_avg"], origin["mapping.w_avg"], problems)
    try:
        config = shapes.infer(tensors, {**network.settings, **settings})
    except KeyError as error:  # without this tensor not even the shapes can be told
        refuse([*problems, f"{error.args[0]}: nothing in the checkpoint fills it"])
        raise
    remarks = [*_assumed(config, [name for name in network.untold if name not in settings]), *_inputs(config, network, settings)]
    tensors, made = missing.completed(missing.silenced(tensors, config, network.silent), config, noise)
    ours = rename(tensors, TO_OURS, problems, check_values=False, origin=(places := {}))
    wanted, structure = _wanted(config)
    fill(ours, wanted, problems, {name: origin[common] for name, common in places.items() if common in origin})
    refuse([*problems, *network.check(config)])
    variables = jax.tree.unflatten(structure, [np.asarray(ours[name], np.float32) for name in wanted])
    if "mapping.w_avg" not in origin:
        variables["buffers"]["mapping"]["w_avg"] = missing.mean_latent(config, variables)
    return StyleGAN2(config, variables), remarks + made


def _assumed(config: StyleGAN2Config, names: Sequence[str]) -> Iterator[str]:
    """What a state dict leaves open and networks differ in."""
    if names:
        options = ", ".join(f"{name} {getattr(config, name)} (--{name.replace('_', '-')})" for name in names)
        yield f"tensors alone do not show it, so this is assumed: {options}; networks with layers in float16 clamp, mostly at 256"


def _inputs(config: StyleGAN2Config, network: Network, settings: Mapping[str, Any]) -> Iterator[str]:
    if "z_dim" not in {*network.settings, *settings} and not config.c_dim and config.z_dim > config.w_dim:
        yield f"z is {config.z_dim} wide, as the mapping network takes no labels; of a conditional network their embedding would be missing"


@lru_cache(maxsize=8)
def _wanted(config: StyleGAN2Config) -> tuple[dict[str, tuple[int, ...]], Any]:
    """Our names and shapes, and the tree that they make."""
    wanted, structure = tree_flatten_with_path(jax.eval_shape(lambda: init(jax.random.key(0), config)))
    return {"/".join(entry.key for entry in path): leaf.shape for path, leaf in wanted}, structure
