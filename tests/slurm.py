"""SLURM's own daemons on this machine alone, as one node with pretended GPUs, in a folder and on ports of their own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DAEMONS = "munged", "slurmctld", "slurmd"
CONFIGURATION = """
ClusterName=lrgan
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
# How long a job that is queued again waits, too.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# No cgroups, which containers do not let their processes make.
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
GresTypes=gpu
# More processors than there are, so that tasks need not wait for one another.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES
"""


class Missing(Exception):
    """A cluster that cannot be had here, and why."""


@contextmanager
def cluster(folder: Path, gpus: int) -> Iterator[dict[str, str]]:
    """The environment in which `srun` and the like reach it.

    Args:
      gpus: that SLURM believes this machine to have; files stand for them.
    Raises:
      Missing: if the daemons are not there, or do not come up.
    """
    commands = {name: shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in DAEMONS}
    if missing := [name for name, found in commands.items() if found is None]:
        raise Missing(f"no {', '.join(missing)} here")
    if os.getuid():
        raise Missing("SLURM's daemons start other users' processes, so they need root")
    _write(folder, gpus)
    environment = os.environ | {"SLURM_CONF": f"{folder}/slurm.conf"}
    with _running([commands["munged"], "--foreground", *_munge_options(folder)], folder, environment):
        _until(lambda: (folder / "munge.socket").exists(), folder)
        with (
            _running([commands["slurmctld"], "-D"], folder, environment),
            _running([commands["slurmd"], "-D"], folder, environment),
        ):
            _until(lambda: _idle(environment), folder)
            yield environment


def _write(folder: Path, gpus: int) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, ports=ports, host=host, gpus=gpus))
    for k in range(gpus):
        (folder / f"gpu{k}").symlink_to("/dev/null")
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/gpu[0-{gpus - 1}]\n")
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)


def _munge_options(folder: Path) -> list[str]:
    """`--force`, as a folder for tests is not as well guarded as munged wants it."""
    names = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    return ["--force", *(f"--{option}={folder}/munge.{end}" for option, end in names.items())]


@contextmanager
def _running(line: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (
        open(folder / "output", "ab") as output,
        subprocess.Popen(line, env=environment, stdout=output, stderr=output) as daemon,
    ):
        try:
            yield
        finally:
            daemon.terminate()


def _until(there: Callable[[], bool], folder: Path, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            last = (folder / "output").read_text().strip().splitlines()[-1:]
            raise Missing(f"SLURM's daemons do not come up here: {' '.join(last)}")
        time.sleep(0.1)


def _idle(environment: dict[str, str]) -> bool:
    asked = subprocess.run(["sinfo", "--noheader", "--format=%t"], env=environment, capture_output=True, text=True)
    return set(asked.stdout.split()) == {"idle"}
