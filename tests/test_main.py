"""The commands, run in this process: what they write, and how they refuse."""

import shutil
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from sheets import tiles

import lrgan_jax.__main__ as command
from lrgan_jax import Directions, embedded_models, find_directions, images, render, sample_z, to_ws
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.layer_map import layer_map
from lrgan_jax.layers import layers_text
from lrgan_jax.models import checkpoint


@pytest.fixture
def model(tmp_path, small_stylegan2):
    """A converted model on disk, as small as they come."""
    return str(checkpoint.save(tmp_path / "model", small_stylegan2))


@pytest.fixture
def lrgan(monkeypatch, tmp_path, capsys):
    """Run `lrgan ARGS` in an empty folder: (exit code, stdout, stderr)."""
    return _runner(monkeypatch, tmp_path, capsys)


@pytest.fixture
def converter(monkeypatch, tmp_path, capsys):
    """Run `lrgan convert ARGS` in an empty folder."""
    return partial(_runner(monkeypatch, tmp_path, capsys), "convert")


def _runner(monkeypatch, tmp_path, capsys):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(*args):
        monkeypatch.setattr("sys.argv", ["lrgan", *map(str, args)])
        try:
            code = command.main()
        except SystemExit as stop:  # tyro's own usage errors
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def _box(path):
    mask = np.zeros((16, 16), np.uint8)
    mask[2:7, 3:9] = 255
    Image.fromarray(mask).save(path)
    return path


def test_find_save_and_apply(lrgan, model, tmp_path):
    """directions, then edit as a strip and as an animation: the files are what they say."""
    box = _box(tmp_path / "box.png")
    code, out, _ = lrgan(
        "directions", box, "--model", model, "--out", "d.npz", "--layers", "1-3,5", "--image", 2, "--num", 2
    )
    assert code == 0 and "direction 0" in out
    found = Directions.load("d.npz")
    assert (
        found.layers == (1, 2, 3, 5)
        and found.region == str(box)
        and found.fingerprint == checkpoint.load(model).info.fingerprint
    )
    assert lrgan("edit", "d.npz", "--model", model, "--num-images", 2, "--out", "d.png")[0] == 0
    assert tiles("d.png", 2)[0].shape == (2, 7, 128, 128, 3)
    assert lrgan("edit", "d.npz", "--model", model, "--steps", 3, "--out", "d.gif")[0] == 0
    film = Image.open("d.gif")
    assert isinstance(film, GifImageFile) and film.n_frames == 4  # there and back again


def test_layers_are_chosen_where_asked_for(lrgan, model, tmp_path):
    """The command says what all layers leak and what the chosen ones do, and the file remembers these."""
    box = _box(tmp_path / "box.png")
    code, out, _ = lrgan("directions", box, "--model", model, "--out", "d.npz", "--layers", "auto", "--num", 1)
    gen = checkpoint.load(model)
    best = layer_map(gen, seeded(gen, 0, 1).all(), box).best(str(box))
    assert code == 0 and out.startswith(f"{box}: all layers leak ") and f", {layers_text(best)} leak " in out
    assert Directions.load("d.npz").layers == best


def test_directions_of_the_mapping_are_those_at_the_images_own_z(model, lrgan, tmp_path, small_stylegan2):
    """Of a seed's number, and of that row of a file; a file of w has none."""
    box, z = _box(tmp_path / "box.png"), sample_z(small_stylegan2, jax.random.key(1), 3)
    np.save(tmp_path / "z.npy", z.array)
    ask = "directions", box, "--model", model, "--method", "local_basis", "--image", 2
    assert lrgan(*ask, "--out", "seed.npz", "--seed", 1)[0] == 0
    assert lrgan(*ask, "--out", "file.npz", "--latents", tmp_path / "z.npy", "--space", "z")[0] == 0
    expected = find_directions(small_stylegan2, z[2:], np.asarray(Image.open(box)) > 0, method="local_basis")
    for name in ("seed.npz", "file.npz"):
        np.testing.assert_allclose(Directions.load(name).vectors, expected.vectors, atol=1e-5)
    np.save(tmp_path / "w.npy", np.zeros((3, small_stylegan2.w_dim), np.float32))
    code, _, err = lrgan(*ask, "--out", "w.npz", "--latents", tmp_path / "w.npy")
    assert code == 1 and "a z of number 2 is wanted" in err


