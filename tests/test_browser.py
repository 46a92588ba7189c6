"""The panel in a real browser: drawn on, moved, looked at from outside as a person would."""

import re
import time

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
    place,
    served,
    shown,
    slow,
    told,
    tool,
    wait_for_ends,
    wait_for_sections,
)
from PIL import Image

import lrgan_jax as lr
from lrgan_jax import methods
from lrgan_jax.panel.studio import Studio


def test_a_box_gets_sliders_that_move_the_box_alone(page, studio, record_property):
    """The first minute: a box around the mouth, the first slider moved, and pixels change inside and hardly outside."""
    drag(page, (5.5, 5.5), (20.5, 15.5))  # compiles
    page.wait_for_selector("section .row")
    start = time.perf_counter()
    found = found_after(page, studio, lambda: drag(page, (20.5, 42.5), (30, 50), (43.5, 53.5)))
    record_property("seconds from drawing to sliders", time.perf_counter() - start)
    np.testing.assert_array_equal(found.drawing.mask, box_of(20, 42, 44, 54))
    before = shown(page)
    move(page, 0, 0.01)  # compiles
    start = time.perf_counter()
    move(page, 0, 0.6)
    record_property("seconds from a slider to its picture", time.perf_counter() - start)
    change = np.square(shown(page) - before).mean(-1)
    inside, outside = change[found.drawing.mask == 1].mean(), change[found.drawing.mask == 0].mean()
    assert inside > 5**2 and outside < 0.1 * inside


def test_every_tool_draws(page, studio):
    """The masks that reach Python against drawings made here."""
    y, x = np.mgrid[:64, :64] + 0.5
    first = found_after(page, studio, lambda: drag(page, (10.2, 10.2), (19.8, 14.8)))
    np.testing.assert_array_equal(first.drawing.mask, box_of(10, 10, 20, 15))
    page.keyboard.down("Shift")
    both = found_after(page, studio, lambda: drag(page, (39.8, 50.8), (30.2, 40.2)))
    page.keyboard.up("Shift")
    np.testing.assert_array_equal(both.drawing.mask, np.maximum(box_of(10, 10, 20, 15), box_of(30, 40, 40, 51)))
    tool(page, "eraser")
    width = float(page.locator(".width").input_value())
    less = found_after(page, studio, lambda: drag(page, (12, 12)))
    clear = np.hypot(x - 12, y - 12)
    certain = abs(clear - width / 2) > 0.1  # the pointer stands on whole pixels of the screen
    np.testing.assert_array_equal(
        less.drawing.mask[certain], np.where(clear <= width / 2, 0, both.drawing.mask)[certain]
    )
    tool(page, "clear drawing")
    tool(page, "brush")
    line = found_after(page, studio, lambda: drag(page, (20, 30), (45, 30)))
    distance = np.hypot(x - np.clip(x, 20, 45), y - 30)
    certain = abs(distance - width / 2) > 0.1
    np.testing.assert_array_equal(line.drawing.mask[certain], (distance <= width / 2)[certain])
    tool(page, "polygon")

    def corners():
        for corner in ((10, 10), (50, 10), (10, 50), (10, 10)):
            drag(page, corner)

    triangle = found_after(page, studio, corners)
    certain = abs(x + y - 60) > 0.5
    expected = (x > 10) & (y > 10) & (x + y < 60)
    near = (abs(x - 10) < 0.6) | (abs(y - 10) < 0.6)
    np.testing.assert_array_equal(triangle.drawing.mask[certain & ~near], expected[certain & ~near])

    def double_click():
        for corner in ((10, 10), (50, 10)):
            drag(page, corner)
        told(page, "double-click")
        page.mouse.dblclick(*place(page, 10, 50))

    np.testing.assert_array_equal(found_after(page, studio, double_click).drawing.mask, triangle.drawing.mask)
    lasso = found_after(page, studio, lambda: drag(page, (30, 30), (50, 30), (50, 50), (30, 50)))
    assert lasso.drawing.mask[32:48, 32:48].all() and lasso.drawing.mask.sum() < 21**2


