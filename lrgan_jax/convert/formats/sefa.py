"""genforce's StyleGAN2 before Hammer, `.pth`, as in InterFaceGAN's and SeFa's releases: weights as TensorFlow has them.

Two things no shape shows: the style's bias lacks the 1, which the code adds, and the kernels of the upsampling layers
are stored reversed in both axes. Labels are concatenated as in the TensorFlow StyleGAN2.
"""

import numpy as np

from lrgan_jax.convert.formats import genforce
from lrgan_jax.convert.formats.genforce import COMMON_LAYER, LAYER, SHARED, SHARED_BACK, common, theirs
from lrgan_jax.convert.formats.layouts import reversed_oihw, with_two, without_two
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network
from lrgan_jax.convert.formats.stylegan2.own import own_settings

NAME = "genforce StyleGAN2 before Hammer (SeFa)"
SIGN, USUAL = genforce.SIGN, genforce.USUAL


def _filter(kernel: np.ndarray) -> np.ndarray:
    return without_two(kernel) / 4


def _kernel(filter: np.ndarray) -> np.ndarray:
    return 4 * with_two(filter)


RULES = (
    *SHARED,
    Rule(r"truncation\.w_avg", "mapping.w_avg", "as it is"),
    Rule(r"mapping\.label_weight", "mapping.label_weight", "as it is"),
    Rule(r"synthesis\.(layer)(\d*[13579])\.weight", common(".weight"), "upsampling: reversed", reversed_oihw),
    Rule(r"synthesis\.(layer)(\d*[02468])\.weight", common(".weight"), "as it is"),
    Rule(r"synthesis\.(output)(\d+)\.weight", common(".weight"), "as it is"),
    Rule(LAYER + r"\.style\.bias", common(".affine.bias"), "the code adds the 1", lambda a: a + 1),
    Rule(LAYER + r"\.filter\.kernel", common(".resample_filter"), "[1, 1, k, k], its gain ours to add", _filter),
    Rule(r"synthesis\.upsample\.kernel", "synthesis.b4.resample_filter", "the picture pyramid's, alike", _filter),
)
BACK = (
    *SHARED_BACK,
    Rule(r"mapping\.w_avg", "truncation.w_avg", "as it is"),
    Rule(r"mapping\.label_weight", "mapping.label_weight", "as it is"),
    Rule(r"synthesis\.b(\d+)\.(conv0)\.weight", theirs(".weight"), "upsampling: reversed", reversed_oihw),
    Rule(r"synthesis\.b(\d+)\.(conv1|torgb)\.weight", theirs(".weight"), "as it is"),
    Rule(COMMON_LAYER + r"\.affine\.bias", theirs(".style.bias"), "without the 1", lambda a: a - 1),
    Rule(COMMON_LAYER + r"\.resample_filter", theirs(".filter.kernel"), "[1, 1, k, k], with the gain", _kernel),
    Rule(r"synthesis\.b4\.resample_filter", "synthesis.upsample.kernel", "the picture pyramid's, alike", _kernel),
)


def read(place: Place) -> StyleGAN2Network | None:
    """The network there; None if it is Hammer's."""
    if not genforce.is_old(place.tensors):
        return None
    settings = {"scaled_demodulation": True} | own_settings(place.owner)
    return StyleGAN2Network(NAME, place.tensors, RULES, BACK, settings)
