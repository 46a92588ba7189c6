"""A StyleGAN3 as its file has it, whichever of its formats that is, and how it becomes ours.

Its tensors are renamed to ours; the widths are read off their shapes. How the layers compute the format's `plan` says:
read off the modules of a pickle, or made by StyleGAN3's rule (`planned.py`) of a file's arguments, the user's, and
defaults.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.convert.formats.protocol import refuse_given
from lrgan_jax.convert.formats.rules import Origin, Rule, after, fill, refuse, rename
from lrgan_jax.convert.formats.stylegan2 import missing
from lrgan_jax.convert.formats.stylegan3.names import sizes_of
from lrgan_jax.convert.formats.told import GIVEN, arguments_of
from lrgan_jax.convert.formats.variables import assembled, wanted
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN3, StyleGAN3Config
from lrgan_jax.generators.stylegan3 import init
from lrgan_jax.generators.stylegan3_design import Layer

LARGEST, MOST_LAYERS, LONGEST, STEEPEST = 4096, 100, 256, 16  # pixels; layers; taps of a filter; factors
W_AVG = "buffers/mapping/w_avg"


class Plan(NamedTuple):
    """How a network computes, beside its weights.

    Attributes:
      layers: the input, then all layers; their channels are those of the tensors in any case.
      settings: fields of StyleGAN3Config beside the layers and the widths; `z_dim` if anything tells it.
      remarks: what was assumed. biased: whether the label embedding has a bias.
    """

    layers: tuple[Layer, ...]
    settings: Mapping[str, Any]
    remarks: tuple[str, ...] = ()
    biased: bool = True


@dataclass(frozen=True)
class StyleGAN3Network:
    """A network as its file has it.

    Attributes:
      format: its name. rules: rename its tensors to ours; back: the way back.
      plan: how it computes, of the tensors in our names and the arguments that the user gives.
      check: of the configuration and those arguments, against all that the file says: every disagreement, in words.
      arguments: of its project's constructor, as the file carries them; None if it carries none.
      attributes: of its project's modules by path, as they were saved, whatever the arguments made.
    """

    format: str
    tensors: dict[str, np.ndarray]
    rules: tuple[Rule, ...]
    back: tuple[Rule, ...]
    plan: Callable[[Mapping[str, np.ndarray], Mapping[str, Any], Origin], Plan]
    check: Callable[[StyleGAN3Config, Mapping[str, Any]], Iterable[str]]
    arguments: Mapping[str, Any] | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def build(self, given: Mapping[str, Any]) -> tuple[StyleGAN3, list[str]]:
        """See `protocol.Network`. Given may be `arguments`, of the constructor of the file's project, and `w_avg`."""
        refuse_given(given, (GIVEN, "w_avg"), "a StyleGAN3")
        arguments = arguments_of(given).given
        problems: list[str] = []
        origin = Origin(self.tensors, self.back)
        tensors = rename(self.tensors, self.rules, problems, names=origin.names)
        missing.put_given_mean(given, tensors, W_AVG, origin, problems)
        with after(problems):
            plan = self.plan(tensors, arguments, origin)
            config = _config(tensors, plan, origin)
        tensors = _completed(tensors, config, plan.biased)
        fill(tensors, wanted(init, config), problems, origin)
        refuse([*problems, *_powerless(tensors, origin), *self.check(config, arguments)])
        return StyleGAN3(config, assembled(tensors, init, config)), list(plan.remarks)


def count(tensors: Iterable[str], part: str) -> int:
    """How many layers there are of the names params/{part}{number}, by the largest number."""
    numbers = [int(match[1]) for name in tensors if (match := re.match(rf"\w+/{part}(\d+)/", name))]
    found = 1 + max(numbers, default=-1)
    if not 0 < found <= MOST_LAYERS:
        raise CheckpointError(f"its {part.split('/')[0]} network has {found} layers, where 1 to {MOST_LAYERS} are read")
    return found


