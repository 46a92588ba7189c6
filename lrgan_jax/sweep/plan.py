"""What a sweep writes down before it begins: the settings, as the manifest remembers them, and the arrays that follow
from them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from lrgan_jax.generators import Generator
from lrgan_jax.generators.sampling import Latents
from lrgan_jax.lengths import Root
from lrgan_jax.search import Search
from lrgan_jax.subspaces import TAO
from lrgan_jax.sweep.arrays import Layout
from lrgan_jax.sweep.block import AXES, Job, Keep, axes, every
from lrgan_jax.sweep.store import Store
from lrgan_jax.targets import Targets

LIBRARIES = ("lrgan_jax", "jax", "jaxlib", "flax", "tensorstore")
NATURAL_ROOT = "natural_root"  # the array of `lengths`
BLOCK, BLOCKS = 32, 4096  # latents of a block at least, and how many blocks at most, where nothing else is asked for
BESIDE = ("block", "memory")  # settings of what is kept that do not stand among the options


def manifest(gen: Generator, latents: Latents, names: Sequence[str], targets: Targets, job: Job) -> dict[str, Any]:
    """Equal `settings`, equal results beyond rounding. `memory` is kept beside them, for equal bits.

    Args:
      names: of the regions, then of what is protected.
    """
    options = {**asdict(job.search), **asdict(job.keep)}
    options = {name: value for name, value in options.items() if name not in BESIDE}
    if job.search.part is None:  # of latents without parts earlier releases say nothing
        del options["part"]
    prints = [hashlib.sha256(np.asarray(mask).tobytes()).hexdigest() for mask in targets.masks]
    protected = dict(zip(names[targets.num_regions :], prints[targets.num_regions :], strict=True))
    if targets.keep is not None:
        options["protect"] = {"masks": protected, "weights": targets.keep.tolist()}
    return {
        "settings": {
            "model": gen.info.fingerprint,
            "latents": latents.record,
            "regions": dict(zip(names, prints[: targets.num_regions], strict=False)),
            "options": options,
            "block": job.block,
        },
        "memory": job.keep.memory,
        "model": gen.info.name,
        "num_ws": gen.num_ws,
        "w_dim": gen.w_dim,
        "regions": list(names[: targets.num_regions]),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def usual_block(num: int) -> int:
    """Latents of a block: more of many, as each costs some twenty requests and a look by every process."""
    return BLOCK * -(-num // (BLOCK * BLOCKS))


def job_of(manifest: Mapping[str, Any]) -> Job:
    """What a store was begun with; `protect` names the protected regions.

    Stores of earlier releases lack the newer settings.
    """
    options, known = manifest["settings"]["options"], {field.name for field in fields(Search)}
    if "metric" not in options:
        options = options | _before_lengths(options)
    chosen = {name: value for name, value in options.items() if name in known - {"protect"}}
    kept = {name: value for name, value in options.items() if name not in known}
    return Job(Search(**chosen), Keep(**kept, block=manifest["settings"]["block"], memory=manifest["memory"]))


def _before_lengths(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings of releases without a metric meant: all but ReSeFa, whose default is none, had `TAO` for it."""
    tao = options.get("tao")
    return {"metric": "latent", "tao": TAO if tao is None and options["method"] != "resefa" else tao}


def natural_root(store: Store) -> Root:
    """Of the lengths that the store's directions are counted in."""
    return store.values(NATURAL_ROOT) if NATURAL_ROOT in store.layouts else None


def protected(manifest: Mapping[str, Any]) -> list[str] | None:
    """The names of what alone keeps still; None for all of the rest."""
    chosen = manifest["settings"]["options"].get("protect")
    return None if chosen is None else list(chosen["masks"])


def layouts(gen: Generator, latents: Latents, targets: Targets, root: Root, job: Job) -> dict[str, Layout]:
    """The arrays of a store."""
    num, block, regions = latents.num, job.block, targets.num_regions
    results, _ = jax.eval_shape(lambda: every(job, gen, latents.stretch(0, 1), targets, root))
    found = {
        name: Layout((num, *a.shape[1:]), a.dtype.name, ("latent", *axes(job.search, AXES[name])), block)
        for name, a in results.items()
    }
    if root is not None:
        names = ("latent_dim", "other_latent_dim") if job.search.part is None else ("part_dim", "other_part_dim")
        found[NATURAL_ROOT] = Layout(root.shape, root.dtype.name, names, len(root))
    return found | {
        "masks": Layout((regions, *targets.masks.shape[1:]), "float32", ("region", "mask_y", "mask_x"), regions)
    }
