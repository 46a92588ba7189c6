"""Other projects' checkpoints -> our models, and back. Reads files, never runs them.

Four rooms, each of which knows only those before it:

  lrgan_jax.foreign   containers and pickles -> plain values, arrays and inert records. It stands apart, as files of latents and of
                      directions are read by it too
  formats             one file a project: what its networks are called and how they become ours
  write               our models -> files that other projects' code loads
  check               is it the same function? images against images, layer by layer, and what is in a file

`command.py` is the command, `lrgan convert`, and `metric_networks.py` what it does with `--metrics`.
"""
from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.reading import read_checkpoint
from lrgan_jax.foreign import CheckpointError

__all__ = ["CheckpointError", "find_network", "read_checkpoint"]