def _config(tensors: Mapping[str, np.ndarray], plan: Plan, origin: Origin) -> StyleGAN3Config:
    """What the shapes show, and the plan says."""
    shapes = {name: array.shape for name, array in tensors.items()}
    mapping_layers = count(shapes, "mapping/fc")
    sizes = sizes_of(shapes, mapping_layers)

    def size(name: str, shown_by: str) -> int:
        if name not in sizes:
            raise origin.unseen(shown_by)
        return sizes[name]

    w_dim = size("w", W_AVG)
    labelled = any(name.startswith("params/mapping/embed/") for name in shapes)
    embed = size("embed", "params/mapping/embed/kernel") if labelled else 0
    settings = dict(plan.settings)
    inputs = size("inputs", "params/mapping/fc0/kernel")
    z_dim = _z_dim(inputs, embed, w_dim, settings.pop("z_dim", None), origin.name("params/mapping/fc0/kernel"))
    channels = [size("0", "params/synthesis/input/kernel")]
    channels += [size(f"{i + 1}", f"params/synthesis/layer{i}/kernel") for i in range(len(plan.layers) - 1)]
    return StyleGAN3Config(
        layers=tuple(layer._replace(channels=own) for layer, own in zip(plan.layers, channels, strict=True)),
        z_dim=z_dim,
        w_dim=w_dim,
        c_dim=size("c", "params/mapping/embed/kernel") if labelled else 0,
        mapping_layers=mapping_layers,
        mapping_features=size("hidden", "params/mapping/fc0/kernel") if mapping_layers > 1 else w_dim,
        embed_features=embed,
        **settings,
    )


def _z_dim(inputs: int, embed: int, w_dim: int, told: Any, shown_by: str) -> int:
    """The width of z: what the mapping network takes beside the label embedding; see `stylegan2.shapes`."""
    takes = f"the mapping network takes {inputs} inputs ({shown_by})"
    if told is not None and (type(told) is not int or inputs != told + embed):
        more = ": of a conditional network the label embedding is missing" if not embed else ""
        raise CheckpointError(f"{takes}, where z has {told!r:.40} and the label embedding {embed}{more}")
    if told is None and not embed and inputs == 2 * w_dim:
        raise CheckpointError(
            f"{takes}, twice the width of w: of a conditional network the label embedding is missing; "
            f"if z is so wide, say so among the arguments: z_dim {inputs}"
        )
    if inputs <= embed:
        raise CheckpointError(f"{takes}, all for the label embedding: there is no z")
    return inputs - embed


def _completed(tensors: Mapping[str, np.ndarray], config: StyleGAN3Config, biased: bool) -> dict[str, np.ndarray]:
    """The tensors, with a filter of a single 1 where a layer has none, and zeros for an embedding's bias alike."""
    out = dict(tensors)
    if config.c_dim and not biased:
        out.setdefault("params/mapping/embed/bias", np.zeros(config.embed_features, np.float32))
    for i, layer in enumerate(config.layers[1:-1]):
        for name in ("up_filter", "down_filter"):
            if not getattr(layer, name):
                out.setdefault(f"buffers/synthesis/layer{i}/{name}", np.ones(1, np.float32))
    return out


def _powerless(tensors: Mapping[str, np.ndarray], origin: Origin) -> Iterable[str]:
    """Layers whose input is said to have no power, by whose root it would be divided."""
    for name, array in tensors.items():
        if name.endswith("/magnitude") and not (array > 0).all():
            yield f"{origin.name(name)}: {array!r:.40}, a mean square should be above 0"


def check_sizes(layers: tuple[Layer, ...]) -> None:
    """Refuse layers beyond all reason, before anything is made of their size.

    Raises:
      CheckpointError: naming the first.
    """
    for i, layer in enumerate(layers):
        where = f"layer {i - 1}" if i else "the input"
        if not all(0 < side <= LARGEST for side in layer.size):
            raise CheckpointError(f"{where}: its size is {layer.size!r:.40}, up to {LARGEST} are read")
        if not 0 < layer.cutoff <= layer.rate / 2 or (not i and layer.cutoff == layer.rate / 2):
            raise CheckpointError(f"{where}: a cutoff of {layer.cutoff:g} is none of {layer.rate:g} samples")
        if not (0 < layer.up <= STEEPEST and 0 < layer.down <= STEEPEST and 0 < layer.kernel <= STEEPEST):
            factors = f"{layer.up!r:.10}, {layer.down!r:.10} and its kernel {layer.kernel!r:.10}"
            raise CheckpointError(f"{where}: its factors are {factors}, 1 to {STEEPEST} are read")
        for shape, factor, most in ((layer.up_filter, layer.up, 1), (layer.down_filter, layer.down, 2)):
            odd = len(shape) > most or len(set(shape)) > 1 or any(not 0 < side <= LONGEST for side in shape)
            if odd or (not shape and factor > 1):
                raise CheckpointError(f"{where}: no filter of shape {shape!r:.40} at a factor of {factor} is known")
