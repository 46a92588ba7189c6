"""Photographs to latents and back.

photograph      any picture's file, changed in places, and written with all other pixels as they were
warp            an affine map of an image, without aliasing
framing         where a face lies in a crop: as in FFHQ, or as in the images of a model
crop            a quad of a photograph as an image
landmarks       the face of a photograph that is meant, and its eyes and mouth
alignment       a face cut out as a model knows faces, and an edit of it put back
model_framing   how a model frames its faces
"""

from lrgan_jax.inversion.alignment import Aligned, align
from lrgan_jax.inversion.framing import Framing
from lrgan_jax.inversion.landmarks import FaceError, find_faces, find_points
from lrgan_jax.inversion.model_framing import framing_of
from lrgan_jax.inversion.photograph import Photograph, PhotographError

__all__ = [
    "Aligned",
    "FaceError",
    "Framing",
    "Photograph",
    "PhotographError",
    "align",
    "find_faces",
    "find_points",
    "framing_of",
]
