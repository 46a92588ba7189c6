"""The README's index of public names, from their docstrings: `python -m tests.api_index` writes it, test_readme.py compares."""
import importlib
import inspect
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- index: python -m tests.api_index -->\n", "<!-- end of index -->"
MODULES = {
    "lrgan_jax": "as `import lrgan_jax as lr` finds them",
    "lrgan_jax.regions": "what a region can be",
    "lrgan_jax.metrics": "measuring edits and models",
    "lrgan_jax.baselines": "other methods, as `Directions`",
    "lrgan_jax.sweep": "thousands of latents",
}


def index() -> str:
    """One table a module: every public name, linked to its source, and the first line of its docstring."""
    tables = []
    for module, about in MODULES.items():
        rows = [f"| [`{name}`]({source(thing)}) | {first_line(thing)} |" for name, thing in public(module)]
        tables.append("\n".join([f"| `{module}` | {about} |", "|---|---|", *rows]))
    return "\n\n".join(tables) + "\n"


def public(name: str) -> list[tuple[str, object]]:
    """`__all__`, or the functions that the module defines."""
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None) or [
        key for key, thing in vars(module).items() if inspect.isfunction(thing) and thing.__module__ == name and not key.startswith("_")
    ]
    things = ((key, getattr(module, key)) for key in sorted(names, key=str.lower))
    return [(key, thing) for key, thing in things if callable(thing)]


def source(thing) -> str:
    return str(Path(inspect.getsourcefile(inspect.unwrap(thing)) or "").relative_to(ROOT))


def first_line(thing) -> str:
    """The first sentence, so that a line broken before its end is whole."""
    first = inspect.cleandoc(thing.__doc__).split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s(?=[A-Z`])", first)[0].replace("|", "\\|")


def main() -> None:
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(before + BEGIN + index() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
