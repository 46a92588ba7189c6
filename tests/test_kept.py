"""The file of an inversion: all of it comes back, other programs' and damaged ones are refused in a line."""

import dataclasses
import json

import numpy as np
import pytest
from tolerances import EXACT

from lrgan_jax import WS, load_latents
from lrgan_jax.base.errors import ExistsError
from lrgan_jax.inversion import kept
from lrgan_jax.inversion.kept import Kept, KeptError
from lrgan_jax.inversion.noise import noise_pictures
from lrgan_jax.inversion.tuning import Delta
from lrgan_jax.inversion.weights import identity, trained


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def found(small_stylegan2):
    """Two photographs, with everything that there may be."""
    gen = small_stylegan2
    place = next(place for place in trained(gen) if place.endswith("conv1/kernel"))
    steps = np.random.default_rng(1).integers(-127, 128, trained(gen)[place].size).astype(np.int8)
    return Kept(
        WS(numbers(2, gen.num_ws, gen.w_dim)),
        "small",
        identity(gen),
        noise={place: numbers(2, *own.shape) for place, own in noise_pictures(gen).items()},
        delta=Delta((place,), np.array([1e-3], np.float32), steps, identity(gen)),
        photographs=(b"\xff\xd8 a photograph", bytes(range(256))),
        alignments=({"quad": [[0.5, 1], [2, 3], [4, 5], [6, 7]], "size": [16, 16]}, {}),
        losses=numbers(2, 5),
        settings={"fit": {"steps": 5}},
    )


def refused(path, gen, says="photo.npz"):
    with pytest.raises(KeptError, match=says) as caught:
        kept.open(path, gen)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_everything_comes_back(small_stylegan2, found, tmp_path):
    again = kept.open(found.save(tmp_path / "photo.npz"), small_stylegan2)
    for name in ("model", "fingerprint", "settings"):
        assert getattr(again, name) == getattr(found, name)
    assert again.photographs == list(found.photographs) and again.alignments == list(found.alignments)
    np.testing.assert_array_equal(again.ws.array, found.ws.array)
    np.testing.assert_array_equal(again.losses, found.losses)
    assert again.noise.keys() == found.noise.keys() and again.delta.places == found.delta.places
    for number in (0, 1):
        own, theirs = (each.generator(small_stylegan2, number) for each in (found, again))
        assert own == theirs and own.info == theirs.info
        np.testing.assert_allclose(own.synthesis(found.ws), theirs.synthesis(found.ws), **EXACT)


def test_its_latents_are_a_file_of_latents(small_stylegan2, found, tmp_path):
    latents = load_latents(found.save(tmp_path / "photo.npz"), small_stylegan2)
    assert type(latents) is WS
    np.testing.assert_array_equal(latents.array, found.ws.array)


def test_the_generator_has_the_photographs_own_noise_and_weights(small_stylegan2, found):
    """Of each photograph another one, which directions can tell apart; unchanged where nothing was."""
    gens = [found.generator(small_stylegan2, number) for number in (0, 1)]
    for number, gen in enumerate(gens):
        for place, own in noise_pictures(gen).items():
            np.testing.assert_array_equal(own, found.noise[place][number])
        (place,) = found.delta.places
        np.testing.assert_array_equal(trained(gen)[place], found.delta.moved(small_stylegan2)[place])
        assert gen.info.fingerprint == identity(dataclasses.replace(gen, info=small_stylegan2.info))
    assert len({identity(gen) for gen in (*gens, small_stylegan2)}) == 3
    plain = dataclasses.replace(found, noise={}, delta=None)
    assert plain.generator(small_stylegan2, 1) is small_stylegan2
    with pytest.raises(ValueError, match="photograph 2 of 2"):
        found.generator(small_stylegan2, 2)


