"""Sweeps under SLURM itself and Open MPI, where they are installed (slurmctld, slurmd, munge and mpirun)."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from slurm import Missing, cluster
from sweeps import assert_equal_within, contents, words

import lrgan_jax.__main__ as command
from lrgan_jax.base.interrupt import GRACE

pytestmark = pytest.mark.slow
SWEEP = "lrgan sweep /shared/sweep --num-latents 10000"  # in the notebook's scripts
AS_ROOT = ["--allow-run-as-root", "--oversubscribe"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Runs a line on a cluster of one machine, as SLURM believes, with eight GPUs."""
    try:
        with cluster(tmp_path_factory.mktemp("slurm"), gpus=8) as environment:
            yield lambda *line, **options: launched(*line, env=environment, **options)
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def mpirun():
    if (found := shutil.which("mpirun")) is None:
        pytest.skip("no mpirun here")
    return [found, *(AS_ROOT if "Open MPI" in launched(found, "--version") else [])]


def launched(*line, **options):
    done = subprocess.run(map(str, line), capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def submit(slurm, folder, script, *options):
    """Its number."""
    (folder / "script").write_text(script)
    return slurm("sbatch", "--parsable", "--output", folder / "out-%a", *options, folder / "script").strip()


def ended(slurm, folder, job):
    """What all of its tasks wrote, once they have ended well."""
    until(lambda: not slurm("squeue", "--noheader", "--jobs", job))
    out = "".join(file.read_text() for file in folder.glob("out-*"))
    assert set(re.findall(r"JobState=(\w+)", slurm("scontrol", "show", "job", job))) == {"COMPLETED"}, out
    return out


@pytest.fixture
def batch(slurm, tmp_path):
    return lambda script, *options: ended(slurm, tmp_path, submit(slurm, tmp_path, script, *options))


def until(there, seconds=120):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.1)


def processes(out):
    """That said how far they were, in lines that may be mixed."""
    return set(re.findall(r'"process": (\d+)', out))


def lrgan(*args):
    return [sys.executable, "-m", "lrgan_jax", *args]


TAKE = """
import os
from lrgan_jax.base.progress import in_command
from lrgan_jax.sweep.tasks import own_gpus
with in_command("lrgan sweep", quiet=False):
    numbers = own_gpus()
shown = os.environ.get("CUDA_VISIBLE_DEVICES", "0,1,2,3").split(",")
print("takes " + " ".join(shown if numbers is None else [shown[number] for number in numbers]))
"""
TAKEN = ["env", "-u", "JAX_PLATFORMS", sys.executable, "-c", TAKE]


def taken(out):
    return sorted(re.findall(r"takes ([\d ]*\d)", out))


@pytest.mark.parametrize(
    ("options", "parts", "said"),
    [
        ("-n 2 --gpus=8", ["0 1 2 3", "4 5 6 7"], "task 1 of 2 on this machine: GPUs 4, 5, 6, 7 of 8"),
        ("-n 2 --gpus-per-task=2", ["0 1", "2 3"], ""),
        ("-n 2 --gpus-per-task=2 --gpu-bind=none", ["0 1", "2 3"], "task 0 of 2 on this machine: GPUs 0, 1 of 4"),
        ("--gpus=2 --ntasks-per-gpu=1", ["0", "1"], ""),
        ("-n 2 --gpus=8 --gpu-bind=single:1", ["0", "1"], "6 stand idle"),
    ],
)
def test_tasks_of_srun_take_all_that_they_are_shown(options, parts, said, slurm):
    out = slurm("srun", *options.split(), *TAKEN)
    assert taken(out) == parts and said in out


def test_a_batch_script_takes_all_and_mpirun_in_it_deals_them_out(batch, mpirun):
    script = f"#!/bin/bash\n{shlex.join(TAKEN)}\n{shlex.join([*mpirun, '-n', '2', *TAKEN])}\n"
    out = batch(script, "-n", 2, "--gpus=4")
    assert "task 1 of 2 on this machine: GPUs 2, 3 of 4" in out
    assert taken(out) == ["0 1", "0 1 2 3", "2 3"]


