"""The house as a whole: imports point one way, everything public exists and is explained, and importing it raises no warning."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lrgan_jax

ROOT = Path(lrgan_jax.__file__).parent
# DESIGN.md's drawing from the bottom to the top: a module may import what stands on an earlier line, or before it on its own line.
ORDER = [
    "errors",
    "foreign.errors", "foreign.allowed", "foreign.pickles", "foreign.containers", "foreign",
    "array_files", "files", "checks", "settings", "interrupt", "linalg", "published", "pictures", "region_pictures", "regions",
    "rpca.problem", "rpca.authors", "rpca.converged", "rpca",
    "memory", "jacobian",
    "subspaces",
    "directions",
    "generators.latents", "generators.windows", "generators.protocol",
    "generators.ops", "generators.stylegan2", "generators.dcgan", "generators",
    "checkpoint",
    "metrics.change", "metrics.steps", "metrics.angles", "metrics.strips", "metrics.distances",
    "metrics.layers", "metrics.networks", "metrics.lpips", "metrics.faces", "metrics",
    "pipeline",
    "editing", "latent_files",
    "baselines", "invert", "named",
    "options",
    "sweep.errors", "sweep.ahead", "sweep.latents", "sweep.block", "sweep.store", "sweep.plan", "sweep.population", "sweep.processes",
    "sweep.devices", "sweep.loop", "sweep.merge", "sweep.results", "sweep.command", "sweep",
    "images",
    "training.losses", "training.augment", "training.discriminator", "training.step", "training.data", "training.loop",
    "training.adversarial", "training.distillation", "training.command", "training",
    "bench",
    "evaluation",
    "pages.kit", "pages",
    "demo.edits", "demo.page", "demo",
    "panel.masks", "panel.found", "panel.code", "panel.studio", "panel.widget", "panel.server", "panel.command", "panel",
    "compare.stages", "compare.setup", "compare.kept", "compare.methods", "compare.effects", "compare.walks",
    "compare.experiment", "compare.figures", "compare.plane", "compare.page", "compare.command", "compare",
    "__init__",
    "convert.formats.sizes", "convert.formats.layouts", "convert.formats.rules", "convert.formats.settings",
    "convert.formats.trees", "convert.formats.places", "convert.formats.protocol",
    "convert.formats.stylegan2.own", "convert.formats.stylegan2.names", "convert.formats.stylegan2.shapes",
    "convert.formats.stylegan2.missing", "convert.formats.stylegan2.network", "convert.formats.stylegan2",
    "convert.formats",
    "convert.write.torch_writer", "convert.write.back", "convert.write",
    "convert.check.peers", "convert.check.layers", "convert.check",
    "convert.metric_networks", "convert.reading", "convert",
    "commands",
    "__main__",
]  # fmt: skip
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for path in sorted(ROOT.rglob("*.py"))
}


def place(module):
    """Where a module stands in ORDER; parts of a package stand with it unless they have a place of their own."""
    known = [name for name in (module, module.rpartition(".")[0]) if name in ORDER]
    assert known, f"{module} has no place in the order of imports: add it to ORDER where DESIGN.md would draw it"
    return ORDER.index(known[0])


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
            assert place(inner) < own or (place(inner) == own and inner != module), f"{module} imports {name}, which stands above it"


def test_the_order_is_checked_on_real_imports():
    """The walk above does find imports: these are known."""
    assert {"lrgan_jax.jacobian", "lrgan_jax.rpca", "lrgan_jax.subspaces"} <= set(imported(SOURCES["pipeline"]))
    assert "flax.linen" in set(imported(SOURCES["generators.stylegan2"]))
    assert {"jacobian", "generators.ops", "generators", "__init__"} <= SOURCES.keys()


FOREIGN = {  # which module may name what no other does
    "convert.check.layers": {"torch"},  # on request, to run the code that a checkpoint comes from
    "convert.write.torch_writer": {"pickle"},  # for the names of the opcodes
}


@pytest.mark.parametrize("module", SOURCES)
def test_the_library_needs_neither_torch_nor_the_converter(module):
    """`convert` imports the library and never the other way round, but for its command; only networks know Flax."""
    names = set(imported(SOURCES[module]))
    roots = {name.partition(".")[0] for name in names} - FOREIGN.get(module, set())
    assert not roots & {"torch", "tensorflow", "convert", "scipy", "matplotlib", "pickle"}
    assert "flax" not in roots or module.startswith("generators.") or module == "training.discriminator"
    if module.partition(".")[0] not in ("convert", "commands"):
        assert not any(name.startswith("lrgan_jax.convert") for name in names)


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_says_what_it_holds(module):
    assert ast.get_docstring(SOURCES[module])


@pytest.mark.parametrize("name", lrgan_jax.__all__)
def test_public_names_exist_and_are_explained(name):
    """A docstring of its own: neither inherited nor the one that dataclasses and tuples are given."""
    thing = getattr(lrgan_jax, name)
    doc = vars(thing).get("__doc__") if inspect.isclass(thing) else inspect.getdoc(thing)
    assert doc and not doc.startswith(f"{name}(")


def test_all_public_names_are_listed():
    """What the package imports into its front room is what it offers."""
    tree = SOURCES["__init__"]
    offered = {alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert offered == set(lrgan_jax.__all__)
    assert len(lrgan_jax.__all__) == len(set(lrgan_jax.__all__))


@pytest.mark.parametrize("name", lrgan_jax.__all__)
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
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", "import lrgan_jax; print(lrgan_jax.__version__)"]
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
