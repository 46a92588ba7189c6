"""The house as a whole: imports point one way, everything public exists and is explained, and importing it raises no
warning.
"""

import ast
import inspect
import os
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lrgan_jax
from lrgan_jax.generators import ARCHITECTURES

ROOT = Path(lrgan_jax.__file__).parent
# The house from the bottom to the top, a floor a line or two: a module may import what stands before it. Rooms whose
# files know one another in one order only are written out; of the others any file may know those of its own room.
ORDER = """
base.ahead base.arrays base.errors base.checks base.deprecation base.files base.interrupt base.rotations base.linalg
base.memory base.pictures
base.settings base.compiling base.durations base.screens base.progress base
glossary
foreign.errors foreign.allowed foreign.pickles foreign.containers foreign.array_files foreign
published images captions display.pictures display.cards display.graphs display.records display
 regions.drawn regions.soft regions layers lengths
rpca.problem rpca.authors rpca.alternating rpca.converged rpca.products rpca
jacobian subspaces exact krylov search leading
generators.latents generators.windows generators.protocol generators.parts generators.view
generators.sampling generators.natural generators.shown generators.latent_files
generators.functions generators.style_space generators.ops generators.growth generators.truncation
generators.stored
generators.stylegan2_network generators.stylegan2 generators.alias_free generators.stylegan3_design generators.stylegan3
generators.stylegan1_network generators.stylegan1 generators.pggan generators.dcgan
generators.biggan_network generators.biggan generators
directions targets
methods.record methods.chance methods.frontier methods.ganspace methods.local_basis methods.paper methods.refined
methods.resefa methods.sefa methods mixed
metrics.change metrics.steps metrics.angles metrics.strips metrics.distances metrics.oddity metrics.layers
metrics.networks metrics.lpips metrics.faces metrics.detection metrics
models.checkpoint models.named models
photographs.photograph photographs.warp photographs.framing photographs.crop photographs.landmarks
photographs.alignment photographs.model_framing photographs.blend photographs
inversion.coordinates inversion.likeness inversion.weights inversion.noise inversion.problem inversion.start
inversion.adam inversion.gauss_newton inversion.fit inversion.attempts inversion.found inversion.resume inversion.invert
inversion.tuning inversion.kept inversion
previews editing evaluation refined measured layer_map pipeline
pages.kit pages.layers pages
convert.formats convert.reading convert.write convert.check convert.metric_networks convert
training.losses training.augment training.discriminator training.step training.data training.loop training.adversarial
training.distillation training
sweep.errors sweep.block sweep.buckets sweep.patience sweep.objects sweep.arrays sweep.store sweep.earlier
sweep.begin sweep.plan sweep.sums sweep.population sweep.damage sweep.tasks sweep.processes sweep.claims
sweep.unfinished sweep.agenda sweep.keeper sweep.devices sweep.work
sweep.results sweep.loop sweep.merge sweep
demo.edits demo.page demo
panel.wire panel.masks panel.found panel.named panel.wanted panel.pictures panel.portrait panel.photographs
panel.portrait_code panel.faces panel.walks panel.code panel.searching panel.rendering panel.quick panel.session
panel.studio panel.opening panel.models panel.snapshot panel.bundle panel.widget panel.server panel
compare.stages compare.setup compare.kept compare.methods compare.effects compare.naturalness compare.walks
compare.experiment compare.figures compare.plane compare.front compare.page
compare
bench
__init__
commands.options commands.quiet commands.tables commands
__main__
""".split()  # noqa: SIM905
NAMES = [name for name in dir(lrgan_jax) if name not in (*lrgan_jax.ROOMS, "__version__")]
JOBS = (
    "compare",
    "convert",
    "demo",
    "panel",
    "sweep",
    "training",
)  # rooms that know one another by the door, if at all
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for path in sorted(ROOT.rglob("*.py"))
}


def place(module):
    """Where a module stands in ORDER; parts of a package stand with it unless they have a place of their own."""
    name = module
    while name and name not in ORDER:
        name = name.rpartition(".")[0]
    assert name, f"{module} has no place in the order of imports: add it to ORDER where it belongs"
    return ORDER.index(name)


