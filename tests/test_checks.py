"""What makes no sense is refused by name, in one line, in Python and in commands; what is missing is named as the
cause.
"""

import dataclasses
import inspect
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import lrgan_jax as lr
import lrgan_jax.__main__ as command
from lrgan_jax import pipeline, rpca, search, sweep
from lrgan_jax.base import checks, files, interrupt
from lrgan_jax.commands.directions import say_caveat
from lrgan_jax.commands.options import Which
from lrgan_jax.generators import StyleGAN2, sampling
from lrgan_jax.layers import check_layers
from lrgan_jax.methods import record
from lrgan_jax.methods.ganspace import find as ganspace
from lrgan_jax.models import checkpoint
from lrgan_jax.training import DistillConfig, Schedule, TrainConfig
from lrgan_jax.training.discriminator import DiscriminatorConfig
from tests.linear import SIDE, Linear, linear
from tests.linear import D as WIDTH

GEN = linear(top={0: 2.0}, middle={1: 1.0}, bottom={2: 0.5})
W = np.zeros((1, WIDTH), np.float32)
KEY = jax.random.key(0)


def refusal(function, *args, kind: type[Exception] = ValueError, **options):
    with pytest.raises(kind) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
@pytest.mark.parametrize("name", ["lam", "mu"])
def test_prices_are_finite_and_not_negative(name, value):
    """Everywhere they can be given."""
    assert refusal(lr.find_directions, GEN, W, "top", **{name: value}).startswith(
        f"{name} must be at least 0 and finite, got "
    )
    assert name in refusal(lr.analyse, jnp.eye(4), jnp.eye(4), **{name: value})
    assert name in refusal(sweep.run, GEN, "nowhere", W, ["top"], **{name: value})
    if name == "mu":
        assert name in refusal(lr.walk, GEN, W, np.eye(1, WIDTH, dtype=np.float32), "top", length=1.0, mu=value)
    assert not Path("nowhere").exists()


def test_traced_numbers_pass():
    """They have no value yet: the solver flags the split, and what is made of it outside is an error."""
    chosen = lr.Search(method="projected")
    analysis = jax.jit(lambda a, b, lam: lr.analyse(a, b, chosen, lam=lam))(jnp.eye(WIDTH), jnp.eye(WIDTH), -1.0)
    assert not analysis.inside.converged
    assert "not finite or not symmetric" in refusal(lr.to_directions, GEN, analysis, chosen, region="top")


@pytest.mark.parametrize("latents", [np.nan, np.inf])
def test_latents_are_finite(latents, small_stylegan2, small_dcgan):
    bad = W + np.float32(latents)
    rows = np.eye(1, WIDTH, dtype=np.float32)
    for on in (np.asarray, jnp.asarray):  # arrays of this machine, or of a device
        assert "latents must be finite" in refusal(lr.find_directions, GEN, on(bad), "top")
        assert "latents must be finite" in refusal(lr.walk, GEN, on(bad), rows, "top", length=1.0)
        assert "latents must be finite" in refusal(lr.render, GEN, on(bad)[:, None])
        assert "latents must be finite" in refusal(lr.edit, on(bad), rows, 1.0)
        assert "latents must be finite" in refusal(lr.find_directions, GEN, on(bad), "top", method="resefa")
    for gen in (small_stylegan2, small_dcgan):
        assert "latents must be finite" in refusal(gen.mapping, np.full((1, 10), latents))
        assert "latents must be finite" in refusal(gen.synthesis, np.full((1, gen.w_dim), latents))
        assert "truncation must be finite" in refusal(gen.mapping, np.zeros((1, 10)), truncation=float(latents))


def test_numbers_are_finite_as_they_are_computed_with(small_stylegan2, small_dcgan):
    """What overflows the dtype of the weights is infinite there, though it is not as it is given."""
    assert "lam must be" in refusal(lr.analyse, jnp.eye(4), jnp.eye(4), lam=1e39)
    for gen in (small_stylegan2, small_dcgan):
        large = np.full((1, gen.w_dim), 1e39)
        assert "latents must be finite" in refusal(gen.synthesis, large)
        with jax.enable_x64(True):  # the weights are float32 still
            assert "latents must be finite" in refusal(gen.synthesis, large)


def test_a_refusal_shows_little_of_an_array():
    assert len(refusal(checks.check_number, "lam", np.full((50, 50), "text"))) < 120
    assert len(refusal(checks.check_whole, "num", 0.5 + np.zeros((50, 50)))) < 120


