"""Who computes what, where any number of workers join and leave one store, and nobody is in charge.

A worker's heart is an object that it writes again and again. A claim is an object that names its worker, written only
where no claim lies, or one of a worker that is dead: whose heart is gone, or has not changed for `LAPSE` seconds of the
observer's own clock, as clocks of machines differ. Time in which the observer was not heard itself does not count: then
a server failed, or a machine slept. A process that has gone from this machine is dead at once.

Who stood still for long finds somebody else's name on what it had claimed, and drops it.
"""

import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from lrgan_jax.base.progress import mention
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.objects import Objects, as_json

BEAT = 15.0  # seconds from one to the next
LAPSE = 60.0  # seconds without one after which a worker counts as dead
GAP = 30.0  # seconds without a beat of its own after which a worker gives the others all of that time again
CLAIMS, WORKERS = "progress/claims/", "progress/workers/"


class Worker:
    """This process among those at a store, from `with` to its end, at which it gives back what it has claimed."""

    def __init__(self, objects: Objects):
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._objects, self._mine = objects, self.name.encode()
        self._held: set[str] = set()
        self._hearts: dict[str, tuple[bytes, float]] = {}  # of others: the last beat, and when it was new here
        self._owners: dict[str, str] = {}  # of others' claims, as they were last read
        self._heard = self._steady = time.monotonic()  # its own last beat, and since when these have come without a gap
        self._ends: dict[str, str] = {}  # how it was noticed of each dead one, "" once it was said
        self._leaves = threading.Event()

    def __enter__(self) -> "Worker":
        self._beat(0)
        self._pulse = threading.Thread(target=self._keep_beating, daemon=True)
        self._pulse.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._leaves.set()
        self._pulse.join()
        with suppress(SweepError):  # a store that cannot be reached: others wait a minute
            for item in tuple(self._held):
                self.release(item)
            self._objects.delete(f"{WORKERS}{self.name}")

    def taken(self) -> dict[str, str]:
        """What somebody alive has claimed, and who."""
        claimed, living = self._objects.names(CLAIMS), self._living()
        doubtful = [item for item in claimed if item not in self._held and self._owners.get(item) not in living]
        found = self._objects.read_all(f"{CLAIMS}{item}" for item in doubtful)
        self._owners |= {name.removeprefix(CLAIMS): owner.decode(errors="replace") for name, owner in found.items()}
        others = {item: owner for item, owner in self._owners.items() if item in claimed and owner in living}
        return others | dict.fromkeys(self._held.intersection(claimed), self.name)

    def bury(self) -> None:
        """Remove the claims of the dead: for when nothing is left that somebody could claim after them."""
        claimed = self._objects.names(CLAIMS)
        taken = self.taken()
        self._objects.delete(*(f"{CLAIMS}{item}" for item in claimed if item not in taken))

    def take(self, item: str) -> bool:
        """Claim an item that nobody alive has claimed; whether that worked."""
        seen = self._objects.seen(f"{CLAIMS}{item}")
        if seen.content is not None and seen.content.decode(errors="replace") in self._living():
            return False
        if not self._objects.write_if(f"{CLAIMS}{item}", self._mine, seen.stamp):
            return False
        self._held.add(item)
        if seen.content not in (None, self._mine):
            self._tell_of(seen.content.decode(errors="replace"))
        return True

    def holds(self, item: str) -> bool:
        """Whether what this worker has claimed is still its own; if not, it is somebody else's like any other."""
        own = self._objects.read(f"{CLAIMS}{item}") == self._mine
        if not own and item in self._held:
            self._held.discard(item)
            self._tell_of(self.name)
        return own

    def release(self, item: str) -> None:
        if self.holds(item):
            self._objects.delete(f"{CLAIMS}{item}")
        self._held.discard(item)

    def _tell_of(self, worker: str) -> None:
        """Once of each, whatever it has lost."""
        if end := self._ends.get(worker, "has not been heard of in time"):
            mention(f"{plain(worker)} {end}: what it was at is done by others")
            self._ends[worker] = ""

    def _living(self) -> set[str]:
        """The others whose hearts beat, as far as this worker can tell. The hearts of the dead are removed."""
        names = [f"{WORKERS}{name}" for name in self._objects.names(WORKERS) if name != self.name]
        hearts, known, now = self._objects.read_all(names), self._hearts, time.monotonic()
        new = {name: (beat, now) for name, beat in hearts.items() if name not in known or known[name][0] != beat}
        self._hearts = {name: known[name] for name in hearts.keys() - new.keys()} | new
        counts = self._steady_since(now)
        silent = {name: (beat, now - max(since, counts)) for name, (beat, since) in self._hearts.items()}
        dead = {name: end for name, heart in silent.items() if (end := _end(*heart))}
        self._ends |= {name.removeprefix(WORKERS): end for name, end in dead.items()}
        self._objects.delete(*dead)  # one that was only slow writes it again
        return {name.removeprefix(WORKERS) for name in hearts.keys() - dead.keys()}

    def _keep_beating(self) -> None:
        count = 0
        while not self._leaves.wait(BEAT):
            count += 1
            with suppress(SweepError):  # it may be reached again by the next time
                self._beat(count)

    def _beat(self, count: int) -> None:
        self._objects.write(
            f"{WORKERS}{self.name}", as_json({"beat": count, "pid": os.getpid(), "processes": _processes()})
        )
        now = time.monotonic()
        self._steady, self._heard = self._steady_since(now), now

    def _steady_since(self, now: float) -> float:
        """From when on the silence of others counts."""
        return self._steady if now - self._heard < GAP else now


def _processes() -> str | None:
    """What tells this machine's processes from all others: its start, and the part of it that a container sees.

    None where there is no such thing, as on macOS and Windows.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def plain(worker: str) -> str:
    """Its machine and process, without what tells it from all that were and will be."""
    return worker.rpartition("-")[0]


def _end(beat: bytes, seconds: float) -> str:
    """How a worker with that heart ended, so many seconds after it was last heard of; "" if it did not."""
    if _gone(beat):
        return "has gone"
    return f"has not been heard of for {seconds:.0f} s" if seconds > LAPSE else ""


def _gone(beat: bytes) -> bool:
    """Whether it is of a process that was on this machine, and is no more."""
    try:
        heart: dict[str, Any] = json.loads(beat)
        if heart["processes"] is None or heart["processes"] != _processes():
            return False
        os.kill(heart["pid"], 0)
        with open(f"/proc/{heart['pid']}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"  # dead, and nobody has asked how it ended
    except ProcessLookupError:
        return True
    except (ValueError, KeyError, TypeError, OSError):
        return False
