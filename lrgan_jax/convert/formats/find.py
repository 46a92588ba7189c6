"""Which network of which format a file holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.places import Place, choose, places
from lrgan_jax.convert.formats.protocol import Network
from lrgan_jax.convert.formats.table import FORMATS
from lrgan_jax.convert.formats.trees import Table, is_module, tables
from lrgan_jax.foreign import CheckpointError

APART = "a synthesis network without its mapping network, or apart from it; export the whole generator"
OTHERS = {  # tensors of what is often taken for a whole generator that is read
    "synthesis.input.weight": "a StyleGAN3 network without the frequencies of its input (synthesis.input.freqs)",
    "b4.const": APART,
    "early_layer.const": APART,
    "input.freqs": APART,
    "early_layer.frequency": APART,
    "4x4/Dense/weight": "NVIDIA's PGGAN of TensorFlow, which is not read; genforce's converters make a .pth of it",
    "ScaledCrossReplicaBN.weight": "a BigGAN with the names of its TFHub module, which are not read; convert it to "
    "BigGAN-PyTorch's own G_ema.pth first",
}
DESCENDANTS = {  # tensors of networks that hold what looks like one of ours, or most of one
    "mapping.embed_proj.weight": "a StyleGAN-XL: its classes' embeddings and mean latents, one a class, are not read",
    "mapping.x_avg": "a StyleGAN-T: its text encoder and residual blocks are not read",
    "superresolution.block0.conv0.weight": "an EG3D, or one of its kind: its volume renderer, decoder and "
    "super-resolution are not read, and without them its StyleGAN2 draws no pictures",
}


def find_network(tree: Any, wanted: str | None = None) -> tuple[Network, str]:
    """The network in what `containers.read` gave; and where it was found, if that needs saying.

    Args:
      wanted: which one of several, by the end of its path.
    Raises:
      CheckpointError: if there is none, or several could be meant.
    """
    every = list(tables(tree))
    found = [(format, place) for format in FORMATS for place in places(every, format.SIGN)]
    others = {place.path: what for sign, what in DESCENDANTS.items() for place in places(every, sign)}
    own = [(format, place) for format, place in found if not _descendant(place, others)]
    known = [(format, place) for format, place in own if not _is_foreign(place)]
    read = {place.path: (place, network) for format, place in known if (network := format.read(place)) is not None}
    if not read:
        if others and not own:
            raise CheckpointError(next(iter(others.values())))
        raise CheckpointError(_nothing(tree, every, [place for _, place in own]))
    usual = [path for format in FORMATS for path in format.USUAL]
    chosen, remark = choose([place for place, _ in read.values()], wanted, usual)
    return read[chosen.path][1], remark


def _descendant(place: Place, others: Mapping[str, str]) -> bool:
    """Whether it is one of these networks, by their paths, or within one."""
    return any(f"{place.path}.".startswith(f"{path}." if path else "") for path in others)


def _is_foreign(place: Place) -> bool:
    """Whether it is a whole module of a class that is not NVIDIA's, and computes as its own code says.

    NVIDIA's records have bare names.
    """
    return is_module(place.owner) and "." in place.owner.name


def _nothing(tree: Any, every: list[Table], found: list[Place]) -> str:
    if modules := [place.owner.name for place in found if _is_foreign(place)]:
        return (
            f"a whole module of the class {modules[0]:.60} was pickled, whose code is not looked at: "
            "save its state dict, torch.save(module.state_dict(), ...)"
        )
    for sign, what in OTHERS.items():
        if places(every, sign):
            return what
    if isinstance(tree, np.ndarray):
        what = f"a single tensor of shape {list(tree.shape)} and no network"
        return f"{what}: a latent or a direction, which `lrgan edit` reads"
    if isinstance(tree, Mapping) and {"itr", "config"} <= tree.keys():
        return "the state of a BigGAN-PyTorch training without its weights: convert G_ema.pth beside it"
    if isinstance(tree, Mapping) and ("d" in tree or "d_optim" in tree):
        return "a rosinality file without a generator: it has neither g_ema nor g"
    known = ", ".join(f"{format.NAME} by its {format.SIGN}" for format in FORMATS)
    return f"no generator of a known format in it; known are {known}"
