"""Directions that are looked for again along the way of their edit, on images whose bending is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from lrgan_jax import from_function, sweep
from lrgan_jax.evaluation import Scene
from lrgan_jax.generators import WS
from lrgan_jax.pipeline import analyse, find_directions
from lrgan_jax.refined import refined
from lrgan_jax.search import CHANGE, Search
from lrgan_jax.targets import pair_grams
from tests import linear
from tests.bending import REGIONS, SIDE, SLOPES, START, bending, every_direction, frontier, image, leak_and_length
from tests.tolerances import rounding

IMAGES = {"bent": {"bent": 0.02}, "eased": {"eased": 0.5}}
PRICE = 0.03
ENDS = 2e-3  # steps to the ends are found to 1 part in 1,000 of the change, and Grams go with their square
LOWER = np.repeat(np.float32([0, 1]), SIDE // 2)[:, None] * np.ones((1, SIDE), np.float32)


def find(gen, w=START, **options):
    return find_directions(gen, w, "upper", **{"method": "refined", "price": PRICE, "num": 1} | options)


def averaged(gen, w, search):
    """Both Grams of the one region, at the latents together and along the way."""
    scene = Scene.of(gen, w, "upper", search)
    pairs = pair_grams(gen, scene.ws, scene.targets, search)
    mean = [np.asarray(gram).mean(0) for gram in pairs[:2]]
    return [gram[0] for gram in mean], [gram[0] for gram in refined(scene, *mean)]


@pytest.mark.parametrize("name", IMAGES)
def test_it_leaks_less_at_real_steps(name):
    """Hardly priced, the frontier's direction is that of first order. Of what it leaks more than the best of 2,001
    directions, the refined one saves three quarters, and no more: a mean of Grams is not the Gram of a mean.
    """
    how = IMAGES[name]
    plain, better = (find(bending(**how), method=method, price=1e-6).vectors for method in ("frontier", "refined"))
    (first,), (again,) = (leak_and_length(rows, CHANGE, **how)[0] for rows in (plain, better))
    best = leak_and_length(every_direction(), CHANGE, **how)[0].min()
    assert best * 0.999 <= again < first - 0.75 * (first - best)


@pytest.mark.parametrize("name", IMAGES)
def test_with_lengths_priced_it_is_as_good_as_any(name):
    """Its price being measured, leak + price * length^2 comes within a hundredth of the least of 2,001 directions."""
    how = IMAGES[name]

    def objective(directions):
        leak, length = leak_and_length(directions, CHANGE, **how)
        return leak + PRICE * length**2

    plain, better = (find(bending(**how), method=method).vectors for method in ("frontier", "refined"))
    assert objective(better).item() <= 1.01 * objective(every_direction()).min() < objective(plain).item()


@pytest.mark.parametrize("zs", [[(0.0, 0.0)], [(0.0, 0.0), (0.3, -0.5)]], ids=["one", "two"])
@pytest.mark.parametrize("name", IMAGES)
def test_the_gram_is_the_mean_along_the_way(name, zs):
    """A half where it starts and a quarter at either end of the edit, whose step is known; mean over the latents."""
    how, search = IMAGES[name], Search(method="refined", price=PRICE)
    (inside, _), (a, b) = averaged(bending(**how), np.asarray(zs, np.float32), search)
    (along,) = frontier([PRICE * CHANGE], zs, **how)
    step = leak_and_length([along], CHANGE, **how)[1] * along
    points = np.concatenate([np.asarray(zs) + way * step for way in (0, 0, -1, 1)])[:, 1]
    of_1 = np.mean(SLOPES[1] ** 2 / (1 + how.get("eased", 0) * points**2) ** 3)
    of_1 += np.mean((2 * how.get("bent", 0) * points) ** 2)
    np.testing.assert_allclose(b, np.diag([SLOPES[0] ** 2, of_1]), rtol=ENDS, atol=1e-8)
    np.testing.assert_allclose(a, inside, rtol=1e-5)  # the upper half is linear


@pytest.mark.parametrize("mu", [None, 5.0])
def test_its_way_is_that_of_mu(mu):
    """Given a mu the edit goes along the direction of that mu, which is farther from the price's the smaller it is."""
    how, search = IMAGES["bent"], Search(method="refined", price=PRICE, mu=mu)
    (inside, outside), (_, b) = averaged(bending(**how), START, search)
    along = np.asarray(analyse(inside, outside, search.but(method="frontier")).candidates["frontier"].vectors[0])
    along = along * np.sign(along.sum())
    end = leak_and_length([along], CHANGE, **how)[1].item() * along[1]
    np.testing.assert_allclose(b[1, 1], SLOPES[1] ** 2 + (2 * how["bent"] * end) ** 2 / 2, rtol=ENDS)


