"""The panel as a tool to work in: faces, pictures, soft masks, walks, sessions and models, asked as the page asks."""

import base64
import io
import json
import zipfile
from functools import partial

import jax
import numpy as np
import pytest
from PIL import Image, ImageSequence
from tolerances import EXACT, PARITY, PARITY_W

import lrgan_jax as lr
from lrgan_jax import images
from lrgan_jax.__main__ import main
from lrgan_jax.commands import explore
from lrgan_jax.commands.explore import file_or_frontal
from lrgan_jax.commands.options import Which
from lrgan_jax.generators.natural import alike, own_root
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.layer_map import layer_map
from lrgan_jax.panel import faces, rendering, session
from lrgan_jax.panel.faces import POOL, Draw, Faces
from lrgan_jax.panel.masks import pack, pack_soft, unpack, unpack_soft
from lrgan_jax.panel.models import Models
from lrgan_jax.panel.named import given, of_generator
from lrgan_jax.panel.pictures import VARYING, shrunk
from lrgan_jax.panel.studio import LARGEST_STATE, Studio
from lrgan_jax.regions import box_mask, feathered

BOX = box_mask(3, 4, 6, 7, 16)
OTHER = box_mask(10, 2, 4, 5, 16)
SEARCH = lr.Search(method="constrained", num=2)


@pytest.fixture(scope="module")
def latents(small_stylegan2):
    return small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 3))


@pytest.fixture
def studio(small_stylegan2, latents):
    rows = np.random.default_rng(0).standard_normal((1, 12)).astype(np.float32)
    named = given({"smile": lr.Directions(rows, step_range=(-2.0, 1.0), region="mouth")})
    return Studio(small_stylegan2, latents, SEARCH, source="gen, faces, named = GEN, FACES, NAMED", named=named)


def ask(studio, kind, **request):
    reply = studio.reply({"kind": kind} | request)
    assert "error" not in reply, reply
    return reply


def find(studio, mask=BOX, **more):
    return ask(studio, "find", **({"face": 1, "mask": pack(mask)} | more))


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content.partition(",")[2] or content))))


def drawn(gen, ws):
    return images.to_uint8(lr.render(gen, ws))[0]


def run(studio, edits, **more):
    """The code of a picture, run; compared with what was shown."""
    ask(studio, "render", edits=edits, **more)
    names = {"GEN": studio.gen, "FACES": studio.faces, "NAMED": {k: v.directions for k, v in studio.named.items()}}
    code = ask(studio, "code", edits=edits, **more)["code"]
    exec(code, names)
    np.testing.assert_allclose(names["edited"], studio.edited, atol=PARITY)
    return code


def test_more_faces_follow_those_that_are_shown(small_stylegan2):
    """Further down the seed's, which are numbered as everywhere; then of the next seed. The code makes them."""
    order = Faces.drawn(small_stylegan2, Draw(seed=1), POOL)
    choice = Faces.drawn(small_stylegan2, Draw(seed=1), 2)
    studio = Studio(small_stylegan2, choice, SEARCH, source="gen, faces = GEN, FACES")
    shown = ask(studio, "hello")["faces"] + ask(studio, "more", num=2)["faces"]
    assert [face["title"] for face in shown] == [face.title for face in order[:4]]
    numbers = [int(face["title"].removeprefix("seed 1, number ")) for face in shown]
    np.testing.assert_array_equal(studio.faces, seeded(small_stylegan2, 1, POOL).all()[np.array(numbers)])
    run(studio, [], face=3, truncation=0.6)
    choice._taken[Draw(seed=1)] = POOL - 1
    titles = [face["title"] for face in ask(studio, "more", num=2)["faces"]]
    assert titles[0] == order[POOL - 1].title and titles[1].startswith("seed 2, number ")
    assert ask(studio, "more", num=1, seed=7)["faces"][0]["title"].startswith("seed 7, ")
    given = Studio(small_stylegan2, lr.near_frontal(small_stylegan2, jax.random.key(0), 2), SEARCH)
    ask(given, "more", num=2)
    assert len(np.unique(np.asarray(given.faces.array).reshape(4, -1), axis=0)) == 4


