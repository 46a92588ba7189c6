"""`lrgan info`: what models there are, and what is known of one."""

import dataclasses
import json
from typing import Annotated

import tyro

from lrgan_jax.generators.parts import HasParts
from lrgan_jax.models import checkpoint
from lrgan_jax.models.named import named_directions

Name = Annotated[str, tyro.conf.arg(metavar="NAME|FOLDER")]


def info_command(
    model: Annotated[Name | None, tyro.conf.Positional] = None,
    *,
    card: bool = False,
) -> None:
    """List the models inside the package, or say what is known of one.

    Args:
        model: a name or a folder; all names if left out.
        card: print the model card too.
    """
    if model is None:
        for name, folder in checkpoint.embedded_models().items():
            description = checkpoint.describe(folder)
            print(f"{name:14} {description['architecture']}, regions: {', '.join(description['regions'])}")
        return
    gen = checkpoint.load(model)
    directions = {name: found.measure for name, found in named_directions(model).items()}
    known = {
        "name": gen.info.name,
        "family": type(gen).__name__,
        "size": list(gen.size),
        "z_dim": gen.z_dim,
        "w_dim": gen.w_dim,
        "c_dim": gen.c_dim,
        "layers": gen.num_ws,
        "latent": gen.space.space,
        "parts": dict(gen.parts) if isinstance(gen, HasParts) else None,
        "classes": f"in the {gen.classes}" if gen.classes else None,
        "regions": list(gen.info.regions),
        "directions": {name: measure.meaning if measure else "" for name, measure in directions.items()},
        "fingerprint": gen.info.fingerprint,
        "config": dataclasses.asdict(gen.config),
        "provenance": dict(gen.info.provenance),
    }
    print(json.dumps({name: value for name, value in known.items() if value is not None}, indent=1))
    if card:
        print(gen.info.card)
