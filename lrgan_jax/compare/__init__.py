"""The paper's evaluation on one footing for every method.

setup        latents, regions and their Grams, computed once
kept         the same Grams, taken from a sweep
stages       what is done is kept, piece by piece: a comparison goes on where it was stopped
methods      the direction by which each method would edit a region, and the same asked otherwise
walks        straight edits against walks
naturalness  whether the edited pictures are still such as the generator makes
effects      what LPIPS and the face networks see of the edits
experiment   all of this as one run; `evaluation` measures
figures      medians with confidence intervals, `summary`
plane, front, page  the pictures, the page
"""

from lrgan_jax.compare.experiment import STAGES, Comparison, run
from lrgan_jax.compare.figures import Figures, as_json, summary

__all__ = ["STAGES", "Comparison", "Figures", "as_json", "run", "summary"]
