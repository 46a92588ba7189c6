"""What `inversion.py` left in a folder, as tables and pictures: python -m tests.benchmarks.inversion_report FOLDER

Medians over the pictures, with 95 % intervals. Written into FOLDER: `report.md`, `curves.png` (over the passes),
`losses.png` (Gauss-Newton beside Adam) and `sheet.png` (held-out pictures and what was found for them).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw

import lrgan_jax as lr
from lrgan_jax import images
from lrgan_jax.compare.figures import median_interval
from lrgan_jax.generators.natural import own_root
from lrgan_jax.generators.sampling import most_frontal
from lrgan_jax.lengths import natural_moves
from lrgan_jax.metrics import identity_change, load, lpips
from tests.benchmarks.inversion import BUDGETS, GOOD, TASKS, WAYS, Run, kept, psnr

THIRDS = (1000, 2000, 3000)  # of the projector's passes
SAME = 0.01  # of the distance between two of the generator's own latents
PAIRS = {"Adam": "W-adam", "Gauss-Newton": "W-gauss-newton"}
SHOWN, ENLARGED, MARGIN = 10, 2, 96  # pictures, times, pixels


class Likeness(NamedTuple):
    """Of each picture: peak signal to noise in dB, LPIPS, and how far apart the two faces are."""

    psnr: np.ndarray
    lpips: np.ndarray
    identity: np.ndarray


def main(place: str) -> None:
    folder = Path(place)
    found = {
        (task, way, budget): run
        for task in TASKS
        for way in WAYS
        for budget in BUDGETS
        if (run := kept(folder, task, way, budget))
    }
    likes = {key: likeness(targets(key[0], run), run.images) for key, run in found.items()}
    lines = [*own_samples(found, likes), "", *held_out(found, likes), "", *beaten(likes)]
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    curves(found, likes).savefig(folder / "curves.png", dpi=120)
    losses(found).savefig(folder / "losses.png", dpi=120)
    sheet(found).save(folder / "sheet.png")


def targets(task: str, run: Run) -> np.ndarray:
    return TASKS[task].targets(last=len(run.images))


def likeness(wanted: np.ndarray, found: np.ndarray) -> Likeness:
    apart = (lpips(load("lpips_alexnet"), found, wanted), identity_change(load("face_recognition"), found, wanted))
    return Likeness(psnr(found, wanted), *map(np.asarray, apart))


def own_samples(found: dict, likes: dict) -> Iterator[str]:
    """Is the picture found, and is it the very latent?"""
    yield f"| own samples | pictures | passes | PSNR, dB | least | above {GOOD} dB | the latent itself | off by |"
    yield "|---|---|---|---|---|---|---|---|"
    for (task, way, budget), run in found.items():
        if not task.startswith("own") or budget != BUDGETS[-1]:
            continue
        near, off = likes[task, way, budget].psnr, distances(task, run)
        yield (
            f"| `{TASKS[task].model}`, {way} | {len(near)} | {run.passes:.0f} | {interval(near)} | {near.min():.1f} "
            f"| {(near > GOOD).mean():.0%} | {(off < SAME).mean():.0%} | {interval(100 * off)} % |"
        )


def distances(task: str, run: Run) -> np.ndarray:
    """From the true latents, in distances between a latent and the next: in standard deviations of the generator's."""
    gen, true = lr.load(TASKS[task].model), np.asarray(TASKS[task].latents(last=len(run.latents)))
    rows = np.broadcast_to(run.latents, true.shape)
    root = own_root(gen)
    length = lambda moves: np.linalg.norm(natural_moves(moves.reshape(len(moves), -1), root), axis=1)  # noqa: E731
    return length(rows - true) / np.median(length(true[1:] - true[:-1]))


def held_out(found: dict, likes: dict) -> Iterator[str]:
    yield "| held-out | pictures | passes | s a picture | PSNR, dB | LPIPS | identity |"
    yield "|---|---|---|---|---|---|---|"
    for (task, way, budget), run in found.items():
        if task == "held-out" and budget in THIRDS:
            like = likes[task, way, budget]
            yield (
                f"| {way} | {len(like.psnr)} | {run.passes:.0f} | {run.seconds:.1f} | {interval(like.psnr)} "
                f"| {interval(like.lpips, 3)} | {interval(like.identity, 3)} |"
            )


