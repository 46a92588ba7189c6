"""BigGAN-PyTorch again, in torch and float64, straight from a state dict of that project's names: slow and obvious.

`state` makes one of random numbers for a constructor's arguments, `image` is what the network gives in eval mode.
"""

from typing import Any

import numpy as np
import pytest

WIDTHS = {32: (4, 4, 4, 4), 64: (16, 16, 8, 4, 2), 128: (16, 16, 8, 4, 2, 1)}
DEFAULTS: dict[str, Any] = dict(
    G_ch=4,
    dim_z=6,
    bottom_width=4,
    resolution=32,
    G_attn="0",
    n_classes=5,
    num_G_SVs=1,
    G_shared=True,
    shared_dim=3,
    hier=True,
    cross_replica=False,
    mybn=False,
    BN_eps=1e-5,
    SN_eps=1e-12,
    G_param="SN",
    norm_style="bn",
    G_depth=2,
    model="BigGAN",
)


def blocks_of(args):
    """in, out, up and the resolution after it, of each block."""
    widths = [args["G_ch"] * unit for unit in WIDTHS[args["resolution"]]]
    for k, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
        depth = args["G_depth"] if args["model"] == "BigGANdeep" else 1
        for part in range(depth):
            last = part == depth - 1
            yield inputs, (outputs if part or depth == 1 else inputs), last, 8 * 2**k if last else None


