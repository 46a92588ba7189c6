"""What every module of a network makes on the way to an image."""

from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array

from lrgan_jax.generators.protocol import Generator


def intermediates(gen: Generator, z: Array, c: Array | None, truncation: float = 1.0) -> dict[str, Any]:
    """The output of each module by its path, "synthesis.b8.conv1", and the image.

    Args:
      z, c, truncation: of `gen.mapping`; the truncation is not traced.
    """
    seen: dict[str, Any] = {}

    def remember(call, args, kwargs, context):
        output = call(*args, **kwargs)
        if context.method_name == "__call__":
            seen[".".join(context.module.path)] = output
        return output

    # A function that is jitted for itself may have been traced before, when nobody looked.
    with nn.intercept_methods(remember), jax.disable_jit():
        seen["image"] = gen.synthesis(gen.mapping(z, c, truncation), noise="const")
    return seen
