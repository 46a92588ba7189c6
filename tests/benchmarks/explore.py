"""How long the panel takes in a real browser, and the README's picture of it: `python -m tests.benchmarks.explore
[PICTURE.png]`.

From letting go of a box to seeing sliders, and from moving a slider to seeing its picture; medians over several, once
compiled.
"""

import secrets
import sys
import threading
import time
from statistics import median

import jax
from playwright.sync_api import sync_playwright

import lrgan_jax as lr
from lrgan_jax.generators import near_frontal
from lrgan_jax.panel.server import Server
from lrgan_jax.panel.studio import Studio
from tests.browser import CHROMIUM, drag, face, move, tool, wait_for_ends, wait_for_sections

TIMES = 9
DRAWN = ".right > section"  # sliders of a region that was drawn


def main() -> None:
    for model, options in (("faces-dcgan", {}), ("faces64", {"layers": [3, 4, 5, 6]})):
        gen = lr.load(model)
        studio = Studio(gen, near_frontal(gen, jax.random.key(0), 12), lr.Search(**options))
        server = Server(studio, secrets.token_urlsafe(16))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as driver:
            page = driver.chromium.launch(executable_path=CHROMIUM).new_page(viewport={"width": 1100, "height": 800})
            page.goto(server.url)
            page.wait_for_selector(".image[src]")
            found, moved = zip(*(measure(page) for _ in range(TIMES + 1)), strict=True)
            print(
                f"{model}: sliders after {1000 * median(found[1:]):.0f} ms, first {found[0]:.1f} s; "
                f"a slider's picture after {1000 * median(moved[1:]):.0f} ms"
            )
            if model == "faces-dcgan" and len(sys.argv) > 1:
                picture(page, sys.argv[1])
        server.shutdown()


def measure(page) -> tuple[float, float]:
    """Seconds from a box around the mouth to its sliders, and from a slider to its picture; all is taken away again."""
    drag(page, (20.5, 40.5), (32, 48), (43.5, 53.5))
    start = time.perf_counter()
    page.wait_for_selector(f"{DRAWN} .row")
    found = time.perf_counter() - start
    wait_for_ends(page)
    start = time.perf_counter()
    move(page, 0, 0.5)
    moved = time.perf_counter() - start
    page.locator(DRAWN).get_by_role("button", name="Remove").click()
    wait_for_sections(page, 0)
    return found, moved


def picture(page, path: str) -> None:
    """A mouth that was moved."""
    face(page, 4)
    tool(page, "mouth")
    wait_for_sections(page, 1)
    move(page, 0, 0.7)
    wait_for_ends(page)
    page.mouse.move(2, 2)
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
