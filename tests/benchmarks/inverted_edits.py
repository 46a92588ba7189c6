"""Do the directions of an inverted picture edit as well as those of the generator's own?

    python -m tests.benchmarks.inverted_edits FOLDER [NUM]

FOLDER is that of `inversion.py`, in which held-out pictures were inverted within 1,000 passes. For NUM of them, in W,
in W+ and in W+ with tuned weights, and for as many samples of `faces64`: each region's best direction, found at that
very latent, moved both ways until the region has changed by 0.02; leak as change outside over change inside, and the
LPIPS of what changes outside. Medians with 95 % intervals. A sheet of the edits is written into FOLDER.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

import lrgan_jax as lr
from lrgan_jax import images
from lrgan_jax.compare.figures import median_interval
from lrgan_jax.evaluation import Scene, edits
from lrgan_jax.generators import WS
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.metrics import load, lpips_change
from lrgan_jax.targets import generator_grams
from tests.benchmarks.inversion import TASKS, kept

REGIONS = ("eyes", "mouth", "nose", "hair")
BUDGET, TUNED_STEPS, OWN_SEED, SHOWN = 1000, 200, 11, 6


class Done(NamedTuple):
    """Of one picture, a region each: leak; LPIPS outside; the picture, and each region moved forwards."""

    leak: np.ndarray
    lpips: np.ndarray
    strip: np.ndarray


def main(place: str, num: str = "16") -> None:
    folder, found = Path(place), {}
    for name, pictures in groups(folder, int(num)).items():
        found[name] = [edited(gen, ws) for gen, ws in tqdm(pictures, name, total=int(num))]
    print("| | " + " | ".join(f"{region}: leak, % | LPIPS" for region in REGIONS) + " |")
    for name, done in found.items():
        leak, outside = (np.array([getattr(one, field) for one in done]) for field in ("leak", "lpips"))
        cells = [f"{interval(100 * leak[:, r], 1)} | {interval(outside[:, r], 4)}" for r in range(len(REGIONS))]
        print(f"| {name} | " + " | ".join(cells) + " |")
    strips = [d.strip for done in found.values() for d in done[:SHOWN]]
    images.save(folder / "edits.png", images.grid(strips), enlarge=2)


def groups(folder: Path, num: int) -> dict[str, Iterator[tuple[Any, WS]]]:
    """By name, generators and latents."""
    gen = lr.load("faces64")
    own = seeded(gen, OWN_SEED, num).all()
    targets = TASKS["held-out"].targets(last=num)
    inverted = {way: WS(rows(folder, way)[:num]) for way in ("W", "W+")}
    return {
        "own samples": _each(gen, own),
        **{way: _each(gen, ws) for way, ws in inverted.items()},
        "W+, tuned": (tuned(gen, inverted["W+"][n : n + 1], targets[n : n + 1]) for n in range(num)),
    }


def _each(gen: Any, ws: WS) -> Iterator[tuple[Any, WS]]:
    return ((gen, ws[n : n + 1]) for n in range(len(ws)))


def rows(folder: Path, way: str) -> np.ndarray:
    run = kept(folder, "held-out", way, BUDGET)
    if run is None:
        raise SystemExit(f"{folder} has no held-out pictures in {way} yet: run inversion.py first")
    return run.latents


def tuned(gen: Any, ws: WS, target: np.ndarray) -> tuple[Any, WS]:
    return lr.tune(gen, ws, target, steps=TUNED_STEPS).delta.apply(gen), ws


def edited(gen: Any, ws: WS) -> Done:
    search = lr.Search(num=1)
    scene = Scene.of(gen, ws, REGIONS, search)
    best = np.stack([np.asarray(lr.find_directions(gen, ws, region, search).vectors[0]) for region in REGIONS])
    grams = generator_grams(gen, ws, scene.masks, moves=scene.moves, channels="stack")
    moved = edits(scene, 0, np.asarray(grams.inside[0]), best[None])
    steps = moved.size[0]  # [R, 2], backwards first
    before, after = scene.pictures(scene.spread(best)[None, :, None] * (steps * [-1, 1])[None, :, :, None, None])
    network = load("lpips_alexnet")

    def outside(mask: np.ndarray, pictures: np.ndarray) -> float:
        return float(np.mean([lpips_change(network, before[0], picture, mask).outside for picture in pictures]))

    seen = np.array([outside(mask, pictures) for mask, pictures in zip(scene.masks, after[0], strict=True)])
    leak = moved.outside[0].mean(-1) / moved.inside[0].mean(-1)
    return Done(leak, seen, np.stack([before[0], *after[0, :, 0], *after[0, :, 1]]))


def interval(values: np.ndarray, digits: int) -> str:
    median, low, high = (f"{float(a):.{digits}f}" for a in median_interval(values))
    return f"{median} ({low}-{high})"


if __name__ == "__main__":
    main(*sys.argv[1:])
