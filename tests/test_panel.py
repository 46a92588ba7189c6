"""What the painter is told: every kind of request on a small network, and every way to ask wrongly."""

import base64
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tolerances import PARITY, PARITY_W

import lrgan_jax as lr
from lrgan_jax import images, methods
from lrgan_jax.base.errors import LrganError
from lrgan_jax.commands.explore import file_or_frontal
from lrgan_jax.commands.options import Which
from lrgan_jax.generators import DCGAN, DCGANConfig, StyleGAN2, StyleGAN2Config, dcgan, render, stylegan2
from lrgan_jax.panel.masks import LARGEST_PICTURE, opened, pack, surroundings, unpack
from lrgan_jax.panel.studio import Studio
from lrgan_jax.regions import RegionError, box_mask, polygon_mask

BOX = box_mask(3, 4, 6, 7, 16)
SOURCE = "gen, faces = GEN, FACES"
SEARCH = lr.Search(method="constrained", num=2)


@pytest.fixture(scope="module")
def faces(small_stylegan2):
    return small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 3))


@pytest.fixture
def studio(small_stylegan2, faces):
    return Studio(small_stylegan2, faces, SEARCH, source=SOURCE)


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
        np.testing.assert_array_equal(
            picture_of(studio.reply({"kind": "render", "face": 2, "edits": edits})["image"]), plain
        )
    np.testing.assert_array_equal(studio.edited, lr.to_ws(small_stylegan2, faces[2:3]))


def test_the_ends_of_a_slider_are_its_pictures(studio):
    """What `render` shows there, cut to the region's surroundings."""
    found = find(studio)
    ends = studio.reply({"kind": "ends", "found": found["found"], "index": 1})["ends"]
    part = surroundings(BOX, (16, 16))
    for end, sign in zip(ends, (-1, 1), strict=True):
        edits = [[found["found"], [0.0, sign * found["reaches"][1]]]]
        whole = picture_of(studio.reply({"kind": "render", "face": 1, "edits": edits})["image"])
        np.testing.assert_array_equal(picture_of(end), whole[part])


@pytest.mark.parametrize("mask", [BOX, polygon_mask([(2.0, 2.0), (13.0, 4.0), (8.0, 14.0)], 16)])
@pytest.mark.parametrize("layers", ["", "1,3"])
def test_the_code_makes_the_same_picture(studio, faces, small_stylegan2, mask, layers):
    """Run as copied, with two drawings of one face."""
    edits = [
        [find(studio, mask, layers=layers)["found"], [1.25, 0]],
        [find(studio, 1 - mask, method="projected")["found"], [0, -2.5]],
    ]
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
    assert {"mouth", "eyes"} <= set(known["regions"]) and (known["grid"], known["num_layers"]) == ([16, 16], 6)
    assert known["faces"] == [{"title": f"number {k}", "label": None} for k in range(3)]
    mask = studio.reply({"kind": "region", "name": "mouth"})["mask"]
    np.testing.assert_array_equal(unpack(mask, (16, 16)), lr.region_mask("mouth", 16))
    reply = find(studio, lr.region_mask("mouth", 16), name="mouth")
    assert reply["name"] == "mouth"
    code = studio.reply({"kind": "code", "face": 1, "edits": [[reply["found"], [0.0] * len(reply["leaks"])]]})["code"]
    assert "mouth = lr.find_directions(gen, face, 'mouth'" in code and "regions" not in code


def test_methods_come_from_the_table(studio):
    """All that look at the region, with their titles and explanations; every one of them can be asked for."""
    known = studio.reply({"kind": "hello"})
    assert {m["name"]: (m["title"], m["about"]) for m in known["methods"]} == {
        name: (row.title, row.about) for name, row in methods.LOCAL.items()
    }
    assert known["method"] == "constrained"
    for method in known["methods"]:
        reply = find(studio, method=method["name"])
        assert studio.found[reply["found"]].directions.method == method["name"]


def test_only_what_is_named_keeps_still(studio, faces, small_stylegan2):
    """As `find_directions` protects it; the code says it; an empty list is everything else again, this once."""
    expected = lr.find_directions(small_stylegan2, faces[1:2], BOX, SEARCH, protect=["mouth", "chin"])
    reply = find(studio, protect=["mouth", "chin"])
    found = studio.found[reply["found"]]
    np.testing.assert_array_equal(found.directions.vectors, expected.vectors)
    assert found.directions == expected and found.directions.search.protect == ["mouth", "chin"]
    code = studio.reply({"kind": "code", "face": 1, "edits": [[reply["found"], [0.0] * len(reply["leaks"])]]})["code"]
    assert "protect=['mouth', 'chin'], method='constrained', num=2)" in code
    for more in ({"protect": []}, {"protect": None}, {}):
        assert studio.found[find(studio, **more)["found"]].directions.search.protect is None


