"""What `lrgan demo` shows: local edits of a few faces, and how much less they leak than edits that ignore the rest of the image."""
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from lrgan_jax.checks import check_whole
from lrgan_jax.generators import Generator, Latent, image_function, render, sample_z, to_ws
from lrgan_jax.jacobian import check_layers
from lrgan_jax.metrics import Step, spread_over_layers, steps_for_change
from lrgan_jax.pipeline import METHODS, Analysis, analyse, generator_grams
from lrgan_jax.regions import region_mask
from lrgan_jax.rpca import settled

COMPARED = 0.02  # mean squared change inside at which methods are compared: a root mean square of 18 grey levels
SHOWN = 0.03  # at the ends of a strip: 22 grey levels, plain to see
FRAMES = 7
POOL = 512  # random latents that near-frontal ones are picked from
OURS, PLAIN = METHODS.index("frontier"), METHODS.index("attribute")


class Edit(NamedTuple):
    """One latent, one region: what the page shows of it."""

    frames: Float[np.ndarray, "s h w c"]  # from the negative to the positive end, the unedited image in the middle
    change: Float[np.ndarray, "h w"]  # root mean squared change per pixel at the two ends
    plain_change: Float[np.ndarray, "h w"]  # the same for the unprojected attribute direction
    spectra: tuple[np.ndarray, np.ndarray]  # eigenvalues of L_A and L_B, falling
    ranks: tuple[int, int]
    mu: float
    inside: float  # mean squared change at COMPARED
    outside: float
    plain_outside: float


class Demo(NamedTuple):
    """All that the page needs. `outside[m, n, r]`: leak of method m at latent n and region r, at the same change inside."""

    regions: tuple[str, ...]
    masks: Float[np.ndarray, "r h w"]
    edits: list[list[Edit]]  # [latent][region]
    methods: tuple[str, ...]
    outside: Float[np.ndarray, "m n r"]
    reached: Float[np.ndarray, "m r"]  # share of edits that could change the region that much at all
    layers: tuple[int, ...] | None
    stopped: int = 0  # latents and regions whose robust PCA stopped before it converged


