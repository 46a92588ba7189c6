"""What an edit does to a face: who it is, what it expresses, and where its parts lie.

Images [N, H, W, 3] in [-1, 1] show one upright face each and little else, as portraits of face generators do: nothing
is detected or aligned here. Grey images (one channel) are taken as colour; other numbers of channels raise ValueError
while tracing. Images that are not square are put in the middle of a black square. `params` are what `load` of
`networks` gives for the name that each function says.

Sources: the 128 numbers of dlib's ResNet (D. King, "High quality face recognition with deep metric learning", 2017), 29
convolutions trained so that two pictures of one person are less than 0.6 apart, 99.38 % right on Labeled Faces in the
Wild; expressions and the 68 landmarks by face-api.js (V. Muehler), networks of separable convolutions trained on some
35,000 faces. All as in @vladmandic/face-api, whose card warns that glasses blur the expressions.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.metrics.layers import conv, depthwise, max_pool, mean_pool, norm, three_channels
from lrgan_jax.metrics.networks import RECOGNITION_BLOCKS

Params = Mapping[str, AnyArray]
Images = Float[AnyArray, "n h w c"]

SAME_PERSON = 0.6  # identity changes above it are usually taken for another person
EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
LANDMARKS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
MEAN = np.array([122.782, 117.001, 104.298], np.float32)  # of the training images, in 0 to 255


@jax.jit
def face_descriptor(params: Params, images: Images) -> Float[Array, "n 128"]:
    """The numbers by which dlib tells persons apart. `params` of "face_recognition"."""
    x = _prepared(params["fc"].dtype, images, 150)
    x = max_pool(jax.nn.relu(_scaled_conv(params, "conv32_down", x, stride=2)), 3, 2)
    for name in RECOGNITION_BLOCKS:
        x = _residual(params, name, x)
    return jnp.matmul(x.mean((1, 2)), params["fc"], precision=lax.Precision.HIGHEST)


@jax.jit
def face_expressions(params: Params, images: Images) -> Float[Array, "n 7"]:
    """Probabilities of EXPRESSIONS, in that order. `params` of "face_expression"."""
    return jax.nn.softmax(_dense_network(params, images))


@jax.jit
def face_landmarks(params: Params, images: Images) -> Float[Array, "n 68 2"]:
    """Row and column of the 68 usual points (groups of them: LANDMARKS), as fractions of the image's height and width.

    `params` of "face_landmarks". Points may lie outside the image.
    """
    sides = np.array(images.shape[1:3], np.float32)
    margins = (sides.max() - sides) / 2
    points = _dense_network(params, images).reshape(-1, 68, 2)[..., ::-1]  # the network gives the column first
    return (points * sides.max() - margins) / sides


def identity_change(params: Params, before: Images, after: Images) -> Float[Array, " n"]:
    """Euclidean distance of the descriptors (`params` of "face_recognition"); above SAME_PERSON it is usually another
    person.

    That is so for sharp photographs. Small or blurred faces are nearer to each other, unrelated samples of
    `faces-dcgan` at 0.5 to 0.6: compare with the distance between samples of the same generator.
    """
    return norm(face_descriptor(params, after) - face_descriptor(params, before))


def expression_change(params: Params, before: Images, after: Images) -> Float[Array, " n"]:
    """Half the sum of absolute differences of the probabilities (`params` of "face_expression"): 0 is alike, 1
    certainly another.

    The total variation between the two distributions.
    """
    return jnp.abs(face_expressions(params, after) - face_expressions(params, before)).sum(-1) / 2


def landmark_change(params: Params, before: Images, after: Images) -> Float[Array, "n 68"]:
    """How far each point moves (`params` of "face_landmarks"), in fractions of the image's height and width.

    `[:, LANDMARKS["mouth"]]` are those of the mouth.
    """
    return norm(face_landmarks(params, after) - face_landmarks(params, before))


def _prepared(dtype, images: AnyArray, size: int) -> Float[Array, "n s s 3"]:
    """Squares of that size, less the mean colour, in units of 255."""
    images = (three_channels(images).astype(dtype) + 1) * 127.5
    margins = [max(images.shape[1:3]) - side for side in images.shape[1:3]]
    square = jnp.pad(images, ((0, 0), *((margin // 2, margin - margin // 2) for margin in margins), (0, 0)))
    return (_resized(square, size) - MEAN) / 255


def _resized(images: Float[Array, "n s s 3"], size: int) -> Float[Array, "n t t 3"]:
    """Bilinear, pixel i of the new image at i * old / new of the old one: TensorFlow's old default."""
    old = images.shape[1]
    place = np.arange(size) * (old / size)
    low = np.floor(place).astype(int)
    weights = np.zeros((size, old), np.float32)
    np.add.at(weights, (np.arange(size), low), 1 - (place - low))
    np.add.at(weights, (np.arange(size), np.minimum(low + 1, old - 1)), place - low)
    return jnp.einsum("ai,bj,nijc->nabc", weights, weights, images, precision=lax.Precision.HIGHEST)


def _scaled_conv(params: Params, name: str, x: Array, *, stride: int = 1) -> Array:
    """A convolution and what is left of its batch norm."""
    x = conv(
        x,
        params[f"{name}/conv/filters"],
        params[f"{name}/conv/bias"],
        stride=stride,
        padding="SAME" if stride == 1 else "VALID",
    )
    return x * params[f"{name}/scale/weights"] + params[f"{name}/scale/biases"]


def _residual(params: Params, name: str, x: Array) -> Array:
    """Two convolutions beside the identity; where the image is halved, the identity is pooled and its missing channels
    are zeros.
    """
    down = "down" in name
    out = _scaled_conv(
        params, f"{name}/conv2", jax.nn.relu(_scaled_conv(params, f"{name}/conv1", x, stride=2 if down else 1))
    )
    if down:
        x = mean_pool(x, 2, 2)
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, out.shape[-1] - x.shape[-1])))
        # Of 8 pixels pooling keeps 4, the convolution without padding 3; dlib lets the missing row and column be zeros.
        out = jnp.pad(out, ((0, 0), (0, x.shape[1] - out.shape[1]), (0, x.shape[2] - out.shape[2]), (0, 0)))
    return jax.nn.relu(x + out)


def _dense_network(params: Params, images: AnyArray) -> Float[Array, "n outputs"]:
    x = _prepared(params["fc/bias"].dtype, images, 112)
    for block in range(4):
        x = _dense_block(params, f"dense{block}", x)
    return jnp.matmul(x.mean((1, 2)), params["fc/weights"], precision=lax.Precision.HIGHEST) + params["fc/bias"]


def _dense_block(params: Params, name: str, x: Array) -> Array:
    """Halves the image, then each of three layers sees the sum of all before it."""
    if f"{name}/conv0/filters" in params:
        total = jax.nn.relu(conv(x, params[f"{name}/conv0/filters"], params[f"{name}/conv0/bias"], stride=2))
    else:
        total = jax.nn.relu(_separable(params, f"{name}/conv0", x, stride=2))
    for i in (1, 2, 3):
        total = total + _separable(params, f"{name}/conv{i}", jax.nn.relu(total))
    return jax.nn.relu(total)


def _separable(params: Params, name: str, x: Array, *, stride: int = 1) -> Array:
    x = depthwise(x, params[f"{name}/depthwise_filter"], stride=stride)
    return conv(x, params[f"{name}/pointwise_filter"], params[f"{name}/bias"])
