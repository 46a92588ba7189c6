"""The panel without a mouse and without eyes, in a real browser: by keys alone, in words, and as axe-core judges it."""

import io
import zipfile

import numpy as np
import pytest
from browser import box_of, forget, found_after, move, served, shown, told, tool, visited, wait_for_sections
from PIL import Image

from lrgan_jax.panel.studio import Studio

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="what axe-core says needs it: pip install '.[test]'"
)


def violations(page, where=""):
    """What axe-core finds, by rule and element; all its rules, best practices among them."""
    found = axe.Axe().run(page).response["violations"]
    return [f"{where} {rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


WIDTHS = (360, 768, 1100, 1600)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_it_fits(browser, studio, frontal, tmp_path, monkeypatch, scheme):
    """In every state, at every width; and nothing scrolls sideways."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    Image.fromarray(np.zeros((100, 60, 3), np.uint8)).save(tmp_path / "me.png")
    own = Studio(studio.gen, frontal)
    wrong = []
    with served(own) as url, visited(browser, url, color_scheme=scheme) as page:

        def look(state):
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                wrong.extend(violations(page, f"{state} at {width}:"))
                if not fits(page):
                    wrong.append(f"{state} scrolls sideways at {width}")

        look("fresh")
        tool(page, "mouth")
        wait_for_sections(page, 1)
        move(page, 0, 0.5)
        page.get_by_text("Search settings").click()
        tool(page, "keep nose still")
        wait_for_sections(page, 2)
        page.get_by_role("button", name="Rename mouth", exact=True).click()
        look("with sliders")
        page.get_by_role("button", name="What is leak?").click()
        look("with a word explained")
        page.keyboard.press("Escape")
        tool(page, "File")
        look("with the menu")
        page.keyboard.press("Escape")
        page.set_input_files("input[accept='image/*']", tmp_path / "me.png")
        tool(page, "Take the middle")
        page.get_by_role("button", name="Invert").wait_for()
        look("with a photograph")
    assert not wrong, "\n".join(wrong)


def test_buttons_are_large_enough(page):
    """44 pixels at least, both ways; of the small ones in a slider's line 24."""
    tool(page, "mouth")
    wait_for_sections(page, 1)
    for width in (360, 1100):
        page.set_viewport_size({"width": width, "height": 900})
        sizes = page.locator("button:visible, select:visible, input[type=range]:visible").evaluate_all(
            "all => all.map((one) => [one.textContent, one.className, one.offsetWidth, one.offsetHeight])"
        )
        small = [size for size in sizes if min(size[2:]) < (24 if size[1] == "walk" else 44)]
        assert sizes and not small


def tab_to(page, name, role="button"):
    """Tab until it has the focus, as a person without a mouse has to."""
    wanted = page.get_by_role(role, name=name, exact=True)
    for _ in range(120):
        page.keyboard.press("Tab")
        if wanted.count() and wanted.first.evaluate("one => one === document.activeElement"):
            return wanted.first
    raise AssertionError(f"no way to {name} by Tab")


def test_a_session_by_keys_alone(browser, studio, frontal, tmp_path):
    """Face, box, slider, title, what keeps still, undo and redo, picture and session: all without a mouse."""
    own = Studio(studio.gen, frontal)
    with served(own) as url, visited(browser, url) as page:
        keys = page.keyboard

        def by_keys(name, key="Enter", role="button"):
            tab_to(page, name, role)
            keys.press(key)

        def downloaded(name):
            by_keys("File")
            with page.expect_download() as download:
                by_keys(name)
            told(page, "saved")
            return download.value.path().read_bytes()

        page.wait_for_selector(".thumb img")
        by_keys("face 2, number 1")
        page.wait_for_function("() => document.querySelector('.which').textContent.startsWith('Face 2')")
        tab_to(page, "drawing area", "application")
        for key in ["ArrowUp", *["ArrowDown"] * 18, *["Shift+ArrowRight"] * 4, *["Shift+ArrowUp"] * 6]:
            keys.press(key)
        told(page, "Box 20 wide, 10 high, 24 from the left, 42 from the top")
        found = found_after(page, own, lambda: keys.press("Enter"))
        assert found.face == 1
        np.testing.assert_array_equal(found.drawing.mask, box_of(24, 42, 44, 52))
        plain = shown(page)
        slider = tab_to(page, "drawn, direction 1", "slider")
        for _ in range(3):
            keys.press("PageUp")
        assert slider.get_attribute("aria-valuetext").startswith("+")
        assert "leak" in slider.get_attribute("aria-valuetext")
        page.wait_for_timeout(300)
        edited = shown(page)
        assert np.abs(edited - plain).max() > 10
        keys.press("Control+z")
        keys.press("Control+Shift+z")
        page.wait_for_timeout(300)
        np.testing.assert_array_equal(shown(page), edited)
        by_keys("Rename drawn")
        keys.type("lips")
        keys.press("Enter")
        page.wait_for_function("() => document.activeElement.textContent === 'Rename'")
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(downloaded("Save the picture")))).astype(float), edited
        )
        assert page.evaluate("document.activeElement.textContent") == "File", "the focus is back"
        page.get_by_text("Search settings").focus()
        keys.press("Enter")
        found_after(page, own, lambda: by_keys("keep hair still"))
        assert own.found[-1].search.protect == ["hair"]
        assert zipfile.is_zipfile(io.BytesIO(downloaded("Save the session")))


