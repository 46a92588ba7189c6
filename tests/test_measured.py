"""The price that is measured by real steps, on images whose bending is known."""

import numpy as np
import pytest

from lrgan_jax import sweep
from lrgan_jax.evaluation import Scene
from lrgan_jax.measured import SHARES, best_shares, measured
from lrgan_jax.pipeline import analyse, find_directions
from lrgan_jax.search import CHANGE, Search
from lrgan_jax.targets import pair_grams
from tests.bending import START, bending, every_direction, frontier, leak_and_length
from tests.linear import D, linear

PRICE = 0.03  # a step of about one costs as much as what leaks
ROUNDED = 2e-3  # steps are solved for to 1 part in 1,000 of the change, and lengths are squared
IMAGES = {"linear": {}, "bent": {"bent": 0.02}, "eased": {"eased": 0.5}}


def objective(directions, **image):
    leak, length = leak_and_length(directions, CHANGE, **image)
    return leak + PRICE * length**2


def price_of(image, zs):
    """As measured at all of these latents together."""
    w, search = np.asarray(zs, np.float32), Search(price=PRICE, mu="measured")
    scene = Scene.of(bending(**image), w, "upper", search)
    pairs = pair_grams(scene.gen, w, scene.targets, search)
    (price,) = measured(scene, *(np.asarray(gram).mean(0) for gram in pairs[:2]))
    return price


@pytest.fixture(scope="module", params=IMAGES)
def found(request):
    """The image, and directions for it by the rule and by measuring."""
    image = IMAGES[request.param]
    by = {mu: find_directions(bending(**image), START, "upper", price=PRICE, num=1, mu=mu) for mu in (None, "measured")}
    return request.param, image, by[None], by["measured"]


def test_no_price_does_better_at_real_steps(found):
    """Than the measured one: not the rule's, and none of a fine grid by more than what seven shares and a parabola
    leave, which is little where the objective is flat.
    """
    _, image, rule, best = found
    shares = np.geomspace(SHARES[0], SHARES[-1], 401)
    every = objective(frontier(shares * PRICE * CHANGE, **image), **image)
    (reached,), (before,) = (objective(of.vectors, **image) for of in (best, rule))
    assert reached <= before * (1 + ROUNDED)
    assert reached <= every.min() * (1 + ROUNDED)
    assert reached <= objective(every_direction(), **image).min() * 1.01  # of any direction, whatever its price


def test_bending_says_which_way_the_price_goes(found):
    """Far steps that leak more than first order says are dearer, those that leak less are cheaper, and where the image
    is linear the price stays what it is, within the parabola's precision.
    """
    name, image, rule, best = found
    share = price_of(image, START) / PRICE
    low, high = {"linear": (0.8, 1.25), "bent": (2, 6), "eased": (0.2, 0.6)}[name]
    assert low < share < high
    np.testing.assert_allclose(rule.vectors, frontier([PRICE * CHANGE], **image), rtol=0, atol=1e-5)
    np.testing.assert_allclose(best.vectors, frontier([share * PRICE * CHANGE], **image), rtol=0, atol=1e-4)
    gain = (objective(rule.vectors, **image) / objective(best.vectors, **image) - 1).item()
    assert gain > 0.01 if name != "linear" else abs(gain) < ROUNDED


@pytest.mark.parametrize("zs", [[(0.0, 0.0)], [(0.0, 0.0), (0.3, -0.5)]], ids=["one", "two"])
@pytest.mark.parametrize("name", IMAGES)
def test_the_price_is_where_the_mean_objective_is_least(name, zs):
    """All of it by NumPy: directions of the mean Gram at every share, their edits at each of the latents."""
    image = IMAGES[name]
    along = frontier(SHARES * PRICE * CHANGE, zs, **image)
    objectives = np.mean([objective(along, z=z, **image) for z in zs], axis=0)
    expected = PRICE * best_shares(objectives[:, None])
    np.testing.assert_allclose(price_of(image, zs), expected, rtol=0.02)  # the rounding of a parabola's vertex


# The parabola


def test_the_least_objective_by_polyfit():
    """Over the logarithm of the share, through the least and its neighbours."""
    objectives = np.random.default_rng(0).random((len(SHARES), 200))
    for values, share in zip(objectives.T, best_shares(objectives), strict=True):
        k = np.argmin(values)
        if k in (0, len(SHARES) - 1):
            assert share == pytest.approx(SHARES[k])
        else:
            curve = np.polyfit(np.log(SHARES[k - 1 : k + 2]), values[k - 1 : k + 2], 2)
            assert share == pytest.approx(np.exp(-curve[1] / (2 * curve[0])))


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ([3, 2, np.inf, 2, 1, 0, 1], SHARES[5]),
        ([np.inf, 1, np.inf, 3, 4, 5, 6], SHARES[1]),
        ([np.nan, np.inf, 2, 2.5, 3, 4, 5], SHARES[2]),
        ([np.inf] * 7, 1),
        ([np.nan] * 7, 1),
        ([0.5] * 7, SHARES[0]),
        ([5, 4, 3, 2, 2, 2, 2], SHARES[3] * (SHARES[4] / SHARES[3]) ** 0.5),
    ],
)
def test_shares_whose_edits_fail(values, share):
    """Are passed over; where all do the price is the one that was asked for. Beside one no parabola is drawn."""
    np.testing.assert_allclose(best_shares(np.array(values, float)[:, None]), share, rtol=1e-6)


# Where nothing can be measured


def test_grams_alone_cannot_be_measured():
    with pytest.raises(ValueError, match='mu="measured" takes real steps, and Grams alone have no image') as caught:
        analyse(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), mu="measured")
    assert "\n" not in str(caught.value)


def test_a_sweep_does_not_measure(tmp_path):
    with pytest.raises(ValueError, match='mu="measured" takes real steps, which a sweep does not') as caught:
        sweep.run(bending(), tmp_path / "store", START, "upper", Search(mu="measured"))
    assert "\n" not in str(caught.value) and not (tmp_path / "store").exists()


def test_measured_goes_without_tao():
    """Which prices lengths otherwise: the measured price would not count."""
    with pytest.raises(ValueError, match="leave one of them out"):
        Search(mu="measured", tao=1e-3)


@pytest.mark.parametrize("method", ["projected", "random"])
def test_methods_without_mu_have_nothing_to_measure(method):
    one, other = (
        find_directions(bending(), START, "upper", method=method, lam=1.0, num_relax=1, mu=mu)
        for mu in (None, "measured")
    )
    np.testing.assert_array_equal(one.vectors, other.vectors)


@pytest.mark.parametrize("options", [{"mu": "measured"}, {"method": "refined"}], ids=["measured", "refined"])
def test_a_region_that_does_not_react_is_refused_as_ever(options):
    """No step changes it: the message is the frontier's, not one of numbers that are not finite."""
    with pytest.raises(ValueError, match="the region does not react") as caught:
        find_directions(linear(middle={0: 1.0}), np.zeros((1, D), np.float32), "top", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mu", [None, 2.0, np.float64(2)])
def test_whether_mu_is_measured_is_a_yes_or_no(mu):
    """Of a number of NumPy, too, to which the word is compared number by number."""
    assert Search(mu=mu).measures is False and Search(mu="measured").measures is True
