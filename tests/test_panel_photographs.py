"""A photograph in the panel, asked as a page asks: opened, aligned, inverted, tuned, edited, put back; and every way to
ask wrongly. None of it needs the networks, which are out of reach here.
"""

import base64
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from reference import astronaut
from tolerances import PARITY

import lrgan_jax as lr
from lrgan_jax import images, metrics
from lrgan_jax.base.errors import InputError
from lrgan_jax.inversion import Fit, Tuning, inverting, tuning_rounds
from lrgan_jax.inversion.likeness import image_features
from lrgan_jax.panel import photographs as module
from lrgan_jax.panel import wire
from lrgan_jax.panel.masks import pack
from lrgan_jax.panel.portrait import Rounds
from lrgan_jax.panel.studio import Studio
from lrgan_jax.regions import box_mask

FIT = Fit(steps=20, pool=8, network="pyramid")
TUNING = Tuning(steps=20, network="pyramid")
POINTS = [[30.0, 32.0], [30.0, 48.0], [42.0, 35.0], [42.0, 46.0]]
BOX = box_mask(3, 4, 6, 7, 16)


@pytest.fixture(autouse=True)
def without_networks(request, tmp_path, monkeypatch):
    if "networks" not in request.fixturenames:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))


@pytest.fixture
def networks():
    for name in ("face_detection", "face_landmarks"):
        try:
            metrics.load(name)
        except metrics.MetricsError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def faces(small_stylegan2):
    return small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 2))


@pytest.fixture
def studio(small_stylegan2, faces):
    search = lr.Search(method="constrained", num=2)
    return Studio(small_stylegan2, faces, search, source="gen, faces = GEN, FACES", fit=FIT, tuning=TUNING)


def picture():
    """72 rows, 80 columns, of smooth colours."""
    row, column = np.mgrid[:72, :80]
    waves = np.stack([np.sin(row / 9), np.cos(column / 11), np.sin((row + column) / 13)], -1)
    return np.rint(waves * 100 + 128).astype(np.uint8)


def file_of(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content.partition(",")[2] or content))))


def ask(studio, kind, **request):
    reply = studio.reply({"kind": kind} | request)
    assert "error" not in reply, reply
    return reply


def opened(studio, **where):
    number = ask(studio, "photograph", name="me.png", content=file_of(picture()))["photograph"]
    ask(studio, "align", photograph=number, **(where or {"points": POINTS}))
    return number


def asked_to_the_end(studio, kind, number, most=None):
    replies = [ask(studio, kind, photograph=number)]
    while replies[-1]["done"] < replies[-1]["rounds"] and len(replies) != most:
        replies.append(ask(studio, kind, photograph=number))
    return replies


def kept(studio, rounds=None, tuned=0):
    """A photograph as a face, inverted in so many rounds and tuned in so many."""
    number = opened(studio)
    asked_to_the_end(studio, "invert", number, rounds)
    if tuned:
        asked_to_the_end(studio, "tune", number, tuned)
    return ask(studio, "keep", photograph=number)["face"]


def edited(studio, face, step=0.7):
    found = ask(studio, "find", face=face, mask=pack(BOX))
    return [[found["found"], [step * found["reaches"][0]] + [0.0] * (len(found["leaks"]) - 1)]]


@pytest.mark.parametrize("name", ["me.png", "C:\\pictures\\me.png", "/home/me.png"])
def test_a_file_is_opened(studio, name):
    """It is shown the right way up; without the networks it takes points, and that is said."""
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    reply = ask(studio, "photograph", name=name, content=file_of(np.rot90(picture()).copy(), exif=exif))
    assert reply["size"] == [72, 80] and reply["faces"] == [] and reply["points"]
    assert "lrgan convert --metrics" in reply["note"]
    np.testing.assert_array_equal(pixels_of(reply["image"]), picture())
    ask(studio, "align", photograph=reply["photograph"], box="middle")
    ask(studio, "invert", photograph=reply["photograph"])
    assert ask(studio, "keep", photograph=reply["photograph"])["name"] == "me.png"


