"""Stopping when asked: a signal is noted, and the loop ends where nothing is lost; a reader who is gone is no error."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import NoReturn, TypeVar

GRACE = 15.0  # seconds; schedulers give twenty or thirty between asking and killing
LEFT = "stopped; what was written before is kept, and the same command goes on"
Result = TypeVar("Result")


class Interrupted(Exception):
    """Work that stopped because it was asked to, with all of its results kept.

    Attributes:
      exit_code: 130 for Ctrl-C, 143 for SIGTERM, as shells expect. at_work: whether threads still compute or compile,
        which nothing can end, and which Python would wait for.
    """

    def __init__(self, message: str, number: int, *, at_work: bool = False):
        super().__init__(message)
        self.exit_code, self.at_work = 128 + number, at_work


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


def attended(work: Callable[[StopRequest], Result]) -> Result:
    """`work` in a thread of its own, while this one listens: a handler runs only between two steps of Python's main
    thread, and a compilation or a wait for a server is one step of minutes.

    Where signals do not arrive, in other threads than the main one, it is simply called.

    Args:
      work: ends soon after `number` is there, by itself; after `GRACE` seconds it is left behind.
    Raises:
      Interrupted: if it is left behind. It may raise that itself, too.
    """
    if threading.current_thread() is not threading.main_thread():
        return work(StopRequest())
    done: Future[Result] = Future()
    with stop_request() as stop:
        threading.Thread(target=_do, args=(partial(work, stop), done), daemon=True).start()
        try:
            while stop.number is None and not _wait(done, 0.1):
                pass
            if stop.number is not None and not _wait(done, GRACE):
                raise Interrupted(LEFT, stop.number, at_work=True)
        except KeyboardInterrupt:  # the second one
            raise Interrupted(LEFT, signal.SIGINT, at_work=True) from None
    return done.result()


def _do(work: Callable[[], Result], done: "Future[Result]") -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)


def _wait(done: Future, seconds: float) -> bool:
    return bool(wait([done], seconds).done)


def leave(exit_code: int) -> NoReturn:
    """End the process here and now."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(exit_code)


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
