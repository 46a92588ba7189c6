"""Working in the panel, in a real browser: undone and done again, kept, named, and with more than one face."""

import base64
import io
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from browser import (
    box_of,
    drag,
    face,
    found_after,
    menu,
    move,
    served,
    shown,
    slow,
    told,
    tool,
    visited,
    wait_for_ends,
    wait_for_sections,
)
from PIL import Image

import lrgan_jax as lr
from lrgan_jax.panel.faces import Draw, Faces
from lrgan_jax.panel.masks import pack
from lrgan_jax.panel.models import Models
from lrgan_jax.panel.studio import Studio


def press_and_wait(page, keys):
    """Keys that lead to another picture."""
    before = page.locator(".image").get_attribute("src")
    page.keyboard.press(keys)
    page.wait_for_function("before => document.querySelector('.image').src !== before", arg=before)


def titles(page):
    return page.locator(".right > section h2").all_text_contents()


def saved(page, name):
    """A file that a button of the menu gives: what it is called, and its bytes."""
    with page.expect_download() as download:
        menu(page, name)
    return download.value.suggested_filename, download.value.path().read_bytes()


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content))).astype(float)


def wait_until(page, true):
    """Of what Python knows."""
    for _ in range(100):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came to be")


def test_what_was_done_is_undone_and_done_again(page, studio):
    """A slider that is dragged is one step; so is a drawing with what was found for it. Nothing is searched twice."""
    plain = shown(page)
    found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    count = len(studio.found)
    slider = page.locator("section .row input").first
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.6, 0.7, 0.8):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    page.mouse.up()
    value = slider.input_value()
    assert int(value) > 50
    page.wait_for_timeout(300)
    edited = shown(page)
    press_and_wait(page, "Control+z")
    assert slider.input_value() == "0"
    np.testing.assert_array_equal(shown(page), plain)
    page.keyboard.press("Control+z")
    wait_for_sections(page, 0)
    assert page.get_by_role("button", name="Undo").is_disabled()
    page.keyboard.press("Control+y")
    wait_for_sections(page, 1)
    press_and_wait(page, "Control+Shift+z")
    assert slider.input_value() == value and len(studio.found) == count
    np.testing.assert_array_equal(shown(page), edited)
    tool(page, "Undo")
    move(page, 1, 0.5)
    assert page.get_by_role("button", name="Redo").is_disabled(), "another way was taken"
    for _ in range(3):
        slider.press("ArrowRight")
    assert slider.input_value() == "3"
    page.keyboard.press("Control+z")
    assert slider.input_value() == "0", "presses that follow one another are one step"


def test_pictures_leave_the_page(page, studio):
    """At the model's own size: as it is, beside the original, in a strip and moving, and on the clipboard."""
    plain = shown(page)
    tool(page, "mouth")
    wait_for_sections(page, 1)
    move(page, 0, 0.7)
    edited = shown(page)
    name, content = saved(page, "Save the picture")
    assert name.endswith(".png")
    np.testing.assert_array_equal(opened(content), edited)
    beside = opened(saved(page, "Save before and after")[1])
    np.testing.assert_array_equal(beside[:, :64], plain)
    np.testing.assert_array_equal(beside[:, -64:], edited)
    strip = opened(saved(page, "Save a strip of mouth 1")[1])
    assert strip.shape[0] == 64 and strip.shape[1] >= 3 * 64
    name, content = saved(page, "Save an animation of mouth 1")
    animation = Image.open(io.BytesIO(content))
    assert name.endswith(".webp") and animation.size == (64, 64) and animation.n_frames > 2  # pyright: ignore[reportAttributeAccessIssue]
    menu(page, "Copy the picture")
    told(page, "clipboard")
    read = """async () => {
      const [item] = await navigator.clipboard.read();
      const bytes = new Uint8Array(await (await item.getType("image/png")).arrayBuffer());
      return btoa(String.fromCharCode(...bytes));
    }"""
    np.testing.assert_array_equal(opened(base64.b64decode(page.evaluate(read)))[..., :3], edited)
    page.evaluate("navigator.clipboard.write = undefined")
    menu(page, "Copy the picture")
    told(page, "save it instead")


def test_a_reload_loses_nothing(page, studio):
    """Faces, drawings, titles, sliders and settings are there again, and the same picture."""
    face(page, 2)
    found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    page.locator("h2").first.dblclick()
    page.keyboard.type("lips")
    page.keyboard.press("Enter")
    move(page, 0, 0.7)
    edited = shown(page)
    page.get_by_text("Search settings").click()
    found_after(page, studio, lambda: page.get_by_label("method").select_option("projected"))
    wait_until(page, lambda: studio.state["document"]["faces"].get("1", {}).get("answered"))
    count = len(studio.found)
    page.reload()
    page.wait_for_selector("section .row")
    page.wait_for_timeout(300)
    assert titles(page)[0] == "lips" and page.get_by_label("method").input_value() == "projected"
    assert page.locator(".thumb[aria-pressed=true]").inner_text() == "2"
    np.testing.assert_array_equal(shown(page), edited)
    assert len(studio.found) == count, "nothing was looked for again"


