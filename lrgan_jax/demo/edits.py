"""What the demo shows: local edits of a few faces, and how much less they leak than edits that ignore the rest."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from lrgan_jax.base import linalg
from lrgan_jax.base.ahead import ahead
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.progress import counted
from lrgan_jax.evaluation import Edits, Measured, Scene, collected, edits, first
from lrgan_jax.generators import Generator, Latent
from lrgan_jax.layer_map import LayerMap, layer_map
from lrgan_jax.lengths import Root
from lrgan_jax.pipeline import analyse
from lrgan_jax.rpca import settled
from lrgan_jax.search import Search
from lrgan_jax.targets import Pairs, check_finite, metric_root, pair_grams

COMPARED = ("frontier", "constrained", "projected", "attribute")
OURS, PLAIN = COMPARED.index("frontier"), COMPARED.index("attribute")
SHOWN = 0.03  # mean squared change inside at the ends of a strip: 22 grey levels, plain to see
FRAMES = 7
POOL = (
    256  # random latents that faces are picked from: out of 512 they are hardly more frontal, and take a second longer
)


class Found(NamedTuple):
    """What the analysis of one latent and region says."""

    vectors: Float[AnyArray, "*r k m"]  # of each method, NaN where it has none
    mu: Float[AnyArray, "*r"]
    spectra: Float[AnyArray, "*r 2 m"]  # eigenvalues of L_A and L_B, their sizes falling
    ranks: Int[AnyArray, "*r 2"]
    settled: Bool[AnyArray, "*r"]


class Edit(NamedTuple):
    """One latent, one region: what the page shows of it."""

    frames: Float[np.ndarray, "s h w c"]  # from the negative to the positive end, the unedited image in the middle
    change: Float[np.ndarray, "h w"]  # root mean squared change per pixel at the two ends
    plain_change: Float[np.ndarray, "h w"]  # the same for the unprojected attribute direction
    spectra: Float[np.ndarray, "2 k"]
    ranks: tuple[int, int]
    mu: float
    inside: float  # mean squared change, where methods are compared
    outside: float
    plain_outside: float


class Demo(NamedTuple):
    """All that the page needs: M methods, N latents, R regions."""

    scene: Scene
    methods: tuple[str, ...]
    measured: Measured  # [M, N, R]
    edits: list[list[Edit]]  # [latent][region]
    stopped: int  # latents and regions whose robust PCA stopped before it converged
    layers: LayerMap | None  # of the first latent, where the search leaves them open


def run(
    gen: Generator,
    latents: ArrayLike | Latent,
    regions: Any,
    search: Search | None = None,
) -> Demo:
    """Every method's directions for every latent and region at equal change, and the strips of the frontier's best.

    Args:
      regions: a name, several, or name -> whatever `regions.region_mask` takes.
      search: all of it counts but `method` and `num`.
    """
    search = search or Search()
    scene = Scene.of(gen, latents, regions, search.but(mu=None) if search.measures else search)
    root = metric_root(gen, scene.search)
    analysis = jax.jit(partial(jax.lax.map, partial(_found, scene.search, root)))  # one program for all
    wanted = [scene.search.change] * len(COMPARED) + [SHOWN] * 2  # of every method, and of the two whose ends are shown
    grams, found, done = [], [], []
    # The next Jacobian is under way while this one's robust PCA, which keeps one core busy, is waited for.
    coming = ahead(range(len(scene.ws)), partial(_grams_at, scene), 2)
    for n in counted(range(len(scene.ws)), "editing images"):
        pairs = check_finite(next(coming))
        grams.append((np.asarray(pairs.inside[0]), np.asarray(pairs.outside[0])))
        found.append(Found(*map(np.asarray, analysis(grams[-1]))))
        of_methods = found[-1].vectors.swapaxes(0, 1)
        done.append(edits(scene, n, grams[-1][0], np.concatenate([of_methods, of_methods[[OURS, PLAIN]]]), wanted))
    inside, outside = map(np.stack, zip(*grams, strict=True))
    vectors = np.stack([of.vectors for of in found]).transpose(2, 0, 1, 3)  # [K, N, R, m]
    measured = collected(inside, outside, vectors, [Edits(*(a[: len(COMPARED)] for a in of)) for of in done])
    frames, plain = _strips(scene, vectors[[OURS, PLAIN]], np.stack([of.size[len(COMPARED) :] for of in done], 1))
    shown = [
        [_edit(of, measured.of((slice(None), n)), frames[n, r], plain[n, r], r) for r in range(len(scene.regions))]
        for n, of in enumerate(found)
    ]
    stopped = int(sum((~of.settled).sum() for of in found))
    return Demo(scene, COMPARED, measured, shown, stopped, _layers(scene, regions))


def _layers(scene: Scene, regions: Any) -> LayerMap | None:
    """Of one face: it takes as many Jacobians as there are layers."""
    search = scene.search
    if scene.gen.num_ws == 1 or search.layers is not None or search.per_layer:
        return None
    return layer_map(scene.gen, scene.ws[:1], regions, search)


def _grams_at(scene: Scene, n: int) -> Pairs:
    return pair_grams(scene.gen, scene.ws[n : n + 1], scene.targets, scene.search)


def _found(search: Search, root: Root, pair: tuple[Array, Array]) -> Found:
    """Of one region's two Grams."""
    analysis = analyse(*pair, search, root=root, several=COMPARED)
    inside, outside = analysis.inside, analysis.outside
    assert inside is not None and outside is not None
    spectra = [jnp.abs(linalg.eigvalsh(split.low_rank)) for split in (inside, outside)]
    return Found(
        jnp.stack([first(analysis.candidates[name]) for name in COMPARED]),
        jnp.asarray(analysis.mu),
        jnp.sort(jnp.stack(spectra), descending=True),
        jnp.stack([inside.rank, outside.rank]),
        settled(inside) & settled(outside),
    )


