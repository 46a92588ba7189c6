"""Stopping when asked: a signal is noted, and the loop ends where it loses nothing."""
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Work that stopped because it was asked to, with all of its results kept."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number  # 130 for Ctrl-C, 143 for SIGTERM, as shells expect


class StopRequest:
    """`number` is the signal that asked to stop, None as long as none did. It may come at any time: look once, then save, then stop."""

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
