"""Work that is started before the results of the work before it are asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Started = TypeVar("Started")


def ahead(items: Iterable[Item], start: Callable[[Item], Started], most: int) -> Iterator[Started]:
    """What `start` gives for each item, in turn, with up to `most` of them started and not taken yet."""
    queue: deque[Started] = deque()
    for item in items:
        queue.append(start(item))
        if len(queue) == most:
            yield queue.popleft()
    yield from queue