def test_latents_alone_are_enough(small_dcgan, tmp_path):
    one = Kept(WS(numbers(1, 1, 10)), fingerprint=identity(small_dcgan))
    again = kept.open(one.save(tmp_path / "photo.npz"), small_dcgan)
    np.testing.assert_array_equal(again.ws.array, one.ws.array)
    assert not again.photographs and again.losses is None and again.delta is None
    with pytest.raises(ExistsError):
        one.save(tmp_path / "photo.npz")
    with pytest.raises(KeptError, match="saved as .npz"):
        one.save(tmp_path / "photo.npy")
    with pytest.raises(KeptError, match="1 latents have 2 photographs"):
        dataclasses.replace(one, photographs=(b"a", b"b"))


def test_another_models_file_is_refused(small_stylegan2, small_dcgan, found, tmp_path):
    refused(found.save(tmp_path / "photo.npz"), small_dcgan, "found with small of other weights than unnamed")


def test_a_damaged_file_is_refused(small_stylegan2, found, tmp_path):
    """Every part by its name: what is missing, strange, of another kind or shape, or not finite."""
    path = found.save(tmp_path / "photo.npz")
    with np.load(path) as archive:
        content = dict(archive)
    record = json.loads(str(content["record"]))
    noise = next(name for name in content if name.startswith("noise/"))
    damages = {
        "no inversion": [
            {"ws": None},
            {"record": None},
            {"record": np.array("{")},
            {"record": np.array("[" * 100_000)},
            {"record": np.array([1])},
            {"record": np.array(json.dumps(record | {"format": "lrgan_jax photo 9"}))},
        ],
        "damaged: ": [
            {"ws": content["ws"].astype(int)},
            {"ws": content["ws"][0]},
            {"ws": content["ws"] * np.inf},
            {noise: content[noise][:, 0]},
            {"delta": content["delta"].astype(np.float32)},
            {"delta_sizes": content["delta_sizes"] * np.nan},
            {"delta_sizes": None},
            {"losses": content["losses"][0]},
            {"photograph/0": content["photograph/0"].astype(np.float32)},
            {"photograph/0": None},
            *({"record": np.array(json.dumps(record | {name: 1}))} for name in record if name != "format"),
            {"record": np.array(json.dumps(record | {"places": [1]}))},
        ],
        "which an inversion does not": [{"more": numbers(1)}],
        "latents .* are not of": [{"ws": content["ws"][:, :3]}, {"ws": content["ws"][..., :3]}],
        "classes .* are not of": [{"classes": numbers(2, 3)}],
        "which unnamed does not take": [
            {noise: content[noise][:1]},
            {noise: content[noise][:, 1:]},
            {"noise/elsewhere": content[noise]},
            {"noise/variables/params/synthesis/b4/const": content[noise]},
        ],
        "does not fit": [{"delta": content["delta"][1:]}],
        "does not have": [{"record": np.array(json.dumps(record | {"places": ["nowhere"]}))}],
        "2 latents have 1 photographs": [{"photograph/1": None}],
        "0 latents have 2 photographs": [{"ws": content["ws"][:0]}],
        "other weights": [{"record": np.array(json.dumps(record | {"fingerprint": "another"}))}],
    }
    for says, changes in damages.items():
        for change in changes:
            np.savez(path, **{name: a for name, a in (content | change).items() if a is not None})
            refused(path, small_stylegan2, says)
    np.savez(path, **content | {"ws": np.array([None])})
    refused(path, small_stylegan2)
    refused(tmp_path / "none.npz", small_stylegan2, "no such file")
    refused(tmp_path, small_stylegan2, "Is a directory")


def test_no_flipped_byte_goes_unseen_or_crashes(small_stylegan2, found, tmp_path):
    """A file is refused, or gives what it did: names and times in the archive's own tables are no content."""
    path = found.save(tmp_path / "photo.npz")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 150):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            again = kept.open(path, small_stylegan2)
        except KeptError:
            continue
        assert again.photographs == list(found.photographs)
        np.testing.assert_array_equal(again.ws.array, found.ws.array)
    for length in range(0, len(whole), 1 + len(whole) // 40):
        path.write_bytes(whole[:length])
        refused(path, small_stylegan2)
