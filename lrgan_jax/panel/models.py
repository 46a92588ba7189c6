"""Several models behind one panel, each with a studio of its own, which opens when it is first asked for."""

from collections.abc import Callable, Mapping
from typing import Any

from lrgan_jax.base.errors import InputError
from lrgan_jax.panel.studio import Studio
from lrgan_jax.panel.wire import Reply, answered


class Models:
    """Answers as a studio does; a request may say which `model` it is for, by default the first.

    Args:
      opening: what makes the studio of each, by name.
    """

    def __init__(self, opening: Mapping[str, Callable[[], Studio]]):
        self._opening, self._open = dict(opening), dict[str, Studio]()
        self._last = next(iter(opening))

    def reply(self, request: Any) -> Reply:
        """The answer to one request; `{"error": one line}` to one that cannot be answered."""
        return answered(lambda: self._reply(request))

    def _reply(self, request: Any) -> Reply:
        first = next(iter(self._opening))
        name = request.get("model", first) if isinstance(request, Mapping) else first
        reply = self.studio(name).reply(request)
        told = {"models": [*self._opening], "model": name}
        return reply | told if "models" in reply else reply

    def studio(self, name: Any = None) -> Studio:
        """The one of that model, or the one that was asked last.

        Raises:
          InputError: if there is none.
        """
        name = self._last if name is None else name
        if not isinstance(name, str) or name not in self._opening:
            raise InputError(f"no model {name!r} here: there are {', '.join(self._opening)}")
        if name not in self._open:
            self._open[name] = self._opening[name]()
        self._last = name
        return self._open[name]

    def __getattr__(self, name: str) -> Any:
        """What else a studio has, of the one that was asked last: a notebook looks at it."""
        return getattr(self.studio(), name)
