"""A photograph in the panel, in a real browser: opened, framed, inverted, edited and saved."""

from contextlib import contextmanager

import jax
import numpy as np
import pytest
from browser import drag, face, found_after, menu, move, served, shown, slow, told, tool, visited, wait_for_told
from PIL import Image

import lrgan_jax as lr
from lrgan_jax.inversion import Fit, Tuning
from lrgan_jax.panel.studio import Studio


@pytest.fixture
def own_photograph(tmp_path):
    """Its file, and one of the model's faces in the middle of it, of twice the size, around whose eyes and mouth is
    clicked.
    """
    gen = lr.load("faces-dcgan")
    face = lr.images.to_uint8(lr.render(gen, lr.to_ws(gen, lr.near_frontal(gen, jax.random.key(7), 1)))).squeeze()
    picture = np.random.default_rng(0).integers(0, 255, (180, 220, 3), np.uint8)
    picture[20:148, 40:168] = np.kron(face, np.ones((2, 2, 1), np.uint8))
    Image.fromarray(picture).save(tmp_path / "me.png")
    return tmp_path / "me.png"


@contextmanager
def opened(browser, studio, frontal, file, tmp_path, monkeypatch, **options):
    """A page with a photograph on it; the networks are out of reach, so that it waits for points."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    settings = {"fit": Fit(steps=30, pool=32, network="pyramid"), "tuning": Tuning(steps=10, network="pyramid")}
    own = Studio(studio.gen, frontal, source="gen, faces = GEN, FACES", **settings)
    with served(own) as url, visited(browser, url, **options) as page:
        if file:
            page.set_input_files("input[accept='image/*']", file)
            wait_for_told(page, "Click the eye on the left")
        yield page, own


def click_in_photograph(page, *places, size=(180, 220)):
    """At rows and columns of the photograph."""
    box = page.locator(".frame").bounding_box()
    for row, column in places:
        page.mouse.click(box["x"] + column / size[1] * box["width"], box["y"] + row / size[0] * box["height"])


FRAMED = [(0.46, 0.34), (0.459, 0.646), (0.81, 0.4), (0.81, 0.59)]  # as this model does
EYES_AND_MOUTH = [(20 + 128 * row, 40 + 128 * column) for row, column in FRAMED]


def test_a_photograph_is_edited(browser, studio, frontal, own_photograph, tmp_path, monkeypatch):
    """The whole way: four clicks, inverted, tuned, a region drawn, looked at in the photograph and saved."""
    with opened(browser, studio, frontal, own_photograph, tmp_path, monkeypatch) as (page, own):
        click_in_photograph(page, *EYES_AND_MOUTH)
        wait_for_told(page, "Is this the face?")
        tool(page, "Invert")
        wait_for_told(page, "dB. Edit it, or tune")
        page.get_by_role("button", name="Edit it").wait_for()
        assert page.get_by_role("button", name="Go on").count() == 0
        tool(page, "Tune")
        wait_for_told(page, "dB. Edit it.")
        tool(page, "Edit it")
        page.wait_for_function("() => document.querySelector('.which').textContent.includes('me.png')")
        portrait = own.choice[3].origin
        assert np.abs(portrait.aligned.quad - [[20, 40], [20, 168], [148, 168], [148, 40]]).max() < 4
        found = found_after(page, own, lambda: drag(page, (20.5, 42.5), (43.5, 53.5)))
        assert found.face == 3
        move(page, 0, 1)
        plain = shown(page)
        whole = page.get_by_role("button", name="Show in the photograph")
        whole.click()
        page.wait_for_function("() => document.querySelector('.stage canvas').hidden")
        page.wait_for_timeout(300)
        in_photograph = shown(page)
        with page.expect_download() as download:
            tool(page, "Save the photograph")
        assert download.value.suggested_filename == "me-edited.png"
        download.value.save_as(tmp_path / "saved.png")
        saved, before = (np.asarray(Image.open(tmp_path / name)).astype(float) for name in ("saved.png", "me.png"))
        np.testing.assert_array_equal(in_photograph, saved)
        changed = np.abs(saved - before).max(-1) > 0
        assert changed[110:130, 90:120].any() and not changed[:14].any() and not changed[:, 176:].any()
        whole.click()
        page.wait_for_timeout(300)
        np.testing.assert_array_equal(shown(page), plain)
        menu(page, "Copy as code")
        told(page, "clipboard")
        assert "lr.open_photograph('me.png')" in page.evaluate("navigator.clipboard.readText()")
        face(page, 1)
        assert page.get_by_role("button", name="Show in the photograph").count() == 0
        page.get_by_role("button", name="me.png").click()
        page.wait_for_function("() => document.querySelector('.row output').textContent.startsWith('+')")


def test_points_are_placed_by_keys(browser, studio, frontal, own_photograph, tmp_path, monkeypatch):
    """And moved by them, each of which aligns anew; the middle and a box take their place."""
    with opened(browser, studio, frontal, own_photograph, tmp_path, monkeypatch) as (page, own):
        page.get_by_role("button", name="Place points").focus()
        page.keyboard.press("Enter")
        wait_for_told(page, "Is this the face?")
        (sitting,) = own.photographs._open.values()
        before = sitting.aligned.quad
        page.get_by_role("button", name="the eye on the right").focus()
        crop = page.locator("figure img").first.get_attribute("src")
        page.keyboard.press("Shift+ArrowRight")
        page.wait_for_function("crop => document.querySelector('figure img').src !== crop", arg=crop)
        assert sitting.aligned.quad[1, 1] - sitting.aligned.quad[0, 1] > before[1, 1] - before[0, 1]
        tool(page, "Take the middle")
        page.wait_for_function("() => !document.querySelector('.dot')")
        page.get_by_role("button", name="Invert").wait_for()
        np.testing.assert_array_equal(sitting.aligned.quad, [[0, 20], [0, 200], [180, 200], [180, 20]])
        tool(page, "Drag a box")
        box = page.locator(".frame").bounding_box()
        for k, (row, column) in enumerate([(20, 40), (60, 80), (148, 100)]):
            page.mouse.move(box["x"] + column / 220 * box["width"], box["y"] + row / 180 * box["height"])
            if not k:
                page.mouse.down()
        page.mouse.up()
        page.get_by_role("button", name="Invert").wait_for()
        np.testing.assert_allclose(sitting.aligned.quad, [[20, 40], [20, 168], [148, 168], [148, 40]], atol=1)


def test_an_inversion_is_stopped_or_dropped(browser, studio, frontal, own_photograph, tmp_path, monkeypatch):
    """Stopped, it is what is there, and goes on; cancelled, nothing is left of it."""
    with opened(browser, studio, frontal, own_photograph, tmp_path, monkeypatch) as (page, own):
        tool(page, "Take the middle")
        slow(page, "invert", 0.5)
        tool(page, "Invert")
        tool(page, "Stop here")
        page.get_by_role("button", name="Go on").click()
        wait_for_told(page, "Inverting: 2 of 3")
        tool(page, "Cancel")
        page.wait_for_selector(".stage:visible")
        page.wait_for_timeout(800)
        assert not own.photographs._open and len(own.faces) == 3 and page.locator(".sitting:visible").count() == 0


def test_what_is_dropped_is_opened_or_refused(browser, studio, frontal, own_photograph, tmp_path, monkeypatch):
    """A file that is none is one line under the image; so is one that is too large, which is not even sent."""
    with opened(browser, studio, frontal, None, tmp_path, monkeypatch) as (page, own):
        file = "new File(Array(times).fill(part), 'me.png')"
        make = f"([part, times]) => {{ const all = new DataTransfer(); all.items.add({file}); return all }}"
        for content, times, why in (("text", 1, "not a readable picture"), ("x" * 2**20, 49, "at most 48 MB")):
            files = page.evaluate_handle(make, [content, times])
            page.dispatch_event(".panes", "drop", {"dataTransfer": files})
            told(page, why)
        assert not own.photographs._open


@pytest.mark.parametrize("width", [360, 1600])
def test_a_high_photograph_is_seen_whole(browser, studio, frontal, tmp_path, monkeypatch, width):
    """Without being bent, and nothing scrolls sideways."""
    Image.fromarray(np.zeros((600, 200, 3), np.uint8)).save(tmp_path / "high.png")
    options = {"viewport": {"width": width, "height": 800}}
    with opened(browser, studio, frontal, tmp_path / "high.png", tmp_path, monkeypatch, **options) as (page, _):
        tool(page, "Take the middle")
        page.get_by_role("button", name="Invert").wait_for()
        box = page.locator(".frame").bounding_box()
        assert box["width"] / box["height"] == pytest.approx(1 / 3, rel=0.02) and box["height"] <= 800
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