def test_labels_are_finite(small_stylegan2):
    config = dataclasses.replace(small_stylegan2.config, c_dim=2)
    conditional = StyleGAN2(config, small_stylegan2.variables)
    for bad in (np.nan, 1e39):
        assert "labels must be finite" in refusal(conditional.mapping, np.zeros((1, 10)), np.array([[1.0, bad]]))


def test_steps_are_finite_and_not_endless():
    rows = np.eye(2, WIDTH, dtype=np.float32)
    for step in (np.nan, np.inf, 1e9, -1e9):
        assert "steps must be" in refusal(lr.edit, W, rows[:1], step)
        assert "length must be" in refusal(lr.walk, GEN, W, rows[:1], "top", length=step)
    assert "directions must be finite" in refusal(lr.edit, W, rows * np.nan, [1.0, 2.0])
    assert "direction must be finite" in refusal(lr.walk, GEN, W, rows[:1] * np.nan, "top", length=1.0)
    assert jax.jit(lambda step: lr.edit(W, rows[:1], step))(np.nan).shape == (1, WIDTH), "traced"


CONFIG = dict(generator=lr.StyleGAN2Config((4, 4)), discriminator=DiscriminatorConfig((4, 4)))
GRAMS = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("function", "args", "options", "says"),
    [
        (lr.find_directions, (GEN, W, "top"), dict(num=0), "num must be at least 1, got 0"),
        (lr.find_directions, (GEN, W, "top"), dict(num_relax=-1), "num_relax must be at least 0, got -1"),
        (lr.find_directions, (GEN, W, "top"), dict(size=0), "size must be at least 1"),
        (
            lr.find_directions,
            (GEN, W, "top"),
            dict(protect={"bottom": np.inf}),
            "the weight of bottom must be above 0 and finite",
        ),
        (lr.find_directions, (GEN, W, "top"), dict(protect={"bottom": "1"}), "the weight of bottom must be a number"),
        (lr.find_directions, (GEN, W, "top"), dict(protect={"bottom": [1.0]}), "one number for each"),
        (search.check_prices, (), {"lam": 0.1, "mu": np.ones(WIDTH)}, f"mu must be one number, got shape [{WIDTH}]"),
        (search.check_prices, (), {"lam": [0.1]}, "lam must be one number, got shape [1]"),
        (lr.find_directions, (GEN, W[:0], "top"), {}, "there is no latent"),
        (lr.find_directions, (GEN, W * 1j, "top"), {}, "latents must be a number"),
        (lr.robust_pca, (GRAMS,), dict(tol=np.nan), "tol must be above 0 and finite, got nan"),
        (lr.robust_pca, (GRAMS,), dict(max_steps=-1), "max_steps must be at least 1"),
        (lr.sample_z, (GEN, KEY, 0), {}, "num must be at least 1, got 0"),
        (lr.near_frontal, (GEN, KEY, 513), {}, "num must be from 1 to 512, got 513"),
        (lr.render, (GEN, W[:, None]), dict(batch=0), "batch must be at least 1"),
        (lr.equal_steps, (lambda w: w, W, W, 0.0, np.nan, 3), {}, "high must be finite"),
        (lr.step_for_change, (lambda w: w, W, W, np.ones((2, 2)), -1.0), {}, "target must be above 0"),
        (sweep.seeded, (GEN, -1, 3), {}, "seed must be from 0 to 4294967295, got -1"),
        (sweep.seeded, (GEN, 2**70, 3), {}, "seed must be from 0 to 4294967295"),
        (sweep.seeded, (GEN, 0, 2**32), {}, "num must be from 1 to"),
        (sweep.seeded, (GEN, 0, 3), dict(truncation=np.nan), "truncation must be finite"),
        (sweep.given, (GEN, lr.Z(W)), dict(truncation=np.inf), "truncation must be finite"),
        (sweep.run, (GEN, "nowhere", W, ["top"]), dict(num=-1), "num must be at least 1, got -1"),
        (sweep.run, (GEN, "nowhere", W, ["top"]), dict(max_failures=-1), "max_failures must be at least 0"),
        (lr.find_directions, (GEN, W, "top"), dict(method="resefa", tao=np.nan), "tao must be at least 0 and finite"),
        (lr.global_directions, (GEN,), dict(method="random", num=-1), "num must be at least 1, got -1"),
        (ganspace, (GEN, lr.Search()), dict(samples=1), "samples must be at least 2"),
        (lr.find_directions, (GEN, W, "top"), dict(surprise=1), "a search has no setting 'surprise'; it has layers,"),
        (lr.find_directions, (GEN, W, "top"), dict(protect="top"), "protect holds the region itself and nothing else"),
        (TrainConfig, (), CONFIG | dict(learning_rate=np.nan), "learning_rate must be above 0 and finite, got nan"),
        (TrainConfig, (), CONFIG | dict(mixing=1.5), "mixing must be at least 0 and at most 1, got 1.5"),
        (TrainConfig, (), CONFIG | dict(batch=0), "batch must be at least 1"),
        (DistillConfig, (CONFIG["generator"], (1, 1)), dict(learning_rate=-1.0), "learning_rate must be above 0"),
        (Schedule, (0,), {}, "images must be at least 1"),
    ],
)
def test_other_numbers(function, args, options, says):
    assert says in refusal(function, *args, **options)
    assert not Path("nowhere").exists()


