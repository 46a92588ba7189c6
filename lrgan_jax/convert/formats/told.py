"""What a constructor was told: by the file, which may carry its arguments, and by the user, who may give them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lrgan_jax.convert.formats.settings import Table, disagreements, number
from lrgan_jax.foreign import CheckpointError

GIVEN = "arguments"  # what the user gives, by that name


class Told(NamedTuple):
    """Arguments by the project's own names.

    Attributes:
      inside: of the file, all of them but those left at their defaults; None of a file that carries none.
      where: their name there. given: those that the user gives, few or all.
    """

    inside: Mapping[str, Any] | None
    where: str
    given: Mapping[str, Any]

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.given.get(name, (self.inside or {}).get(name, otherwise))

    def number(self, name: str, otherwise: float) -> float:
        """One above 0."""
        if (found := number(self.get(name, otherwise), name)) <= 0:
            raise CheckpointError(f"{name} is {found}: it should be a number above 0")
        return found

    def flag(self, name: str, otherwise: bool) -> bool:
        if not isinstance(found := self.get(name, otherwise), bool):
            raise CheckpointError(f"{name} should be true or false, it is {found!r:.40}")
        return found

    def disagreements(self, table: Table) -> Iterator[str]:
        """In words, what is not as in the table. Where file and user differ, the user has been believed until here."""
        yield from disagreements(self.inside or {}, table, self.where)
        yield from disagreements(self.given, table, GIVEN)

    def assumed(self, defaults: Mapping[str, Any]) -> list[str]:
        """A remark on those of the defaults of which there is no word."""
        if self.inside is not None or not (left := [name for name in defaults if name not in self.given]):
            return []
        values = ", ".join(f"{name} {defaults[name]}" for name in left)
        return [f"tensors alone do not show it, so this is assumed: {values} (--arguments)"]


def arguments_of(given: Mapping[str, Any], inside: Mapping[str, Any] | None = None, where: str = "") -> Told:
    """Both together.

    Raises:
      CheckpointError: if what is given is no table of arguments.
    """
    if not isinstance(own := given.get(GIVEN, {}), Mapping):
        raise CheckpointError(f"{GIVEN} should be a table of the constructor's arguments by name, not {own!r:.40}")
    return Told(inside, where, own)