@pytest.mark.parametrize(
    ("protect", "told"),
    [
        (None, []),
        ("mouth", ["mouth"]),
        (["eyes", "chin"], ["eyes", "chin"]),
        (("eyes",), ["eyes"]),
        ({"eyes": 1.0, "chin": 1.0}, ["eyes", "chin"]),
        ({"eyes": 0.5}, None),
        (1 - BOX, None),
    ],
)
def test_the_search_is_that_of_the_panel(small_stylegan2, faces, protect, told):
    """Until the page asks otherwise; it is told what can be said by names."""
    search = lr.Search(layers=(2, 3), protect=protect, method="projected", num=1, tao=0.1)
    studio = Studio(small_stylegan2, faces, search, source=SOURCE)
    known = studio.reply({"kind": "hello"})
    assert (known["method"], known["layers"], known["protect"]) == ("projected", "2,3", told)
    own, other = find(studio), find(studio, layers="", protect=["chin"])
    np.testing.assert_array_equal(
        studio.found[own["found"]].directions.vectors,
        lr.find_directions(small_stylegan2, faces[1:2], BOX, search).vectors,
    )
    assert studio.found[other["found"]].search == search.but(layers=None, protect=["chin"])


@pytest.mark.parametrize(
    ("protect", "metric"),
    [(1 - BOX, "natural"), ([1 - BOX, "mouth"], "latent"), ({"mouth": 0.5, "chin": 1.0}, "natural")],
)
def test_the_code_of_what_the_panel_was_opened_with(small_stylegan2, faces, protect, metric):
    """Masks that have no name are taken from whoever opened it; all else is said."""
    studio = Studio(
        small_stylegan2,
        faces,
        lr.Search(protect=protect, per_layer=True, num=2, price=0.01, change=0.1, metric=metric),
        source=SOURCE + "\nprotect = PROTECT",
    )
    edits = [[find(studio)["found"], [1.0, -0.5]]]
    names = {"GEN": small_stylegan2, "FACES": faces, "PROTECT": protect if not isinstance(protect, dict) else None}
    exec(studio.reply({"kind": "code", "face": 1, "edits": edits})["code"], names)
    studio.reply({"kind": "render", "face": 1, "edits": edits})
    np.testing.assert_allclose(names["edited"], studio.edited, atol=PARITY)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"method": "sefa"}, "does not look at the region"),
        ({"method": "magic"}, "method is one of"),
        ({"protect": "tail"}, "no region 'tail'"),
        ({"protect": []}, "protect is empty"),
        ({"layers": "3-9"}, "layers 0 to 5"),
        ({"size": 5}, "cannot be pooled"),
    ],
)
def test_settings_that_do_not_fit_are_refused_at_once(small_stylegan2, faces, settings, told):
    with pytest.raises(LrganError, match=told):
        Studio(small_stylegan2, faces, lr.Search(**settings))


def picture_maker(shape, c_dim=0):
    """A function of a latent, and of a class where there are any, to an image of that shape."""
    random = np.random.default_rng(0)
    maps, shifts = (jnp.asarray(random.standard_normal((n, *shape, 3)) / 3, jnp.float32) for n in (6, max(c_dim, 1)))

    def f(z, c=None):
        return jnp.tanh(jnp.tensordot(z, maps, 1) + (0 if c is None else jnp.tensordot(c, shifts, 1)))

    return lr.from_function(f, 6, c_dim=c_dim)


@pytest.fixture(scope="module")
def conditional():
    """The two kinds: classes that the mapping takes, and such as the synthesis takes."""
    config = StyleGAN2Config(
        channels=(8, 6), z_dim=8, w_dim=9, c_dim=3, mapping_layers=2, mapping_features=9, embed_features=5
    )
    variables = jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(2), config)
    return {"mapping": StyleGAN2(config, variables), "synthesis": picture_maker((8, 8), c_dim=3)}