def test_a_title_is_what_a_person_says(page, studio):
    """By a double click, a key or a button; Escape leaves it; files go by it, and undo brings the old one back."""
    found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    field = page.get_by_role("textbox", name="title of the region")
    page.locator("h2").first.dblclick()
    field.fill("lips")
    page.keyboard.press("Enter")
    with page.expect_download() as download:
        tool(page, "Save directions of lips")
    assert download.value.suggested_filename == "lips.npz"
    page.get_by_role("button", name="Rename lips").press("F2")
    field.fill("nothing")
    page.keyboard.press("Escape")
    assert titles(page)[0] == "lips"
    rename = page.get_by_role("button", name="Rename lips")
    page.wait_for_function("() => document.activeElement.textContent === 'Rename'")
    rename.press("Enter")
    assert field.evaluate("field => field === document.activeElement")
    field.fill("smile")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.textContent === 'Rename'")
    page.keyboard.press("Control+z")
    with page.expect_download() as download:
        tool(page, "Save directions of lips")
    assert download.value.suggested_filename == "lips.npz" and studio.found[-1].title == "lips"


def test_what_is_drawn_twice_is_numbered(page, studio):
    found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    move(page, 0, 0.5)
    found_after(page, studio, lambda: drag(page, (20.5, 22.5), (43.5, 33.5)))
    assert titles(page)[:2] == ["drawn", "drawn 2"] and studio.found[-1].title == "drawn 2"
    tool(page, "Remove drawn")
    assert titles(page)[0] == "drawn 2" and page.evaluate("document.activeElement.tagName") != "BODY"


def test_masks_are_added_subtracted_and_softened(page, studio, tmp_path):
    """By buttons and by Alt; the soft edge is Python's, and a mask that is saved opens as it was."""
    found_after(page, studio, lambda: drag(page, (10.5, 10.5), (29.5, 29.5)))
    tool(page, "add")
    both = found_after(page, studio, lambda: drag(page, (30.5, 10.5), (39.5, 29.5)))
    np.testing.assert_array_equal(both.drawing.mask, box_of(10, 10, 40, 30))
    tool(page, "subtract")
    less = found_after(page, studio, lambda: drag(page, (10.5, 10.5), (19.5, 29.5)))
    np.testing.assert_array_equal(less.drawing.mask, box_of(20, 10, 40, 30))
    tool(page, "new")
    page.keyboard.down("Alt")
    least = found_after(page, studio, lambda: drag(page, (20.5, 10.5), (29.5, 29.5)))
    page.keyboard.up("Alt")
    np.testing.assert_array_equal(least.drawing.mask, box_of(30, 10, 40, 30))
    soft = found_after(page, studio, lambda: page.get_by_label("soft edge").fill("4"))
    assert soft.drawing.feather == 4 and 0 < soft.drawing.mask[11, 30] < 1
    page.wait_for_function("() => document.querySelector('.soft').style.maskImage.startsWith('url')")
    _, content = saved(page, "Save the mask")
    (tmp_path / "soft.png").write_bytes(content)
    page.get_by_label("soft edge").fill("0")
    tool(page, "clear drawing")
    again = found_after(page, studio, lambda: page.set_input_files("input[accept='image/png']", tmp_path / "soft.png"))
    np.testing.assert_allclose(again.drawing.mask, soft.drawing.mask, atol=1 / 255)


def test_a_drawing_keeps_still(page, studio):
    """Alone or beside a name, until it is let go."""
    page.get_by_text("Search settings").click()
    found_after(page, studio, lambda: drag(page, (20.5, 22.5), (43.5, 33.5)))
    page.locator("h2").first.dblclick()
    page.keyboard.type("lids")
    page.keyboard.press("Enter")
    tool(page, "Keep the drawing still")
    told(page, "lids keeps still")
    still = box_of(20, 22, 44, 34)
    alone = found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    (mask,) = alone.directions.search.protect if isinstance(alone.directions.search.protect, list) else alone.still
    np.testing.assert_array_equal(getattr(mask, "mask", mask), still)
    tool(page, "Keep the drawing still")
    told(page, "drawn keeps still")
    found_after(page, studio, lambda: drag(page, (20.5, 43.5), (43.5, 55.5)))
    assert titles(page)[0] == "drawn 2" and "covers most" in page.locator(".status").inner_text()
    found_after(page, studio, page.get_by_role("button", name="keep drawn still").click)
    group = page.get_by_role("group", name="keep only these still")
    found_after(page, studio, group.get_by_role("button", name="keep hair still").click)
    found_after(page, studio, group.get_by_role("button", name="keep lids still").click)
    assert studio.found[-1].search.protect == ["hair"]


