"""genforce's StyleGAN2 before Hammer, `.pth`, as InterFaceGAN's and SeFa's releases have it: weights kept as TensorFlow kept them.

Two things no shape shows: the style's bias lacks the 1, which the code adds, and the kernels of the upsampling layers are stored
reversed in both axes. Labels are concatenated as in the TensorFlow StyleGAN2.
"""
import numpy as np

from lrgan_jax.convert.formats.hammer import LAYER, SHARED, SIGN, USUAL, at, is_old
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.stylegan2.network import Network
from lrgan_jax.convert.formats.stylegan2.own import own_settings

__all__ = ["FORMAT", "RULES", "SIGN", "USUAL", "read"]

FORMAT = "genforce StyleGAN2 before Hammer (SeFa)"


def _filter(kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(kernel.shape[2:]) / 4


RULES = (
    *SHARED,
    Rule(r"truncation\.w_avg", "mapping.w_avg", "as it is"),
    Rule(r"mapping\.label_weight", r"mapping.label_weight", "as it is"),
    Rule(r"synthesis\.(layer)(\d*[13579])\.weight", at(".weight"), "upsampling: reversed in both axes", lambda a: a[:, :, ::-1, ::-1]),
    Rule(r"synthesis\.(layer)(\d*[02468])\.weight", at(".weight"), "as it is"),
    Rule(r"synthesis\.(output)(\d+)\.weight", at(".weight"), "as it is"),
    Rule(LAYER + r"\.style\.bias", at(".affine.bias"), "the code adds the 1", lambda a: a + 1),
    Rule(LAYER + r"\.filter\.kernel", at(".resample_filter"), "[1, 1, k, k]; the gain of 4 is ours to add", _filter),
    Rule(r"synthesis\.upsample\.kernel", "synthesis.b4.resample_filter", "the picture pyramid's, alike", _filter),
)


def read(place: Place) -> Network | None:
    """The network there; None if it is Hammer's."""
    if not is_old(place.tensors):
        return None
    return Network(FORMAT, place.tensors, RULES, {"scaled_demodulation": True} | own_settings(place.owner))
