"""Distillation: a StyleGAN2 learns the image that a DCGAN makes of every z.

Where the answer to every z is known, each sample says how every weight must change. What the student lacks in the end
is sharpness, since it learns the mean of what it cannot tell apart; that is what adversarial training is for, with
`match` (`step.py`).

The images alone teach the lower blocks slowly, so blocks learn one after the other from 4x4 up, each from a hint
(Romero et al. 2015, arXiv:1412.6550): a linear map of its features, trained with it, is put through the teacher's next
layer, and what that gives shall be what it gives the teacher. Where features differ in nothing that the teacher looks
at, nothing is asked of the student.

Symbols: z on the sphere of radius sqrt(z_dim), because the student's mapping normalises it.
"""

import bisect
import dataclasses
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.generators import DCGAN, ModelInfo, StyleGAN2, StyleGAN2Config, dcgan, ops, stylegan2
from lrgan_jax.training.data import sampled
from lrgan_jax.training.loop import Schedule, Trainer, TrainingError, run

LATEST_RATE = 0.005  # of the averaged weights, a step
WARM = 100  # steps in which a stage's learning rate rises
EARLIER = 0.2  # weight of the hint of the block before the newest
IMAGE = 3.0  # weight of the mean absolute difference of images
SHIFT = 2.0  # standard deviations that keep the mapping within the linear part of its leaky ReLUs at first
MODULATION = 0.3  # of the usual size at first: styles that barely act leave the features to be taught


@dataclass(frozen=True)
class DistillConfig:
    """Everything that fixes a run but the teacher; hashable, so it is static under `jit`.

    Attributes:
      steps: of each stage, from 4x4 up; the last one trains all blocks, and falls to 0 in a half cosine.
      batch: z a step. learning_rate: of Adam.
    """

    student: StyleGAN2Config
    steps: tuple[int, ...]
    batch: int = 16
    learning_rate: float = 0.01

    def __post_init__(self):
        check_whole("batch", self.batch)
        check_number("learning_rate", self.learning_rate, above=0)

    @property
    def ends(self) -> list[int]:
        """The step before which each stage ends, from 0."""
        return list(itertools.accumulate(self.steps))


class DistillState(NamedTuple):
    """All that a run remembers.

    `adapters` are the linear maps from the student's features to the teacher's, one a hint.
    """

    seed: Int[Array, ""]
    step: Int[Array, ""]
    trained: Any  # {"student": params, "adapters": ...}
    average: Any  # of the student's params over time: the ones to use
    buffers: Any
    optimizer: Any


def distill(
    teacher: DCGAN,
    config: DistillConfig,
    out: str | os.PathLike[str],
    schedule: Schedule,
    *,
    seed: int = 0,
    origin: dict[str, Any] | None = None,
    report: Callable[[dict[str, Any]], Any] = lambda line: None,
) -> StyleGAN2:
    """Teach, or go on teaching, in the folder `out`.

    Args:
      schedule: how much of the run to do, all of it where its images are batch * sum(steps).
      origin: what `settings.json` says besides the config. report: as `run`.
    Returns:
      The averaged student, with the teacher's regions.
    Raises:
      TrainingError: if the folder holds another run, or the two networks do not fit.
      Interrupted: after SIGINT or SIGTERM, once the state is saved.
    """
    _check(teacher, config)
    teacher = jax.tree.map(partial(jnp.asarray, dtype=jnp.float32), teacher)  # as all training is

    def update(state: DistillState, step: int) -> tuple[DistillState, dict[str, Any]]:
        return distill_step(config, teacher, state, stage=_stage(config, step - 1))

    trainer = Trainer(
        settings={"config": dataclasses.asdict(config), "seed": seed, **(origin or {})},
        batch=config.batch,
        init=lambda: init(config, teacher, seed),
        update=update,
        model=lambda state: averaged(config, state),
    )
    data = sampled(teacher, 64, seed=seed)
    return run(
        trainer,
        out,
        schedule,
        data,
        info=ModelInfo(Path(out).resolve().name, regions=teacher.info.regions),
        report=report,
    )


def init(config: DistillConfig, teacher: DCGAN, seed: int) -> DistillState:
    """The state before the first step."""
    key, key_adapters = jax.random.split(jax.random.key(seed))
    variables = _linear_start(config.student, key)
    pairs = zip(
        config.student.channels, teacher.config.channels, strict=False
    )  # the student's last block answers for the image alone
    keys = jax.random.split(key_adapters, len(teacher.config.channels))
    adapters = [
        {"kernel": jax.random.normal(k, (i, o), jnp.float32) / i**0.5, "bias": jnp.zeros(o, jnp.float32)}
        for k, (i, o) in zip(keys, pairs, strict=True)
    ]
    trained = {"student": variables["params"], "adapters": adapters}
    average = jax.tree.map(jnp.array, variables["params"])  # arrays of its own: the state is given away
    return DistillState(
        jnp.uint32(seed), jnp.uint32(0), trained, average, variables["buffers"], _optimizer(config).init(trained)
    )


def averaged(config: DistillConfig, state: DistillState) -> StyleGAN2:
    """The student to use, with the mean latent of the mapping it has by now."""
    variables = {"params": state.average, "buffers": state.buffers}
    mapping = {"w_avg": _mean_latent(config.student, variables)}
    return StyleGAN2(config.student, variables | {"buffers": state.buffers | {"mapping": mapping}})