def test_used_sliders_stay(page, studio):
    """An untouched region makes room for the next drawing, a moved one does not; both act until one is removed."""
    tool(page, "mouth")
    wait_for_sections(page, 1)
    tool(page, "nose")
    page.wait_for_function(
        "() => document.querySelector('h2').textContent === 'nose' && !document.querySelector('.busy')"
    )
    plain = shown(page)
    move(page, 0, 1)
    alone = shown(page)
    tool(page, "eyes")
    wait_for_sections(page, 2)
    assert page.locator(".right > section h2").all_inner_texts() == ["Nose", "Eyes"]
    np.testing.assert_array_equal(shown(page), alone)
    move(page, page.locator(".right > section").first.locator(".row").count(), -1)
    assert np.abs(shown(page) - alone).max() > 5
    before = page.locator(".image").get_attribute("src")
    page.get_by_role("button", name="Remove").last.click()
    page.wait_for_function("before => document.querySelector('.image').src !== before", arg=before)
    np.testing.assert_array_equal(shown(page), alone)
    tool(page, "All sliders to 0")
    page.wait_for_function("() => document.querySelector('.row output').textContent === '0.0'")
    page.wait_for_timeout(300)
    np.testing.assert_array_equal(shown(page), plain)


def test_before_and_after(page):
    """The original shows for as long as the button is held, by mouse or by key."""
    plain = shown(page)
    tool(page, "hair")
    wait_for_sections(page, 1)
    move(page, 0, 1)
    edited = shown(page)
    button = page.get_by_role("button", name="Hold for original")
    button.hover()
    for press, release in (
        (page.mouse.down, page.mouse.up),
        (lambda: page.keyboard.down(" "), lambda: page.keyboard.up(" ")),
    ):
        now = page.locator(".image").get_attribute("src")
        press()
        page.wait_for_function("now => document.querySelector('.image').src !== now", arg=now)
        np.testing.assert_array_equal(shown(page), plain)
        release()
        np.testing.assert_array_equal(shown(page), edited)


def test_each_face_keeps_its_own(page, studio):
    """The next face gets directions of its own for the same region; back again, the sliders stand as they stood."""
    tool(page, "mouth")
    wait_for_sections(page, 1)
    move(page, 0, 0.5)
    edited = shown(page)
    there = found_after(page, studio, lambda: face(page, 2))
    assert there.face == 1 and there.region == "mouth"
    assert page.locator(".row output").first.inner_text() == "0.0"
    face(page, 1)
    page.wait_for_function("() => document.querySelector('.row output').textContent.startsWith('+')")
    page.wait_for_timeout(300)
    np.testing.assert_array_equal(shown(page), edited)


def test_ends_show_where_sliders_lead(page):
    """A picture at either end of every slider; a click goes there, a double click on the slider back."""
    tool(page, "eyes")
    wait_for_sections(page, 1)
    wait_for_ends(page)
    ends = page.locator(".end img").evaluate_all("images => images.map(image => image.src)")
    assert len(set(ends)) == len(ends) == page.locator(".end").count()
    page.locator(".end").nth(1).click()
    slider = page.locator(".row input").first
    assert slider.input_value() == slider.get_attribute("max")
    slider.dblclick(position={"x": 5, "y": 5})
    assert slider.input_value() == "0"


def test_faces_do_not_take_each_others_place(page, studio):
    """Two faces further while the first search is under way: each of the three is answered, none is left waiting."""
    slow(page, "find", 0.4)
    tool(page, "mouth")
    for number in (2, 3):
        face(page, number)
    for number in (3, 1, 2):
        face(page, number)
        wait_for_sections(page, 1)
    assert {found.face for found in studio.found[-3:]} == {0, 1, 2}


def test_what_is_cleared_is_forgotten(page, studio):
    """Neither another method nor another face brings it back; erasing all of it is clearing too."""
    for clear in (lambda: tool(page, "clear drawing"), lambda: (tool(page, "eraser"), drag(page, (11, 11), (13, 11)))):
        tool(page, "box")
        found_after(page, studio, lambda: drag(page, (10.5, 10.5), (13.5, 11.5)))
        count = len(studio.found)
        clear()
        face(page, 2)
        page.wait_for_timeout(300)
        assert len(studio.found) == count
        face(page, 1)


def test_a_click_loses_nothing(page, studio):
    """Nor does Escape: the next stroke is added to what was drawn before."""
    first = found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    drag(page, (5, 5))
    tool(page, "polygon")
    drag(page, (5, 5))
    page.keyboard.press("Escape")
    tool(page, "brush")
    told(page, "paints onto the drawing")
    both = found_after(page, studio, lambda: drag(page, (10, 10)))
    assert (
        both.drawing.mask[42:54, 20:44].all()
        and both.drawing.mask[10, 10]
        and both.drawing.mask.sum() > first.drawing.mask.sum()
    )


