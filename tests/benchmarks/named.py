"""Find, measure and write the named directions of the embedded models, and a sheet of strips: python
tests/benchmarks/named.py MODEL

Each row of RECIPES was chosen by looking at sheets of what `find_directions` gives for the mean over many near-frontal
faces. What is measured, on other faces, goes into the file's `measure`. Takes minutes; overwrites what is there.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

from lrgan_jax import images
from lrgan_jax.compare.effects import networks
from lrgan_jax.compare.figures import median_interval
from lrgan_jax.directions import FULL_CHANGE, Directions, Measure
from lrgan_jax.generators import image_function, near_frontal, render, to_ws
from lrgan_jax.layers import spread
from lrgan_jax.metrics import EXPRESSIONS, LANDMARKS, face_expressions, face_landmarks, steps_for_change
from lrgan_jax.models import checkpoint
from lrgan_jax.pipeline import find_directions
from lrgan_jax.regions import region_mask, shapes_mask

FOUND_ON, MEASURED_ON, SHOWN_ON = (11, 96), (12, 64), (0, 4)  # seeds, and faces nearest to frontal of 512
BOXES = {  # finer than the models' own regions: top, left, height, width of 64
    "brows": [[19, 13, 6, 38]],
    "lids": [[26, 14, 7, 36]],
    "chin": [[54, 14, 10, 36]],
}


class Recipe(NamedTuple):
    """Direction number `index` of a region, positive as the name says when multiplied by `sign`."""

    meaning: str
    region: str
    index: int = 0
    sign: int = 1
    mu: float | None = None
    layers: tuple[int, ...] | None = None


RECIPES: dict[str, dict[str, Recipe]] = {
    "faces-dcgan": {
        "beard": Recipe("a beard grows", "chin", 1, -1),
        "brows_dark": Recipe("the brows darken", "brows"),
        "brows_raised": Recipe("the brows rise and the eyes open wide", "eyes"),
        "eyes_closed": Recipe("the eyes close", "lids", 1, -1),
        "glasses": Recipe("glasses appear", "lids", 3),
        "hair_dark": Recipe("the hair darkens", "hair"),
        "hair_full": Recipe("the hair grows fuller", "hair", 2, -1, mu=6.0),
        "moustache": Recipe("a moustache grows", "mouth", 1),
        "mouth_open": Recipe("the mouth opens", "mouth"),
        "smile": Recipe("the mouth widens to a smile", "mouth", 2, mu=5.0),
    },
    "faces64": {
        "beard": Recipe("a beard grows", "chin", 1, mu=5.0, layers=(0, 1, 2, 3)),
        "brows_dark": Recipe("the brows darken", "brows", 0, -1, layers=(3, 4, 5, 6)),
        "glasses": Recipe("glasses appear", "lids", 0, -1, mu=5.0, layers=(0, 1, 2, 3)),
        "moustache": Recipe("a moustache grows", "mouth", 2, -1, mu=5.0, layers=(0, 1, 2, 3)),
        "mouth_open": Recipe("the mouth opens", "mouth", 1, mu=5.0, layers=(0, 1, 2, 3)),
        "smile": Recipe("the mouth widens to a smile", "mouth", 0, -1, mu=5.0, layers=(0, 1, 2, 3)),
    },
}
TRUNCATION = {"faces-dcgan": 1.0, "faces64": 0.7}


def main(model: str) -> None:
    gen, truncation = checkpoint.load(model), TRUNCATION[model]
    found_on, measured_on, shown_on = (
        near_frontal(gen, jax.random.key(seed), num, truncation=truncation)
        for seed, num in (FOUND_ON, MEASURED_ON, SHOWN_ON)
    )
    folder = checkpoint.find(model) / "directions"
    folder.mkdir(exist_ok=True)
    rows = []
    for name, recipe in sorted(RECIPES[model].items()):
        found = find_directions(gen, found_on, _mask(gen, recipe.region), layers=recipe.layers, num=8, mu=recipe.mu)[
            recipe.index
        ]
        ws, moves, sizes, leaks = _moved(gen, measured_on, found, recipe, 0.02)
        effects = _effects(gen, ws, moves, sizes)
        far = _moved(gen, measured_on, found, recipe, FULL_CHANGE)[2]
        low, high = -float(np.median(far[:, 0])), float(np.median(far[:, 1]))
        leak = [round(float(x), 4) for x in median_interval(leaks)]
        measure = Measure(
            recipe.meaning,
            leak[0],
            (leak[1], leak[2]),
            **effects,
            found_on=FOUND_ON,
            measured_on=MEASURED_ON,
            truncation=truncation,
            index=recipe.index,
        )
        path: Path = folder / f"{name}.npz"
        path.unlink(missing_ok=True)
        reach = round(low, 2), round(high, 2)
        named = dataclasses.replace(
            found, vectors=recipe.sign * found.vectors, step_range=reach, region=recipe.region, measure=measure
        )
        named.save(path)
        print(name, (low, high), measure, flush=True)
        shown = to_ws(gen, shown_on).array
        move = spread(jnp.asarray(recipe.sign * found.vectors), recipe.layers, gen.num_ws)[0]
        rows.append(render(gen, jnp.stack([w + t * move for w in shown for t in (low, 0.0, high)])))
    sheet(rows, sorted(RECIPES[model])).save(folder / "strips.webp", quality=90)


def sheet(rows, names: list[str]) -> Image.Image:
    """Strips below one another, each with its name before it."""
    strips, margin = images.grid(rows), 84
    picture = Image.new("RGB", (strips.shape[1] + margin, strips.shape[0]), "white")
    picture.paste(Image.fromarray(strips), (margin, 0))
    draw, height = ImageDraw.Draw(picture), (strips.shape[0] + images.GAP) / len(names)
    for k, name in enumerate(names):
        draw.text((0, (k + 0.5) * height - 6), name.replace("_", " "), fill="#444")
    return picture


def _mask(gen, region: str):
    return (
        shapes_mask({"size": 64, "boxes": BOXES[region]}, gen.size[0])
        if region in BOXES
        else region_mask(region, gen.size[0], gen.info.regions)
    )


def _moved(gen, latents, found: Directions, recipe: Recipe, change: float):
    """Latents [N, L, d], the move [L, d], steps [N, 2] that change the region by `change`, and mean leak [N]."""
    f, ws, mask = image_function(gen), to_ws(gen, latents).array, jnp.asarray(_mask(gen, recipe.region))[None]
    move = spread(jnp.asarray(recipe.sign * found.vectors), recipe.layers, gen.num_ws)
    steps = [steps_for_change(f, w, move[None], mask, change) for w in ws]
    sizes = np.stack([np.asarray(s.size[0, 0]) for s in steps])
    leaks = np.array([float((s.change.outside / s.change.inside).mean()) for s in steps])
    return ws, move[0], sizes, leaks


def _effects(gen, ws, move, sizes) -> dict[str, Any]:
    """Mean difference between both ends: of the expression that changes most, and of the landmarks that move most."""
    there = networks()
    back, forth = (
        render(gen, jnp.stack([w + sign * size * move for w, size in zip(ws, sizes[:, k], strict=True)]))
        for k, sign in ((0, -1), (1, 1))
    )
    feeling = np.asarray(
        face_expressions(there["face_expression"], forth) - face_expressions(there["face_expression"], back)
    ).mean(0)
    shift = np.asarray(face_landmarks(there["face_landmarks"], forth) - face_landmarks(there["face_landmarks"], back))
    moved = {name: float(np.linalg.norm(shift[:, part], axis=-1).mean()) for name, part in LANDMARKS.items()}
    most, part = int(np.abs(feeling).argmax()), max(moved, key=lambda name: moved[name])
    return {
        "expression": {EXPRESSIONS[most]: round(float(feeling[most]), 3)},
        "landmarks": {part: round(moved[part], 4)},
    }


if __name__ == "__main__":
    main(sys.argv[1])
