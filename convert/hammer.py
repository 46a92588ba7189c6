"""genforce's StyleGAN2 as Hammer saves and ReSeFa loads it, `.pth`; the names and places of its older relative in `sefa.py` too."""
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from convert.rules import Rule, numbered_layer
from convert.state_dicts import Found, find

FORMAT = "genforce/Hammer StyleGAN2 (ReSeFa)"


def network(tree: Any) -> Found | None:
    """The tensors of the averaged generator, or of the other if there is no average; None if this is no genforce StyleGAN2."""
    if isinstance(tree, Mapping) and isinstance(tree.get("models"), Mapping):
        tree = tree["models"]
    return find(tree, ("generator_smooth", "generator"), "synthesis.early_layer.const")


def place(match: re.Match) -> str:
    """Common name of layer{i}, output{k} and residual{k}, the first two groups of the match."""
    index = int(match[2])
    return numbered_layer(index) if match[1] == "layer" else f"synthesis.b{4 * 2**index}.{'torgb' if match[1] == 'output' else 'skip'}"


def at(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: the layer's common name, and this."""
    return lambda match: place(match) + suffix


LAYER = r"synthesis\.(layer|output|residual)(\d+)"
SHARED = (
    Rule(r"mapping\.dense(\d+)\.(weight|bias)", r"mapping.fc\1.\2", "as it is"),
    Rule(r"synthesis\.early_layer\.const", "synthesis.b4.const", "drop the leading axis of 1", lambda a: a.reshape(a.shape[1:])),
    Rule(LAYER + r"\.(bias|noise_strength|style\.weight)", lambda m: at("." + m[3].replace("style", "affine"))(m), "as it is"),
    Rule(LAYER + r"\.noise", at(".noise_const"), "[1, 1, r, r] to [r, r]", lambda a: a.reshape(a.shape[2:])),
)
RULES = (
    *SHARED,
    Rule(r"w_avg", "mapping.w_avg", "as it is"),
    Rule(r"mapping\.embedding\.(weight|bias)", r"mapping.embed.\1", "as it is"),
    Rule(LAYER + r"\.weight", at(".weight"), "as it is"),
    Rule(LAYER + r"\.style\.bias", at(".affine.bias"), "as it is, the 1 included"),
    Rule(LAYER + r"\.filter", at(".resample_filter"), "as it is"),
    Rule(r"synthesis\.filter", "synthesis.b4.resample_filter", "the picture pyramid's"),
)


def read(tree: Any) -> Found | None:
    """The tensors by their names in the file, and no settings: the file has none. None if this is not such a file."""
    found = network(tree)
    return None if found is None or is_old(found[0]) else found


def is_old(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether the names are those before Hammer, whose weights differ in two ways that no shape shows."""
    return any(re.fullmatch(r"truncation\.w_avg|mapping\.label_weight|synthesis\..*\.kernel", name) for name in tensors)