def beaten(likes: dict) -> Iterator[str]:
    """Picture by picture, of those that both ways were given."""
    whole = likes.get(("held-out", "projector", THIRDS[-1]))
    for way in WAYS:
        third = likes.get(("held-out", way, THIRDS[0]))
        if third and whole and way != "projector":
            n = min(len(third.psnr), len(whole.psnr))
            nearer = [(a[:n] > b[:n]).mean() for a, b in ((third.psnr, whole.psnr), (whole.lpips, third.lpips))]
            yield (
                f"{way} after {THIRDS[0]} passes is nearer than the projector after {THIRDS[-1]} "
                f"in {nearer[0]:.0%} of {n} pictures by PSNR, in {nearer[1]:.0%} by LPIPS."
            )


def interval(values: np.ndarray, digits: int = 1) -> str:
    median, low, high = (f"{float(a):.{digits}f}" for a in median_interval(values))
    return f"{median} ({low}-{high})"


def curves(found: dict, likes: dict):
    """PSNR, LPIPS and identity over the passes, a line a way."""
    figure, panels = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for panel, name in zip(panels, Likeness._fields, strict=True):
        for way in WAYS:
            runs = [found[key] for budget in BUDGETS if (key := ("held-out", way, budget)) in found]
            each = [getattr(likes[key], name) for budget in BUDGETS if (key := ("held-out", way, budget)) in found]
            if runs:
                line(panel, way, [run.passes for run in runs], each)
        panel.set(xscale="log", xlabel="passes of the network", title=f"{name}, held-out pictures")
    panels[0].legend()
    return figure


def losses(found: dict):
    """Gauss-Newton beside Adam in W, step by step, a panel a task."""
    tasks = [task for task in TASKS if any((task, way, BUDGETS[-1]) in found for way in PAIRS.values())]
    figure, panels = plt.subplots(1, max(1, len(tasks)), figsize=(10, 3.5), layout="constrained", squeeze=False)
    for panel, task in zip(panels[0], tasks, strict=False):
        for title, way in PAIRS.items():
            if run := found.get((task, way, BUDGETS[-1])):
                steps = run.losses.shape[1]
                pool = lr.Fit().pool
                passes = pool + (run.passes - pool) * np.arange(1, steps + 1) / steps
                line(panel, title, passes, list(run.losses.T))
        panel.set(xscale="log", yscale="log", xlabel="passes of the network", title=f"loss, {task}")
        panel.legend()
    return figure


def line(panel, title: str, passes, each: list[np.ndarray]) -> None:
    """The median over the pictures, and between which half of them lie."""
    low, median, high = np.quantile(np.stack(each), (0.25, 0.5, 0.75), axis=1)
    panel.fill_between(passes, low, high, alpha=0.15)
    panel.plot(passes, median, label=title, marker="." if len(each) < 20 else "")


def sheet(found: dict) -> Image.Image:
    """Held-out pictures, the most frontal of those that all ways were given, and below each what every way found."""
    rows = {way: run.images for (task, way, _), run in found.items() if task == "held-out"}  # of the largest budget
    wanted = TASKS["held-out"].targets(last=min(map(len, rows.values())))
    shown = most_frontal(wanted)[:SHOWN]
    tiles = images.grid([row[shown].repeat(ENLARGED, 1).repeat(ENLARGED, 2) for row in (wanted, *rows.values())])
    picture = Image.new("RGB", (tiles.shape[1] + MARGIN, tiles.shape[0]), "white")
    picture.paste(Image.fromarray(tiles), (MARGIN, 0))
    draw, names = ImageDraw.Draw(picture), ("held out", *rows)
    for k, name in enumerate(names):
        draw.text((0, (k + 0.5) * tiles.shape[0] / len(names) - 6), name, fill="#444")
    return picture


if __name__ == "__main__":
    main(*sys.argv[1:])
