"""`lrgan invert`, and `--photo` of the commands after it: they write what the library says, and lose nothing."""

import signal
from pathlib import Path

import metric_oracles as oracle
import numpy as np
import pytest
from PIL import Image
from reference import astronaut
from sheets import tiles
from tolerances import EXACT

import lrgan_jax as lr
from lrgan_jax import images
from lrgan_jax.__main__ import main
from lrgan_jax.base.progress import Job
from lrgan_jax.inversion import kept
from lrgan_jax.photographs import Aligned, blend, open_photograph

QUICK = ("--network", "pyramid", "--pool", 8, "--steps", 30, "--space", "w")
BOX = "1,8,32,32"  # of photographs of 40 x 48


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def square(path, place, size):
    """A black and white picture, white in the place."""
    mask = np.zeros((size, size), np.uint8)
    mask[place] = 255
    Image.fromarray(mask).save(path)
    return path


@pytest.fixture
def lrgan(capsys):
    """`lrgan ARGS` -> exit code, stdout, stderr."""

    def run(*words):
        code = main([*map(str, words)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def room(tmp_path_factory, small_stylegan2):
    """A model, and two photographs, of noise as coarse as a face's parts."""
    folder = tmp_path_factory.mktemp("photographs")
    lr.save(folder / "model", small_stylegan2)
    for name, seed in (("a.png", 0), ("b.png", 1)):
        coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def written(room):
    """Two photographs with noise pictures of their own, and the first of them tuned, each in a file."""
    ask = "--model", str(room / "model"), "--box", BOX, *map(str, QUICK)
    a, b = str(room / "a.png"), str(room / "b.png")
    assert main(["invert", a, b, "--noise", *ask, "--out", str(room / "both.npz")]) == 0
    assert main(["invert", a, *ask, "--tune", "3", "--out", str(room / "tuned.npz")]) == 0
    return room


@pytest.fixture(scope="module")
def gen(room):
    return lr.load(room / "model")


def inverted(room, gen, *names, **settings):
    """By the library."""
    crops = [lr.align(lr.open_photograph(room / name), gen.size, box=[1, 8, 32, 32]) for name in names]
    settings |= {"network": "pyramid", "pool": 8, "steps": 30, "space": "w"}
    return crops, lr.invert(gen, np.stack([crop.image for crop in crops]), **settings)


def test_the_file_holds_what_the_library_finds(written, gen):
    """Latents, noise, photographs and crops; the picture beside shows both; the unfinished file is gone."""
    crops, found = inverted(written, gen, "a.png", "b.png", noise=True)
    both = kept.open(written / "both.npz", gen)
    np.testing.assert_allclose(both.ws.array, found.latents.array, **EXACT)
    assert both.noise and both.noise.keys() == found.noise.keys()
    for number, name in enumerate(("a.png", "b.png")):
        assert both.photographs[number] == (written / name).read_bytes()
        assert both.alignments[number] == crops[number].record
        np.testing.assert_array_equal(*(own.generator(gen, number).synthesis(found.latents) for own in (both, found)))
    picture = images.to_uint8(np.stack([found.targets, found.images], axis=1))
    np.testing.assert_array_equal(tiles(written / "both-inverted.png", 2)[0][:, :, ::8, ::8], picture)
    assert not list(written.glob("*unfinished*"))


def test_a_tuned_file_draws_its_photograph(written, gen):
    """Better than before, by the generator that the file makes; that is what the third picture shows."""
    crops, found = inverted(written, gen, "a.png")
    tuned = kept.open(written / "tuned.npz", gen)
    image = lr.render(tuned.generator(gen), tuned.ws)[0]
    assert np.square(image - crops[0].image).mean() < np.square(found.images[0] - crops[0].image).mean()
    shown = tiles(written / "tuned-inverted.png", 1)[0][0, :, ::8, ::8]
    np.testing.assert_array_equal(shown, images.to_uint8(np.stack([crops[0].image, found.images[0], image])))


def test_a_strip_is_drawn_by_each_photographs_own_generator(written, gen, lrgan, tmp_path):
    """Directions are found by it, too, and named as its; there is no word of other weights."""
    box, photo = square(tmp_path / "box.png", np.s_[2:7, 3:9], 16), written / "both.npz"
    common = "--model", written / "model", "--photo", photo
    code, _, err = lrgan("directions", box, *common, "--image", 1, "--num", 1, "--out", tmp_path / "d.npz")
    assert code == 0, err
    both, chosen = kept.open(photo, gen), lr.Directions.load(tmp_path / "d.npz")
    own = both.generator(gen, 1)
    assert chosen.fingerprint == own.info.fingerprint != gen.info.fingerprint
    expected = lr.find_directions(own, both.ws[1:], read(box) > 0, num=1)
    np.testing.assert_allclose(chosen.vectors, expected.vectors, atol=1e-5)
    ask = *common, "--steps", 3, "--reach", 1.5, "--num-images", 2, "--out", tmp_path / "strip.png"
    code, _, err = lrgan("edit", tmp_path / "d.npz", *ask)
    assert code == 0 and not err
    rows = [
        lr.render(both.generator(gen, n), lr.edit(both.ws[n : n + 1], chosen, [-1.5, 0.0, 1.5])[:, 0]) for n in (0, 1)
    ]
    shown = tiles(tmp_path / "strip.png", 2)[0][:, :, ::8, ::8].astype(int)
    assert np.abs(shown - images.to_uint8(np.stack(rows))).max() <= 1


@pytest.mark.parametrize("blended", [False, True])
def test_the_edited_photograph_changes_where_it_may(written, gen, lrgan, tmp_path, blended):
    """As the library puts the edit back; every pixel outside of the crop, or of the region, is what it was."""
    region = square(tmp_path / "box.png", np.s_[4:9, 5:12], 16)
    move = lr.Directions(np.eye(1, 12, dtype=np.float32), region=str(region))
    ask = "--model", written / "model", "--photo", written / "tuned.npz", *(["--blend"] if blended else [])
    out = tmp_path / "edited.png"
    code, said, err = lrgan("edit", move.save(tmp_path / "d.npz"), *ask, "--step", 3, "--out", out)
    assert code == 0 and not err

    tuned, before = kept.open(written / "tuned.npz", gen), read(written / "a.png")
    own = tuned.generator(gen)
    still, moved = lr.render(own, lr.edit(tuned.ws, move, [0.0, 3.0])[:, 0])
    aligned = Aligned.from_record(open_photograph(written / "a.png"), tuned.alignments[0])
    edit = blend(still, moved, (read(region) > 0).astype(np.float32)).image if blended else moved
    after = read(out)
    np.testing.assert_array_equal(after, aligned.put_back(edit, of=still).picture.colours)
    reach = 4  # of the cubic interpolation: two pixels of the crop, two of the photograph each
    region_place = np.s_[9 - reach : 19 + reach, 18 - reach : 32 + reach]
    place = region_place if blended else np.s_[1:33, 8:40]
    outside = np.ones(before.shape[:2], bool)
    outside[place] = False
    np.testing.assert_array_equal(after[outside], before[outside])
    changed = (after != before).any(-1)
    assert changed.sum() > 50 and f"{changed.sum()} of {changed.size} pixels" in said and ("seam" in said) == blended

    assert lrgan("edit", tmp_path / "d.npz", *ask, "--step", 0, "--out", out)[0] == 0
    np.testing.assert_array_equal(read(out), before)


@pytest.mark.parametrize("at", ["inverting", "tuning"])
def test_it_goes_on_where_it_was_stopped(written, lrgan, tmp_path, monkeypatch, at):
    """Ctrl-C keeps what is done; the same command ends as if it had never stopped, and then leaves nothing behind."""
    rounds, reach = [], Job.reach

    def stopping(job, *far):
        reach(job, *far)
        rounds.append(job.what)
        if job.what == at and rounds.count(at) == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Job, "reach", stopping)
    ask = "--model", written / "model", "--box", BOX, *QUICK, "--tune", 3, "--out", tmp_path / "photo.npz"
    code, out, err = lrgan("invert", written / "a.png", *ask)
    assert code == 130 and not out and err.splitlines()[-1].startswith("stopped") and "the same command goes on" in err
    assert [path.name for path in tmp_path.iterdir()] == ["photo-unfinished.npz"]
    assert lrgan("invert", written / "a.png", *ask)[0] == 0
    assert rounds.count("inverting") == 3 + 1, "the round that was done is said again, and no round is done twice"
    again, whole = (dict(np.load(path)) for path in (tmp_path / "photo.npz", written / "tuned.npz"))
    assert again.keys() == whole.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(again[name], array)
    assert {path.name for path in tmp_path.iterdir()} == {"photo.npz", "photo-inverted.png"}


REFUSED = [
    (("invert",), "name a photograph"),
    (("invert", "gone.png", "--box", "middle"), "gone.png does not exist"),
    (("invert", "notes.png", "--box", "middle"), "notes.png: not a readable picture"),
    (("invert", "a.png", "--box", "1,2,3"), "--box 1,2,3: write 4 numbers with commas between them"),
    (("invert", "a.png", "--box", "0,0,400,400"), "a.png: box is top, left, height and width inside"),
    (("invert", "a.png", "--points", "1,2", "3;4"), "--points 3;4: write 2 numbers"),
    (("invert", "a.png", "--points", "9,9 9,30", "--framing", "ffhq"), "a.png: points are two eyes"),
    (("invert", "a.png", "b.png", "--points", "1,2"), "--points are of one photograph"),
    (("invert", "a.png", "--points", "1,2 3,4", "--face", "1", "--framing", "ffhq"), "say one of face, points and box"),
    (("invert", "a.png", "--face", "0", "--framing", "ffhq"), "or say where the face is, with --points, or give a"),
    (("invert", "a.png", "--out", "a.png"), "a.png: an inversion is saved as .npz"),
    (("invert", "a.png", "--out", "here.npz"), "here-inverted.png exists already"),
    (("invert", "a.png", "--box", "middle", "--steps", "0"), "steps"),
    (("invert", "a.png", "--box", "middle", "--tune", "0"), "steps"),
    (("invert", "a.png", "--box", "middle", "--noise", "--tune"), "leave --noise out"),
    (("invert", "a.png", "--box", "middle", "--network", "lpips_vgg16"), "is not there yet: run"),
    (("edit", "d.npy", "--step", "1"), "--step is of a --photo"),
    (("edit", "d.npy", "--photo", "TUNED", "--step", "nan"), "--step"),
    (("edit", "d.npy", "--photo", "TUNED", "--step", "1", "--even"), "leave --reach, --even and --num-images out"),
    (("edit", "d.npy", "--photo", "TUNED", "--blend"), "--blend goes with --step"),
    (("edit", "d.npy", "--photo", "TUNED", "--step", "1", "--blend"), "directions that say their region"),
    (("edit", "d.npy", "--photo", "TUNED", "--step", "1", "--out", "e.gif"), "pictures are written as .png"),
    (("edit", "d.npy", "--photo", "TUNED", "--image", "1"), "--photo holds 1, numbered from 0; image 1 is not"),
    (("edit", "d.npy", "--photo", "TUNED", "--seed", "1"), "--photo brings its latents"),
    (("edit", "d.npy", "--photo", "d.npy"), "d.npy: no inversion of a photograph"),
    (("edit", "d.npy", "--photo", "gone.npz"), "gone.npz: no such file"),
    (("directions", "mouth", "--photo", "TUNED", "--average", "2"), "leave --average out"),
    (("directions", "mouth", "--photo", "TUNED", "--method", "local_basis"), "wants one z"),
    (("directions", "mouth", "--photo", "TUNED", "--from-sweep", "store"), "--photo and --from-sweep"),
]


@pytest.mark.parametrize(("words", "says"), REFUSED)
def test_bad_input_ends_in_one_line(written, lrgan, tmp_path, monkeypatch, words, says):
    """One line on stderr, exit code 1, and nothing new on disk; there are no networks."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Path(name).write_bytes((written / name).read_bytes())
    Path("notes.png").write_text("no picture")
    Path("here-inverted.png").write_text("somebody's")
    np.save("d.npy", np.eye(1, 12, dtype=np.float32))
    before = sorted(tmp_path.iterdir())
    known = {"TUNED": written / "tuned.npz"}
    code, _, err = lrgan(*(known.get(word, word) for word in words), "--model", written / "model")
    assert code == 1 and err.startswith("error: ") and err.count("\n") == 1 and says in err, err
    assert sorted(tmp_path.iterdir()) == before


def test_another_models_file_names_its_own(written, lrgan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = lrgan("edit", "--direction", "smile", "--photo", written / "both.npz", "--model", "faces-dcgan")
    own = kept.open(written / "both.npz", lr.load(written / "model")).model
    assert code == 1 and f"found with {own} of other weights than faces-dcgan" in err and err.count("\n") == 1


def test_without_networks_it_says_what_is_compared(room, lrgan, tmp_path, monkeypatch):
    """A note with the commands that bring them, and pixels in their place."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    ask = "--model", room / "model", "--box", BOX, *QUICK[2:], "--out", tmp_path / "photo.npz"
    code, out, err = lrgan("invert", room / "a.png", *ask)
    assert (
        code == 0
        and err.startswith("note: a pyramid of pixels is compared")
        and "compared by pixels and pyramid" in out
    )
    assert "LPIPS" not in out


def test_of_several_faces_one_is_chosen_by_its_number(room, lrgan, tmp_path):
    """The line lists them; the crop of number 1 lies on the right, where the smaller one is."""
    for name in ("face_detection", "face_landmarks"):
        oracle.load_or_skip(name)
    portrait = Image.fromarray(astronaut()[:256, 96:352])
    pair = Image.new("RGB", (512, 256))
    pair.paste(portrait, (0, 0))
    pair.paste(portrait.resize((200, 200)), (256, 0))
    pair.save(tmp_path / "pair.png")
    ask = "--model", room / "model", "--framing", "ffhq", *QUICK, "--out", tmp_path / "photo.npz"
    code, _, err = lrgan("invert", tmp_path / "pair.png", *ask)
    assert code == 1 and "pair.png: 2 faces are found; choose one by its number: 0 at row" in err
    assert lrgan("invert", tmp_path / "pair.png", *ask, "--face", 1)[0] == 0
    (record,) = kept.open(tmp_path / "photo.npz", lr.load(room / "model")).alignments
    assert 256 < np.mean(record["quad"], 0)[1] < 512
