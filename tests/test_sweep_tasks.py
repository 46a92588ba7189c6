"""Several tasks on a machine, as launchers start them: which GPUs each takes, and what it says."""

from types import SimpleNamespace

import pytest

from lrgan_jax import sweep
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import in_command
from lrgan_jax.sweep import tasks

STEP = {"SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_STEP_TASKS_PER_NODE": "2"}
OPEN_MPI = {"OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}
NAMES = (*sum(tasks.LAUNCHERS, ()), *tasks.SHOWN, *STEP, tasks.BY_HAND, "SLURM_GPUS_ON_NODE", "JAX_PLATFORMS")


def shown(numbers, on_node=None):
    """As SLURM shows a task its GPUs."""
    return {"CUDA_VISIBLE_DEVICES": numbers} | ({} if on_node is None else {"SLURM_GPUS_ON_NODE": str(on_node)})


@pytest.fixture
def take(monkeypatch, tmp_path, capsys):
    """What a task takes in an environment, on a machine of that many GPUs, and what it says."""
    monkeypatch.setattr(tasks, "DEVICES", tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def inner(environment, machine=0, quiet=False):
        settings = {}
        config = SimpleNamespace(jax_platforms=environment.get("JAX_PLATFORMS"), update=settings.__setitem__)
        monkeypatch.setattr(tasks, "jax", SimpleNamespace(config=config))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for k in range(machine):
            (tmp_path / f"nvidia{k}").touch()
        with in_command("lrgan sweep", quiet=quiet):
            numbers = tasks.own_gpus()
        assert set(settings.values()) == (set() if numbers is None else {",".join(map(str, numbers))})
        return None if numbers is None else list(numbers), capsys.readouterr().err.strip()

    return inner


@pytest.mark.parametrize(
    ("environment", "machine", "numbers", "said"),
    [
        ({}, 8, None, ""),
        (STEP, 0, None, ""),  # a machine of CPUs
        (STEP | {"SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_LOCALID": "0"}, 8, None, ""),
        (STEP, 8, [4, 5, 6, 7], "task 1 of 2 on this machine: GPUs 4, 5, 6, 7 of 8"),
        (STEP | {"SLURM_NODEID": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2),3"}, 8, [2, 3, 4], "task 1 of 3"),
        (STEP | shown("0,1,2,3", 4), 8, [2, 3], "GPUs 2, 3 of 4"),
        (STEP | {"SLURM_GPUS_ON_NODE": "4"}, 8, [2, 3], "GPUs 2, 3 of 4"),  # --gpu-bind=none
        (STEP | shown("2,3", 4), 8, None, ""),  # --gpus-per-task=2
        (STEP | shown("1", 8), 8, None, "2 tasks on this machine are shown 1 of 8 GPUs each: 6 stand idle"),
        (STEP | shown("0", 1), 8, [0], "GPU 0 of 1, which it shares"),
        ({"SLURM_LOCALID": "0", "SLURM_NODEID": "0"} | shown("0,1", 2), 8, None, ""),  # a batch script
        ({"SLURM_LOCALID": "0", "SLURM_NODEID": "0"} | OPEN_MPI | shown("0,1", 2), 8, [1], "GPU 1 of 2"),
        (STEP | {"SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_LOCALID": "0"} | OPEN_MPI, 8, [4, 5, 6, 7], "task 1 of 2"),
        (OPEN_MPI | shown("0,3"), 8, [1], "GPU 1 of 2"),
        (OPEN_MPI | shown("3"), 2, None, ""),  # a script gives each its own
        (OPEN_MPI, 1, [0], "GPU 0 of 1, which it shares"),
        ({"MPI_LOCALRANKID": "2", "MPI_LOCALNRANKS": "3"}, 8, [5, 6, 7], "GPUs 5, 6, 7 of 8"),
        ({"LOCAL_RANK": "-1", "LOCAL_WORLD_SIZE": "4"}, 4, None, ""),
        (STEP | shown("GPU-5ad9,GPU-77e1", 2), 2, [1], "GPU 1 of 2"),
        (STEP | shown("NoDevFiles"), 8, None, ""),
        (STEP | {"JAX_PLATFORMS": "cpu"}, 8, None, ""),
        (STEP | {"JAX_CUDA_VISIBLE_DEVICES": "0"}, 8, None, ""),
        (STEP | {tasks.BY_HAND: "0,1"}, 8, [0, 1], "GPUs 0, 1 of 8, by JAX_LOCAL_DEVICE_IDS: the others stand idle"),
        ({tasks.BY_HAND: "0,1"}, 2, [0, 1], ""),
    ],
)
def test_each_task_of_a_machine_takes_its_own_gpus(environment, machine, numbers, said, take):
    """By its launcher's count; where the launcher shows it some alone, those."""
    found, err = take(environment, machine)
    assert found == numbers and said in err and bool(said) == bool(err)


@pytest.mark.parametrize("count", (1, 2, 3, 8, 9))
@pytest.mark.parametrize("gpus", (1, 2, 7, 8))
def test_no_gpu_stands_idle_and_none_is_taken_twice(gpus, count, take):
    parts = [take({"LOCAL_RANK": str(k), "LOCAL_WORLD_SIZE": str(count)}, gpus, quiet=True) for k in range(count)]
    assert not any(err for _, err in parts)
    taken = [gpu for numbers, _ in parts for gpu in (range(gpus) if numbers is None else numbers)]
    assert set(taken) == set(range(gpus)) and len(taken) == max(gpus, count)


@pytest.mark.parametrize("named", ["a", "0,", "4", "-1"])
def test_what_is_not_there_is_refused(named, take):
    with pytest.raises(InputError, match=f"JAX_LOCAL_DEVICE_IDS={named}: "):
        take({tasks.BY_HAND: named}, 4)


def test_nothing_needs_to_be_joined(take):
    with pytest.warns(DeprecationWarning, match="sweep.join"):
        sweep.join()
