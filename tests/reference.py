"""The networks once more, slow and obvious: NumPy in float64, one image at a time, straight from the papers' formulas.

Images are [H, W, C], kernels [kh, kw, I, O]. Here the weights are modulated, as Karras et al. 2020 (arXiv:1912.04958)
write it, and an upsampling layer really inserts the zeros; `lrgan_jax` does neither, which is what makes the comparison
worth something.

`mapping`, `synthesis`, `dcgan`, `stylegan1` and `pggan` take a config and the variables' dict as our generators hold
them; `random_variables` makes such a dict in which nothing has a harmless value (no noise strength or bias is 0, no
affine bias exactly 1).
"""

from typing import Any

import jax
import numpy as np
import pytest


def random_variables(init, config, seed=0):
    """Random float32 variables with the names and shapes that `init(key, config)` would give."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        names = [entry.key for entry in path]
        values = rng.standard_normal(leaf.shape)
        if names[1] == "mapping" and names[-1] == "kernel" and names[2] != "embed":
            values = values / config.mapping_lr
        if names[-2:] == ["affine", "bias"] or names[-1] == "scale":
            values = 1 + 0.3 * values
        if names[-1] == "var":
            values = 0.5 + values**2
        return values.astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, jax.eval_shape(lambda: init(jax.random.key(0), config)))


def in_float64(variables):
    return jax.tree.map(lambda a: np.asarray(a, np.float64), variables)


def correlate(x, kernel) -> Any:
    """out[p] = sum_i x[p + i - k // 2] kernel[i], zeros outside."""
    (height, width, _), k = x.shape, len(kernel)
    x = np.pad(x, ((k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    return sum(x[i : i + height, j : j + width] @ kernel[i, j] for i, j in np.ndindex(k, k))


def conv_transpose(x, kernel):
    """out[2p + i] += x[p] kernel[i]: every input pixel spreads the kernel as it is; H becomes 2 (H - 1) + k."""
    (height, width, _), k = x.shape, len(kernel)
    out = np.zeros((2 * height - 2 + k, 2 * width - 2 + k, kernel.shape[-1]))
    for p, q in np.ndindex(height, width):
        for i, j in np.ndindex(k, k):
            out[2 * p + i, 2 * q + j] += x[p, q] @ kernel[i, j]
    return out


def filtered(x, taps, before, size):
    """True convolution with 4 times the filter: out[p] = 4 sum_k f[k] x[p + (n - 1 - before) - k], zeros outside, p <
    size.
    """
    taps = np.asarray(taps, np.float64)
    f = 4 * (np.outer(taps, taps) if taps.ndim == 1 else taps)
    n = len(f)
    x = np.pad(x, ((n, n), (n, n), (0, 0)))
    out = np.zeros((*size, x.shape[-1]))
    for i, j in np.ndindex(n, n):
        top, left = n + (n - 1 - before) - i, n + (n - 1 - before) - j
        out += f[i, j] * x[top : top + size[0], left : left + size[1]]
    return out


def upsample(x, taps):
    """Zeros inserted behind every pixel, then the filter; a filter of 4 taps has 2 zeros before the image, one of n (n
    + 1) // 2.
    """
    zeros = np.zeros((2 * x.shape[0], 2 * x.shape[1], x.shape[2]))
    zeros[::2, ::2] = x
    return filtered(zeros, taps, (len(taps) + 1) // 2, zeros.shape[:2])


def up_conv(x, kernel, taps):
    """Transposed convolution to 2H + 1, then the filter, with one pixel of zeros before the image if it has 4 taps."""
    return filtered(conv_transpose(x, kernel), taps, (len(taps) + 1) // 2 - 1, (2 * x.shape[0], 2 * x.shape[1]))


def modulated_conv(x, kernel, style, *, demodulate=True, taps=None):
    """Eq. 1-3: kernel scaled by the style, each output channel divided by its norm, 1e-8 inside the root."""
    kernel = kernel * style[:, None]
    if demodulate:
        kernel = kernel / np.sqrt(np.square(kernel).sum((0, 1, 2)) + 1e-8)
    return correlate(x, kernel) if taps is None else up_conv(x, kernel, taps)


def leaky_relu(x, gain=2**0.5, clamp=np.inf):
    return np.clip(np.where(x < 0, 0.2 * x, x) * gain, -clamp, clamp)


def normalize(x):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8)


def dense(x, layer, lr=1.0):
    return x @ (layer["kernel"] * lr / np.sqrt(len(layer["kernel"]))) + layer["bias"] * lr


def mapping(config, variables, z, c=None):
    """z [N, z_dim] -> w [N, w_dim]; the label's embedding is put after z, each normalised on its own or (label_concat)
    both together.
    """
    layers = in_float64(variables)["params"].get("mapping", {})
    x = np.asarray(z, np.float64)
    if config.label_concat:
        x = np.concatenate([x, np.asarray(c, np.float64) @ layers["label_weight"]], axis=1)
    x = normalize(x)
    if c is not None and not config.label_concat:
        x = np.concatenate([x, normalize(dense(np.asarray(c, np.float64), layers["embed"]))], axis=1)
    for i in range(config.mapping_layers):
        x = leaky_relu(dense(x, layers[f"fc{i}"], config.mapping_lr))
    return x


def synthesis(config, variables, ws, noise="const"):
    """ws [N, num_ws, w_dim] -> images [N, H, W, C]."""
    variables = in_float64(variables)
    blocks = variables["params"]["synthesis"], variables["buffers"].get("synthesis", {})
    return np.stack([_image(config, *blocks, np.asarray(w, np.float64), noise) for w in ws])


def _image(config, params, buffers, ws, noise):
    clamp = config.conv_clamp or np.inf
    x, image = params["b4"]["const"], 0.0
    for k, resolution in enumerate(config.resolutions):
        layers, pictures = params[f"b{resolution}"], buffers.get(f"b{resolution}")
        gain = np.sqrt(0.5) if config.architecture == "resnet" and k > 0 else 1.0
        branch = x
        for name, row in (("conv0", 2 * k - 1), ("conv1", 2 * k))[k == 0 :]:
            layer, scale = layers[name], gain if name == "conv1" else 1.0
            kernel = layer["kernel"] / (np.sqrt(9 * x.shape[-1]) if config.scaled_demodulation else 1)
            x = modulated_conv(
                x, kernel, dense(ws[row], layer["affine"]), taps=config.filter if name == "conv0" else None
            )
            if config.use_noise and noise == "const":
                x = x + layer["noise_strength"] * pictures[name]["noise_const"][..., None]
            x = leaky_relu(x + layer["bias"], np.sqrt(2) * scale, clamp * scale)
        if config.architecture == "resnet" and k > 0:
            x = x + gain * upsample(
                correlate(branch, layers["skip"]["kernel"] / np.sqrt(branch.shape[-1])), config.filter
            )
        if config.architecture == "skip" and k > 0:
            image = upsample(image, config.filter)
        if config.architecture == "skip" or k == len(config.channels) - 1:
            layer = layers["torgb"]
            style = dense(ws[2 * k + 1], layer["affine"]) / np.sqrt(x.shape[-1])
            rgb = modulated_conv(x, layer["kernel"], style, demodulate=False) + layer["bias"]
            image = image + np.clip(rgb, -clamp, clamp)
    return image


def dcgan(config, variables, z):
    """z [N, z_dim] -> images; batch norm with the running statistics, 1e-5 beside the variance."""
    variables = in_float64(variables)
    params, statistics = variables["params"], variables["batch_stats"]
    images = []
    for latent in np.asarray(z, np.float64):
        x = sum(latent[i] * params["project"][:, :, i] for i in range(config.z_dim))
        for k in range(len(config.channels)):
            norm, running = params[f"norm{k}"], statistics[f"norm{k}"]
            x = (x - running["mean"]) / np.sqrt(running["var"] + 1e-5) * norm["scale"] + norm["bias"]
            x = conv_transpose(np.maximum(x, 0), params[f"up{k}"])[1:-1, 1:-1]
        images.append(np.tanh(x))
    return np.stack(images)


def doubled(x):
    """Every pixel four times."""
    return x.repeat(2, axis=0).repeat(2, axis=1)


def equalized(kernel, gain, lr=1.0):
    return kernel * lr * (1 if gain is None else gain / np.sqrt(kernel.size / kernel.shape[-1]))


def stylegan1_mapping(config, variables, z, c=None):
    """z [N, z_dim] -> w [N, w_dim]; the label's row of the table is put after z, both are normalised together."""
    layers = in_float64(variables)["params"]["mapping"]
    x = np.asarray(z, np.float64)
    x = x if c is None else np.concatenate([x, np.asarray(c, np.float64) @ layers["label_weight"]], axis=1)
    x = x if config.latent_eps is None else x / np.sqrt((x**2).mean(-1, keepdims=True) + config.latent_eps)
    for i in range(config.mapping_layers):
        layer = layers[f"fc{i}"]
        kernel = equalized(layer["kernel"], config.mapping_gain, config.mapping_lr)
        x = leaky_relu(x @ kernel + layer["bias"] * config.mapping_lr, 1.0)
    return x if config.repeat_w else x.reshape(len(x), config.num_ws, config.w_dim)


def stylegan1(config, variables, ws, noise="const"):
    """ws [N, num_ws, w_dim] -> images [N, H, W, C]."""
    variables = in_float64(variables)
    params, buffers = variables["params"]["synthesis"], variables["buffers"].get("synthesis", {})

    def block(k, x, ws):
        layers, side = params[f"b{config.resolutions[k]}"], config.resolutions[k]
        for i in (0, 1):
            layer, first = layers[f"conv{i}"], (k, i) == (0, 0)
            x = layers["const"] if first else doubled(x) if i == 0 else x
            if not first:
                x = correlate(x, equalized(layer["kernel"], config.conv_gain, config.conv_lr))
            bias = layer.get("bias", 0.0) * config.conv_lr  # rosinality's constant has none
            x = x + bias if config.bias_first else x
            if i == 0 and not first:
                x = filtered(x, config.filter, 1, x.shape[:2]) / 4
            if config.use_noise and noise == "const":
                picture = buffers[f"b{side}"]["noise0" if config.paired else f"noise{i}"]
                strength = layer["noise_strength"]
                strength = (
                    strength if config.noise_gain is None else strength * config.noise_gain / len(strength) ** 0.5
                )
                x = x + picture[..., None] * strength
            x = leaky_relu(x if config.bias_first else x + bias, 1.0)
            x = (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + config.norm_eps)
            affine = layer["affine"]
            style = ws[k if config.paired else 2 * k + i] @ equalized(affine["kernel"], config.style_gain)
            scale, shift = np.split(style + affine["bias"], 2)
            x = x * (scale + 1 if config.adds_one else scale) + shift
        return x

    def rgb(k, x):
        layer = params[f"b{config.resolutions[k]}"]["torgb"]
        kernel = equalized(layer["kernel"], config.rgb_gain, config.conv_lr)
        return correlate(x, kernel) + layer["bias"] * config.conv_lr

    return np.stack([_grown(config, lambda k, x, w=w: block(k, x, w), rgb) for w in np.asarray(ws, np.float64)])


def pggan(config, variables, z, c=None):
    """z [N, z_dim] -> images [N, H, W, C]; every layer and every toRGB begins with the pixel norm."""
    params = in_float64(variables)["params"]
    norm = lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True) + config.eps)  # noqa: E731

    def layer(k, name, x, gain):
        weights = params[f"b{config.resolutions[k]}"][name]
        kernel = equalized(weights["kernel"], gain)
        x = np.tensordot(norm(x), kernel, (0, 2)) if name == "project" else correlate(x, kernel)
        return x + weights["bias"]

    def block(k, x, start):
        x = (
            layer(0, "project", start, config.conv_gain)
            if k == 0
            else layer(k, "conv0", doubled(norm(x)), config.conv_gain)
        )
        return leaky_relu(layer(k, "conv1", norm(leaky_relu(x, 1.0)), config.conv_gain), 1.0)

    starts = norm(np.asarray(z, np.float64))
    starts = starts if c is None else np.concatenate([starts, np.asarray(c, np.float64)], axis=1)
    rgb = lambda k, x: layer(k, "torgb", norm(x), config.rgb_gain)  # noqa: E731
    return np.stack([_grown(config, lambda k, x, start=start: block(k, x, start), rgb) for start in starts])


def _grown(config, block, rgb):
    """The picture at a level of detail, in the order and the words of genforce's code."""
    x = image = None
    for k in range(len(config.channels)):
        level = len(config.channels) - 1 - k
        if config.lod < level + 1:
            x = block(k, x)
        if level - 1 < config.lod <= level:
            image = rgb(k, x)
        elif level < config.lod < level + 1:
            alpha = np.ceil(config.lod) - config.lod
            image = alpha * rgb(k, x) + (1 - alpha) * doubled(image)
        elif config.lod >= level + 1:
            image = doubled(image)
    return np.tanh(image) if config.final_tanh else image


def astronaut():
    """A portrait, uint8 [512, 512, 3]: Eileen Collins, NASA, in the public domain. Her eyes lie at rows 101 and 103,
    columns 203 and 246.
    """
    return pytest.importorskip("skimage.data").astronaut()
