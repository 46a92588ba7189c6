"""What the browser tests share: a studio, its page in a browser, and hands that draw, move and look."""

import base64
import io
import shutil
import threading
from contextlib import contextmanager

import jax
import numpy as np
import pytest
from PIL import Image

import lrgan_jax as lr
from lrgan_jax.panel.server import Server
from lrgan_jax.panel.studio import Studio

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def optimised():
    """Programs as a person would run them."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module")
def frontal(optimised):
    """Latents of three faces."""
    return lr.near_frontal(lr.load("faces-dcgan"), jax.random.key(0), 3)


@pytest.fixture(scope="module")
def studio(frontal):
    return Studio(lr.load("faces-dcgan"), frontal, source="gen, faces = GEN, FACES")


@contextmanager
def served(studio):
    """The address of its page."""
    server = Server(studio, "token")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def address(studio):
    with served(studio) as url:
        yield url


@pytest.fixture(scope="session")
def playing():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need playwright: pip install '.[test]'"
    )
    with playwright.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playing):
    if CHROMIUM is None:
        pytest.skip("the browser tests need Chromium: apt-get install chromium")
    browser = playing.chromium.launch(executable_path=CHROMIUM)
    yield browser
    browser.close()


@contextmanager
def visited(browser, url, **options):
    """The panel as it opens; an error in its script fails the test."""
    permissions = ["clipboard-read", "clipboard-write"]
    context = browser.new_context(**{"viewport": {"width": 1100, "height": 800}, "permissions": permissions} | options)
    context.set_default_timeout(60_000)  # milliseconds; a first search compiles
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.wait_for_selector(".image[src]")
    yield page
    page.unroute_all(behavior="ignoreErrors")  # of what is still held back (`slow`)
    context.close()
    assert not errors


def forget(studio):
    """Let the next page be one on which nothing was done; with no state at all it would show whatever was found."""
    settings = {"method": studio.search.method, "layers": "", "keep": {"names": [], "drawn": []}}
    document = {"here": 0, "truncation": 1, "settings": settings, "faces": {}}
    studio.reply({"kind": "remember", "state": {"version": 1, "document": document}})


@pytest.fixture
def page(browser, address, studio):
    """A panel of which nothing is remembered."""
    forget(studio)
    with visited(browser, address) as page:
        yield page


def place(page, x, y, size=(64, 64)):
    """Where a point of the image is on the screen."""
    box = page.locator(".stage canvas").bounding_box()
    return box["x"] + x / size[1] * box["width"], box["y"] + y / size[0] * box["height"]


def drag(page, *points, size=(64, 64)):
    """Press at the first of some points (x, y), in pixels of the image [height, width], and let go at the last."""
    page.locator(".stage canvas").scroll_into_view_if_needed()
    for k, (x, y) in enumerate(points):
        page.mouse.move(*place(page, x, y, size))
        if k == 0:
            page.mouse.down()
    page.mouse.up()


def tool(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def menu(page, name):
    """Something of what leaves the page."""
    tool(page, "File")
    tool(page, name)


def face(page, number):
    """Go to one, by its number from 1."""
    page.locator(".thumb").nth(number - 1).click()


def told(page, text):
    """Wait for a line under the image."""
    page.wait_for_function("text => document.querySelector('.status').textContent.includes(text)", arg=text)


def wait_for_sections(page, num):
    there = "document.querySelectorAll('.right > section').length === num"
    page.wait_for_function(f"num => {there} && !document.querySelector('.busy')", arg=num)


def wait_for_ends(page):
    """Until every slider of a region has a picture at both of its ends."""
    page.wait_for_function("() => [...document.querySelectorAll('.end')].every(end => end.querySelector('img'))")


def found_after(page, studio, act):
    """The directions that a drawing leads to."""
    before = len(studio.found)
    act()
    page.wait_for_function(
        "() => !document.querySelector('.busy') && document.querySelector('.status').textContent.includes('found')"
    )
    assert len(studio.found) > before
    return studio.found[-1]


def shown(page):
    """The picture on the screen, uint8 [64, 64, 3]."""
    uri = page.locator(".image[src]").get_attribute("src")  # which it has not while another session opens
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))).astype(float)


def move(page, slider, share):
    """Put a slider at a share of its reach, in hundredths, and wait for the picture."""
    before = page.locator(".image").get_attribute("src")
    page.locator(".row input").nth(slider).fill(str(round(100 * share)))
    page.wait_for_function("before => document.querySelector('.image').src !== before", arg=before)


def box_of(left, top, right, bottom, size=(64, 64)):
    mask = np.zeros(size)
    mask[top:bottom, left:right] = 1
    return mask


def slow(page, kind, seconds=1.0):
    """Let the answers to one kind of question take longer; what else is asked waits for nothing."""

    def answer(route):
        if route.request.post_data_json["kind"] == kind:
            page.wait_for_timeout(1000 * seconds)
        route.continue_()

    page.route("**/ask", answer)


def wait_for_told(page, text):
    told = "document.querySelector('.sitting [role=status]')?.textContent"
    page.wait_for_function(f"text => {told}?.includes(text)", arg=text)
