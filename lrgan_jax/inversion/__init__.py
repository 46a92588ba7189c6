"""Photographs to latents, and back."""

from lrgan_jax.inversion.fit import Fit
from lrgan_jax.inversion.found import Inversion
from lrgan_jax.inversion.invert import Progress, invert, inverting

__all__ = ["Fit", "Inversion", "Progress", "invert", "inverting"]
