"""Our names of a BigGAN's weights, `params/block0/conv1/kernel`: what their shapes show, and how they become a network.

Every format renames to these names and leaves to each weight the axes that ours has; only the order of numbers within
an axis may still be the project's own.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np

from lrgan_jax.convert.formats.rules import Origin, fill
from lrgan_jax.convert.formats.sizes import agreed
from lrgan_jax.convert.formats.variables import assembled, wanted
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import BigGAN, BigGANConfig
from lrgan_jax.generators.biggan import init

LARGEST = 4096  # pixels, eight times the largest published
NORM = "/spectral_norm"


class Sizes:
    """Every size by its name, as most of the tensors show it.

    Those of `names`: "classes" and "class" of the embedding, "first" and "rows" of the projection, "condition" of a
    block's norms, "c0", "c1", ... of the widths in front of blocks, "statistics".
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], origin: Origin, *, deep: bool):
        self.origin = origin
        self.blocks = _number_of_blocks(tensors)
        self.known = agreed((_sides(name, self.blocks, deep), array.shape) for name, array in tensors.items())

    def of(self, name: str, shown_by: str) -> int:
        """The size.

        Raises:
          CheckpointError: if the tensor that shows it, by our name, is missing or of an odd shape.
        """
        if name not in self.known:
            raise self.origin.unseen(shown_by)
        return self.known[name]

    @property
    def channels(self) -> tuple[int, ...]:
        """In front of each block, and after the last."""
        inner = (self.of(f"c{k}", f"params/block{k}/conv1/kernel") for k in range(self.blocks))
        return (*inner, self.of(f"c{self.blocks}", "params/norm/gain"))

    @property
    def bottom(self) -> int:
        """Side of the projection's picture."""
        rows = self.of("rows", "params/project/kernel")
        side = int((rows / self.channels[0]) ** 0.5 + 0.5)
        if side < 1 or side * side * self.channels[0] != rows:
            name = self.origin.name("params/project/kernel")
            raise CheckpointError(f"{name}: {rows} rows are no square of {self.channels[0]} channels")
        return side


def _number_of_blocks(tensors: Mapping[str, np.ndarray]) -> int:
    found = {int(match[1]) for name in tensors if (match := re.match(r"params/block(\d+)/", name))}
    if not found or found != set(range(len(found))):
        raise CheckpointError(f"blocks {sorted(found)!r:.80} are no BigGAN: they should be numbered from 0")
    return len(found)


def _sides(name: str, blocks: int, deep: bool) -> tuple[str, ...]:
    """The sizes that the sides of a tensor show, "" for one that says nothing."""
    match name.split("/"):
        case ["params", "embedding"]:
            return "classes", "class"
        case ["params", "project", "kernel"]:
            return "first", "rows"
        case ["params", "norm", "gain" | "bias"]:
            return (f"c{blocks}",)
        case ["params", block, layer, *kind] if block.startswith("block"):
            k = int(block.removeprefix("block"))
            inputs, outputs = f"c{k}", f"c{k + 1}"
            middle = f"m{k}" if deep else outputs
            widths = {"conv1": (inputs, middle), "conv2": (middle, middle), "conv3": (middle, middle)}
            widths |= {"conv4": (middle, outputs), "skip": (inputs, outputs)}
            if layer in widths:
                return ("", "", *widths[layer]) if kind == ["kernel"] else (widths[layer][1],)
            return ("condition", inputs if layer == "norm1" else middle) if kind[-1:] == ["kernel"] else ()
        case ["buffers", *_, "statistics", "mean" | "var"]:
            return "statistics", ""
    return ()


def spectral_norms(
    tensors: Mapping[str, np.ndarray], origin: Origin, of: Callable[[str], float], problems: list[str]
) -> dict[str, np.ndarray]:
    """The norm of every layer, as the sum of two numbers of 32 bits; see `generators.biggan`.

    Args:
      of: the norm of a weight by its name in the file.
    """
    found = {}
    for name in tensors:
        if name.endswith("/kernel"):
            with np.errstate(all="ignore"):  # weights that cannot be used are told of elsewhere
                norm = of(origin.name(name))
            if not 0 < norm < np.inf:
                problems.append(f"{origin.name(name)}: its spectral norm is {norm:g}, by which nothing can be divided")
                norm = 1.0
            high = np.float32(norm)
            pair = np.array([high, np.float32(norm - np.float64(high))], np.float32)
            found[name.replace("params", "buffers", 1).replace("/kernel", NORM)] = pair
    return found


def check(tensors: Mapping[str, np.ndarray], config: BigGANConfig, problems: list[str], origin: Origin) -> None:
    """Tell `problems` of whatever the model wants otherwise; spectral norms go with their weights."""
    if config.size > LARGEST:
        problems.append(f"pictures of {config.size} pixels, where {LARGEST} are the most that is read")
    fill(tensors, {name: shape for name, shape in wanted(init, config).items() if NORM not in name}, problems, origin)


def generator(tensors: Mapping[str, np.ndarray], config: BigGANConfig) -> BigGAN:
    """The network of tensors that were checked, and of their norms."""
    return BigGAN(config, assembled(tensors, init, config))