def test_several_latents_share_a_direction():
    """That of the averaged Grams, with the number of latents in the record; two equal ones are as one."""
    gen, w = bending(**IMAGES["bent"]), np.array([[0, 0], [0.3, -0.5]], np.float32)
    together, alone, twice = find(gen, w), find(gen, w[:1]), find(gen, w[[0, 0]])
    assert together.found.average == 2 and together.method == "refined"
    assert np.abs(together.vectors - alone.vectors).max() > 0.01
    np.testing.assert_allclose(twice.vectors, alone.vectors, rtol=0, atol=1e-5)


def test_what_keeps_still_may_be_named():
    """All of the rest by name is the rest; its first row alone lets the others do as they like."""
    gen = bending(**IMAGES["bent"])
    plain, named = find(gen), find(gen, protect=LOWER)
    np.testing.assert_allclose(named.vectors, plain.vectors, rtol=0, atol=1e-4)
    np.testing.assert_allclose(named.outside, plain.outside, rtol=1e-3)
    row = np.zeros_like(LOWER)
    row[SIDE // 2] = 1
    search = Search(method="refined", price=PRICE, protect=row)
    (_, outside), (_, b) = averaged(gen, START, search)
    of_row = np.asarray(find(gen, protect=row).vectors, np.float64)
    assert np.abs(of_row - plain.vectors).max() > 0.01
    assert np.linalg.eigvalsh(b - outside)[-1] > 0  # bending is seen there, too


@pytest.mark.parametrize("label", [0, 1])
def test_of_a_class_the_image_is_that_class(label):
    """Edits and Grams at their ends are of the latent's own class: as the generator of that image alone."""
    numbers = jnp.float32([[0.02, 0], [0, 0.5]])
    gen = from_function(Partial(lambda numbers, z, c: image(c @ numbers, z), numbers), 2, c_dim=2, regions=REGIONS)
    found = find(gen, WS(jnp.zeros((1, 1, 2)), jnp.eye(2)[label][None]))
    alone = find(bending(*numbers[label].tolist()))
    np.testing.assert_allclose(found.vectors, alone.vectors, rtol=0, atol=1e-5)


def test_where_the_image_is_linear_it_is_the_frontiers():
    """The Grams are the same all along the way."""
    gen = linear.linear(top={0: 1.0, 1: 0.8, 2: 0.5}, middle={0: 0.3, 2: 0.1}, bottom={1: 0.2, 3: 1.0})
    w = np.zeros((1, linear.D), np.float32)
    for options in ({"mu": 4.0}, {"tao": 1e-2}):
        plain, again = (
            find_directions(gen, w, "top", method=method, metric="latent", **options)
            for method in ("frontier", "refined")
        )
        np.testing.assert_allclose(again.vectors, plain.vectors, rtol=0, atol=1e-4)
        for name in ("inside", "outside"):
            np.testing.assert_allclose(getattr(again, name), getattr(plain, name), **rounding(np.float32, 200))
        assert again.found.mu == pytest.approx(plain.found.mu, rel=1e-4)


def test_without_an_image_it_is_refused(tmp_path):
    """By Grams alone and by sweeps, in a line that says what to ask for."""
    eye = np.eye(2, dtype=np.float32)
    for ask in (
        lambda: analyse(eye, eye, method="refined"),
        lambda: sweep.run(bending(), tmp_path / "store", START, "upper", Search(method="refined")),
    ):
        with pytest.raises(ValueError, match="refined takes real steps.*ask for the frontier") as caught:
            ask()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()
