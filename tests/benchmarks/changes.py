"""What leaks when more or less is asked of an edit: python -m tests.benchmarks.changes MODEL [TRUNCATION] [N]

Eyes, mouth, nose and hair of N latents of seed 0, changed by 0.005 to 0.08: medians with 95 % intervals.
"""

import sys

import numpy as np

import lrgan_jax as lr
from lrgan_jax.compare.figures import median_interval
from lrgan_jax.compare.naturalness import naturalness
from lrgan_jax.evaluation import Loop, Scene, edits
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.measured import by_real_steps
from lrgan_jax.pipeline import analyse
from lrgan_jax.search import Search
from lrgan_jax.targets import metric_root, pair_grams
from tests.benchmarks.layers import shown

SEARCHES = {
    "ReSeFa": Search(method="resefa"),
    "the search of 0.1": Search(metric="latent", tao=1e-3),
    "frontier": Search(),
    'frontier, mu="measured"': Search(mu="measured"),
    "refined": Search(method="refined"),
}


def directions(scene: Scene, n: int, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Of every region [R, m], at latent n."""
    search, root = scene.search, metric_root(scene.gen, scene.search)
    alone = Scene(scene.gen, search, scene.regions, scene.targets, scene.ws[n : n + 1])
    name = search.method if search.method == "resefa" else "frontier"
    plain = search.but(method=name, mu=None)
    found = []
    for real in by_real_steps(alone, inside, outside):
        analysis = analyse(real.inside, real.outside, plain, root=root, price=real.price)
        found.append(np.asarray(analysis.candidates[name].vectors[0]))
    return np.stack(found)


def main(name: str, truncation: str = "1", num: str = "32") -> None:
    gen = lr.load(name)
    ws, regions = seeded(gen, 0, int(num), truncation=float(truncation)).all(), list(gen.info.regions)[:4]
    each: Loop = lambda of_latent: [of_latent(n) for n in range(len(ws))]  # noqa: E731
    scene = Scene.of(gen, ws, regions, Search())
    grams = []
    for n in range(len(ws)):
        pairs = pair_grams(gen, ws[n : n + 1], scene.targets, scene.search)
        grams.append((np.asarray(pairs.inside[0]), np.asarray(pairs.outside[0])))
    for change in (0.005, 0.02, 0.04, 0.08):
        tried = []
        for search in SEARCHES.values():
            scene = Scene.of(gen, ws, regions, search.but(change=change))
            vectors = np.stack([directions(scene, n, *pair) for n, pair in enumerate(grams)])
            tried.append((vectors, [edits(scene, n, pair[0], vectors[n][None]) for n, pair in enumerate(grams)]))
        sizes = np.stack([[of.size[0] for of in found] for _, found in tried])
        natural = naturalness(scene, np.stack([vectors for vectors, _ in tried]), sizes, each)
        for title, (_, found), strangeness in zip(SEARCHES, tried, natural.strangeness, strict=True):
            leak = np.stack([of.outside[0] / of.inside[0] for of in found]).mean(-1)
            strange = median_interval(np.exp(np.log(strangeness).mean(1)))
            whole = median_interval(np.exp(np.log(leak).mean(1)))
            by_region = ", ".join(f"{100 * a:.1f}" for a in np.median(leak, 0))
            print(f"{change} {title:24} leak, % {shown(whole, 100)} by region {by_region}; strange {shown(strange)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
