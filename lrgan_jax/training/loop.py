"""The training loop: steps, and what they leave in the run's folder.

    settings.json         config, data and seed; a run goes on only with the same ones
    state/<step>/         everything the run remembers (Orbax), the last two
    log.jsonl             a line of figures every so many steps, and one with `swd` at every snapshot
    samples/<images>.png  the averaged generator on the same latents
    models/<images>/      the averaged generator as an ordinary checkpoint

<images> counts the real images seen. The state is saved after the rest of its snapshot, so a run killed at any moment resumes from a
whole one, and ends bit for bit as if it had never stopped.
"""
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from lrgan_jax import checkpoint, images
from lrgan_jax.files import write_whole
from lrgan_jax.generators import ModelInfo, StyleGAN2, render, sample_z, to_ws
from lrgan_jax.interrupt import Interrupted, stop_request
from lrgan_jax.metrics import frechet_distance, sliced_wasserstein
from lrgan_jax.settings import differences
from lrgan_jax.training import step as steps
from lrgan_jax.training.data import Data
from lrgan_jax.training.step import AXIS, TrainConfig

GRID = (6, 12)  # rows and columns of a sheet of samples


class TrainingError(ValueError):
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


def train(
    config: TrainConfig,
    data: Data,
    out: str | os.PathLike,
    schedule: Schedule,
    *,
    seed: int = 0,
    start: StyleGAN2 | None = None,
    origin: dict[str, Any] | None = None,
    info: ModelInfo | None = None,
    features: Callable[[Any], Any] | None = None,
    devices: Sequence[Any] | None = None,
    report: Callable[[dict[str, Any]], Any] = lambda line: None,
) -> StyleGAN2:
    """Train, or go on training, in the folder `out`.

    Args:
      start: weights of the generator to begin with; random ones otherwise.
      origin: what `settings.json` says besides the config, and a resumed run must say again: where the data come from, for one.
      info: name, regions and card of the models that the run saves.
      features: images [N, H, W, C] -> features [N, k], for the Frechet distance at snapshots.
      devices: to share each batch; all of this process by default. report: is given every line of the log.
    Returns:
      The averaged generator.
    Raises:
      TrainingError: if the folder holds another run, or batch, data and networks do not fit.
      Interrupted: after SIGINT or SIGTERM, once the state is saved.
    """
    from orbax.checkpoint import v1 as ocp  # half a second that no other command needs

    folder = Path(out).resolve()  # Orbax fails on relative paths, sometimes only in the background
    devices = list(jax.local_devices() if devices is None else devices)
    _check(config, data, len(devices))
    _agree(folder / "settings.json", {"config": dataclasses.asdict(config), "seed": seed, **(origin or {})})
    mesh = jax.make_mesh((len(devices),), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)
    info = info or ModelInfo(folder.name)
    keep: Any = ocp.training.preservation_policies.LatestN(2)
    store = ocp.training.Checkpointer(str(folder / "state"), preservation_policy=keep, cleanup_tmp_directories=True)
    with store as saved, stop_request() as stop:
        state = steps.init(config, seed, start=start)
        if saved.latest is not None:
            state = saved.load(saved.latest.step, jax.tree.map(np.asarray, state))
        state = jax.device_put(state, NamedSharding(mesh, PartitionSpec()))
        log = Log(folder / "log.jsonl", int(state.step), report)
        total = -(-schedule.images // config.batch)
        recent: list[steps.Metrics] = []
        began = time.perf_counter()
        for step in range(int(state.step) + 1, total + 1):
            reals = jax.device_put(data.batch(step), NamedSharding(mesh, PartitionSpec(AXIS)))
            state, metrics = steps.train_step(config, mesh, state, reals, **_due(config, step))
            recent.append(metrics)
            count = {"step": step, "images": step * config.batch}
            asked = stop.number
            last = step == total or asked is not None
            if last or step % schedule.log_every == 0:
                figures = _mean(recent)  # waits for the device, so the clock is read after it
                log.write(count | figures | {"images_per_second": len(recent) * config.batch / (time.perf_counter() - began)})
                recent, began = [], time.perf_counter()
            if last or step % schedule.snapshot_every == 0:
                gen = dataclasses.replace(steps.averaged(config, state), info=info)
                log.write(count | _snapshot(gen, data, folder, f"{count['images']:09d}", schedule.compared, features))
                saved.save(step, jax.tree.map(np.asarray, state))
                began = time.perf_counter()
            if asked is not None:
                raise Interrupted(f"stopped after step {step}, all kept; the same command goes on from there", asked)
    return dataclasses.replace(steps.averaged(config, state), info=info)


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


def _due(config: TrainConfig, step: int) -> dict[str, bool]:
    """Which regularisers step number `step`, from 1, takes."""
    return {
        "regularise_r1": config.r1_gamma > 0 and step % config.r1_every == 0,
        "regularise_path": config.path_weight > 0 and step % config.path_every == 0,
    }


def _mean(recent: list[steps.Metrics]) -> dict[str, float]:
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


def _check(config: TrainConfig, data: Data, devices: int) -> None:
    network, group = config.generator, config.discriminator.group
    if network.c_dim:
        raise TrainingError("training is without labels: take a generator with c_dim 0")
    if config.batch % (devices * group):
        raise TrainingError(f"a batch of {config.batch} does not split over {devices} devices in whole groups of {group}")
    for part, size, channels in (
        ("generator", network.resolutions[-1], network.img_channels),
        ("discriminator", config.discriminator.resolution, config.discriminator.img_channels),
    ):
        if (size, channels) != (data.resolution, data.img_channels):
            theirs = f"{data.resolution} pixels and {data.img_channels} channels"
            raise TrainingError(f"the {part} is for images of {size} pixels and {channels} channels, the data are of {theirs}")


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
