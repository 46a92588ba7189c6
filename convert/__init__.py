"""The door to `lrgan_jax.convert` in a checkout: `python -m convert IN OUT` is `lrgan convert IN OUT`."""

from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint

__all__ = ["CheckpointError", "find_network", "read_checkpoint"]
