"""The names that genforce's two StyleGAN2s share: Hammer's (`hammer.py`) and the one before it (`sefa.py`)."""

import re
from collections.abc import Callable, Iterable

from lrgan_jax.convert.formats.layouts import scalar, with_first, with_two, without_first, without_two
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.stylegan2.names import block_number, layer_number, numbered_layer

SIGN = "synthesis.early_layer.const"
USUAL = ("models.generator_smooth", "models.generator", "generator_smooth", "generator")


def is_old(names: Iterable[str]) -> bool:
    """Whether the names are those before Hammer, whose weights differ in two ways that no shape shows."""
    return any(re.fullmatch(r"truncation\.w_avg|mapping\.label_weight|synthesis\..*\.kernel", name) for name in names)


# ---- From these names to the common ones.


def common(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of layer{i}, output{k} or residual{k}, the first two groups of the match."""
    return lambda match: _common(match[1], int(match[2])) + suffix


def _common(kind: str, index: int) -> str:
    if kind == "layer":
        return numbered_layer(index)
    return f"synthesis.b{4 * 2**index}.{'torgb' if kind == 'output' else 'skip'}"


LAYER = r"synthesis\.(layer|output|residual)(\d+)"
SHARED = (
    Rule(r"mapping\.dense(\d+)\.(weight|bias)", r"mapping.fc\1.\2", "as it is"),
    Rule(r"synthesis\.early_layer\.const", "synthesis.b4.const", "[1, C, 4, 4] to [C, 4, 4]", without_first),
    Rule(LAYER + r"\.bias", common(".bias"), "as it is"),
    Rule(LAYER + r"\.noise_strength", common(".noise_strength"), "a scalar", scalar),
    Rule(LAYER + r"\.style\.weight", common(".affine.weight"), "as it is"),
    Rule(LAYER + r"\.noise", common(".noise_const"), "[1, 1, r, r] to [r, r]", without_two),
)


# ---- And back.


def theirs(suffix: str) -> Callable[[re.Match], str]:
    """The target of a rule: this of b{r}.conv{i}, b{r}.torgb or b{r}.skip, the first two groups of the match."""
    return lambda match: _theirs(match[1], match[2]) + suffix


def _theirs(resolution: str, layer: str) -> str:
    if layer.startswith("conv"):
        return f"synthesis.layer{layer_number(resolution, layer[-1])}"
    return f"synthesis.{'output' if layer == 'torgb' else 'residual'}{block_number(resolution)}"


COMMON_LAYER = r"synthesis\.b(\d+)\.(conv[01]|torgb|skip)"
SHARED_BACK = (
    Rule(r"mapping\.fc(\d+)\.(weight|bias)", r"mapping.dense\1.\2", "as it is"),
    Rule(r"synthesis\.b4\.const", "synthesis.early_layer.const", "[C, 4, 4] to [1, C, 4, 4]", with_first),
    Rule(COMMON_LAYER + r"\.bias", theirs(".bias"), "as it is"),
    Rule(COMMON_LAYER + r"\.noise_strength", theirs(".noise_strength"), "as it is"),
    Rule(COMMON_LAYER + r"\.affine\.weight", theirs(".style.weight"), "as it is"),
    Rule(COMMON_LAYER + r"\.noise_const", theirs(".noise"), "[r, r] to [1, 1, r, r]", with_two),
)