def test_images_keep_their_numbers(lrgan, model):
    """Image 3 of a seed is the same in a grid of 4 and in one of 9, and so is its number, which no other has."""
    for num in (4, 9):
        assert lrgan("sample", "--model", model, "--num", num, "--out", f"{num}.png")[0] == 0
    (four, numbers), (nine, more) = tiles("4.png", 2), tiles("9.png", 3)
    np.testing.assert_array_equal(four.reshape(-1, *four.shape[2:]), nine.reshape(-1, *nine.shape[2:])[:4])
    np.testing.assert_array_equal(numbers.reshape(4, -1), more.reshape(9, -1)[:4])
    assert len(np.unique(more.reshape(9, -1), axis=0)) == 9 and more.min() < 100 and more.max() == 255


def test_latents_of_a_file_are_shown_and_edited(lrgan, model, small_stylegan2):
    """The grid holds the file's images, in order; a direction of every layer moves each by its own row."""
    ws = small_stylegan2.mapping(np.random.default_rng(0).standard_normal((16, 10)).astype(np.float32))
    np.savez("w.npz", w=np.asarray(to_ws(small_stylegan2, ws)))
    assert lrgan("sample", "--model", model, "--latents", "w.npz")[0] == 0
    expected = images.to_uint8(render(small_stylegan2, to_ws(small_stylegan2, ws)).reshape(4, 4, 16, 16, 3))
    np.testing.assert_array_equal(tiles("samples.png", 4)[0][:, :, ::8, ::8], expected)

    move = np.random.default_rng(1).standard_normal((6, 12)).astype(np.float32)
    np.save("move.npy", move)
    common = ("--model", model, "--latents", "w.npz", "--image", 3, "--steps", 4, "--reach", 1.5)
    assert lrgan("edit", "move.npy", *common, "--rows", "layers")[0] == 0
    moved = to_ws(small_stylegan2, ws[3:4]).array + np.array([-1.5, -0.5, 0.5, 1.5], np.float32)[:, None, None] * move
    expected = images.to_uint8(render(small_stylegan2, moved)).astype(int)
    assert np.abs(tiles("edit.png", 1)[0][0, :, ::8, ::8] - expected).max() <= 1
    np.save("moves.npy", move[None])
    assert lrgan("edit", "moves.npy", *common, "--out", "same.png")[0] == 0
    np.testing.assert_array_equal(_read("same.png"), _read("edit.png"))


def _read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_demo_writes_a_page(lrgan, model, tmp_path):
    """The page is whole, stands alone, and holds a strip for every face and region."""
    box = _box(tmp_path / "box.png")
    code, out, _ = lrgan("demo", "--model", model, "--regions", box, "--num-latents", 2, "--out", "page/index.html")
    page = Path("page/index.html").read_text()
    assert code == 0 and "frontier" in out and page.rstrip().endswith("</html>")
    assert page.count('class="strip"') == 2 and "http" not in page and "<script" not in page


