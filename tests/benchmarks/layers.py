"""A vector for each layer (W+) against one that all share, at equal change: python tests/benchmarks/layers.py [N]

On faces64, truncation 0.7, eyes, mouth, nose and hair of N latents of seed 0: leak, length of the step, strangeness and
effects of the frontier's and the refined direction, and the quotient of the leaks, medians with 95 % intervals.
"""

import sys

import numpy as np
from tqdm import tqdm

import lrgan_jax as lr
from lrgan_jax.compare.effects import effects
from lrgan_jax.compare.figures import Interval, median_interval
from lrgan_jax.compare.naturalness import naturalness
from lrgan_jax.evaluation import Loop, Scene, edits
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.measured import by_real_steps
from lrgan_jax.pipeline import analyse
from lrgan_jax.search import Search
from lrgan_jax.targets import metric_root, pair_grams

SPACES = {
    "shared, all layers": Search(),
    "W+, coarser half": Search(per_layer=True),
    "W+, all layers": Search(per_layer=True, layers="0-9"),
    "W+, layers 3-6": Search(per_layer=True, layers="3-6"),
}
REFINED = ("shared, all layers", "W+, coarser half")  # also looked for again along the way


def vectors_at(scene: Scene, n: int, *, refine: bool) -> tuple[np.ndarray, np.ndarray]:
    """The directions of every region [R, m], and the regions' Grams, at latent n."""
    search, root = scene.search, metric_root(scene.gen, scene.search)
    pairs = pair_grams(scene.gen, scene.ws[n : n + 1], scene.targets, search)
    inside, outside = np.asarray(pairs.inside[0]), np.asarray(pairs.outside[0])
    alone = Scene(scene.gen, search.but(method="refined"), scene.regions, scene.targets, scene.ws[n : n + 1])
    real = by_real_steps(alone, inside, outside) if refine else None
    found = []
    for r in range(len(scene.regions)):
        pair, price = (inside[r], outside[r]), search.price
        if real is not None:
            pair, price = (real[r].inside, real[r].outside), real[r].price
        found.append(np.asarray(analyse(*pair, search, root=root, price=price).candidates["frontier"].vectors[0]))
    return np.stack(found), inside


def shown(interval: Interval, factor: float = 1) -> str:
    return f"{factor * interval.median:6.2f} ({factor * interval.low:.2f}-{factor * interval.high:.2f})"


def main(num: str = "64") -> None:
    gen = lr.load("faces64")
    ws = seeded(gen, 0, int(num), truncation=0.7).all()
    each: Loop = lambda of_latent: [of_latent(n) for n in range(len(ws))]  # noqa: E731
    leaks: dict[str, np.ndarray] = {}
    for title, search in SPACES.items():
        scene = Scene.of(gen, ws, list(gen.info.regions)[:4], search)
        for refine in (False, True) if title in REFINED else (False,):
            found, vectors = [], []
            for n in tqdm(range(len(ws)), title):
                of_latent, inside = vectors_at(scene, n, refine=refine)
                vectors.append(of_latent)
                found.append(edits(scene, n, inside, of_latent[None]))
            sizes = np.stack([of.size[0] for of in found])
            leak = np.stack([of.outside[0] / of.inside[0] for of in found]).mean(-1)
            along, steps = np.stack(vectors)[None], sizes[None]
            natural, seen = naturalness(scene, along, steps, each), effects(scene, along, steps, each)
            name = f"{title}{', refined' if refine else ''}"
            leaks[name] = np.exp(np.log(leak).mean(1))
            ratio = median_interval(leaks[name] / leaks["shared, all layers"])
            print(f"{name}\n  leak, % {shown(median_interval(leaks[name]), 100)}, over the shared one's {shown(ratio)}")
            print(f"  by region, % {', '.join(f'{100 * a:.1f}' for a in np.median(leak, 0))}")
            print(f"  length {shown(median_interval(np.exp(np.log(sizes).mean((1, 2)))))}")
            print(f"  depth {shown(median_interval(natural.depth[0].mean(1)))}")
            print(f"  strangeness {shown(median_interval(np.exp(np.log(natural.strangeness[0]).mean(1))))}")
            for measure in ("lpips_outside", "identity"):
                if (values := getattr(seen, measure)) is not None:
                    print(f"  {measure} {shown(median_interval(values[0].mean(-1)), 1000)} / 1000", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
