"""Models on disk: exact, whole or not at all, and refused in one line when something is wrong with them."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
import reference
from orbax.checkpoint import v1 as ocp

import lrgan_jax
from lrgan_jax.generators import DCGAN, DCGANConfig, ModelInfo, StyleGAN2, StyleGAN2Config, dcgan, stylegan2
from lrgan_jax.models import checkpoint
from lrgan_jax.models.checkpoint import ModelError, fingerprint, load, save

INFO = ModelInfo(
    name="täst",
    regions={"eyes": [{"box": [1, 2, 3, 4]}]},
    card="# Größe\n",
    provenance={"source": "a.pt", "worst_error": 1e-6},
)
UNUSUAL = StyleGAN2Config(
    channels=(3, 2),
    z_dim=5,
    w_dim=6,
    c_dim=2,
    img_channels=1,
    architecture="resnet",
    mapping_layers=1,
    mapping_features=6,
    embed_features=3,
    filter=((0.5, 0.1), (0.2, 0.2)),
    conv_clamp=2.5,
    scaled_demodulation=True,
    mapping_lr=0.02,
)
SMALL_DCGAN = DCGANConfig(channels=(5, 4), z_dim=6)


@pytest.fixture(scope="module", params=["stylegan2", "dcgan"])
def gen(request):
    if request.param == "dcgan":
        return DCGAN(SMALL_DCGAN, reference.random_variables(dcgan.init, SMALL_DCGAN), INFO)
    return StyleGAN2(UNUSUAL, reference.random_variables(stylegan2.init, UNUSUAL), INFO)


@pytest.fixture
def model() -> DCGAN:
    return DCGAN(SMALL_DCGAN, reference.random_variables(dcgan.init, SMALL_DCGAN), INFO)


@pytest.fixture
def folder(model, tmp_path) -> Path:
    return save(tmp_path / "model", model)


def refusal(name) -> str:
    with pytest.raises(ModelError) as caught:
        load(name)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def assert_same_arrays(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


# ---- There and back.


def test_float32_comes_back_exactly(gen, tmp_path):
    """Weights, config, name, regions, card and provenance; the config as hashable as before."""
    path = save(tmp_path / "new" / "model", gen)
    back = load(path)
    assert type(back) is type(gen) and back.config == gen.config and hash(back.config) == hash(gen.config)
    assert_same_arrays(back.variables, gen.variables)
    for field in ("name", "regions", "card", "provenance"):
        assert getattr(back.info, field) == getattr(INFO, field)
    assert back.info.fingerprint == fingerprint(gen.variables)
    assert sorted(entry.name for entry in path.iterdir()) == ["card.md", "model.json", "weights"]
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]  # no draft beside it


def test_float16_rounds_and_comes_back_as_float32(gen, tmp_path):
    """The fingerprint is that of the weights as they come back."""
    back = load(save(tmp_path / "model", gen, dtype=np.float16))
    assert_same_arrays(back.variables, jax.tree.map(lambda a: a.astype(np.float16).astype(np.float32), gen.variables))
    assert back.info.fingerprint == fingerprint(back.variables) != fingerprint(gen.variables)


def test_relative_paths_work(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert save("models/one", model) == tmp_path / "models" / "one"
    assert_same_arrays(load("models/one").variables, model.variables)
    assert_same_arrays(load(Path("models") / "one").variables, model.variables)


def test_loaded_models_need_no_new_program(model, folder):
    assert jax.tree.structure(load(folder)) == jax.tree.structure(model)


def test_embedded_models_load_by_name():
    if not lrgan_jax.embedded_models():
        pytest.skip("no model inside the package")
    for name, path in lrgan_jax.embedded_models().items():
        gen = load(name)
        assert gen.info.name == name and gen.info.card and gen.info.provenance and path.name == name
        assert gen.info.fingerprint == fingerprint(gen.variables)
        for leaf in jax.tree.leaves(gen.variables):
            assert leaf.dtype == np.float32 and np.isfinite(leaf).all()


# ---- The fingerprint.


def test_fingerprint_sees_every_weight_by_its_last_bit(gen):
    """One element of one array moved to the next float32; names and shapes count too."""
    leaves, structure = jax.tree.flatten(gen.variables)
    seen = {fingerprint(gen.variables)}
    for i, leaf in enumerate(leaves):
        changed = leaf.copy()
        changed.flat[-1] = np.nextafter(changed.flat[-1], np.float32(np.inf))
        seen.add(fingerprint(jax.tree.unflatten(structure, [*leaves[:i], changed, *leaves[i + 1 :]])))
    assert len(seen) == 1 + len(leaves)
    ramp = np.arange(6, dtype=np.float32)
    assert (
        len(
            {
                fingerprint(tree)
                for tree in ({"a": ramp}, {"b": ramp}, {"a": ramp.reshape(2, 3)}, {"a": ramp.reshape(3, 2)})
            }
        )
        == 4
    )


def test_fingerprint_does_not_depend_on_where_the_weights_lie(gen):
    """NumPy or jax, C or Fortran order."""
    expected = fingerprint(gen.variables)
    assert fingerprint(jax.tree.map(jax.numpy.asarray, gen.variables)) == expected
    assert fingerprint(jax.tree.map(np.asfortranarray, gen.variables)) == expected


# ---- Whole or not at all.


def test_nothing_is_overwritten(model, folder, tmp_path):
    other = dataclasses.replace(model, variables=jax.tree.map(lambda a: a + 1, model.variables))
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    for taken in (folder, tmp_path / "file", tmp_path / "empty"):
        with pytest.raises(FileExistsError, match="exists already"):
            save(taken, other)
    assert_same_arrays(load(folder).variables, model.variables)
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_half_way_leaves_nothing(model, tmp_path, monkeypatch, error):
    """Not even a hidden draft, and the name stays free."""

    def fail(path, *args, **kwargs):
        Path(path).mkdir()
        (Path(path) / "part").write_text("half")
        raise error("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(ocp, "save", fail)
        with pytest.raises(error, match="disk full"):
            save(tmp_path / "model", model)
    assert not list(tmp_path.iterdir())
    save(tmp_path / "model", model)


# ---- What is refused.


def test_names_that_lead_nowhere(folder, tmp_path, monkeypatch):
    """An unknown name lists the known ones, a checkpoint of another project tells the command to run."""
    monkeypatch.setattr(checkpoint, "embedded_models", lambda: {"faces": folder, "cats": folder})
    assert load("faces").config == SMALL_DCGAN
    assert all(name in refusal("no-such-model") for name in ("no-such-model", "faces", "cats"))
    for name in ("network.pkl", "weights.pt"):
        (tmp_path / name).write_bytes(b"not looked at")
        assert f"lrgan convert {tmp_path / name} {Path(name).stem}" in refusal(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert "model.json" in refusal(tmp_path / "empty")
    assert "model.json" in refusal(folder / "weights")


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"null", b"{}", b"\xff\xfe"])
def test_damaged_descriptions_are_refused(folder, text):
    (folder / "model.json").write_bytes(text)
    assert "model.json is damaged" in refusal(folder)


CHANGES = {
    "another version": (dict(version=99), "version 99"),
    "another architecture": (dict(architecture="stylegan9"), "stylegan9"),
    "an architecture that is no name": (dict(architecture=["dcgan"]), ""),
    "a config of another width": (dict(config=dict(channels=[5, 3], z_dim=6)), "(4,) but the config wants (3,)"),
    "a config of another z": (dict(config=dict(channels=[5, 4], z_dim=3)), "config wants (4, 4, 3, 5)"),
    "a config with a layer more": (dict(config=dict(channels=[5, 4, 3], z_dim=6)), ""),
    "a config with a layer less": (dict(config=dict(channels=[5], z_dim=6)), ""),
    "a config with an unknown field": (dict(config=dict(channels=[5, 4], z_dim=6, depth=3)), "depth"),
    "a config of nonsense": (dict(config=dict(channels="ab", z_dim=None)), ""),
    "a config that is a list": (dict(config=[1, 2]), ""),
    "no config": (dict(config=None), ""),
    "no name": (dict(name=None), "name"),
    "no regions": (dict(regions=None), "regions"),
    "no fingerprint": (dict(fingerprint=None), "fingerprint"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_descriptions_that_do_not_fit_are_refused(folder, change):
    """Changed or missing (None) entries of model.json."""
    changes, mentioned = CHANGES[change]
    description = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(
        json.dumps({key: value for key, value in description.items() if value is not None})
    )
    message = refusal(folder)
    assert str(folder) in message and mentioned in message


def numbers(folder: Path) -> list[Path]:
    """The files of numbers, over more or fewer of which Orbax spreads them as time has it; the largest first."""
    files = [path for path in (folder / "weights").rglob("*") if path.parent.name == "d"]
    return sorted(files, key=lambda path: -path.stat().st_size)


def test_missing_and_truncated_weights_are_refused(folder):
    files = numbers(folder)  # all of them, since some hold what a later one replaced
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "weights cannot be read" in refusal(folder)
    for path in files:
        path.unlink()
    assert "weights cannot be read" in refusal(folder)
    (folder / "weights").rename(folder / "elsewhere")
    assert "weights cannot be read" in refusal(folder)


def test_altered_weights_are_refused_or_harmless(folder):
    """One flipped bit anywhere in the numbers: wrong weights must not come back under the right fingerprint."""
    path = numbers(folder)[0]
    data = path.read_bytes()
    for at in np.linspace(0, len(data) - 1, 7).astype(int):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        try:
            gen = load(folder)
        except ModelError as error:
            assert "\n" not in str(error)
        else:
            assert fingerprint(gen.variables) == gen.info.fingerprint, f"byte {at} of {len(data)}"


def test_a_model_without_a_card_loads(folder):
    (folder / "card.md").unlink()
    assert load(folder).info.card == ""


def test_a_card_that_is_no_text_is_refused(folder):
    (folder / "card.md").write_bytes(b"\xff\xff")
    assert "card.md" in refusal(folder)