@pytest.mark.parametrize("kind", ["mapping", "synthesis"])
def test_faces_keep_their_classes(conditional, kind):
    """In the pictures, in what is found, at the ends of sliders and in the code."""
    gen = conditional[kind]
    assert gen.classes == kind
    faces = gen.mapping(lr.sample_z(gen, jax.random.key(0), 3), np.eye(3, dtype=np.float32))
    studio = Studio(gen, faces, lr.Search(num=2), source=SOURCE)
    shown = picture_of(studio.reply({"kind": "render", "face": 2, "edits": []})["image"])
    np.testing.assert_array_equal(shown, images.to_uint8(lr.render(gen, lr.to_ws(gen, faces)))[2])
    box = box_mask(2, 2, 3, 4, 8)
    reply = find(studio, box)
    expected = lr.find_directions(gen, faces[1:2], box, num=2)
    np.testing.assert_array_equal(studio.found[0].directions.vectors, expected.vectors)
    edits = [[0, [reply["reaches"][0]] + [0.0] * (len(reply["leaks"]) - 1)]]
    shown = picture_of(studio.reply({"kind": "render", "face": 1, "edits": edits})["image"])
    end = picture_of(studio.reply({"kind": "ends", "found": 0, "index": 0})["ends"][1])
    np.testing.assert_array_equal(end, shown[surroundings(box, gen.size)])
    names = {"GEN": gen, "FACES": faces}
    exec(studio.reply({"kind": "code", "face": 1, "edits": edits})["code"], names)
    assert np.abs(images.to_uint8(names["image"])[0].astype(int) - shown).max() <= 1


@pytest.mark.parametrize("shape", [(12, 20), (20, 12), (24, 300)])
@pytest.mark.parametrize("drawing", ["box", "polygon"])
def test_images_need_not_be_square(shape, drawing):
    """Drawn on, searched, moved and copied; the grid is that of the Jacobian."""
    gen = picture_maker(shape)
    studio = Studio(gen, lr.sample_z(gen, jax.random.key(0), 2), lr.Search(num=2), source=SOURCE)
    known = studio.reply({"kind": "hello"})
    grid = tuple(known["grid"])
    assert grid == (shape if max(shape) <= 256 else (12, 150))
    mask = box_mask(3, 4, 6, 7, grid) if drawing == "box" else polygon_mask([(1.0, 2.0), (9.0, 4.0), (8.0, 10.0)], grid)
    large = np.kron(mask, np.ones((3, 3))).astype(np.uint8) * 255
    np.testing.assert_array_equal(unpack(studio.reply({"kind": "open", "picture": png(large)})["mask"], grid), mask)
    reply = find(studio, mask)
    assert studio.found[0].drawing.mask.shape == grid
    edits = [[0, [0.5] * len(reply["leaks"])]]
    studio.reply({"kind": "render", "face": 1, "edits": edits})
    assert len(studio.reply({"kind": "ends", "found": 0, "index": 0})["ends"]) == 2
    names = {"GEN": gen, "FACES": studio.faces}
    exec(studio.reply({"kind": "code", "face": 1, "edits": edits})["code"], names)
    np.testing.assert_allclose(names["edited"], studio.edited, atol=PARITY)
    assert names["image"].shape == (1, *shape, 3)


def test_an_opened_picture_is_scaled(studio):
    """A square PNG of another size gives the mask that `load_mask` gives."""
    large = np.kron(BOX, np.ones((5, 5))).astype(np.uint8) * 255
    np.testing.assert_array_equal(unpack(studio.reply({"kind": "open", "picture": png(large)})["mask"], (16, 16)), BOX)


@pytest.mark.parametrize(("space", "truncation"), [("w", 1.0), ("ws", 1.0), ("z", 0.7)])
def test_the_code_loads_the_faces_of_a_file(small_stylegan2, tmp_path, monkeypatch, space, truncation):
    """The lines that define the faces give those that the page shows."""
    rows = np.random.default_rng(0).standard_normal({"w": (6, 12), "ws": (6, 12), "z": (6, 10)}[space])
    np.save(tmp_path / "latents.npy", rows.astype(np.float32))
    which = Which(latents=tmp_path / "latents.npy", space=space, truncation=truncation)
    faces, source = file_or_frontal(small_stylegan2, "small", None, which)
    assert len(faces) == (1 if space == "ws" else 6)
    same_faces(small_stylegan2, faces, source, monkeypatch)


def same_faces(gen, faces, source, monkeypatch):
    """That the copied lines make them."""
    monkeypatch.setattr(lr, "load", {"small": gen}.get)
    names = {"lr": lr}
    exec(source, names)
    np.testing.assert_allclose(lr.to_ws(gen, names["faces"]).array, faces.ws.array, atol=PARITY_W)


