"""The formats that are read. To add one, write its file (see `protocol.Format`) and put it here."""

from lrgan_jax.convert.formats import (
    dcgan,
    hammer,
    hammer_stylegan3,
    nvidia,
    nvidia_stylegan3,
    rosinality,
    sefa,
    tensorflow,
)
from lrgan_jax.convert.formats.protocol import Format

FORMATS: tuple[Format, ...] = (
    tensorflow,
    nvidia,
    nvidia_stylegan3,
    rosinality,
    hammer,
    hammer_stylegan3,
    sefa,
    dcgan,
)