def test_info_names_every_model(lrgan):
    code, out, _ = lrgan("info")
    assert code == 0 and set(embedded_models()) == {line.split()[0] for line in out.splitlines()}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("info", "nothing-here"), "no model 'nothing-here'"),
        (("info", "notes.txt"), "lrgan convert notes.txt"),
        (("sample", "--model", "MODEL", "--out", "a.jpg"), "a.jpg"),
        (("sample", "--model", "MODEL", "--num", "0"), "at least one image"),
        (("sample", "--model", "MODEL", "--label", "3"), "no classes"),
        (("directions", "mouth", "--model", "MODEL", "--out", "notes.txt"), "exists already"),
        (("directions", "mouth", "--model", "MODEL", "--out", "d.txt"), ".npz"),
        (("directions", "elbow", "--model", "MODEL"), "no region 'elbow'"),
        (("directions", "gone.png", "--model", "MODEL"), "no such file"),
        (("directions", "notes.png", "--model", "MODEL"), "not a readable picture"),
        (("directions", "mouth", "--model", "MODEL", "--layers", "2-9"), "layers 0 to 5"),
        (("directions", "mouth", "--model", "MODEL", "--layers", "two"), "layers two"),
        (("directions", "elbow", "--model", "MODEL", "--layers", "auto"), "no region 'elbow'"),
        (("directions", "mouth", "--model", "MODEL", "--mu", "1e9"), "lower mu"),
        (
            ("directions", "mouth", "--model", "MODEL", "--method", "local_basis", "--truncation", "0.7"),
            "leave --truncation",
        ),
        (("directions", "mouth", "--model", "MODEL", "--method", "local_basis", "--average", "2"), "leave --average"),
        (("directions", "mouth", "--model", "MODEL", "--mu", "measured", "--tao", "0.1"), "leave one of them out"),
        (("edit", "gone.npz", "--model", "MODEL"), "no such file"),
        (("edit", "notes.txt", "--model", "MODEL"), "not a directions file"),
        (("edit", "wide.npy", "--model", "MODEL"), "7 numbers"),
        (("edit", "right.npy", "--model", "MODEL", "--direction", "4"), "direction 4 of 1"),
        (("edit", "right.npy", "--model", "MODEL", "--out", "e.bmp"), "e.bmp"),
        (("edit", "right.npy", "--model", "MODEL", "--steps", "1"), "--steps"),
        (
            ("edit", "layers.npy", "--model", "MODEL"),
            "6 directions, or the 6 layers of one (W+): say which, with --rows",
        ),
        (("edit", "right.npy", "--model", "MODEL", "--rows", "layers"), "holds 1 rows, unnamed has 6 layers"),
        (("edit", "moves.npy", "--model", "MODEL"), "12 numbers for each of 5 layers, unnamed has latents of 12 for 6"),
        (("edit", "right.npy", "--model", "MODEL", "--latents", "layers.npy"), "--space w or --space ws"),
        (("sample", "--model", "MODEL", "--latents", "gone.npy"), "gone.npy: no such file"),
        (
            ("sample", "--model", "MODEL", "--latents", "right.npy", "--num", "2"),
            "holds 1 latents, numbered from 0; image 1 is not",
        ),
        (("sample", "--model", "MODEL", "--latents", "right.npy", "--seed", "1"), "--seed is of random latents"),
        (
            ("sample", "--model", "MODEL", "--latents", "right.npy", "--truncation", "0.5"),
            "--truncation, --cutoff and --labels are for z",
        ),
        (("sample", "--model", "MODEL", "--space", "w"), "--latents FILE"),
        (("directions", "mouth", "--model", "MODEL", "--latents", "notes.txt"), "notes.txt: "),
        (
            ("directions", "map.png", "--model", "MODEL"),
            "a palette of colours and no mask; if it is a label map (0, 4), say which",
        ),
        (("directions", "map.png:5", "--model", "MODEL"), "map.png:5: labels [5]: empty, the map has 0, 4"),
        (("explore", "--model", "MODEL", "--latents", "wide.npy"), "[1, 7] are no latents of this model"),
        (("explore", "--model", "MODEL", "--num-faces", "0"), "--num-faces"),
        (
            ("demo", "--model", "MODEL", "--latents", "wide.npy", "--regions", "mouth"),
            "[1, 7] are no latents of this model",
        ),
        (("sweep", "store", "--model", "MODEL", "--latents", "layers.npy"), "--space w or --space ws"),
        (
            ("sweep", "store", "--model", "MODEL", "--latents", "right.npy", "--num-latents", "1"),
            "--num-latents is of random latents, and does not go with --latents",
        ),
        (("demo", "--model", "MODEL"), "no named regions"),
        (("demo", "--model", "MODEL", "--regions", "mouth", "--num-latents", "0"), "--num-latents"),
    ],
)
def test_bad_input_ends_in_one_line(lrgan, model, args, says, tmp_path):
    """One line on stderr, exit code 1, and nothing new on disk."""
    here = tmp_path / "here"
    (here / "notes.txt").write_text("no model")
    (here / "notes.png").write_text("no picture")
    np.save(here / "wide.npy", np.eye(1, 7, dtype=np.float32))
    np.save(here / "right.npy", np.eye(1, 12, dtype=np.float32))
    np.save(here / "layers.npy", np.eye(6, 12, dtype=np.float32))
    np.save(here / "moves.npy", np.ones((1, 5, 12), np.float32))
    labelled = Image.fromarray(np.kron(np.eye(2), np.full((8, 8), 4)).astype(np.uint8))
    labelled.putpalette([0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 200, 0, 0])
    labelled.save(here / "map.png")
    before = sorted(here.iterdir())
    code, _, err = lrgan(*(model if arg == "MODEL" else arg for arg in args))
    assert code == 1 and err.startswith("error: ") and err.count("\n") == 1 and says in err
    assert sorted(here.iterdir()) == before


def test_unknown_options_are_refused(lrgan):
    assert lrgan("demo", "--modle", "x")[0] not in (0, None)