@pytest.mark.parametrize("where", [{"points": POINTS}, {"box": "middle"}, {"box": [4, 6, 40, 40.5]}])
def test_it_is_aligned_as_align_does(studio, where):
    number = ask(studio, "photograph", name="me.png", content=file_of(picture()))["photograph"]
    reply = ask(studio, "align", photograph=number, **where)
    given = {name: np.array(value) if name == "points" else value for name, value in where.items()}
    expected = lr.align(lr.open_photograph(base64.b64decode(file_of(picture()))), (16, 16), **given)
    np.testing.assert_allclose(reply["quad"], expected.quad)
    np.testing.assert_array_equal(pixels_of(reply["image"]), images.to_uint8(expected.image))
    assert reply["points"] == where.get("points")


def test_faces_are_chosen_from(studio, monkeypatch):
    """Boxes of all that are found; the one that is chosen says its points."""
    from lrgan_jax.metrics.detection import Face

    found = [Face(0.9, 10.0, 20.0, 40.0, 30.0), Face(0.8, 50.0, 60.0, 12.0, 10.0)]
    monkeypatch.setattr(module, "find_faces", lambda photo: found)
    monkeypatch.setattr(module, "find_points", lambda photo, face: np.array(POINTS) + face)
    reply = ask(studio, "photograph", name="two.png", content=file_of(picture()))
    assert reply["faces"] == [[10, 20, 40, 30], [50, 60, 12, 10]]
    for face in (0, 1):
        aligned = ask(studio, "align", photograph=reply["photograph"], face=face)
        by_hand = ask(studio, "align", photograph=reply["photograph"], points=(np.array(POINTS) + face).tolist())
        assert aligned == by_hand and aligned["points"] == (np.array(POINTS) + face).tolist()


def test_a_model_of_no_faces_takes_boxes(studio, monkeypatch):
    def refuses(gen):
        raise InputError("3 of 64 images of the model show one face; give a box instead")

    monkeypatch.setattr(module, "framing_of", refuses)
    reply = ask(studio, "photograph", name="room.png", content=file_of(picture()))
    assert not reply["points"] and not reply["faces"] and "give a box instead" in reply["note"]


def test_the_portrait_is_found_by_the_networks(networks, small_stylegan2, faces, monkeypatch):
    """Where her eyes are, to the size of an iris."""
    monkeypatch.setattr(module, "framing_of", lambda gen: lr.framing_of(lr.load("faces-dcgan")))
    studio = Studio(small_stylegan2, faces)
    reply = ask(studio, "photograph", name="astronaut.png", content=file_of(astronaut()))
    assert len(reply["faces"]) == 1 and reply["note"] == ""
    points = ask(studio, "align", photograph=reply["photograph"], face=0)["points"]
    np.testing.assert_allclose(points[:2], [[101, 203], [103, 246]], atol=3)


def test_rounds_lead_where_invert_does(studio, small_stylegan2):
    """Each answer is one round further, with the picture so far; the last is the inversion."""
    number = opened(studio)
    replies = asked_to_the_end(studio, "invert", number)
    assert [reply["done"] for reply in replies] == [*range(1, replies[0]["rounds"] + 1)]
    aligned = lr.align(lr.open_photograph(base64.b64decode(file_of(picture()))), 16, points=np.array(POINTS))
    found = lr.invert(small_stylegan2, aligned.image[None], FIT)
    face = ask(studio, "keep", photograph=number)["face"]
    np.testing.assert_array_equal(studio.faces[face].array, found.latents[0].array)
    np.testing.assert_array_equal(pixels_of(replies[-1]["image"]), images.to_uint8(found.images[0]))
    assert replies[-1]["psnr"] == pytest.approx(float(found.psnr[0])) and replies[-1]["psnr"] > replies[0]["psnr"]


@pytest.mark.filterwarnings("ignore:a pyramid of pixels")
def test_a_missing_network_is_said(small_stylegan2, faces):
    """Where none was asked for; what was asked for is no news."""
    for network, told in ((None, "pixels alone"), ("pyramid", "")):
        studio = Studio(small_stylegan2, faces, fit=FIT.but(network=network))
        note = ask(studio, "invert", photograph=opened(studio))["note"]
        assert told in note and bool(told) == bool(note)


