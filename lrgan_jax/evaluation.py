"""One footing for every direction: what leaks when it is moved until its region has changed as much as asked.

Symbols: N latents, R regions, K directions, each of m numbers (see `layers.Moves`). Both ways are gone: backwards
first, then forwards.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Bool, Float

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import WS, Generator, Latent, image_function, render, to_ws
from lrgan_jax.layers import Moves
from lrgan_jax.metrics import Step, steps_for_change
from lrgan_jax.search import Search
from lrgan_jax.subspaces import Candidates, energies
from lrgan_jax.targets import Targets, search_moves, targets

Loop = Callable[[Callable[[int], Any]], list[Any]]  # of a function of a latent's number, its results at every latent


@display.record
@dataclass(frozen=True, eq=False)
class Scene:
    """N latents of a generator and R regions of its image, as a search sees them.

    Attributes:
      regions: their names. targets: on the Jacobian's grid. ws: [N, L, d], with their classes.
    """

    gen: Generator
    search: Search
    regions: tuple[str, ...]
    targets: Targets
    ws: WS

    @classmethod
    def of(cls, gen: Generator, latents: ArrayLike | Latent, regions: Any, search: Search) -> "Scene":
        """Regions as `named_regions` takes them.

        Raises:
          InputError: on latents, regions, layers or protected regions that do not fit.
        """
        named, ws = named_regions(regions), to_ws(gen, latents)
        search_moves(gen, search)  # refuses layers that there are not
        held = WS(np.asarray(ws.array), None if ws.c is None else np.asarray(ws.c))
        return cls(gen, search, tuple(named), targets(gen, [*named.values()], search), held)

    @property
    def moves(self) -> Moves:
        """What a direction's numbers move."""
        return search_moves(self.gen, self.search)

    @cached_property
    def masks(self) -> Float[np.ndarray, "r h w"]:
        """The regions at the image's size."""
        return self._at_image(self.targets.masks[: len(self.regions)])

    @cached_property
    def kept(self) -> Float[np.ndarray, "r h w"] | None:
        """What is to keep still, where not all of the rest: by how much each pixel's squared change counts.

        As in the Gram of several protected regions, their means are added up by their weights.
        """
        if self.targets.keep is None:
            return None
        protected = self._at_image(self.targets.masks[len(self.regions) :])
        return np.einsum("rp,phw->rhw", self.targets.keep, protected / protected.sum((1, 2), keepdims=True))

    def image_at(self, n: int) -> Partial:
        """The pure function from ws [L, d] to the image, of the class of latent n."""
        return of_class(image_function(self.gen), *([] if self.ws.c is None else [self.ws.c[n]]))

    def spread(self, vectors: Float[AnyArray, "*k m"]) -> Float[np.ndarray, "*k l d"]:
        """Directions as moves of ws."""
        return np.asarray(_spread(self.moves, vectors, self.gen.w_dim))

    def pictures(
        self, moves: Float[AnyArray, "n *k l d"], numbers: Sequence[int] | None = None
    ) -> tuple[Float[np.ndarray, "n h w c"], Float[np.ndarray, "n *k h w c"]]:
        """Images of latents as they are and moved: of the first n, or of those with these numbers.

        Rendered together, so that few batches are not full, and the program for one size of them is all that it takes.
        """
        moves = np.nan_to_num(np.asarray(moves))  # where there is no direction nothing moves
        own = self.ws[np.arange(len(moves)) if numbers is None else np.asarray(numbers)]
        still = np.zeros_like(own.array)[:, None]
        points = own.array[:, None] + np.concatenate([still, moves.reshape(len(moves), -1, *still.shape[2:])], axis=1)
        label = None if own.c is None else np.repeat(own.c[:, None], points.shape[1], axis=1)
        images = render(self.gen, WS(points, label))
        return images[:, 0], images[:, 1:].reshape(*moves.shape[:-2], *images.shape[2:])

    def changes(
        self, before: Float[np.ndarray, "h w c"], after: Float[np.ndarray, "r *k h w c"], regions: Any = slice(None)
    ) -> tuple[Float[np.ndarray, "r ..."], Float[np.ndarray, "r ..."]]:
        """Mean squared change of each region, or of these ones, and of what is to keep still beside it."""
        inside = self.masks[regions]
        rest = 1 - inside
        outside = rest / np.maximum(rest.sum((1, 2), keepdims=True), 1e-6) if self.kept is None else self.kept[regions]
        squared = np.square(after - before).mean(-1)
        weights = inside / inside.sum((1, 2), keepdims=True), outside
        found = (np.einsum("r...hw,rhw->r...", squared, weight) for weight in weights)
        return next(found), next(found)

    def _at_image(self, masks: Float[AnyArray, "r g v"]) -> Float[np.ndarray, "r h w"]:
        """Pixels of the grid as blocks of the image's: what is measured is the very region that was asked about."""
        step = self.gen.size[0] // masks.shape[1]
        return np.asarray(masks, np.float32).repeat(step, 1).repeat(step, 2)


@display.record
class Edits(NamedTuple):
    """K directions at one latent, both ways."""

    size: Float[np.ndarray, "k r 2"]  # of the step, latent units
    inside: Float[np.ndarray, "k r 2"]  # mean squared change
    outside: Float[np.ndarray, "k r 2"]
    reached: Bool[np.ndarray, "k r 2"]  # False: no step changes the region that much


