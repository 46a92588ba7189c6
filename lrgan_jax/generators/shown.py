"""What a notebook and a terminal show of a generator: a row of samples and its facts."""

from typing import Any

import jax
import jax.numpy as jnp

from lrgan_jax import display
from lrgan_jax.generators.latents import Z
from lrgan_jax.generators.protocol import Generator
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.generators.view import render

SAMPLES = 8  # of seed 0, a batch


class Shown:
    """For generators: one short line in a terminal, a card in a notebook."""

    def __repr__(self: Any) -> str:
        return f"<{type(self).__name__} {self.info.name}: {_images(self)}, {_latent(self)}>"

    def _repr_html_(self: Any) -> str:
        told = facts(self)
        pictures, why = display.if_it_can(lambda: samples(self))
        return display.card(told.pop("name"), told, " ".join(pictures), why)


def facts(gen: Any) -> dict[str, str]:
    """Its name and sizes, for a person."""
    number = num_parameters(gen)
    return {
        "name": gen.info.name,
        "kind": type(gen).__name__,
        "images": _images(gen),
        "latent": _latent(gen),
        "classes": f"{gen.c_dim}" if gen.c_dim else "",
        "parameters": f"{number:,}" if number else "",
        "regions": ", ".join(gen.info.regions),
    }


def _images(gen: Generator) -> str:
    height, width = gen.size
    return f"{width} x {height} pixels"


def _latent(gen: Generator) -> str:
    layers = f", {gen.num_ws} layers" if gen.num_ws > 1 else ""
    return f"{'' if gen.space is Z else f'z {gen.z_dim} to '}{gen.space.space} {gen.w_dim}{layers}"


def num_parameters(gen: Any) -> int:
    """Those that training sets, named `params` in a network of ours; of a function's, all its floats."""
    variables = getattr(gen, "variables", {})
    leaves = jax.tree.leaves(variables.get("params", gen))
    return sum(a.size for a in leaves if hasattr(a, "size") and jnp.issubdtype(a.dtype, jnp.floating))


def samples(gen: Generator) -> list[str]:
    """An `<img>` for each of the first images of seed 0, of all classes in turn."""
    latents = seeded(gen, 0, SAMPLES, labels=range(gen.c_dim)).all()
    images = render(gen, latents, batch=SAMPLES)
    return [display.picture(image[None], f"image {k} of seed 0") for k, image in enumerate(images)]
