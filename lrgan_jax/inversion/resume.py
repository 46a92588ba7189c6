"""An unfinished inversion in a file, from which the same one goes on as if it had never stopped."""

import io
import json
import os
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from lrgan_jax.base.errors import InputError
from lrgan_jax.base.files import write_whole
from lrgan_jax.base.settings import differences

Tree = TypeVar("Tree")
ABOUT = "about"  # the name of what the file says of itself; the leaves are called by their numbers


def save(path: str | os.PathLike[str], about: dict[str, Any], tree: Any) -> None:
    """Write the leaves of `tree`, and what they are of."""
    leaves = {str(number): np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(tree))}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **leaves, **{ABOUT: np.array(json.dumps(about))})
    write_whole(path, content.getbuffer())


def load(path: str | os.PathLike[str], about: dict[str, Any], like: Tree) -> Tree:
    """A tree of the structure of `like`, with the leaves in the file.

    Raises:
      InputError: in one line, if the file cannot be read or is of another inversion.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            before = json.loads(str(stored[ABOUT]))
            leaves = [stored[str(number)] for number in range(len(stored.files) - 1)]
            tree = jax.tree.unflatten(jax.tree.structure(like), leaves)
    except Exception as error:  # NumPy and zipfile raise half a dozen kinds for damaged files
        raise InputError(f"{path}: not an unfinished inversion, or a damaged one ({type(error).__name__})") from error
    changed = list(differences(about, before))
    if changed:
        raise InputError(f"{path} is of another inversion: {changed[0]}; remove it or choose another name")
    return jax.tree.map(_as, tree, like)


def _as(leaf: np.ndarray, like: Any) -> Any:
    """An array of the device, of this machine, or a whole number."""
    if isinstance(like, jax.Array):
        return jnp.asarray(leaf)
    return leaf if isinstance(like, np.ndarray) else int(leaf)
