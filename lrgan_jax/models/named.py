"""Directions that come with a model under a name, such as `smile`: files in its folder's `directions/`.

`Directions.save(folder / "directions" / "smile.npz")` adds one to a model of your own. Those of the embedded models
were found by this library over many faces, named by looking, and measured on others (`tests/benchmarks/named.py`); what
they do is in their `settings`.
"""

from pathlib import Path

from lrgan_jax.directions import Directions, DirectionsError
from lrgan_jax.models import checkpoint


def named_directions(model: checkpoint.NameOrFolder) -> dict[str, Directions]:
    """All of a model's own, by name, in alphabetical order.

    Args:
      model: a name that `embedded_models` lists, or a folder.
    Raises:
      ModelError, DirectionsError: in one line, if there is no such model, or a file is damaged. TypeError: on a loaded
        generator.
    """
    folder = checkpoint.find(model) / "directions"
    return {path.stem: Directions.load(path) for path in sorted(folder.glob("*.npz"))}


def named_direction(model: checkpoint.NameOrFolder, name: str) -> Directions:
    """The one of that name, of which a positive step does what the name says.

    Raises:
      DirectionsError: if the model has none of that name (the message lists those it has), or its file holds several.
    """
    path: Path = checkpoint.find(model) / "directions" / f"{name}.npz"
    known = sorted(other.stem for other in path.parent.glob("*.npz"))
    if name not in known:
        raise DirectionsError(f"{model} has no direction {name!r}; it has {', '.join(known) or 'none of its own'}")
    if len(found := Directions.load(path)) != 1:
        raise DirectionsError(
            f"{path}: holds {len(found)} directions, and a name stands for one: save one of them, as found[0]"
        )
    return found
