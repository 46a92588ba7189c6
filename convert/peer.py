"""Layer by layer against the project that a checkpoint comes from: its own code, out of a checkout that the user names, run by torch.

The peer's network gets the tensors of the file under their own names, so a mistake in our renaming cannot cancel itself. Only the
checkout's code is run, never the file's. Which of its modules are the layers follows from the rules that rename the tensors; layers
are named as in NVIDIA's code.
"""
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from convert import Network, hammer, nvidia, rosinality, sefa
from convert.back import nvidia_arguments
from convert.rules import Rule, rename
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, ops, stylegan2

SAMPLES, SEED = 2, 0


class Peer(NamedTuple):
    """Where one project has its generator, and how that is made and called."""

    kind: str  # of the files that belong to it
    file: str  # in the checkout
    name: str  # of the class
    arguments: Callable[[StyleGAN2Config], dict[str, Any]]
    image: Callable[[Any, Any, Any], Any]  # network, z, c -> image with constant noise
    sums_up: bool = False  # whether a toRGB returns the picture so far, and not only its own part


def _stylegan3_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    arguments = nvidia_arguments(config)
    synthesis = arguments.pop("synthesis_kwargs")
    return {**arguments, **synthesis}


def _rosinality_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    wide = dict(zip(config.resolutions, config.channels, strict=True)).get(64, 512)  # the first width in its table that varies
    return {
        "size": config.resolutions[-1], "style_dim": config.w_dim, "n_mlp": config.mapping_layers, "lr_mlp": config.mapping_lr,
        "channel_multiplier": max(1, wide // 256), "blur_kernel": np.array(config.filter).tolist(),
    }  # fmt: skip


def _genforce_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    """What both of genforce's generators have."""
    synthesis = nvidia_arguments(config)["synthesis_kwargs"]
    return {
        "resolution": config.resolutions[-1], "image_channels": config.img_channels, "mapping_layers": config.mapping_layers,
        "mapping_fmaps": config.mapping_features, "mapping_lr_mul": config.mapping_lr,
        "architecture": config.architecture.replace("orig", "origin"),
        "fmaps_base": synthesis["channel_base"], "fmaps_max": synthesis["channel_max"],
    }  # fmt: skip


def _hammer_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    return {
        **_genforce_arguments(config), "z_dim": config.z_dim, "w_dim": config.w_dim, "label_dim": config.c_dim,
        "embedding_dim": config.embed_features, "conv_clamp": config.conv_clamp,
    }  # fmt: skip


def _sefa_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    return {**_genforce_arguments(config), "z_space_dim": config.z_dim, "w_space_dim": config.w_dim, "label_size": config.c_dim}


def _nvidia_image(net, z, c):
    return net(z, c, noise_mode="const", force_fp32=True)


GENFORCE = "models/stylegan2_generator.py", "StyleGAN2Generator"
PEERS = (
    Peer(nvidia.FORMAT, "training/networks.py", "Generator", nvidia_arguments, _nvidia_image),
    Peer(nvidia.FORMAT, "training/networks_stylegan2.py", "Generator", _stylegan3_arguments, _nvidia_image),
    Peer(rosinality.FORMAT, "model.py", "Generator", _rosinality_arguments,
         lambda net, z, c: net([z], randomize_noise=False)[0], sums_up=True),
    Peer(hammer.FORMAT, *GENFORCE, _hammer_arguments, lambda net, z, c: net(z, label=c, noise_mode="const", impl="ref")["image"]),
    Peer(sefa.FORMAT, *GENFORCE, _sefa_arguments, lambda net, z, c: net(z, label=c, randomize_noise=False)["image"]),
)  # fmt: skip


def compare(gen: StyleGAN2, network: Network, checkout: Path) -> dict[str, float]:
    """Worst error of every layer and of the image (last), relative to its largest magnitude, in the order in which the peer runs.

    Args:
      network: what the file holds, of which `gen` was made.
    Raises:
      CheckpointError: in one line, if torch or the checkout's code does not do its part.
    """
    peers = [peer for peer in PEERS if peer.kind == network.kind]
    if not peers:
        raise CheckpointError(f"layers are compared with PyTorch code only; this is {network.kind}")
    peer = next((peer for peer in peers if (checkout / peer.file).is_file()), None)
    if peer is None:
        raise CheckpointError(f"{checkout}: no checkout of this file's project, it has no {' or '.join(peer.file for peer in peers)}")
    z = np.random.default_rng(SEED).standard_normal((SAMPLES, gen.z_dim)).astype(np.float32)
    c = np.eye(gen.c_dim, dtype=np.float32)[np.arange(SAMPLES) % gen.c_dim] if gen.c_dim else None
    theirs = _run_peer(peer, gen.config, network, checkout, z, c)
    ours = _run_ours(gen, z, c)
    return {name: _error(ours[name], output) for name, output in theirs.items()}


def _run_peer(peer: Peer, config: StyleGAN2Config, network: Network, checkout: Path, z, c) -> dict[str, np.ndarray]:
    """The outputs of the peer's layers by our names, the image last; all NCHW."""
    try:
        import torch  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise CheckpointError("comparing layers needs PyTorch: pip install torch") from error
    arguments = peer.arguments(config)
    outputs: dict[str, np.ndarray] = {}

    def remember(name, module, args, output):
        outputs[name] = (output[0] if isinstance(output, tuple) else output).numpy().copy()  # some code adds to it later

    try:
        with _imports_from(checkout), torch.no_grad():
            module = importlib.import_module(peer.file.removesuffix(".py").replace("/", "."))
            net = getattr(module, peer.name)(**arguments).eval()
            state = {name: torch.from_numpy(np.array(a, np.float32)) for name, a in network.tensors.items() if name != "latent_avg"}
            net.load_state_dict(state)
            for name, layer in _layers(network.tensors, network.rules).items():
                layer = layer.removesuffix(".torgb") if peer.sums_up else layer  # our blocks return the picture so far
                net.get_submodule(name).register_forward_hook(partial(remember, layer))
            image = peer.image(net, torch.from_numpy(z), None if c is None else torch.from_numpy(c))
            return {**outputs, "image": image.numpy()}
    except Exception as error:  # any project's code, in any version, on any machine
        raise CheckpointError(f"{checkout}: its code fails: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def _imports_from(checkout: Path) -> Iterator[None]:
    """Within, the checkout's names mean its own files, also where another `models` is loaded; afterwards all is as it was."""
    own = {path.stem for path in checkout.iterdir()}

    def take_out():
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in own}

    path, others = sys.path[:], take_out()
    sys.path.insert(0, str(checkout.resolve()))
    try:
        yield
    finally:
        take_out()
        sys.modules.update(others)
        sys.path[:] = path


def _layers(tensors: Mapping[str, np.ndarray], rules: tuple[Rule, ...]) -> dict[str, str]:
    """The peer's modules to compare -> our names: whatever adds a bias, as layers do at their end, and the residual branches."""
    renamed = {name: place for name in tensors for place in rename({name: tensors[name]}, rules, [], check_values=False)}
    return {
        name.rpartition(".")[0]: place.rpartition(".")[0]
        for name, place in renamed.items()
        if place.endswith((".bias", ".skip.weight"))
    }


@partial(jax.jit, static_argnums=0)
def _apply(config: StyleGAN2Config, variables, z, c):
    network: Any = stylegan2.Network(config)
    return network.apply(variables, z, c, capture_intermediates=True, mutable=["intermediates"])


def _run_ours(gen: StyleGAN2, z, c) -> dict[str, np.ndarray]:
    """The outputs of all our modules by name, NCHW: of a block the picture so far, and the image."""
    with jax.default_matmul_precision("highest"):  # GPUs would otherwise round the factors to ten bits
        image, seen = _apply(gen.config, gen.variables, z, c)
    outputs = {"image": image}
    for path, output in jax.tree_util.tree_leaves_with_path(seen["intermediates"]):
        *place, _ = (entry.key for entry in path if hasattr(entry, "key"))
        outputs[".".join(place)] = output  # of a block, (x, image): the picture comes last and stays
    return {name: np.asarray(jnp.moveaxis(_finished(name, output, gen.config), -1, 1)) for name, output in outputs.items()}


def _finished(name: str, output, config: StyleGAN2Config):
    """With what follows these modules of ours and is inside theirs."""
    if name.startswith("mapping.fc"):
        return ops.leaky_relu(output)
    return ops.upsample(output, config.filter) * 0.5**0.5 if name.endswith(".skip") else output


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))