def test_more_faces_and_faces_like_one(page, studio):
    """They join the row, numbered; one like this one is nearer to it than another."""
    first = shown(page)
    count = len(studio.faces)
    tool(page, "More faces")
    page.wait_for_function("count => document.querySelectorAll('.thumb img').length === count", arg=count + 4)
    told(page, f"4 more: faces {count + 1} to {count + 4}")
    page.get_by_role("button", name="Which faces to add").click()
    page.get_by_label("how different from this one").fill("0.1")
    page.keyboard.press("Escape")
    tool(page, "Faces like this one")
    page.wait_for_function("count => document.querySelectorAll('.thumb img').length === count", arg=count + 8)
    inside = "thumb => thumb.getBoundingClientRect().right <= thumb.parentNode.getBoundingClientRect().right"
    wait_until(page, lambda: page.locator(".thumb").nth(count + 4).evaluate(inside))
    assert page.locator(".thumb").all_inner_texts() == [str(number + 1) for number in range(count + 8)]

    def distance(number):
        before = page.locator(".image").get_attribute("src")
        face(page, number)
        page.wait_for_function("before => document.querySelector('.image').src !== before", arg=before)
        return np.square(shown(page) - first).mean()

    assert distance(count + 5) < distance(2)
    assert page.locator(".which").inner_text() == f"Face 2 of {count + 8} · number 1"


def test_truncation_leads_to_the_mean_face(page, studio):
    """The same for all; back again, every face is its own."""
    own = shown(page)
    means = []
    for number in (1, 2):
        face(page, number)
        page.get_by_role("slider", name="truncation").fill("0")
        page.wait_for_timeout(400)
        means.append(shown(page))
    np.testing.assert_array_equal(*means)
    page.get_by_role("slider", name="truncation").fill("1")
    face(page, 1)
    page.wait_for_timeout(400)
    np.testing.assert_array_equal(shown(page), own)
    found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    wait_for_ends(page)
    with page.expect_request(lambda request: '"ends"' in request.post_data) as request:
        less = found_after(page, studio, lambda: page.get_by_role("slider", name="truncation").fill("0.5"))
    assert less.truncation == request.value.post_data_json["truncation"] == 0.5


def test_the_models_own_directions_are_sliders(page, studio):
    """From the start, of every face."""
    plain = shown(page)
    sliders = page.locator(".row.named input")
    assert sliders.count() == len(studio.named) > 0
    before = page.locator(".image").get_attribute("src")
    sliders.first.fill("80")
    page.wait_for_function("before => document.querySelector('.image').src !== before", arg=before)
    assert np.abs(shown(page) - plain).max() > 20
    face(page, 2)
    assert sliders.first.input_value() == "0"


@pytest.fixture
def layered(browser, small_stylegan2):
    """A page of a model that has layers."""
    faces = small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 2))
    own = Studio(small_stylegan2, faces, lr.Search(num=2))
    with served(own) as url, visited(browser, url) as page:
        page.get_by_text("Search settings").click()
        yield page, own


def test_layers_are_chosen_on_a_strip(layered):
    """By mouse or by keys; measured, each tells how much it leaks."""
    page, own = layered
    count = own.gen.num_ws
    cells = page.get_by_role("listbox", name="layers that move").get_by_role("option")
    assert cells.count() == count
    size = own.grid
    found_after(page, own, lambda: drag(page, (3.5, 3.5), (8.5, 8.5), size=size))
    assert found_after(page, own, cells.nth(2).click).search.layers == "2", "alone, where there were all"
    dragged = found_after(page, own, lambda: cells.nth(1).drag_to(cells.nth(2)))
    assert dragged.search.layers == "1-2"
    cells.nth(0).focus()
    page.keyboard.press("ArrowRight")
    less = found_after(page, own, lambda: page.keyboard.press(" "))
    assert less.search.layers == "2"
    tool(page, "Measure the leaks")
    told(page, "each layer alone")
    assert "each layer alone" in page.locator(".layers > p").inner_text()
    bars = cells.locator("i").evaluate_all("bars => bars.map((bar) => bar.offsetHeight)")
    assert len(bars) == count and max(bars) == 28
    names = cells.evaluate_all("cells => cells.map((cell) => cell.ariaLabel)")
    assert all(
        re.fullmatch(rf"layer {k}, (leak \d+ %|the region does not react)", name) for k, name in enumerate(names)
    )
    found_after(page, own, lambda: tool(page, "All layers"))
    assert own.found[-1].search.layers is None


