"""The loop of every run: steps, and what they leave in the run's folder.

    settings.json         config, data and seed; a run goes on only with the same ones
    state/<step>/         everything the run remembers (Orbax), the last two
    log.jsonl             a line of figures every so many steps, and one with `swd` at every snapshot
    samples/<images>.png  the averaged generator on the same latents
    models/<images>/      the averaged generator as an ordinary checkpoint

<images> counts the real images seen. The state is saved after the rest of its snapshot, so a run killed at any moment
resumes from a whole one, and ends bit for bit as if it had never stopped.
"""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from lrgan_jax import images
from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import write_whole
from lrgan_jax.base.interrupt import Interrupted, stop_request
from lrgan_jax.base.progress import waiting
from lrgan_jax.base.settings import differences
from lrgan_jax.generators import ModelInfo, StyleGAN2, render, sample_z, to_ws
from lrgan_jax.metrics import frechet_distance, sliced_wasserstein
from lrgan_jax.models import checkpoint
from lrgan_jax.training.data import Data

AHEAD = 3  # steps that a device is given before the first of them is done
GRID = (6, 12)  # rows and columns of a sheet of samples


class TrainingError(InputError):
    """A run that cannot start or go on; the message is one line for a person."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long, and what to write when.

    Attributes:
      images: real images to see in all. log_every, snapshot_every: in steps.
      compared: images in a snapshot's sliced Wasserstein distance, as far as the data have so many; 0 for none.
    """

    images: int
    log_every: int = 50
    snapshot_every: int = 1000
    compared: int = 1024

    def __post_init__(self):
        for name, least in (("images", 1), ("log_every", 1), ("snapshot_every", 1), ("compared", 0)):
            check_whole(name, getattr(self, name), least=least)


class Trainer(NamedTuple):
    """What a run repeats.

    Attributes:
      settings: of everything that its results depend on, as JSON holds it; a run goes on only with the same ones.
      batch: images a step.
      init: the state before the first step; it has a number `step`.
      update: state, number of the step from 1 -> next state, scalars to log. The state is given away.
      model: the generator to use, of a state.
      device: state as arrays of this machine -> the same where `update` wants it.
    """

    settings: dict[str, Any]
    batch: int
    init: Callable[[], Any]
    update: Callable[[Any, int], tuple[Any, dict[str, Any]]]
    model: Callable[[Any], StyleGAN2]
    device: Callable[[Any], Any] = jax.device_put


def run(
    trainer: Trainer,
    out: str | os.PathLike[str],
    schedule: Schedule,
    data: Data,
    *,
    info: ModelInfo | None = None,
    features: Callable[[Any], Any] | None = None,
    report: Callable[[dict[str, Any]], Any] = lambda line: None,
) -> StyleGAN2:
    """Train, or go on training, in the folder `out`.

    Args:
      data: to compare samples with.
      info: name, regions and card of the models that the run saves.
      features: images [N, H, W, C] -> features [N, k], for the Frechet distance at snapshots.
      report: is given every line of the log.
    Returns:
      The generator after the last step.
    Raises:
      TrainingError: if the folder holds another run.
      Interrupted: after SIGINT or SIGTERM, once the state is saved.
    """
    from orbax.checkpoint import v1 as ocp  # half a second that no other command needs

    folder = Path(out).resolve()  # Orbax fails on relative paths, sometimes only in the background
    _agree(folder / "settings.json", trainer.settings)
    info = info or ModelInfo(folder.name)
    keep: Any = ocp.training.preservation_policies.LatestN(2)
    store = ocp.training.Checkpointer(str(folder / "state"), preservation_policy=keep, cleanup_tmp_directories=True)
    with store as saved, stop_request() as stop, waiting("training, images") as job:
        state = trainer.init()
        if saved.latest is not None:
            state = saved.load(saved.latest.step, jax.tree.map(np.asarray, state))
        state = trainer.device(state)
        log = Log(folder / "log.jsonl", int(state.step), report)
        total = -(-schedule.images // trainer.batch)
        recent: list[dict[str, Any]] = []
        began = time.perf_counter()
        job.reach(int(state.step) * trainer.batch, total * trainer.batch)
        for step in range(int(state.step) + 1, total + 1):
            state, metrics = trainer.update(state, step)
            recent.append(metrics)
            jax.block_until_ready(recent[-AHEAD:][0])  # or the count would be far ahead of the device
            job.reach(step * trainer.batch, total * trainer.batch)
            count = {"step": step, "images": step * trainer.batch}
            asked = stop.number
            last = step == total or asked is not None
            if last or step % schedule.log_every == 0:
                figures = _mean(recent)  # waits for the device, so the clock is read after it
                log.write(
                    count | figures | {"images_per_second": len(recent) * trainer.batch / (time.perf_counter() - began)}
                )
                recent, began = [], time.perf_counter()
            if last or step % schedule.snapshot_every == 0:
                gen = dataclasses.replace(trainer.model(state), info=info)
                with waiting("taking a snapshot"):
                    name = f"{count['images']:09d}"
                    log.write(count | _snapshot(gen, data, folder, name, schedule.compared, features))
                    saved.save(step, jax.tree.map(np.asarray, state))
                began = time.perf_counter()
            if asked is not None:
                raise Interrupted(f"stopped after step {step}, all kept; the same command goes on from there", asked)
    return dataclasses.replace(trainer.model(state), info=info)


class Log:
    """JSON lines. Lines of steps that a resumed run will take again are dropped first."""

    def __init__(self, path: Path, step: int, report: Callable[[dict[str, Any]], Any]):
        self.path, self.report = path, report
        known = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        kept = [line for line in known if line.endswith("\n") and json.loads(line)["step"] <= step]
        write_whole(path, "".join(kept).encode())

    def write(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.report(line)


def _mean(recent: list[dict[str, Any]]) -> dict[str, float]:
    """Over the steps that have the figure: regularisers are seldom."""
    lines = jax.device_get(recent)
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: float(np.mean([line[name] for line in lines if name in line])) for name in names}


def _snapshot(gen: StyleGAN2, data: Data, out: Path, name: str, compared: int, features) -> dict[str, Any]:
    """Write the samples and the model, and measure how far they are from the data."""
    ws = to_ws(gen, gen.mapping(sample_z(gen, jax.random.key(0), max(GRID[0] * GRID[1], compared))))
    made = render(gen, ws)
    sheet = made[: GRID[0] * GRID[1]].reshape(*GRID, *made.shape[1:])
    images.save(out / "samples" / f"{name}.png", images.grid(list(sheet)))
    model = out / "models" / name
    shutil.rmtree(model, ignore_errors=True)  # of a run that was killed between its model and its state
    checkpoint.save(model, gen)
    if not compared:
        return {}
    real = np.asarray(data.reference(min(compared, data.size or compared)))
    made = made[: len(real)]
    found: dict[str, Any] = {"swd": sliced_wasserstein(made, real)}
    if features is not None:
        found["frechet"] = frechet_distance(features(made), features(real))
    return found


def _agree(path: Path, settings: dict[str, Any]) -> None:
    """Write the settings, or compare them with those that the folder's run began with."""
    text = json.dumps(settings, indent=1) + "\n"
    if not path.exists():
        if path.parent.exists() and any(path.parent.iterdir()):
            raise TrainingError(f"{path.parent} holds something else already; choose another name")
        write_whole(path, text.encode())
        return
    now, before = json.loads(text), json.loads(path.read_text(encoding="utf-8"))
    different = list(differences(now, before))
    if different:
        raise TrainingError(f"{path.parent} holds a run with other settings: {'; '.join(different)}")