def test_more_faces_of_a_class(small_biggan):
    """Of that one, or of all in turn."""
    studio = Studio(small_biggan, Faces.drawn(small_biggan, Draw(frontal=False), 2), lr.Search(num=1))
    assert ask(studio, "hello")["classes"] == 4
    assert [face["label"] for face in ask(studio, "hello")["faces"]] == [0, 1]
    assert [face["label"] for face in ask(studio, "more", num=2)["faces"]] == [2, 3]
    assert [face["label"] for face in ask(studio, "more", num=2, label=3)["faces"]] == [3, 3]
    expected = seeded(small_biggan, 0, 2, labels=[3]).all()
    np.testing.assert_allclose(studio.faces[4:].array, expected.array, atol=PARITY_W)
    assert "label is a number from 0 to 3" in studio.reply({"kind": "more", "num": 1, "label": 4})["error"]


def test_faces_like_one_join_it(studio):
    """As it is edited and pulled; the code makes the edit first, then what is like it."""
    number = find(studio, title="box", truncation=0.8)["found"]
    edits = [[number, [1.0, -0.5]], ["smile", [0.5]]]
    added = ask(studio, "alike", face=1, truncation=0.8, edits=edits, num=3, amount=0.4)["faces"]
    assert added == [{"title": "like number 1", "label": None}] * 3 and len(studio.choice) == 6
    ask(studio, "render", face=1, truncation=0.8, edits=edits)
    expected = alike(studio.gen, studio.edited, jax.random.key(3), 0.4, 3)
    np.testing.assert_allclose(studio.faces[3:], expected, **EXACT)
    assert "alike(gen, edited, jax.random.key(3), 0.4, 3)[1:2]" in run(studio, [["smile", [1.0]]], face=4)


def test_a_face_is_pulled_before_it_is_edited(studio, small_stylegan2):
    """As the mapping would have; what is found there is found there."""
    pulled = small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 2), truncation=0.5)[1:]
    reply = find(studio, truncation=0.5)
    expected = lr.find_directions(small_stylegan2, pulled, BOX, SEARCH)
    np.testing.assert_allclose(
        studio.found[0].directions.vectors, expected.vectors, atol=1e-3
    )  # of what rounding turns
    run(studio, [[reply["found"], [0.5, 1.0]]], face=1, truncation=0.5)
    slider = {"found": reply["found"], "index": 0}
    assert (
        ask(studio, "ends", **slider)
        == ask(studio, "ends", truncation=0.5, **slider)
        != ask(studio, "ends", truncation=1, **slider)
    )
    run(studio, [[reply["found"], [0.5, 1.0]]], face=2, truncation=0.9)  # found elsewhere
    assert len(ask(studio, "ends", found=0, index=0)["ends"]) == 2