def test_the_code_loads_the_classes_of_a_file(conditional, tmp_path, monkeypatch):
    """Of z: labels taken in turn, as the command was told them."""
    gen = conditional["mapping"]
    np.save(tmp_path / "latents.npy", np.random.default_rng(0).standard_normal((5, gen.z_dim)).astype(np.float32))
    which = Which(latents=tmp_path / "latents.npy", space="z", labels=(0, 2), cutoff=2, truncation=0.5)
    faces, source = file_or_frontal(gen, "small", 4, which)
    assert len(faces) == 4
    same_faces(gen, faces, source, monkeypatch)


@pytest.mark.parametrize("settings", [{"labels": (1,)}, {"space": "w"}])
def test_faces_that_there_are_not(small_stylegan2, settings):
    """Of classes where there are none, and of a file that is not given."""
    with pytest.raises(LrganError, match="this model has no classes|--space says what the rows of --latents FILE are"):
        file_or_frontal(small_stylegan2, "small", 3, Which(**settings))


@pytest.mark.parametrize("channels", [2, 4])
def test_opacity_lies_over_white_in_pictures_of_any_size(channels, monkeypatch):
    """Exactly so as PNG; a large one as JPEG, which has no opacity."""
    config = DCGANConfig(channels=(4,), z_dim=6, img_channels=channels)
    gen = DCGAN(config, dcgan.init(jax.random.key(0), config))
    z = np.random.default_rng(0).standard_normal((1, 6)).astype(np.float32)
    question = {"kind": "render", "face": 0, "edits": []}
    shown = picture_of(Studio(gen, z).reply(question)["image"])
    np.testing.assert_array_equal(shown, images.to_uint8(render(gen, z[:, None]))[0])
    monkeypatch.setattr("lrgan_jax.panel.wire.LOSSLESS", 4)
    assert Studio(gen, z).reply(question)["image"].startswith("data:image/jpeg")


def test_large_pictures_travel_as_jpeg(studio, monkeypatch):
    monkeypatch.setattr("lrgan_jax.panel.wire.LOSSLESS", 8)
    assert studio.reply({"kind": "render", "face": 0, "edits": []})["image"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("grid", [(16, 16), (7, 7), (9, 9), (64, 64), (5, 7), (64, 3)])
def test_masks_survive_the_journey(grid):
    """Of any shape, also where the pixels are no multiple of 8."""
    mask = (np.random.default_rng(grid[0]).random(grid) < 0.3).astype(np.float32)
    np.testing.assert_array_equal(unpack(pack(mask), grid), mask)


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        ((3, 4, 6, 7, 16), (16, 16), (0, 1, 12, 12)),
        ((0, 0, 2, 2, 16), (64, 64), (0, 0, 14, 14)),
        ((0, 0, 16, 15, 16), (32, 32), (0, 0, 32, 32)),
        ((4, 20, 2, 2, (8, 24)), (16, 48), (6, 38, 7, 7)),
        ((1, 2, 6, 6, (8, 24)), (16, 48), (0, 0, 16, 20)),
        ((0, 0, 23, 8, (24, 8)), (48, 16), (0, 0, 48, 16)),
    ],
)
def test_surroundings_lie_in_the_image(box, size, expected):
    """Square, around the region, moved inwards at the border; all of a side that is too short for the square."""
    rows, columns = surroundings(box_mask(*box), size)
    assert (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start) == expected
    assert rows.stop <= size[0] and columns.stop <= size[1]


