"""Tables for the terminal."""

from collections.abc import Mapping, Sequence


def text_table(heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Lines of a table for the terminal: a name, and a cell under each head."""
    first, others = max(12, *map(len, rows)), [max(9, len(head) + 2) for head in heads]
    lines = [("", *heads), *((name, *cells) for name, cells in rows.items())]
    return "\n".join(
        f"  {name:{first}}" + "".join(f"{cell:>{width}}" for width, cell in zip(others, cells, strict=True))
        for name, *cells in lines
    )
