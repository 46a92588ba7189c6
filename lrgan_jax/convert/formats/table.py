"""The formats that are read. To add one, write its file (see `protocol.Format`) and put it here."""

from lrgan_jax.convert.formats import (
    ajbrock,
    dcgan,
    genforce_pggan,
    hammer,
    hammer_stylegan1,
    hammer_stylegan3,
    huggingface,
    nvidia,
    nvidia_stylegan3,
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
    nvidia_stylegan3,
    rosinality,
    hammer,
    hammer_stylegan3,
    sefa,
    hammer_stylegan1,
    sefa_stylegan1,
    rosinality_stylegan1,
    genforce_pggan,
    dcgan,
    ajbrock,
    huggingface,
)
