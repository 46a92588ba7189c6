"""Other projects' checkpoints -> our models, and back. Reads files, never runs them.

Four rooms, each of which knows only those before it:

  lrgan_jax.foreign   containers and pickles -> plain values, arrays and inert records; it stands apart, as latents and
                      directions that people share are read by it, too
  formats             one file a project: what its networks are called, and how they become ours
  write               our models -> files that other projects' code loads
  check               whether it is the same function, by images and layer by layer; and what is in a file

`metric_networks.py` makes the networks that `lrgan_jax.metrics` measures with. The command is `lrgan convert`.
"""

from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.reading import read_checkpoint
from lrgan_jax.foreign import CheckpointError

__all__ = ["CheckpointError", "find_network", "read_checkpoint"]


def __dir__() -> list[str]:
    return __all__
