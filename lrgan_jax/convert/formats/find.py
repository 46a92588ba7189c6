"""Which network of which format a file holds."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import dcgan, hammer, nvidia, rosinality, sefa, tensorflow
from lrgan_jax.convert.formats.places import Place, Table, choose, places, tables
from lrgan_jax.convert.formats.stylegan2.network import Network
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record

FORMATS = (nvidia, rosinality, hammer, sefa, dcgan)  # each knows its own networks, by their tensors
OTHERS = {  # tensors of what is often taken for a whole StyleGAN2 generator
    "synthesis.input.weight": "a StyleGAN3 network; only StyleGAN2 networks can be converted",
    "b4.const": "a synthesis network without its mapping network, or apart from it; export the whole generator",
    "early_layer.const": "a synthesis network without its mapping network, or apart from it; export the whole generator",
}


def find_network(tree: Any, wanted: str | None = None) -> tuple[Network | dict[str, np.ndarray], str]:
    """The StyleGAN2 in what `containers.read` gave, or the tensors of a DCGAN; and where it was found, if that needs saying.

    Raises:
      CheckpointError: if there is none, or several could be meant.
    """
    if (found := tensorflow.read(tree)) is not None:
        return found, ""
    named = list(tables(tree))
    found = [(module, place) for module in FORMATS for place in places(named, module.SIGN)]
    known = [(module, place) for module, place in found if not _is_foreign(place)]
    read = {place.path: (place, network) for module, place in known if (network := module.read(place)) is not None}
    if not read:
        raise CheckpointError(_nothing(tree, named, [place for _, place in found]))
    chosen, remark = choose([place for place, _ in read.values()], wanted, [name for module in FORMATS for name in module.USUAL])
    return read[chosen.path][1], remark


def _is_foreign(place: Place) -> bool:
    """Whether it is a whole module of a class that is not NVIDIA's: it computes as its own code says. NVIDIA's records have bare names."""
    return isinstance(place.owner, Record) and "." in place.owner.name


def _nothing(tree: Any, named: list[Table], found: list[Place]) -> str:
    if modules := [place.owner.name for place in found if _is_foreign(place)]:
        return (f"a whole module of the class {modules[0]:.60} was pickled, whose code is not looked at: "
                "save its state dict, torch.save(module.state_dict(), ...)")  # fmt: skip
    for sign, what in OTHERS.items():
        if places(named, sign):
            return what
    if isinstance(tree, np.ndarray):
        return f"a single tensor of shape {list(tree.shape)} and no network: a latent or a direction, which `lrgan edit` reads"
    if isinstance(tree, Mapping) and ("d" in tree or "d_optim" in tree):
        return "a rosinality file without a generator: it has neither g_ema nor g"
    known = ", ".join(module.FORMAT for module in (tensorflow, *FORMATS))
    return f"no generator of a known format in it; known are {known}"
