"""Measuring: what an edit does to a picture, and how far one set of pictures is from another.

    change      mean squared change inside a region and outside, and the step that gives a wanted change
    distances   sliced Wasserstein and Frechet distance between sets of images
"""
from lrgan_jax.metrics.change import Change, Step, region_change, spread_over_layers, step_for_change, steps_for_change
from lrgan_jax.metrics.distances import frechet_distance, sliced_wasserstein

__all__ = [
    "Change", "Step", "frechet_distance", "region_change", "sliced_wasserstein", "spread_over_layers", "step_for_change",
    "steps_for_change",
]  # fmt: skip
