"""LowRankGAN in one file: generator + latents + region -> directions. Start reading here.

1. `region_grams`: how the region (A) and the rest of the image (B) answer to the latent, M_A and M_B.        (jacobian.py)
2. `robust_pca`: each Gram is low rank plus sparse, M = L + S; the rank separates signal from noise.           (rpca.py)
3. The leading eigenvectors of L_A move A, the trailing ones of L_B leave B alone; directions do both.          (subspaces.py)
4. `Directions` remember their layers, a fitting range, and where they come from.                              (directions.py)

Source: Zhu et al. 2021, "Low-Rank Subspaces in GANs", arXiv:2106.04488.
"""
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import subspaces
from lrgan_jax.checks import check_number, check_whole
from lrgan_jax.directions import Directions
from lrgan_jax.generators import Generator, Latent, Window, check_generator, image_function, to_ws
from lrgan_jax.jacobian import Pooling, RegionGrams, check_layers, region_grams
from lrgan_jax.regions import bounding_box, region_mask
from lrgan_jax.rpca import RobustPCA, robust_pca, settled
from lrgan_jax.subspaces import AnyArray, Candidates

Method = Literal["frontier", "constrained", "projected", "attribute"]
METHODS: tuple[Method, ...] = ("frontier", "constrained", "projected", "attribute")
CROPPED = 256  # image size from which a part of the image is worth a program of its own, where its rest does not matter
FULL_CHANGE = 0.04  # mean squared change of the region, by the linear estimate, at the ends of a suggested range: plainly visible


class Analysis(NamedTuple):
    """Everything that follows from one region's two Grams."""

    inside: RobustPCA
    outside: RobustPCA
    mu: Float[Array, ""]
    candidates: dict[str, Candidates]  # method -> directions, best first


def analyse(
    inside: Float[AnyArray, "d d"],
    outside: Float[AnyArray, "d d"],
    lam: Float[ArrayLike, ""] | None = None,
    mu: Float[ArrayLike, ""] | None = None,
    num_relax: int | Array = 0,
    mode: Literal["converged", "authors"] = "converged",
) -> Analysis:
    """Directions of every method from the Grams of a region and of the rest. Pure: `vmap` it over latents and regions.

    Args:
      lam: weight of the sparse part, None for 1/sqrt(d). mu: inside-to-outside ratio of the frontier, None for `default_mu`.
      num_relax: so many weak directions of the rest count as null too (projected and constrained).
    Raises:
      ValueError: if `lam`, `mu` or `num_relax` is negative or not finite, as far as it is known yet: traced ones are not.
    """
    check_prices(lam, mu, num_relax)
    return _analyse(inside, outside, lam, mu, num_relax, mode)


def check_prices(lam: Any, mu: Any, num_relax: Any) -> None:
    """Refuse what is known to be negative or not finite, and several at once, which would broadcast."""
    for name, value in {"lam": lam, "mu": mu, "num_relax": num_relax}.items():
        if np.ndim(value):
            raise ValueError(f"{name} must be one number, got shape {list(np.shape(value))}; use jax.vmap for several")
    check_number("lam", lam, least=0)
    check_number("mu", mu, least=0)
    check_whole("num_relax", num_relax, least=0)


@partial(jax.jit, static_argnames="mode")
def _analyse(inside, outside, lam, mu, num_relax, mode) -> Analysis:
    split_a, split_b = (robust_pca(gram, lam=lam, mode=mode) for gram in (inside, outside))
    # The authors' mode answers in 64 bits.
    (low_a, rank_a), (low_b, rank_b) = ((s.low_rank.astype(inside.dtype), s.rank.astype(jnp.int32)) for s in (split_a, split_b))
    attribute = subspaces.attribute_space(low_a, rank_a)
    null = subspaces.null_space(low_b, rank_b, num_relax)
    everything = subspaces.Subspace(jnp.eye(len(inside), dtype=inside.dtype), jnp.ones_like(inside[0]), jnp.full(len(inside), True))
    mu = subspaces.default_mu(inside, outside) if mu is None else jnp.asarray(mu, inside.dtype)
    candidates = {
        "frontier": subspaces.frontier_directions(inside, outside, mu, attribute),
        "constrained": subspaces.constrained_directions(attribute, null, inside, outside),
        "projected": subspaces.projected_directions(attribute, null, inside, outside),
        "attribute": subspaces.projected_directions(attribute, everything, inside, outside),  # what moves A, wherever else
    }
    return Analysis(split_a, split_b, mu, candidates)


