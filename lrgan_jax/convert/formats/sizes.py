"""The sizes of a network off the shapes of its tensors, which show each of them many times over."""

from collections import Counter, defaultdict
from collections.abc import Iterable

Shape = tuple[int, ...]


def agreed(sides: Iterable[tuple[tuple[str, ...], Shape]]) -> dict[str, int]:
    """Every size by its name, as most of the tensors show it: one of a wrong shape is noticed, and not believed.

    Args:
      sides: of each tensor, the names of the sizes that its sides show, "" for none, and its shape. One of another
        number of sides has no say, nor has an empty one, whose sides may be as long as they like.
    """
    votes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for names, shape in sides:
        if len(names) == len(shape) and 0 not in shape:
            for name, length in zip(names, shape, strict=True):
                votes[name][length] += 1
    return {name: counted.most_common(1)[0][0] for name, counted in votes.items() if name}