def test_a_picture_that_comes_late_is_shown_after_the_hold(page):
    """The original stays for as long as it is held."""
    tool(page, "eyes")
    wait_for_sections(page, 1)
    wait_for_ends(page)
    plain = shown(page)
    slow(page, "render", 0.5)
    page.locator(".row input").first.fill("100")
    page.get_by_role("button", name="Hold for original").hover()
    page.mouse.down()
    page.wait_for_timeout(1500)
    np.testing.assert_array_equal(shown(page), plain)
    page.mouse.up()
    assert np.abs(shown(page) - plain).max() > 20


def test_without_a_clipboard_the_code_is_shown(page, studio):
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    tool(page, "nose")
    wait_for_sections(page, 1)
    menu(page, "Copy as code")
    page.wait_for_selector("textarea")
    assert "find_directions" in page.locator("textarea").input_value()


def test_code_and_file_leave_the_page(page, studio, frontal, tmp_path):
    """The code on the clipboard makes the picture on the screen; the file that comes down holds the directions."""
    found = found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    move(page, 0, 0.7)
    menu(page, "Copy as code")
    told(page, "clipboard")
    names = {"GEN": studio.gen, "FACES": frontal}
    exec(page.evaluate("navigator.clipboard.readText()"), names)
    assert np.abs(lr.images.to_uint8(names["image"])[0] - shown(page)).max() <= 1
    with page.expect_download() as download:
        tool(page, "Save directions of drawn")
    download.value.save_as(tmp_path / "drawn.npz")
    np.testing.assert_array_equal(lr.Directions.load(tmp_path / "drawn.npz").vectors, found.directions.vectors)


def test_masks_are_opened_or_refused(page, studio, tmp_path):
    """A PNG of the image's shape is a region; anything else is one line under the image, and what was there stays."""
    mask = box_of(20, 42, 44, 54).astype(np.uint8) * 255
    Image.fromarray(np.kron(mask, np.ones((2, 2), np.uint8))).save(tmp_path / "mask.png")
    Image.fromarray(mask[:32]).save(tmp_path / "half.png")
    (tmp_path / "text.png").write_text("no picture")
    found = found_after(page, studio, lambda: page.set_input_files("input[accept='image/png']", tmp_path / "mask.png"))
    np.testing.assert_array_equal(found.drawing.mask, mask / 255)
    for name, why in (("half.png", "64 x 32"), ("text.png", "from a PNG")):
        page.set_input_files("input[accept='image/png']", tmp_path / name)
        told(page, why)
        assert studio.found[-1] is found and page.locator(".right > section").count() == 1
    move(page, 0, 0.5)
    page.wait_for_function("() => !document.querySelector('.error')")


def test_the_search_can_be_changed(page, studio):
    """Another method searches the same region again."""
    tool(page, "mouth")
    wait_for_sections(page, 1)
    page.get_by_text("Search settings").click()
    found = found_after(page, studio, lambda: page.get_by_label("method").select_option("projected"))
    assert found.directions.method == "projected" and found.region == "mouth"


def test_methods_are_explained(page):
    """All of the table that look at a region, by their titles; a line says of the chosen one what it is."""
    page.get_by_text("Search settings").click()
    options = (
        page.get_by_label("method")
        .locator("option")
        .evaluate_all("options => options.map((o) => [o.value, o.textContent, o.title])")
    )
    assert sorted(options) == sorted([row.name, row.title, row.about] for row in methods.LOCAL.values())
    choice = page.get_by_label("method")
    for method in (choice.input_value(), "resefa"):
        choice.select_option(method)
        described = page.locator(f"[id='{choice.get_attribute('aria-describedby')}']")
        assert described.inner_text() == methods.LOCAL[method].about


def test_only_what_is_chosen_keeps_still(page, studio, frontal):
    """Toggles, by mouse or by keys, named for whoever does not see them; the code says what they say."""
    tool(page, "mouth")
    wait_for_sections(page, 1)
    assert page.get_by_role("button", name="keep eyes still").count() == 0, "the settings are closed"
    page.get_by_text("Search settings").click()
    group = page.get_by_role("group", name="keep only these still")
    names = [f"keep {name} still" for name in studio.gen.info.regions]
    toggles = group.get_by_role("button", name=re.compile("^keep"), pressed=False)
    assert toggles.evaluate_all("all => all.map((one) => one.ariaLabel)") == names
    eyes, nose = (group.get_by_role("button", name=f"keep {name} still") for name in ("eyes", "nose"))
    assert studio.found[-1].directions.search.protect is None
    assert found_after(page, studio, eyes.click).directions.search.protect == ["eyes"]
    eyes.focus()
    for _ in range(2):
        page.keyboard.press("Tab")
    assert nose.evaluate("node => node === document.activeElement")
    assert found_after(page, studio, lambda: page.keyboard.press(" ")).directions.search.protect == ["eyes", "nose"]
    assert nose.get_attribute("aria-pressed") == eyes.get_attribute("aria-pressed") == "true"
    move(page, 0, 0.5)
    menu(page, "Copy as code")
    told(page, "clipboard")
    code = page.evaluate("navigator.clipboard.readText()")
    assert "protect=['eyes', 'nose']" in code
    names = {"GEN": studio.gen, "FACES": frontal}
    exec(code, names)
    assert np.abs(lr.images.to_uint8(names["image"])[0] - shown(page)).max() <= 1
    found_after(page, studio, eyes.click)
    assert found_after(page, studio, nose.click).directions.search.protect is None