def test_every_tool_has_keys(page, studio):
    """A polygon by corners, a brush by a cursor; Escape clears, first what is under way."""
    canvas = page.get_by_role("application", name="drawing area")
    tool(page, "polygon")
    canvas.focus()

    def triangle():
        for key in [" ", " ", *["ArrowRight"] * 10, " ", *["ArrowDown"] * 10, " ", "Enter"]:
            page.keyboard.press(key)

    found = found_after(page, studio, triangle)
    assert found.drawing.mask[33, 40] and not found.drawing.mask[40, 33] and 40 < found.drawing.mask.sum() < 60
    tool(page, "brush")
    canvas.focus()
    wider = found_after(page, studio, lambda: [page.keyboard.press(k) for k in (" ", " ", "Shift+ArrowLeft", "Enter")])
    assert wider.drawing.mask.sum() > found.drawing.mask.sum() and wider.drawing.mask[32, 31]
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Redo").is_disabled()
    menu_button = page.get_by_role("button", name="File")
    menu_button.click()
    assert page.get_by_role("button", name="Save the mask").is_disabled(), "nothing is drawn"


def test_nothing_moves_for_whoever_wants_none(browser, address, studio):
    forget(studio)
    with visited(browser, address, reduced_motion="reduce") as page:
        page.evaluate("document.querySelector('.status').classList.add('busy')")
        assert page.evaluate("document.getAnimations().length") == 0
        page.emulate_media(reduced_motion="no-preference")
        page.wait_for_function("() => document.getAnimations().length === 1")


def test_with_forced_colours_what_is_chosen_is_seen(browser, address, studio):
    """Sliders are the system's own then, and a button that is on differs from one that is off."""
    forget(studio)
    with visited(browser, address, forced_colors="active") as page:
        grounds = [
            page.get_by_role("button", name=name, exact=True).evaluate("one => getComputedStyle(one).backgroundColor")
            for name in ("box", "brush")
        ]
        assert grounds[0] != grounds[1]
        appearance = page.locator(".row.named input").first.evaluate("one => getComputedStyle(one).appearance")
        assert appearance == "auto"


def test_it_works_in_firefox(address, studio, playing):
    """A drawing gets sliders there, too, and a slider another picture."""
    try:
        firefox = playing.firefox.launch()
    except Exception as error:
        pytest.skip(f"no Firefox: playwright install firefox ({str(error).splitlines()[0]})")
    forget(studio)
    with visited(firefox, address, permissions=[]) as page:
        tool(page, "mouth")
        wait_for_sections(page, 1)
        before = shown(page)
        move(page, 0, 0.6)
        assert np.abs(shown(page) - before).max() > 10
    firefox.close()
