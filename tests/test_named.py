"""The directions that come with the models: they belong to them, do what they say, and are found by name."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from lrgan_jax import (
    edit,
    embedded_models,
    load,
    named_direction,
    named_directions,
    near_frontal,
    region_change,
    render,
    to_ws,
)
from lrgan_jax.__main__ import main
from lrgan_jax.directions import Directions, DirectionsError
from lrgan_jax.models import checkpoint
from lrgan_jax.regions import region_mask

NAMED = [(model, name) for model in embedded_models() for name in named_directions(model)]


@pytest.fixture(scope="module")
def faces():
    """Two near-frontal faces of every model that has named directions."""
    models = {model: load(model) for model in dict(NAMED)}
    return {model: (gen, to_ws(gen, near_frontal(gen, jax.random.key(0), 2, pool=64))) for model, gen in models.items()}


def test_the_models_have_them():
    """A small set each, with a smile."""
    assert all(len(named_directions(model)) >= 5 and "smile" in named_directions(model) for model in embedded_models())


@pytest.mark.parametrize(("model", "name"), NAMED)
def test_each_belongs_to_its_model_and_says_what_it_does(faces, model, name):
    """One unit row for exactly these weights, layers that exist, a range around 0, a meaning, a measured leak."""
    found, gen = named_direction(model, name), faces[model][0]
    assert found.fingerprint == gen.info.fingerprint and found.vectors.shape == (1, gen.w_dim)
    assert np.linalg.norm(found.vectors) == pytest.approx(1, abs=1e-6)
    assert all(0 <= layer < gen.num_ws for layer in found.layers or ())
    assert found.step_range[0] < 0 < found.step_range[1]
    assert found.measure.meaning and found.measure.leak is not None and 0 < found.measure.leak < 1
    assert set(found.measure.found_on) != set(found.measure.measured_on)


@pytest.mark.parametrize(("model", "name"), NAMED)
def test_each_moves_its_region_more_than_the_rest(faces, model, name):
    """At both ends of its range, on faces that it was not found on: where the region is one of the model's own."""
    found, (gen, ws) = named_direction(model, name), faces[model]
    if found.region not in gen.info.regions:
        pytest.skip("found on a finer box than the model's own regions")
    mask = jnp.asarray(region_mask(found.region, gen.size[0], gen.info.regions))
    before, *ends = render(gen, edit(ws, found, [0.0, *found.step_range]))
    for after in ends:
        change = jax.vmap(region_change, (0, 0, None))(before, after, mask)
        assert (np.asarray(change.inside) > np.asarray(change.outside)).all()


def test_edit_by_name(tmp_path, capsys):
    """`lrgan edit --direction smile` writes the strip that the library gives; `--even` one with other frames between
    the same ends.
    """
    strips = []
    for more in ([], ["--even"]):
        out = tmp_path / f"smile{len(more)}.png"
        assert (
            run(
                [
                    "edit",
                    "--direction",
                    "smile",
                    "--image",
                    "3",
                    "--reach",
                    "9",
                    "--steps",
                    "4",
                    *more,
                    "--out",
                    str(out),
                ]
            )
            == 0
        )
        assert "steps" in capsys.readouterr().out
        strips.append(np.asarray(Image.open(out)).astype(int))
    plain, even = strips
    assert plain.shape == even.shape
    tile, gap = 2 * 64, 2 * 2
    frames = [[strip[:, k * (tile + gap) : k * (tile + gap) + tile] for k in range(4)] for strip in (plain, even)]
    for end in (0, 3):
        assert np.abs(frames[0][end] - frames[1][end]).max() <= 1  # grey levels: rounding of the step's last bit
    moves = [[np.sqrt(np.square(b - a).mean()) for a, b in zip(strip, strip[1:], strict=False)] for strip in frames]
    assert np.ptp(moves[1]) < 0.75 * np.ptp(
        moves[0]
    )  # what lies between two frames is evened, which is nearly what they differ by


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--direction", "frown"], "faces-dcgan has no direction 'frown'; it has"),
        ([], "faces-dcgan has no direction '0'; it has"),
        (["FILE", "--direction", "smile"], "--direction smile: directions in a file have numbers, from 0"),
        (["FILE", "--direction", "-1"], "--direction -1: directions in a file have numbers, from 0"),
    ],
)
def test_bad_names_end_in_one_line(tmp_path, capsys, arguments, line):
    """Exit code 1, one line, nothing written."""
    file = named_direction("faces-dcgan", "smile").save(tmp_path / "d.npz")
    out = tmp_path / "e.png"
    assert run(["edit", *(str(file) if a == "FILE" else a for a in arguments), "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {line}") and error.count("\n") == 1 and not out.exists()


def test_a_model_of_ones_own_has_its_own(tmp_path):
    """Saved into its folder they are found by name; without that folder there are none."""
    folder = tmp_path / "mine"
    shutil.copytree(embedded_models()["faces-dcgan"], folder, ignore=shutil.ignore_patterns("directions"))
    assert named_directions(folder) == {}
    with pytest.raises(DirectionsError, match="none of its own"):
        named_direction(folder, "smile")
    (folder / "directions").mkdir()
    Directions(np.eye(1, 100, dtype=np.float32)).save(folder / "directions" / "first.npz")
    np.testing.assert_array_equal(named_direction(folder, "first").vectors, np.eye(1, 100))
    assert list(named_directions(folder)) == ["first"]


def test_the_list_of_a_model(capsys):
    """`lrgan info MODEL` names them with their meanings."""
    assert run(["info", "faces-dcgan"]) == 0
    assert '"smile": "' in capsys.readouterr().out


def run(arguments):
    """The command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["lrgan", *arguments])
        return main()


def test_a_name_stands_for_one_direction(tmp_path, small_dcgan):
    model = checkpoint.save(tmp_path / "model", small_dcgan)
    Directions(np.eye(2, 10, dtype=np.float32)).save(model / "directions" / "two.npz")
    with pytest.raises(DirectionsError, match="two.npz: holds 2 directions, and a name stands for one"):
        named_direction(model, "two")
