"""Other projects' checkpoints -> our models. Reads files, never runs them: see `lrgan_jax.foreign`.

`read_checkpoint` is the whole of it: container -> plain tree -> the one format that knows it -> common names -> generator.
"""
import dataclasses
import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convert import common, dcgan, hammer, nvidia, rosinality, sefa, tensorflow
from convert.rules import Rule, rename
from lrgan_jax.foreign import containers
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.generators import DCGAN, StyleGAN2

__all__ = ["CheckpointError", "read_checkpoint"]

STYLEGAN2 = (tensorflow, nvidia, rosinality, hammer, sefa)  # each knows its own files, by their contents


class Network(NamedTuple):
    """A StyleGAN2 as its file has it: tensors by the file's own names, and the rules that rename them."""

    kind: str
    tensors: dict[str, np.ndarray]
    settings: dict[str, Any]  # fields of StyleGAN2Config that the file tells
    rules: tuple[Rule, ...]


def find_stylegan2(tree: Any) -> Network | None:
    """The StyleGAN2 in what `containers.read` gave; None if there is none of a known format."""
    for module in STYLEGAN2:
        if (found := module.read(tree)) is not None:
            tensors, settings = found
            return Network(module.FORMAT, tensors, settings, module.RULES)
    return None


def read_checkpoint(
    path: str | Path, settings: Mapping[str, Any] | None = None, *, w_avg: np.ndarray | None = None
) -> StyleGAN2 | DCGAN:
    """The generator inside `path`; its `info.provenance` says where it comes from.

    Args:
      settings: fields of StyleGAN2Config that no shape shows and this file may lack, such as conv_clamp.
      w_avg: the mean latent [w_dim] of a file that has none; None estimates it.
    Raises:
      CheckpointError: in one line, whatever is wrong with the file.
    """
    path = Path(path)
    tree = containers.read(path)
    try:
        gen, kind, remark = _build(tree, dict(settings or {}), w_avg)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    provenance = {
        "source": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "format": kind,
        "converted": datetime.date.today().isoformat(),
    }
    if remark:
        provenance["remark"] = remark
    return dataclasses.replace(gen, info=dataclasses.replace(gen.info, name=path.stem, provenance=provenance))


def _build(tree: Any, settings: dict[str, Any], w_avg: np.ndarray | None) -> tuple[StyleGAN2 | DCGAN, str, str]:
    if (network := find_stylegan2(tree)) is not None:
        problems: list[str] = []
        named = rename(network.tensors, network.rules, problems)
        if w_avg is not None:
            named["mapping.w_avg"] = w_avg
        gen, remark = common.build(named, {**network.settings, **settings}, problems)
        return gen, network.kind, remark
    if (tensors := dcgan.read(tree)) is not None:
        return dcgan.build(tensors), dcgan.FORMAT, ""
    raise CheckpointError(f"no generator of a known format in it; known are {_known()}")


def _known() -> str:
    return ", ".join(module.FORMAT for module in (*STYLEGAN2, dcgan))
