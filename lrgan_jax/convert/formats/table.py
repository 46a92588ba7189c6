"""The formats that are read. To add one, write its file (see `protocol.Format`) and put it here."""

from lrgan_jax.convert.formats import ajbrock, dcgan, hammer, huggingface, nvidia, rosinality, sefa, tensorflow
from lrgan_jax.convert.formats.protocol import Format

FORMATS: tuple[Format, ...] = (tensorflow, nvidia, rosinality, hammer, sefa, dcgan, ajbrock, huggingface)
