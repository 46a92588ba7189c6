"""Training a StyleGAN2, as its authors do: start reading at `step.py`.

losses.py, augment.py    pure functions: the losses, their regularisers, adaptive augmentation
discriminator.py         the other network
step.py                  one update of both networks, on one device or many
adversarial.py           such steps as a run
distillation.py          another beginning: a DCGAN's image of every z, learnt block by block, then adversarially
data.py, loop.py         a folder or a generator to learn from; the run's folder, snapshots, resuming
"""

from lrgan_jax.training.adversarial import train
from lrgan_jax.training.data import Data, DataError, folder, sampled
from lrgan_jax.training.discriminator import DiscriminatorConfig
from lrgan_jax.training.distillation import DistillConfig, DistillState, distill, distill_step
from lrgan_jax.training.loop import Schedule, Trainer, TrainingError, run
from lrgan_jax.training.step import TrainConfig, TrainState, train_step

__all__ = [
    "Data",
    "DataError",
    "DiscriminatorConfig",
    "DistillConfig",
    "DistillState",
    "Schedule",
    "TrainConfig",
    "TrainState",
    "Trainer",
    "TrainingError",
    "distill",
    "distill_step",
    "folder",
    "run",
    "sampled",
    "train",
    "train_step",
]


def __dir__() -> list[str]:
    return __all__
