"""genforce's StyleGAN2 before Hammer, `.pth`, as in InterFaceGAN's and SeFa's releases: weights as TensorFlow has them.

Two things no shape shows: the style's bias lacks the 1, which the code adds, and the kernels of the upsampling layers
are stored reversed in both axes. Labels are concatenated as in the TensorFlow StyleGAN2.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import genforce
from lrgan_jax.convert.formats.genforce import COMMON_LAYER, LAYER, SHARED, SHARED_BACK, common, theirs
from lrgan_jax.convert.formats.layouts import reversed_oihw, with_two, without_two
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, number, word
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network, Understood
from lrgan_jax.convert.formats.stylegan2.own import own_settings
from lrgan_jax.convert.formats.told import GIVEN
from lrgan_jax.generators import StyleGAN2Config

NAME = "genforce StyleGAN2 before Hammer (SeFa)"
SIGN, USUAL = genforce.SIGN, genforce.USUAL
# What the constructor takes for what is left out, as far as it fixes the arithmetic and is no shape.
DEFAULTS = {"architecture": "skip", "label_size": 0, "noise_type": "spatial"}


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
    return StyleGAN2Network(NAME, place.tensors, RULES, BACK, _understand, settings)


def _understand(given: Mapping[str, Any]) -> Understood:
    settings = {"mapping_lr": number(given.get("mapping_lr_mul", 0.01), "mapping_lr_mul")}
    return Understood(settings, lambda config: disagreements({**DEFAULTS, **given}, _table(config), GIVEN))


def _table(config: StyleGAN2Config) -> Table:
    """Every argument of the constructor."""
    cfg = config
    return {
        "gan_type": "stylegan2",
        "resolution": cfg.resolutions[-1],
        "z_space_dim": cfg.z_dim,
        "w_space_dim": cfg.w_dim,
        "label_size": cfg.c_dim,
        "mapping_layers": cfg.mapping_layers,
        "mapping_fmaps": cfg.mapping_features if cfg.mapping_layers > 1 else ANY,
        "mapping_lr_mul": cfg.mapping_lr,
        "repeat_w": True,
        "image_channels": cfg.img_channels,
        "final_tanh": False,
        "const_input": True,
        "architecture": word(cfg.architecture.replace("orig", "origin")),
        "fused_modulate": ANY,
        "demodulate": True,
        "use_wscale": True,
        "noise_type": word("spatial" if cfg.use_noise else "none"),
        "fmaps_base": ANY,
        "fmaps_max": ANY,
    }