def test_a_session_is_a_file(page, studio, browser, frontal, tmp_path):
    """It opens in another panel, with the same picture."""
    found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    move(page, 0, 0.7)
    edited = shown(page)
    name, content = saved(page, "Save the session")
    (tmp_path / name).write_bytes(content)
    own = Studio(studio.gen, frontal)
    with served(own) as url, visited(browser, url) as other:
        other.set_input_files("input[accept='.zip']", tmp_path / name)
        other.wait_for_selector("section .row")
        assert titles(other)[0] == "drawn"
        other.wait_for_selector(".image[src]")
        wait_until(other, lambda: np.array_equal(shown(other), edited))
        (tmp_path / "none.zip").write_bytes(b"no session")
        other.set_input_files("input[accept='.zip']", tmp_path / "none.zip")
        other.wait_for_selector(".error")
        assert titles(other)[0] == "drawn"


@pytest.mark.parametrize("state", [None, {"version": 1, "document": {"here": 7}}, "nothing"])
def test_what_was_found_is_there_without_a_pages_own_state(browser, studio, frontal, state):
    """Or with one that no page has made."""
    own = Studio(studio.gen, frontal, lr.Search(num=2))
    own.reply({"kind": "find", "face": 0, "mask": pack(box_of(20, 42, 44, 54)), "title": "lips"})
    assert own.reply({"kind": "remember", "state": state}) == {}
    with served(own) as url, visited(browser, url) as page:
        assert titles(page)[0] == "lips" and page.locator(".right > section").first.locator(".row").count() == 2
        move(page, 0, 0.5)


def test_a_slider_follows_its_walk(page, studio):
    """It reaches elsewhere then; Python is told with every picture, and undo takes it back."""
    found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    toggle = page.get_by_role("button", name="walk drawn, direction 1")
    toggle.click()
    told(page, "follows the walk")
    with page.expect_request(lambda request: (request.post_data_json or {}).get("kind") == "render") as request:
        move(page, 0, 0.5)
    edit = next(edit for edit in request.value.post_data_json["edits"] if edit[0] == len(studio.found) - 1)
    assert edit[2] == [0] and edit[1][0] > 0
    slow(page, "render")
    page.locator("section .row input").nth(1).fill("50")
    told(page, "Walking")
    page.wait_for_function("() => document.querySelector('.status').textContent === ''")
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert toggle.get_attribute("aria-pressed") == "false"


def bending(shape, c_dim=0):
    """A model whose every pixel any latent bends, and any class lights."""
    maps = jnp.asarray(np.random.default_rng(0).standard_normal((4, *shape, 3)) / 3, jnp.float32)

    def image(z, *label):
        return jnp.tanh(jnp.tensordot(z, maps, 1) + sum(c[0] for c in label))

    return lr.from_function(image, 4, c_dim=c_dim)


def test_several_models_and_classes(browser):
    """Each with faces and a document of its own; classes where a model has some."""
    small = {"one": bending((16, 16)), "two": bending((16, 16), c_dim=3)}
    opening = {name: lambda gen=gen: Studio(gen, Faces.drawn(gen, Draw(), 2)) for name, gen in small.items()}
    with served(Models(opening)) as url, visited(browser, url) as page:
        choice = page.get_by_role("combobox", name="model")
        assert choice.locator("option").all_inner_texts() == ["one", "two"] and choice.input_value() == "one"
        drag(page, (2.5, 2.5), (8.5, 8.5), size=(16, 16))
        wait_for_sections(page, 1)
        choice.select_option("two")
        wait_for_sections(page, 0)
        page.get_by_role("button", name="Which faces to add").click()
        page.get_by_role("combobox", name="class").select_option("1")
        page.keyboard.press("Escape")
        tool(page, "More faces")
        page.wait_for_function("() => document.querySelectorAll('.thumb').length === 6")
        face(page, 6)
        assert "class 1" in page.locator(".which").inner_text()
        choice.select_option("one")
        wait_for_sections(page, 1)


def test_a_large_picture_is_small_while_a_slider_moves(browser):
    """And whole when it rests."""
    gen = bending((320, 320))
    own = Studio(gen, lr.sample_z(gen, jax.random.key(0), 1), lr.Search(num=1, size=32))
    width = "document.querySelector('.image').naturalWidth"
    with served(own) as url, visited(browser, url) as page:
        drag(page, (5.5, 5.5), (20.5, 20.5), size=own.grid)
        wait_for_sections(page, 1)
        wait_for_ends(page)
        box = page.locator("section .row input").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_function(f"() => {width} < 320")
        page.mouse.up()
        page.wait_for_function(f"() => {width} === 320")
