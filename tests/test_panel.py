"""What the painter is told: every kind of request on a small network, and every way to ask wrongly."""
import base64
import io

import jax
import numpy as np
import pytest
from PIL import Image
from tolerances import PARITY

import lrgan_jax as lr
from lrgan_jax import images
from lrgan_jax.generators import DCGAN, DCGANConfig, dcgan, render
from lrgan_jax.options import FromFile
from lrgan_jax.panel import Studio, command
from lrgan_jax.panel.masks import LARGEST_PICTURE, opened, pack, surroundings, unpack
from lrgan_jax.regions import RegionError, box_mask, polygon_mask

BOX = box_mask(3, 4, 6, 7, 16)
SOURCE = "gen, faces = GEN, FACES"


@pytest.fixture(scope="module")
def faces(small_stylegan2):
    return small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 3))


@pytest.fixture
def studio(small_stylegan2, faces):
    return Studio(small_stylegan2, faces, num=2, method="constrained", source=SOURCE)


def find(studio, mask=BOX, **more):
    return studio.reply({"kind": "find", "face": 1, "mask": pack(mask), **more})


def picture_of(uri):
    assert uri.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def png(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, options.pop("format", "PNG"), **options)
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_drawing_finds_what_find_directions_finds(studio, faces, small_stylegan2):
    """The same rows, at the drawn region; the leaks are their quotients, and every slider reaches the same change."""
    reply = find(studio)
    expected = lr.find_directions(small_stylegan2, faces[1:2], BOX, num=2, method="constrained")
    found = studio.found[reply["found"]].directions
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    np.testing.assert_allclose(reply["leaks"], expected.outside / expected.inside, rtol=1e-6)
    change = np.square(reply["reaches"]) * expected.inside
    np.testing.assert_allclose(change, change[0], rtol=1e-6)


def test_the_picture_is_the_edit(studio, faces, small_stylegan2):
    """Two finds of one face, added up; the latent is left where Python can take it."""
    first, second = find(studio), find(studio, 1 - BOX, layers="2-4", method="projected")
    edits = [[first["found"], [1.0, -0.5]], [second["found"], [2.0] + [0.0] * (len(second["leaks"]) - 1)]]
    reply = studio.reply({"kind": "render", "face": 1, "edits": edits})
    ws = lr.to_ws(small_stylegan2, faces[1:2])
    for number, steps in edits:
        ws = lr.edit(ws, studio.found[number].directions, steps)
    np.testing.assert_array_equal(picture_of(reply["image"]), images.to_uint8(lr.render(small_stylegan2, ws))[0])
    np.testing.assert_array_equal(studio.edited, ws)
    assert studio.found[1].directions.layers == (2, 3, 4) and studio.found[1].directions.method == "projected"


def test_no_edit_is_the_face_itself(studio, faces, small_stylegan2):
    number = find(studio)["found"]
    plain = images.to_uint8(lr.render(small_stylegan2, lr.to_ws(small_stylegan2, faces[2:3])))[0]
    for edits in ([], [[number, [0, 0]]]):
        np.testing.assert_array_equal(picture_of(studio.reply({"kind": "render", "face": 2, "edits": edits})["image"]), plain)
    np.testing.assert_array_equal(studio.edited, lr.to_ws(small_stylegan2, faces[2:3]))


def test_the_ends_of_a_slider_are_its_pictures(studio):
    """What `render` shows there, cut to the region's surroundings."""
    found = find(studio)
    ends = studio.reply({"kind": "ends", "found": found["found"], "index": 1})["ends"]
    part = surroundings(BOX, 16)
    for end, sign in zip(ends, (-1, 1), strict=True):
        edits = [[found["found"], [0.0, sign * found["reaches"][1]]]]
        whole = picture_of(studio.reply({"kind": "render", "face": 1, "edits": edits})["image"])
        np.testing.assert_array_equal(picture_of(end), whole[part])


