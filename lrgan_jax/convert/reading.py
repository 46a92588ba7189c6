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

from lrgan_jax.convert.formats import dcgan
from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.formats.stylegan2 import missing
from lrgan_jax.convert.formats.stylegan2.network import Network, build
from lrgan_jax.foreign import CheckpointError, containers
from lrgan_jax.generators import DCGAN, StyleGAN2


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
            gen, remarks = build(found, dict(settings or {}), w_avg=w_avg, noise=noise)
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
