"""What each way of searching costs, over the Jacobian of one latent: python tests/benchmarks/searches.py [MODEL]

All in one run, each compiled before it is timed; the least of three.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import jax

import lrgan_jax as lr
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.search import Search
from lrgan_jax.targets import pair_grams, targets

REGION = "mouth"


def seconds(work: Callable[[], Any]) -> float:
    """The least of three, after one that compiles."""
    work()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - start)
    return min(times)


def main(name: str = "faces64") -> None:
    gen = lr.load(name)
    w = seeded(gen, 0, 1).all()

    def searched(**settings: Any) -> Callable[[], Any]:
        return lambda: lr.find_directions(gen, w, REGION, **settings).vectors

    search = Search()
    jacobian = seconds(lambda: pair_grams(gen, w, targets(gen, [REGION], search), search))
    works = {
        "frontier": searched(),
        'mu="measured"': searched(mu="measured"),
        "refined": searched(method="refined"),
        "the paper's": searched(method="projected"),
    }
    if gen.num_ws > 1:
        works["W+, coarser half"] = searched(per_layer=True)
        works["W+, refined"] = searched(per_layer=True, method="refined")
        works["layer_map"] = lambda: lr.layer_map(gen, w, REGION).leak
    for title, work in works.items():
        print(f"{title:20} {seconds(work) / jacobian:6.1f} times the Jacobian of {gen.w_dim} numbers")


if __name__ == "__main__":
    main(*sys.argv[1:])