def _strips(
    scene: Scene, vectors: Float[np.ndarray, "2 n r m"], sizes: Float[np.ndarray, "2 n r 2"]
) -> tuple[Float[np.ndarray, "n r s h w c"], Float[np.ndarray, "n r 3 h w c"]]:
    """The strips of our direction, and the plain one's ends with the image itself between them."""
    fractions = np.delete(np.linspace(-1, 1, FRAMES), FRAMES // 2)
    ours = np.where(fractions < 0, sizes[0, ..., :1], sizes[0, ..., 1:]) * fractions
    steps = np.concatenate([ours, sizes[1] * [-1, 1]], axis=-1)[..., None, None]  # [N, R, FRAMES + 1, 1, 1]
    along = scene.spread(vectors)[[0] * len(fractions) + [1] * 2]  # [FRAMES + 1, N, R, L, d]
    middle, moved = scene.pictures((steps * np.moveaxis(along, 0, 2)).astype(along.dtype))

    def around(frames):
        """With the unedited image in the middle."""
        half = frames.shape[2] // 2
        between = np.broadcast_to(middle[:, None, None], (*frames.shape[:2], 1, *middle.shape[1:]))
        return np.concatenate([frames[:, :, :half], between, frames[:, :, half:]], axis=2)

    return around(moved[:, :, : len(fractions)]), around(moved[:, :, len(fractions) :])


def _edit(found: Found, measured: Measured, frames: np.ndarray, plain: np.ndarray, r: int) -> Edit:
    """Of one region.

    Args:
      measured: [M, R], at the one latent. frames, plain: [S, H, W, C].
    """
    ours = measured.inside[OURS, r], measured.outside[OURS, r], measured.outside[PLAIN, r]
    ranks = int(found.ranks[r, 0]), int(found.ranks[r, 1])
    about = np.asarray(found.spectra[r]), ranks, float(found.mu[r])
    return Edit(frames, _change(frames), _change(plain), *about, *map(float, ours))


def _change(frames: Float[np.ndarray, "s h w c"]) -> Float[np.ndarray, "h w"]:
    """Root mean squared change of the two end frames against the middle one."""
    middle = frames[len(frames) // 2]
    return np.sqrt(np.square(frames[[0, -1]] - middle).mean((0, -1)))
