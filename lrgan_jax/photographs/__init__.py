"""Photographs: opened, a face cut out, an edit of it put back.

photograph      any picture's file, changed in places, and written with all other pixels as they were
warp            an affine map of an image, without aliasing
framing         where a face lies in a crop: as in FFHQ, or as in the images of a model
crop            a quad of a photograph as an image
landmarks       the face of a photograph that is meant, and its eyes and mouth
alignment       a face cut out as a model knows faces, and an edit of it put back
model_framing   how a model frames its faces
blend           an edited crop with the photograph's own pixels outside a region
"""

from lrgan_jax.photographs.alignment import Aligned, align
from lrgan_jax.photographs.blend import Blended, Seam, blend
from lrgan_jax.photographs.framing import Framing
from lrgan_jax.photographs.landmarks import FaceError, find_faces, find_points
from lrgan_jax.photographs.model_framing import framing_of
from lrgan_jax.photographs.photograph import Photograph, PhotographError
from lrgan_jax.photographs.photograph import open as open_photograph

__all__ = [
    "Aligned",
    "Blended",
    "FaceError",
    "Framing",
    "Photograph",
    "PhotographError",
    "Seam",
    "align",
    "blend",
    "find_faces",
    "find_points",
    "framing_of",
    "open_photograph",
]


def __dir__() -> list[str]:
    return __all__
