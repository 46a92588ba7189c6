"""What the rest of the library asks of a generator; anything that fits can be edited, embedded or not."""
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.checks import check_key, check_number, check_whole
from lrgan_jax.generators.latents import WS, Latent, Z, check_ws, weights_dtype
from lrgan_jax.generators.windows import Window, crop
from lrgan_jax.jacobian import check_layers

Noise = Literal["const", "none", "random"]


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model besides its arithmetic; never compared, so that it cannot cause a recompilation.

    Attributes:
      fingerprint: SHA-256 over names, shapes and values of the weights; directions remember it.
      regions: name -> shapes (see `regions.shapes_mask`) in pixels of this model's image.
      card: the model card, Markdown.
      provenance: origin of the weights: source file, its SHA-256, format, date, verification.
    """

    name: str = field(default="unnamed", compare=False)
    fingerprint: str = field(default="", compare=False)
    regions: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    card: str = field(default="", compare=False, repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@runtime_checkable
class Generator(Protocol):
    """A network from latents to images. `num_ws` is 1 where all layers share one latent."""

    @property
    def info(self) -> ModelInfo: ...
    @property
    def z_dim(self) -> int: ...
    @property
    def w_dim(self) -> int: ...
    @property
    def c_dim(self) -> int: ...
    @property
    def num_ws(self) -> int: ...
    @property
    def resolution(self) -> int: ...

    def mapping(
        self, z: ArrayLike | Latent, c: ArrayLike | None = None, truncation: float | Array = 1.0, cutoff: int | None = None
    ) -> Latent:
        """z [N, z_dim] -> w [N, w_dim]; with a cutoff, ws [N, num_ws, w_dim]."""
        ...

    def synthesis(
        self, w: ArrayLike | Latent, noise: Noise = "const", key: Array | None = None
    ) -> Float[Array, "n h w c"]:
        """w [N, w_dim] or ws [N, num_ws, w_dim] -> images, about [-1, 1]."""
        ...


@runtime_checkable
class StoredGenerator(Generator, Protocol):
    """A generator that `checkpoint` can write: a config dataclass and nested dicts of arrays say everything about it."""

    @property
    def config(self) -> Any: ...
    @property
    def variables(self) -> Any: ...


class StoredWeights:
    """Equality for a generator that is a frozen dataclass of `config` and `variables`: equal ones make equal images."""

    config: Any
    variables: Any

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        (ours, structure), (theirs, other_structure) = map(jax.tree.flatten, (self.variables, other.variables))
        if (self.config, structure) != (other.config, other_structure):
            return False
        return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))

    def __hash__(self) -> int:
        return hash(self.config)


def check_noise(noise: str, key: Array | None) -> None:
    """Refuse an unknown kind of noise, and random noise without a key or with something else for one."""
    if noise not in ("const", "none", "random"):
        raise ValueError(f'noise is "const", "none" or "random", got {noise!r}')
    if noise == "random" and key is None:
        raise ValueError('noise="random" needs a key: pass key=jax.random.key(seed)')
    if key is not None:
        check_key(key)


def check_generator(gen: Any) -> None:
    """Refuse a model's name where the model is wanted."""
    if isinstance(gen, str | os.PathLike):
        raise TypeError(f"a generator is wanted, got the name {str(gen)!r}: load it first, gen = lr.load({str(gen)!r})")


def sample_z(gen: Generator, key: ArrayLike, num: int) -> Z:
    """`num` standard normal latents, [num, z_dim].

    In the dtype of the weights, but drawn in 32 bits whatever that is: a key is the same picture in any precision.

    Raises:
      TypeError: if `key` is no random key, or `gen` a name. ValueError: if `num` is not at least 1.
    """
    check_generator(gen)
    check_key(key)
    check_whole("num", num)
    return Z(jnp.asarray(jax.random.normal(key, (num, gen.z_dim), jnp.float32), weights_dtype(gen)))


def image_function(
    gen: Generator, noise: Literal["const", "none"] = "const", *, layers: Sequence[int] | str | None = None, window: Window | None = None
) -> jax.tree_util.Partial:
    """The pure function one latent -> one image: w [w_dim] or ws [num_ws, w_dim] -> [H, W, C].

    A `Partial`, hence a pytree: under `jit` the weights are arguments, neither baked into the program nor a cause to recompile.

    Args:
      layers: rows of ws that will move; the others may then be treated as constants, which spares the tangents below the first of them.
      window: the part of the image that is wanted, if not all of it; a generator that can computes only what it depends on.
    """
    moving = None if layers is None else check_layers(layers, gen.num_ws)
    return jax.tree_util.Partial(_View(noise, moving, window), gen)


@dataclass(frozen=True)
class _View:
    """What of a generator is looked at: hashable, so that equal ones share a compiled program."""

    noise: Noise
    moving: tuple[int, ...] | None
    window: Window | None

    def __call__(self, gen, w):
        if (self.moving, self.window) != (None, None) and hasattr(gen, "partial_synthesis"):
            return gen.partial_synthesis(w[None], self.noise, self.moving, self.window)[0]
        image = gen.synthesis(w[None], noise=self.noise)
        return (image if self.window is None else crop(image, Window(0, 0, *image.shape[1:3]), self.window))[0]


def to_ws(gen: Generator, w: ArrayLike | Latent) -> WS:
    """One row per layer: w [N, w_dim] repeated, ws as it is; in the dtype of the weights, where they can be seen. For a generator whose
    latent is z, z itself with an axis of 1."""
    return WS(check_ws(w.array if gen.num_ws == 1 and isinstance(w, Z) else w, gen.num_ws, gen.w_dim, weights_dtype(gen)))


def render(
    gen: Generator, ws: ArrayLike | Latent, *, noise: Literal["const", "none"] = "const", batch: int = 32
) -> Float[np.ndarray, "*n h w c"]:
    """Images [..., H, W, C] of any number of latents ws [..., num_ws, w_dim], `batch` at a time, as a NumPy array.

    Raises:
      ValueError: without latents, on some that do not fit or are not finite, or if an image is not, as when a network overflows.
    """
    ws = np.asarray(ws)
    check_number("latents", ws)
    check_whole("batch", batch)
    flat = ws.reshape(-1, *ws.shape[-2:])
    if not len(flat):
        raise ValueError("there is no latent to render")
    batch = min(batch, len(flat))
    padded = np.concatenate([flat, np.repeat(flat[-1:], -len(flat) % batch, axis=0)])  # whole batches: one program serves them all
    batches = np.split(padded, len(padded) // batch)
    images = np.concatenate([np.asarray(gen.synthesis(part, noise=noise)) for part in batches])[: len(flat)]
    if not np.isfinite(images).all():
        raise ValueError("the image is not finite at these latents: take others, or a truncation below 1")
    return images.reshape(*ws.shape[:-2], *images.shape[1:])
