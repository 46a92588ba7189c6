"""What a sweep writes down before it begins: the settings, as the manifest remembers them, and the arrays that follow from them."""
import hashlib
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from lrgan_jax.generators import Generator
from lrgan_jax.sweep.block import AXES, Options, Sums, one
from lrgan_jax.sweep.latents import Latents
from lrgan_jax.sweep.store import Layout

LIBRARIES = ("lrgan_jax", "jax", "jaxlib", "flax", "tensorstore")


def manifest(gen: Generator, latents: Latents, masks: Mapping[str, np.ndarray], options: Options, block: int) -> dict[str, Any]:
    """Equal `settings`, equal results beyond rounding. `memory` is kept beside them, for equal bits."""
    chosen = options._asdict()
    return {
        "settings": {
            "model": gen.info.fingerprint,
            "latents": latents.record,
            "regions": {name: hashlib.sha256(mask.tobytes()).hexdigest() for name, mask in masks.items()},
            "options": {name: value for name, value in chosen.items() if name != "memory"},
            "block": block,
        },
        "memory": options.memory,
        "model": gen.info.name,
        "regions": list(masks),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def options_of(manifest: Mapping[str, Any]) -> Options:
    """The options that a store was begun with."""
    chosen = dict(manifest["settings"]["options"])
    layers = chosen.pop("layers")
    return Options(layers=None if layers is None else tuple(layers), memory=manifest["memory"], **chosen)


def layouts(gen: Generator, latents: Latents, masks: Float[np.ndarray, "r h w"], options: Options, block: int) -> dict[str, Layout]:
    """The arrays of a store."""
    ws = jax.eval_shape(lambda: latents.stretch(0, 1)[0])
    results, _ = jax.eval_shape(partial(one, options, gen, masks), ws)
    found = {
        name: Layout((latents.num, *result.shape), result.dtype.name, ("latent", *AXES[name]), block) for name, result in results.items()
    }
    regions, d, grams = len(masks), gen.w_dim, results["inside"].dtype.name
    for name in Sums._fields:
        found[f"sum_{name}"] = Layout((-(-latents.num // block), regions, d * (d + 1) // 2), grams, ("block", "region", "pair"), 1)
    return found | {"masks": Layout(masks.shape, "float32", ("region", "mask_y", "mask_x"), regions)}
