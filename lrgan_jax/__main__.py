"""The command `lrgan`."""

import difflib
import os
import sys
import traceback
from importlib import import_module
from typing import Any

from lrgan_jax.base.errors import LrganError
from lrgan_jax.base.files import cache_folder
from lrgan_jax.base.interrupt import Interrupted, leave, until_the_reader_goes

COMMANDS = {  # name -> file and function; a file is read when its command is asked for
    "demo": "demo:demo_command",
    "info": "info:info_command",
    "sample": "sample:sample_command",
    "invert": "invert:invert_command",
    "directions": "directions:directions_command",
    "edit": "edit:edit_command",
    "explore": "explore:explore_command",
    "convert": "convert:convert_command",
    "train": "train:train_command",
    "distill": "train:distill_command",
    "sweep": "sweep:sweep_command",
    "compare": "compare:compare_command",
    "bench": "bench:bench_command",
    "explain": "explain:explain_command",
}
REPORT = (
    "this is a bug in lrgan_jax, not in what you asked for: please report it, with the lines above, "
    "where you got the package from"
)


def command(name: str) -> Any:
    """The function of that command, with the option that all have."""
    from lrgan_jax.commands.quiet import with_quiet

    file, function = COMMANDS[name].split(":")
    return with_quiet(getattr(import_module(f"lrgan_jax.commands.{file}"), function))


def run(words: list[str], prog: str) -> None:
    """One command, or the help of all of them.

    Raises:
      LrganError: on a word that is no command, and whatever the command raises.
    """
    import jax
    import tyro

    # Compiled programs are kept, so that a second run starts at once; a user's own setting wins.
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    name = words[0] if words else ""
    if name and not name.startswith("-") and name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {prog} {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        raise LrganError(f"no command {name!r}; {hint}")
    options = (tyro.conf.FlagCreatePairsOff,)
    if name in COMMANDS:
        tyro.cli(command(name), args=words[1:], prog=f"{prog} {name}", config=options)
        return
    about = "Edit one region of a generated image and leave the rest still. What words mean: lrgan explain."
    every = {name: command(name) for name in COMMANDS}
    tyro.extras.subcommand_cli_from_dict(every, args=words, prog=prog, description=about, config=options)


def main(words: list[str] | None = None, prog: str = "lrgan") -> int:
    """Run the command; errors that a user can cause are one line on stderr and exit code 1, a bug shows where it is.

    Args:
      words: the command and its options; those that the program was started with by default.
    """
    try:
        with until_the_reader_goes():
            run(sys.argv[1:] if words is None else words, prog)
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        if stopped.at_work:
            leave(stopped.exit_code)
        return stopped.exit_code
    except KeyboardInterrupt:
        return 130
    except LrganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        print(REPORT, file=sys.stderr)
        return 70  # an internal error, as sysexits.h has it
    return 0


if __name__ == "__main__":
    sys.exit(main())