def test_fractions_are_no_counts():
    """Nor are they cut down to one."""
    assert refusal(checks.check_whole, "num", 2.5) == "num must be a whole number, got 2.5"
    assert "write them as" in refusal(check_layers, "1.7", 6)
    checks.check_whole("num", np.int32(2))


@pytest.mark.parametrize(("text", "found"), [("3-5", (3, 4, 5)), ("4", (4,)), ("0,2-3", (0, 2, 3)), ("2,2-3", (2, 3))])
def test_layers_as_text(text, found):
    assert check_layers(text, 6) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5-3", "write 3-5"),
        ("4-", "write them as 4-7"),
        ("", "write them as"),
        ("-1", "write them as"),
        ("4-9", "this model has layers 0 to 5"),
        ("0-99999999999", "this model has layers 0 to 5"),
    ],
)
def test_layers_that_are_none(text, says):
    assert says in refusal(check_layers, text, 6)


def test_layers_may_be_text_wherever_they_are_taken():
    """The same directions, edits and Grams as by numbers."""
    by_text, by_number = (lr.find_directions(GEN, W, "top", layers=layers) for layers in ("1-2", [2, 1]))
    assert by_text == by_number and by_text.layers == (1, 2)
    ws = np.zeros((1, 3, WIDTH), np.float32)
    np.testing.assert_array_equal(lr.edit(ws, by_text[0], 1.0), lr.edit(ws, by_text[0], 1.0, layers="1-2"))
    assert lr.global_directions(GEN, method="random", layers="0,2").layers == (0, 2)


# Things that are taken for others


def test_what_was_meant_is_said(small_stylegan2):
    assert "pass jax.random.key(0)" in refusal(lr.sample_z, GEN, 0, 1, kind=TypeError)
    assert "pass jax.random.key(7)" in refusal(lr.near_frontal, GEN, 7, 1, kind=TypeError)
    for function, args in ((lr.load, ()), (lr.named_direction, ("smile",)), (lr.named_directions, ())):
        says = refusal(function, small_stylegan2, *args, kind=TypeError)
        assert says == "a model's name or folder is wanted, such as 'faces64', got a StyleGAN2"
    for regions in (["top", "bottom"], {"top": 1.0}):
        assert "one region at a time" in refusal(lr.find_directions, GEN, W, regions)
    checks.check_key(jax.random.PRNGKey(0))  # the older kind


# Solvers that stop early


def test_what_did_not_converge_says_so(tmp_path, monkeypatch, capsys):
    """In the record, in its file, and by the commands that make it and use it."""
    monkeypatch.setattr(
        pipeline, "_analyse", inspect.unwrap(pipeline._analyse)
    )  # not the compiled one, into which the solver is built
    monkeypatch.setattr(record, "robust_pca", lambda gram, lam, mode: rpca.robust_pca(gram, lam, mode, max_steps=1))
    early = lr.find_directions(GEN, W, "top", method="projected")
    assert early.found.converged is False and "the directions, are provisional" in early.caveat
    assert "converged" in lr.Directions.load(early.save(tmp_path / "early.npz")).caveat
    say_caveat(early)
    assert capsys.readouterr().err == f"note: {early.caveat}\n"


def test_what_converged_has_no_caveat():
    """A rest that does not move at all is split exactly, though the solver takes no step for it."""
    assert not lr.find_directions(GEN, W, "top").caveat and not lr.Directions(np.eye(2, dtype=np.float32)).caveat
    still = linear(top={0: 2.0})
    assert lr.find_directions(still, W, "top").found.converged is True