def imported(tree, package=None):
    """Full names of all modules that a source imports, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            assert node.module
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                # `from lrgan_jax import images` imports a module, `from lrgan_jax.images import grid` a name in one.
                yield full if full.removeprefix("lrgan_jax.") in SOURCES else node.module


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_from_the_bottom_up(module):
    """No module knows of one that stands above it."""
    own = place(module)
    for name in imported(SOURCES[module]):
        if name.partition(".")[0] == "lrgan_jax":
            inner = name.removeprefix("lrgan_jax").removeprefix(".") or "__init__"
            assert place(inner) < own or (place(inner) == own and inner != module), (
                f"{module} imports {name}, which stands above it"
            )


@pytest.mark.parametrize("module", SOURCES)
def test_no_room_reaches_into_another(module):
    """Jobs know one another by what their doors offer, and nobody takes a private name of another file."""
    own = module.partition(".")[0]
    for name in imported(SOURCES[module]):
        room, _, inside = name.removeprefix("lrgan_jax.").partition(".")
        if name.startswith("lrgan_jax.") and own in JOBS and room in JOBS and room != own:
            assert f"{room}.{inside}" not in SOURCES, f"{module} imports {name}, which is inside {room}"
    for node in ast.walk(SOURCES[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lrgan_jax"):
            private = [
                alias.name for alias in node.names if alias.name.startswith("_") and not alias.name.endswith("__")
            ]
            assert not private, f"{module} imports {private} of {node.module}"


def test_the_order_is_checked_on_real_imports():
    """The walk above does find imports: these are known."""
    assert {"lrgan_jax.targets", "lrgan_jax.rpca", "lrgan_jax.subspaces"} <= set(imported(SOURCES["pipeline"]))
    assert "flax.linen" in set(imported(SOURCES["generators.stylegan2"]))
    assert "lrgan_jax.sweep" in set(imported(SOURCES["compare.setup"]))
    assert {"jacobian", "generators.ops", "generators", "__init__"} <= SOURCES.keys()


@pytest.mark.parametrize("module", SOURCES)
def test_who_may_know_what(module):
    """No other framework anywhere but where `--peer` runs one; networks alone know Flax, commands alone a parser."""
    roots = {name.partition(".")[0] for name in imported(SOURCES[module])}
    assert not roots & {"tensorflow", "convert", "scipy", "matplotlib"}
    assert "pickle" not in roots or module == "convert.write.torch_writer"  # which writes, and reads nothing
    assert "torch" not in roots or module.startswith("convert.check.")
    networks = {f"generators.{name}" for name in (*ARCHITECTURES, "intermediates")}
    networks |= {"training.discriminator", "training.distillation"}
    assert "flax" not in roots or module.removesuffix("_network") in networks
    assert "tyro" not in roots or module.startswith("commands.") or module == "__main__"


def test_no_function_takes_too_much():
    """Twelve arguments at most, but for the commands, whose arguments are their options."""
    for module, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and not module.startswith("commands."):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                assert len(taken) <= 12, f"{module}.{node.name} takes {len(taken)} arguments"


def test_importing_is_light_and_changes_nothing():
    """No parser, no Flax, no Orbax before they are needed; neither the environment nor JAX's configuration
    is touched.
    """
    code = """
import os, sys, jax
before = dict(os.environ), dict(jax.config.values)
import lrgan_jax
assert before == (dict(os.environ), dict(jax.config.values))
print(*sorted({"tyro", "flax", "orbax", "tensorstore", "optax", "tqdm"} & sys.modules.keys()))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT.parent), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd="/", timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_says_what_it_holds(module):
    assert ast.get_docstring(SOURCES[module])


@pytest.mark.parametrize("name", NAMES)
def test_public_names_exist_and_are_explained(name):
    """A docstring of its own: neither inherited nor the one that dataclasses and tuples are given."""
    thing = getattr(lrgan_jax, name)
    doc = vars(thing).get("__doc__") if inspect.isclass(thing) else inspect.getdoc(thing)
    assert doc and not doc.startswith(f"{name}(")


def test_all_public_names_are_listed():
    """What the package imports into its front room is what it offers, those for type checkers included, which come when
    asked for.
    """
    nodes = list(ast.walk(SOURCES["__init__"]))
    imports = [
        node
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module not in ("importlib", "typing", "lrgan_jax")
    ]
    offered = {alias.asname or alias.name for node in imports for alias in node.names}
    assert offered == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("room", lrgan_jax.ROOMS)
def test_rooms_show_what_they_offer(room):
    """`lr.sweep.<tab>` without an import of its own, and without what the room itself imports."""
    shown = dir(getattr(lrgan_jax, room))
    assert shown and shown == sorted(getattr(lrgan_jax, room).__all__)
    assert all(hasattr(getattr(lrgan_jax, room), name) for name in shown)
    assert not {"np", "os", "io", "Any", "annotations", "TYPE_CHECKING"} & {*shown, *dir(lrgan_jax)}


def test_the_packages_help_fits_on_a_screen():
    """What it is, its first lines, and where to look by task, of which every name exists; then no more than the list of
    modules.
    """
    lines = pydoc.plain(pydoc.render_doc(lrgan_jax)).splitlines()
    assert len(lines[: lines.index("PACKAGE CONTENTS")]) < 40 and len(lines) < 90
    assert all(len(line) <= 100 for line in lines)
    tasks = [line.partition("   ")[2] for line in inspect.getdoc(lrgan_jax).splitlines() if re.match(r"\w.*   ", line)]
    named = re.findall(r"[\w.]+(?=[,;]|$)", ", ".join(tasks).replace("what is asked: ", ""))
    assert len(tasks) == 10 and len(named) > 30
    for name in named:
        first, *rest = name.split(".")
        assert first in dir(lrgan_jax), name
        assert all(hasattr(getattr(lrgan_jax, first), inner) for inner in rest), name


@pytest.mark.parametrize("name", NAMES)
def test_public_functions_are_typed(name):
    """Every argument and the result."""
    thing = getattr(lrgan_jax, name)
    if inspect.isclass(thing):
        return
    signature = inspect.signature(thing)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty or parameter.name == "key", parameter.name


def test_importing_raises_no_deprecation_warning():
    """In a fresh interpreter, where every warning of ours or our libraries about deprecation is an error."""
    command = [
        sys.executable,
        "-W",
        "error::DeprecationWarning",
        "-c",
        "import lrgan_jax; print(lrgan_jax.__version__)",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT.parent), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == lrgan_jax.__version__


def test_the_version_is_the_one_of_the_package():
    """`pyproject.toml` and `__version__` agree."""
    text = (ROOT.parent / "pyproject.toml").read_text()
    assert f'version = "{lrgan_jax.__version__}"' in text


def test_types_and_shapes_are_checked_while_testing():
    """The import hook of conftest.py came in time."""
    import numpy as np
    from jaxtyping import TypeCheckError

    from lrgan_jax import images, jacobian

    with pytest.raises(TypeCheckError):
        images.heat_map(np.ones(3, np.float32), 1.0)
    with pytest.raises(TypeCheckError):
        jacobian.check_masks(np.ones((1, 2, 2)), "grid", 1)
