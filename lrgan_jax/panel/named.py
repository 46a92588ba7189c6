"""The directions that a model has under names, such as `smile`: one slider each, for every face."""

from collections.abc import Mapping

from lrgan_jax.base.errors import InputError
from lrgan_jax.directions import Directions
from lrgan_jax.editing import edit
from lrgan_jax.generators import WS, Generator
from lrgan_jax.models.checkpoint import embedded_models
from lrgan_jax.models.named import named_directions
from lrgan_jax.panel.found import Named


def of_model(model: str) -> dict[str, Named]:
    """Those of a folder, or of an embedded model."""
    return {
        name: Named(name, found, f"lr.named_direction({model!r}, {name!r})")
        for name, found in named_directions(model).items()
        if len(found) == 1
    }


def of_generator(gen: Generator) -> dict[str, Named]:
    """Those that came with it, if it is an embedded model's, weight for weight."""
    name = gen.info.name
    named = of_model(name) if name in embedded_models() else {}
    return {title: found for title, found in named.items() if found.directions.fingerprint == gen.info.fingerprint}


def given(directions: Mapping[str, Directions]) -> dict[str, Named]:
    """Those that the panel was opened with."""
    return {name: Named(name, found, f"named[{name!r}]") for name, found in directions.items()}


def check_named(named: Mapping[str, Named], ws: WS) -> dict[str, Named]:
    """The same, if each is one direction that can move such latents.

    Raises:
      InputError: naming the first that is not.
    """
    for name, found in named.items():
        if len(found.directions) != 1:
            raise InputError(f"{name}: a name stands for one direction, these are {len(found.directions)}")
        try:
            edit(ws, found.directions, 0.0)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    return dict(named)
