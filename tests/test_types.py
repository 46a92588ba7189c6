"""What editors and type checkers know: a user's scripts under pyright's strict rules, right ones and wrong ones."""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from test_readme import FUNCTION, SWEEP, TEN_LINES

import lrgan_jax as lr
from lrgan_jax.inversion.fit import FitSettings
from lrgan_jax.inversion.tuning import Tuning, TuningSettings
from lrgan_jax.methods import METHODS
from lrgan_jax.search import MethodName, Settings
from lrgan_jax.sweep.block import Keep, KeepSettings

ROOT = Path(__file__).parents[1]

MORE = """
import jax.numpy as jnp
import numpy as np

assert_type(gen, lr.generators.StoredGenerator)
assert_type(w, lr.Latent)
assert_type(mouth, lr.Directions)
assert_type(mouth[0], lr.Directions)
assert_type(edited, lr.Latent)
assert_type(edited[:, 0], lr.Latent)
assert_type(images, jax.Array)
assert_type(lr.edit(lr.to_ws(gen, w), mouth, [1.0, 0.0, 0.0, 0.0], layers="4-7"), lr.WS)
assert_type(lr.edit(2 * lr.sample_z(gen, jax.random.key(1), 1) + 1, mouth[0], 2.0), lr.Z)
assert_type(lr.edit(np.zeros((1, 100)), mouth[0], 2.0), jax.Array)
assert_type(w.shape, tuple[int, ...])
assert_type(lr.walk(gen, w, mouth[0], "mouth", length=6.0, layers=[4, 5], price=1e-3), lr.WS)
assert_type(lr.layer_map(gen, w, {"mouth": "mouth", "box": np.zeros((64, 64))}).best("box"), tuple[int, ...])
assert_type(lr.show(mouth, gen, w), lr.Directions)
assert_type(lr.show(gen), lr.generators.StoredGenerator)
lr.show(images), lr.show([images[0], images[1]]), lr.render(gen, lr.to_ws(gen, w)).mean()
asked = lr.Search(protect=["eyes", "nose"], method="refined", num=2).but(protect={"eyes": 2.0})
lr.find_directions(gen, w, np.zeros((64, 64), bool), asked, lam=jnp.float32(0.1), mu="measured")
lr.global_directions(gen, method="sefa").save("sefa.npz")
lr.explore(gen, w, num=3).directions["mouth"].vectors.shape

aligned = lr.align(lr.open_photograph("photo.jpg"), gen.size)
found = lr.invert(gen, aligned.image[None], steps=100, space="w")
assert_type(found.generator(gen), lr.generators.StoredGenerator)
tuned = lr.tune(gen, found.latents, aligned.image[None], found.fit and None, steps=10)
aligned.put_back(tuned.images[0], of=found.images[0]).save("edited.jpg")

swept = lr.sweep.run(gen, "store", lr.sweep.seeded(gen, 0, 100), ["mouth", "eyes"], layers="4-7", block=64)
assert_type(swept, lr.sweep.Sweep)
assert_type(lr.sweep.open("store").directions("mouth", 7), lr.Directions)
lr.metrics.lpips_change(lr.metrics.load("lpips_alexnet"), images[0], images[1], lr.region_mask("mouth", 64))
lr.images.save("grid.png", lr.images.grid(lr.render(gen, lr.to_ws(gen, w))[None]))
lr.robust_pca(np.eye(3)).low_rank.shape
assert_type(lr.named_direction("faces-dcgan", "smile").measure, lr.Measure | None)
"""