@display.record
class Measured(NamedTuple):
    """K directions (or one, by `of`) at N latents and R regions. Mean over the two ways but for `size`."""

    first_inside: Float[np.ndarray, "*k n r"]  # first-order change of the region per squared unit of step
    first_outside: Float[np.ndarray, "*k n r"]
    size: Float[np.ndarray, "*k n r 2"]  # of the step, latent units; backwards first
    inside: Float[np.ndarray, "*k n r"]  # mean squared change: what was asked for, unless no step gives it
    outside: Float[np.ndarray, "*k n r"]
    reached: Bool[np.ndarray, "*k n r"]  # both ways

    @property
    def leak(self) -> Float[np.ndarray, "*k n r"]:
        """Change outside over change inside; infinite for a direction that does not exist."""
        return np.where(np.isnan(self.outside), np.inf, self.outside / np.maximum(self.inside, 1e-12))

    def of(self, k: Any) -> "Measured":
        """The chosen directions only."""
        return Measured(*(a[k] for a in self))


def named_regions(regions: Any) -> dict[str, Any]:
    """Name -> what `regions.region_mask` takes: of one region, several, or several that have names already.

    Raises:
      InputError: on no region at all.
    """
    if isinstance(regions, Mapping):
        named = {str(name): region for name, region in regions.items()}
    else:
        each: list[Any] = [regions] if isinstance(regions, str | os.PathLike) else [*regions]
        if each and all(np.ndim(row) == 1 for row in each):  # one mask; several may be of different sizes
            each = [regions]
        names = (os.fspath(r) if isinstance(r, str | os.PathLike) else f"mask {k}" for k, r in enumerate(each))
        named = dict(zip(names, each, strict=True))
    if not named:
        raise InputError("name at least one region")
    return named


def first(candidates: Candidates) -> Float[Array, " m"]:
    """The best direction, NaN where there is none."""
    return jnp.where(candidates.mask[0], candidates.vectors[0], jnp.nan)


def one_by_one(num: int) -> Loop:
    """The plain loop over `num` latents."""
    return lambda of_latent: [of_latent(n) for n in range(num)]


def measure(
    scene: Scene,
    inside: Float[AnyArray, "n r m m"],
    outside: Float[AnyArray, "n r m m"],
    vectors: Float[AnyArray, "k n r m"],
    *,
    each: Loop | None = None,
) -> Measured:
    """Move every direction at every latent and region, both ways, by the step that changes the region as the search
    wants it.

    Args:
      inside, outside: the Grams, for what first-order theory says of the same directions.
      each: the loop over the latents, if not the plain one: one that shows how far it is, or keeps what is done.
    """
    vectors = np.asarray(vectors)
    found = (each or one_by_one(len(scene.ws)))(lambda n: edits(scene, n, inside[n], vectors[:, n]))
    return collected(inside, outside, vectors, found)


def collected(
    inside: Float[AnyArray, "n r m m"],
    outside: Float[AnyArray, "n r m m"],
    vectors: Float[AnyArray, "k n r m"],
    found: Sequence[Edits],
) -> Measured:
    """What was found at every latent, as one record."""
    first_inside, first_outside = (np.asarray(rates(vectors, gram)) for gram in (inside, outside))
    steps = Edits(*(np.stack(of_latents, axis=1) for of_latents in zip(*found, strict=True)))  # [K, N, R, 2]
    changes = steps.inside.mean(-1), steps.outside.mean(-1)
    return Measured(first_inside, first_outside, steps.size, *changes, np.all(steps.reached, axis=-1))


def edits(
    scene: Scene,
    n: int,
    inside: Float[AnyArray, "r m m"],
    vectors: Float[AnyArray, "k r m"],
    wanted: float | Sequence[float] | None = None,
) -> Edits:
    """What directions do at latent n when they have changed their regions as much as is wanted.

    Args:
      inside: the regions' Grams, which say how far to go to first order.
      wanted: one number, or one for each of the K; the search's change by default.
    """
    same = scene.search.channels == "stack"  # what is measured, and the Gram is of
    wanted = scene.search.change if wanted is None else wanted
    each = np.broadcast_to(np.asarray(wanted, np.float32), len(vectors))
    latent = scene.ws.array[n]
    known, areas = inside if same else None, (scene.masks, scene.kept)
    step = _steps(scene.image_at(n), latent, vectors, known, areas, each, scene.moves)
    return Edits(*map(np.asarray, (step.size, step.change.inside, step.change.outside, step.reached)))


@jax.jit
def rates(vectors: Float[AnyArray, "k n r m"], grams: Float[AnyArray, "n r m m"]) -> Float[Array, "k n r"]:
    """First-order change per squared unit of step."""
    of_directions = jax.vmap(energies)  # over the regions
    return jnp.moveaxis(jax.vmap(of_directions)(jnp.moveaxis(vectors, 0, 2), grams), 2, 0)


@partial(jax.jit, static_argnames="moves")
def _steps(f, latent, vectors, inside, areas, wanted, moves) -> Step:
    """[K, R, 2]."""
    vectors = vectors.swapaxes(0, 1)
    slopes = None if inside is None else jnp.sqrt(jnp.maximum(jax.vmap(energies)(vectors, inside), 0))
    masks, rests = areas
    found = steps_for_change(f, latent, moves.spread(vectors, latent.shape[-1]), masks, wanted[None], slopes, rests)
    return jax.tree.map(lambda a: a.swapaxes(0, 1), found)


@partial(jax.jit, static_argnums=(0, 2))
def _spread(moves: Moves, vectors, d: int):
    return moves.spread(vectors, d)


def of_class(f: Partial, *label: Float[AnyArray, " c"]) -> Partial:
    """The function of the latent alone; a label is an argument of compiled programs, as the weights are."""
    return Partial(_labelled, f, *label) if label else f


def _labelled(f, label, latent):
    return f(latent, label)
