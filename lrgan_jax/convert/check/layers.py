"""Layer by layer against the project that a checkpoint comes from: its own code, out of a checkout, run by torch.

The peer (`peers.py`) gets the file's tensors under their own names and the attributes of its modules as they were
saved. Only the checkout's code is run, never the file's. Which of its modules are the layers follows from the rules
that rename the tensors; layers are named as in NVIDIA's code.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrgan_jax.base.errors import MissingPackageError
from lrgan_jax.convert.check.peers import PEERS, Arguments, Peer
from lrgan_jax.convert.formats import Network
from lrgan_jax.convert.formats.rules import Rule, rename
from lrgan_jax.convert.formats.stylegan2.names import common_tensors
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import Generator, StyleGAN2, StyleGAN2Config, ops, stylegan2

SAMPLES, SEED = 2, 0


def compare(gen: Generator, network: Network, checkout: Path) -> tuple[dict[str, float], str]:
    """Worst error of every layer and of the image (last), relative to its largest magnitude, in the peer's order.

    Args:
      network: what the file holds, of which `gen` was made.
    Returns:
      The errors by our names, and with what the peer was made, a sentence.
    Raises:
      CheckpointError: in one line, if the checkout's code does not do its part. MissingPackageError: without PyTorch.
    """
    if not isinstance(network, StyleGAN2Network) or not isinstance(gen, StyleGAN2):
        raise CheckpointError(f"layers are compared for StyleGAN2 only; this is {network.format}")
    peers = [peer for peer in PEERS if peer.format == network.format]
    if not peers:
        raise CheckpointError(f"layers are compared with PyTorch code only; this is {network.format}")
    peer = next((peer for peer in peers if (checkout / peer.file).is_file()), None)
    if peer is None:
        files = " or ".join(peer.file for peer in peers)
        raise CheckpointError(f"{checkout}: no checkout of this file's project, it has no {files}")
    if network.arguments is not None:
        arguments, told = peer.own(network.arguments), "the peer was made with the file's own arguments"
    else:
        arguments = peer.assumed(gen.config)
        shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        told = f"the file carries no arguments, so the peer was made with what its tensors show: {peer.name}({shown})"
    z = np.random.default_rng(SEED).standard_normal((SAMPLES, gen.z_dim)).astype(np.float32)
    c = np.eye(gen.c_dim, dtype=np.float32)[np.arange(SAMPLES) % gen.c_dim] if gen.c_dim else None
    theirs = _run_peer(peer, arguments, gen, network, checkout, z, c)
    ours = _run_ours(gen, z, c)
    return {name: _error(ours[name], output) for name, output in theirs.items()}, told


def _run_peer(
    peer: Peer, arguments: Arguments, gen: StyleGAN2, network: StyleGAN2Network, checkout: Path, z, c
) -> dict[str, np.ndarray]:
    """The outputs of the peer's layers by our names, the image last; all NCHW."""
    try:
        import torch  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise MissingPackageError("comparing layers needs PyTorch: pip install torch") from error
    outputs: dict[str, np.ndarray] = {}

    def remember(name, module, args, output):
        tensor = output[0] if isinstance(output, tuple) else output
        outputs[name] = tensor.numpy().copy()  # some code adds to it later

    try:
        with _imports_from(checkout), _without_compiler(), torch.no_grad():
            module = importlib.import_module(peer.file.removesuffix(".py").replace("/", "."))
            net = getattr(module, peer.name)(**arguments).eval()
            state = _state(gen, network, {name: tuple(a.shape) for name, a in net.state_dict().items()})
            net.load_state_dict({name: torch.from_numpy(np.array(a, np.float32)) for name, a in state.items()})
            for path, attributes in network.attributes.items():
                _set(net.get_submodule(path), attributes)
            for name, layer in _layers(network.tensors, network.rules).items():
                layer = layer.removesuffix(".torgb") if peer.sums_up else layer  # our blocks return the picture so far
                net.get_submodule(name).register_forward_hook(partial(remember, layer))
            image = peer.image(net, torch.from_numpy(z), None if c is None else torch.from_numpy(c))
            return {**outputs, "image": image.numpy()}
    except Exception as error:  # any project's code, in any version, on any machine
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise CheckpointError(f"{checkout}: its code fails: {reason}") from error


def _state(gen: StyleGAN2, network: StyleGAN2Network, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The file's tensors; what it may lack, noise pictures and the mean latent, as `gen` has them."""
    state = {name: a for name, a in network.tensors.items() if name != "latent_avg"}  # which lies beside the network
    ours = common_tensors(gen)
    for name, shape in wanted.items():
        common = next(iter(rename({name: np.zeros(shape)}, network.rules, [], check_values=False)), "")
        if name not in state and common.endswith((".noise_const", ".noise_strength", ".w_avg")):
            state[name] = ours[common].reshape(shape)
    return state


def _set(module: Any, attributes: Mapping[str, Any]) -> None:
    """What a module had when it was saved, as its own project's loader gives it back."""
    for name, value in attributes.items():
        if name != "training":
            setattr(module, name, value.item() if isinstance(value, np.generic) else value)


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Within, torch compiles no CUDA extension: code that would, when it is imported, never calls it on a CPU."""
    import torch.utils.cpp_extension as extension  # pyright: ignore[reportMissingImports]

    load = extension.load
    extension.load = lambda *args, **kwargs: None
    try:
        yield
    finally:
        extension.load = load


@contextmanager
def _imports_from(checkout: Path) -> Iterator[None]:
    """Within, the checkout's names mean its own files, even if another `models` is loaded; then all is as before."""
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
    """The peer's modules to compare -> our names: what adds a bias, as layers do in the end, and residual branches."""
    renamed = {
        name: place for name in tensors for place in rename({name: tensors[name]}, rules, [], check_values=False)
    }
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
    return {
        name: np.asarray(jnp.moveaxis(_finished(name, output, gen.config), -1, 1)) for name, output in outputs.items()
    }


def _finished(name: str, output, config: StyleGAN2Config):
    """With what follows these modules of ours and is inside theirs."""
    if name.startswith("mapping.fc"):
        return ops.leaky_relu(output)
    return ops.upsample(output, config.filter) * 0.5**0.5 if name.endswith(".skip") else output


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))