WRONG = """
import jax
import lrgan_jax as lr

gen = lr.load("faces-dcgan")
w = gen.mapping(lr.sample_z(gen, jax.random.key(2), 1))
mouth = lr.find_directions(gen, w, "mouth")

lr.find_directions(gen, w, "mouth", nun=2)  # No parameter named "nun"
lr.find_directions(gen, w, "mouth", method="frontear")  # "Literal['frontear']" is not assignable to type "MethodName"
lr.find_directions("faces-dcgan", w, "mouth")  # "size" is not present
lr.find_directions(gen, w, 3.5)  # "float" is not assignable to "str"
lr.find_directions(gen, w, "mouth", layers=4)  # parameter "layers" of type "Choice"
lr.find_direction(gen, w, "mouth")  # "find_direction" is not a known attribute
lr.Search(metod="sefa")  # No parameter named "metod"
lr.Search().but(price="dear")  # parameter "price" of type "Scalar"
lr.edit(w, "mouth", 2.0)  # "Literal['mouth']" is not assignable to "Directions"
lr.edit(w, mouth[0], 2.0, layer=4)  # No overloads for "edit"
lr.edit(w, mouth[0], 2.0).synthesis  # Cannot access attribute "synthesis" for class "Latent"
lr.walk(gen, w, mouth[0], "mouth")  # Argument missing for parameter "length"
gen.synthesis(w, noise="nonee")  # type "Noise"
gen.synthesise(w)  # Cannot access attribute "synthesise"
mouth.vector  # Cannot access attribute "vector"
mouth.save(3)  # "Literal[3]" is not assignable to "str"
lr.load(3)  # parameter "name_or_path"
lr.from_function(lambda z: z, "4")  # parameter "latent_shape"
lr.invert(gen, mouth.vectors, stpes=100)  # No parameter named "stpes"
lr.tune(gen, w, mouth.vectors, rate=100)  # No parameter named "rate"
lr.sweep.run(gen, "store", w, ["mouth"], blocks=64)  # No parameter named "blocks"
lr.sweep.open("store").direction("mouth")  # Cannot access attribute "direction"
lr.swep  # "swep" is not a known attribute
lr.os  # "os" is not a known attribute
lr.generators.StyleGAN  # "StyleGAN" is not a known attribute
lr.region_mask("mouth", "64")  # parameter "size"
"""


SCRIPTS = {
    "right": f"from typing import assert_type\n{TEN_LINES}{MORE}",
    "function": FUNCTION.replace("def draw(z):", "def draw(z: jax.Array) -> jax.Array:"),
    "store": re.sub(r"^(import )?xarray.*\n", "", SWEEP, flags=re.MULTILINE),  # which is not strictly typed itself
    "wrong": WRONG,
}
STRICT = {"typeCheckingMode": "strict", "reportUnusedExpression": "none"}
Problem = tuple[int, str]  # line, counted from 0, and message


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, list[Problem]]:
    """What one run of pyright says of each script; to it this package is one of others, as to a user's."""
    if find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    folder = tmp_path_factory.mktemp("scripts")
    for name, script in SCRIPTS.items():
        (folder / f"{name}.py").write_text(script)
    (folder / "pyrightconfig.json").write_text(json.dumps(STRICT))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", folder]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    if not done.stdout:  # its package fetches it when it is first run
        pytest.skip(f"pyright cannot be fetched: {done.stderr[-200:]}")
    found: dict[str, list[Problem]] = {name: [] for name in SCRIPTS}
    for problem in json.loads(done.stdout)["generalDiagnostics"]:
        found[Path(problem["file"]).stem].append((problem["range"]["start"]["line"], problem["message"]))
    return found


@pytest.mark.parametrize("name", ["right", "function", "store"])
def test_right_scripts_pass(told, name):
    assert told[name] == []


@pytest.mark.parametrize(("line", "wrong"), [(k, line) for k, line in enumerate(WRONG.splitlines()) if "  #" in line])
def test_each_mistake_is_found_where_it_is(told, line, wrong):
    said = [message for at, message in told["wrong"] if at == line]
    assert said and wrong.partition("  # ")[2] in "\n".join(said)


def test_nothing_else_is_called_a_mistake(told):
    assert all("  #" in WRONG.splitlines()[line] for line, _ in told["wrong"])


@pytest.mark.parametrize(
    ("record", "arguments"),
    [(lr.Search, Settings), (Keep, KeepSettings), (lr.Fit, FitSettings), (Tuning, TuningSettings)],
)
def test_settings_are_known_as_arguments_too(record, arguments):
    """All of them by name, and of every kind that the record takes."""
    taken, given = get_type_hints(record), get_type_hints(arguments)
    assert [field.name for field in fields(record)] == [*given]
    for name, kinds in given.items():
        assert {*_kinds(taken[name])} <= {*_kinds(kinds)}, name


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)


def test_methods_are_known_by_name():
    assert sorted(get_args(MethodName)) == sorted(METHODS)
