"""Folders in place of other projects' checkouts: with the real ones' file names, and stand-ins for their classes."""


def written(folder, file, code):
    """That file with this code, in the folder, which is made."""
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(code)
    return folder


def standing_in(name, module, standin, body="pass"):
    """Code of a class of that name, which is a stand-in's of that module; `body` are further lines of it."""
    return f"from {module} import *\nfrom {module} import {standin} as Base\n\nclass {name}(Base):\n    {body}\n"
