"""Layer by layer against the project that a checkpoint comes from: its own code, out of a checkout, run by torch.

The peer (`peers`) gets the file's tensors under their own names and the attributes of its modules as they were saved.
Only the checkout's code is run, never the file's. Which of its modules are the layers follows from the rules that
rename the tensors; layers are named as ours.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrgan_jax.base.errors import MissingPackageError
from lrgan_jax.convert.check.checkout import imported
from lrgan_jax.convert.check.peers import PEERS, Arguments, Peer
from lrgan_jax.convert.formats import Network
from lrgan_jax.convert.formats.rules import rename
from lrgan_jax.convert.formats.stylegan2.names import common_tensors
from lrgan_jax.convert.formats.variables import table
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import PGGAN, Generator, StyleGAN1, StyleGAN2, ops
from lrgan_jax.generators.intermediates import intermediates

SAMPLES, SEED = 2, 0


def compare(
    gen: Generator, network: Network, checkout: Path, given: Mapping[str, Any] | None = None
) -> tuple[dict[str, float], str]:
    """Root mean square error of every layer and of the image (last), relative to the peer's own, in its order.

    Not the worst error: a norm that divides a rare pixel by nearly nothing makes a hundred times more of its rounding.
    What only one of the two computes is left out: a block that has faded away.

    Args:
      network: what the file holds, of which `gen` was made. given: the user's arguments of its project's constructor.
    Returns:
      The errors by our names, and with what the peer was made, a sentence.
    Raises:
      CheckpointError: in one line, if the checkout's code does not do its part. MissingPackageError: without PyTorch.
    """
    peer = _peer(gen, network, checkout)
    z = np.random.default_rng(SEED).standard_normal((SAMPLES, gen.z_dim)).astype(np.float32)
    c = np.eye(gen.c_dim, dtype=np.float32)[np.arange(SAMPLES) % gen.c_dim] if gen.c_dim else None
    theirs, told = _run_peer(peer, gen, network, checkout, given or {}, z, c)
    ours = _run_ours(gen, z, c, peer.truncation)
    both = {name: output for name, output in theirs.items() if name in ours}
    errors = {name: _error(ours[name], peer.as_ours(name, output, gen)) for name, output in both.items()}
    return errors, told


def _peer(gen: Any, network: Network, checkout: Path) -> Peer:
    peers = [peer for peer in PEERS if peer.format == network.format]
    if not peers:
        raise CheckpointError(f"layers are compared with projects' PyTorch code only; this is {network.format}")
    fitting = [peer for peer in peers if peer.fits(gen.config)]
    for peer in fitting:
        if (checkout / peer.file).is_file():
            return peer
    files = " or ".join(peer.file for peer in fitting)
    raise CheckpointError(f"{checkout}: no checkout of this file's project, it has no {files}")


def _run_peer(
    peer: Peer, gen: Any, network: Any, checkout: Path, given: Mapping[str, Any], z, c
) -> tuple[dict[str, np.ndarray], str]:
    """The outputs of the peer's layers by our names, the image last, all NCHW; and with what it was made."""
    try:
        import torch  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise MissingPackageError("comparing layers needs PyTorch: pip install torch") from error
    arguments = _arguments(peer, gen, network, given)
    outputs: dict[str, np.ndarray] = {}

    def remember(name, module, args, output):
        tensor = output[0] if isinstance(output, tuple) else output
        outputs[name] = tensor.numpy().copy()  # some code adds to it later

    try:
        with imported(checkout, peer.file) as module, torch.no_grad():
            arguments = peer.called(module, arguments)
            net = peer.made(module, arguments).eval()
            state = _state(gen, network, net)
            net.load_state_dict({name: torch.from_numpy(np.array(a, np.float32)) for name, a in state.items()})
            peer.prepare(net, network, gen)
            for name, layer in peer.layers(network).items():
                net.get_submodule(name).register_forward_hook(partial(remember, layer))
            image = peer.image(net, torch.from_numpy(z), None if c is None else torch.from_numpy(c), gen)
            return {**outputs, "image": image.numpy()}, _told(peer, network, given, arguments)
    except Exception as error:  # any project's code, in any version, on any machine
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise CheckpointError(f"{checkout}: its code fails: {reason}") from error


def _arguments(peer: Peer, gen: Any, network: Any, given: Mapping[str, Any]) -> Arguments:
    """What the class is made with."""
    if network.arguments is not None:
        return peer.own({**given, **network.arguments})
    return _merged(peer.assumed(gen.config, network), peer.own(given))


def _told(peer: Peer, network: Any, given: Mapping[str, Any], arguments: Arguments) -> str:
    """Where these arguments are from."""
    if network.arguments is not None:
        return "the peer was made with the file's own arguments"
    values = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    what = "what its tensors show and those given" if given else "what its tensors show"
    return f"the file carries no arguments, so the peer was made with {what}: {peer.name}({values})"


def _merged(shown: Arguments, given: Arguments) -> Arguments:
    """The latter first, in tables within as well."""
    inner = {name: _merged(shown[name], value) for name, value in given.items() if isinstance(shown.get(name), dict)}
    return {**shown, **given, **inner}


def _state(gen: Any, network: Any, net: Any) -> dict[str, np.ndarray]:
    """The file's tensors. What it lacks of buffers is as `gen` has it, noise pictures and the mean latent, or else as
    the peer's own code makes it.
    """
    parameters = dict(net.named_parameters())
    known = {name: a.numpy() for name, a in net.state_dict().items()}
    ours = common_tensors(gen) if isinstance(gen, StyleGAN2) else table(gen.variables)
    state = {name: a for name, a in network.tensors.items() if name != "latent_avg"}  # which lies beside the network
    for name, array in known.items():
        if name not in state and name not in parameters:
            (place,) = rename({name: array}, network.rules, [], check_values=False) or ("",)
            state[name] = ours[place].reshape(array.shape) if place in ours else array
    return state


@partial(jax.jit, static_argnames="truncation")
def _intermediates(gen: Any, z, c, truncation: float):
    return intermediates(gen, z, c, truncation)


def _run_ours(gen: Generator, z, c, truncation: float) -> dict[str, np.ndarray]:
    """The outputs of all our modules by name, NCHW: of a block the picture so far, and the image."""
    with jax.default_matmul_precision("highest"):  # GPUs would otherwise round the factors to ten bits
        seen = _intermediates(gen, z, c, truncation)
    last = {name: jax.tree.leaves(output)[-1] for name, output in seen.items()}
    return {name: np.asarray(jnp.moveaxis(_finished(name, output, gen), -1, 1)) for name, output in last.items()}


def _finished(name: str, output, gen: Any):
    """With what follows these modules of ours and is inside theirs."""
    if name.startswith("mapping.fc"):
        return ops.leaky_relu(output, 1.0) if isinstance(gen, StyleGAN1) else ops.leaky_relu(output)
    if isinstance(gen, PGGAN) and name.endswith((".project", ".conv0", ".conv1")):
        return ops.leaky_relu(output, 1.0)
    if isinstance(gen, StyleGAN2) and name.endswith(".skip"):
        return ops.upsample(output, gen.config.filter) * 0.5**0.5
    return output


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    theirs = theirs.astype(np.float64)  # whose squares are finite
    return float(np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-12))
