"""Style space: a StyleGAN2 whose latent is its styles, one number for each channel that a convolution scales.

Affine maps make these S numbers of ws, so they say all that ws says and more: what an edit of w moves together they
move one by one. Single ones are known for very local edits. S is 1,824 for faces64 and 9,088 for FFHQ at 1024: a
Jacobian takes so many tangents, and its Grams are so wide.

Source: Wu et al. 2021, "StyleSpace Analysis", arXiv:2011.12799.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import Latent, W, check_ws, weights_dtype
from lrgan_jax.generators.protocol import (
    Classes,
    Generator,
    ModelInfo,
    Noise,
    TakesStyles,
    check_generator,
    check_no_label,
    check_noise,
)
from lrgan_jax.generators.shown import Shown
from lrgan_jax.generators.windows import Window

MARK = ":styles"  # after a model's name: its style space


@display.record
class Channel(NamedTuple):
    """One number of a style: the convolution it belongs to, such as "b8/conv0", and which of its channels it scales."""

    convolution: str
    number: int


def style_space(gen: Generator) -> "StyleSpace":
    """The generator whose latent is the styles of `gen`, a StyleGAN2: for edits of single channels, and of all.

    Raises:
      InputError: for a generator without styles. InputTypeError: on a model's name.
    """
    check_generator(gen)
    if not isinstance(gen, TakesStyles):
        raise InputError(f"style space is a StyleGAN2's: {type(gen).__name__} {gen.info.name} has none")
    return StyleSpace(gen)


@partial(jax.tree_util.register_dataclass, data_fields=("gen",), meta_fields=())
@dataclass(frozen=True, repr=False)
class StyleSpace(Shown):
    """A generator that takes styles, a pytree with the leaves of the one it wraps.

    Its latent is the styles of all convolutions one after the other, in the order of the network: of a block conv0 (not
    in the first one), conv1 and the toRGB (where it has one); `channels` says which number is which. All layers are one
    row, which `mapping` gives as W: a row moves as a whole.

    Attributes:
      gen: the StyleGAN2. All else, its regions, too, is as there, but for the name and the fingerprint, so that
        directions of w and of styles are not mistaken for one another.
    """

    gen: TakesStyles
    num_ws = 1
    space = W
    numbers_apart = True  # each has a length of its own: styles of w fill but d of the S dimensions

    @property
    def info(self) -> ModelInfo:
        known = self.gen.info
        own = hashlib.sha256(f"style space of {known.fingerprint}".encode()).hexdigest() if known.fingerprint else ""
        return replace(known, name=f"{known.name}{MARK}", fingerprint=own)

    @property
    def z_dim(self) -> int:
        return self.gen.z_dim

    @property
    def w_dim(self) -> int:
        """S, the channels of all convolutions."""
        return sum(conv.channels for conv in self.gen.modulated)

    @property
    def c_dim(self) -> int:
        return self.gen.c_dim

    @property
    def size(self) -> tuple[int, int]:
        return self.gen.size

    @property
    def classes(self) -> Classes | None:
        return self.gen.classes

    @property
    def variables(self) -> Mapping[str, Any]:
        """The network's weights."""
        return self.gen.variables

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What each of the S numbers scales."""
        return tuple(Channel(conv.name, k) for conv in self.gen.modulated for k in range(conv.channels))

    def styles(self, w: ArrayLike | Latent) -> W:
        """w [N, w_dim] or ws [N, num_ws, w_dim] of the StyleGAN2, such as a projector finds -> its styles [N, S].

        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`.
        """
        return W(self.gen.styles(w))

    def mapping(
        self,
        z: ArrayLike | Latent,
        c: ArrayLike | None = None,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> W:
        """z [N, z_dim] -> styles [N, S], of w that is truncated as in `StyleGAN2.mapping`; `cutoff` counts that one's
        layers.

        Raises:
          InputTypeError, InputError: as there.
        """
        return self.styles(self.gen.mapping(z, c, truncation, cutoff))

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """Styles [N, S], or with one layer axis [N, 1, S], -> images [N, H, W, C], about [-1, 1]; of the styles of ws
        the same as of ws.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`.
        """
        check_noise(noise, key)
        check_no_label(self, c)
        return self.gen.synthesis_of_styles(self._checked(w), noise, key)

    def partial_synthesis(
        self, ws: ArrayLike | Latent, noise: Noise, moving: tuple[int, ...] | None, window: Window | None
    ) -> Float[Array, "n h w c"]:
        """See `view.image_function`, which is how this is called. There is but one row, which moves."""
        return self.gen.synthesis_of_styles(self._checked(ws), noise, None, window)

    def _checked(self, styles: ArrayLike | Latent) -> Float[Array, "n s"]:
        return check_ws(styles, self.num_ws, self.w_dim, weights_dtype(self.gen))[:, 0]
