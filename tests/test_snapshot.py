"""What a panel leaves in a saved notebook: a picture of its last state, beside the widget that needs a kernel."""

from types import SimpleNamespace

import jax
import nbformat
import numpy as np
import pytest
from looks import Read, look
from PIL import Image

import lrgan_jax as lr
from lrgan_jax import images
from lrgan_jax.base.errors import ExistsError, InputError
from lrgan_jax.panel.found import DRAWN, Found
from lrgan_jax.panel.masks import Drawing
from lrgan_jax.panel.snapshot import LINE, outlined
from lrgan_jax.regions import box_mask

widget = pytest.importorskip("lrgan_jax.panel.widget")
BOX = box_mask(4, 5, 6, 7, 16)
STEPS = [1.5, 0.0]


@pytest.fixture
def said(monkeypatch):
    """What went to the notebook, by display. Browser tests run a loop; here there is none."""
    said = []
    monkeypatch.setattr(widget, "display", lambda data, **how: said.append(data))
    monkeypatch.setattr(widget, "DisplayHandle", lambda: Handle(said))
    monkeypatch.setattr(widget, "asyncio", SimpleNamespace(get_running_loop=no_loop))
    return said


@pytest.fixture
def panel(small_stylegan2, said, monkeypatch):
    w = small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 2))
    panel = lr.explore(small_stylegan2, w)
    monkeypatch.setattr(panel, "send", lambda reply: None)
    return panel


class Handle:
    """An output of a notebook, in the place of IPython's."""

    def __init__(self, outputs):
        self.outputs, self.place = outputs, len(outputs)

    def display(self, data, **how):
        self.outputs.insert(self.place, data)

    def update(self, data, **how):
        self.outputs[self.place] = data


class Loop:
    """In which what is done later waits until it is called, or is called off."""

    def __init__(self):
        self.waiting = []

    def call_later(self, seconds, job):
        self.waiting.append(job)
        return SimpleNamespace(cancel=lambda: self.waiting.remove(job))


def no_loop():
    raise RuntimeError


def edit(panel):
    """Draw a region of face 1, and move a slider of it."""
    vectors, changes = np.eye(12, dtype=np.float32)[:2], np.ones(2, np.float32)
    directions = lr.Directions(vectors, changes, changes, region="mask", search=lr.Search())
    panel._studio.found.append(Found(1, "a <mouth>", DRAWN, Drawing(BOX), lr.Search(), directions))
    ask(panel, {"kind": "render", "face": 1, "edits": [[0, STEPS]]})


def ask(panel, request):
    panel._handle_custom_msg({"id": "0"} | request, [])


def test_a_snapshot_shows_before_and_after(panel, small_stylegan2):
    """The two images, a line along the inside of the region and nowhere else, and the sliders that were moved."""
    edit(panel)
    shown = panel.snapshot()
    plain, edited = (
        images.to_uint8(lr.render(small_stylegan2, ws))[0] for ws in (panel._studio.faces[1:2], panel.edited)
    )
    np.testing.assert_array_equal(shown.before, plain)
    np.testing.assert_array_equal(shown.after, edited)
    assert not np.array_equal(plain, edited) and shown.steps == {"a <mouth>, direction 1": 1.5}
    line = (shown.outlined != outlined(plain, [])).any(-1)
    size, times = line.shape[0], line.shape[0] // 16
    inside = np.kron(BOX, np.ones((times, times))) > 0
    assert size == 192 and line[4 * times, 5 * times : 12 * times].all() and not line[~inside].any()
    assert (shown.outlined[line] == LINE).all() and not line[6 * times, 7 * times : 10 * times].any()
    assert "a <mouth>, direction 1" in look(shown).text and "+1.50" in look(shown).text


def test_a_panel_without_edits_has_a_picture(panel):
    shown = panel.snapshot()
    assert shown.steps == {} and np.array_equal(shown.before, shown.after) and len(look(shown).images) == 2


def test_the_picture_in_the_file_is_that_of_now(panel, said, monkeypatch):
    """Two outputs, the widget and the picture, which follows what the page shows, but not every step of a slider."""
    panel._ipython_display_()
    live, before = said
    assert "application/vnd.jupyter.widget-view+json" in live and len(live["text/plain"]) < 100
    assert panel.still in before["text/html"] and len(Read(before["text/html"]).images) == 2
    edit(panel)
    (_, after) = said
    assert "+1.50" in after["text/html"] and "+1.50" not in before["text/html"]
    ask(panel, {"kind": "render", "face": 1, "edits": [[0, [0.5, 0.0]]], "quick": True})
    assert said[1] is after

    loop = Loop()
    monkeypatch.setattr(widget, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    for step in (0.1, 0.2, 0.3):
        ask(panel, {"kind": "render", "face": 1, "edits": [[0, [step, 0.0]]]})
    assert said[1] is after and len(loop.waiting) == 1
    loop.waiting.pop()()
    assert "+0.30" in said[1]["text/html"]


def test_a_saved_notebook_shows_the_picture_as_html(panel, said):
    """nbconvert knows no widget without its state: it shows the picture."""
    exporters = pytest.importorskip("nbconvert.exporters")
    panel._ipython_display_()
    edit(panel)
    outputs = [nbformat.v4.new_output("display_data", data) for data in said]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("panel", outputs=outputs)])
    page, _ = exporters.HTMLExporter(template_name="basic").from_notebook_node(notebook)
    assert page.count("<img") == 2 and "+1.50" in page and "alive in a notebook" in page


def test_a_panel_saves_its_image_and_its_session(panel, small_stylegan2, tmp_path):
    """Replaced only where that is said; the session is gone on with."""
    edit(panel)
    path = panel.save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), panel.snapshot().after)
    with pytest.raises(ExistsError, match="a.png exists already"):
        panel.save(path)
    assert panel.save(path, overwrite=True) == path
    with pytest.raises(InputError, match="as .png, and its session as .zip"):
        panel.save(tmp_path / "a.jpg")
    again = lr.explore(small_stylegan2, session=panel.save(tmp_path / "a.zip"))
    assert again.directions == panel.directions


def test_a_living_panel_hides_its_own_picture(browser):
    """In a browser, by the page's own script; a panel that is gone shows it again, and the picture of another stays."""
    script = (widget.PAGE / "still.js").read_text()
    page = browser.new_page()
    page.set_content('<p class="one">one</p><p class="two">two</p>')
    visible = """() => [...document.querySelectorAll("p")].map((p) => getComputedStyle(p).display !== "none")"""
    seen = page.evaluate(
        f"""async (script) => {{
          const {{ hideStill }} = await import(URL.createObjectURL(new Blob([script], {{ type: "text/javascript" }})));
          const see = {visible};
          const before = see(), show = hideStill({{ get: () => "one" }}), alive = see();
          show();
          const gone = see();
          hideStill({{}});
          return [before, alive, gone, see()];
        }}""",
        script,
    )
    page.close()
    assert seen == [[True, True], [False, True], [True, True], [True, True]]
