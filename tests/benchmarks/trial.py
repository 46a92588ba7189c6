"""What `layers.py` and `changes.py` share: edits of one search at many latents, and what is measured of them."""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from lrgan_jax.compare.effects import effects
from lrgan_jax.compare.figures import Interval, median_interval
from lrgan_jax.compare.methods import of_length_1
from lrgan_jax.compare.naturalness import naturalness
from lrgan_jax.evaluation import Loop, Scene, edits
from lrgan_jax.measured import by_real_steps
from lrgan_jax.pipeline import analyse
from lrgan_jax.targets import metric_root, pair_grams


class Trial(NamedTuple):
    """Of N latents: geometric means over R regions and both ways."""

    leak: np.ndarray  # [N, R], the regions apart
    length: np.ndarray  # of the step, in the search's unit
    depth: np.ndarray  # arithmetic ones from here on, but for strangeness
    strangeness: np.ndarray
    lpips: np.ndarray | None
    identity: np.ndarray | None

    @property
    def overall(self) -> np.ndarray:
        return np.exp(np.log(self.leak).mean(1))


def grams_at(scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """The regions' two Grams at every latent."""
    pairs = (pair_grams(scene.gen, scene.ws[n : n + 1], scene.targets, scene.search) for n in range(len(scene.ws)))
    return [(np.asarray(pair.inside[0]), np.asarray(pair.outside[0])) for pair in pairs]


def trial(scene: Scene, grams: list[tuple[np.ndarray, np.ndarray]], title: str = "") -> Trial:
    """The best direction of every region at every latent, moved until the region has changed as much as wanted."""
    each: Loop = lambda of_latent: [of_latent(n) for n in range(len(scene.ws))]  # noqa: E731
    vectors, found, root = [], [], metric_root(scene.gen, scene.search)
    for n, (inside, outside) in enumerate(tqdm(grams, title)):
        vectors.append(of_length_1(_directions(scene, n, inside, outside), root))
        found.append(edits(scene, n, inside, vectors[-1][None]))
    along, sizes = np.stack(vectors)[None], np.stack([of.size[0] for of in found])[None]
    natural, seen = naturalness(scene, along, sizes, each), effects(scene, along, sizes, each)
    return Trial(
        np.stack([of.outside[0] / of.inside[0] for of in found]).mean(-1),
        np.exp(np.log(sizes[0]).mean((1, 2))),
        natural.depth[0].mean(1),
        np.exp(np.log(natural.strangeness[0]).mean(1)),
        *(None if a is None else a[0].mean(-1) for a in (seen.lpips_outside, seen.identity)),
    )


def _directions(scene: Scene, n: int, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Of every region [R, m], at latent n."""
    search, root = scene.search, metric_root(scene.gen, scene.search)
    alone = Scene(scene.gen, search, scene.regions, scene.targets, scene.ws[n : n + 1])
    name = "frontier" if search.method == "refined" else search.method
    plain = search.but(method=name, mu=None if search.measures else search.mu)
    found = (
        analyse(real.inside, real.outside, plain, root=root, price=real.price).candidates[name].vectors[0]
        for real in by_real_steps(alone, inside, outside)
    )
    return np.stack([np.asarray(vector) for vector in found])


def shown(values: np.ndarray | Interval, factor: float = 1) -> str:
    """The median with its 95 % interval."""
    of = values if isinstance(values, Interval) else median_interval(values)
    return f"{factor * of.median:.2f} ({factor * of.low:.2f}-{factor * of.high:.2f})"


def lines(of: Trial, beside: Trial | None = None) -> list[str]:
    """For a person; beside another trial at the same latents, if given."""
    ratio = "" if beside is None else f", over the first one's {shown(of.overall / beside.overall)}"
    by_region = ", ".join(f"{100 * a:.1f}" for a in np.median(of.leak, 0))
    told = [
        f"leak, % {shown(of.overall, 100)}{ratio}; by region {by_region}",
        f"length {shown(of.length)}, depth {shown(of.depth)}, strangeness {shown(of.strangeness)}",
    ]
    networks = {"LPIPS": of.lpips, "identity": of.identity}
    seen = [f"{name} {shown(values, 1000)} / 1000" for name, values in networks.items() if values is not None]
    return [*told, ", ".join(seen)] if seen else told