def test_what_is_stopped_stays_as_it_is(studio, small_stylegan2):
    """After two rounds, and what is asked for of other photographs meanwhile changes nothing."""
    number, other = opened(studio), opened(studio, box="middle")
    asked_to_the_end(studio, "invert", number, 2)
    ask(studio, "invert", photograph=other)
    face = ask(studio, "keep", photograph=number)["face"]
    target = studio.choice[face].origin.inversion.targets
    expected = next(now for now in inverting(small_stylegan2, target, FIT) if now.done == 2).inversion()
    np.testing.assert_array_equal(studio.faces[face].array, expected.latents[0].array)


def test_tuning_goes_on_from_the_latent(studio, small_stylegan2):
    """The face has a generator of its own, by which it is drawn and searched; the others keep theirs."""
    face = kept(studio, rounds=2, tuned=1)
    portrait = studio.choice[face].origin
    latents, target = portrait.inversion.latents, portrait.inversion.targets
    tuned = next(tuning_rounds(small_stylegan2, latents, target, TUNING)).tuned()
    gen = tuned.delta.apply(small_stylegan2)
    shown = pixels_of(ask(studio, "render", face=face, edits=[])["image"])
    assert np.abs(shown - images.to_uint8(tuned.images)[0].astype(int)).max() <= 1
    assert np.abs(shown - images.to_uint8(portrait.inversion.images)[0].astype(int)).max() > 4
    edited(studio, face)
    expected = lr.find_directions(gen, latents, BOX, studio.search)
    np.testing.assert_allclose(studio.found[-1].directions.vectors, expected.vectors, atol=PARITY)
    edited(studio, 0)
    assert studio.found[-1].directions == lr.find_directions(small_stylegan2, studio.faces[:1], BOX, studio.search)


def test_the_edit_is_put_back(studio):
    """Shown within the photograph as it is saved; outside of the crop every pixel is as it was, and without an edit
    everywhere.
    """
    face = kept(studio, rounds=1)
    edits = edited(studio, face)
    for moves, changed in (([], False), (edits, True)):
        reply = ask(studio, "put_back", face=face, edits=moves)
        after = pixels_of(reply["content"]).astype(int)
        assert reply["name"] == "me-edited.png" and (np.abs(after - picture()).max() > 4) == changed
        shown = ask(studio, "render", face=face, edits=moves, whole=True)["image"]
        np.testing.assert_array_equal(pixels_of(shown), after)
        low, high = studio.choice[face].origin.aligned.quad.min(0), studio.choice[face].origin.aligned.quad.max(0)
        inside = np.zeros((72, 80), bool)
        inside[tuple(slice(max(int(a), 0), int(np.ceil(b))) for a, b in zip(low, high, strict=True))] = True
        np.testing.assert_array_equal(after[~inside], picture()[~inside])
    alone = ask(studio, "render", face=face, edits=edits)
    expected = studio.choice[face].origin.put_back(lr.render(studio.choice[face].origin.gen, studio.edited)[0])
    np.testing.assert_array_equal(expected.picture.colours, after)
    assert pixels_of(alone["image"]).shape == (16, 16, 3)


@pytest.mark.parametrize(("rounds", "tuned"), [(None, 2), (2, 1)])
def test_the_code_makes_the_same_photograph(studio, small_stylegan2, tmp_path, monkeypatch, rounds, tuned):
    """Run as copied beside the file, whether inversion and tuning went to their ends or were stopped."""
    face = kept(studio, rounds, tuned)
    edits = edited(studio, face)
    saved = pixels_of(ask(studio, "put_back", face=face, edits=edits)["content"]).astype(int)
    (tmp_path / "me.png").write_bytes(base64.b64decode(file_of(picture())))
    monkeypatch.chdir(tmp_path)
    code = ask(studio, "code", face=face, edits=edits)["code"]
    assert ("where it was stopped" in code) == (rounds is not None)
    exec(code, {"GEN": small_stylegan2, "FACES": None})
    assert np.abs(np.asarray(Image.open("me-edited.png")) - saved).max() <= 1


