"""How a model frames its faces, found out by looking at them as at photographs."""

import numpy as np

from lrgan_jax.base.checks import random_key
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.pictures import Picture
from lrgan_jax.generators import Generator, near_frontal, render, to_ws
from lrgan_jax.images import to_uint8
from lrgan_jax.inversion.framing import Face, Framing
from lrgan_jax.inversion.landmarks import find_points
from lrgan_jax.inversion.photograph import Photograph

SAMPLES = 64


def framing_of(gen: Generator, *, num: int = SAMPLES, seed: int = 0) -> Framing:
    """Where eyes and mouth lie in a generator's images: the medians over `num` faces, of four times as many the most
    nearly frontal.

    Raises:
      InputError: if most of its images show no face. MetricsError: with the commands to run, if the networks that find
        faces are not there.
    """
    images = render(gen, to_ws(gen, near_frontal(gen, random_key(seed), num, pool=4 * num)))
    faces = [face for image in images if (face := _face(image)) is not None]
    if len(faces) <= num / 2:
        raise InputError(f"{len(faces)} of {num} images of the model show one face; give a box instead")
    return Framing(tuple(map(tuple, (np.median(faces, 0) / gen.size).tolist())))


def _face(image: np.ndarray) -> Face | None:
    try:
        return find_points(Photograph(Picture(to_uint8(image), 255, None, None, "RGB", False)), 0)
    except InputError:
        return None
