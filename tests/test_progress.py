"""What takes long says so, after a while, where somebody looks; times are made up, so nothing here waits."""

import io
import json
import math
import sys
import threading
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from lrgan_jax.base import compiling, durations, progress, screens
from lrgan_jax.base.progress import counted, in_command, mention, say, show_lines_alone, show_progress, waiting


class Clock:
    """In place of `time` in what is tested."""

    sleep = staticmethod(time.sleep)

    def __init__(self):
        self.now, self.compiling = 1000.0, compiling.Compiling()

    def monotonic(self):
        return self.now


class Told(list):
    """A screen that notes what it is given, when it is told to look."""

    def __init__(self, shown):
        self.look = shown._show

    def show(self, what, text, share):
        self.append(text)

    def clear(self):
        self.append("")


@pytest.fixture
def clock(monkeypatch, tmp_path):
    """Time stands still but when it is told to go on; nothing is compiled, and nothing was done here before."""
    clock = Clock()
    for module in (progress, screens, compiling):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(progress, "watch", lambda: clock.compiling)
    monkeypatch.setattr(progress, "PATIENCE", 2.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return clock


@pytest.fixture
def shown(monkeypatch, clock):
    """A clock for jobs, which shows them when it is asked to."""
    shown = progress._Clock()
    monkeypatch.setattr(shown, "_tick", lambda: None)
    monkeypatch.setattr(progress, "_clock", shown)
    return shown


@pytest.fixture
def told(shown):
    """What jobs say when they are looked at."""
    told = Told(shown)
    shown.shown_on(lambda: told)
    return told


def test_nothing_is_said_of_what_is_short(told, clock):
    with waiting("looking"):
        clock.now += 1.9
        told.look()
    assert told == [""]


def test_the_innermost_of_those_that_take_long_is_shown(told, clock):
    """The one around it when that one has ended, and while another is young."""
    with waiting("outer"):
        with waiting("inner"):
            clock.now += 5
            told.look()
        told.look()
        with waiting("young"):
            told.look()
    assert told == ["inner: 5 s so far", "outer: 5 s so far", "outer: 5 s so far", ""]


def test_parts_are_counted_and_the_rest_is_foreseen(told, clock):
    """By their own pace, without what compiling took."""
    for n in counted(range(4), "faces"):
        if n == 2:
            told.look()
        if n == 0:
            clock.compiling.hear(compiling.COMPILED, 80.0)
            clock.now += 80
        clock.now += 20
    assert told[0] == "faces: 2 of 4, 2 min so far, about 40 s left"


def test_parts_done_before_do_not_hasten_the_pace(told, clock):
    with waiting("images") as job:
        for done in (500, 501, 502):
            job.reach(done, 522)
            clock.now += 10
        told.look()
    assert told[0] == "images: 502 of 522, 30 s so far, about 5 min left"


def test_an_error_ends_a_job(told, clock):
    with pytest.raises(ValueError):
        for _ in counted(range(3), "faces"):
            raise ValueError
    clock.now += 5
    told.look()
    assert told == [""]


def test_what_it_took_is_remembered_by_size(told, clock):
    """First by the count of operations; then as the last of that name, in proportion; compiling is no part of it."""
    ops = 30 * durations._usual_speed()

    def left(size):
        with waiting("looking", operations=size):
            clock.now += 4
            told.look()
            clock.compiling.hear(compiling.COMPILED, 100.0)
            clock.now += 140
        return told[-2]

    assert left(ops) == "looking: 4 s so far, about 30 s left"
    assert left(ops) == "looking: 4 s so far, about 40 s left"
    assert left(10 * ops) == "looking: 4 s so far, about 7 min left"
    (known,) = json.loads((durations.cache_folder() / durations.FILE).read_text()).values()
    assert list(known.values()) == [44.0, 44.0]


@pytest.mark.parametrize("content", ["", "[1]", '{"looking": 3}', '{"looking": {"x": 1}}'])
def test_a_damaged_memory_is_none(clock, content):
    durations.cache_folder().mkdir(parents=True)
    (durations.cache_folder() / durations.FILE).write_text(content)
    assert durations.expected("looking", 1e9) == pytest.approx(1e9 / durations._usual_speed())
    durations.remember("looking", 1e9, 7.0)
    assert durations.expected("looking", 1e9) == 7.0


def test_no_more_is_claimed_than_is_known():
    """One digit, and never off by half."""
    assert [durations.about(s) for s in (3.0, 14.0, 57.5, 130.0, 3500.0, 8000.0)] == [
        "some seconds",
        "about 10 s",
        "about 1 min",
        "about 2 min",
        "about 1 h",
        "about 2 h",
    ]
    units = dict(durations.UNITS)
    for seconds in (10 * 1.07**n for n in range(150)):
        _, count, unit = durations.about(seconds).split()
        assert abs(math.log(int(count) * units[unit] / seconds)) < math.log(1.5)


def test_jax_tells_what_it_compiles():
    """Each of the three events that are listened to comes, in that order: a name that JAX changed fails here."""
    heard = []

    def hear(event, duration_secs, **about):
        if about.get("fun_name") in ("jit(never_seen)", "never_seen"):
            heard.append(event)

    jax.monitoring.register_event_duration_secs_listener(hear)
    try:

        @jax.jit
        def never_seen(x):
            return x * 3.25 + time.time()

        never_seen(jnp.ones(3)).block_until_ready()
    finally:
        jax.monitoring.unregister_event_duration_listener(hear)
    assert heard == [compiling.TRACED, compiling.LOWERED, compiling.COMPILED]


def test_compiling_is_told_from_work(told, clock):
    """While a program is compiled it says so, and for how long, by what came before."""
    for event, seconds in ((compiling.TRACED, 3.0), (compiling.LOWERED, 1.0)):
        clock.compiling.hear(event, seconds)
    with waiting("looking"):
        clock.now += 3
        told.look()
        clock.now += 30
        told.look()
        clock.compiling.hear(compiling.COMPILED, 33.0)
        told.look()
    assert told[0] == "looking: 3 s so far, compiling (once, about 20 s)"
    assert told[1:] == ["looking: 33 s so far, compiling (once)", "looking: 33 s so far", ""]


def test_a_log_gets_few_lines(clock, capsys):
    """One for a new job, then ever fewer: an hour of two jobs in turn is not a hundred lines."""
    log = screens.Log()
    for n in range(4 * 3600):
        log.show("odd" if n % 40 < 20 else "even", f"{n // 4} s", None)
        clock.now += 0.25
    times = [int(line.split()[0]) for line in capsys.readouterr().err.splitlines()]
    gaps = [b - a for a, b in zip(times[1:], times[2:], strict=False)]
    assert times[:2] == [0, 5] and gaps[0] == 10 and max(gaps) <= 300 and len(times) < 30


def test_a_terminal_gets_one_line_that_goes_away(monkeypatch):
    """Cut to the width that there is."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setenv("COLUMNS", "40")
    terminal = screens.Terminal()
    terminal.show("faces", "faces: 1 of 2, 3 s so far, some seconds left, loss 0.1", 0.5)
    terminal.clear()
    line, cleared = written.getvalue().split("\r")[1:]
    assert line.startswith("#" * 10 + " ") and len(line.removesuffix("\033[K")) == 39 and cleared == "\033[K"
    terminal.clear()
    assert written.getvalue().count("\r") == 2, "nothing is written where nothing is shown"


def test_a_notebook_gets_one_line_that_is_empty_in_the_end(monkeypatch):
    """It is shown once and then changed, so a saved notebook holds no word of it; names are no HTML."""
    seen = []

    class Handle:
        def update(self, data, raw):
            seen.append(data["text/html"])

    def display(data, raw, display_id):
        seen.append(f"new {data['text/html']}")
        return Handle()

    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    screen = screens.watched()
    assert isinstance(screen, screens.Notebook)
    screen.show("faces", "faces: <1 s", None)
    screen.show("faces", "faces: 2 s", None)
    screen.clear()
    screen.clear()
    assert seen == ["new <small>faces: &lt;1 s</small>", "<small>faces: 2 s</small>", "<small></small>"]


def test_commands_write_to_logs_and_quiet_ones_do_not(shown, clock, capsys):
    """Words go to stderr; stdout is left to results."""
    for quiet in (False, True):
        with in_command("lrgan sample", quiet=quiet):
            clock.now += 3
            shown._show()
            say("a note")
    out, err = capsys.readouterr()
    assert not out and err.splitlines() == ["lrgan sample: 3 s so far", "a note", "a note"]
    assert shown.choose is screens.watched, "what comes after the command is as it was before"


def test_lines_alone(shown, clock, capsys):
    """What changes goes elsewhere, as in JSON; what is said once stays, but for a quiet command."""
    for quiet in (False, True):
        with in_command("lrgan sweep", quiet=quiet):
            show_lines_alone()
            clock.now += 3
            shown._show()
            mention(f"quiet: {quiet}")
    assert capsys.readouterr().err == "quiet: False\n"


def test_a_library_says_nothing_where_nobody_looks(monkeypatch, clock, capsys):
    """stderr is no terminal here, and this is no notebook; where it is one it can be told to be silent."""
    shown = progress._Clock()
    monkeypatch.setattr(progress, "_clock", shown)
    threads = threading.active_count()
    with waiting("looking"):
        assert shown.screen is None and threading.active_count() == threads
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    show_progress(False)
    with waiting("looking"):
        assert shown.screen is None
    show_progress()
    with waiting("looking"):
        assert isinstance(shown.screen, screens.Terminal) and threading.active_count() == threads + 1
    assert capsys.readouterr() == ("", "")