@pytest.mark.parametrize(
    "name", ["fixtures/public/nvidia_ada/ada_nonoise16", "fixtures/public/rosinality/rosi_training16_cuda"]
)
def test_convert_and_verify(converter, shared, name):
    """A real file converts, is verified, and loads; the provenance says so."""
    source = next(
        path for path in (shared / name).parent.glob(f"{(shared / name).stem}.p*") if path.suffix in (".pkl", ".pt")
    )
    code, out, err = converter(
        source, "model", "--verify", f"{shared / name}.npz", *_latent_avg(shared / f"{name}.npz")
    )
    assert code == 0, err
    info = checkpoint.load("model").info
    assert info.provenance["worst_error"] < 2e-5 and len(info.provenance["sha256"]) == 64 and "img_const" in out
    assert converter(source, "model")[0] == 1  # nothing is overwritten
    assert converter(source, "--show")[0] == 0


def _latent_avg(reference):
    """rosinality's training snapshots lack the mean latent; their reference images were made with this one."""
    with np.load(reference) as arrays:
        if "latent_avg" not in arrays:
            return ()
        np.save("latent_avg.npy", arrays["latent_avg"])
    return ("--w-avg", "latent_avg.npy")


def test_convert_refuses(converter, shared, tmp_path):
    """A wrong reference, a missing target, a file of nonsense: one line, and no folder."""
    public = shared / "fixtures" / "public" / "nvidia_ada"
    shutil.copy(public / "ada_nonoise16.pkl", tmp_path / "here" / "net.pkl")
    (tmp_path / "here" / "bad.json").write_text("{")
    before = sorted((tmp_path / "here").iterdir())
    for args, says in [
        (("net.pkl",), "say where to write"),
        (("gone.pkl", "out"), "gone.pkl"),
        (("bad.json", "out"), "bad.json"),
        (("net.pkl", "out", "--verify", public / "ada_resnet32.npz"), "does not belong to this model"),
        (("net.pkl", "out", "--regions", "bad.json"), "not readable JSON"),
        (("net.pkl", "out", "--card", "gone.md"), "gone.md"),
        (("net.pkl", "out", "--w-avg", "bad.json"), "bad.json: no file of arrays"),
    ]:
        code, _, err = converter(*args)
        assert code == 1 and err.startswith("error: ") and err.count("\n") == 1 and says in err, err
        assert sorted((tmp_path / "here").iterdir()) == before


@pytest.mark.slow
def test_train_goes_on_where_it_was_and_refuses_what_does_not_fit(lrgan, tmp_path):
    """Two short runs of one command, on a folder; then a model that came out of it makes samples."""
    for k in range(12):
        pixels = np.random.default_rng(k).integers(0, 256, (8, 8, 3), np.uint8)
        (tmp_path / "faces").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"{k}.png")
    (tmp_path / "faces" / "._0.png").write_bytes(b"of a Mac")
    common = (
        "train",
        tmp_path / "faces",
        "--batch",
        4,
        "--channel-base",
        32,
        "--latent",
        6,
        "--mapping-layers",
        1,
        "--path-weight",
        0,
    )
    code, out, err = lrgan(*common, "--kimg", 0.008)
    assert "note: hidden files are passed over: 1, such as ._0.png" in err
    (tmp_path / "faces" / "._0.png").unlink()
    assert code == 0 and "0.0 kimg" in out and "swd" in out and "wrote run" in out
    code, out, _ = lrgan(*common, "--kimg", 0.012)
    assert code == 0 and out.count("loss_g") == 1, "one more step, not three"
    assert lrgan("sample", "--model", "run/models/000000012", "--num", 4)[0] == 0
    for args, message in (
        ((*common, "--seed", 1), "seed is 0, not 1"),
        (("train", tmp_path / "nowhere"), "no such folder, and no model"),
        (("train", "faces-dcgan", "--mirror", "--out", "other"), "for a folder of images"),
        (("train", tmp_path / "faces", "--batch", 64), "holds 12 images, fewer than a batch of 64"),
        (("train", tmp_path / "faces", "--batch", 4, "--start", "faces-dcgan", "--out", "other"), "not a StyleGAN2"),
        (
            ("train", tmp_path / "faces", "--batch", 4, "--match", 1, "--out", "other"),
            "wants the latent of every image",
        ),
        (("train", "faces-dcgan", "--match", 1, "--latent", 64, "--out", "other"), "a generator with z of 100"),
    ):
        code, out, err = lrgan(*args)
        assert code == 1 and message in err and err.count("\n") == 1, err
    assert not (tmp_path / "here" / "other").exists()
