"""Photographs' crops to latents of a generator, and a generator tuned to them.

fit          what is asked for
invert       start here: images to latents
start        where it begins; attempts: several at each photograph, of which the worse are dropped
adam         steps of Adam; gauss_newton: of Gauss and Newton, with the Jacobians' engine
problem      what both make small; coordinates: what latents are counted in; likeness: how pictures are compared
noise        noise pictures that are fitted, too
resume       an unfinished inversion in a file
tuning       the generator's weights moved a little, until the latents give the photographs; weights: where they are
kept         the file of an inversion: latents, noise, tuning, crop and photograph
"""

from lrgan_jax.inversion.fit import Fit
from lrgan_jax.inversion.found import Inversion
from lrgan_jax.inversion.invert import Progress, invert, inverting
from lrgan_jax.inversion.kept import Kept
from lrgan_jax.inversion.tuning import Delta, Halfway, Tuned, Tuning, tune, tuning_rounds

__all__ = [
    "Delta",
    "Fit",
    "Halfway",
    "Inversion",
    "Kept",
    "Progress",
    "Tuned",
    "Tuning",
    "invert",
    "inverting",
    "tune",
    "tuning_rounds",
]


def __dir__() -> list[str]:
    return __all__
