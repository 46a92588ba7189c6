"""Which layers edit a region best: every stretch of layers, judged from one pass of per-layer Grams.

Moves that some layers share are a part of the moves with a vector for each layer (W+), so the Grams of all stretches
are sums of blocks of the one [L d, L d] matrix. For each stretch the frontier's best direction says, to first order,
what leaks and how long the step is when the region has changed as much as wanted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import counted
from lrgan_jax.evaluation import named_regions
from lrgan_jax.generators import Generator, Latent, to_ws
from lrgan_jax.layers import layers_text
from lrgan_jax.methods import Pair
from lrgan_jax.regions import Region
from lrgan_jax.search import Search, Settings
from lrgan_jax.targets import check_finite, grams_operations, metric_root, pair_grams, targets


@display.record
@dataclass(frozen=True, eq=False)
class LayerMap:
    """R regions; stretches of layers from i to j, i <= j, NaN elsewhere; mean over the latents. Where the region does
    not react both are infinite.

    Attributes:
      leak: of the best direction that the layers share, change outside over change inside.
      length: of its step, in standard deviations of the generator's own latents.
      price: of the search.
    """

    regions: tuple[str, ...]
    leak: Float[np.ndarray, "r l l"]
    length: Float[np.ndarray, "r l l"]
    price: float

    @property
    def cost(self) -> Float[np.ndarray, "r l l"]:
        """leak + price * length^2, by which stretches are chosen."""
        return self.leak + self.price * np.square(self.length)

    def best(self, region: str) -> tuple[int, ...]:
        """The layers that edit it at the least cost.

        Raises:
          InputError: if it is none of the regions.
        """
        if region not in self.regions:
            raise InputError(f"no region {region!r} in this map: it has {', '.join(self.regions)}")
        cost = self.cost[self.regions.index(region)]
        first, last = np.unravel_index(np.nanargmin(cost), cost.shape)
        return tuple(range(int(first), int(last) + 1))

    def lines(self) -> list[str]:
        """For a person, of each region: all layers, and the best stretch."""
        each = []
        for r, region in enumerate(self.regions):
            best = self.best(region)
            stretches = {"all layers": (0, -1), layers_text(best): (best[0], best[-1])}
            words = (
                f"{name} leak {100 * self.leak[r][ends]:.1f} % in {self.length[r][ends]:.1f} standard deviations"
                for name, ends in stretches.items()
            )
            each.append(f"{region}: {', '.join(words)}")
        return each

    def _repr_html_(self) -> str:
        """A table of single layers, darker where they cost less."""
        cost, leak = (np.diagonal(a, axis1=1, axis2=2) for a in (self.cost, self.leak))
        reacts = np.isfinite(cost)
        high = np.log(np.where(reacts, cost, np.inf))
        low, top = high.min(), np.max(high, initial=-np.inf, where=reacts)
        shade = np.clip((top - high) / (top - low + 1e-9), 0, 1)
        texts = np.where(reacts, np.char.mod("%.0f", 100 * leak), "")
        head = "".join(f"<th>{layer}</th>" for layer in range(cost.shape[1]))
        rows = "".join(
            f"<tr><th>{escape(region)}</th>"
            + "".join(
                f'<td style="background:rgba(200,80,40,{0.7 * s:.2f})">{text}</td>'
                for text, s in zip(texts[r], shade[r], strict=True)
            )
            + f"<td>{escape(layers_text(self.best(region)))}</td></tr>"
            for r, region in enumerate(self.regions)
        )
        about = (
            "leak in % of each layer alone, darker where leak and length together cost less, empty where the region "
            "does not react; and the best stretch"
        )
        return f"<table><caption>{about}</caption><tr><th></th>{head}<th>best</th></tr>{rows}</table>"


def layer_map(
    gen: Generator,
    w: ArrayLike | Latent,
    regions: Region | Sequence[Region] | Mapping[str, Region],
    search: Search | None = None,
    **overrides: Unpack[Settings],
) -> LayerMap:
    """What every stretch of layers would leak, to first order.

    Takes L times as many tangents as one search in all layers.

    Args:
      w: w [N, w_dim] or ws [N, num_ws, w_dim]; the map is the mean over them.
      regions: one or several, as `find_directions` takes them, or name -> region.
      search, overrides: settings of `Search`, of which `protect`, `channels`, `pooling`, `size`, `metric`, `price` and
        `change` count.
    Raises:
      InputError: for a generator whose layers share one latent, on latents or regions that do not fit, or a region that
        does not react.
    """
    if gen.num_ws == 1:
        raise InputError("this model has one latent for all layers, so there is nothing to choose from")
    named = named_regions(regions)
    search = (search or Search()).but(**overrides).but(layers=range(gen.num_ws), per_layer=True)
    ws, aims, root = to_ws(gen, w), targets(gen, [*named.values()], search), metric_root(gen, search)
    found = []
    for n in counted(range(len(ws)), "looking at all layers", operations=grams_operations(gen, search, len(ws))):
        pairs = check_finite(pair_grams(gen, ws[n : n + 1], aims, search))
        found.append(_of_stretches(pairs.inside[0], pairs.outside[0], root, search.price, search.change, gen.num_ws))
    leak, length = (np.mean([np.asarray(of[k]) for of in found], axis=0) for k in range(2))
    if still := [name for name, of_region in zip(named, leak, strict=True) if not np.isfinite(of_region).any()]:
        raise InputError(f"{still[0]} does not react to these latents: choose another region")
    return LayerMap(tuple(named), leak, length, search.price)


@partial(jax.jit, static_argnames="num_ws")
def _of_stretches(inside, outside, root, price, change, num_ws: int) -> tuple[Array, Array]:
    """Leak and length, [R, L, L]."""
    stretches = np.array([(i, j) for i in range(num_ws) for j in range(i, num_ws)])
    layer = np.arange(num_ws)
    rows = jnp.asarray((layer >= stretches[:, :1]) & (layer <= stretches[:, 1:]), inside.dtype)

    def of_region(grams):
        blocks = [gram.reshape(num_ws, -1, num_ws, gram.shape[-1] // num_ws) for gram in grams]

        def of_stretch(weights):
            inside, outside = (jnp.einsum("a,aibj,b->ij", weights, b, weights, precision="highest") for b in blocks)
            best = Pair(inside, outside, root, price=price, change=change).priced
            moved = jnp.maximum(best.inside[0], 0)
            return jnp.where(moved > 0, best.outside[0] / moved, jnp.inf), jnp.sqrt(change / moved)

        return [
            jnp.full((num_ws, num_ws), jnp.nan, a.dtype).at[stretches[:, 0], stretches[:, 1]].set(a)
            for a in jax.lax.map(of_stretch, rows)
        ]

    return tuple(jax.lax.map(of_region, (inside, outside)))
