"""Python that makes the same picture without the panel: what "copy as code" copies."""

import base64
import io
import keyword
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from lrgan_jax.panel.found import DRAWN, Found
from lrgan_jax.panel.portrait import Portrait
from lrgan_jax.panel.portrait_code import finding, putting_back
from lrgan_jax.regions import Mask, bounding_box
from lrgan_jax.search import Search

# Names that the lines themselves use.
TAKEN = (
    *("aligned", "base64", "edited", "face", "faces", "gen", "given", "image", "inversion", "inverted", "io"),
    *("jax", "lr", "now", "photo", "photographs", "protect", "regions", "tuned"),
)


def python_lines(
    source: str, face: int, edits: Sequence[tuple[Found, list[float]]], portrait: Portrait | None = None
) -> str:
    """Find the same directions again and move along them by the same steps.

    Args:
      source: lines that define `gen` and `faces`, and `protect` where the panel was opened with masks to keep still.
      portrait: the photograph that the face is of.
    """
    lines = [source, *(finding(portrait) if portrait else [f"face = faces[{face}:{face + 1}]"])]
    names = [*TAKEN]
    moves = ["edited = lr.to_ws(gen, face)"]
    for found, steps in edits:
        name = _unused(_identifier(found.region), names)
        names.append(name)
        region = repr(found.region)
        if found.region == DRAWN:
            region = f"{name}_mask"
            lines.append(f"{region} = {_mask_code(found.mask)}")
        arguments = ", ".join(("gen", "face", region, *_settings(found.search)))
        lines.append(f"{name} = lr.find_directions({arguments})")
        moves.append(f"edited = lr.edit(edited, {name}, {steps})")
    moves.append("image = lr.render(gen, edited)  # [1, H, W, C] in [-1, 1]")
    imports = _imports(any(found.region == DRAWN for found, _ in edits), portrait is not None)
    return "\n".join([*imports, "", *lines, *moves, *(putting_back(portrait) if portrait else []), ""])


def _imports(drawn: bool, portrait: bool) -> list[str]:
    rooms = ["inversion", "photographs"] * portrait + ["regions"] * drawn
    ours = ["import lrgan_jax as lr", *([f"from lrgan_jax import {', '.join(rooms)}"] if rooms else [])]
    return [*["import base64", "import io", ""] * drawn, *ours]


def _settings(search: Search) -> list[str]:
    """What is not as it is by default, as arguments."""
    values = {name: repr(value) for name, value in search.to_json().items()}
    if _holds_masks(search.protect):
        values["protect"] = "protect"
    return [f"{name}={value}" for name, value in values.items()]


def _holds_masks(protect: Any) -> bool:
    """Whether some of what keeps still has no name that the code could say."""
    return any(np.ndim(region) for region in (protect if isinstance(protect, list | tuple) else [protect]))


def _identifier(region: str) -> str:
    name = re.sub(r"\W", "_", region)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"region_{name}"


def _unused(name: str, taken: Sequence[str]) -> str:
    number = 1
    while (candidate := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return candidate


def _mask_code(mask: Mask) -> str:
    top, left, height, width = bounding_box(mask[None])
    if mask.sum() == height * width:
        size = len(mask) if mask.shape[0] == mask.shape[1] else mask.shape
        return f"regions.box_mask(top={top}, left={left}, height={height}, width={width}, size={size})"
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(mask) >= 0.5).save(buffer, "PNG", optimize=True)
    return f'regions.load_mask(io.BytesIO(base64.b64decode("{base64.b64encode(buffer.getvalue()).decode()}")))'
