"""A file of another project's -> a generator: container, plain tree, the network in it, our variables."""

import dataclasses
import datetime
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import Network, find_network
from lrgan_jax.convert.formats.huggingface import CONFIG, WEIGHTS
from lrgan_jax.convert.formats.stylegan2.missing import Pictures
from lrgan_jax.foreign import CheckpointError, containers
from lrgan_jax.generators import StoredGenerator

LONGEST = 2**20  # bytes of a config


def read_checkpoint(
    path: str | Path,
    settings: Mapping[str, Any] | None = None,
    *,
    network: str | None = None,
    w_avg: np.ndarray | None = None,
    noise: Pictures = "random",
    arguments: Mapping[str, Any] | None = None,
) -> StoredGenerator:
    """The generator inside `path`; its `info.provenance` says where from, and in `remarks` what was assumed or made up.

    Args:
      path: the file, or a folder as HuggingFace's projects write it; their config is read, too, where it lies beside.
      settings: fields of the network's configuration that no shape shows and this file may lack, such as conv_clamp.
      network: which one of several, by the end of its path; None takes the only one, or the only averaged one.
      w_avg: the mean latent [w_dim] of a file that has none; None estimates it.
      noise: the noise pictures of a file that has none: from seed 0, or zeros.
      arguments: what the network was made with, by the names of its own project's constructor, for files that lack
        them. All of them are looked at: one that the file contradicts, or that is not known, is refused.
    Returns:
      Of whichever architecture the file holds.
    Raises:
      CheckpointError: in one line, whatever is wrong with the file.
    """
    path = Path(path)
    given = dict(settings or {})
    given |= {} if arguments is None else {"arguments": dict(arguments)}
    given |= ({} if w_avg is None else {"w_avg": w_avg}) | ({} if noise == "random" else {"noise": noise})
    with containers.naming(path):
        found, remark, digest = network_in(path, network)
        gen, remarks = found.build(given)
    provenance: dict[str, Any] = {
        "source": path.name,
        "sha256": digest,
        "format": found.format,
        "converted": datetime.date.today().isoformat(),
    }
    if remarks := [*([remark] if remark else []), *remarks]:
        provenance["remarks"] = remarks
    return with_info(gen, name=path.stem, provenance=provenance)


def network_in(path: Path, wanted: str | None) -> tuple[Network, str, str]:
    """The network in a file or folder, where it was found, if that needs saying, and the file's SHA-256.

    Raises:
      CheckpointError: as `read_checkpoint`, without the file's name.
    """
    inside = path / WEIGHTS
    tree, digest = _read(inside if os.path.isfile(inside) else path)  # a Path's own is_file fails on a long name
    return *find_network(tree, wanted), digest


def _read(path: Path) -> tuple[Any, str]:
    """What a file holds, together with the config that HuggingFace's projects put beside it, and its SHA-256."""
    data = containers.bytes_of(path)
    tree, digest = containers.parse(data), hashlib.sha256(data).hexdigest()
    del data  # large, and not wanted any more
    config = path.with_name(f"{path.name.removesuffix(WEIGHTS)}{CONFIG}")
    if path.name.endswith(WEIGHTS) and config.exists():
        tree = {WEIGHTS.partition(".")[0]: tree, CONFIG.partition(".")[0]: _json(config)}
    return tree, digest


def _json(path: Path) -> dict[str, Any]:
    data = containers.bytes_of(path)
    try:
        value = json.loads(data) if len(data) <= LONGEST else None
    except (ValueError, RecursionError):  # damaged, or nested without end
        value = None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path.name} beside it is no table of settings in JSON")
    return value


def with_info(gen: StoredGenerator, **fields: Any) -> StoredGenerator:
    """The same generator, with other fields of its `info`."""
    same: Any = gen  # a dataclass, as all that can be stored are
    return dataclasses.replace(same, info=dataclasses.replace(gen.info, **fields))
