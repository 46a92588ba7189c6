"""The figures and the page of the demo, and the choice of its faces."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax import Search, demo, from_function, load, near_frontal, region_change, to_ws
from lrgan_jax.demo import edits
from lrgan_jax.generators import StyleGAN2
from lrgan_jax.generators.sampling import frontal, seeded
from lrgan_jax.methods import METHODS
from lrgan_jax.search import CHANGE

BOXES = {"upper": [2, 3, 4, 6], "lower": [9, 5, 5, 7]}


@pytest.fixture(scope="module")
def shown(small_stylegan2: StyleGAN2):
    """Two latents, two regions, on the small network."""
    info = small_stylegan2.info.__class__(regions={name: {"size": 16, "boxes": [box]} for name, box in BOXES.items()})
    gen = StyleGAN2(small_stylegan2.config, small_stylegan2.variables, info)
    latents = near_frontal(gen, jax.random.key(0), 2, pool=16)
    return gen, demo.run(gen, latents, list(BOXES), Search(layers=[0, 1, 2]))


def check_strips(result):
    """The change inside is the one asked for, where methods are compared and at the strips' ends, measured again from
    these.
    """
    for row in result.edits:
        for edit, mask in zip(row, result.scene.masks, strict=True):
            assert edit.inside == pytest.approx(CHANGE, rel=1e-2)
            for end in (0, -1):
                change = region_change(edit.frames[len(edit.frames) // 2], edit.frames[end], mask)
                assert float(change.inside) == pytest.approx(edits.SHOWN, rel=1e-2)


def test_frontal_faces_go_by_their_numbers(shown):
    """They are those of the seed, by which the page calls them."""
    gen, result = shown
    faces, numbers = frontal(gen, jax.random.key(0), 2, pool=16)
    drawn = seeded(gen, 0, 16).all()[numbers]
    np.testing.assert_allclose(to_ws(gen, faces).array, drawn.array, rtol=0, atol=1e-6)
    page = demo.page(result, model="small", numbers=numbers.tolist())
    assert re.findall("<figcaption>(image .*?)</figcaption>", page) == [f"image {n}" for n in numbers] * len(BOXES)


def test_methods_are_compared_at_the_same_change(shown):
    """Every edit's change inside is the one asked for."""
    _, result = shown
    assert result.measured.reached.all()
    check_strips(result)


def test_strips_lead_through_the_image(shown):
    """From end to end in even steps, the latent's own image in the middle."""
    gen, result = shown
    images = np.asarray(gen.synthesis(result.scene.ws))
    for row, image in zip(result.edits, images, strict=True):
        for edit in row:
            np.testing.assert_allclose(edit.frames[edits.FRAMES // 2], image, rtol=0, atol=1e-5)
            moved = np.square(edit.frames - image).mean((1, 2, 3))
            assert (np.diff(moved[: edits.FRAMES // 2 + 1]) < 0).all() and (
                np.diff(moved[edits.FRAMES // 2 :]) > 0
            ).all()


def test_attribute_is_the_measure(shown):
    """Ratios are relative to the unprojected direction, which leaks as much as itself."""
    _, result = shown
    ratios = demo.leak_ratios(result)
    np.testing.assert_array_equal(ratios[result.methods.index("attribute")], 1)
    assert (ratios[result.methods.index("frontier")] < 1).all()


def test_a_direction_that_does_not_exist_is_said_to_be_none(shown):
    """And changes nothing in the rows of other methods."""
    _, result = shown
    outside = result.measured.outside.copy()
    outside[1, :, 0] = np.nan
    without = result._replace(measured=result.measured._replace(outside=outside))
    ratios = demo.leak_ratios(without)
    assert np.isinf(ratios[1, 0]) and np.isfinite(np.delete(ratios.ravel(), 2)).all()
    assert "<td>none</td>" in demo.page(without, model="small") and "nan" not in demo.page(without, model="small")


def test_page_says_what_was_measured(shown):
    """One section a region, one strip an edit, the table's numbers, and text that cannot break the markup."""
    _, result = shown
    page = demo.page(result, model="<i>", note="seed & co")
    assert page.count('class="strip"') == 4 and "&lt;i&gt;" in page and "seed &amp; co" in page and "<i>" not in page
    cells = [float(cell) for cell in re.findall(r"<td>([\d.]+)\*?</td>", page)]
    np.testing.assert_allclose(cells, demo.leak_ratios(result).ravel(), atol=0.005001)
    assert "layers 0-2" in page and "outside the region" in page


def test_methods_are_explained_by_their_table(shown, monkeypatch):
    """Under the title and with the words of its row."""
    _, result = shown
    monkeypatch.setitem(
        METHODS, "projected", dataclasses.replace(METHODS["projected"], title="<New>", about="said & done")
    )
    page = demo.page(result, model="small")
    assert page.count("&lt;New&gt;") == 2 and "said &amp; done" in page


def wide(w, label):
    """A picture of 4 x 8 that answers to two layers, in three parts, and to the class."""
    parts = [jnp.broadcast_to((w[0] + w[1] * (k + 1)) @ MAPS[k], (4, 2, 3)) for k in range(4)]
    return jnp.tanh(jnp.concatenate(parts, axis=1) + label @ jnp.eye(2, 3))


MAPS = np.random.default_rng(5).standard_normal((4, 5, 3)).astype(np.float32)
PARTS = {name: {"size": 8, "boxes": [[0, 2 * k, 4, 2]]} for k, name in enumerate(("a", "b", "c", "d"))}


@pytest.mark.parametrize(
    "search", [Search(protect={"c": 2.0, "d": 1.0}), Search(per_layer=True), Search(size=4, channels="mean")]
)
def test_any_image_class_and_search(search):
    """A wide image drawn by class, what must keep still named, a vector for each layer: all of it counts."""
    gen = from_function(wide, (2, 5), c_dim=2, regions=PARTS)
    result = demo.run(gen, seeded(gen, 0, 2, labels=[1, 0]).all(), "a", search)
    check_strips(result)
    middle = [row[0].frames[edits.FRAMES // 2] for row in result.edits]
    for image, ws, label in zip(middle, np.asarray(result.scene.ws), np.eye(2)[[1, 0]], strict=True):
        np.testing.assert_allclose(image, wide(ws, label), rtol=0, atol=1e-5)
    page = demo.page(result, model="wide")
    assert ("of what is to keep still" in page) == (search.protect is not None)
    assert ("Edits move a vector for each of layers 0." in page) == search.per_layer


def test_frontal_faces_are_more_symmetric():
    """On the embedded faces the rule picks images that resemble their mirror image more than random ones do."""
    gen = load("faces-dcgan")
    chosen = near_frontal(gen, jax.random.key(3), 8, pool=64)
    images = np.asarray(gen.synthesis(chosen)).mean(-1)[:, 16:60, 10:54]
    everyone = np.asarray(gen.synthesis(near_frontal(gen, jax.random.key(3), 64, pool=64))).mean(-1)[:, 16:60, 10:54]

    def likeness(faces):
        return np.mean([np.corrcoef(face.ravel(), face[:, ::-1].ravel())[0, 1] for face in faces])

    assert likeness(images) > likeness(everyone) + 0.2