def test_a_session_keeps_photographs(studio, small_stylegan2, faces, tmp_path, monkeypatch):
    """With their tuned generators: drawn, edited, put back, saved again, and copied as code; so are faces like them."""
    face = kept(studio, rounds=2, tuned=1)
    edits = edited(studio, face)
    ask(studio, "alike", face=face, edits=edits, num=1, amount=0.2)
    monkeypatch.chdir(tmp_path)
    fresh, content = Studio(small_stylegan2, faces, source="gen, faces = GEN, FACES"), ask(studio, "session")["content"]
    for name in ("first.zip", "again.zip"):
        (tmp_path / name).write_bytes(base64.b64decode(content))
        ask(fresh, "open_session", content=content, name=name)
        content = ask(fresh, "session")["content"]
    (photograph,) = ask(fresh, "hello")["photographs"]
    assert (photograph["face"], photograph["name"], photograph["shape"]) == (2, "me.png", 80 / 72)
    assert [face["title"] for face in ask(fresh, "hello")["faces"][2:]] == ["me.png", "like me.png"]
    for kind in ("render", "put_back"):
        assert ask(fresh, kind, face=2, edits=edits) == ask(studio, kind, face=2, edits=edits)
    assert ask(fresh, "render", face=3, edits=[]) == ask(studio, "render", face=3, edits=[])
    exec(ask(fresh, "code", face=2, edits=edits)["code"], {"GEN": small_stylegan2, "FACES": None})
    saved = pixels_of(ask(studio, "put_back", face=2, edits=edits)["content"]).astype(int)
    assert np.abs(np.asarray(Image.open("me-edited.png")) - saved).max() <= 1
    names: dict = {"GEN": small_stylegan2, "FACES": None}
    exec(ask(fresh, "code", face=3, edits=[])["code"], names)
    drawn = pixels_of(ask(studio, "render", face=3, edits=[])["image"]).astype(int)
    assert np.abs(images.to_uint8(names["image"])[0] - drawn).max() <= 1


def test_classes_stay_with_the_photograph():
    """Of a model whose synthesis takes one, the class that was found is drawn."""
    maps, shifts = (np.random.default_rng(n).standard_normal((k, 16, 16, 3)) / 3 for n, k in enumerate((6, 3)))
    gen = lr.from_function(lambda z, c: jnp.tanh(jnp.tensordot(z, maps, 1) + jnp.tensordot(c, shifts, 1)), 6, c_dim=3)
    known = gen.mapping(lr.sample_z(gen, jax.random.key(0), 2), np.eye(3, dtype=np.float32)[:2])
    studio = Studio(gen, known, lr.Search(num=2), fit=FIT)
    face = kept(studio)
    shown = pixels_of(ask(studio, "render", face=face, edits=[])["image"])
    assert np.abs(shown - images.to_uint8(studio.choice[face].origin.image).astype(int)).max() <= 1
    assert studio.faces.c.shape == (3, 3)


def test_a_page_that_comes_back_finds_its_photographs(studio):
    known = ask(studio, "hello")
    assert (len(known["faces"]), known["photographs"], known["largest"]) == (2, [], wire.LARGEST_FILE)
    face = kept(studio, rounds=1)
    known = ask(studio, "hello")
    assert known["faces"][2:] == [{"title": "me.png", "label": None}] and face == 2
    (photograph,) = known["photographs"]
    assert (photograph["face"], photograph["name"], photograph["shape"]) == (2, "me.png", 80 / 72)
    assert photograph["image"] == ask(studio, "render", face=2, edits=[])["image"]


def test_what_is_cancelled_is_gone(studio):
    """As are the oldest of many, and those that became faces; the faces stay as they were."""
    numbers = [opened(studio) for _ in range(module.MOST_OPEN + 1)]
    ask(studio, "cancel", photograph=numbers[1])
    ask(studio, "invert", photograph=numbers[2])
    ask(studio, "keep", photograph=numbers[2])
    for number in numbers[:3]:
        for kind in ("align", "invert", "tune", "keep", "cancel"):
            assert "not open any more" in studio.reply({"kind": kind, "photograph": number, "box": "middle"})["error"]
    assert len(studio.faces) == 3
    ask(studio, "invert", photograph=numbers[3])


