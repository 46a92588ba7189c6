"""From the sums of all blocks to the mean Gram of every region, and the directions that serve all latents."""

from contextlib import suppress
from functools import partial

import jax
import numpy as np

from lrgan_jax.sweep.block import AXES, USABLE, Sums, axes, factorise, symmetric
from lrgan_jax.sweep.errors import Damaged, SweepError
from lrgan_jax.sweep.plan import job_of, natural_root
from lrgan_jax.sweep.store import Store

MEANS = {f"mean_{side}": ("region", "number", "other_number") for side in Sums._fields}


def write(store: Store) -> None:
    """Add up and factorise, unless that was done. In float64 from block to block, so that the number of latents does
    not matter.

    Raises:
      SweepError: if a block is missing, or no latent has finite results.
    """
    if len(missing := np.flatnonzero(~store.committed())):
        some = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        raise SweepError(
            f"{store.place}: {len(missing)} of {store.num_blocks} blocks are missing ({some}); all else is kept"
        )
    with suppress(Damaged):
        if store.population() is not None:
            return
    count, means = int((store.values("usable") == USABLE).sum()), []
    if not count:
        raise SweepError(f"{store.place}: no latent has finite results")
    for side in Sums._fields:
        total = sum(store.values(f"sum_{side}", block).astype(np.float64) for block in range(store.num_blocks))
        means.append(symmetric((np.asarray(total) / count).astype(store.layouts[f"sum_{side}"].dtype)))
    job, root = job_of(store.manifest), natural_root(store)
    results = jax.jit(jax.vmap(partial(factorise, job, root)))(*means)
    arrays = {name: np.asarray(result) for name, result in results.items()} | dict(zip(MEANS, means, strict=True))
    store.write_population(arrays, {name: axes(job.search, {**AXES, **MEANS}[name]) for name in arrays})
