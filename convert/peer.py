"""Layer by layer against the project that a checkpoint comes from: its own code, from a checkout that the user names, run by torch.

The peer's network gets the tensors of the file under their own names, so a mistake in our renaming cannot cancel itself. Only the
checkout's code is run, never the file's. Layers are named as in NVIDIA's code.
"""
import importlib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from convert import hammer, nvidia, rosinality, sefa
from convert.back import nvidia_arguments
from convert.errors import CheckpointError
from convert.rules import numbered_layer
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config
from lrgan_jax.generators import ops
from lrgan_jax.generators.stylegan2 import Network

SAMPLES, SEED = 2, 0


class Peer(NamedTuple):
    """How one project's code is made and called."""

    modules: tuple[str, ...]  # where the class may be, within the checkout
    name: str
    arguments: Callable[[StyleGAN2Config], dict[str, Any]]
    call: Callable[[Any, Any, Any], Any]  # network, z, c -> image
    layer: Callable[[str], str | None]  # the peer's name of a module -> ours, None for one that is not compared


def _genforce_layer(name: str) -> str | None:
    if match := re.fullmatch(hammer.LAYER, name):
        return hammer.place(match)
    match = re.fullmatch(r"mapping\.dense(\d+)", name)
    return f"mapping.fc{match[1]}" if match else None


def _rosinality_layer(name: str) -> str | None:
    """The toRGBs of rosinality return the picture so far, as our blocks do."""
    for pattern, place in (
        (r"style\.([1-9]\d*)", lambda i: f"mapping.fc{i - 1}"),
        (r"convs\.(\d+)", lambda i: numbered_layer(i + 1)),
        (r"conv(1)", lambda i: numbered_layer(0)),
        (r"to_rgbs\.(\d+)", lambda i: f"synthesis.b{8 * 2**i}"),
        (r"to_rgb(1)", lambda i: "synthesis.b4"),
    ):
        if match := re.fullmatch(pattern, name):
            return place(int(match[1]))
    return None


def _genforce_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    """What Hammer's and SeFa's generators are both made with."""
    widths = nvidia_arguments(config)["synthesis_kwargs"]
    return {
        "resolution": config.resolutions[-1], "image_channels": config.img_channels, "mapping_layers": config.mapping_layers,
        "mapping_fmaps": config.mapping_features, "architecture": config.architecture.replace("orig", "origin"),
        "fmaps_base": widths["channel_base"], "fmaps_max": widths["channel_max"],
    }  # fmt: skip


def _hammer_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    labels = {"label_dim": config.c_dim, "embedding_dim": config.embed_features} if config.c_dim else {}
    return {**_genforce_arguments(config), "z_dim": config.z_dim, "w_dim": config.w_dim, **labels}


def _sefa_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    return {
        **_genforce_arguments(config), "z_space_dim": config.z_dim, "w_space_dim": config.w_dim, "label_size": config.c_dim,
        "mapping_lr_mul": config.mapping_lr,
    }  # fmt: skip