@pytest.mark.parametrize("protect", [["nose"], {"nose": 0.5}])
def test_the_page_starts_with_what_it_was_opened_with(browser, studio, frontal, protect):
    """Its toggles show it where they can, and searches keep it where they cannot."""
    own = Studio(studio.gen, frontal, lr.Search(protect=protect, method="constrained", num=2))
    with served(own) as url:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector(".image[src]")
        tool(page, "mouth")
        wait_for_sections(page, 1)
        settings = page.locator("details.settings")
        told_of = settings.locator("summary").inner_text()
        if isinstance(protect, list):
            assert told_of == "Search settings · only nose kept still" and settings.get_attribute("open") is not None
            assert "leak on nose " in page.locator(".words span").first.inner_text()
        else:
            assert told_of == "Search settings"
            settings.locator("summary").click()
        group = page.get_by_role("group", name="keep only these still")
        assert group.get_by_role("button", pressed=True).count() == isinstance(protect, list)
        assert own.found[-1].search.protect == protect and page.get_by_label("method").input_value() == "constrained"
        found_after(page, own, lambda: group.get_by_role("button", name="keep eyes still").click())
        assert own.found[-1].search.protect == (["eyes", "nose"] if isinstance(protect, list) else ["eyes"])
        page.close()


def wide_or_high(shape):
    """A picture that any latent bends."""
    maps = jnp.asarray(np.random.default_rng(0).standard_normal((6, *shape, 3)) / 3, jnp.float32)
    return lr.from_function(lambda z: jnp.tanh(jnp.tensordot(z, maps, 1)), 6)


@pytest.mark.parametrize("shape", [(24, 64), (64, 24)])
@pytest.mark.parametrize("width", [360, 1100])
def test_images_need_not_be_square(browser, shape, width):
    """They keep their shape on the screen, fit it, and are drawn on where they are pointed at."""
    gen = wide_or_high(shape)
    own = Studio(gen, lr.sample_z(gen, jax.random.key(0), 2), lr.Search(num=2))
    with served(own) as url:
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(url)
        page.wait_for_selector(".image[src]")
        box = page.locator(".stage").bounding_box()
        assert box["width"] / box["height"] == pytest.approx(shape[1] / shape[0], rel=0.02)
        assert box["height"] <= 800 and page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        found = found_after(page, own, lambda: drag(page, (5.5, 3.5), (17.5, 20.5), size=shape))
        np.testing.assert_array_equal(found.drawing.mask, box_of(5, 3, 18, 21, shape))
        tool(page, "polygon")
        found = found_after(page, own, lambda: drag(page, (3, 3), (20, 3), (20, 20), (3, 20), size=shape))
        assert found.drawing.mask[5:18, 5:18].all() and found.drawing.mask.sum() < 20**2
        wait_for_ends(page)
        page.close()


def test_the_notebooks_bundle_is_the_same_panel(browser, address, studio):
    """The one module that the widget carries, in the place of the page's three."""
    bundle = pytest.importorskip("lrgan_jax.panel.widget").Panel._esm
    context = browser.new_context()
    page, asked = context.new_page(), []
    page.route("**/panel.js", lambda route: route.fulfill(content_type="text/javascript", body=bundle))
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.goto(address)
    page.wait_for_selector(".image[src]")
    found = found_after(page, studio, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
    np.testing.assert_array_equal(found.drawing.mask, box_of(20, 42, 44, 54))
    assert "panel.js" in asked and "mask.js" not in asked
    context.close()


def test_an_ended_server_is_told(page):
    """A page whose server is gone says so in a line."""
    page.route("**/ask", lambda route: route.abort())
    tool(page, "eyes")
    page.wait_for_function("() => document.querySelector('.error')?.textContent.includes('does not answer')")
