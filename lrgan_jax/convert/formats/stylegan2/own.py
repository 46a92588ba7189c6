"""What a StyleGAN2's state dict that we wrote says of itself: the settings that no tensor shows."""

from typing import Any

from lrgan_jax.convert.formats.own import own_words
from lrgan_jax.foreign import CheckpointError

SETTINGS = {
    "conv_clamp": (float, type(None)),
    "mapping_lr": (float,),
    "scaled_demodulation": (bool,),
    "mapping_layers": (int,),
    "z_dim": (int,),
}


def own_settings(state: Any) -> dict[str, Any]:
    """Fields of StyleGAN2Config; none of another's file.

    Raises:
      CheckpointError: if they are not such as we write.
    """
    settings = own_words(state)
    for name, value in settings.items():
        if type(value) not in SETTINGS.get(name, ()):
            raise CheckpointError(f"the state dict's setting {name!r:.40} is {value!r:.40}, which is none of ours")
    return settings


def untold(settings: dict[str, Any]) -> tuple[str, ...]:
    """Those of which they have no word, although networks differ in them."""
    return tuple(name for name in ("conv_clamp", "mapping_lr") if name not in settings)
