"""Python that makes the same picture without the panel: what "copy as code" copies."""
import base64
import io
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image

from lrgan_jax.directions import Directions
from lrgan_jax.regions import Mask, bounding_box

IMPORTS = ("import lrgan_jax as lr",)
IMPORTS_OF_MASKS = ("import base64", "import io", "", "import lrgan_jax as lr", "from lrgan_jax import regions")
Edit = tuple[str, Mask | None, Directions, list[float]]  # region, its mask where it was drawn, what was found, steps


def python_lines(source: str, face: int, edits: Sequence[Edit], num: int) -> str:
    """Find the same directions again and move along them by the same steps.

    Args:
      source: lines that define `gen` and `faces`. num: as the directions were found with.
    """
    lines, names = [source, f"face = faces[{face}:{face + 1}]"], []
    moves = ["edited = lr.to_ws(gen, face)"]
    for region, mask, directions, steps in edits:
        name = _unused(re.sub(r"\W", "_", region), names)
        names.append(name)
        if mask is not None:
            lines.append(f"{name}_mask = {_mask_code(mask)}")
        arguments = ["gen", "face", repr(region) if mask is None else f"{name}_mask"]
        if directions.layers is not None:
            arguments.append(f"layers={list(directions.layers)}")
        lines.append(f'{name} = lr.find_directions({", ".join(arguments)}, method="{directions.method}", num={num})')
        moves.append(f"edited = lr.edit(edited, {name}, {steps})")
    imports = IMPORTS if all(mask is None for _, mask, _, _ in edits) else IMPORTS_OF_MASKS
    return "\n".join([*imports, "", *lines, *moves, "image = lr.render(gen, edited)  # [1, H, W, C] in [-1, 1]", ""])


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
