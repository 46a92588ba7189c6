"""A StyleGAN (1) as its file has it, whichever of its formats that is, and how it becomes ours.

Its tensors are renamed to ours; the hyper-parameters are then read off the shapes (`shapes.py`). What no shape shows,
such as which layers are fused, comes with the arguments of its project's constructor.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.growing import level_of_detail
from lrgan_jax.convert.formats.protocol import refuse_given
from lrgan_jax.convert.formats.rules import Origin, Rule, after, fill, refuse, rename
from lrgan_jax.convert.formats.settings import Table
from lrgan_jax.convert.formats.sizes import Shape
from lrgan_jax.convert.formats.stylegan1.shapes import infer
from lrgan_jax.convert.formats.stylegan2 import missing
from lrgan_jax.convert.formats.told import GIVEN, Told, arguments_of
from lrgan_jax.convert.formats.variables import assembled, wanted
from lrgan_jax.generators import StyleGAN1, StyleGAN1Config
from lrgan_jax.generators.stylegan1 import init, map_latents

MEAN = "buffers/mapping/w_avg"


@dataclass(frozen=True)
class Project:
    """How a project's constructor is told what no shape shows.

    Attributes:
      fields: of StyleGAN1Config, from its arguments. fused: whether they fuse the upsampling layer of a resolution.
      z_dim: the width of z that they say, None if they do not.
      table: of all arguments that are known. defaults: of those that fix the arithmetic, for remarks.
    """

    fields: Callable[[Told], Mapping[str, Any]]
    fused: Callable[[Told, int], bool]
    z_dim: Callable[[Told], int | None]
    table: Callable[[Told, StyleGAN1Config], Table]
    defaults: Mapping[str, Any]


@dataclass(frozen=True)
class StyleGAN1Network:
    """A network as its file has it.

    Attributes:
      format: its name. rules: rename its tensors to ours; back: the way back.
      arguments: of its project's constructor, as the file carries them; None if it carries none. where: their name.
    """

    format: str
    tensors: dict[str, np.ndarray]
    rules: tuple[Rule, ...]
    back: tuple[Rule, ...]
    project: Project
    arguments: Mapping[str, Any] | None = None
    where: str = ""

    def build(self, given: Mapping[str, Any]) -> tuple[StyleGAN1, list[str]]:
        """See `protocol.Network`. Given may be `arguments`, `w_avg` and `noise`: see `read_checkpoint`."""
        refuse_given(given, (GIVEN, "w_avg", "noise"), "a StyleGAN")
        project, told = self.project, arguments_of(given, self.arguments, self.where)
        problems: list[str] = []
        origin = Origin(self.tensors, self.back)
        tensors = rename(self.tensors, self.rules, problems, names=origin.names)
        missing.put_given_mean(given, tensors, MEAN, origin, problems)
        with after(problems):
            fields = infer(tensors, origin, project.z_dim(told))
            lod = level_of_detail(tensors.pop("lod", None), len(fields["channels"]), problems)
            config = StyleGAN1Config(**{"lod": lod, **fields, **project.fields(told)})
        shapes = wanted(init, config)
        weights = {name: a for name, a in tensors.items() if not name.startswith("filter/")}  # which is in the config
        if MEAN in weights:
            weights[MEAN] = _shaped(weights[MEAN], shapes[MEAN], origin, problems)
        made = list(_completed(weights, shapes, given.get("noise", "random")))
        fill(weights, shapes, problems, origin)
        refuse([*problems, *told.disagreements(project.table(told, config))])
        for side in config.resolutions[1:]:
            if project.fused(told, side):  # a transposed convolution spreads its kernel, which is a reversed one's
                name = f"params/synthesis/b{side}/conv0/kernel"
                weights[name] = weights[name][::-1, ::-1]
        variables = assembled(weights, init, config)
        if MEAN not in origin.names:
            variables["buffers"]["mapping"]["w_avg"] = missing.mean_latent(config, variables, map_latents)
        return StyleGAN1(config, variables), [*told.assumed(project.defaults), *made]


def _shaped(mean: np.ndarray, wanted: Shape, origin: Origin, problems: list[str]) -> np.ndarray:
    """The mean latent: a row for each layer, which files have one after the other; or the only one."""
    if len(wanted) == 2 and mean.size == math.prod(wanted):
        return mean.reshape(wanted)
    return missing.one_row(mean, origin.names[MEAN], problems)


def _completed(weights: dict[str, np.ndarray], shapes: Mapping[str, Shape], noise: missing.Pictures) -> Iterator[str]:
    """Put in what files may lack, the mean latent (zeros for now) and all noise pictures; and say so."""
    if MEAN not in weights:
        weights[MEAN] = np.zeros(shapes[MEAN], np.float32)
        yield missing.NO_MEAN
    pictures = [name for name in shapes if re.search(r"/noise\d$", name)]
    if pictures and not any(name in weights for name in pictures):
        for name in pictures:
            weights[name] = np.zeros(shapes[name], np.float32)
        if noise == "random":
            random = np.random.default_rng(0)
            weights |= {name: random.standard_normal(shapes[name], np.float32) for name in pictures}
        yield missing.no_pictures(noise)
