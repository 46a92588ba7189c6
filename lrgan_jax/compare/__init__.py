"""The paper's evaluation on one footing for every method.

    setup        latents, regions and their Grams, computed once
    methods      the direction by which each method would edit a region
    measure      all of them moved until the region has changed by the same amount
    effects      what LPIPS and the face networks see of these edits
    variants     the same methods asked at other images, or for regions drawn otherwise; ranks over lambda
    walks        straight edits against walks
    experiment   all of this as one run
    statistics, summary      medians with confidence intervals
    plane, page, command     the picture, the page, `lrgan compare`
"""
from lrgan_jax.compare.experiment import Comparison, run
from lrgan_jax.compare.summary import summary

__all__ = ["Comparison", "run", "summary"]
