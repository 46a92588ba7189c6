"""What a state dict that we wrote says of itself, beside torch's versions, where torch looks at nothing else."""

from typing import Any

from lrgan_jax.foreign.allowed import StateDict

OWN = "lrgan_jax"  # under this name


def own_words(state: Any) -> dict[str, Any]:
    """What no tensor of it shows, in the words of its format; nothing of another's file. It is not checked yet."""
    match state.attributes if isinstance(state, StateDict) else None:
        case {"_metadata": {"": dict() as versions}} if isinstance(versions.get(OWN), dict):
            return versions[OWN]
    return {}
