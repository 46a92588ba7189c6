"""The search of 0.1 beside the present one: python -m tests.benchmarks.natural

Eyes and mouth of four faces of faces64, each changed by the same amount: both ends of the old search's edit on layers
3-6, on all layers, and of the present one's. Writes notebooks/natural.webp.
"""

from pathlib import Path

import jax
import numpy as np
from PIL import Image

import lrgan_jax as lr
from lrgan_jax import demo
from lrgan_jax.images import to_uint8

OLD = lr.Search(metric="latent", tao=1e-3)
SEARCHES = (OLD.but(layers="3-6"), OLD, lr.Search())
REGIONS = ("eyes", "mouth")
FACES, SCALE, GAP = 4, 2, 6


def main() -> None:
    gen = lr.load("faces64")
    faces = lr.near_frontal(gen, jax.random.key(0), FACES, truncation=0.7)
    rows = []
    for search in SEARCHES:
        found = demo.run(gen, faces, list(REGIONS), search)
        edits = [found.edits[n][r] for r in range(len(REGIONS)) for n in range(FACES)]
        for edit in edits:
            print(f"{search.layers or 'all layers'}, leak {edit.outside / edit.inside:.3f}")
        rows.append([np.concatenate([edit.frames[0], edit.frames[3], edit.frames[-1]], axis=1) for edit in edits])
    sheet = [np.concatenate([_framed(to_uint8(tile)) for tile in row], axis=1) for row in _by_region(rows)]
    path = Path(__file__).parents[2] / "notebooks" / "natural.webp"
    Image.fromarray(np.concatenate(sheet, axis=0)).save(path, quality=85)
    print(f"wrote {path}")


def _by_region(rows: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """The searches below each other, one region after the other."""
    return [row[r * FACES : (r + 1) * FACES] for r in range(len(REGIONS)) for row in rows]


def _framed(tile: np.ndarray) -> np.ndarray:
    large = tile.repeat(SCALE, 0).repeat(SCALE, 1)
    return np.pad(large, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