@pytest.mark.parametrize("mask", [BOX, polygon_mask([(2.0, 2.0), (13.0, 4.0), (8.0, 14.0)], 16)])
@pytest.mark.parametrize("layers", ["", "1,3"])
def test_the_code_makes_the_same_picture(studio, faces, small_stylegan2, mask, layers):
    """Run as copied, with two drawings of one face."""
    edits = [[find(studio, mask, layers=layers)["found"], [1.25, 0]], [find(studio, 1 - mask, method="projected")["found"], [0, -2.5]]]
    shown = picture_of(studio.reply({"kind": "render", "face": 1, "edits": edits})["image"])
    names = {"GEN": small_stylegan2, "FACES": faces}
    exec(studio.reply({"kind": "code", "face": 1, "edits": edits})["code"], names)
    np.testing.assert_allclose(names["edited"], studio.edited, atol=PARITY)
    assert np.abs(images.to_uint8(names["image"])[0].astype(int) - shown).max() <= 1


def test_saved_directions_load(studio, tmp_path):
    number = find(studio)["found"]
    reply = studio.reply({"kind": "save", "found": number})
    (tmp_path / reply["name"]).write_bytes(base64.b64decode(reply["content"]))
    loaded = lr.Directions.load(tmp_path / reply["name"])
    np.testing.assert_array_equal(loaded.vectors, studio.found[number].directions.vectors)


def test_regions_by_name(studio, faces, small_stylegan2):
    """The papers' names, where a model has none of its own; the code says the name."""
    known = studio.reply({"kind": "hello"})
    assert {"mouth", "eyes"} <= set(known["regions"]) and (known["grid"], known["faces"], known["num_layers"]) == (16, 3, 6)
    mask = studio.reply({"kind": "region", "name": "mouth"})["mask"]
    np.testing.assert_array_equal(unpack(mask, 16), lr.region_mask("mouth", 16))
    reply = find(studio, lr.region_mask("mouth", 16), name="mouth")
    assert reply["name"] == "mouth"
    code = studio.reply({"kind": "code", "face": 0, "edits": [[reply["found"], [0.0] * len(reply["leaks"])]]})["code"]
    assert "mouth = lr.find_directions(gen, face, 'mouth'" in code and "regions" not in code


def test_an_opened_picture_is_scaled(studio):
    """A square PNG of another size gives the mask that `load_mask` gives."""
    large = np.kron(BOX, np.ones((5, 5))).astype(np.uint8) * 255
    np.testing.assert_array_equal(unpack(studio.reply({"kind": "open", "picture": png(large)})["mask"], 16), BOX)


@pytest.mark.parametrize(("space", "truncation"), [("w", 1.0), ("ws", 1.0), ("z", 0.7)])
def test_the_code_loads_the_faces_of_a_file(small_stylegan2, tmp_path, monkeypatch, space, truncation):
    """The lines that define the faces give those that the page shows."""
    rows = np.random.default_rng(0).standard_normal({"w": (6, 12), "ws": (6, 12), "z": (6, 10)}[space]).astype(np.float32)
    np.save(tmp_path / "latents.npy", rows)
    faces, source = command.file_or_frontal(small_stylegan2, "small", None, truncation, 0, FromFile(tmp_path / "latents.npy", space))
    monkeypatch.setattr(lr, "load", {"small": small_stylegan2}.get)
    names = {"lr": lr}
    exec(source, names)
    assert type(names["faces"]) is type(faces) and len(faces) == (1 if space == "ws" else 6)
    np.testing.assert_array_equal(names["faces"].array, faces.array)


