"""What leaks when more or less is asked of an edit: python -m tests.benchmarks.changes MODEL [TRUNCATION] [N] [CHANGE]

Eyes, mouth, nose and hair of N latents of seed 0, changed by 0.005 to 0.08: medians with 95 % intervals. A search at a
lower price may stray as far from the generator's own pictures as one that has none, and then leaks less.
"""

import sys

import lrgan_jax as lr
from lrgan_jax.evaluation import Scene
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.search import PRICE, Search
from tests.benchmarks.trial import Trial, grams_at, lines, trial

SEARCHES = {
    "ReSeFa": Search(method="resefa"),
    "the search of 0.1": Search(metric="latent", tao=1e-3),
    "frontier": Search(),
    'frontier, mu="measured"': Search(mu="measured"),
    "refined": Search(method="refined"),
    "refined, a tenth of the price": Search(method="refined", price=PRICE / 10),
    "refined, a hundredth": Search(method="refined", price=PRICE / 100),
}


def main(name: str, truncation: str = "1", num: str = "32", *changes: str) -> None:
    gen = lr.load(name)
    ws, regions = seeded(gen, 0, int(num), truncation=float(truncation)).all(), list(gen.info.regions)[:4]
    grams = grams_at(Scene.of(gen, ws, regions, Search()))
    for change in changes or ("0.005", "0.02", "0.04", "0.08"):
        first: Trial | None = None
        for title, search in SEARCHES.items():
            found = trial(Scene.of(gen, ws, regions, search.but(change=float(change))), grams, title)
            first = first or found
            print(f"{change} {title}", *lines(found, first), sep="\n  ", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
