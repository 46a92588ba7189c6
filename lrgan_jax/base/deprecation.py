"""Names on their way out: they work for two more minor releases, and say what to write instead."""

import warnings


def deprecated(name: str, *, instead: str, since: str) -> None:
    """Warn whoever uses `name`, called from the function that still serves it.

    Args:
      since: the release that deprecated it, "0.2"; two minor releases later it goes.
    """
    major, minor = map(int, since.split("."))
    message = f"{name} is deprecated since {since} and goes with {major}.{minor + 2}: use {instead}"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
