"""Latents that are made of parts, such as a BigGAN's z and class: which numbers of w a search moves."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import W, Z
from lrgan_jax.generators.protocol import Generator

BOTH = "both"  # of the parts


@runtime_checkable
class HasParts(Protocol):
    """A latent that is made of parts which are edited apart, such as z and the class behind it."""

    @property
    def parts(self) -> Mapping[str, tuple[int, int]]:
        """By name, from which number of w on and to which; the first is edited unless another is asked for. One called
        "z" is z itself, which is white. A number in no part is never edited.
        """
        ...


def moving_numbers(gen: Generator, part: str | Sequence[int] | None) -> tuple[int, int] | None:
    """From which number of w on, and to which, a search of this part moves it; None for all.

    Args:
      part: a name, BOTH, or such numbers themselves; None for the first part.
    Raises:
      InputError: naming the parts that there are.
    """
    if not isinstance(gen, HasParts):
        if part is not None:
            raise InputError(f"part {part!r}: this model's latent has no parts, leave part out")
        return None
    parts = dict(gen.parts)
    ends = min(first for first, _ in parts.values()), max(end for _, end in parts.values())
    parts |= {BOTH: ends}
    if part is None:
        return next(iter(parts.values()))
    if isinstance(part, str) and part in parts:
        return parts[part]
    match part:
        case (int() as first, int() as end) if ends[0] <= first < end <= ends[1]:
            return first, end
    names = " or ".join(f'"{name}"' for name in parts)
    raise InputError(f"part is {names}, or numbers from {ends[0]} to {ends[1]}, got {part!r}")


def part_text(gen: Generator, numbers: tuple[int, int] | None) -> str:
    """These numbers of w for a person: "z", "z and class", "numbers 2 to 4"; "" for all of a latent without parts."""
    if not isinstance(gen, HasParts) or numbers is None:
        return ""
    names = {ends: name for name, ends in dict(gen.parts).items()}
    if numbers == moving_numbers(gen, BOTH):
        return " and ".join(names.values())
    return names.get(numbers, f"numbers {numbers[0]} to {numbers[1] - 1}")


def numbers_of_z(gen: Generator, numbers: tuple[int, int] | None) -> int:
    """How many of these numbers of w, or of all, are z as it is drawn, in which every direction is like every other."""
    first, end = numbers or (0, gen.w_dim)
    if not isinstance(gen, HasParts):
        return end - first if gen.space is Z else 0
    low, high = dict(gen.parts).get("z", (0, 0))
    return max(min(end, high) - max(first, low), 0)


def has_mapping(gen: Generator) -> bool:
    """Whether a network lies between z and w; parts are put side by side."""
    return gen.space is W and not isinstance(gen, HasParts)