def find_directions(
    gen: Generator,
    w: ArrayLike | Latent,
    region: Any,
    *,
    protect: Any = None,
    layers: Sequence[int] | str | None = None,
    method: Method = "frontier",
    num: int = 4,
    lam: float | None = None,
    mu: float | None = None,
    num_relax: int = 0,
    mode: Literal["converged", "authors"] = "converged",
    size: int | None = None,
    channels: Literal["mean", "sum", "stack"] = "stack",
    pooling: Pooling = "area",
) -> Directions:
    """Directions that edit one region of the image and leave the rest still.

    Args:
      w: w [N, w_dim] or ws [N, num_ws, w_dim]. With N > 1 the Grams are averaged: directions that serve all of these latents.
      region: a name ("mouth"), the path of a mask, or an array, soft ones too; see `regions.region_mask`.
      protect: what must keep still: a region, a list of them, or names with weights, {"eyes": 1.0, "nose": 0.5}. What is neither in it
        nor in `region` may do as it likes. None protects everything outside `region`.
      layers: rows of ws to differentiate and later to edit; None for all.
      method: see `subspaces`. num: at most so many directions.
      lam, mu, num_relax, mode: see `analyse`. size: see `jacobian.region_grams`.
      pooling: of an image above 256 pixels, or above `size`: means of blocks, or "nearest", one pixel of each as the authors do.
      channels: "stack" counts every channel's change, "mean" only grey values, as the authors do; a change of hue then comes free, and
        a tenth more of the change was seen to leak.
    Returns:
      Directions, best first; `settings` holds ranks, mu and convergence: where the robust PCA stopped early the ranks are provisional,
      and with them all directions but the frontier's. `Directions.caveat` says so.
    Raises:
      ValueError: on latents, layers, regions, numbers or a method that do not fit, or when nothing is left: the message says what to
        change.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, got {method!r}")
    check_whole("num", num)
    check_prices(lam, mu, num_relax)  # before the Jacobian, which takes long
    masks, weights = masks_to_keep(gen, region, protect, size)
    inside, outside = protected_grams(gen, w, masks, weights, layers=layers, channels=channels, pooling=pooling)
    analysis = analyse(inside.mean(0), outside.mean(0), lam, mu, num_relax, mode)
    where = region if isinstance(region, str) else "mask"
    return to_directions(gen, analysis, method, region=where, layers=layers, num=num)


def masks_to_keep(
    gen: Generator, region: Any, protect: Any = None, size: int | None = None
) -> tuple[Float[np.ndarray, "r h w"], list[float]]:
    """The masks of a region and of each protected one after it, and the weights of the latter; arguments as in `find_directions`."""
    check_generator(gen)
    check_whole("size", size)
    _check_one(region)
    kept, weights = _kept_still(protect)
    grid = size or min(gen.resolution, 256)
    return np.stack([region_mask(r, grid, gen.info.regions) for r in (region, *kept)]), weights


def _check_one(region: Any) -> None:
    """Refuse several regions where one is wanted; an array may come as nested lists."""
    if isinstance(region, Mapping) or isinstance(region, list | tuple) and any(isinstance(r, str | os.PathLike) for r in region):
        raise ValueError(f"one region at a time, got {len(region)}: ask for each, or for their union, the maximum of their masks")


def protected_grams(
    gen: Generator,
    w: ArrayLike | Latent,
    masks: Float[np.ndarray, "r h w"],
    weights: Sequence[float] = (),
    *,
    layers: Sequence[int] | str | None = None,
    channels: Literal["mean", "sum", "stack"] = "stack",
    pooling: Pooling = "area",
) -> tuple[Float[Array, "n d d"], Float[Array, "n d d"]]:
    """M_A of the first mask and M_B of what must keep still, at every latent.

    Of several protected regions M_B is the weighted sum, so a direction that changes A more than mu times as much as M_B says does so
    beside each of them.

    Args:
      masks, weights: as `masks_to_keep` gives them; without weights all the rest keeps still.
    Raises:
      ValueError: if an image or its Jacobian is not finite, as when a network overflows.
    """
    grams = generator_grams(gen, w, masks, layers=layers, channels=channels, pooling=pooling, rest=not weights)
    if not isinstance(grams.inside, Tracer) and not all(jnp.isfinite(a).all() for a in grams if a is not None):
        raise ValueError("the image or its Jacobian is not finite at these latents: take others, or a truncation below 1")
    if grams.outside is not None:
        return grams.inside[:, 0], grams.outside[:, 0]
    return grams.inside[:, 0], jnp.tensordot(grams.inside[:, 1:], jnp.asarray(weights, grams.inside.dtype), (1, 0))


def _kept_still(protect: Any) -> tuple[list[Any], list[float]]:
    """Regions and their weights: of none, one, several, or several with weights."""
    if protect is None:
        return [], []
    if isinstance(protect, Mapping):
        if not protect or any(np.ndim(weight) for weight in protect.values()):
            raise ValueError("protect wants at least one region, and one number for each")
        for region, weight in protect.items():
            check_number(f"protect: the weight of {region}", weight, above=0)
        return [*protect], [float(weight) for weight in protect.values()]
    several = isinstance(protect, list | tuple) and all(isinstance(r, str | os.PathLike) or np.ndim(r) == 2 for r in protect)
    regions = list(protect) if several else [protect]
    if not regions:
        raise ValueError("protect is empty: leave it out to protect everything outside the region")
    return regions, [1.0] * len(regions)


def generator_grams(
    gen: Generator,
    w: ArrayLike | Latent,
    masks: Float[AnyArray, "r h w"],
    *,
    layers: Sequence[int] | str | None = None,
    rest: bool = True,
    **options: Any,
) -> RegionGrams:
    """`jacobian.region_grams` of a generator at w or ws, of no more of its image and layers than the masks and `layers` ask for.

    Args:
      masks: [R, h, w], h dividing the image's size. layers: rows of ws that move. rest, options: see `region_grams`.
    Returns:
      As `region_grams`, but for `image`, which may be just the part around the regions when `rest` is False.
    """
    masks, size, window = np.asarray(masks), masks.shape[1], None
    top, left, height, width = bounding_box(masks)
    if not rest and gen.resolution >= CROPPED and 2 * height * width < size**2:
        pixel = gen.resolution // size  # of the Jacobian, in pixels of the image
        window, size = Window(top * pixel, left * pixel, height * pixel, width * pixel), max(height, width)
        masks = masks[:, top : top + height, left : left + width]
    f = image_function(gen, layers=layers, window=window)
    return region_grams(f, to_ws(gen, w).array, masks, layers=layers, size=size, rest=rest, **options)


def to_directions(
    gen: Generator, analysis: Analysis, method: Method, *, region: str, layers: Sequence[int] | str | None, num: int
) -> Directions:
    """The record of one method's best directions. Host side: this is where an unusable result becomes an error."""
    for side, split in (("region", analysis.inside), ("rest", analysis.outside)):
        if not np.isfinite(split.low_rank).all():
            raise ValueError(f"the Gram of the {side} is not finite or not symmetric: no directions follow from it")
    found = analysis.candidates[method]
    chosen = np.flatnonzero(found.mask)[:num]
    if not len(chosen):
        raise ValueError(_nothing_left(analysis, method))
    vectors, inside, outside, kept = (np.asarray(a)[chosen] for a in found[:4])
    settings = {
        "mu": float(analysis.mu),
        "rank_inside": int(analysis.inside.rank),
        "rank_outside": int(analysis.outside.rank),
        "converged": bool(settled(analysis.inside) & settled(analysis.outside)),
    }
    layers = None if layers is None else check_layers(layers, gen.num_ws)
    info = gen.info
    return Directions(
        vectors, inside, outside, kept, layers, full_range(inside), region, method, info.name, info.fingerprint, settings
    )


def full_range(inside: Float[np.ndarray, " k"]) -> tuple[float, float]:
    """Steps at which the first of some directions changes the region by `FULL_CHANGE`."""
    reach = float(np.sqrt(FULL_CHANGE / max(float(inside[0]), 1e-12)))
    return -reach, reach


def _nothing_left(analysis: Analysis, method: str) -> str:
    if not np.isfinite(analysis.mu):
        return "the region does not react to these latents and layers: choose another region"
    if method == "frontier":
        return f"no direction changes the region {float(analysis.mu):g} times more than the rest: lower mu"
    if not int(analysis.inside.rank):
        return "the region's low-rank part is zero: this lam is too small for this latent size, raise it (None is 1/sqrt(d))"
    return "no attribute direction survives the projection on the null space: raise num_relax, or take method='frontier'"
