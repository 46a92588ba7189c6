"""genforce's StyleGAN2 as Hammer saves and ReSeFa loads it, `.pth`.

Published files are tensors alone. Those of Hammer's runner and converters carry the constructor's arguments beside the
models.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from lrgan_jax.convert.formats import genforce
from lrgan_jax.convert.formats.genforce import COMMON_LAYER, LAYER, SHARED, SHARED_BACK, common, theirs
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, number, taps_of, word
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network
from lrgan_jax.convert.formats.stylegan2.own import own_settings, untold
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN2Config

NAME = "genforce/Hammer StyleGAN2 (ReSeFa)"
SIGN, USUAL = genforce.SIGN, genforce.USUAL
ARGUMENTS = "model_kwargs_init"
# What the constructor takes where a file leaves an argument out, for those that fix the arithmetic and are no shape.
DEFAULTS = {"architecture": "skip", "label_dim": 0, "noise_type": "spatial"}

RULES = (
    *SHARED,
    Rule(r"w_avg", "mapping.w_avg", "as it is"),
    Rule(r"mapping\.embedding\.(weight|bias)", r"mapping.embed.\1", "as it is"),
    Rule(LAYER + r"\.weight", common(".weight"), "as it is"),
    Rule(LAYER + r"\.style\.bias", common(".affine.bias"), "as it is, the 1 included"),
    Rule(LAYER + r"\.filter", common(".resample_filter"), "as it is"),
    Rule(r"synthesis\.filter", "synthesis.b4.resample_filter", "the picture pyramid's"),
)
BACK = (
    *SHARED_BACK,
    Rule(r"mapping\.w_avg", "w_avg", "as it is"),
    Rule(r"mapping\.embed\.(weight|bias)", r"mapping.embedding.\1", "as it is"),
    Rule(COMMON_LAYER + r"\.weight", theirs(".weight"), "as it is"),
    Rule(COMMON_LAYER + r"\.affine\.bias", theirs(".style.bias"), "as it is, the 1 included"),
    Rule(COMMON_LAYER + r"\.resample_filter", theirs(".filter"), "as it is"),
    Rule(r"synthesis\.b4\.resample_filter", "synthesis.filter", "the picture pyramid's"),
)


def read(place: Place) -> StyleGAN2Network | None:
    """The network there, with its arguments if the file has them; None if it is the older relative."""
    if genforce.is_old(place.tensors):
        return None
    given = arguments_of(place)
    if given is None:
        settings = own_settings(place.owner)
        return StyleGAN2Network(NAME, place.tensors, RULES, BACK, settings, untold=untold(settings))
    clamp = given.get("conv_clamp")
    settings = {
        "conv_clamp": None if clamp is None else number(clamp, "conv_clamp"),
        "mapping_lr": number(given.get("mapping_lr_mul", 0.01), "mapping_lr_mul"),
        "z_dim": given.get("z_dim", 512),
        "mapping_layers": given.get("mapping_layers", 8),
    }
    return StyleGAN2Network(NAME, place.tensors, RULES, BACK, settings, check=partial(_check, given), arguments=given)


def arguments_of(place: Place) -> Mapping[str, Any] | None:
    """What the model of that name was made with, and `model_type`; an average has the arguments of what it averages."""
    every = place.beside(ARGUMENTS)
    if every is None:
        return None
    name = place.path.rpartition(".")[2]
    given = every.get(name, every.get(name.removesuffix("_smooth"))) if isinstance(every, Mapping) else None
    if not isinstance(given, Mapping):
        raise CheckpointError(f"{ARGUMENTS} says nothing of {place.path!r}, which it should")
    return given


def _check(given: Mapping[str, Any], config: StyleGAN2Config) -> Iterator[str]:
    yield from disagreements({**DEFAULTS, **given}, _table(config), ARGUMENTS)


def _table(config: StyleGAN2Config) -> Table:
    """Every argument of the constructor, its spelling of the embedding's gain included."""
    cfg = config
    labels = {
        "embedding_dim": cfg.embed_features,
        "embedding_bias": True,
        "embedding_use_wscale": True,
        "embedding_wscale_gian": 1,
        "embedding_wscale_gain": 1,
        "embedding_lr_mul": 1,
        "normalize_embedding": True,
        "normalize_embedding_latent": False,
    }
    return {
        "model_type": "StyleGAN2Generator",
        "z_dim": cfg.z_dim,
        "w_dim": cfg.w_dim,
        "repeat_w": True,
        "normalize_z": True,
        "mapping_layers": cfg.mapping_layers,
        "mapping_fmaps": cfg.mapping_features if cfg.mapping_layers > 1 else ANY,
        "mapping_use_wscale": True,
        "mapping_wscale_gain": 1,
        "mapping_lr_mul": cfg.mapping_lr,
        "label_dim": cfg.c_dim,
        **(labels if cfg.c_dim else dict.fromkeys(labels, ANY)),
        "resolution": cfg.resolutions[-1],
        "init_res": 4,
        "image_channels": cfg.img_channels,
        "final_tanh": False,
        "const_input": True,
        "architecture": word(cfg.architecture.replace("orig", "origin")),
        "demodulate": True,
        "use_wscale": True,
        "wscale_gain": 1,
        "lr_mul": 1,
        "noise_type": word("spatial" if cfg.use_noise else "none"),
        "fmaps_base": ANY,
        "fmaps_max": ANY,
        "filter_kernel": taps_of(cfg.filter),
        "conv_clamp": cfg.conv_clamp,
        "eps": 1e-8,
    }
