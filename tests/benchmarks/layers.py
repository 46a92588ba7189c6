"""A vector for each layer (W+) against one that all share, set by set: python -m tests.benchmarks.layers [N]

On faces64, truncation 0.7, eyes, mouth, nose and hair of N latents of seed 0: what edits of the frontier's and of the
refined direction leak and how natural they are, and the quotient of the leaks to the first line of the set.
"""

import sys

import lrgan_jax as lr
from lrgan_jax.evaluation import Scene
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.search import Search
from tests.benchmarks.trial import Trial, grams_at, lines, trial

SETS = {"all layers": "0-9", "layers 0-4": "0-4", "layers 3-6": "3-6"}


def main(num: str = "64") -> None:
    gen = lr.load("faces64")
    ws = seeded(gen, 0, int(num), truncation=0.7).all()
    for name, layers in SETS.items():
        first: Trial | None = None
        for per_layer in (False, True):
            search = Search(layers=layers, per_layer=per_layer)
            scene = Scene.of(gen, ws, list(gen.info.regions)[:4], search)
            grams = grams_at(scene)
            for method in ("frontier", "refined"):
                title = f"{name}, {'W+' if per_layer else 'shared'}, {method}"
                asked = Scene(gen, search.but(method=method), scene.regions, scene.targets, scene.ws)
                found = trial(asked, grams, title)
                first = first or found
                print(title, *lines(found, first), sep="\n  ", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
