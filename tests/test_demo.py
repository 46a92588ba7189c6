"""The choice of faces and the figures of the page."""
import re

import jax
import numpy as np
import pytest

from lrgan_jax import demo, load, region_change, report
from lrgan_jax.generators import StyleGAN2


@pytest.fixture(scope="module")
def shown(small_stylegan2: StyleGAN2):
    """Two latents, two regions, on the small network."""
    masks = np.zeros((2, 16, 16), np.float32)
    masks[0, 2:6, 3:9], masks[1, 9:14, 5:12] = 1, 1
    info = small_stylegan2.info.__class__(regions={name: {"size": 16, "boxes": [box]} for name, box in BOXES.items()})
    gen = StyleGAN2(small_stylegan2.config, small_stylegan2.variables, info)
    latents = demo.near_frontal(gen, jax.random.key(0), 2, pool=16)
    return gen, demo.run(gen, latents, list(BOXES), layers=[0, 1, 2])


BOXES = {"upper": [2, 3, 4, 6], "lower": [9, 5, 5, 7]}


def test_methods_are_compared_at_the_same_change(shown):
    """Every edit's change inside is the one asked for, measured again from the strip's own ends."""
    gen, result = shown
    assert result.reached.min() == 1
    for row in result.edits:
        for edit, mask in zip(row, result.masks, strict=True):
            assert edit.inside == pytest.approx(demo.COMPARED, rel=1e-2)
            for end in (0, -1):
                change = region_change(edit.frames[len(edit.frames) // 2], edit.frames[end], mask)
                assert float(change.inside) == pytest.approx(demo.SHOWN, rel=1e-2)


def test_attribute_is_the_measure(shown):
    """Ratios are relative to the unprojected direction, which leaks as much as itself."""
    _, result = shown
    ratios = report.leak_ratios(result)
    np.testing.assert_array_equal(ratios[result.methods.index("attribute")], 1)
    assert (ratios[result.methods.index("frontier")] < 1).all()


def test_page_says_what_was_measured(shown):
    """One section a region, one strip an edit, the table's numbers, and text that cannot break the markup."""
    _, result = shown
    page = report.page(result, model="<b>", note="seed & co")
    assert page.count('class="strip"') == 4 and "&lt;b&gt;" in page and "seed &amp; co" in page and "<b>" not in page
    cells = [float(cell) for cell in re.findall(r"<td>([\d.]+)\*?</td>", page)]
    np.testing.assert_allclose(cells, report.leak_ratios(result).ravel(), atol=0.005001)


def test_frontal_faces_are_more_symmetric():
    """On the embedded faces the rule picks images that resemble their mirror image more than random ones do."""
    gen = load("faces-dcgan")
    chosen = demo.near_frontal(gen, jax.random.key(3), 8, pool=64)
    images = np.asarray(gen.synthesis(chosen)).mean(-1)[:, 16:60, 10:54]
    everyone = np.asarray(gen.synthesis(demo.near_frontal(gen, jax.random.key(3), 64, pool=64))).mean(-1)[:, 16:60, 10:54]

    def likeness(faces):
        return np.mean([np.corrcoef(face.ravel(), face[:, ::-1].ravel())[0, 1] for face in faces])

    assert likeness(images) > likeness(everyone) + 0.2
