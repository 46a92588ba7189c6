"""ES modules that import one another, as the one module that anywidget takes.

Each becomes a function that is called once and returns what the module exports. Understood are the forms that the page
uses: an import a statement, exports in front of what they name or in braces at the end.
"""

import re
from pathlib import Path

IMPORT = re.compile(r'^import (?:\* as )?(\w+|\{[^}]*\}) from "(\.[^"]*)";', re.M)
NAMED = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.M)
LISTED = re.compile(r"export ?\{([^}]*)\};\s*$")
DEFAULT = re.compile(r"^export default (.*);\s*$", re.M)


def bundle(entry: Path) -> str:
    """The module and all that it imports, which goes in no circles; its default export is the bundle's."""
    functions: dict[Path, str] = {}
    _add(entry.resolve(), functions)
    return "\n".join(["const modules = [];", *functions.values(), "export default modules.at(-1).default;\n"])


def _add(path: Path, functions: dict[Path, str]) -> None:
    """A module's function, after those of all that it imports."""

    def imported(match: re.Match[str]) -> str:
        what, where = match.groups()
        if (other := (path.parent / where).resolve()) not in functions:
            _add(other, functions)
        names = what.replace(" as ", ": ")
        return f"const {names} = modules[{[*functions].index(other)}];"

    text = IMPORT.sub(imported, path.read_text())
    names = ", ".join(NAMED.findall(text))
    text = DEFAULT.sub(r"return { default: \1 };", LISTED.sub(_returned, NAMED.sub("", text)))
    functions[path] = f"modules[{len(functions)}] = (() => {{\n{text}\nreturn {{ {names} }};\n}})();"


def _returned(listed: re.Match[str]) -> str:
    """What `own as name` exports, as an object."""
    pairs = [name.split(" as ") for name in listed[1].split(",")]
    return f"return {{ {', '.join(f'{pair[-1].strip()}: {pair[0].strip()}' for pair in pairs)} }};"
