"""How a model frames its faces, found out by looking at them as at photographs."""

import numpy as np

from lrgan_jax.base.checks import random_key
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.pictures import Picture
from lrgan_jax.generators import Generator, near_frontal, render, to_ws
from lrgan_jax.images import to_uint8
from lrgan_jax.photographs.framing import FourPoints, Framing, three_points
from lrgan_jax.photographs.landmarks import FaceError, find_points
from lrgan_jax.photographs.photograph import Photograph

SAMPLES = 64
EMBEDDED = Framing((0.460, 0.340), (0.459, 0.646), (0.810, 0.495))  # medians of four seeds, 0.3 pixels of 64 apart
# Models by their weights' fingerprints. For these, points given by hand are enough, without the networks.
KNOWN: dict[str, Framing] = {
    "d36692fd7b00a6838c70ff25eee4000d26c3d247e5b3f9bd9cc6b4c07b00332b": EMBEDDED,  # faces-dcgan
    "e861c1d2fcbb2e7481131b865cb0660c1a25cb6072dacd7d41a4122ea1eb8f9f": EMBEDDED,  # faces64
}


def framing_of(gen: Generator, *, num: int = SAMPLES, seed: int = 0) -> Framing:
    """Where eyes and mouth lie in a generator's images: what is known of the embedded models, or else `measured`."""
    return KNOWN.get(gen.info.fingerprint) or measured(gen, num=num, seed=seed)


def measured(gen: Generator, *, num: int = SAMPLES, seed: int = 0) -> Framing:
    """The medians over `num` faces, of four times as many the most nearly frontal.

    Raises:
      InputError: if most of its images show no face. MetricsError: with the commands to run, if the networks that find
        faces are not there.
    """
    images = render(gen, to_ws(gen, near_frontal(gen, random_key(seed), num, pool=4 * num)))
    faces = [face for image in images if (face := _face(image)) is not None]
    if len(faces) <= num / 2:
        raise InputError(f"{len(faces)} of {num} images of the model show one face; give a box instead")
    left, right, mouth = np.median([three_points(face) for face in faces], 0) / gen.size
    return Framing(tuple(left.tolist()), tuple(right.tolist()), tuple(mouth.tolist()))


def _face(image: np.ndarray) -> FourPoints | None:
    try:
        return find_points(Photograph(Picture(to_uint8(image), 255, None, None, "RGB", False)), 0)
    except FaceError:
        return None
