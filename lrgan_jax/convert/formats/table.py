"""The formats that are read. To add one, write its file (see `protocol.Format`) and put it here."""

from lrgan_jax.convert.formats import (
    ajbrock,
    dcgan,
    genforce_pggan,
    hammer,
    hammer_stylegan1,
    huggingface,
    nvidia,
    rosinality,
    rosinality_stylegan1,
    sefa,
    sefa_stylegan1,
    tensorflow,
)
from lrgan_jax.convert.formats.protocol import Format

FORMATS: tuple[Format, ...] = (
    tensorflow,
    nvidia,
    rosinality,
    hammer,
    sefa,
    hammer_stylegan1,
    sefa_stylegan1,
    rosinality_stylegan1,
    genforce_pggan,
    dcgan,
    ajbrock,
    huggingface,
)
