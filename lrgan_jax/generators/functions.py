"""A generator of any function: whatever makes an image of a latent in JAX can be searched, edited, swept and shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import Latent, Z, check_label, check_ws, check_z, weights_dtype
from lrgan_jax.generators.protocol import Classes, ModelInfo, Noise, check_no_label, check_noise
from lrgan_jax.generators.shown import Shown


def from_function(
    f: Callable[..., Any],
    latent_shape: int | Sequence[int],
    *,
    c_dim: int = 0,
    name: str = "function",
    fingerprint: str = "",
    regions: dict[str, Any] | None = None,
) -> "FunctionGenerator":
    """The generator whose image of a latent is `f(latent)`.

    Args:
      f: one latent to one image [H, W, C], about [-1, 1]. Pure JAX: a plain function, or a callable that is a pytree
        with its weights in it, such as a Flax NNX or Equinox module or a `jax.tree_util.Partial`. The weights of a
        pytree are arguments of compiled programs; what a plain function closes over becomes part of them. With classes
        it takes one, [c_dim], as its second argument.
      latent_shape: of one latent: d, or (L, d) where L layers can have one each. Latents are drawn as standard normal.
      c_dim: numbers of a class label or class vector; 0 without classes.
      name, fingerprint: what directions remember of it. regions: see `ModelInfo`.
    Raises:
      InputError: if `f` does not map such a latent to an image.
    """
    shape = (latent_shape,) if isinstance(latent_shape, int) else tuple(latent_shape)
    check_whole("c_dim", c_dim, least=0)
    for number in shape:
        check_whole("latent_shape", number)
    if len(shape) not in (1, 2):
        raise InputError(f"latent_shape is d, or (layers, d), got {shape}")
    gen = FunctionGenerator(_as_partial(f), shape, c_dim, (1, 1), ModelInfo(name, fingerprint, regions or {}))
    like = [jax.ShapeDtypeStruct(a, gen.dtype) for a in (shape, *([(c_dim,)] if c_dim else []))]
    try:
        image = jax.eval_shape(gen.f, *like)
    except TypeError as error:
        raise InputError(f"f fails on a latent {list(shape)}{' and a class' if c_dim else ''}: {error}") from error
    if not hasattr(image, "shape") or len(image.shape) != 3:
        raise InputError(
            f"f must map one latent to one image [H, W, C], it returns {getattr(image, 'shape', type(image).__name__)}"
        )
    return FunctionGenerator(gen.f, shape, c_dim, (image.shape[0], image.shape[1]), gen.info)


@partial(jax.tree_util.register_dataclass, data_fields=("f",), meta_fields=("latent_shape", "c_dim", "size", "info"))
@dataclass(frozen=True, eq=False, repr=False)
class FunctionGenerator(Shown):
    """A generator that `from_function` makes: a pytree whose leaves are those of `f`. Its latent is z."""

    f: Partial
    latent_shape: tuple[int, ...]
    c_dim: int
    size: tuple[int, int]
    info: ModelInfo = ModelInfo()
    space = Z

    @property
    def z_dim(self) -> int:
        return self.latent_shape[-1]

    @property
    def w_dim(self) -> int:
        return self.latent_shape[-1]

    @property
    def num_ws(self) -> int:
        return 1 if len(self.latent_shape) == 1 else self.latent_shape[0]

    @property
    def classes(self) -> Classes | None:
        return "synthesis" if self.c_dim else None

    @property
    def dtype(self) -> Any:
        """Of its weights, float32 where none are seen."""
        return weights_dtype(self.f) or jnp.float32

    def mapping(
        self,
        z: ArrayLike | Latent,
        c: ArrayLike | None = None,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> Z:
        """z [N, z_dim] -> truncation * z, with its classes: the mean latent is 0. All layers are alike, so there is no
        cutoff.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.mapping`.
        """
        check_number("truncation", truncation)
        if cutoff is not None:
            raise InputError("this model's latent is z itself, which has no layers to cut off at: leave cutoff out")
        z = check_z(z, self.z_dim, self.dtype)
        return Z(jnp.asarray(truncation, z.dtype) * z, check_label(c, self.c_dim, len(z), self.dtype))

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """z [N, z_dim], or ws [N, num_ws, z_dim], and classes [N, c_dim] -> images [N, H, W, C]. There is no noise to
        choose.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`; on classes that do not fit.
        """
        check_noise(noise, key)
        ws = check_ws(w.array if isinstance(w, Z) else w, self.num_ws, self.w_dim, self.dtype)
        latents = ws[:, 0] if len(self.latent_shape) == 1 else ws
        if not self.c_dim:
            check_no_label(self, c)
            return _images(self.f, latents)
        own = w.c if isinstance(w, Latent) and c is None else c
        return _images(self.f, latents, check_label(own, self.c_dim, len(latents), self.dtype))


@jax.jit
def _images(f: Partial, *arguments: Array) -> Float[Array, "n h w c"]:
    return jax.vmap(f)(*arguments)


@dataclass(frozen=True)
class _Called:
    """A callable pytree without its arrays; hashable, so that equal ones share a compiled program."""

    structure: Any
    others: tuple[tuple[int, Any], ...]  # leaves that are no arrays, such as activation functions, and their places

    def __call__(self, arrays, *arguments):
        leaves = dict(self.others) | arrays
        return jax.tree.unflatten(self.structure, [leaves[k] for k in range(len(leaves))])(*arguments)


def _as_partial(f: Callable[..., Any]) -> Partial:
    """`f` with its arrays as leaves."""
    leaves, structure = jax.tree.flatten(f)
    if isinstance(f, Partial) or (len(leaves) == 1 and leaves[0] is f):
        return f if isinstance(f, Partial) else Partial(f)
    arrays = {k: leaf for k, leaf in enumerate(leaves) if hasattr(leaf, "dtype")}
    others = tuple((k, leaf) for k, leaf in enumerate(leaves) if k not in arrays)
    return Partial(_Called(structure, others), arrays)
