"""StyleGAN3's rule for the geometry of its layers: rates, cutoffs, sizes, channels and filters, of a few numbers.

A trained network carries its own filters, which are what it computes with. The rule makes fresh networks, and tells
whether a file that holds nothing but tensors is of the numbers that are assumed of it.

Symbols: layer i has the rate s (samples across the image), the cutoff f_c, and the half width f_h of its filters'
transition band; all count per image, so that 1/s is the distance of two samples.

Source: Karras et al. 2021, arXiv:2106.12423, section 3 and appendix C; Kaiser's window as in Oppenheim and Schafer.
"""

from dataclasses import dataclass
from math import ceil, exp2, log2, pi
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Layer(NamedTuple):
    """All of a layer but its weights, and the input below the first layer, for which the first five say it.

    Attributes:
      channels, size, rate: of what comes out; `size` is height and width, margins included.
      cutoff, half_width: of its downsampling filter, and of the next layer's upsampling filter, if the rule made them.
      kernel: side of the convolution. up, down: factors around the nonlinearity.
      before: zeros above and to the left of the upsampled picture; negative ones are cut off.
      up_filter, down_filter: shapes of the filters; () is none. clamp: bound on the nonlinearity's output, or None.
    """

    channels: int
    size: tuple[int, int]
    rate: float
    cutoff: float
    half_width: float
    kernel: int = 1
    up: int = 1
    down: int = 1
    before: tuple[int, int] = (0, 0)
    up_filter: tuple[int, ...] = ()
    down_filter: tuple[int, ...] = ()
    clamp: float | None = None


@dataclass(frozen=True)
class Design:
    """The numbers of which the rule makes all layers, called as NVIDIA's code calls its arguments, with its defaults:
    those of StyleGAN3-T. StyleGAN3-R has conv_kernel 1, use_radial_filters, and twice the channels.
    """

    img_resolution: int
    img_channels: int = 3
    channel_base: int | float = 32768
    channel_max: int | float = 512
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: int | float = 2
    first_stopband: int | float = 2**2.1
    last_stopband_rel: int | float = 2**0.3
    margin_size: int = 10
    conv_kernel: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False
    conv_clamp: int | float | None = 256

    def layers(self) -> tuple[Layer, ...]:
        """The input, then layers 0 to num_layers, of which the last is the toRGB."""
        found = [self._band(0)]
        return (*found, *(self._layer(i) for i in range(self.num_layers + 1)))

    def _band(self, i: int) -> Layer:
        """What comes out of layer i."""
        progress = min(i / (self.num_layers - self.num_critical), 1)
        last_cutoff = self.img_resolution / 2
        cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** progress
        last_stopband = last_cutoff * self.last_stopband_rel
        stopband = self.first_stopband * (last_stopband / self.first_stopband) ** progress
        rate = exp2(ceil(log2(min(2 * stopband, self.img_resolution))))
        is_image = i >= self.num_layers - 1
        side = self.img_resolution if is_image else int(rate) + 2 * self.margin_size
        channels = int(np.rint(min(self.channel_base / 2 / cutoff, self.channel_max)))
        channels = self.img_channels if i == self.num_layers else channels
        return Layer(channels, (side, side), rate, cutoff, max(stopband, rate / 2) - cutoff)

    def _layer(self, i: int) -> Layer:
        below, own = self._band(max(i - 1, 0)), self._band(i)
        is_rgb, is_critical = i == self.num_layers, i >= self.num_layers - self.num_critical
        finer = max(below.rate, own.rate) * (1 if is_rgb else self.lrelu_upsampling)
        up, down = (round(finer / rate) for rate in (below.rate, own.rate))
        up_taps, down_taps = (self.filter_size * factor if factor > 1 and not is_rgb else 1 for factor in (up, down))
        kernel = 1 if is_rgb else self.conv_kernel
        radial = self.use_radial_filters and not is_critical
        return own._replace(
            kernel=kernel,
            up=up,
            down=down,
            before=tuple(
                zeros_before(to, down, side + kernel - 1, up, up_taps, down_taps)
                for side, to in zip(below.size, own.size, strict=True)
            ),
            up_filter=(up_taps,) if up_taps > 1 else (),
            down_filter=() if down_taps == 1 else (down_taps, down_taps) if radial else (down_taps,),
            clamp=None if self.conv_clamp is None else float(self.conv_clamp),
        )


def zeros_before(size: int, down: int, given: int, up: int, up_taps: int, down_taps: int) -> int:
    """How many zeros stand before the first of `given` samples, upsampled, so that `size` come out around the same
    centre; a negative number is cut off (appendix C.3).
    """
    total = (size - 1) * down + 1 - given * up + up_taps + down_taps - 2
    return (total + up) // 2


def filters(below: Layer, own: Layer) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The upsampling and the downsampling filter of a layer; a single 1 stands for none."""
    rate = own.rate * own.down
    return (
        low_pass(own.up_filter, below.cutoff, below.half_width, rate),
        low_pass(own.down_filter, own.cutoff, own.half_width, rate),
    )


def low_pass(shape: tuple[int, ...], cutoff: float, half_width: float, rate: float) -> Float[np.ndarray, "..."]:
    """A low-pass filter at that rate under Kaiser's window, of unit sum: [taps] for each axis, or radial [taps, taps].

    Source: appendix C.1 and, of radial ones, C.2: a jinc under the outer product of two windows.
    """
    if not shape:
        return np.ones(1)
    taps = shape[0]
    window = np.kaiser(taps, _kaiser_beta(taps, 2 * half_width / (rate / 2)))
    place = (np.arange(taps) - (taps - 1) / 2) / rate
    if len(shape) == 1:
        found = np.sinc(2 * cutoff * place) * window
    else:
        radius = np.hypot(place[:, None], place)
        found = _jinc(2 * pi * cutoff * radius) * np.outer(window, window)
    return found / found.sum()


def _kaiser_beta(taps: int, width: float) -> float:
    """Of a transition band of that width, relative to the Nyquist frequency."""
    attenuation = 2.285 * (taps - 1) * pi * width + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def _jinc(x: np.ndarray) -> np.ndarray:
    """J_1(x) / x by Poisson's integral, (1 / pi) int_0^pi cos(x cos t) sin(t)^2 dt, whose midpoint sum converges
    exponentially. NumPy has no Bessel function.
    """
    steps = 64 + 2 * ceil(float(np.abs(x).max()))
    t = (np.arange(steps) + 0.5) * pi / steps
    return (np.cos(x[..., None] * np.cos(t)) * np.sin(t) ** 2).mean(-1)
