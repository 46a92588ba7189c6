"""Measuring: what an edit does to a picture, and how far one set of pictures is from another.

change      mean squared change inside a region and outside
steps       the step along a direction that gives a wanted change
strips      steps of equal size to the eye
angles      how far two subspaces are apart
distances   sliced Wasserstein and Frechet distance between sets of images
oddity      how far a part of a picture is from the same part of samples
lpips       how different two pictures look, as a whole or inside a region and outside
faces       how far a face changes its identity, its expression and the places of its parts
detection   where faces are in a photograph
networks    the pretrained networks of the last three: where they come from, and `load`
layers      what these are made of
"""

from lrgan_jax.metrics.angles import principal_angles
from lrgan_jax.metrics.change import Change, region_change
from lrgan_jax.metrics.detection import Face, face_boxes
from lrgan_jax.metrics.distances import frechet_distance, sliced_wasserstein
from lrgan_jax.metrics.faces import (
    EXPRESSIONS,
    LANDMARKS,
    SAME_PERSON,
    expression_change,
    face_descriptor,
    face_expressions,
    face_landmarks,
    identity_change,
    landmark_change,
)
from lrgan_jax.metrics.lpips import lpips, lpips_change
from lrgan_jax.metrics.networks import MetricsError, load
from lrgan_jax.metrics.oddity import Part, learn_part, oddity
from lrgan_jax.metrics.steps import Step, step_for_change, steps_for_change
from lrgan_jax.metrics.strips import equal_steps

__all__ = [
    "EXPRESSIONS",
    "LANDMARKS",
    "SAME_PERSON",
    "Change",
    "Face",
    "MetricsError",
    "Part",
    "Step",
    "equal_steps",
    "expression_change",
    "face_boxes",
    "face_descriptor",
    "face_expressions",
    "face_landmarks",
    "frechet_distance",
    "identity_change",
    "landmark_change",
    "learn_part",
    "load",
    "lpips",
    "lpips_change",
    "oddity",
    "principal_angles",
    "region_change",
    "sliced_wasserstein",
    "step_for_change",
    "steps_for_change",
]


def __dir__() -> list[str]:
    return __all__
