"""Pictures to latents and back, by this library and by NVIDIA's projector, at equal work:

    python -m tests.benchmarks.inversion FOLDER TASK WAY [FIRST LAST [BUDGET ...]]
    python -m tests.benchmarks.inversion_report FOLDER

TASK says which pictures of which generator are looked for, WAY by whom; FIRST and LAST which of the pictures, if not
all. What is found within each budget goes into a file of FOLDER, and the report is of all that lies there.

Work is counted in passes of the generator, those of LPIPS's network apart: an image is 1, the way back through one 2, a
column of its Jacobian what `families.py` measures.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

import lrgan_jax as lr
from lrgan_jax.generators import DCGAN, WS, Generator, StyleGAN2
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.inversion import attempts, gauss_newton
from lrgan_jax.metrics import load

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the projector is

BUDGETS = (500, 1000, 2000, 3000)  # passes for each picture
STEP = 3  # an image and the way back
COLUMN = {StyleGAN2: 1.5, DCGAN: 0.8}
TRIES = (10, 20, 20)  # rounds of Gauss and Newton's
GOOD = 40  # dB
CHORD = STEP + len(gauss_newton.TRIED)
TUNING_STEP = 2 * STEP + 1  # of the picture and of a neighbour, and what the neighbour looked like before


class Task(NamedTuple):
    """The first `num` images of `source` and `seed`, to be found by `model`."""

    model: str
    source: str
    seed: int
    num: int

    def latents(self, first: int = 0, last: int | None = None) -> WS:
        """Of the source."""
        end = last or self.num
        return seeded(lr.load(self.source), self.seed, end).stretch(first, end - first)

    def targets(self, first: int = 0, last: int | None = None) -> np.ndarray:
        return lr.render(lr.load(self.source), self.latents(first, last))


TASKS = {
    "own-faces64": Task("faces64", "faces64", 1, 64),
    "own-faces-dcgan": Task("faces-dcgan", "faces-dcgan", 1, 64),
    # Neither of the seeds of faces64's training nor drawn as it draws (`training.data.sampled`): from keys folded once
    # more, and put on a sphere.
    "held-out": Task("faces64", "faces-dcgan", 5, 200),
}


class Run(NamedTuple):
    """What was found of N pictures.

    Attributes:
      passes, seconds: for each picture.
      latents: [N, L, d]. images: [N, H, W, C]. losses: [N, steps], in the way's own measure.
    """

    passes: float
    seconds: float
    latents: np.ndarray
    images: np.ndarray
    losses: np.ndarray


Way = Callable[[Generator, np.ndarray, tuple[int, ...]], Iterator[tuple[int, Run]]]


def ours(gen: Generator, targets: np.ndarray, budgets: tuple[int, ...], **settings: Any) -> Iterator[tuple[int, Run]]:
    """Inversions with as many steps as each budget allows, if any."""
    for budget in budgets:
        if (steps := affordable(gen, budget, **settings)) is not None:
            yield budget, inverted(gen, targets, steps, **settings)[1]


def tuned(gen: Generator, targets: np.ndarray, budgets: tuple[int, ...], **settings: Any) -> Iterator[tuple[int, Run]]:
    """Half of the passes for the latents, half for the weights, of which each picture has its own."""
    for budget in budgets:
        if (steps := affordable(gen, budget / 2, **settings)) is not None:
            found, run = inverted(gen, targets, steps, **settings)
            yield budget, with_own_weights(gen, targets, found, run, budget // 2 // TUNING_STEP)


def again(gen: Generator, targets: np.ndarray, budgets: tuple[int, ...], **settings: Any) -> Iterator[tuple[int, Run]]:
    """Gauss and Newton's steps from several beginnings, as for pictures that the generator made: whoever makes them
    sees by the loss which are not found yet, and tries those again from others, whatever the budget.
    """
    run = inverted(gen, targets, TRIES[0], **settings)[1]
    for seed, steps in enumerate(TRIES[1:], 1):
        run = once_more(gen, targets, run, steps, seed=seed, **settings)
    yield budgets[-1], run


def once_more(gen: Generator, targets: np.ndarray, run: Run, steps: int, **settings: Any) -> Run:
    """With the better of two for each picture that is not found."""
    left = np.flatnonzero(psnr(run.images, targets) < GOOD)
    if not len(left):
        return run
    more = inverted(gen, targets[left], steps, **settings)[1]
    nearer = psnr(more.images, targets[left]) > psnr(run.images[left], targets[left])
    for own, other in ((run.latents, more.latents), (run.images, more.images)):
        own[left[nearer]] = other[nearer]
    share = len(left) / len(targets)
    return run._replace(passes=run.passes + share * more.passes, seconds=run.seconds + share * more.seconds)


def psnr(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return 10 * np.log10(4 / np.square(found - wanted).mean((1, 2, 3)))  # of images that span 2


def inverted(gen: Generator, targets: np.ndarray, steps: int, **settings: Any) -> tuple[lr.Inversion, Run]:
    start = time.perf_counter()
    found = lr.invert(gen, targets, steps=steps, progress=Bar(), **settings)
    seconds = (time.perf_counter() - start) / len(targets)
    latents, images, losses = map(np.array, (found.latents, found.images, found.losses))
    return found, Run(work(gen, lr.Fit(steps=steps, **settings)), seconds, latents, images, losses)


class Bar:
    """One for the rounds."""

    def __init__(self):
        self.bar = tqdm()

    def __call__(self, progress: Any) -> None:
        self.bar.total = progress.rounds
        self.bar.update(progress.done - self.bar.n)


def affordable(gen: Generator, budget: float, **settings: Any) -> int | None:
    """The most steps within it."""
    steps = 1
    while work(gen, lr.Fit(steps=steps, **settings)) <= budget:
        steps += 1
    return steps - 1 or None


def work(gen: Generator, fit: lr.Fit) -> float:
    """Passes for each picture, the pool's as if it were looked at for one picture alone."""
    total, passes, done = attempts.num_rounds(fit, gen.num_ws), fit.pool, 0
    for rows, method in fit.phases(gen.num_ws):
        each = STEP * getattr(method, "each", 0)
        if fit.method == "gauss_newton":
            each = COLUMN[type(gen)] * rows * gen.w_dim + gauss_newton.CHORDS * CHORD
        for _ in range(method.rounds):
            passes += each * attempts.wanted(fit.starts, done, total)
            done += 1
    return passes