@pytest.mark.parametrize("launcher", ["srun", "mpirun", "salloc"])
def test_two_tasks_share_a_sweep(launcher, saved, whole, tmp_path, request):
    """`srun -n 2 lrgan sweep`, and the same with `mpirun`, alone and in what SLURM has allocated."""
    start = request.getfixturevalue("slurm") if launcher != "mpirun" else launched
    line = [] if launcher == "mpirun" else [launcher, "-n", 2]
    line += [] if launcher == "srun" else [*request.getfixturevalue("mpirun"), "-n", 2]
    out = start(*line, *lrgan(*words(saved, tmp_path / "store")))
    assert len(processes(out)) == 2
    assert contents(tmp_path / "store") == contents(whole)


def test_shares_of_an_array(saved, whole, batch, tmp_path):
    """As for machines without a common store."""
    share = shlex.join(lrgan(*words(saved, f"{tmp_path}/part-SHARE", "--shard", "SHARE/2")))
    batch(f"#!/bin/bash\n{share.replace('SHARE', '$SLURM_ARRAY_TASK_ID')}\n", "--array=0-1")
    launched(*lrgan("sweep", tmp_path / "merged", "--merge", tmp_path / "part-0", tmp_path / "part-1"))
    assert_equal_within(tmp_path / "merged", whole)


def blocks(language):
    """Of code, in the notebook of sweeps."""
    book = json.loads((Path(__file__).parents[1] / "notebooks" / "05_a_sweep.ipynb").read_text())
    texts = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown"]
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def from_notebook(number, *line):
    """A script of the notebook's, with this for its own sweep."""
    script = blocks("bash")[number]
    assert SWEEP in script
    return script.replace(SWEEP, shlex.join(line))


@pytest.mark.parametrize(
    ("number", "options"),
    [(0, ["--array=0-1", "--gpus=2"]), (1, ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=2"])],
)
def test_the_scripts_of_the_notebook(number, options, saved, whole, batch, tmp_path):
    out = batch(from_notebook(number, *lrgan(*words(saved, tmp_path / "store"))), *options)
    assert len(processes(out)) == 2
    assert contents(tmp_path / "store") == contents(whole)


def test_a_job_that_is_asked_to_stop_queues_again_and_goes_on(saved, slurm, tmp_path):
    """As a minute before its time is over: nothing is lost."""
    script = from_notebook(0, *lrgan(*words(saved, tmp_path / "store", num=100)))
    job = submit(slurm, tmp_path, script, "--array=0")
    out = tmp_path / "out-0"
    until(lambda: out.exists() and out.read_text().count("{") > 3)
    slurm("scancel", "--signal=TERM", f"{job}_0")
    asked = time.monotonic()
    until(lambda: "all kept; the same command goes on" in out.read_text())
    assert time.monotonic() - asked < GRACE + 5
    assert len(processes(ended(slurm, tmp_path, job))) == 2
    assert command.main(words(saved, tmp_path / "whole", num=100)) == 0
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


@pytest.mark.parametrize("number", [0, 1])
def test_the_jobs_for_kubernetes(number):
    """What its server would refuse, or do otherwise than the notebook says."""
    asked = pytest.importorskip("yaml").safe_load(blocks("yaml")[number])
    kind, job = asked["kind"], asked
    if kind == "JobSet":
        (job,) = (part["template"] for part in asked["spec"]["replicatedJobs"])
    assert (asked["apiVersion"], kind) in (("batch/v1", "Job"), ("jobset.x-k8s.io/v1alpha2", "JobSet"))
    assert "completions" not in job["spec"]
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # the only one that goes with a podFailurePolicy
    assert pod["terminationGracePeriodSeconds"] > GRACE + 5
    (container,) = pod["containers"]
    assert all(isinstance(word, str) for word in container["command"])
    assert container["command"][:2] == ["lrgan", "sweep"]
