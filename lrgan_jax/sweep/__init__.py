"""Many latents, many devices, many hosts: directions of all of them in a store that survives whatever stops the work.

    run(gen, "sweep", seeded(gen, seed=0, num=10_000), ["mouth", "eyes"])         the same call again goes on where it stopped
    sweep = open("sweep"); sweep["vectors"][:100].read().result(); sweep.directions("mouth")

Read on in the order of the data: latents.py (which), block.py (what the devices compute), devices.py (keeping them busy), store.py
(where it goes), run.py (the loop), population.py (what serves all latents), results.py (reading). plan.py is what the store remembers
of the settings, processes.py and merge.py are for more machines than one.
"""
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.latents import Latents, given, seeded
from lrgan_jax.sweep.merge import merge
from lrgan_jax.sweep.processes import Share, join
from lrgan_jax.sweep.results import Sweep, open  # noqa: A004
from lrgan_jax.sweep.run import Progress, run

__all__ = ["Latents", "Progress", "Share", "Sweep", "SweepError", "given", "join", "merge", "open", "run", "seeded"]
