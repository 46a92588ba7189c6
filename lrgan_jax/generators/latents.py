"""Latents that know their space: z (input noise), w (after the mapping), ws (one w per layer).

Feeding z where w is meant gives no error in plain arrays of equal width, only a frightening picture. So what our
functions return is one of three thin wrappers, which behave as arrays (arithmetic, indexing, `jnp.asarray`, pytrees)
and are refused where another space is meant. Plain arrays are accepted everywhere and checked by shape alone.

A generator computes in the dtype of its weights (`weights_dtype`): latents and labels of any other, float64 NumPy
arrays, ints or lists, are taken in that one, whatever jax_enable_x64 says. Whoever wants 64 bits gives them to the
weights, and all that follows has them too: `jax.tree.map(lambda a: a.astype("float64"), gen)`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError, InputTypeError

ROWS = 18  # of colours, in a notebook: the layers of one latent of FFHQ's models
Kind = TypeVar("Kind", bound="Latent")
if TYPE_CHECKING:
    Held = Array | np.ndarray
else:
    Held = Any  # while JAX takes a pytree apart and puts it together, whatever it likes


def _binary(operation: Callable[[Array, Array], Array]) -> Callable[[Kind, Any], Kind]:
    """An operator that keeps the space and refuses to mix two of them."""

    def method(self: Kind, other: Any) -> Kind:
        if isinstance(other, Latent) and type(other) is not type(self):
            raise InputTypeError(f"cannot combine {self.space} with {other.space}: they live in different spaces")
        label = self.c if self.c is not None or not isinstance(other, Latent) else other.c
        return type(self)(operation(jnp.asarray(self.array), jnp.asarray(other)), label)

    return method


@dataclass(frozen=True, eq=False, repr=False)
class Latent:
    """An array together with the name of its space, and with its classes where the generator draws by class.

    Arithmetic and indexing keep both; whatever else an array has is passed on, w.mean(0), which type checkers take as
    w.array.mean(0). `==` asks whether two are the same object; their numbers are compared as arrays,
    a.array == b.array.

    Attributes:
      array: [N, d], or [N, num_ws, d] for ws. c: labels or class vectors [N, c_dim] that `synthesis` needs, else None.
    """

    array: Held
    c: Held | None = None
    space: ClassVar[str] = "latent"
    __array_priority__ = 100  # with a NumPy number or array on the left, our operators are asked first

    def __repr__(self) -> str:
        shape, dtype = (getattr(self.array, name, "") for name in ("shape", "dtype"))
        return f"<{self.space} {[*shape]}, {dtype}{'' if self.c is None else ', with classes'}>"

    def _repr_html_(self) -> str:
        """The numbers of the first ones, a row of colours each; ws have a row for each layer."""
        numbers = np.asarray(self.array)
        rows = numbers.reshape(-1, numbers.shape[-1])[:ROWS]
        strip = display.matrix(rows, f"the numbers of {len(rows)} rows", 320)
        return display.card(repr(self)[1:-1], {}, strip, display.note("lr.show(latents, gen) shows their images"))

    def __jax_array__(self):
        return jnp.asarray(self.array)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    if not TYPE_CHECKING:  # to which any name would then be one

        def __getattr__(self, name: str):  # mean, at, ...
            if name.startswith("__") or name in ("array", "c"):  # absent while a pytree or a copy is being built
                raise AttributeError(name)
            return getattr(self.array, name)

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self: Kind, index: Any) -> Kind:
        first = index[0] if isinstance(index, tuple) else index  # labels have but the latents' own axis
        return type(self)(self.array[index], None if self.c is None else self.c[first])

    def like(self: Kind, array: Any) -> Kind:
        """Another array of this space, of the same classes; they are repeated along new leading axes."""
        if self.c is None:
            return type(self)(array)
        lead = np.shape(array)[: np.ndim(array) - np.ndim(self.array)]
        return type(self)(array, jnp.broadcast_to(self.c, (*lead, *np.shape(self.c))))

    def __iter__(self: Kind) -> Iterator[Kind]:
        return (
            self[i] for i in range(len(self))
        )  # Python's own way, index until IndexError, never ends: JAX clamps the index

    def __neg__(self: Kind) -> Kind:
        return type(self)(-self.array, self.c)

    __add__ = __radd__ = _binary(jnp.add)
    __mul__ = __rmul__ = _binary(jnp.multiply)
    __sub__ = _binary(jnp.subtract)
    __rsub__ = _binary(lambda a, b: b - a)
    __truediv__ = _binary(jnp.divide)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Z(Latent):
    """Input noise, standard normal, [N, z_dim]."""

    space: ClassVar[str] = "z"


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class W(Latent):
    """Output of the mapping network, one vector for all layers, [N, w_dim]."""

    space: ClassVar[str] = "w"


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class WS(Latent):
    """One w per layer (W+), [N, num_ws, w_dim]."""

    space: ClassVar[str] = "ws"


def weights_dtype(gen: Any) -> Any:
    """The floating dtype of a generator's weights, or of any tree of them; None where none can be seen, as in what is
    no pytree.
    """
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(gen) if hasattr(leaf, "dtype")]
    found = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
    return jnp.result_type(*found) if found else None


def _check_at_hand(latents: ArrayLike | Latent, dtype: Any) -> None:
    """Refuse arrays of this machine that are not finite, or not as `dtype`. To look at a device's here would stop it
    from computing ahead; whatever takes results off the device looks at those (`render`, `region_grams`).
    """
    array = latents.array if isinstance(latents, Latent) else latents
    if not isinstance(array, jax.Array):
        check_number("latents", array)
        check_number("latents", _as(array, dtype))


def _as(array: ArrayLike, dtype: Any) -> np.ndarray:
    """Without NumPy's warning that large numbers become infinite: what is checked says so in one line."""
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype)


