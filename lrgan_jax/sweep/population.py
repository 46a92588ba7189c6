"""From the sums of all spans to the mean Gram of every region, and the directions that serve all latents."""

from functools import partial

import jax
import numpy as np

from lrgan_jax.sweep.block import AXES, SIDES, axes, factorise, symmetric
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.plan import job_of, natural_root
from lrgan_jax.sweep.store import Store
from lrgan_jax.sweep.sums import total

MEANS = {f"mean_{side}": ("region", "number", "other_number") for side in SIDES}


def write(store: Store) -> dict[int, str]:
    """Add up the spans, all of which are there, and factorise. Sums are of float64, so that the number of latents does
    not matter.

    Returns:
      What is wrong with blocks whose sums are damaged. They are discarded, and nothing is written.
    Raises:
      SweepError: if no latent has finite results.
    """
    count = sum(commit.usable for commit in store.commits().values())
    if not count:
        raise SweepError(f"{store.place}: no latent has finite results")
    dtype, (sums, damaged) = store.layouts["inside"].dtype, total(store)
    if damaged:
        return damaged
    means = [symmetric((sums[side] / count).astype(dtype)) for side in SIDES]
    job, root = job_of(store.manifest), natural_root(store)
    results = jax.jit(jax.vmap(partial(factorise, job, root)))(*means)
    arrays = {name: np.asarray(result) for name, result in results.items()} | dict(zip(MEANS, means, strict=True))
    store.write_population(arrays, {name: axes(job.search, {**AXES, **MEANS}[name]) for name in arrays})
    return {}


def check_all_there(store: Store) -> None:
    """Refuse a store in which blocks are missing.

    Raises:
      SweepError: naming the first ones.
    """
    there = store.commits()
    if missing := [block for block in range(store.num_blocks) if block not in there]:
        some = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        raise SweepError(
            f"{store.place}: {len(missing)} of {store.num_blocks} blocks are missing ({some}); all else is kept"
        )
