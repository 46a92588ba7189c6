"""What an experiment stands on: latents, regions and their Grams, computed once or taken from a sweep."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base import linalg
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_whole, random_key
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.memory import platform_most
from lrgan_jax.compare.stages import Stages
from lrgan_jax.evaluation import Scene
from lrgan_jax.generators import WS, Generator, Latent, Z, render, sample_z
from lrgan_jax.generators.sampling import Latents, given, one_hot
from lrgan_jax.lengths import Root
from lrgan_jax.search import Search
from lrgan_jax.sweep import Sweep
from lrgan_jax.targets import Pairs, Targets, check_finite, metric_root, pair_grams

TOGETHER = 16  # latents whose Grams are computed and kept together, where that is faster

AROUND = {  # how a region is drawn otherwise: shift of rows and columns, and scale, both as shares of its own size
    "larger": (0.0, 0.0, 1.25),
    "smaller": (0.0, 0.0, 0.8),
    "higher": (-0.15, 0.0, 1.0),
    "lower": (0.15, 0.0, 1.0),
    "left": (0.0, -0.15, 1.0),
    "right": (0.0, 0.15, 1.0),
}


@display.record
class Grams(NamedTuple):
    """Of all regions, at one latent."""

    inside: Float[np.ndarray, "r m m"]
    outside: Float[np.ndarray, "r m m"]


@display.record
class Setup(NamedTuple):
    """N latents and R regions, with the Grams of these as they are and drawn otherwise, in the order of AROUND."""

    scene: Scene
    z: Z | None  # behind the latents, where that is known
    inside: Float[np.ndarray, "n r m m"]
    outside: Float[np.ndarray, "n r m m"]
    inside_around: Float[np.ndarray, "n p r m m"]  # P = 0 where a sweep's Grams are all that there is
    outside_around: Float[np.ndarray, "n p r m m"]

    @property
    def root(self) -> Root:
        """Of the search's lengths."""
        return metric_root(self.scene.gen, self.scene.search)

    @property
    def by_first_order(self) -> Search:
        """The search where no real steps are tried."""
        search = self.scene.search.but(method="frontier")
        return search.but(mu=None) if search.measures else search

    @property
    def around(self) -> tuple[str, ...]:
        """Ways of drawing a region otherwise that were looked at."""
        return tuple(AROUND)[: self.inside_around.shape[1]]


@display.record
class Chosen(NamedTuple):
    """The latents of an experiment."""

    ws: WS
    z: Z | None  # behind them, where that is known
    record: dict[str, Any]  # which they are


def choose(gen: Generator, latents: Latents | Latent | ArrayLike | Sweep, num: int | None = None) -> Chosen:
    """The first `num` latents, or all; of a sweep, of those that it has usable Grams of.

    Raises:
      InputError: if there are not so many, or less than the two that a comparison needs.
    """
    check_whole("num_latents", num)
    if isinstance(latents, Sweep):
        numbers, record = np.flatnonzero(latents.usable())[:num], latents.manifest["settings"]["latents"]
        label = one_hot(gen, record.get("labels", []), numbers) if gen.classes == "synthesis" else None
        ws, record = WS(np.asarray(latents["ws"][numbers]), label), {**record, "numbers": numbers.tolist()}
    else:
        latents = latents if isinstance(latents, Latents) else given(gen, latents)
        numbers, record = np.arange(min(num or latents.num, latents.num)), latents.record
        ws = latents.stretch(0, len(numbers))
    if len(numbers) < max(num or 2, 2):
        raise InputError(
            f"at least 2 latents are compared, {max(num or 2, 2)} are asked for, and there are {len(numbers)}"
        )
    return Chosen(ws, _z_behind(gen, record, numbers), {**record, "num": len(numbers)})


def prepare(scene: Scene, z: Z | None, stages: Stages) -> Setup:
    """The Grams of every latent, of the regions as they are and drawn otherwise, from one pass over each Jacobian."""
    count, num = len(scene.regions), len(scene.ws)
    targets = _with_others(scene.targets, count)

    size = TOGETHER if platform_most().together else 1

    @lru_cache(maxsize=1)
    def of_group(first: int) -> Pairs:
        return check_finite(pair_grams(scene.gen, scene.ws[first : first + size], targets, scene.search))

    def of_latent(n: int) -> Grams:
        pairs = of_group(n - n % size)
        return Grams(np.asarray(pairs.inside[n % size]), np.asarray(pairs.outside[n % size]))

    found = stages.each("grams", Grams, num)(of_latent)
    grams = Grams(*map(np.stack, zip(*found, strict=True)))
    own = (gram[:, :count] for gram in grams)
    around = (gram[:, count:].reshape(num, len(AROUND), count, *gram.shape[2:]) for gram in grams)
    return Setup(scene, z, *own, *around)


def settings_of(scene: Scene, chosen: Chosen, num_walked: int) -> dict[str, Any]:
    """What all the figures of a comparison follow from.

    A model without a fingerprint is told by an image of its own.
    """
    gen, keep = scene.gen, scene.targets.keep
    default = Search()
    return {
        "model": gen.info.fingerprint or prints(render(gen, scene.ws[:1]))[0],
        "latents": chosen.record,
        "regions": list(scene.regions),
        "masks": prints(scene.targets.masks),
        "weights": None if keep is None else keep.tolist(),
        "search": scene.search.but(method=default.method, num=default.num).to_json(),
        "walked": num_walked,
        "version": version("lrgan_jax"),
    }


def prints(masks: Float[AnyArray, "k ..."]) -> list[str]:
    """What tells arrays apart, as a sweep's manifest does."""
    return [hashlib.sha256(np.asarray(mask).tobytes()).hexdigest() for mask in masks]


def _z_behind(gen: Generator, record: dict[str, Any], numbers: np.ndarray) -> Z | None:
    """The z that latents of a seed were mapped from; None of those that were given."""
    if "seed" not in record:
        return None
    z = sample_z(gen, random_key(record["seed"]), int(numbers[-1]) + 1)[numbers]
    return Z(z.array, one_hot(gen, record["labels"], numbers))


def _with_others(aims: Targets, count: int) -> Targets:
    """The same, and after the regions each drawn otherwise, in the order of AROUND; the same keeps still beside it."""
    own, protected = aims.masks[:count], aims.masks[count:]
    around = [redrawn(mask, *change) for change in AROUND.values() for mask in own]
    keep = None if aims.keep is None else np.tile(aims.keep, (1 + len(AROUND), 1))
    return Targets(np.concatenate([own, np.stack(around), protected]), keep)


def redrawn(mask: Float[np.ndarray, "h w"], down: float, right: float, scale: float) -> Float[np.ndarray, "h w"]:
    """The region shifted by shares of its height and width and scaled about its centre, by nearest pixel.

    Cut off at the border.
    """
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    centre = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2

    def source(size, middle, shift):
        place = np.rint((np.arange(size) - middle - shift) / scale + middle).astype(int)
        return np.where((place >= 0) & (place < size), place, size)  # past the end: the padding

    padded = np.pad(mask, (0, 1))
    return padded[
        np.ix_(source(mask.shape[0], centre[0], down * height), source(mask.shape[1], centre[1], right * width))
    ]


def over_all(function: Callable[..., Any]) -> Any:
    """`function` of a Gram pair, and more of the same axes, compiled, for every latent and region.

    On CPUs one after the other: solvers stop when they are done, where a batch would wait for its slowest.
    """
    return jax.jit(lambda *pairs: linalg.mapped(linalg.mapped(lambda pair: function(*pair)))(pairs))
