"""Models shared by all tests: small, random, made once a session, since compiling is what tests cost."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
import reference
from jaxtyping import install_import_hook

# Shapes and types are checked in the whole package, but for the reader of other programs' files, which plays a million
# opcodes, and the converter, whose tests would take a fifth longer: neither has shapes; and for the settings of a
# search, which refuse in words of their own what their types rule out. This comes before the first import of what is
# checked.
PACKAGE = Path(__file__).resolve().parents[1] / "lrgan_jax"
CHECKED = sorted({path.stem for path in PACKAGE.iterdir()} - {"convert", "foreign", "search"})
install_import_hook([f"lrgan_jax.{name}" for name in CHECKED], "beartype.beartype")

import sweeps  # noqa: E402
from browser import address, browser, frontal, optimised, page, playing, studio  # noqa: E402, F401 - fixtures

from lrgan_jax.base import progress  # noqa: E402
from lrgan_jax.generators import (  # noqa: E402
    DCGAN,
    PGGAN,
    BigGAN,
    BigGANConfig,
    DCGANConfig,
    PGGANConfig,
    StyleGAN1,
    StyleGAN1Config,
    StyleGAN2,
    StyleGAN2Config,
    StyleGAN3,
    StyleGAN3Config,
    biggan,
    dcgan,
    pggan,
    stylegan1,
    stylegan2,
    stylegan3,
)
from lrgan_jax.generators.stylegan3_design import Design  # noqa: E402

SHARED = (
    Path(__file__).resolve().parents[2] / "shared"
)  # checkpoints too large for the repository, where they are at hand


QUICK = "--xla_cpu_use_fusion_emitters=false"  # XLA's older emitters, which compile twice as fast


def pytest_configure(config):
    """Compiling is what tests cost, here and in the processes that they start. So programs are hardly optimised, which
    takes a third of the time, and kept in a folder of pytest's cache, which makes the next run three times as fast.
    """
    settings = {
        "jax_compilation_cache_dir": str(config.cache.mkdir("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_disable_most_optimizations": True,
    }
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)
    progress.PATIENCE = float("inf")  # how long a test takes is not to change what commands say
    if not hasattr(config, "workerinput") and QUICK not in os.environ.get("XLA_FLAGS", ""):
        flags = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()}
        known = subprocess.run(
            [sys.executable, "-c", "import jax; jax.devices()"], env=os.environ | flags, capture_output=True
        )
        os.environ.update(
            flags if known.returncode == 0 else {}
        )  # XLA ends a process that names a flag it does not know


def pytest_collection_modifyitems(items):
    """The files that take longest first, so that all processes end together."""
    longest = [
        "test_training.py",
        "test_sweep_workers.py",
        "test_sweep.py",
        "test_sweep_store.py",
        "test_main.py",
        "test_browser.py",
        "test_compare.py",
        "test_peer.py",
        "test_peer_families.py",
    ]
    items.sort(key=lambda item: longest.index(item.path.name) if item.path.name in longest else len(longest))


MOST_MAPS, MOST_MEMORY = 40_000, 2**31


@pytest.fixture(scope="module", autouse=True)
def forget_programs():
    """Linux allows a process 65,530 memory maps; the compiled programs of all files take more, and XLA crashes.

    As long as there is room they are kept for the next file, which then need not trace and load them again.
    """
    yield
    if not _room():
        jax.clear_caches()


def _room() -> bool:
    """Whether this process has taken little of the memory and of the maps; nobody knows but on Linux."""
    maps, pages = Path("/proc/self/maps"), Path("/proc/self/statm")
    if not maps.exists() or not pages.exists():
        return False
    taken = int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return maps.read_bytes().count(b"\n") < MOST_MAPS and taken < MOST_MEMORY


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("no folder of shared checkpoints beside the repository")
    return SHARED


@pytest.fixture
def nan_flags():
    """For tests of bad input, which comes back as NaN: JAX_DEBUG_NANS would make that an error."""
    with jax.debug_nans(False):
        yield


@pytest.fixture(scope="session")
def small_stylegan2() -> StyleGAN2:
    """16x16, three blocks, w of 12, with noise that shows."""
    config = StyleGAN2Config(
        channels=(8, 8, 6), z_dim=10, w_dim=12, mapping_layers=2, mapping_features=9, embed_features=0
    )
    variables = jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), config)
    variables["params"] = jax.tree_util.tree_map_with_path(
        lambda path, a: a + 0.1 if path[-1].key == "noise_strength" else a, variables["params"]
    )
    return StyleGAN2(config, variables)


@pytest.fixture(scope="session")
def small_dcgan() -> DCGAN:
    """16x16, z of 10, weights large enough that the tanh bends."""
    config = DCGANConfig(channels=(8, 6), z_dim=10)
    variables = jax.tree.map(
        lambda a: a * 4 if a.ndim == 4 else a, jax.jit(dcgan.init, static_argnums=1)(jax.random.key(1), config)
    )
    return DCGAN(config, variables)


@pytest.fixture(scope="session")
def finished(small_dcgan, tmp_path_factory) -> Path:
    """The store of a sweep that nothing happened to, with all that can be kept."""
    path = tmp_path_factory.mktemp("sweep") / "store"
    sweeps.run(small_dcgan, path)
    return path


@pytest.fixture(scope="session")
def saved(small_dcgan, tmp_path_factory) -> Path:
    """A folder with the model of `sweeps.words` in it."""
    return sweeps.save(small_dcgan, tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="session")
def whole(saved) -> Path:
    """The store of its sweep: one process, one device, uninterrupted, without a launcher."""
    from lrgan_jax.__main__ import main

    assert main(sweeps.words(saved, saved / "whole")) == 0
    return saved / "whole"


@pytest.fixture(scope="session")
def small_stylegan1() -> StyleGAN1:
    """16x16, three blocks, w of 9."""
    config = StyleGAN1Config(channels=(8, 7, 6), z_dim=10, w_dim=9, mapping_layers=2, mapping_features=8)
    return StyleGAN1(config, reference.random_variables(stylegan1.init, config))


@pytest.fixture(scope="session")
def small_stylegan3() -> StyleGAN3:
    """StyleGAN3-T, 16x16, six layers, w of 7."""
    design = Design(16, channel_base=64, channel_max=5, num_layers=4, num_critical=1, margin_size=6, filter_size=4)
    config = StyleGAN3Config(design.layers(), z_dim=6, w_dim=7, mapping_features=7, embed_features=7)
    return StyleGAN3(config, jax.jit(stylegan3.init, static_argnums=1)(jax.random.key(0), config))


@pytest.fixture(scope="session")
def small_pggan() -> PGGAN:
    """16x16, three blocks, z of 10."""
    config = PGGANConfig(channels=(8, 7, 6), z_dim=10)
    return PGGAN(config, reference.random_variables(pggan.init, config))


@pytest.fixture(scope="session")
def small_biggan() -> BigGAN:
    """16x16, z of 6 in three chunks, four classes of 3 numbers, attention that shows."""
    config = BigGANConfig(channels=(16, 16, 8), ups=(True, True), z_dim=6, c_dim=4, class_dim=3, attention=(1,))
    variables = jax.jit(biggan.init, static_argnums=1)(jax.random.key(2), config)
    variables["params"]["attention1"]["gamma"] += 0.5
    return BigGAN(config, variables)


@pytest.fixture
def convert_command(capsys):
    """`lrgan convert ...` -> exit code, and all that it printed."""
    from lrgan_jax.__main__ import main

    def run(*arguments):
        code = main(["convert", *map(str, arguments)])
        return code, "".join(capsys.readouterr())

    return run