def state(seed=0, count=0, **arguments):
    """Random tensors by their names; `count` is of the batches that standing statistics were summed over."""
    args, rng, found = DEFAULTS | arguments, np.random.default_rng(seed), {}
    deep, shared = args["model"] == "BigGANdeep", args["G_shared"]

    def layer(name, outputs, *rest, bias=True, normalised=True):
        found[f"{name}.weight"] = rng.standard_normal((outputs, *rest)) / np.sqrt(np.prod(rest))
        if bias:
            found[f"{name}.bias"] = 0.1 * rng.standard_normal(outputs)
        if normalised and args["G_param"] == "SN":
            for k in range(args["num_G_SVs"]):
                found[f"{name}.u{k}"] = rng.standard_normal((1, outputs)) / np.sqrt(outputs)
                found[f"{name}.sv{k}"] = rng.standard_normal(1)

    def statistics(name, width):
        nested = "bn." if args["mybn"] or args["cross_replica"] else ""
        kind = "running" if args["cross_replica"] else "stored"
        scale = max(count, 1)
        found[f"{name}.{nested}{kind}_mean"] = 0.1 * scale * rng.standard_normal(width)
        found[f"{name}.{nested}{kind}_var"] = scale * rng.uniform(0.5, 1.5, width)
        if args["cross_replica"]:
            found[f"{name}.bn.num_batches_tracked"] = np.array(7)
        elif args["mybn"]:
            found[f"{name}.bn.accumulation_counter"] = np.array([float(count)])

    def norm(name, width):
        for kind in ("gain", "bias"):
            if shared:
                layer(f"{name}.{kind}", width, condition, bias=False)
            else:
                found[f"{name}.{kind}.weight"] = 0.3 * rng.standard_normal((args["n_classes"], width))
        if args["norm_style"] != "nonorm":
            statistics(name, width)

    blocks = list(blocks_of(args))
    slots = len(blocks) + 1 if args["hier"] and not deep else 1
    chunk = args["dim_z"] // slots
    embedded = args["shared_dim"] or args["dim_z"]
    condition = embedded + (args["dim_z"] if deep else chunk if args["hier"] else 0)
    if shared:
        found["shared.weight"] = rng.standard_normal((args["n_classes"], embedded))
    layer("linear", blocks[0][0] * args["bottom_width"] ** 2, condition if deep else chunk)
    for k, (inputs, outputs, _, resolution) in enumerate(blocks):
        inner = inputs // 4 if deep else outputs
        widths = (inputs, inner, inner, inner) if deep else (inputs, outputs)
        for j, width in enumerate(widths):
            norm(f"blocks.{k}.0.bn{j + 1}", width)
            size = 1 if deep and j in (0, 3) else 3
            layer(f"blocks.{k}.0.conv{j + 1}", outputs if j == len(widths) - 1 else inner, width, size, size)
        if not deep:
            layer(f"blocks.{k}.0.conv_sc", outputs, inputs, 1, 1)
        if resolution and str(resolution) in args["G_attn"].split("_"):
            for part, width in (("theta", outputs // 8), ("phi", outputs // 8), ("g", outputs // 2)):
                layer(f"blocks.{k}.1.{part}", width, outputs, 1, 1, bias=False)
            layer(f"blocks.{k}.1.o", outputs, outputs // 2, 1, 1, bias=False)
            found[f"blocks.{k}.1.gamma"] = np.array(0.7)
    last = blocks[-1][1]
    found["output_layer.0.gain"], found["output_layer.0.bias"] = rng.uniform(0.5, 1.5, last), rng.standard_normal(last)
    statistics("output_layer.0", last)
    layer("output_layer.2", 3, last, 3, 3)
    return {name: a if a.dtype == np.int64 else a.astype(np.float32) for name, a in found.items()}


def image(tensors, z, label, *, standing=False, **arguments):
    """NCHW in float64, of z [N, dim_z] and labels [N, n_classes], soft ones, too."""
    args = DEFAULTS | arguments
    deep, shared = args["model"] == "BigGANdeep", args["G_shared"]
    torch = pytest.importorskip("torch")  # only cross-checks have it
    F = torch.nn.functional  # noqa: N806, as everybody calls it
    t = {name: torch.tensor(np.asarray(a, np.float64)) for name, a in tensors.items()}
    z, label = torch.tensor(np.asarray(z, np.float64)), torch.tensor(np.asarray(label, np.float64))

    def weight(name):
        w = t[f"{name}.weight"]
        if f"{name}.u0" not in t:
            return w
        matrix = w.reshape(len(w), -1)
        v = F.normalize(t[f"{name}.u0"] @ matrix, eps=args["SN_eps"])
        u = F.normalize(v @ matrix.T, eps=args["SN_eps"])
        return w / (v @ matrix.T @ u.T).squeeze()

    def conv(name, x):
        w = weight(name)
        return F.conv2d(x, w, t.get(f"{name}.bias"), padding=w.shape[-1] // 2)

    def normalised(name, x, gain, shift, eps):
        nested = "bn." if args["mybn"] or args["cross_replica"] else ""
        kind = "running" if args["cross_replica"] else "stored"
        mean, var = (t[f"{name}.{nested}{kind}_{of}"] for of in ("mean", "var"))
        if standing:
            mean, var = (a / t[f"{name}.bn.accumulation_counter"] for a in (mean, var))
        x = (x - mean[:, None, None]) / torch.sqrt(var + eps)[:, None, None]
        return x + gain + shift if args["cross_replica"] else x * gain + shift

    def norm(name, x, y):
        gain, shift = (
            y @ (weight(f"{name}.{kind}").T if shared else t[f"{name}.{kind}.weight"]) for kind in ("gain", "bias")
        )
        gain, shift = 1 + gain[..., None, None], shift[..., None, None]
        if args["norm_style"] == "nonorm":
            return x * gain + shift
        return normalised(name, x, gain, shift, args["BN_eps"])

    def attention(name, x):
        n, c, h, w = x.shape
        theta = conv(f"{name}.theta", x).reshape(n, c // 8, h * w)
        phi = F.max_pool2d(conv(f"{name}.phi", x), 2).reshape(n, c // 8, h * w // 4)
        g = F.max_pool2d(conv(f"{name}.g", x), 2).reshape(n, c // 2, h * w // 4)
        beta = torch.softmax(theta.transpose(1, 2) @ phi, -1)
        o = conv(f"{name}.o", (g @ beta.transpose(1, 2)).reshape(n, c // 2, h, w))
        return t[f"{name}.gamma"] * o + x

    blocks = list(blocks_of(args))
    y = label @ t["shared.weight"] if shared else label
    each, first = [y] * len(blocks), z
    if args["hier"] and deep:
        first = torch.cat([y, z], 1)
        each = [first] * len(blocks)
    elif args["hier"]:
        chunk = z.shape[1] // (len(blocks) + 1)
        first, *rest = torch.split(z, chunk, 1)
        each = [torch.cat([y, part], 1) for part in rest]
    h = (first @ weight("linear").T + t["linear.bias"]).reshape(len(z), -1, args["bottom_width"], args["bottom_width"])
    for k, (_, outputs, up, _) in enumerate(blocks):
        name, x = f"blocks.{k}.0", h
        for j in range(4 if deep else 2):
            h = torch.relu(norm(f"{name}.bn{j + 1}", h, each[k]))
            if up and j == int(deep):
                h = F.interpolate(h, scale_factor=2)
            h = conv(f"{name}.conv{j + 1}", h)
        if deep:
            x = x[:, :outputs]
        x = F.interpolate(x, scale_factor=2) if up else x
        h = h + (x if deep else conv(f"{name}.conv_sc", x))
        if f"blocks.{k}.1.gamma" in t:
            h = attention(f"blocks.{k}.1", h)
    gain, shift = (t[f"output_layer.0.{kind}"][:, None, None] for kind in ("gain", "bias"))
    h = torch.relu(normalised("output_layer.0", h, gain, shift, 1e-5))
    return torch.tanh(conv("output_layer.2", h)).numpy()