@pytest.mark.parametrize("bad", [np.diag([np.nan, 1, 1, 1]), np.triu(np.ones((4, 4)))], ids=["nan", "lopsided"])
def test_unusable_grams_are_an_error_in_the_end(bad):
    bad = bad.astype(np.float32)
    assert not lr.robust_pca(bad).converged
    assert "not symmetric" in refusal(rpca.check, lr.robust_pca(bad), kind=RuntimeError)
    for pair in ((bad, GRAMS), (GRAMS, bad)):
        for method in ("frontier", "projected", "constrained"):
            chosen = lr.Search(method=method)
            says = refusal(lr.to_directions, GEN, lr.analyse(*pair, chosen), chosen, region="top")
            assert "not finite or not symmetric" in says


def test_images_that_overflow_are_named_as_the_cause():
    """Finite latents, and yet no finite Gram."""
    gen = Linear(GEN.maps * 1e30)
    for method in ("frontier", "resefa", "random"):
        assert "the image or its Jacobian is not finite" in refusal(
            lr.find_directions, gen, W + 1e10, "top", method=method
        )
    assert "the image is not finite" in refusal(lr.render, gen, lr.to_ws(gen, W + 1e10))


# The authors' pooling


@pytest.mark.parametrize("method", ["frontier", "resefa"])
def test_nearest_pooling_reaches_the_grams(method):
    """What a direction changes is its energy in the Gram of every other pixel, not of the means."""
    maps = np.random.default_rng(0).standard_normal((SIDE, SIDE, 3, WIDTH)).astype(np.float32)
    gen, half = Linear(jnp.array(maps)), SIDE // 2
    found = lr.find_directions(gen, W, "top", method=method, size=half, pooling="nearest", tao=1e-3)
    rows = maps[::2, ::2][: half // 2].reshape(-1, WIDTH)  # the upper half
    np.testing.assert_allclose(found.inside, np.square(found.vectors @ rows.T).mean(1), rtol=1e-4)


# Equality


def test_generators_are_equal_when_their_images_are(small_stylegan2: StyleGAN2, small_dcgan):
    for gen in (small_stylegan2, small_dcgan):
        twin = dataclasses.replace(gen, variables=jax.tree.map(np.array, gen.variables), info=lr.ModelInfo("twin"))
        other = dataclasses.replace(gen, variables=jax.tree.map(lambda a: a + 1, gen.variables))
        assert gen == gen and gen == twin and gen != other and gen != "gen" and hash(gen) == hash(twin)
    assert small_stylegan2 != small_dcgan


# The machine


def test_a_missing_device_is_no_damaged_model(monkeypatch):
    def devices():
        raise RuntimeError("Unable to initialize backend 'cuda': no such driver\nand more")

    monkeypatch.setattr(jax, "devices", devices)
    says = refusal(lr.load, "faces64", kind=checkpoint.DeviceError)
    assert says.startswith("no such device: ") and "no such driver" in says and "damaged" not in says


@pytest.mark.parametrize("value", ["", "relative"])
def test_an_empty_cache_folder_is_none(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert files.cache_folder() == tmp_path / ".cache" / "lrgan_jax"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert files.cache_folder() == tmp_path / "own" / "lrgan_jax"


@pytest.mark.parametrize("late", [False, True], ids=["while it writes", "when it ends"])
def test_a_reader_who_has_gone_ends_it_quietly(monkeypatch, late):
    """Whether the pipe breaks at a print or only when what was held back is written."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as stopped, interrupt.until_the_reader_goes():
            print("line", flush=not late)
    assert stopped.value.code == 141


def test_commands_end_quietly_when_their_reader_goes():
    environment = os.environ | {"PYTHONPATH": str(Path(lr.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    read, write = os.pipe()
    os.close(read)
    line = [sys.executable, "-m", "lrgan_jax", "info", "--quiet"]
    done = subprocess.run(line, stdout=write, stderr=subprocess.PIPE, text=True, env=environment, timeout=120)
    os.close(write)
    assert done.returncode == 141 and done.stderr == ""


# Commands


@pytest.fixture
def lrgan(monkeypatch, tmp_path, capsys, small_stylegan2):
    """Run `lrgan ARGS`, MODEL standing for a small model, in an empty folder: (exit code, stderr)."""
    model = str(checkpoint.save(tmp_path / "model", small_stylegan2))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*args):
        monkeypatch.setattr("sys.argv", ["lrgan", *(model if arg == "MODEL" else str(arg) for arg in args)])
        code = command.main()
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("smaple", "no command 'smaple'; did you mean lrgan sample?"),
        ("frobnicate", "there are demo, info, sample"),
        ("sample --model MODEL --seed 99999999999999999999", "seed must be from 0 to 4294967295"),
        ("sample --model MODEL --seed -1", "seed must be from 0"),
        ("sample --model MODEL --truncation nan", "truncation must be finite"),
        ("directions BOX --model MODEL --lam -1", "lam must be at least 0"),
        ("directions BOX --model MODEL --mu -1", "mu must be at least 0"),
        ("directions BOX --model MODEL --num 0", "num must be at least 1"),
        ("directions BOX --model MODEL --image -1", "image numbers start at 0"),
        ("directions BOX --model MODEL --image 99999999999", "the number of an image must be from 0 to 4294967295"),
        ("directions BOX --model MODEL --layers 5-3", "write 3-5"),
        ("edit d.npy --model MODEL --reach 1e9", "--reach must be above 0 and at most 1e+06, got 1e+09"),
        ("edit d.npy --model MODEL --reach nan", "--reach must be"),
        ("edit d.npy --model MODEL --image -1", "image numbers start at 0"),
        ("demo --model MODEL --regions BOX --num-latents 600", "--num-latents must be from 1 to 256"),
        ("demo --model MODEL --regions BOX --seed -1", "seed must be from 0"),
        ("compare --model MODEL --regions BOX --seed -1", "seed must be from 0"),
        ("explore --model MODEL --port 99999", "--port must be from 0 to 65535"),
        ("sweep s --model MODEL --regions BOX --memory inf", "--memory must be above 0 and finite"),
        ("sweep s --model MODEL --regions BOX --truncation inf", "truncation must be finite"),
        ("demo --model MODEL --regions BOX --out .", ". is a folder, and a file is to be written there"),
        ("sample --model MODEL --out d.npy/a.png", "d.npy is no folder"),
        ("directions BOX --model MODEL --out box.png/deep/d.npz", "box.png is no folder"),
        ("edit . --model MODEL", ".: Is a directory"),
        ("edit d.npy --model MODEL --latents .", ".: Is a directory"),
        ("compare --model MODEL --regions BOX --out d.npy", "d.npy is no folder"),
        ("bench --columns 2 --out .", ". is a folder"),
        ("bench --columns 1", "--columns must be at least 2"),
        ("train nofolder", "nofolder: no such folder, and no model of that name"),
        ("train MODEL --kimg nan", "--kimg must be above 0 and finite"),
        ("train MODEL --learning-rate inf", "learning_rate must be above 0 and finite"),
        ("train MODEL --seed -1", "seed must be from 0"),
        ("distill MODEL --kimg inf", "--kimg must be above 0"),
    ],
)
def test_commands_refuse_in_one_line(lrgan, line, says):
    mask = np.zeros((16, 16), np.uint8)
    mask[2:7, 3:9] = 255
    Image.fromarray(mask).save("box.png")
    np.save("d.npy", np.eye(1, 12, dtype=np.float32))
    code, err = lrgan(*line.replace("BOX", "box.png").split())
    assert code == 1 and err.startswith("error: ") and err.count("\n") == 1 and says in err
    assert sorted(os.listdir()) == ["box.png", "d.npy"]


def test_only_the_images_asked_for_are_drawn(small_stylegan2, monkeypatch):
    """Number 99,999 is that of its own key, and none before it is made."""
    drawn = []
    monkeypatch.setattr(sampling, "sample_z", lambda *args, **rest: drawn.append(rest) or lr.sample_z(*args, **rest))
    found = Which(seed=3).images(small_stylegan2, 99_999, 1).all()
    z = jax.random.normal(jax.random.fold_in(jax.random.key(3), 99_999), (1, 10), np.float32)
    np.testing.assert_array_equal(found.array[:, 0], small_stylegan2.mapping(z).array)
    assert drawn == [{"first": 99_999}] and found.shape[0] == 1


def test_a_place_that_can_be_written_passes(tmp_path):
    files.check_place(tmp_path / "new" / "folders" / "a.png")
    files.write_whole(tmp_path / "new" / "a.png", b"1")
    files.check_place(tmp_path / "new" / "a.png")  # replaced
    with pytest.raises(NotADirectoryError, match="a.png is no folder"):
        files.write_whole(tmp_path / "new" / "a.png" / "b.png", b"2")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
