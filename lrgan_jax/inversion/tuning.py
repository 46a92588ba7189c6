"""Pivotal tuning: the generator's weights move a little, until fixed latents give the photographs.

A photograph lies beside what a generator makes. Inversion finds the latents that come nearest (pivots); the rest of the
way the weights go, by so little that directions found on the generator still hold.

Symbols: w_p a pivot, w_z a random latent, w_r = w_p + reach (w_z - w_p) a latent near the pivot.

Source: Roich et al. 2021, "Pivotal Tuning for Latent-based Editing of Real Images", arXiv:2106.05744.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float, Int8

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_number, check_seed, check_whole
from lrgan_jax.base.errors import ConvergenceError, InputError
from lrgan_jax.base.progress import waiting
from lrgan_jax.base.settings import changed, not_default
from lrgan_jax.generators import WS, Generator, Latent, check_generator, render, to_ws
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.inversion.likeness import COMPARED, Compared, distance, image_features, network_of
from lrgan_jax.inversion.weights import Gen, derived, identity, placed, trained

BETWEEN = 10  # steps from one report to the next
FINEST = 127  # parts of the largest change of a tensor, either way, that a delta tells apart


class DeltaError(InputError):
    """A delta of another model, or none at all; the message is one line for a person."""


class TuningSettings(TypedDict, total=False):
    """Those of a `Tuning` as arguments of `tune`."""

    steps: int
    learning_rate: float
    pixels: float
    lpips: float
    locality: float
    reach: float
    neighbours: int
    batch: int
    seed: int
    network: Compared | None


@display.record
@dataclass(frozen=True)
class Tuning:
    """How a generator is tuned. The defaults are those of the authors' code, but for `reach` and `batch`.

    Attributes:
      steps, learning_rate: of Adam.
      pixels, lpips: weights of the mean squared difference and of LPIPS between images.
      locality: weight of the same between the images of w_r before and after, which holds all else in place.
      reach: how far from the pivot towards a random latent w_r lies, from 0 to 1. The paper goes a fixed length, which
        fits one model's latents; 0.6 held both the near and the far ones of `faces64`.
      neighbours: how many w_r a step. batch: at most so many photographs a step, in turn.
      seed: of the random latents.
      network: what LPIPS sees with; "pyramid" compares one of pixels in its place. None takes AlexNet if it is
        installed, else the pyramid; `Tuned.tuning` says which it was.
    """

    steps: int = 350
    learning_rate: float = 3e-4
    pixels: float = 1.0
    lpips: float = 1.0
    locality: float = 0.1
    reach: float = 0.6
    neighbours: int = 1
    batch: int = 4
    seed: int = 0
    network: Compared | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "neighbours", "batch"):
            check_whole(name, getattr(self, name))
        for name in ("pixels", "lpips", "locality"):
            check_number(name, getattr(self, name), least=0)
        check_number("pixels and lpips together", self.pixels + self.lpips, above=0)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("reach", self.reach, above=0, most=1)
        check_seed(self.seed)
        if self.network not in (None, *COMPARED):
            raise InputError(f"network is {', '.join(map(repr, COMPARED))} or None, got {self.network!r}")

    def but(self, **changes: Unpack[TuningSettings]) -> "Tuning":
        """The same with other values of some settings.

        Raises:
          InputError: on a setting that there is not.
        """
        return changed(self, changes, "tuning")

    def to_json(self) -> dict[str, Any]:
        """The settings that are not the default ones, as plain values."""
        return not_default(self)


@display.record
@dataclass(frozen=True, eq=False)
class Delta:
    """A small change of a generator's weights: of those that moved, whole numbers of steps.

    One byte a weight: after 100 steps on `faces64` the worst pixel of the photograph was off by a twentieth of a grey
    level. What Adam moves has no low rank: of rank 32, in half the bytes, it was two grey levels.

    Attributes:
      places: of the tensors in the generator's tree; see `weights`.
      sizes: how long a step is, one for each tensor.
      steps: of all their weights, one tensor after the other.
      fingerprint: of the generator that it belongs to.
    """

    places: tuple[str, ...]
    sizes: Float[np.ndarray, " k"]
    steps: Int8[np.ndarray, " m"]
    fingerprint: str

    @classmethod
    def between(cls, gen: Generator, weights: Mapping[str, AnyArray]) -> "Delta":
        """What carries the generator over to these weights, as nearly as a delta can."""
        before = trained(gen)
        changes = {place: np.asarray(a, np.float32) - np.asarray(before[place]) for place, a in weights.items()}
        moves = {place: change for place, change in changes.items() if change.any()}
        sizes = np.array([np.abs(change).max() / FINEST for change in moves.values()], np.float32)
        steps = [np.rint(change.ravel() / size) for change, size in zip(moves.values(), sizes, strict=True)]
        return cls(tuple(moves), sizes, np.concatenate([*steps, np.zeros(0)]).astype(np.int8), identity(gen))

    def apply(self, gen: Gen) -> Gen:
        """The tuned generator: an ordinary one, of a fingerprint of its own.

        Raises:
          DeltaError: as `check`.
        """
        return derived(gen, self.moved(gen), "tuned")

    def moved(self, gen: Generator) -> dict[str, Array]:
        """The weights that it moves, where they then are.

        Raises:
          DeltaError: as `check`.
        """
        self.check(gen)
        before = trained(gen)
        ends = np.cumsum([before[place].size for place in self.places], dtype=int)
        parts = zip(self.places, self.sizes, np.split(self.steps, ends[:-1]), strict=False)
        return {place: _moved(before[place], size, steps) for place, size, steps in parts}

    def check(self, gen: Generator) -> None:
        """Refuse another model.

        Raises:
          DeltaError: if it belongs to other weights, or does not fit these.
        """
        if self.fingerprint != identity(gen):
            raise DeltaError(f"these weights were tuned from another model than {gen.info.name}: load that one")
        before = trained(gen)
        if missing := [place for place in self.places if place not in before]:
            raise DeltaError(f"a delta moves {missing[0][:80]!r}, which {gen.info.name} does not have")
        if len(set(self.places)) != len(self.places) or self.sizes.shape != (len(self.places),):
            raise DeltaError(f"a delta of {len(self.places)} tensors has {len(self.sizes)} sizes of steps")
        if len(self.steps) != (wanted := sum(before[place].size for place in self.places)):
            raise DeltaError(f"a delta of {len(self.steps)} weights does not fit {gen.info.name}: {wanted} are wanted")


@display.record
class Tuned(NamedTuple):
    """What tuning found.

    Attributes:
      delta: the change of the weights. images: of the pivots [N, H, W, C] with it, as stored.
      losses: of each step. tuning: how, with the network that was looked through.
    """

    delta: Delta
    images: Float[np.ndarray, "n h w c"]
    losses: Float[np.ndarray, " steps"]
    tuning: Tuning

    def _repr_html_(self) -> str:
        facts = {"tuning": repr(self.tuning), "loss": f"{self.losses[0]:.3g} to {self.losses[-1]:.3g}"}
        pictures = [display.picture(image[None], "with the delta") for image in self.images[: display.SHOWN]]
        graph = display.graph(self.losses, "losses of the steps")
        return display.card(f"a generator tuned to {len(self.images)}", facts, " ".join(pictures), "<br>", graph)


def tune(
    gen: Generator,
    latents: ArrayLike | Latent,
    images: Float[ArrayLike, "n h w c"],
    tuning: Tuning | None = None,
    *,
    progress: Callable[[int, float], object] | None = None,
    **overrides: Unpack[TuningSettings],
) -> Tuned:
    """Move the weights until the latents give the images: one delta for all of them.

    Only what synthesis makes of its latents is looked at, so a mapping network stays as it is; buffers, such as noise
    and the mean latent, do too.

    Args:
      latents: the pivots, w [N, w_dim] or ws [N, num_ws, w_dim], with classes where synthesis needs them. They stay.
      images: the photographs, [N, H, W, C] in [-1, 1], at the generator's size.
      tuning, overrides: how; settings of `Tuning` may be given as arguments: steps=100.
      progress: is told every `BETWEEN` steps and at the end how many are done, and the loss.
    Raises:
      InputError: on latents, images or settings that do not fit. ConvergenceError: if the loss is not finite any more.
    """
    last = None
    with waiting("tuning") as job:
        for last in tuning_rounds(gen, latents, images, (tuning or Tuning()).but(**overrides)):
            job.reach(last.done, last.steps, f"loss {last.loss:.4f}")
            if progress is not None:
                progress(last.done, last.loss)
    assert last is not None  # there is at least one step
    return last.tuned()


@display.record
@dataclass(frozen=True)
class Halfway:
    """How far tuning is.

    Attributes:
      done, steps: steps so far, and in all. loss: of the last one.
    """

    done: int
    steps: int
    loss: float
    _tuned: Callable[[], Tuned]

    def tuned(self) -> Tuned:
        """What is found so far; to be asked before the next steps are, which take its memory."""
        return self._tuned()


def tuning_rounds(
    gen: Generator, latents: ArrayLike | Latent, images: Float[ArrayLike, "n h w c"], tuning: Tuning
) -> Iterator[Halfway]:
    """The same, `BETWEEN` steps at a time."""
    check_generator(gen)
    name, params = network_of(tuning.network)
    pivots = to_ws(gen, latents)
    features = image_features(params, pixels=tuning.pixels, lpips=tuning.lpips)
    weights = jax.tree.map(jnp.array, trained(gen))  # copies: each step gives its state's memory away
    state, losses = _State(weights, optax.adam(0.0).init(weights)), []

    def tuned() -> Tuned:
        delta = Delta.between(gen, state.weights)
        return Tuned(delta, render(delta.apply(gen), pivots), np.array(losses), tuning.but(network=name))

    for task in _tasks(gen, pivots, _targets(gen, pivots, images), tuning):
        state, loss = _step(gen, features, state, task, tuning.learning_rate)
        losses.append(loss)
        if len(losses) % BETWEEN == 0 or len(losses) == tuning.steps:
            _check_finite(len(losses), float(loss))
            yield Halfway(len(losses), tuning.steps, float(loss), tuned)


class _State(NamedTuple):
    weights: Any  # by their places
    moments: optax.OptState


class _Task(NamedTuple):
    """What one step looks at: photographs, and latents w_r near them, whose images shall stay; and what each counts."""

    pivots: WS
    targets: Float[Array, "b h w c"]
    near: WS | None
    counts: Float[Array, " b+n"]


# A program for one step and no loop: inside of one XLA's convolutions on CPUs take nine times as long.
@partial(jax.jit, donate_argnames="state")
def _step(gen: Any, features: Partial, state: _State, task: _Task, rate: Any) -> tuple[_State, Float[Array, ""]]:
    pivots, targets, near, counts = task
    if near is not None:
        targets = jnp.concatenate([targets, gen.synthesis(near)])
        pivots = jax.tree.map(lambda *both: jnp.concatenate(both), pivots, near)

    def loss(weights):
        return counts @ distance(features, placed(gen, weights).synthesis(pivots), targets)

    value, slope = jax.value_and_grad(loss)(state.weights)
    updates, moments = optax.adam(rate).update(slope, state.moments)
    return _State(optax.apply_updates(state.weights, updates), moments), value


def _tasks(gen: Generator, pivots: WS, targets: Float[Array, "n h w c"], tuning: Tuning) -> Iterator[_Task]:
    batch = min(tuning.batch, len(pivots))
    near = _near(gen, pivots, tuning) if tuning.locality else None
    counts = [1 / batch] * batch + [tuning.locality / tuning.neighbours] * (0 if near is None else tuning.neighbours)
    for step in range(tuning.steps):
        turn = (step * batch + np.arange(batch)) % len(pivots)
        now = step * tuning.neighbours + np.arange(tuning.neighbours)
        yield _Task(pivots[turn], targets[turn], None if near is None else near[now], jnp.array(counts, targets.dtype))


def _near(gen: Generator, pivots: WS, tuning: Tuning) -> WS:
    """w_r of all steps, of the pivots in turn and of their classes."""
    num = tuning.steps * tuning.neighbours
    random = seeded(gen, tuning.seed, num, labels=range(gen.c_dim)).all()
    own = pivots[np.arange(num) % len(pivots)]
    return own + tuning.reach * (random - own)


def _targets(gen: Generator, pivots: WS, images: ArrayLike) -> Float[Array, "n h w c"]:
    like = jax.eval_shape(gen.synthesis, pivots)
    if np.shape(images) != like.shape:
        raise InputError(f"{len(pivots)} latents want images {list(like.shape)}, got {list(np.shape(images))}")
    check_number("images", images)
    return jnp.asarray(images, like.dtype)


def _moved(weight: AnyArray, size: Any, steps: Int8[np.ndarray, " m"]) -> Array:
    return jnp.asarray(weight + (size * steps).reshape(weight.shape), weight.dtype)


def _check_finite(done: int, loss: float) -> None:
    if not np.isfinite(loss):
        raise ConvergenceError(f"the loss of tuning is not finite after {done} steps: lower its learning_rate")
