"""Python that makes the same picture without the panel: what "copy as code" copies."""
import base64
import io
import keyword
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image

from lrgan_jax.panel.found import DRAWN, Found
from lrgan_jax.regions import Mask, bounding_box

IMPORTS = ("import lrgan_jax as lr",)
IMPORTS_OF_MASKS = ("import base64", "import io", "", "import lrgan_jax as lr", "from lrgan_jax import regions")
TAKEN = ("base64", "edited", "face", "faces", "gen", "image", "io", "jax", "lr", "near_frontal", "regions")  # by the lines themselves


def python_lines(source: str, face: int, edits: Sequence[tuple[Found, list[float]]], num: int) -> str:
    """Find the same directions again and move along them by the same steps.

    Args:
      source: lines that define `gen` and `faces`. num: as the directions were found with.
    """
    lines = [source, f"face = faces[{face}:{face + 1}]"]
    names: list[str] = [*TAKEN]
    moves = ["edited = lr.to_ws(gen, face)"]
    for found, steps in edits:
        name = _unused(_identifier(found.region), names)
        names.append(name)
        region = repr(found.region)
        if found.region == DRAWN:
            region = f"{name}_mask"
            lines.append(f"{region} = {_mask_code(found.mask)}")
        layers = "" if found.directions.layers is None else f"layers={list(found.directions.layers)}, "
        options = f'{layers}method="{found.directions.method}", num={num}'
        lines.append(f"{name} = lr.find_directions(gen, face, {region}, {options})")
        moves.append(f"edited = lr.edit(edited, {name}, {steps})")
    imports = IMPORTS_OF_MASKS if any(found.region == DRAWN for found, _ in edits) else IMPORTS
    return "\n".join([*imports, "", *lines, *moves, "image = lr.render(gen, edited)  # [1, H, W, C] in [-1, 1]", ""])


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
        return f"regions.box_mask(top={top}, left={left}, height={height}, width={width}, size={len(mask)})"
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(mask) >= 0.5).save(buffer, "PNG", optimize=True)
    return f'regions.load_mask(io.BytesIO(base64.b64decode("{base64.b64encode(buffer.getvalue()).decode()}")))'
