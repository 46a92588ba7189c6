"""The formats that are read: one file for each project, and a row in `table.py`.

From a file to a generator: `trees` finds the tensors in it, `places` the networks among them by a tensor that each
format is known by, the format's own file reads one of them, and `find` says which is meant. What is found builds the
generator; `rules`, `sizes` and `settings` are the tools for that, and `stylegan2/` is what all formats of that family
share.
"""

from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.formats.protocol import Format, Network
from lrgan_jax.convert.formats.table import FORMATS

__all__ = ["FORMATS", "Format", "Network", "find_network"]