def with_own_weights(gen: Generator, targets: np.ndarray, found: Any, run: Run, steps: int) -> Run:
    start = time.perf_counter()
    each = [
        lr.tune(found.generator(gen, n), found.latents[n : n + 1], targets[n : n + 1], steps=steps)
        for n in tqdm(range(len(targets)), "tuned")
    ]
    return Run(
        run.passes + steps * TUNING_STEP,
        run.seconds + (time.perf_counter() - start) / len(targets),
        run.latents,
        np.concatenate([one.images for one in each]),
        np.stack([one.losses for one in each]).reshape(len(each), -1),
    )


def projected(gen: Generator, targets: np.ndarray, budgets: tuple[int, ...]) -> Iterator[tuple[int, Run]]:
    """NVIDIA's recipe, looked at on its way: it has one length, and gets better by wandering less."""
    import projector_reference as projector
    import torch
    import torch_networks

    torch.set_num_threads(1)
    network, features = torch_networks.opened(gen), torch_networks.lpips_features(load("lpips_alexnet"))
    pictures = torch_networks.tensor(targets, (0, 3, 1, 2))
    steps = {round(budget / projector.PASSES): budget for budget in budgets}
    start = time.perf_counter()
    found = projector.project(network, pictures, features, show=tuple(steps))
    seconds = (time.perf_counter() - start) / len(targets)
    for step, shown in found.shown.items():
        share, images = seconds * step / projector.STEPS, shown.images.transpose(0, 2, 3, 1)
        yield steps[step], Run(step * projector.PASSES, share, shown.w[:, None], images, found.losses[:, :step])


WAYS: dict[str, Way] = {
    "W": partial(ours, space="w", noise=True, prior=0.0),  # as the projector
    "W-lpips": partial(ours, space="w", noise=True, prior=0.0, lpips=4.0),  # which looks at nothing else
    "W+": partial(ours, space="ws"),
    "W+-tuned": partial(tuned, space="ws"),
    "W-adam": partial(ours, space="w"),
    "W-gauss-newton": partial(ours, space="w", method="gauss_newton"),
    "W-again": partial(again, space="w", method="gauss_newton", lpips=0.0, prior=1e-6, pool=512, starts=8),
    "projector": projected,
}


def kept(folder: Path, task: str, way: str, budget: int) -> Run | None:
    """What the files of all stretches say together, from the first picture on without a gap; None without any."""
    files: list[Any] = []
    while (path := _path(folder, task, way, budget, sum(len(file["images"]) for file in files))).exists():
        files.append(np.load(path))
    if not files:
        return None
    weights = [len(file["images"]) for file in files]
    work = {name: float(np.average([file[name] for file in files], weights=weights)) for name in ("passes", "seconds")}
    return Run(**work, **{name: np.concatenate([file[name] for file in files]) for name in Run._fields[2:]})


def _path(folder: Path, task: str, way: str, budget: int, first: int) -> Path:
    return folder / f"{task}.{way}.{budget}.{first:03d}.npz"


def main(folder: str, task: str, way: str, first: str = "0", last: str = "", *budgets: str) -> None:
    start, end = int(first), int(last or TASKS[task].num)
    within = tuple(map(int, budgets)) or BUDGETS
    Path(folder).mkdir(parents=True, exist_ok=True)
    for budget, run in WAYS[way](lr.load(TASKS[task].model), TASKS[task].targets(start, end), within):
        np.savez(_path(Path(folder), task, way, budget, start), **run._asdict())
        print(f"{task}, {way}, {run.passes:.0f} passes: {run.seconds:.1f} s a picture", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
