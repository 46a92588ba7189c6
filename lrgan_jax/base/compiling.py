"""Whether JAX compiles just now, and what it spent on that: what its own monitoring tells, so that no function has to.

Of each program it tells how long tracing and lowering took, and then how long compiling did; in between it compiles. A
program that an earlier run has compiled and kept is there at once.
"""

import time
from functools import cache

import jax

TRACED, LOWERED, COMPILED = (
    f"/jax/core/compile/{name}_duration" for name in ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
)
RATIO = 5.0  # measured: compiling takes 2 to 10 times as long as what comes before it, on processors


class Compiling:
    """Of all threads together; `since` is None while nothing is compiled.

    Attributes:
      since: when the program at hand began to be compiled, by `time.monotonic`. expected: seconds that it may take.
      spent: seconds on all programs so far, tracing and lowering included.
    """

    def __init__(self):
        self.since: float | None = None
        self.expected = self.spent = self._traced = 0.0

    def hear(self, event: str, duration_secs: float, **about: str | int) -> None:
        """As JAX calls it. Functions inside of others are traced first, so the last one told of is the whole."""
        if event == TRACED:
            self._traced = duration_secs
        elif event == LOWERED:
            before, self._traced = self._traced + duration_secs, 0.0
            self.since, self.expected = time.monotonic(), RATIO * before
            self.spent += before
        elif event == COMPILED:
            self.since = None
            self.spent += duration_secs


@cache
def watch() -> Compiling:
    """The one that JAX tells; it does so from the first call on."""
    compiling = Compiling()
    jax.monitoring.register_event_duration_secs_listener(compiling.hear)
    return compiling
