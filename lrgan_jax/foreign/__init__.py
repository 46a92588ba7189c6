"""Files of other programs, read without running anything in them: checkpoints, and latents and directions.

`containers.read` is the door: zip or legacy torch files, bare pickles and safetensors -> plain values, arrays and inert
records. It knows no model; what the values mean is for `convert`, for `directions`, for the latents of the commands.
"""

from lrgan_jax.foreign.errors import CheckpointError

__all__ = ["CheckpointError"]
