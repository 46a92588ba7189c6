"""What the documents take from the code: `python -m tests.api_index` writes it, test_readme.py compares.

README.md's tables of commands and of methods, and notebooks/INDEX.md, the index of public names, from their docstrings.
"""

import importlib
import inspect
import re
import types
import typing
from pathlib import Path

from lrgan_jax.__main__ import COMMANDS, command
from lrgan_jax.methods import METHODS

ROOT = Path(__file__).parents[1]
README, INDEX = ROOT / "README.md", ROOT / "notebooks" / "INDEX.md"
MODULES = {
    "lrgan_jax": "as `import lrgan_jax as lr` finds them",
    "lrgan_jax.regions": "what a region can be",
    "lrgan_jax.generators": "what makes images, and which latents",
    "lrgan_jax.methods": "the table of methods",
    "lrgan_jax.metrics": "measuring edits and models",
    "lrgan_jax.photographs": "photographs: a face cut out, and an edit of it put back",
    "lrgan_jax.inversion": "photographs to latents",
    "lrgan_jax.sweep": "thousands of latents",
    "lrgan_jax.convert": "other projects' checkpoints",
    "lrgan_jax.training": "models of your own",
    "lrgan_jax.base.errors": "what a user can cause",
}
EXAMPLES = {  # a line to try for each command
    "demo": "lrgan demo --truncation 0.7 --seed 3",
    "info": "lrgan info faces64 --card",
    "sample": "lrgan sample --seed 1",
    "invert": "lrgan invert photo.jpg --tune",
    "directions": "lrgan directions mouth --image 3 --out mouth.npz",
    "edit": "lrgan edit mouth.npz --image 3 --even",
    "explore": "lrgan explore",
    "convert": "lrgan convert network.pkl my-model",
    "train": "lrgan train photos --resolution 64 --out run",
    "distill": "lrgan distill faces-dcgan --out run",
    "sweep": "lrgan sweep store --regions eyes mouth",
    "compare": "lrgan compare --num-latents 16",
    "bench": "lrgan bench",
    "explain": "lrgan explain leak",
}
NEEDS = {  # of a method, as a reader knows them
    "grams": "the region",
    "steps": "the region, and edits of it",
    "weights": "affine maps to the styles",
    "samples": "many latents",
    "mapping": "a mapping network",
    "nothing": "nothing",
}


def commands() -> str:
    """A row a command: a line to try, and the beginning of its help."""
    about = {name: re.split("[.:;](?= |$)", first_sentence(command(name)))[0] for name in COMMANDS}
    rows = [f"| `{EXAMPLES[name]}` | {about[name]} |" for name in COMMANDS]
    return "\n".join(["| try | which is to |", "|---|---|", *rows]) + "\n"


def methods() -> str:
    """A row a method, ours first."""
    rows = [f"| `{row.name}` | {row.title} | {row.about} | {NEEDS[row.needs]} |" for row in reversed(METHODS.values())]
    return "\n".join(["| `method=` | shown as | what it is | looks at |", "|---|---|---|---|", *rows]) + "\n"


def index() -> str:
    """One table a module: every public name, linked to its source, and the first sentence of its docstring."""
    tables = []
    for module, about in MODULES.items():
        rows = [f"| [`{name}`](../{source(thing)}) | {first_sentence(thing)} |" for name, thing in public(module)]
        tables.append("\n".join([f"| `{module}` | {about} |", "|---|---|", *rows]))
    return "\n\n".join(tables) + "\n"


def public(name: str) -> list[tuple[str, typing.Any]]:
    """What the module shows, or what it defines, that has a docstring of its own."""
    module = importlib.import_module(name)
    own = [key for key, thing in vars(module).items() if getattr(thing, "__module__", "") == name and key[0] != "_"]
    shown = dir(module) if "__dir__" in vars(module) else own
    things = [(key, getattr(module, key)) for key in sorted(shown, key=str.lower)]
    ours = [(key, thing) for key, thing in things if getattr(thing, "__module__", "").startswith("lrgan_jax")]
    return [(key, thing) for key, thing in ours if isinstance(inspect.unwrap(thing), type | types.FunctionType)]


def source(thing: typing.Any) -> str:
    """The file, from the root of the repository."""
    return str(Path(inspect.getsourcefile(inspect.unwrap(thing)) or "").relative_to(ROOT))


def first_sentence(thing: typing.Any) -> str:
    """Whole, even if a line is broken before its end."""
    first = inspect.cleandoc(thing.__doc__).split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s(?=[A-Z`])", first)[0].replace("|", "\\|")


PARTS = {"commands": (README, commands), "methods": (README, methods), "index": (INDEX, index)}


def part(name: str) -> tuple[str, str, str]:
    """A document before, between and after the markers of a part."""
    begin, end = f"<!-- {name}: python -m tests.api_index -->\n", f"<!-- end of {name} -->\n"
    text = PARTS[name][0].read_text(encoding="utf-8")
    assert text.count(begin) == text.count(end) == 1, f"{PARTS[name][0].name} has not one place for its {name}"
    before, _, rest = text.partition(begin)
    between, _, after = rest.partition(end)
    return before + begin, between, end + after


def main() -> None:
    for name, (file, made) in PARTS.items():
        before, _, after = part(name)
        file.write_text(before + made() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
