"""A StyleGAN2 as its file has it, whichever of its formats that is, and how it becomes ours.

Its tensors are first renamed to the common language (`names.py`); the hyper-parameters are then read off the shapes
(`shapes.py`), and what may be missing is made up (`missing.py`). What no shape shows (`conv_clamp`, the mapping's
learning rate) comes with the format as a setting.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.convert.formats.protocol import refuse_given
from lrgan_jax.convert.formats.rules import Origin, Rule, after, fill, refuse, rename
from lrgan_jax.convert.formats.stylegan2 import missing
from lrgan_jax.convert.formats.stylegan2.names import common_shapes, our_variables
from lrgan_jax.convert.formats.stylegan2.shapes import infer
from lrgan_jax.convert.formats.told import GIVEN, arguments_of
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config

FILTER = ".resample_filter"
SETTINGS = tuple(field.name for field in dataclasses.fields(StyleGAN2Config))


class Understood(NamedTuple):
    """What arguments of a project's constructor say: fields of the configuration that no shape shows, and a check of
    it against all of them.
    """

    settings: Mapping[str, Any]
    check: Callable[[StyleGAN2Config], Iterable[str]]


@dataclass(frozen=True)
class StyleGAN2Network:
    """A network as its file has it.

    Attributes:
      format: its name. understand: what the user gives as arguments of its project's constructor.
      rules: rename its tensors to the common language; back: the way back.
      settings: fields of StyleGAN2Config that the file tells. untold: those of which it has no word, although networks
        differ in them.
      silent: layers, by their common names, whose noise is switched off whatever strength they have.
      check: of the configuration in the end, against all else that the file says: every disagreement, in words.
      arguments: of its project's constructor, as the file carries them; None if it carries none.
      attributes: of its project's modules by path, as they were saved, whatever the arguments made.
    """

    format: str
    tensors: dict[str, np.ndarray]
    rules: tuple[Rule, ...]
    back: tuple[Rule, ...]
    understand: Callable[[Mapping[str, Any]], Understood]
    settings: Mapping[str, Any]
    untold: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    check: Callable[[StyleGAN2Config], Iterable[str]] = lambda config: ()
    arguments: Mapping[str, Any] | None = None
    attributes: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def build(self, given: Mapping[str, Any]) -> tuple[StyleGAN2, list[str]]:
        """See `protocol.Network`. Given may be fields of the config, `w_avg`, `noise` and `arguments`: see
        `read_checkpoint`.
        """
        refuse_given(given, (*SETTINGS, "w_avg", "noise", GIVEN), "a StyleGAN2")
        if GIVEN in given:
            rest = {name: given[name] for name in given if name != GIVEN}
            return self._with(arguments_of(given).given).build(rest)
        told = {name: value for name, value in given.items() if name in SETTINGS}
        problems: list[str] = []
        origin = Origin(self.tensors, self.back)
        tensors = rename(self.tensors, self.rules, problems, names=origin.names)
        missing.put_given_mean(given, tensors, "mapping.w_avg", origin, problems)
        if (mean := tensors.get("mapping.w_avg")) is not None:
            tensors["mapping.w_avg"] = missing.one_row(mean, origin.names["mapping.w_avg"], problems)
        with after(problems):
            config = infer(tensors, {**self.settings, **told}, origin)
        tensors = missing.silenced(tensors, config, self.silent)
        tensors, made = missing.completed(tensors, config, given.get("noise", "random"))
        weights = {name: a for name, a in tensors.items() if not name.endswith(FILTER)}  # which is in the config
        fill(weights, common_shapes(config), problems, origin)
        refuse([*problems, *self.check(config)])
        variables = our_variables(weights, config)
        if "mapping.w_avg" not in origin.names:
            variables["buffers"]["mapping"]["w_avg"] = missing.mean_latent(config, variables)
        assumed = _assumed(config, [name for name in self.untold if name not in told])
        return StyleGAN2(config, variables), [*assumed, *_inputs(config, {*self.settings, *told}), *made]

    def _with(self, arguments: Mapping[str, Any]) -> "StyleGAN2Network":
        """The same with what its user knows of it. Where the file says otherwise, it is believed, and the check refuses
        the difference.
        """
        told = self.understand(arguments)
        return dataclasses.replace(
            self,
            settings={**told.settings, **self.settings},
            untold=tuple(name for name in self.untold if name not in told.settings),
            check=lambda config: (*self.check(config), *told.check(config)),
        )


def _assumed(config: StyleGAN2Config, names: Sequence[str]) -> Iterator[str]:
    """What a state dict leaves open and networks differ in."""
    if names:
        options = ", ".join(f"{name} {getattr(config, name)} (--{name.replace('_', '-')})" for name in names)
        yield (
            f"tensors alone do not show it, so this is assumed: {options}; "
            "networks with layers in float16 clamp, mostly at 256"
        )


def _inputs(config: StyleGAN2Config, told: set[str]) -> Iterator[str]:
    if "z_dim" not in told and not config.c_dim and config.z_dim > config.w_dim:
        yield (
            f"z is {config.z_dim} wide, as the mapping network takes no labels; "
            "of a conditional network their embedding would be missing"
        )