@partial(jax.jit, static_argnames=("config", "stage"), donate_argnames="state")
def distill_step(
    config: DistillConfig, teacher: DCGAN, state: DistillState, *, stage: int
) -> tuple[DistillState, dict[str, Any]]:
    """One update of the blocks up to number `stage` and their adapters. The state is given away.

    Returns:
      The next state, and what was lost: `hint4`, `hint8`, ... by resolution of the block, as a share of the variance of
      what the teacher gives; in the last stage `l1`, the mean absolute difference of images.
    """
    key = jax.random.fold_in(jax.random.key(state.seed), state.step)
    z = ops.normalize_2nd_moment(jax.random.normal(key, (config.batch, config.student.z_dim), jnp.float32))
    slopes, metrics = jax.grad(_loss, has_aux=True)(state.trained, config, teacher, state.buffers, z, stage)
    updates, optimizer = _optimizer(config).update(slopes, state.optimizer)
    trained: Any = optax.apply_updates(state.trained, updates)
    rate = jnp.maximum(
        LATEST_RATE, 14 / (state.step + 14.0)
    )  # a young average forgets its start: half-life 5 % of the steps
    average = jax.tree.map(lambda old, new: old + rate * (new - old), state.average, trained["student"])
    return state._replace(step=state.step + 1, trained=trained, average=average, optimizer=optimizer), metrics


def _loss(trained, config: DistillConfig, teacher: DCGAN, buffers, z: Float[Array, "n z"], stage: int):
    network: Any = dcgan.Network(teacher.config)
    answers = network.apply(teacher.variables, z, method="stages")
    student = dataclasses.replace(config.student, channels=config.student.channels[: stage + 1])
    variables = {"params": trained["student"], "buffers": buffers}
    w = stylegan2.map_latents(student, variables, z, None)
    image, blocks = stylegan2.features(student, variables, jnp.repeat(w[:, None], student.num_ws, axis=1))
    total, metrics = jnp.zeros((), jnp.float32), {}
    for k in range(max(stage - 1, 0), min(stage + 1, len(trained["adapters"]))):
        x = jnp.einsum("nhwi,io->nhwo", blocks[k], trained["adapters"][k]["kernel"]) + trained["adapters"][k]["bias"]
        found, answer = network.apply(teacher.variables, k, x, method="layer"), answers[k + 1]
        lost = jnp.square(found - answer).mean() / answer.var()
        metrics[f"hint{student.resolutions[k]}"] = lost
        total += lost if k == stage else EARLIER * lost
    if stage == len(config.student.channels) - 1:
        metrics["l1"] = jnp.abs(image - answers[-1]).mean()
        total += IMAGE * metrics["l1"]
    return total, metrics


def _linear_start(config: StyleGAN2Config, key: Array) -> dict[str, Any]:
    """Fresh variables, but for a mapping that turns z and keeps its leaky ReLUs positive, and affine maps that take the
    shift out again.

    So the first block, linear in its style, can soon be the teacher's projection; and all others begin as plain
    convolutions, nearly.
    """
    variables = jax.jit(stylegan2.init, static_argnums=1)(key, config)
    params = variables["params"]
    lr, mean, gain = config.mapping_lr, jnp.zeros(config.z_dim, jnp.float32), 1.0
    for k in range(config.mapping_layers):
        layer = params["mapping"][f"fc{k}"]
        fan_in, fan_out = layer["kernel"].shape
        turn = (
            gain
            * jax.random.orthogonal(jax.random.fold_in(key, k), max(fan_in, fan_out), dtype=jnp.float32)[
                :fan_in, :fan_out
            ]
        )
        turn *= (max(fan_in, fan_out) / fan_in) ** 0.5
        layer["kernel"], layer["bias"] = turn * fan_in**0.5 / lr, (SHIFT - mean @ turn) / lr
        mean, gain = jnp.full(fan_out, SHIFT * 2**0.5, jnp.float32), 0.5**0.5  # of what the leaky ReLU gives
    average = _mean_latent(config, variables)
    for block, layers in params["synthesis"].items():
        for name in layers.keys() & {"conv0", "conv1", "torgb"}:
            first, affine = (block, name) == ("b4", "conv1"), layers[name]["affine"]
            affine["kernel"] *= 1.0 if first else MODULATION
            affine["bias"] = (0.0 if first else 1.0) - average @ affine["kernel"] / config.w_dim**0.5
    return variables


def _mean_latent(config: StyleGAN2Config, variables) -> Float[Array, " d"]:
    z = jax.random.normal(jax.random.key(0), (4096, config.z_dim), jnp.float32)
    return stylegan2.map_latents(config, variables, z, None).mean(0)


def _optimizer(config: DistillConfig):
    stages = [optax.schedules.linear_schedule(0.0, config.learning_rate, WARM) for _ in config.steps[:-1]]
    last = optax.schedules.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, WARM, max(config.steps[-1], WARM + 1)
    )
    return optax.adam(optax.schedules.join_schedules([*stages, last], config.ends[:-1]), b1=0.9, b2=0.99)


def _stage(config: DistillConfig, step: int) -> int:
    """Which stage the step, from 0, is of; the last one goes on."""
    return bisect.bisect_right(config.ends[:-1], step)


def _check(teacher: DCGAN, config: DistillConfig) -> None:
    student = config.student
    if (student.resolutions[-1], student.img_channels, student.z_dim) != (
        teacher.size[0],
        teacher.config.img_channels,
        teacher.z_dim,
    ):
        raise TrainingError(
            f"the student must have z of {teacher.z_dim} and images of {teacher.size[0]} pixels, as the teacher"
        )
    if student.c_dim:
        raise TrainingError("training is without labels: take a student with c_dim 0")
    if len(config.steps) != len(student.channels):
        raise TrainingError(
            f"steps are given for {len(config.steps)} stages, the student has {len(student.channels)} blocks"
        )
