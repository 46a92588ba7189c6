"""The map of layers, on images of which it is known which layer moves what."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from lrgan_jax import from_function
from lrgan_jax.base.errors import InputError
from lrgan_jax.demo import edits
from lrgan_jax.evaluation import Scene
from lrgan_jax.layer_map import LayerMap, layer_map
from lrgan_jax.pages import layers
from lrgan_jax.pipeline import find_directions
from lrgan_jax.search import CHANGE, PRICE, Search
from tests import linear
from tests.tolerances import EXACT

LAYERS, D, SIDE = 3, 4, 8
REGIONS = {
    name: {"size": SIDE, "boxes": [[top, 0, SIDE // 2, SIDE]]} for name, top in (("upper", 0), ("lower", SIDE // 2))
}
SEARCHES = Search(), Search(layers="1-2"), Search(per_layer=True)  # the first leaves the layers open
STRETCHES = [(i, j) for i in range(LAYERS) for j in range(i, LAYERS)]
PATTERNS = np.random.default_rng(0).standard_normal((2, LAYERS, D, SIDE // 2, SIDE, 3)).astype(np.float32) / 10
LATENTS = np.random.default_rng(1).standard_normal((2, LAYERS, D)).astype(np.float32)
SOLVED = 1e-3  # changes of eigenvectors of float32 Grams, of sums of blocks or of one sum


def image(patterns, ws):
    """It bends, so that two latents have different Grams."""
    moved = jnp.einsum("rldhvc,ld->rhvc", patterns, ws, precision="highest")
    return jnp.concatenate(list(moved + 0.2 * moved**2))


def layered(upper, lower):
    """A generator whose layers move the halves as strongly as these three say."""
    strengths = np.array([upper, lower], np.float32)[..., None, None, None, None]
    return from_function(Partial(image, jnp.asarray(PATTERNS * strengths)), (LAYERS, D), regions=REGIONS)


CLEAR = layered([1, 0.5, 0], [0.02, 0.5, 1])


def test_it_names_the_layers_that_do_it():
    """The first layer moves the upper half, the last one the lower, the middle one both."""
    found = layer_map(CLEAR, LATENTS, ["upper", "lower"])
    assert (found.best("upper"), found.best("lower")) == ((0,), (2,))
    assert found.regions == ("upper", "lower") and found.price == PRICE
    assert found.lines()[0].startswith("upper: all layers leak ") and ", layers 0 leak " in found.lines()[0]
    assert (
        f"layers 0 leak {100 * found.leak[0, 0, 0]:.1f} % in {found.length[0, 0, 0]:.1f} standard" in found.lines()[0]
    )


def test_layers_whose_leaks_cancel_belong_together():
    """What the first layer does to the lower half, the second undoes."""
    patterns = PATTERNS.copy()
    patterns[0, 1], patterns[1, 1] = patterns[0, 0], -patterns[1, 0]
    gen = from_function(Partial(image, jnp.asarray(patterns)), (LAYERS, D), regions=REGIONS)
    found = layer_map(gen, np.zeros((1, LAYERS, D), np.float32), "upper")
    assert found.best("upper") == (0, 1) and found.leak[0, 0, 1] < 1e-4 < found.leak[0, 0, 0]


@pytest.mark.parametrize("options", [{}, {"price": 0.1, "change": 0.1}, {"metric": "latent", "protect": "lower"}])
def test_every_stretch_is_what_a_search_in_it_finds(options):
    """The Grams of moves that layers share are sums of the blocks of those that they do not."""
    gen = layered([1, 0.5, 0.2], [0.02, 0.5, 1])
    found = layer_map(gen, LATENTS[:1], "upper", **options)
    for i, j in STRETCHES:
        asked = find_directions(gen, LATENTS[:1], "upper", layers=range(i, j + 1), num=1, **options)
        _matches(found, (0, i, j), asked, options.get("change", CHANGE))
    below = np.tril(np.ones((LAYERS, LAYERS), bool), -1)
    assert np.isnan(found.leak[:, below]).all() and np.isnan(found.length[:, below]).all()
    np.testing.assert_allclose(found.cost, found.leak + found.price * found.length**2, **EXACT)


def _matches(found, place, asked, change):
    np.testing.assert_allclose(found.leak[place], asked.outside[0] / asked.inside[0], rtol=SOLVED, atol=1e-6)
    np.testing.assert_allclose(found.length[place], (change / asked.inside[0]) ** 0.5, rtol=SOLVED)


def test_lengths_are_natural_ones():
    """Of a mapping that stretches, too; each of the three layers moves the image a third as far."""
    gen = linear.linear(top={0: 1.0, 1: 0.5}, middle={1: 0.5, 0: 0.2}, bottom={2: 1.0, 1: 0.1})
    gen = linear.Linear(gen.maps, spread=tuple(np.geomspace(0.1, 2, linear.D)))
    w = np.zeros((1, linear.D), np.float32)
    found = layer_map(gen, w, "top")
    for i, j in STRETCHES:
        _matches(found, (0, i, j), find_directions(gen, w, "top", layers=range(i, j + 1), num=1), CHANGE)
    lengths = found.length[0, 0]
    np.testing.assert_allclose(lengths[0] / lengths, [1, 2, 3], rtol=0.2)  # prices count less the shorter the step is
    assert found.best("top") == (0, 1, 2)


def test_several_latents_are_averaged():
    each = [layer_map(CLEAR, LATENTS[n : n + 1], "upper") for n in range(2)]
    found = layer_map(CLEAR, LATENTS, "upper")
    for name in ("leak", "length"):
        np.testing.assert_allclose(getattr(found, name), np.mean([getattr(one, name) for one in each], 0), rtol=1e-6)
    assert abs(each[0].leak[0, 0, 0] / each[1].leak[0, 0, 0] - 1) > 0.01


def test_regions_in_any_form():
    """As everywhere else: by name, as masks, one or several, named or not."""
    mask = np.repeat(np.float32([1, 0]), SIDE // 2)[:, None] * np.ones((1, SIDE), np.float32)
    expected = layer_map(CLEAR, LATENTS[:1], "upper").leak
    for regions, names in ((mask, ("mask 0",)), ([mask, "lower"], ("mask 0", "lower")), ({"mine": mask}, ("mine",))):
        found = layer_map(CLEAR, LATENTS[:1], regions)
        assert found.regions == names
        np.testing.assert_allclose(found.leak[:1], expected, rtol=1e-6)


# Choosing the layers of a search


@pytest.mark.parametrize("region", ["upper", "lower"])
def test_auto_takes_the_best_stretch(region):
    auto = find_directions(CLEAR, LATENTS, region, layers="auto", num=1)
    best = layer_map(CLEAR, LATENTS, region).best(region)
    named = find_directions(CLEAR, LATENTS, region, layers=best, num=1)
    assert auto.layers == best == auto.search.layers and auto == named


def test_auto_of_a_mask():
    mask = np.repeat(np.float32([1, 0]), SIDE // 2)[:, None] * np.ones((1, SIDE), np.float32)
    assert find_directions(CLEAR, LATENTS, mask, layers="auto", num=1).layers == (0,)


# What is shown


class Cells(HTMLParser):
    """The texts of rows, and nothing but the tags of a table."""

    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        assert tag in ("table", "caption", "tr", "th", "td")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows:
            self.rows[-1][-1] += data


def test_the_table_holds_every_region_whatever_its_name():
    """The leak of each single layer in percent, and the best stretch; markup in names is shown as it is."""
    evil = "<script>&\"'</th>"
    found = layer_map(CLEAR, LATENTS, {evil: "upper", "lower": "lower"})
    text = found._repr_html_()
    head, *rows = Cells(text).rows
    assert head == ["", "0", "1", "2", "best"] and "nan" not in text and "inf" not in text
    for r, (name, cells) in enumerate(zip(found.regions, rows, strict=True)):
        leaks = [100 * found.leak[r, k, k] for k in range(LAYERS)]
        expected = ["" if np.isinf(leak) else f"{leak:.0f}" for leak in leaks]
        assert cells == [name, *expected, f"layers {found.best(name)[0]}"]


def test_a_layer_that_does_nothing_is_never_best():
    """To the upper half the last layer is nothing: infinite alone, no harm beside others, and an empty cell."""
    found = layer_map(CLEAR, LATENTS, "upper")
    assert np.isinf(found.leak[0, 2, 2]) and np.isinf(found.length[0, 2, 2]) and np.isfinite(found.leak[0, 0, 2])
    assert Cells(found._repr_html_()).rows[1][3] == ""


def test_darker_costs_less():
    """The shades of both regions are of one scale, from the cheapest single layer to the dearest."""
    cost = np.float32([[[1, 5, 5], [np.nan, 100, 5], [np.nan, np.nan, 10]]])
    text = LayerMap(("a",), cost, np.zeros_like(cost), 0.1)._repr_html_()
    shades = [float(part.partition(")")[0]) for part in text.split("rgba(200,80,40,")[1:]]
    np.testing.assert_allclose(shades, [0.7, 0, 0.35], rtol=0, atol=0.006)


def test_the_picture_has_a_cell_for_each_stretch():
    """Well-formed whatever the names are; darker costs less, and the best is outlined in front of all others."""
    evil = "<script>&\"'</th>"
    found = layer_map(CLEAR, LATENTS, {evil: "upper", "lower": "lower"})
    figures = [*ElementTree.fromstring(layers.pictures(found))]
    for r, (name, figure) in enumerate(zip(found.regions, figures, strict=True)):
        cells = list(figure.iter("rect"))
        places = [(int(cell.get("y", "")) // layers.CELL, int(cell.get("x", "")) // layers.CELL) for cell in cells]
        assert sorted(places) == STRETCHES and [cell.get("class") for cell in cells] == [None] * 5 + ["best"]
        assert places[-1] == (found.best(name)[0], found.best(name)[-1]) and float(cells[-1].get("fill-opacity")) == 1
        cost = np.array([found.cost[r][place] for place in places])
        shade = np.array([float(cell.get("fill-opacity", "")) for cell in cells])
        assert (np.diff(shade[np.argsort(cost)]) <= 0).all()
        assert ("does not react" in "".join(cells[places.index((2, 2))].itertext())) == (r == 0)
        assert "".join(figure.itertext()).count(name) == 1


def test_the_demo_shows_it_where_layers_are_open():
    """Of its first face alone."""
    of = {search: edits._layers(Scene.of(CLEAR, LATENTS, ["upper"], search), ["upper"]) for search in SEARCHES}
    shown, *none = of.values()
    assert none == [None] * 2
    np.testing.assert_array_equal(shown.leak, layer_map(CLEAR, LATENTS[:1], "upper").leak)


# What is refused


@pytest.mark.parametrize(
    ("gen", "region", "says"),
    [
        (layered([0, 0, 0], [1, 1, 1]), "upper", "upper does not react to these latents"),
        (CLEAR, "elbow", "no region 'elbow'"),
        (CLEAR, [], "name at least one region"),
        (from_function(lambda w: w.reshape(2, 2, 1), 4), np.eye(2, dtype=np.float32), "one latent for all layers"),
    ],
)
def test_what_makes_no_map_is_refused(gen, region, says):
    w = np.ones((1, gen.num_ws, D), np.float32)
    asked = [lambda: layer_map(gen, w, region)]
    if not isinstance(region, list):
        asked.append(lambda: find_directions(gen, w, region, layers="auto"))
    for ask in asked:
        with pytest.raises(InputError, match=says) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_regions_that_are_not_in_the_map_are_refused():
    found = LayerMap(("a", "b"), np.ones((2, 1, 1)), np.ones((2, 1, 1)), 0.1)
    with pytest.raises(InputError, match="no region 'c' in this map: it has a, b"):
        found.best("c")
