"""The option that all commands have: `--quiet`."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import tyro

from lrgan_jax.base.progress import in_command

Quiet = Annotated[bool, tyro.conf.arg(help="say nothing but results, notes on them, and errors.")]


def with_quiet(command: Callable[..., None]) -> Callable[..., None]:
    """The command with that option, as a parser of signatures sees it, and with words of progress without it."""
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    signature = inspect.signature(command)

    @wraps(command)
    def run(*given: Any, quiet: bool = False, **options: Any) -> None:
        with in_command(f"lrgan {command.__name__.removesuffix('_command')}", quiet=quiet):
            command(*given, **options)

    del run.__wrapped__  # pyright: ignore[reportAttributeAccessIssue], or the parser looks at that one's types
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = command.__annotations__ | {"quiet": Quiet}
    return run
