"""A file of another project's -> a generator: container, plain tree, the network in it, our variables."""

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import find_network
from lrgan_jax.convert.formats.stylegan2.missing import Pictures
from lrgan_jax.foreign import containers
from lrgan_jax.generators import StoredGenerator


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
        data = containers.bytes_of(path)
        digest = hashlib.sha256(data).hexdigest()
        tree = containers.parse(data)
        del data  # large, and not wanted any more
        found, remark = find_network(tree, network)
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


def with_info(gen: StoredGenerator, **fields: Any) -> StoredGenerator:
    """The same generator, with other fields of its `info`."""
    same: Any = gen  # a dataclass, as all that can be stored are
    return dataclasses.replace(same, info=dataclasses.replace(gen.info, **fields))
