"""Other projects' checkpoints -> our models. Reads files, never runs them: see `lrgan_jax.foreign`.

`read_checkpoint` is the whole of it: container -> plain tree -> the network in it -> common names -> generator.
"""
import dataclasses
import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convert import common, dcgan, hammer, missing, nvidia, rosinality, sefa, tensorflow
from convert.networks import Network, Place, Table, choose, places, tables
from lrgan_jax.foreign import CheckpointError, containers
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import DCGAN, StyleGAN2

__all__ = ["CheckpointError", "find_network", "read_checkpoint"]

FORMATS = (nvidia, rosinality, hammer, sefa, dcgan)  # each knows its own networks, by their tensors
OTHERS = {  # tensors of what is often taken for a whole StyleGAN2 generator
    "synthesis.input.weight": "a StyleGAN3 network; only StyleGAN2 networks can be converted",
    "b4.const": "a synthesis network without its mapping network, or apart from it; export the whole generator",
    "early_layer.const": "a synthesis network without its mapping network, or apart from it; export the whole generator",
}


def read_checkpoint(
    path: str | Path, settings: Mapping[str, Any] | None = None, *, network: str | None = None, w_avg: np.ndarray | None = None,
    noise: missing.Pictures = "random",
) -> StyleGAN2 | DCGAN:  # fmt: skip
    """The generator inside `path`; its `info.provenance` says where it comes from, and in `remarks` what was assumed or made up.

    Args:
      settings: fields of StyleGAN2Config that no shape shows and this file may lack, such as conv_clamp.
      network: which one of several, by the end of its path; None takes the only one, or the only averaged one.
      w_avg: the mean latent [w_dim] of a file that has none; None estimates it.
      noise: the noise pictures of a file that has none: from seed 0, or zeros.
    Raises:
      CheckpointError: in one line, whatever is wrong with the file.
    """
    path = Path(path)
    tree = containers.read(path)
    try:
        found, remark = find_network(tree, network)
        if isinstance(found, Network):
            gen, remarks = common.build(found, dict(settings or {}), w_avg=w_avg, noise=noise)
            kind = found.kind
        else:
            gen, remarks, kind = dcgan.build(found), [], dcgan.FORMAT
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    provenance: dict[str, Any] = {
        "source": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "format": kind,
        "converted": datetime.date.today().isoformat(),
    }
    if remarks := [*([remark] if remark else []), *remarks]:
        provenance["remarks"] = remarks
    return dataclasses.replace(gen, info=dataclasses.replace(gen.info, name=path.stem, provenance=provenance))


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