@pytest.mark.parametrize("channels", [2, 4])
def test_opacity_lies_over_white_in_pictures_of_any_size(channels, monkeypatch):
    """Exactly so as PNG; a large one as JPEG, which has no opacity."""
    config = DCGANConfig(channels=(4,), z_dim=6, img_channels=channels)
    gen = DCGAN(config, dcgan.init(jax.random.key(0), config))
    z = np.random.default_rng(0).standard_normal((1, 6)).astype(np.float32)
    question = {"kind": "render", "face": 0, "edits": []}
    shown = picture_of(Studio(gen, z).reply(question)["image"])
    np.testing.assert_array_equal(shown, images.to_uint8(render(gen, z[:, None]))[0])
    monkeypatch.setattr("lrgan_jax.panel.studio.LOSSLESS", 4)
    assert Studio(gen, z).reply(question)["image"].startswith("data:image/jpeg")


def test_large_pictures_travel_as_jpeg(studio, monkeypatch):
    from lrgan_jax.panel import studio as module

    monkeypatch.setattr(module, "LOSSLESS", 8)
    assert studio.reply({"kind": "render", "face": 0, "edits": []})["image"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("seed", range(4))
def test_masks_survive_the_journey(seed):
    """Of any size, also where the pixels are no multiple of 8."""
    grid = (16, 7, 9, 64)[seed]
    mask = (np.random.default_rng(seed).random((grid, grid)) < 0.3).astype(np.float32)
    np.testing.assert_array_equal(unpack(pack(mask), grid), mask)


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [((3, 4, 6, 7, 16), 16, (0, 1, 12)), ((0, 0, 2, 2, 16), 64, (0, 0, 14)), ((0, 0, 16, 15, 16), 32, (0, 0, 32))],
)
def test_surroundings_lie_in_the_image(box, size, expected):
    """Square, around the region, moved inwards at the border, all of the image around a large one."""
    rows, columns = surroundings(box_mask(*box), size)
    assert (rows.start, columns.start, rows.stop - rows.start) == expected and columns.stop - columns.start == expected[2]
    assert rows.stop <= size and columns.stop <= size


