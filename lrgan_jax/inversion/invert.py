"""From images to latents of which a generator makes them again, as well as it can.

    found = lr.invert(gen, images)  # [N, H, W, 3] in [-1, 1], as large as the generator's
    mouth = lr.find_directions(found.generator(gen), found.latents, "mouth")

Every photograph is attempted from some latents of the generator's own (`start`), by steps of Adam or of Gauss and
Newton (`adam`, `gauss_newton`); the worse attempts are dropped on the way (`attempts`).
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import waiting
from lrgan_jax.generators import Generator
from lrgan_jax.generators.latents import weights_dtype
from lrgan_jax.generators.protocol import check_generator
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.inversion import attempts, problem, resume
from lrgan_jax.inversion.attempts import Attempts
from lrgan_jax.inversion.coordinates import coordinates_of
from lrgan_jax.inversion.fit import Fit, FitSettings
from lrgan_jax.inversion.found import Inversion
from lrgan_jax.inversion.likeness import Compared, image_features, network_of
from lrgan_jax.inversion.noise import noise_pictures
from lrgan_jax.inversion.problem import Problem
from lrgan_jax.inversion.start import beginnings
from lrgan_jax.photographs.photograph import LUMA

BRIGHTEST = 8.0  # of a pixel: random networks overshoot [-1, 1], numbers from 0 to 255 are a mistake


@display.record
@dataclass(frozen=True)
class Progress:
    """How far an inversion is.

    Attributes:
      done, rounds: rounds so far, and in all. losses: of each photograph's best attempt [N].
    """

    done: int
    rounds: int
    losses: Float[np.ndarray, " n"]
    _inversion: Callable[[], Inversion]

    def inversion(self) -> Inversion:
        """What is found so far, with its images."""
        return self._inversion()


def invert(
    gen: Generator,
    images: ArrayLike,
    fit: Fit | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    kept: str | os.PathLike[str] | None = None,
    **overrides: Unpack[FitSettings],
) -> Inversion:
    """Latents whose images are most like these. Equal seeds give equal results, one by one or together.

    Args:
      images: [N, H, W, C] in [-1, 1], of the generator's size; of colour ones a grey generator takes the luma.
      fit, overrides: how, see `Fit`.
      progress: called after every round.
      kept: a file to which every round is written, and from which the same inversion goes on.
    Raises:
      InputError: on images that do not fit the generator, or a file of another inversion. MetricsError: if a network is
        named that is not installed.
    """
    last = None
    with waiting("inverting") as job:
        for last in inverting(gen, images, (fit or Fit()).but(**overrides), kept=kept):
            job.reach(last.done, last.rounds, f"loss {last.losses.mean():.4f}")
            if progress is not None:
                progress(last)
    assert last is not None  # there is at least one round
    return last.inversion()


def inverting(
    gen: Generator, images: ArrayLike, fit: Fit, *, kept: str | os.PathLike[str] | None = None
) -> Iterator[Progress]:
    """The same, round by round."""
    check_generator(gen)
    targets = _checked(gen, images)
    compared, network = network_of(fit.network if fit.lpips else "pyramid")
    whole = _problem(gen, targets, image_features(network, pixels=fit.pixels, lpips=fit.lpips), fit)
    about = {
        "fit": fit.to_json(),
        "fingerprint": gen.info.fingerprint,
        "compared": compared,
        "images": hashlib.sha256(targets.tobytes()).hexdigest(),
    }

    def progress(now: Attempts) -> Progress:
        total, losses = attempts.num_rounds(fit, gen.num_ws), now.losses
        last = losses[:, -1]
        return Progress(now.done, total, last, lambda: _found(whole, targets, fit, compared, now))

    if kept is not None and Path(kept).exists():
        first = resume.load(kept, about, _like(whole, fit))
        yield progress(first)
    else:
        first = _begun(whole, fit)
    for now in attempts.rounds(whole, fit, first):
        if kept is not None:
            resume.save(kept, about, now)
        yield progress(now)


def _problem(gen: Generator, targets: Float[np.ndarray, "n h w c"], features: Partial, fit: Fit) -> Problem:
    seen = jnp.concatenate([_seen(features, target[None]) for target in targets])
    return Problem(gen, coordinates_of(gen), features, seen, None, jnp.asarray(fit.prior, seen.dtype))


@jax.jit
def _seen(features: Partial, images: Float[Array, "n h w c"]) -> Float[Array, "n p"]:
    return features(images)


def _begun(whole: Problem, fit: Fit) -> Attempts:
    """Every photograph's attempts, at the best latents of the pool."""
    first = beginnings(whole.gen, whole.features, whole.targets, fit.seed, fit.pool, fit.starts)
    return _attempts(whole, fit, whole.coordinates.numbers(first.ws[:, :, :1]), first.labels)


def _like(whole: Problem, fit: Fit) -> Attempts:
    """The same in form alone, for which the pool need not be looked at."""
    gen, lead = whole.gen, (len(whole.targets), fit.starts)
    labels = jnp.zeros((*lead, gen.c_dim)) if gen.classes == "synthesis" else None
    return _attempts(whole, fit, jnp.zeros((*lead, 1, gen.w_dim)), labels)


def _attempts(whole: Problem, fit: Fit, u: Float[Array, "n s 1 d"], labels: Float[Array, "n s c"] | None) -> Attempts:
    gen, of = whole.gen, np.repeat(np.arange(len(u)), fit.starts)
    u, labels = jax.tree.map(lambda a: a.reshape(len(of), *a.shape[2:]), (u, labels))
    own = noise_pictures(gen) if fit.noise else {}
    pictures = {name: jnp.broadcast_to(picture, (len(of), *picture.shape)) for name, picture in own.items()}
    return attempts.begin(fit, gen.num_ws, of, labels, u, pictures)


def _found(whole: Problem, targets, fit: Fit, compared: Compared, now: Attempts) -> Inversion:
    u, pictures, labels = now.best()
    whole, info = whole._replace(labels=labels), whole.gen.info
    images = problem.images(whole, u, pictures)
    noise = {name: np.asarray(picture) for name, picture in pictures.items()}
    return Inversion(
        problem.latents(whole, u), images, targets, noise, now.losses, fit, compared, info.name, info.fingerprint
    )


def _checked(gen: Generator, images: ArrayLike) -> Float[np.ndarray, "n h w c"]:
    check_number("images", images, least=-BRIGHTEST, most=BRIGHTEST)
    images = np.asarray(images, weights_dtype(gen) or np.float32)
    like = jax.eval_shape(gen.synthesis, seeded(gen, 0, 1, labels=range(gen.c_dim)).all()).shape[1:]
    if like[-1] == 1 and images.shape[-1] == len(LUMA):
        images = images @ LUMA[:, None]
    if images.ndim != 4 or images.shape[1:] != like or not len(images):
        wanted = ", ".join(map(str, ("N", *like)))
        raise InputError(f"images are [{wanted}], as the generator's are, got {list(images.shape)}")
    return images
