"""Stopping when asked: a signal is noted, and the loop ends where nothing is lost; a reader who is gone is no error."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Work that stopped because it was asked to, with all of its results kept."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number  # 130 for Ctrl-C, 143 for SIGTERM, as shells expect


class StopRequest:
    """`number` is the signal that asked to stop, None as long as none did.

    It may come at any time: look once, then save, then stop.
    """

    number: int | None = None


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """While inside, SIGINT and SIGTERM only note that they came; a second one acts as it always does."""
    request = StopRequest()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number, frame):
        request.number = number
        restore()

    def restore():
        for each, handler in usual.items():
            signal.signal(each, handler)

    for number in usual:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()


@contextmanager
def until_the_reader_goes() -> Iterator[None]:
    """Inside, a pipe whose reader has seen enough, such as `head`, ends the program quietly, with the code that shells
    give for it.

    Raises:
      SystemExit: 141, which is 128 and SIGPIPE.
    """
    try:
        try:
            yield
        finally:
            print(end="", flush=True)  # what is still held back would else fail when Python goes down, and say so
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
