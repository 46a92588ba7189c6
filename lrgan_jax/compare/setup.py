"""What an experiment stands on: latents, regions, and the Grams of each, computed once, or taken from a sweep that kept them."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jaxtyping import ArrayLike, Bool, Float

from lrgan_jax.checks import check_whole, random_key
from lrgan_jax.compare.stages import Stages
from lrgan_jax.errors import InputError
from lrgan_jax.evaluation import Scene
from lrgan_jax.generators import Generator, Latent, Z, sample_z
from lrgan_jax.generators.sampling import Latents, given, one_hot
from lrgan_jax.search import Search
from lrgan_jax.targets import Targets, check_finite, pair_grams

AROUND = {  # how a region is drawn otherwise: shift of rows and columns, and scale, both as shares of its own size
    "larger": (0.0, 0.0, 1.25),
    "smaller": (0.0, 0.0, 0.8),
    "higher": (-0.15, 0.0, 1.0),
    "lower": (0.15, 0.0, 1.0),
    "left": (0.0, -0.15, 1.0),
    "right": (0.0, 0.15, 1.0),
}
GRAM_SETTINGS = ("layers", "per_layer", "protect", "channels", "pooling", "size")  # of a search, those that Grams depend on


class Kept(Protocol):
    """A sweep's store, as `sweep.open` gives it, that was kept with grams="float32"."""

    manifest: Mapping[str, Any]
    regions: list[str]

    def __getitem__(self, name: str) -> Any: ...
    def usable(self) -> Bool[np.ndarray, " n"]: ...


class Grams(NamedTuple):
    """Of all regions, at one latent."""

    inside: Float[np.ndarray, "r m m"]
    outside: Float[np.ndarray, "r m m"]


class Setup(NamedTuple):
    """N latents and R regions, with the Grams of the regions as they are and drawn otherwise, in the order of AROUND."""

    scene: Scene
    z: Z | None  # behind the latents, where that is known
    inside: Float[np.ndarray, "n r m m"]
    outside: Float[np.ndarray, "n r m m"]
    inside_around: Float[np.ndarray, "n p r m m"]  # P = 0 where a sweep's Grams are all that there is
    outside_around: Float[np.ndarray, "n p r m m"]

    @property
    def around(self) -> tuple[str, ...]:
        """Ways of drawing a region otherwise that were looked at."""
        return tuple(AROUND)[: self.inside_around.shape[1]]


def latents_of(gen: Generator, latents: Latents | Latent | ArrayLike | Kept, num: int | None) -> Latents:
    """The first `num` latents, or all.

    Raises:
      InputError: if there are not so many.
    """
    check_whole("num_latents", num, least=2)
    if hasattr(latents, "usable"):
        chosen = np.flatnonzero(latents.usable())[:num]
        latents = given(gen, np.asarray(latents["ws"])[chosen])
    latents = latents if isinstance(latents, Latents) else given(gen, latents)
    if latents.num < (num or 2):
        raise InputError(f"at least {num or 2} latents are wanted, and there are {latents.num}")
    return latents if num is None else latents._replace(num=num, record=latents.record | {"num": num})


def prepare(scene: Scene, z: Z | None, stages: Stages) -> Setup:
    """The Grams of every latent, of the regions as they are and drawn otherwise, from one pass over each Jacobian."""
    count, num = len(scene.regions), len(scene.ws)
    around = _with_others(scene.targets, count)

    def of_latent(n: int) -> Grams:
        pairs = check_finite(pair_grams(scene.gen, scene.ws[n : n + 1], around, scene.search))
        return Grams(np.asarray(pairs.inside[0]), np.asarray(pairs.outside[0]))

    found = stages.each("grams", Grams, num)(of_latent)
    own, others = [], []
    for grams in map(np.stack, zip(*found, strict=True)):
        own.append(grams[:, :count])
        others.append(grams[:, count:].reshape(num, len(AROUND), count, *grams.shape[2:]))
    return Setup(scene, z, *own, *others)


def prepare_kept(scene: Scene, store: Kept) -> Setup:
    """The Grams that a sweep has kept, of its first usable latents; of regions drawn otherwise it has none.

    Raises:
      InputError: if it is of another model, of other regions or settings, or kept no Grams.
    """
    check_kept(scene, store)
    chosen = np.flatnonzero(store.usable())[: len(scene.ws)]
    regions = [store.regions.index(region) for region in scene.regions]
    own = [symmetric(np.asarray(store[f"gram_{side}"])[chosen][:, regions]) for side in ("inside", "outside")]
    others = [gram[:, None][:, :0] for gram in own]
    return Setup(scene, None, *own, *others)


def check_kept(scene: Scene, store: Kept) -> None:
    """Refuse Grams of something else.

    Raises:
      InputError: naming what differs.
    """
    settings = store.manifest["settings"]
    asked = settings.get("search", settings.get("options", {}))
    default, wanted = Search().to_json(), scene.search.to_json()
    ...


def symmetric(triangles: Float[np.ndarray, "*r p"]) -> Float[np.ndarray, "*r m m"]:
    """Matrices of their upper triangles, row by row."""


def z_behind(gen: Generator, latents: Latents) -> Z | None:
    """The z that a seed's latents were mapped from; None of those that were given."""
    if "seed" not in (record := latents.record):
        return None
    z = sample_z(gen, random_key(record["seed"]), latents.num)
    return Z(z.array, one_hot(gen, record["labels"], np.arange(latents.num)))


def _with_others(aims: Targets, count: int) -> Targets:
    """The same targets, and after the regions each of them drawn otherwise, in the order of AROUND; the same keeps still beside it."""
    own, protected = aims.masks[:count], aims.masks[count:]
    around = [redrawn(mask, *change) for change in AROUND.values() for mask in own]
    keep = None if aims.keep is None else np.tile(aims.keep, (1 + len(AROUND), 1))
    return Targets(np.concatenate([own, np.stack(around), protected]), keep)


def redrawn(mask: Float[np.ndarray, "h w"], down: float, right: float, scale: float) -> Float[np.ndarray, "h w"]:
    """The region shifted by shares of its height and width and scaled about its centre, by nearest pixel; cut off at the border."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    centre = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2

    def source(size, middle, shift):
        place = np.rint((np.arange(size) - middle - shift) / scale + middle).astype(int)
        return np.where((place >= 0) & (place < size), place, size)  # past the end: the padding

    padded = np.pad(mask, (0, 1))
    return padded[np.ix_(source(mask.shape[0], centre[0], down * height), source(mask.shape[1], centre[1], right * width))]


def over_all(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of a Gram pair, and more of the same axes, compiled, for every latent and region.

    One after the other: solvers stop when they are done, where a batch would wait for its slowest.
    """
    return jax.jit(lambda *pairs: jax.lax.map(lambda of_latent: jax.lax.map(lambda pair: function(*pair), of_latent), pairs))