def test_thumbnails_are_the_pictures_made_small(studio, small_stylegan2, latents, monkeypatch):
    small = ask(studio, "thumbs", faces=[2, 0], truncation=1)["images"]
    np.testing.assert_array_equal(pixels(small[0]), drawn(small_stylegan2, lr.to_ws(small_stylegan2, latents[2:])))
    picture = np.arange(12 * 8 * 3, dtype=np.uint8).reshape(12, 8, 3)
    expected = picture.reshape(6, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(shrunk(picture, 6) - expected).max() <= 0.5


def test_pictures_to_keep(studio):
    """At the image's own size: as it is, beside the original, and a slider from end to end."""
    reply = find(studio)
    edits = [[0, [0.7, 0.0]], ["smile", [-1.0]]]
    asked = {"face": 1, "edits": edits, "found": 0, "index": 1}
    files = {
        what: ask(studio, "picture", what=what, **asked) for what in ("image", "before_after", "strip", "animation")
    }
    whole = {name: pixels(ask(studio, "render", face=1, edits=edits)["image"]) for name, edits in shown(reply).items()}
    np.testing.assert_array_equal(pixels(files["image"]["content"]), whole["edited"])
    np.testing.assert_array_equal(pixels(files["before_after"]["content"])[:, :16], whole["plain"])
    np.testing.assert_array_equal(pixels(files["before_after"]["content"])[:, -16:], whole["edited"])
    strip = pixels(files["strip"]["content"])
    assert strip.shape == (16, 7 * 18 - 2, 3)
    np.testing.assert_array_equal(strip[:, :16], whole["low"])
    np.testing.assert_array_equal(strip[:, -16:], whole["high"])
    assert files["animation"]["type"] == "image/webp" and files["image"]["name"].endswith("number-1-image.png")
    with Image.open(io.BytesIO(base64.b64decode(files["animation"]["content"]))) as animation:
        frames = [frame.copy() and frame.info["duration"] for frame in ImageSequence.Iterator(animation)]
    # There and back again; frames that are alike are one, for as long.
    assert len(frames) > 2 and sum(frames) == (2 * VARYING["animation"] - 2) * round(1000 / 12)


def shown(reply):
    """Edits of what the files show."""
    smile = ["smile", [-1.0]]
    ends = {name: [[0, [0.7, way * reply["reaches"][1]]], smile] for name, way in (("low", -1), ("high", 1))}
    return {"plain": [], "edited": [[0, [0.7, 0.0]], smile]} | ends


def test_named_directions_are_there_from_the_start(studio, small_stylegan2, latents):
    """With every face; a slider reaches as far as the longer way; they are the embedded models' own where known."""
    told = ask(studio, "hello")["named"]
    assert told == [{"found": "smile", "title": "smile", "reaches": [2.0], "leaks": None}]
    ends = ask(studio, "ends", found="smile", index=0, face=2)["ends"]
    edited = lr.edit(lr.to_ws(small_stylegan2, latents[2:]), studio.named["smile"].directions, [2.0])
    np.testing.assert_array_equal(pixels(ends[1]), drawn(small_stylegan2, edited))
    assert "smile = named['smile']" in run(studio, [["smile", [0.3]]], face=0)
    own = lr.named_directions("faces64")
    info = lr.ModelInfo("faces64", fingerprint=own["smile"].fingerprint)
    gen = type(small_stylegan2)(small_stylegan2.config, small_stylegan2.variables, info)
    found = of_generator(gen)
    assert {name: one.directions for name, one in found.items()} == own
    assert found["smile"].code == "lr.named_direction('faces64', 'smile')" and not of_generator(small_stylegan2)
    with pytest.raises(ValueError, match="^beard: the directions have 128 numbers"):
        Studio(gen, latents, SEARCH)


def test_a_title_names_files_and_code(studio):
    find(studio)
    ask(studio, "rename", found=0, title="left: brow")
    assert ask(studio, "save", found=0)["name"] == "left-brow.npz"
    assert "left__brow = lr.find_directions(gen, face, left__brow_mask" in run(studio, [[0, [1.0, 0.0]]], face=1)


def test_soft_masks(studio, small_stylegan2, latents):
    """What is searched, shown, saved and copied is the mask with its edge."""
    soft = feathered(BOX, 5)
    find(studio, feather=5, name="mouth")  # soft edges are not those of the named region
    expected = lr.find_directions(small_stylegan2, latents[1:2], soft, SEARCH)
    np.testing.assert_array_equal(studio.found[0].directions.vectors, expected.vectors)
    run(studio, [[0, [1.0, 0.5]]], face=1)
    grey = pixels(ask(studio, "mask", mask=pack(BOX), feather=5)["image"])
    np.testing.assert_array_equal(grey[..., 0], np.rint(255 * soft))
    file = ask(studio, "mask_file", mask=pack(BOX), feather=5, title="brow")
    assert file["name"] == "brow.png"
    again = ask(studio, "open", picture=file["content"])
    np.testing.assert_array_equal(unpack_soft(again["soft"], (16, 16)), (np.rint(255 * soft) / 255).astype(np.float32))
    np.testing.assert_array_equal(unpack(again["mask"], (16, 16)), soft >= 0.5)
    find(studio, soft=again["soft"])
    run(studio, [[1, [1.0, 0.5]]], face=1)
    hard = ask(studio, "mask_file", mask=pack(BOX))["content"]
    assert ask(studio, "open", picture=hard) == {"mask": pack(BOX), "soft": None}
    photograph = io.BytesIO()
    Image.fromarray((np.add.outer(np.arange(64), np.arange(64)) * 2).astype(np.uint8)).save(photograph, "PNG")
    refused = studio.reply({"kind": "open", "picture": base64.b64encode(photograph.getvalue()).decode()})
    assert "no mask" in refused["error"]


def test_drawn_regions_keep_still(studio, small_stylegan2, latents):
    still = ["chin", {"title": "x", "mask": pack(OTHER), "feather": 3}]
    find(studio, protect=still)
    expected = lr.find_directions(small_stylegan2, latents[1:2], BOX, SEARCH, protect=["chin", feathered(OTHER, 3)])
    np.testing.assert_array_equal(studio.found[0].directions.vectors, expected.vectors)
    assert "protect=['chin', still]" in run(studio, [[0, [1.0, 0.5]]], face=1)


def test_what_a_page_wants_remembered(studio):
    assert ask(studio, "hello")["state"] is None
    ask(studio, "remember", state={"tool": "brush", "undo": [1, None]})
    assert ask(studio, "hello")["state"] == {"tool": "brush", "undo": [1, None]}
    assert "at most 4 MB" in studio.reply({"kind": "remember", "state": "x" * LARGEST_STATE})["error"]


@pytest.mark.parametrize("which", [0, "smile"])
def test_a_slider_that_walks(studio, small_stylegan2, latents, which):
    """As `lr.walk` does, and on a line between its points; the others are added; the code walks, too."""
    find(studio)
    sought = {"face": 1, "found": which, "index": 0}
    steps = [0.0, 0.5][: 1 if which == "smile" else 2]
    edits = [[which, [-1.0, *steps[1:]], [0]]]
    unasked = ask(studio, "render", face=1, edits=edits)  # as out of a session, which holds no walks
    reach = ask(studio, "walk", **sought)["reach"]
    straight = studio.found[0].reaches[0] if which == 0 else 2.0
    assert reach == 2 * straight
    assert ask(studio, "render", face=1, edits=edits) == unasked
    directions = (studio.named["smile"] if which == "smile" else studio.found[0]).directions
    region = lr.region_mask("mouth", 16) if which == "smile" else BOX
    walked = studio.rendering.walks.walk(studio.shown._replace(face=1), studio._found(which), 0)
    natural = np.linalg.solve(own_root(small_stylegan2), directions.vectors[0])
    np.testing.assert_allclose(walked.length, reach * np.linalg.norm(natural), rtol=1e-3)
    path = lr.walk(small_stylegan2, latents[1:2], directions[0], region, num_steps=8, length=-walked.length)
    edits[0][1][0] = -0.9 * reach
    ask(studio, "render", face=1, edits=edits)
    between = 0.8 * path.array[7] + 0.2 * path.array[8]
    others = lr.edit(lr.to_ws(small_stylegan2, latents[1:2]), directions, [0.0, *steps[1:]])
    expected = between + others.array - path.array[0]
    np.testing.assert_allclose(studio.edited, expected, atol=PARITY)
    assert "lr.walk(" in run(studio, edits, face=1)
    strip = ask(studio, "picture", what="strip", edits=edits, **sought)["content"]
    edits[0][1][0] = reach
    np.testing.assert_array_equal(pixels(strip)[:, -16:], pixels(ask(studio, "render", face=1, edits=edits)["image"]))


def test_layers_are_judged_one_by_one(studio, small_stylegan2, latents):
    reply = ask(studio, "layers", face=1, mask=pack(BOX), protect=["chin"])
    expected = layer_map(small_stylegan2, latents[1:2], {"box": BOX}, SEARCH, protect=["chin"])
    leaks = [np.inf if leak is None else leak for leak in reply["leaks"]]
    np.testing.assert_allclose(leaks, np.diagonal(expected.leak[0]), rtol=1e-5)
    assert expand(reply["best"]) == expected.best("box")
    assert len(find(studio, layers=reply["best"])["leaks"]) > 0


def expand(layers):
    first, _, last = layers.partition("-")
    return (*range(int(first), int(last or first) + 1),)


def test_a_quick_picture_is_what_the_full_one_will_be(small_stylegan2, latents, monkeypatch):
    """Exact where something was drawn in full, at the ends of a slider and where it rested; nearer than nothing between
    them, also where two sliders are moved.
    """
    monkeypatch.setattr(rendering, "SMALL", 8)
    rows = np.random.default_rng(0).standard_normal((2, 1, 12)).astype(np.float32) / 3
    named = given({name: lr.Directions(row, step_range=(-1.0, 1.0)) for name, row in zip("ab", rows, strict=True)})
    studio = Studio(small_stylegan2, latents, SEARCH, named=named)
    assert ask(studio, "hello")["quick"]

    def pictures(*steps):
        edits = [[name, [step]] for name, step in zip("ab", steps, strict=True)]
        quick, full = (
            pixels(ask(studio, "render", face=0, edits=edits, quick=quick)["image"]) for quick in (True, False)
        )
        return quick.astype(int), shrunk(full, 8).astype(int)

    plain = pictures(0.0, 0.0)[1]
    quick, full = pictures(1.0, 0.0)
    assert np.abs(quick - full).max() <= 1
    for steps in ((0.5, 0.0), (0.5, 0.3)):
        quick, full = pictures(*steps)
        assert quick.shape == full.shape == (8, 8, 3)
        assert np.abs(quick - full).max() < 0.5 * np.abs(plain - full).max()
        assert np.abs(pictures(*steps)[0] - full).max() <= 1  # now that it has rested there


def test_several_models(small_stylegan2, latents, small_dcgan):
    """Each opens when it is first asked for, and has its own faces, directions and state."""
    opened = []

    def opening(name, gen, faces):
        opened.append(name)
        return Studio(gen, faces, SEARCH)

    z = lr.sample_z(small_dcgan, jax.random.key(0), 2)
    models = Models({"a": partial(opening, "a", small_stylegan2, latents), "b": partial(opening, "b", small_dcgan, z)})
    hello = ask(models, "hello")
    assert (hello["models"], hello["model"], opened) == (["a", "b"], "a", ["a"])
    ask(models, "remember", state=1)
    hello = ask(models, "hello", model="b")
    assert (hello["model"], len(hello["faces"]), hello["state"], opened) == ("b", 2, None, ["a", "b"])
    find(models, model="b")
    assert len(models.found) == 1 and models.gen is small_dcgan
    assert ask(models, "hello")["state"] == 1 and models.gen is small_stylegan2 and not models.found
    for name in ("c", 3, ["a"]):
        assert "there are a, b" in models.reply({"kind": "hello", "model": name})["error"]
    assert "kind is one of" in models.reply([1])["error"]


def test_several_models_in_a_notebook(small_stylegan2, small_pggan):
    """Each draws its own faces, as its code does."""
    pytest.importorskip("anywidget")
    panel = lr.explore({"a": small_stylegan2, "b": small_pggan}, num=1, method="constrained")
    models = panel._studio
    for name, gen in (("b", small_pggan), ("a", small_stylegan2)):
        found = find(models, model=name)
        edits = [[0, [0.5] * len(found["leaks"])]]
        ask(models, "render", face=1, edits=edits, model=name)
        names = {"models": {"a": small_stylegan2, "b": small_pggan}}
        exec(ask(models, "code", face=1, edits=edits, model=name)["code"], names)
        np.testing.assert_allclose(names["edited"], panel.edited, atol=PARITY)
        assert names["gen"] is gen and [*panel.directions] == ["drawn"]
    for more in ({"w": np.zeros((1, 12))}, {"session": "x.zip"}, {"named": {}}):
        with pytest.raises(ValueError, match="of several models"):
            lr.explore({"a": small_stylegan2}, **more)


def test_a_large_model_need_not_draw_a_pool(small_dcgan, monkeypatch):
    """Its faces are numbers 0, 1, ... of the seed, and the code says so."""
    pytest.importorskip("anywidget")
    monkeypatch.setattr(faces, "PICKED", 8)
    for studio in (lr.explore(small_dcgan)._studio, _commanded(small_dcgan)):
        told = ask(studio, "hello")["faces"]
        assert [face["title"] for face in told] == [f"seed 0, number {k}" for k in range(12)]
        names = {"gen": small_dcgan}
        monkeypatch.setattr(lr, "load", {"small": small_dcgan}.get)
        exec(ask(studio, "code", face=1, edits=[])["code"], names)
        np.testing.assert_allclose(lr.to_ws(small_dcgan, names["faces"]), studio.faces, atol=PARITY_W)


def _commanded(gen):
    choice, source = file_or_frontal(gen, "small", None, Which())
    return Studio(gen, choice, source=source)


def test_the_command_goes_on_with_a_session(worked, tmp_path, monkeypatch, capsys):
    """Of the first of its models; it brings its faces, and the code reads it."""
    path = tmp_path / "work.zip"
    path.write_bytes(saved(worked))
    monkeypatch.setattr(explore, "load_model", {"small": worked.gen}.get)
    monkeypatch.setattr(explore, "of_model", lambda model: worked.named)
    studio = explore.reopened("small", SEARCH, path)
    assert ask(studio, "hello")["faces"] == ask(worked, "hello")["faces"]
    code = ask(studio, "code", face=0, edits=[])["code"]
    assert f"gen = lr.load('small')\nopened = session.read({str(path)!r}, gen)" in code
    for more in (["--seed", "1"], ["--num-faces", "3"]):
        assert main(["explore", "--session", str(path), *more]) == 1
        assert capsys.readouterr().err.startswith("error: --session brings its faces")


@pytest.fixture
def worked(studio):
    """Somebody has."""
    find(studio, feather=4, title="brow", truncation=0.7)
    find(studio, lr.region_mask("mouth", 16), name="mouth", protect=["eyes", {"mask": pack(OTHER), "feather": 2}])
    ask(studio, "more", num=1)
    ask(studio, "remember", state={"here": 2})
    return studio


def saved(studio):
    return base64.b64decode(ask(studio, "session")["content"])


def changed(content, **parts):
    """The file with other parts: bytes, or a function of the record."""
    source, target = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in {*source.namelist(), *parts} - {"record"}:
            part = parts[name] if name in parts else source.read(name)
            if name == "session.json" and "record" in parts:
                record = json.loads(part)
                parts["record"](record)
                part = json.dumps(record).encode()
            archive.writestr(name, part)
    return target.getvalue()


def test_a_session_goes_on_where_it_was_left(worked, small_stylegan2, latents, tmp_path):
    """On the page, in a notebook with a panel, and without one; the code reads it."""
    (tmp_path / "work.zip").write_bytes(saved(worked))
    edits = [[0, [1.0, 0.5]], [1, [0.5] * len(worked.found[1].directions)], ["smile", [1.0]]]
    before = ask(worked, "render", face=1, truncation=0.7, edits=edits)
    fresh = Studio(
        small_stylegan2, latents[:1], SEARCH, source="gen, faces, named = GEN, FACES, NAMED", named=worked.named
    )
    content = base64.b64encode(saved(worked)).decode()
    assert ask(fresh, "open_session", content=content, name=str(tmp_path / "work.zip")) == {}
    assert ask(fresh, "hello")["faces"] == ask(worked, "hello")["faces"] and fresh.state == {"here": 2}
    assert ask(fresh, "render", face=1, truncation=0.7, edits=edits) == before
    run(fresh, edits, face=1, truncation=0.7)
    assert ask(fresh, "more", num=1) == ask(worked, "more", num=1), "what was shown is not shown again"
    assert [found["name"] for found in ask(fresh, "hello")["found"]] == ["brow", "mouth"]
    opened = session.read(tmp_path / "work.zip", small_stylegan2)
    assert opened.directions == {found.title: found.directions for found in worked.found}
    pytest.importorskip("anywidget")
    panel = lr.explore(small_stylegan2, session=tmp_path / "work.zip", num=2)
    assert panel.directions == opened.directions
    with pytest.raises(ValueError, match="leave w out"):
        lr.explore(small_stylegan2, latents, session=tmp_path / "work.zip")


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


WS = np.zeros((4, 6, 12), np.float32)
HOSTILE = {
    "nothing": (lambda c: b"", "no session of the panel"),
    "another zip": (lambda c: npz(a=WS), "no session of the panel"),
    "half of it": (lambda c: c[: len(c) // 2], "no session of the panel"),
    "a way out": (lambda c: changed(c, **{"found/../../x.npz": b""}), "no session of the panel"),
    "a bomb": (lambda c: changed(c, **{"found/9.npz": bytes(2**26)}), "far more memory"),
    "a bomb inside": (lambda c: changed(c, **{"faces.npz": _bomb()}), "far more memory"),
    "another form": (lambda c: changed(c, record=lambda r: r.update(format="x")), "no session in the form"),
    "another model": (lambda c: changed(c, record=lambda r: r.update(fingerprint="x")), "of other weights than"),
    "no object": (lambda c: changed(c, **{"session.json": b"[[[["}), "no session of the panel"),
    "deep": (lambda c: changed(c, **{"session.json": b"[" * 10**6}), "no session of the panel"),
    "no faces": (lambda c: changed(c, **{"faces.npz": npz(ws=WS[:0])}), "faces must be"),
    "faces of another shape": (lambda c: changed(c, **{"faces.npz": npz(ws=WS[:, :5])}), "synthesis takes"),
    "faces that are infinite": (lambda c: changed(c, **{"faces.npz": npz(ws=WS + np.inf)}), "latents must be finite"),
    "classes there are not": (lambda c: changed(c, record=lambda r: r["faces"][0].update(label=3)), "a class must be"),
    "a photograph's generator": (lambda c: changed(c, record=lambda r: r["faces"][0].update(by=1)), "not there"),
    "a title of two lines": (lambda c: changed(c, record=lambda r: r["faces"][0].update(title="a\nb")), "a title is"),
    "an unknown face": (
        lambda c: changed(c, record=lambda r: r["found"][0].update(face=9)),
        "face must be from 0 to 3",
    ),
    "a truncation": (lambda c: changed(c, record=lambda r: r["found"][0].update(truncation=1e9)), "truncation must be"),
    "a feather": (lambda c: changed(c, record=lambda r: r["found"][0].update(feather=-1)), "feather must be"),
    "a region": (lambda c: changed(c, record=lambda r: r["found"][0].update(region="../x")), "has no region '../x'"),
    "what keeps still": (lambda c: changed(c, record=lambda r: r["found"][1].update(still=[{}])), "no session of"),
    "a seed": (lambda c: changed(c, record=lambda r: r["drawn"][0].update(seed=-1)), "seed must be"),
    "further taken": (lambda c: changed(c, record=lambda r: r["drawn"][0].update(taken=513)), "taken must be"),
    "no directions": (lambda c: changed(c, **{"found/0.npz": b"PK"}), "found/0.npz: not a directions file"),
    "a mask": (lambda c: changed(c, **{"masks.npz": npz(**{"0": BOX[:8]})}), "a mask: shape"),
    "a photograph": (lambda c: changed(c, record=lambda r: r["photographs"].append({"face": 0})), "no such file"),
}


def _bomb():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ws.npy", bytes(2**26))
    return content.getvalue()


def test_what_is_no_session_is_told_in_one_line(worked, tmp_path):
    """And what there is stays."""
    content, path = saved(worked), tmp_path / "work.zip"
    before = ask(worked, "hello")
    damaged = b""
    for name, (damage, told) in HOSTILE.items():
        damaged = damage(content)
        reply = worked.reply({"kind": "open_session", "content": base64.b64encode(damaged).decode()})
        assert set(reply) == {"error"} and told in reply["error"] and "\n" not in reply["error"], (name, reply)
        assert "/tmp" not in reply["error"] and ask(worked, "hello") == before, name
    path.write_bytes(damaged)
    with pytest.raises(session.SessionError, match=r"^.*work.zip: "):
        session.read(path, worked.gen)
    with pytest.raises(session.SessionError, match="No such file"):
        session.read(tmp_path / "none.zip", worked.gen)


BAD = {
    "no number of faces": ({"kind": "more"}, "num is a number from 1 to 64"),
    "too many faces": ({"kind": "more", "num": 65}, "num is a number"),
    "a class of none": ({"kind": "more", "num": 1, "label": 0}, "no classes"),
    "a seed that is text": ({"kind": "more", "num": 1, "seed": "1"}, "seed is a number"),
    "an amount": ({"kind": "alike", "face": 0, "edits": [], "num": 1, "amount": 2}, "amount is a number from 0 to 1"),
    "no faces to make small": ({"kind": "thumbs", "faces": 3}, "a list of numbers"),
    "a face that is none": ({"kind": "thumbs", "faces": [3]}, "face is a number from 0 to 2"),
    "a truncation": ({"kind": "render", "face": 0, "edits": [], "truncation": 1.5}, "truncation is a number"),
    "a truncation of nan": ({"kind": "render", "face": 0, "edits": [], "truncation": float("nan")}, "truncation is"),
    "a picture of what": ({"kind": "picture", "face": 0, "edits": [], "what": "film"}, "what is one of image"),
    "a strip of no slider": ({"kind": "picture", "face": 0, "edits": [], "what": "strip"}, "not known here"),
    "a walk of none": ({"kind": "walk", "face": 0, "found": "smile", "index": 1}, "index is a number from 0 to 0"),
    "walked beyond": ({"kind": "render", "face": 0, "edits": [["smile", [1.0], [1]]]}, "edits are found directions"),
    "a direction of no name": ({"kind": "render", "face": 0, "edits": [["grin", [1.0]]]}, "not known here"),
    "no title": ({"kind": "rename", "found": 0}, "title is missing"),
    "an empty title": ({"kind": "rename", "found": 0, "title": " "}, "a title has 1 to 80"),
    "a title of two lines": ({"kind": "rename", "found": 0, "title": "a\nb"}, "in one line"),
    "the model's own title": ({"kind": "rename", "found": "smile", "title": "grin"}, "the model's own name"),
    "a feather": ({"kind": "mask", "mask": pack(BOX), "feather": -1}, "feather is a number from 0 to 16"),
    "a soft mask too small": ({"kind": "mask", "soft": pack_soft(BOX[:8])}, "128 pixels, this model wants 16 x 16"),
    "nothing that stays": ({"kind": "layers", "face": 0, "mask": pack(BOX), "protect": [3]}, "no region 3"),
    "a session that is none": ({"kind": "open_session", "content": "%"}, "content is not base64"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_told_in_one_line(studio, name):
    """And change nothing."""
    find(studio)
    request, told = BAD[name]
    reply = studio.reply(request)
    assert set(reply) == {"error"} and told in reply["error"] and "\n" not in reply["error"], reply
    assert len(studio.found) == 1 and len(studio.choice) == 3
