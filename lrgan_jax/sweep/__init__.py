"""Many latents, many devices, many hosts: directions of all of them, in a store that survives whatever stops the work.

    run(gen, "store", seeded(gen, seed=0, num=10_000), ["mouth", "eyes"])  # the same again goes on where it stopped
    sweep = open("store"); sweep["vectors"][:100].read().result(); sweep.directions("mouth")

Read on in the order of the data: block.py (what the devices compute), devices.py (keeping them busy), store.py (where
it goes), loop.py (all together), population.py (what serves all latents), results.py (reading). plan.py is what a store
remembers of the settings; processes.py and merge.py are for more machines than one.

On paper, 1,000,000 latents of FFHQ-1024 with four regions on 256 chips, `block=256`:

* Jacobians: 512 tangents of 149 GFLOP, additions counted too, are 76 TFLOP, 2.2 s a latent on a chip that sustains 35
  TFLOP/s in float32: 600 device hours, two and a half hours of all chips.
* What follows is matrix products as well: some 150 of 512 x 512 for each of three eigendecompositions a region, 0.5
  TFLOP a latent; by a method with robust PCA 1,250 for each of eight, 2.7 TFLOP. Either is a small part of the
  Jacobian's 76, if products so small, of 128 matrices at once, reach as much of a chip; nobody has timed it there.
* Bytes: 100 kB a latent (directions 32, spectra 16, ws 36, picture 12), 100 GB in all, and 4 MB of sums a block, 16 GB
  in all; with `grams="float32"` 4 TB more. At 120 results a second over all hosts 12 MB/s, which no store notices.
* Requests: 20 writes a block, 80,000 in all, nine a second, and as many reads when it is resumed; with `block=32`
  eight times as many.
* What breaks first: the shares are dealt out beforehand, so the slowest host decides when all is done. Then the sums:
  process 0 alone adds them up, minutes at this size and hours at a hundred times it, where hosts should add up their
  own first.
"""

from lrgan_jax.generators.sampling import Latents, given, seeded
from lrgan_jax.sweep.block import Keep, symmetric
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.loop import Progress, run
from lrgan_jax.sweep.merge import merge
from lrgan_jax.sweep.processes import Share, join
from lrgan_jax.sweep.results import Sweep, open  # noqa: A004

__all__ = [
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