def _rosinality_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    wide = dict(zip(config.resolutions, config.channels, strict=True)).get(64, 512)  # the first width in its table that varies
    return {
        "size": config.resolutions[-1], "style_dim": config.w_dim, "n_mlp": config.mapping_layers, "lr_mlp": config.mapping_lr,
        "channel_multiplier": max(1, wide // 256), "blur_kernel": [8 * tap for tap in np.array(config.filter).tolist()],
    }  # fmt: skip


PEERS = {
    nvidia.FORMAT: Peer(
        ("training.networks_stylegan2", "training.networks"),
        "Generator",
        nvidia_arguments,
        lambda net, z, c: net(z, c, noise_mode="const", force_fp32=True),
        lambda name: name if re.fullmatch(r"mapping\.(fc\d+|embed)|synthesis\.b\d+\.(conv[01]|torgb|skip)", name) else None,
    ),
    rosinality.FORMAT: Peer(
        ("model",),
        "Generator",
        _rosinality_arguments,
        lambda net, z, c: net([z], randomize_noise=False)[0],
        _rosinality_layer,
    ),
    hammer.FORMAT: Peer(
        ("models.stylegan2_generator",),
        "StyleGAN2Generator",
        _hammer_arguments,
        lambda net, z, c: net(z, label=c, noise_mode="const", impl="ref")["image"],
        _genforce_layer,
    ),
    sefa.FORMAT: Peer(
        ("models.stylegan2_generator",),
        "StyleGAN2Generator",
        _sefa_arguments,
        lambda net, z, c: net(z, label=c, randomize_noise=False)["image"],
        _genforce_layer,
    ),
}


def compare(gen: StyleGAN2, kind: str, tensors: Mapping[str, np.ndarray], checkout: Path) -> dict[str, float]:
    """Worst error of every layer and of the image (last), relative to its largest magnitude, in the order in which the peer runs.

    Args:
      kind: the format, a key of PEERS. tensors: those of the file by their own names.
    Raises:
      CheckpointError: in one line, if torch or the checkout's code does not do its part.
    """
    if kind not in PEERS:
        raise CheckpointError(f"layers are compared with PyTorch code only; this is {kind}")
    z = np.random.default_rng(SEED).standard_normal((SAMPLES, gen.z_dim)).astype(np.float32)
    c = np.eye(gen.c_dim, dtype=np.float32)[np.arange(SAMPLES) % gen.c_dim] if gen.c_dim else None
    theirs = _run_peer(PEERS[kind], gen.config, tensors, checkout, z, c)
    ours = _run_ours(gen, z, c)
    return {name: _error(ours[name], output) for name, output in theirs.items() if name in ours}


def _run_peer(peer: Peer, config: StyleGAN2Config, tensors, checkout: Path, z, c) -> dict[str, np.ndarray]:
    """The outputs of the peer's layers by our names, images last; all NCHW."""
    try:
        import torch
    except ImportError as error:
        raise CheckpointError("comparing layers needs PyTorch: pip install torch") from error
    outputs: dict[str, np.ndarray] = {}

    def remember(name):
        def hook(module, args, output):
            outputs[name] = (output[0] if isinstance(output, tuple) else output).numpy()

        return hook

    sys.path.insert(0, str(checkout))
    try:
        net = _peer_class(peer)(**peer.arguments(config)).eval()
        state = {name: torch.from_numpy(np.array(tensor, np.float32)) for name, tensor in tensors.items() if name != "latent_avg"}
        net.load_state_dict(state)
        for name, module in net.named_modules():
            if (place := peer.layer(name)) is not None:
                module.register_forward_hook(remember(place))
        with torch.no_grad():
            outputs["image"] = peer.call(net, torch.from_numpy(z), None if c is None else torch.from_numpy(c)).numpy()
    except CheckpointError:
        raise
    except Exception as error:  # any project's code, in any version, on any machine
        raise CheckpointError(f"{checkout}: its code fails: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    finally:
        sys.path.remove(str(checkout))
    return outputs


def _peer_class(peer: Peer) -> Any:
    for name in peer.modules:
        try:
            return getattr(importlib.import_module(name), peer.name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):  # it is there, and lacks something itself
                raise
    raise CheckpointError(f"the checkout has no {' or '.join(peer.modules)}")


def _run_ours(gen: StyleGAN2, z, c) -> dict[str, np.ndarray]:
    """The outputs of all our modules, NCHW: layers, the picture after each block, and the image."""
    network: Any = Network(gen.config)
    image, seen = network.apply(gen.variables, z, c, capture_intermediates=True, mutable=["intermediates"])
    outputs = {"image": image}
    for path, output in jax.tree_util.tree_leaves_with_path(seen["intermediates"]):
        names = [entry.key for entry in path if hasattr(entry, "key")]
        outputs[".".join(names[:-1])] = output  # of a block, (x, image): the picture comes last and stays
    for i in range(gen.config.mapping_layers):
        outputs[f"mapping.fc{i}"] = ops.leaky_relu(outputs[f"mapping.fc{i}"])  # our activation follows the layer, theirs is inside
    return {name: np.asarray(jnp.moveaxis(output, -1, 1) if output.ndim == 4 else output) for name, output in outputs.items()}


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))
