"""`lrgan train` and `lrgan distill`: options to a config, data and a run."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from lrgan_jax.base.checks import check_number, check_seed, check_whole
from lrgan_jax.base.progress import say
from lrgan_jax.generators import DCGAN, StyleGAN2, StyleGAN2Config
from lrgan_jax.models import checkpoint
from lrgan_jax.training.adversarial import train
from lrgan_jax.training.data import DataError, folder, sampled
from lrgan_jax.training.discriminator import DiscriminatorConfig
from lrgan_jax.training.distillation import DistillConfig, distill
from lrgan_jax.training.loop import Schedule, TrainingError
from lrgan_jax.training.step import TrainConfig

WROTE = "wrote {}: see samples/, and models/ for `lrgan demo --model`"


def train_command(
    data: Annotated[str, tyro.conf.Positional],
    *,
    out: Path = Path("run"),
    kimg: float = 1000.0,
    resolution: int | None = None,
    mirror: bool = False,
    start: Annotated[str | None, tyro.conf.arg(metavar="NAME|FOLDER")] = None,
    channel_base: int = 4096,
    channel_max: int = 512,
    latent: int = 256,
    mapping_layers: int = 4,
    discriminator_base: int | None = None,
    batch: int = 32,
    learning_rate: float = 0.002,
    discriminator_learning_rate: float = 0.002,
    r1_gamma: float = 0.1,
    path_weight: float = 2.0,
    mixing: float = 0.9,
    match: float = 0.0,
    average_kimg: float = 10.0,
    augment_target: float | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    snapshot_kimg: float = 20.0,
    seed: int = 0,
) -> None:
    """Train a StyleGAN2, on all devices. The same command goes on with a run that was stopped or killed.

    Args:
        data: a folder of images, or a model (its name or folder), whose samples are learnt from.
        out: the run's folder: log.jsonl, samples/, models/ (each works as --model), and the state to resume from.
        kimg: thousands of real images to see.
        resolution: crop images (centred, square) and resize them to this; by default they must be square and of one
          size.
        mirror: show images flipped, too.
        start: a StyleGAN2 whose weights to begin with, and whose shape to keep.
        channel_base: width of a layer is this over its resolution, at most channel_max. Half of it halves most of the
          time.
        channel_max: see channel_base.
        latent: size of z and w.
        mapping_layers: of the mapping network.
        discriminator_base: channel base of the discriminator; the generator's by default.
        batch: images a step, over all devices.
        learning_rate: of the generator.
        discriminator_learning_rate: of the discriminator.
        r1_gamma: weight of R1; lower for small images.
        path_weight: weight of the path-length regularisation; 0 leaves it out.
        mixing: share of images made from two latents.
        match: weight of being like the model's image of the same z, in pixels and in the discriminator's features; 10
            sharpens a student of `lrgan distill`.
        average_kimg: half-life of the averaged generator, which is the one that is saved.
        augment_target: augment adaptively, aiming at this mean sign of the discriminator on real images; 0.6 for small
          data sets.
        precision: of the layers on GPUs and TPUs.
        snapshot_kimg: thousands of images between two snapshots.
        seed: of everything random.
    """
    _check_widths(batch, channel_base, channel_max, latent, mapping_layers)
    check_whole("--discriminator-base", discriminator_base)
    _check_lengths(kimg, snapshot_kimg)
    check_number("--average-kimg", average_kimg, above=0)
    if not Path(data).exists() and data not in checkpoint.embedded_models():
        raise DataError(f"{data}: no such folder, and no model of that name")
    if Path(data).is_dir() and not (Path(data) / checkpoint.DESCRIPTION).exists():
        source = folder(data, batch, resolution=resolution, mirror=mirror, seed=seed)
    elif mirror or resolution is not None:
        raise DataError("--mirror and --resolution are for a folder of images")
    else:
        source = sampled(checkpoint.load(data), batch, seed=seed, on_sphere=match > 0)
    for note in source.notes:
        print(f"note: {note}", file=sys.stderr)
    begin = None if start is None else checkpoint.load(start)
    if begin is None:
        widths = _widths(channel_base, channel_max, source.resolution)
        network = _network(widths, latent, latent, mapping_layers, source.img_channels)
    elif isinstance(begin, StyleGAN2):
        network = begin.config
    else:
        raise TrainingError(f"--start {start} is not a StyleGAN2")
    if begin is not None and begin.config.const_size != (4, 4):
        raise TrainingError(f"--start {start} makes pictures that are not square, and only square ones are learnt from")
    critic = DiscriminatorConfig(
        _widths(discriminator_base or channel_base, channel_max, source.resolution), source.img_channels
    )
    config = TrainConfig(
        network,
        critic,
        batch=batch,
        learning_rate=learning_rate,
        discriminator_learning_rate=discriminator_learning_rate,
        r1_gamma=r1_gamma,
        path_weight=path_weight,
        mixing=mixing,
        match=match,
        average_images=1000 * average_kimg,
        augment_target=augment_target,
        precision=precision,
    )
    schedule = _schedule(round(1000 * kimg), snapshot_kimg, batch)
    origin: dict[str, Any] = {"data": data, "resolution": source.resolution, "mirror": mirror, "start": start}
    info = None if begin is None else begin.info
    train(config, source, out, schedule, seed=seed, start=begin, origin=origin, info=info, report=_report)
    print(WROTE.format(out))


def distill_command(
    teacher: Annotated[str, tyro.conf.Positional],
    *,
    out: Path = Path("run"),
    kimg: float = 1000.0,
    channel_base: int = 2048,
    channel_max: int = 256,
    latent: int = 256,
    mapping_layers: int = 2,
    batch: int = 16,
    learning_rate: float = 0.01,
    snapshot_kimg: float = 20.0,
    seed: int = 0,
) -> None:
    """Teach a StyleGAN2 the images of a DCGAN: a start for `lrgan train --start`. The same command goes on with a run.

    Args:
        teacher: a DCGAN (its name or folder).
        out: the run's folder: log.jsonl, samples/, models/ (each works as --model), and the state to resume from.
        kimg: thousands of images to learn from; each block but the last is begun for a tenth of them.
        channel_base: width of a layer is this over its resolution, at most channel_max.
        channel_max: see channel_base.
        latent: size of w.
        mapping_layers: of the mapping network.
        batch: images a step.
        learning_rate: of the student.
        snapshot_kimg: thousands of images between two snapshots.
        seed: of everything random.
    """
    _check_widths(batch, channel_base, channel_max, latent, mapping_layers)
    _check_lengths(kimg, snapshot_kimg)
    check_seed(seed)
    gen = checkpoint.load(teacher)
    if not isinstance(gen, DCGAN):
        raise TrainingError(f"{teacher} is not a DCGAN: only its layers are known to teach from")
    channels = _widths(channel_base, channel_max, gen.size[0])
    student = _network(channels, gen.z_dim, latent, mapping_layers, gen.config.img_channels)
    total = max(1, round(1000 * kimg / batch))
    begun = total // 10
    config = DistillConfig(
        student, (*[begun] * (len(channels) - 1), total - begun * (len(channels) - 1)), batch, learning_rate
    )
    schedule = _schedule(total * batch, snapshot_kimg, batch)
    distill(gen, config, out, schedule, seed=seed, origin={"teacher": teacher}, report=_report)
    print(WROTE.format(out))


def _check_widths(batch: int, channel_base: int, channel_max: int, latent: int, mapping_layers: int) -> None:
    """Of options that both commands have: each is at least 1."""
    check_whole("--batch", batch)
    check_whole("--channel-base", channel_base)
    check_whole("--channel-max", channel_max)
    check_whole("--latent", latent)
    check_whole("--mapping-layers", mapping_layers)


def _check_lengths(kimg: float, snapshot_kimg: float) -> None:
    check_number("--kimg", kimg, above=0)
    check_number("--snapshot-kimg", snapshot_kimg, above=0)


def _network(
    channels: tuple[int, ...], z_dim: int, latent: int, mapping_layers: int, img_channels: int
) -> StyleGAN2Config:
    return StyleGAN2Config(
        channels,
        z_dim=z_dim,
        w_dim=latent,
        img_channels=img_channels,
        mapping_layers=mapping_layers,
        mapping_features=latent,
        embed_features=0,
    )


def _schedule(images: int, snapshot_kimg: float, batch: int) -> Schedule:
    return Schedule(images, snapshot_every=max(1, round(1000 * snapshot_kimg / batch)))


def _widths(base: int, most: int, resolution: int) -> tuple[int, ...]:
    """Channels from 4x4 up."""
    return tuple(max(1, min(base // size, most)) for size in (4 * 2**k for k in range((resolution // 4).bit_length())))


def _report(line: dict[str, Any]) -> None:
    """A line of the log for a person."""
    shown = {name: value for name, value in line.items() if name not in ("step", "images")}
    if "swd" in shown:
        shown["swd"] = "/".join(f"{value:.1f}" for value in shown["swd"].values())
    figures = "  ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in shown.items()
    )
    say(f"{line['images'] / 1000:.1f} kimg  {figures}", sys.stdout)