def check_z(z: ArrayLike | Latent, z_dim: int, dtype: Any = None) -> Float[Array, "n z"]:
    """The array of `z`, as `dtype` if one is given, refusing w and ws and wrong shapes."""
    if isinstance(z, Latent) and not isinstance(z, Z):
        raise InputTypeError(f"mapping takes z, but this is {z.space}, which is already mapped: pass it to synthesis")
    _check_at_hand(z, dtype)
    z = jnp.asarray(z, dtype)
    if z.ndim != 2 or z.shape[1] != z_dim:
        raise InputError(f"mapping takes z of shape [N, {z_dim}], got {list(z.shape)}")
    return z


def check_label(c: ArrayLike | None, c_dim: int, batch: int, dtype: Any = None) -> Float[Array, "n c"] | None:
    """The one-hot labels of a conditional model; None of an unconditional one."""
    if c_dim == 0:
        if c is not None:
            raise InputError("this model is unconditional: leave c out")
        return None
    if c is None:
        raise InputError(f"this model is conditional: pass c, one-hot labels of shape [N, {c_dim}]")
    if not isinstance(c, jax.Array):
        check_number("labels", _as(c, dtype or np.float32))  # booleans are labels, too
    c = jnp.asarray(c, dtype)
    if c.shape != (batch, c_dim):
        raise InputError(f"c must be one-hot labels of shape [{batch}, {c_dim}], got {list(c.shape)}")
    return c


def check_ws(w: ArrayLike | Latent, num_ws: int, w_dim: int, dtype: Any = None) -> Float[Array, "n l d"]:
    """`w` [N, w_dim] repeated for every layer, or `ws` [N, num_ws, w_dim] as it is, as `dtype` if one is given; z and
    wrong shapes are refused.
    """
    if isinstance(w, Z):
        raise InputTypeError("synthesis takes w or ws, but this is z: pass it through mapping first")
    _check_at_hand(w, dtype)
    ws = jnp.asarray(w, dtype)
    if isinstance(w, W) and ws.ndim != 2 or isinstance(w, WS) and ws.ndim != 3:
        raise InputError(
            f"{w.space} lost its batch axis: its shape is {list(ws.shape)}; index it with [None] or a slice"
        )
    if ws.ndim == 2 and ws.shape[1] == w_dim:
        return jnp.broadcast_to(ws[:, None], (ws.shape[0], num_ws, w_dim))
    if ws.ndim == 3 and ws.shape[1:] == (num_ws, w_dim):
        return ws
    raise InputError(
        f"synthesis takes w of shape [N, {w_dim}] or ws of shape [N, {num_ws}, {w_dim}], got {list(ws.shape)}; "
        "z must go through mapping first"
    )