def near_frontal(gen: Generator, key: ArrayLike, num: int, *, truncation: float = 1.0, pool: int = POOL) -> Latent:
    """The `num` of `pool` random latents whose faces are most nearly frontal, with their images large, central and clear.

    The rule: grey values of the central window (rows 1/4 to 15/16, columns 1/6 to 5/6) are correlated with their own mirror image and
    with the generator's mean image, made symmetric; the smaller of the two counts. Windows too dark or too flat to show a face
    (mean below -0.5, standard deviation below 0.18, on [-1, 1]) come last.
    """
    check_whole("pool", pool)
    check_whole("num", num, most=pool)
    latents = gen.mapping(sample_z(gen, key, pool), _labels(gen, pool), truncation)
    grey = render(gen, to_ws(gen, latents)).mean(-1)
    size = gen.resolution
    window = (slice(None), slice(size // 4, size * 15 // 16), slice(size // 6, size - size // 6))
    faces = grey[window]
    mean = np.broadcast_to((grey + grey[:, :, ::-1]).mean(0), grey.shape)[window]
    likeness = np.minimum(_correlation(faces, faces[:, :, ::-1]), _correlation(faces, mean))
    visible = (faces.mean((1, 2)) > -0.5) & (faces.std((1, 2)) > 0.18)
    return latents[np.argsort(-np.where(visible, likeness, likeness - 2))[:num]]


def run(
    gen: Generator,
    latents: Latent,
    regions: str | Sequence[str],
    *,
    layers: Sequence[int] | str | None = None,
    progress: Callable[[Any], Any] = lambda steps: steps,
) -> Demo:
    """Directions of every method for every latent and region, compared at equal change, and the strips of the frontier's best.

    Args:
      progress: wraps the list of steps that take time, as tqdm does.
    """
    regions = [regions] if isinstance(regions, str) else regions
    f, ws = image_function(gen), to_ws(gen, latents).array
    layers = None if layers is None else check_layers(layers, gen.num_ws)
    masks = np.stack([region_mask(region, min(gen.resolution, 256), gen.info.regions) for region in regions])
    image_masks = jnp.stack([region_mask(region, gen.resolution, gen.info.regions) for region in regions])
    edits, leaks, reached, stopped = [], [], [], 0
    for latent in progress(list(ws)):
        grams = generator_grams(gen, latent[None], masks, layers=layers, channels="stack")  # the change is measured per channel too
        assert grams.outside is not None
        analyses = [analyse(*pair) for pair in zip(grams.inside[0], grams.outside[0], strict=True)]
        stopped += sum(not (settled(a.inside) & settled(a.outside)) for a in analyses)
        best = jnp.stack([a.candidates[m].vectors[0] for a in analyses for m in METHODS])
        moves = spread_over_layers(best, latent, layers).reshape(len(regions), len(METHODS), *latent.shape)
        compared = _steps(f, latent, moves, image_masks, COMPARED)
        shown = _steps(f, latent, moves[:, [OURS, PLAIN]], image_masks, SHOWN)
        edits.append([
            _edit(gen, latent, moves[r], jax.tree.map(operator.itemgetter(r), compared), shown.size[r], analysis)
            for r, analysis in enumerate(analyses)
        ])  # fmt: skip
        leaks.append(np.asarray(compared.change.outside).mean(-1).T)
        reached.append(np.asarray(compared.reached).mean(-1).T)
    return Demo(tuple(regions), masks, edits, METHODS, np.stack(leaks, axis=1), np.mean(reached, axis=0), layers, stopped)


def _steps(f, latent, moves, masks, change: float) -> Step:
    """`steps_for_change` method by method, so that one program, which takes long to compile, serves any number of them."""
    parts = [steps_for_change(f, latent, moves[:, k : k + 1], masks, change) for k in range(moves.shape[1])]
    return jax.tree.map(lambda *steps: jnp.concatenate(steps, axis=1), *parts)


def _edit(gen: Generator, latent, moves, compared: Step, shown, analysis: Analysis) -> Edit:
    """The strip of the frontier direction and its figures, for one region.

    Args:
      moves: [M, ...], of every method; compared: [M, 2], both ways. shown: [2, 2], step sizes of the frontier and the plain direction.
    """

    def path(move, sizes, fractions):
        return render(gen, np.stack([latent + move * (t * sizes[int(t > 0)]) for t in fractions]))

    frames = path(moves[OURS], shown[0], np.linspace(-1, 1, FRAMES))
    plain_frames = path(moves[PLAIN], shown[1], np.linspace(-1, 1, 3))
    return Edit(
        frames,
        _change(frames),
        _change(plain_frames),
        (_spectrum(analysis.inside.low_rank), _spectrum(analysis.outside.low_rank)),
        (int(analysis.inside.rank), int(analysis.outside.rank)),
        float(analysis.mu),
        float(compared.change.inside[OURS].mean()),
        float(compared.change.outside[OURS].mean()),
        float(compared.change.outside[PLAIN].mean()),
    )


def _spectrum(low_rank) -> np.ndarray:
    """Absolute eigenvalues, falling."""
    return np.sort(np.abs(np.linalg.eigvalsh(np.asarray(low_rank))))[::-1]


def _change(frames: Float[np.ndarray, "s h w c"]) -> Float[np.ndarray, "h w"]:
    """Root mean squared change of the two end frames against the middle one."""
    middle = frames[len(frames) // 2]
    return np.sqrt(np.square(frames[[0, -1]] - middle).mean((0, -1)))


def _labels(gen: Generator, num: int):
    """Labels in turn for a conditional model, None for any other."""
    return np.eye(gen.c_dim, dtype=np.float32)[np.arange(num) % gen.c_dim] if gen.c_dim else None


def _correlation(a, b):
    a, b = (x - x.mean((1, 2), keepdims=True) for x in (a, b))
    return (a * b).sum((1, 2)) / np.sqrt(np.square(a).sum((1, 2)) * np.square(b).sum((1, 2)))