BLACK = np.zeros((8, 8), np.uint8)
DRAWING = {"kind": "find", "face": 0, "mask": pack(BOX)}
BAD = {
    "no object": ([1, 2], "kind is one of"),
    "no kind": ({}, "kind is one of"),
    "an unknown kind": ({"kind": "reply"}, "kind is one of"),
    "a kind that is no text": ({"kind": ["find"]}, "kind is one of"),
    "a face that is none": ({"kind": "render", "face": 3, "edits": []}, "face is a number from 0 to 2"),
    "a face that is true": ({"kind": "render", "face": True, "edits": []}, "face is a number"),
    "no edits": ({"kind": "render", "face": 0}, "edits are found directions"),
    "edits of unknown directions": ({"kind": "render", "face": 0, "edits": [[7, [1.0]]]}, "not known here"),
    "a step too few": ({"kind": "render", "face": 0, "edits": [[0, [1.0]]]}, "edits are found directions"),
    "a step that is nan": (
        {"kind": "render", "face": 0, "edits": [[0, [float("nan"), 0]]]},
        "edits are found directions",
    ),
    "a step that is text": ({"kind": "render", "face": 0, "edits": [[0, ["1", 0]]]}, "edits are found directions"),
    "no mask": ({"kind": "find", "face": 0}, "mask is missing"),
    "a mask of another size": (DRAWING | {"mask": pack(np.ones((8, 8)))}, "64 pixels, this model wants 16 x 16"),
    "a mask that is no base64": (DRAWING | {"mask": "£$%"}, "not base64"),
    "an empty mask": (DRAWING | {"mask": pack(np.zeros((16, 16)))}, "empty"),
    "a full mask": (DRAWING | {"mask": pack(np.ones((16, 16)))}, "covers the whole image"),
    "an unknown name": (DRAWING | {"name": "tail"}, "no region 'tail'"),
    "a name that is none": (DRAWING | {"name": ["mouth"]}, "no region ['mouth']"),
    "an unknown method": (DRAWING | {"method": "magic"}, "method is one of"),
    "a method without regions": (DRAWING | {"method": "sefa"}, "does not look at the region"),
    "a method that is no text": (DRAWING | {"method": ["frontier"]}, "method is missing"),
    "no list to keep still": (DRAWING | {"protect": "eyes"}, "a list of names"),
    "an unknown part to keep still": (DRAWING | {"protect": ["eyes", "tail"]}, "no region 'tail'"),
    "a mask to keep still": (DRAWING | {"protect": [[[1, 0]]]}, "no region"),
    "the region to keep still": (
        DRAWING | {"mask": pack(lr.region_mask("eyes", 16)), "name": "eyes", "protect": ["eyes"]},
        "protect holds the region itself",
    ),
    "layers it has not": (DRAWING | {"layers": "3-9"}, "layers 0 to 5"),
    "a region it has not": ({"kind": "region", "name": "../x"}, "no"),
    "a picture of another shape": ({"kind": "open", "picture": png(BLACK[:4, :6])}, "6 x 4 pixels, but the image is"),
    "a picture of another kind": ({"kind": "open", "picture": png(BLACK, format="GIF")}, "from a PNG"),
    "no picture": ({"kind": "open", "picture": base64.b64encode(b"PK\3\4").decode()}, "from a PNG"),
    "a black picture": ({"kind": "open", "picture": png(BLACK)}, "mask: empty"),
    "an end that is none": ({"kind": "ends", "found": 0, "index": 2}, "index is a number from 0 to 1"),
    "nothing to save": ({"kind": "save", "found": None}, "not known here"),
}


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


def test_what_a_user_can_mend_is_not_logged(studio, caplog):
    """And a ValueError of ours is: it would be a bug."""
    assert "error" in find(studio, layers="3-9") and not caplog.text
    studio.choice = None
    assert find(studio)["error"].startswith("TypeError: ") and "a request of the panel failed" in caplog.text


@pytest.mark.parametrize("name", ["face", "gen", "class", "2d", "left eye"])
def test_code_of_any_region_name(small_stylegan2, faces, name):
    """Names of Python's, of the code's own and of none are all made into names."""
    info = lr.ModelInfo(regions={name: {"size": 16, "boxes": [[3, 4, 6, 7]]}})
    gen = type(small_stylegan2)(small_stylegan2.config, small_stylegan2.variables, info)
    studio = Studio(gen, faces, SEARCH, source=SOURCE)
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
        opened(bomb, (16, 16))


def test_the_command_gives_its_faces_in_code(small_stylegan2, conditional, monkeypatch):
    """Near-frontal ones, of every class in turn; the first of the classes that are named."""
    labelled = conditional["mapping"]
    for gen, more in ((small_stylegan2, {}), (labelled, {}), (labelled, {"labels": (2, 0), "cutoff": 1})):
        faces, source = file_or_frontal(gen, "small", 3, Which(seed=1, truncation=0.8, **more))
        assert len(faces) == 3
        same_faces(gen, faces, source, monkeypatch)


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
    assert "render" in panel._esm and ".lrgan-panel" in str(panel._css)


def test_the_widget_chooses_faces(small_stylegan2):
    """Twelve near-frontal ones, which the code that it copies makes again."""
    pytest.importorskip("anywidget")
    panel = lr.explore(small_stylegan2, num=2, method="constrained", protect="eyes")
    found = find(panel._studio)
    steps = [0.5] * len(found["leaks"])
    panel._studio.reply({"kind": "render", "face": 1, "edits": [[0, steps]]})
    names = {"gen": small_stylegan2}
    exec(panel._studio.reply({"kind": "code", "face": 1, "edits": [[0, steps]]})["code"], names)
    assert len(names["faces"]) == 12
    np.testing.assert_allclose(names["edited"], panel.edited, atol=PARITY)
