"""Adversarial training: `step.py` as something that a run repeats."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

from lrgan_jax.base.checks import check_seed
from lrgan_jax.generators import ModelInfo, StyleGAN2
from lrgan_jax.training import step as steps
from lrgan_jax.training.data import Data
from lrgan_jax.training.loop import Schedule, Trainer, TrainingError, run
from lrgan_jax.training.step import AXIS, TrainConfig


def train(
    config: TrainConfig,
    data: Data,
    out: str | os.PathLike[str],
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
    """Train against a discriminator, or go on training, in the folder `out`.

    Args:
      start: weights of the generator to begin with; random ones otherwise.
      origin: what `settings.json` says besides the config, and a resumed run must say again: where the data come from,
        for one.
      info, features, report: as `run`. devices: to share each batch; all of this process by default.
    Returns:
      The averaged generator.
    Raises:
      TrainingError: if the folder holds another run, or batch, data and networks do not fit.
      Interrupted: after SIGINT or SIGTERM, once the state is saved.
    """
    check_seed(seed)
    devices = list(jax.local_devices() if devices is None else devices)
    _check(config, data, len(devices))
    mesh = jax.make_mesh((len(devices),), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)
    matched = data.latents if config.match else None

    def update(state: steps.TrainState, step: int):
        latents = None if matched is None else matched(step)
        reals, latents = jax.device_put((data.batch(step), latents), NamedSharding(mesh, PartitionSpec(AXIS)))
        return steps.train_step(config, mesh, state, reals, latents, **_due(config, step))

    trainer = Trainer(
        settings={"config": dataclasses.asdict(config), "seed": seed, **(origin or {})},
        batch=config.batch,
        init=lambda: steps.init(config, seed, start=start),
        update=update,
        model=lambda state: steps.averaged(config, state),
        device=lambda state: jax.device_put(state, NamedSharding(mesh, PartitionSpec())),
    )
    return run(trainer, out, schedule, data, info=info, features=features, report=report)


def _due(config: TrainConfig, step: int) -> dict[str, bool]:
    """Which regularisers step number `step`, from 1, takes."""
    return {
        "regularise_r1": config.r1_gamma > 0 and step % config.r1_every == 0,
        "regularise_path": config.path_weight > 0 and step % config.path_every == 0,
    }


def _check(config: TrainConfig, data: Data, devices: int) -> None:
    network, group = config.generator, config.discriminator.group
    if config.match:
        if data.latents is None or config.augment_target is not None:
            raise TrainingError(
                "matching wants the latent of every image, so samples of a model to learn from, and no augmentation"
            )
        if (theirs := data.latents(0).shape[-1]) != network.z_dim:
            raise TrainingError(f"matching wants a generator with z of {theirs}, as the model to learn from")
    if network.c_dim:
        raise TrainingError("training is without labels: take a generator with c_dim 0")
    if config.batch % (devices * group):
        raise TrainingError(
            f"a batch of {config.batch} does not split over {devices} devices in whole groups of {group}"
        )
    for part, size, channels in (
        ("generator", network.resolutions[-1], network.img_channels),
        ("discriminator", config.discriminator.resolution, config.discriminator.img_channels),
    ):
        if (size, channels) != (data.resolution, data.img_channels):
            theirs = f"{data.resolution} pixels and {data.img_channels} channels"
            raise TrainingError(
                f"the {part} is for images of {size} pixels and {channels} channels, the data are of {theirs}"
            )