BAD = {
    "no object": ([1, 2], "kind is one of"),
    "no kind": ({}, "kind is one of"),
    "an unknown kind": ({"kind": "reply"}, "kind is one of"),
    "a kind that is no text": ({"kind": ["find"]}, "kind is one of"),
    "a face that is none": ({"kind": "render", "face": 3, "edits": []}, "face is a number from 0 to 2"),
    "a face that is true": ({"kind": "render", "face": True, "edits": []}, "face is a number"),
    "no edits": ({"kind": "render", "face": 0}, "edits are pairs"),
    "edits of unknown directions": ({"kind": "render", "face": 0, "edits": [[7, [1.0]]]}, "not known here"),
    "a step too few": ({"kind": "render", "face": 0, "edits": [[0, [1.0]]]}, "edits are pairs"),
    "a step that is nan": ({"kind": "render", "face": 0, "edits": [[0, [float("nan"), 0]]]}, "edits are pairs"),
    "a step that is text": ({"kind": "render", "face": 0, "edits": [[0, ["1", 0]]]}, "edits are pairs"),
    "no mask": ({"kind": "find", "face": 0}, "mask is missing"),
    "a mask of another size": ({"kind": "find", "face": 0, "mask": pack(np.ones((8, 8)))}, "64 pixels, this model wants 16 x 16"),
    "a mask that is no base64": ({"kind": "find", "face": 0, "mask": "£$%"}, "not base64"),
    "an empty mask": ({"kind": "find", "face": 0, "mask": pack(np.zeros((16, 16)))}, "empty"),
    "a full mask": ({"kind": "find", "face": 0, "mask": pack(np.ones((16, 16)))}, "covers the whole image"),
    "an unknown name": ({"kind": "find", "face": 0, "mask": pack(BOX), "name": "tail"}, "no region 'tail'"),
    "an unknown method": ({"kind": "find", "face": 0, "mask": pack(BOX), "method": "magic"}, "method is one of"),
    "layers it has not": ({"kind": "find", "face": 0, "mask": pack(BOX), "layers": "3-9"}, "layers 0 to 5"),
    "a region it has not": ({"kind": "region", "name": "../x"}, "no"),
    "a picture of another shape": ({"kind": "open", "picture": png(np.zeros((4, 6), np.uint8))}, "6 x 4 pixels; it must be square"),
    "a picture of another kind": ({"kind": "open", "picture": png(np.zeros((8, 8), np.uint8), format="GIF")}, "from a PNG"),
    "no picture": ({"kind": "open", "picture": base64.b64encode(b"PK\3\4").decode()}, "from a PNG"),
    "a black picture": ({"kind": "open", "picture": png(np.zeros((8, 8), np.uint8))}, "mask: empty"),
    "an end that is none": ({"kind": "ends", "found": 0, "index": 2}, "index is a number from 0 to 1"),
    "nothing to save": ({"kind": "save", "found": None}, "not known here"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_told_in_one_line(studio, name):
    """And change nothing."""
    find(studio)
    request, told = BAD[name]
    reply = studio.reply(request)
    assert set(reply) == {"error"} and told in reply["error"] and "\n" not in reply["error"]
    assert len(studio.found) == 1


def test_any_failure_is_an_answer(studio, monkeypatch, caplog):
    """The panel waits for one; what went wrong is in the log."""
    from lrgan_jax.panel import studio as module

    def fails(*args, **options):
        raise MemoryError("out of memory\nand more")

    monkeypatch.setattr(module, "find_directions", fails)
    assert find(studio) == {"error": "MemoryError: out of memory"}
    assert "a request of the panel failed" in caplog.text


@pytest.mark.parametrize("name", ["face", "gen", "class", "2d", "left eye"])
def test_code_of_any_region_name(small_stylegan2, faces, name):
    """Names of Python's, of the code's own and of none are all made into names."""
    info = lr.ModelInfo(regions={name: {"size": 16, "boxes": [[3, 4, 6, 7]]}})
    gen = type(small_stylegan2)(small_stylegan2.config, small_stylegan2.variables, info)
    studio = Studio(gen, faces, num=2, method="constrained", source=SOURCE)
    number = find(studio, name=name)["found"]
    names = {"GEN": gen, "FACES": faces}
    exec(studio.reply({"kind": "code", "face": 1, "edits": [[number, [0.5, 0.0]]]})["code"], names)
    studio.reply({"kind": "render", "face": 1, "edits": [[number, [0.5, 0.0]]]})
    np.testing.assert_allclose(names["edited"], studio.edited, atol=PARITY)


def test_a_picture_is_measured_before_it_is_read():
    """A small file that would unfold to many pixels is refused by its head."""
    bomb = png(np.zeros((LARGEST_PICTURE + 1, LARGEST_PICTURE + 1), np.uint8))
    assert len(bomb) < 20_000
    with pytest.raises(RegionError, match="at most 2048"):
        opened(bomb, 16)


def test_the_widget_carries_questions_and_answers(small_stylegan2, faces, monkeypatch):
    """Each answer under its question's number; what was found and shown is at hand in Python."""
    pytest.importorskip("anywidget")
    panel = lr.explore(small_stylegan2, faces, num=2, method="constrained")
    sent = []
    monkeypatch.setattr(panel, "send", sent.append)
    panel._handle_custom_msg({"id": "a-0", "kind": "find", "face": 1, "mask": pack(BOX)}, [])
    panel._handle_custom_msg({"id": "a-1", "kind": "render", "face": 1, "edits": [[0, [1.0, 0.0]]]}, [])
    panel._handle_custom_msg({"id": "a-2", "kind": "nonsense"}, [])
    assert [reply["id"] for reply in sent] == ["a-0", "a-1", "a-2"] and "error" in sent[2]
    found = panel.directions["drawn"]
    np.testing.assert_array_equal(panel.edited, lr.edit(lr.to_ws(small_stylegan2, faces[1:2]), found, [1.0, 0.0]))
    assert "render" in panel._esm and ".lrgan-panel" in panel._css
