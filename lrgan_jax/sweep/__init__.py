"""Many latents, many devices, many hosts: directions of all of them, in a store that survives whatever stops the work.

    sweep = run(gen, "store", seeded(gen, seed=0, num=10_000), ["mouth", "eyes"])  # again: on, where it stopped
    sweep["vectors"][:100].read().result(); sweep.directions("mouth"); open("store")  # the same, anywhere

Any number of processes may run the same at one store, and come and go. Read on in the order of the data: block.py (what
the devices compute), devices.py (keeping them busy), unfinished.py and keeper.py (what becomes of it), store.py (where
it goes), work.py (all together), sums.py and population.py (what serves all latents), results.py (reading). claims.py
and agenda.py say who does what, tasks.py on which GPUs; plan.py is what a store remembers of the settings, damage.py
what can be wrong with it.

On paper, 1,000,000 latents of FFHQ-1024 with four regions on 256 chips, each with a process of its own:

* Jacobians: 512 tangents of 149 GFLOP, additions counted too, are 76 TFLOP, 2.2 s a latent on a chip that sustains 35
  TFLOP/s in float32: 600 device hours, two and a half hours of all chips.
* What follows is matrix products as well: some 150 of 512 x 512 for each of three eigendecompositions a region, 0.5
  TFLOP a latent; by a method with robust PCA 1,250 for each of eight, 2.7 TFLOP. Either is a small part of the
  Jacobian's 76, if products so small reach as much of a chip; nobody has timed it there.
* Bytes: 100 kB a latent (directions 32, spectra 16, ws 36, picture 12), 100 GB in all; with `grams="float32"` 4 TB
  more. At 120 results a second over all hosts 12 MB/s, which no store notices.
* Sums: 8.4 MB a block of 256 latents, 10 GB while some twenty spans are in the making, 0.5 GB of 62 spans at the end.
  Adding up a span took 2 s on a local disk, all spans 3 s.
* Stops: a process that is asked to stop loses two steps of two latents each, one that is killed a minute more.
* Requests: 25 writes a block, 100,000 in all; a heart a worker every 15 s, 150,000; and with each claim a look at the
  others: their hearts, and what has changed since the last look, some 1,000 reads, 4,000,000 in all or 450 a second.
  A start reads 3,907 commits and lists all files; `--status` took 0.4 s on a local disk.
* What breaks first: looks grow with the square of the number of workers, so at some thousands they are most of what
  the store does, and hosts should claim for all of their chips. Before that, at the end, most wait for the last blocks:
  9 minutes of a chip each; `block=64` makes it 2, with four times the requests.
"""

from lrgan_jax.generators.sampling import Latents, given, seeded
from lrgan_jax.sweep.block import Keep, symmetric
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.loop import run
from lrgan_jax.sweep.merge import merge
from lrgan_jax.sweep.processes import Share, join
from lrgan_jax.sweep.results import Counts, Sweep, open  # noqa: A004
from lrgan_jax.sweep.work import Progress

__all__ = [
    "Counts",
    "Keep",
    "Latents",
    "Progress",
    "Share",
    "Sweep",
    "SweepError",
    "given",
    "join",
    "merge",
    "open",
    "run",
    "seeded",
    "symmetric",
]


def __dir__() -> list[str]:
    return __all__
