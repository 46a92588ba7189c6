"""The projects whose own code can be run beside ours."""

from lrgan_jax.convert.check.peers.biggan import BIGGAN
from lrgan_jax.convert.check.peers.genforce import GENFORCE
from lrgan_jax.convert.check.peers.nvidia import NVIDIA
from lrgan_jax.convert.check.peers.protocol import Arguments, Named, Peer
from lrgan_jax.convert.check.peers.rosinality import ROSINALITY

PEERS: tuple[Peer, ...] = (*NVIDIA, *ROSINALITY, *GENFORCE, *BIGGAN)

__all__ = ["PEERS", "Arguments", "Named", "Peer"]
