"""ReSeFa: the eigenvectors of (M_B + tao trace(M_B) I)^-1 M_A, by way of a symmetric problem.

Source: Zhu et al. 2022, arXiv:2202.09649. The authors' code keeps every channel of pictures up to 256 pixels, as a
`Search` does by default, but of larger ones it sums the channels and takes the nearest pixels: channels="sum",
pooling="nearest" there.
"""

from lrgan_jax import subspaces
from lrgan_jax.methods.record import Method, Pair
from lrgan_jax.subspaces import Candidates


def find(pair: Pair) -> Candidates:
    """The largest quotient first; tao = 0, the plain quotient, needs an M_B of full rank, else nothing is found."""
    return subspaces.rayleigh_directions(pair.inside, pair.outside, 0.0 if pair.tao is None else pair.tao)


RESEFA = Method("resefa", "ReSeFa", "the largest quotient of change inside to change outside", "grams", find, "others")