def test_another_crop_is_another_inversion(studio):
    number = opened(studio)
    asked_to_the_end(studio, "invert", number)
    ask(studio, "align", photograph=number, box="middle")
    assert "not inverted" in studio.reply({"kind": "keep", "photograph": number})["error"]
    assert ask(studio, "invert", photograph=number)["done"] == 1


def test_what_failed_begins_anew():
    """Python's generators end with their first error."""
    begun = []

    def begin():
        begun.append(None)
        yield 1
        if len(begun) == 1:
            raise InputError("once")
        yield 2

    rounds = Rounds(begin)
    assert rounds.further() == 1
    with pytest.raises(InputError):
        rounds.further()
    assert [rounds.further() for _ in range(3)] == [1, 2, 2] and len(begun) == 2


ALIGN = {"kind": "align", "photograph": 0}
GREY = file_of(np.zeros((8, 40), np.uint8))
BAD = {
    "no name": ({"kind": "photograph", "content": GREY}, "name is missing"),
    "no content": ({"kind": "photograph", "name": "me.png"}, "content is missing"),
    "no base64": ({"kind": "photograph", "name": "me.png", "content": "£"}, "not base64"),
    "no picture": ({"kind": "photograph", "name": "me.png", "content": "UEsDBA=="}, "not a readable picture"),
    "a small picture": ({"kind": "photograph", "name": "me.png", "content": GREY}, "at least 16 a side"),
    "a number that is none": ({"kind": "invert", "photograph": "0"}, "not open any more"),
    "no crop": ({"kind": "invert", "photograph": 0}, "say first what part"),
    "no latent to tune at": ({"kind": "tune", "photograph": 0}, "not inverted yet"),
    "no latent to keep": ({"kind": "keep", "photograph": 0}, "not inverted yet"),
    "no place": (ALIGN, "say one of"),
    "two places": (ALIGN | {"box": "middle", "points": POINTS}, "say one of"),
    "three points": (ALIGN | {"points": POINTS[:3]}, "points is an array of numbers"),
    "points of text": (ALIGN | {"points": "eyes"}, "points is an array of numbers"),
    "ragged points": (ALIGN | {"points": [*POINTS[:3], [1]]}, "points is an array of numbers"),
    "points in another order": (ALIGN | {"points": [POINTS[1], POINTS[0], *POINTS[2:]]}, "in another order"),
    "points that are nan": (ALIGN | {"points": [[float("nan")] * 2] * 4}, "must be finite"),
    "points outside": (ALIGN | {"points": (np.array(POINTS) + 60).tolist()}, "outside the photograph"),
    "a box outside": (ALIGN | {"box": [0, 0, 100, 100]}, "box is top, left"),
    "a box that is none": (ALIGN | {"box": "left"}, "box is an array of numbers"),
    "a face that is no number": (ALIGN | {"face": "0"}, "face is a number"),
    "a face without networks": (ALIGN | {"face": 0}, "lrgan convert --metrics"),
    "a face of no photograph": ({"kind": "put_back", "face": 0, "edits": []}, "of no photograph"),
    "one to look at": ({"kind": "render", "face": 0, "edits": [], "whole": True}, "of no photograph"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_told_in_one_line(studio, name, caplog):
    """And what is open stays open."""
    ask(studio, "photograph", name="me.png", content=file_of(picture()))
    request, told = BAD[name]
    reply = studio.reply(request)
    assert set(reply) == {"error"} and told in reply["error"] and "\n" not in reply["error"] and not caplog.text
    ask(studio, "align", photograph=0, box="middle")


def test_large_files_are_refused_unread(studio, monkeypatch):
    monkeypatch.setattr(wire, "LARGEST_FILE", 2**20)
    reply = studio.reply({"kind": "photograph", "name": "me.png", "content": "£" * 2**21})
    assert "at most 1 MB" in reply["error"]


def test_the_second_photograph_takes_the_programs_of_the_first():
    """What compares pictures is a part of them: other weights compile anew, the same ones do not."""
    first, second, other = (
        jax.tree.structure(image_features(None, pixels=pixels, lpips=1.0)) for pixels in (1.0, 1.0, 2.0)
    )
    assert first == second != other
