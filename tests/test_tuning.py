"""Pivotal tuning: what moves and what must not, the first step against the gradient, and the delta that is kept."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial
from tolerances import EXACT, worst

import lrgan_jax as lr
from lrgan_jax.base.errors import ConvergenceError, InputError, InputTypeError, LrganError
from lrgan_jax.inversion import weights
from lrgan_jax.inversion.tuning import FINEST, DeltaError, Tuning, tune

PLAIN = Tuning(network="pyramid", learning_rate=3e-3)  # which needs no file


def latents(gen, num, seed=1):
    return lr.to_ws(gen, gen.mapping(lr.sample_z(gen, jax.random.key(seed), num)))


def photographs(gen, num):
    """What the generator cannot make: smooth pictures of their own."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in gen.size), indexing="ij")
    pictures = [np.sin(2 * (k + 1) * rows) * np.cos(columns + k) * 0.8 for k in range(num)]
    return np.repeat(np.stack(pictures)[..., None], 3, axis=-1).astype(np.float32)


def apart(a, b):
    return np.square(np.asarray(a) - b).mean((1, 2, 3))


def linear(c_dim=0):
    """A generator whose weights are a matrix, and another array that no gradient reaches."""
    kernel = np.random.default_rng(0).standard_normal((7 + c_dim, 2 * 3 * 3)).astype(np.float32)
    tree = {"kernel": jnp.asarray(kernel), "count": jnp.int32(3), "idle": jnp.ones(2)}

    def draw(tree, z, *c):
        return (jnp.concatenate([z, *c]) @ tree["kernel"]).reshape(2, 3, 3)

    return lr.from_function(Partial(draw, tree), 7, c_dim=c_dim)


@pytest.fixture(scope="module")
def tuned(small_stylegan2):
    """Three photographs, two a step."""
    pivots = latents(small_stylegan2, 3)
    return pivots, tune(small_stylegan2, pivots, photographs(small_stylegan2, 3), PLAIN, steps=60, batch=2)


def test_the_first_step_goes_against_the_gradient():
    """Adam's first step is the learning rate against the sign of the gradient, which of a linear function is known, and
    then the images near the pivots have not moved yet, and count nothing.
    """
    gen, z = linear(), np.random.default_rng(1).standard_normal((4, 7)).astype(np.float32)
    target = np.random.default_rng(2).standard_normal((4, 2, 3, 3)).astype(np.float32)
    found = tune(gen, z, target, PLAIN, steps=1, lpips=0.0, learning_rate=0.01)
    error = np.asarray(gen.synthesis(z)) - target
    gradient = z.T @ error.reshape(4, -1)
    assert found.losses[0] == pytest.approx(apart(gen.synthesis(z), target).mean(), rel=1e-5)
    assert found.delta.places == ("f/1/0/kernel",) or len(found.delta.places) == 1
    np.testing.assert_array_equal(found.delta.steps, -FINEST * np.sign(gradient).ravel())
    np.testing.assert_allclose(found.delta.sizes, 0.01 / FINEST, rtol=1e-4)


def test_what_moves_and_what_stays(small_stylegan2, tuned):
    """Weights of the synthesis; no noise, no mean latent, no mapping: w of a z is what it was."""
    gen, (pivots, found) = small_stylegan2, tuned
    made = found.delta.apply(gen)
    before, after = weights.arrays(gen), weights.arrays(made)
    moved = {place for place in before if not np.array_equal(before[place], after[place])}
    assert moved == set(found.delta.places)
    assert moved and all(place.startswith("variables/params/synthesis/") for place in moved)
    np.testing.assert_allclose(lr.render(made, pivots), found.images, **EXACT)
    assert (apart(found.images, photographs(gen, 3)) < apart(gen.synthesis(pivots), photographs(gen, 3)) / 2).all()
    assert found.losses.shape == (60,) and found.losses[-1] < found.losses[0] / 2


def test_no_weight_is_further_off_than_half_a_step(small_stylegan2, tuned):
    found = tuned[1].delta
    before = weights.trained(small_stylegan2)
    wave = {place: np.cos(np.arange(a.size, dtype=np.float32)).reshape(a.shape) for place, a in before.items()}
    wanted = {place: np.asarray(a) + np.float32(0.01) * wave[place] for place, a in before.items()}
    delta = type(found).between(small_stylegan2, wanted)
    for (place, a), size in zip(delta.moved(small_stylegan2).items(), delta.sizes, strict=True):
        rounded = np.finfo(np.float32).eps * np.abs(wanted[place])  # of the sum, whatever is added
        assert (np.abs(np.asarray(a) - wanted[place]) <= 0.501 * size + 2 * rounded).all()
    assert len(delta.steps) == sum(a.size for a in wanted.values())


def test_what_lies_elsewhere_stays_put(small_stylegan2, tuned):
    """The locality's price: without it other latents' images change more."""
    gen, (pivots, _) = small_stylegan2, tuned
    others = latents(gen, 24, seed=9)
    target = photographs(gen, 3)
    changes, nearness = [], []
    for locality in (0.0, 3.0):
        made = tune(gen, pivots[:1], target[:1], PLAIN, steps=60, locality=locality, reach=1.0, neighbours=4)
        changes.append(apart(made.delta.apply(gen).synthesis(others), np.asarray(gen.synthesis(others))).mean())
        nearness.append(apart(made.images, target[:1])[0])
    assert changes[1] < changes[0] / 2
    assert nearness[1] < apart(gen.synthesis(pivots[:1]), target[:1])[0] / 2


def test_a_seed_says_all():
    gen, z = linear(), np.random.default_rng(1).standard_normal((3, 7)).astype(np.float32)
    target = np.ones((3, 2, 3, 3), np.float32)
    heard = []
    one = tune(gen, z, target, PLAIN, steps=25, progress=lambda *told: heard.append(told))
    two, other = (tune(gen, z, target, PLAIN, steps=25, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(one.delta.steps, two.delta.steps)
    np.testing.assert_array_equal(one.losses, two.losses)
    assert not np.array_equal(one.delta.steps, other.delta.steps)
    assert [done for done, _ in heard] == [10, 20, 25]
    assert heard[-1][1] == pytest.approx(one.losses[-1])


def test_other_generators(small_dcgan):
    """A DCGAN's statistics stay; a function's weights move, with its classes; what no gradient reaches does not."""
    z = lr.sample_z(small_dcgan, jax.random.key(3), 1)
    target = photographs(small_dcgan, 1)
    found = tune(small_dcgan, z, target, PLAIN, steps=40)
    assert apart(found.images, target)[0] < apart(small_dcgan.synthesis(z), target)[0] / 2
    assert all(place.startswith("variables/params/") for place in found.delta.places)
    gen = linear(c_dim=3)
    classed = lr.Z(np.ones((2, 7), np.float32), np.eye(3, dtype=np.float32)[:2])
    found = tune(gen, classed, np.zeros((2, 2, 3, 3), np.float32), PLAIN, steps=10)
    assert len(found.delta.places) == 1 and found.delta.places[0].endswith("kernel")
    assert found.losses[-1] < found.losses[0]


def test_a_tuned_generator_is_an_ordinary_one(small_stylegan2, tuned, tmp_path):
    """It is saved and loaded, its fingerprint is its own, and another model refuses the delta."""
    made = tuned[1].delta.apply(small_stylegan2)
    loaded = lr.load(lr.save(tmp_path / "mine", made))
    assert made.info.name == "unnamed-tuned" == loaded.info.name
    assert made.info.fingerprint == loaded.info.fingerprint != weights.identity(small_stylegan2)
    assert loaded == made and loaded != small_stylegan2
    with pytest.raises(DeltaError, match="tuned from another model"):
        tuned[1].delta.apply(made)


def test_a_delta_that_does_not_fit_is_refused(small_stylegan2, tuned):
    delta = tuned[1].delta
    for change, says in (
        (dict(places=("nowhere", *delta.places[1:])), "does not have"),
        (dict(places=(delta.places[1], *delta.places[1:])), "sizes of steps"),
        (dict(sizes=delta.sizes[1:]), "sizes of steps"),
        (dict(steps=delta.steps[1:]), "does not fit"),
    ):
        with pytest.raises(DeltaError, match=says):
            dataclasses.replace(delta, **change).apply(small_stylegan2)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (dict(steps=0), "steps must be"),
        (dict(learning_rate=0.0), "learning_rate must be"),
        (dict(locality=-1.0), "locality must be"),
        (dict(reach=1.5), "reach must be"),
        (dict(pixels=0.0, lpips=0.0), "together"),
        (dict(alpha=30.0), "no setting 'alpha'"),
    ],
)
def test_settings_that_make_no_sense(settings, says):
    with pytest.raises(LrganError, match=says):
        Tuning().but(**settings)


def test_what_does_not_fit_is_refused(small_stylegan2):
    gen = linear()
    z, target = np.ones((2, 7), np.float32), np.ones((2, 2, 3, 3), np.float32)
    for images, says in ((target[:1], "2 latents want images"), (target * np.nan, "images must be")):
        with pytest.raises(InputError, match=says):
            tune(gen, z, images, PLAIN)
    with pytest.raises(ConvergenceError, match="lower its learning_rate"):
        tune(gen, z, target, PLAIN, learning_rate=1e30, steps=20)
    with pytest.raises(InputError, match="no weights that can be seen"):
        tune(lr.from_function(lambda z: jnp.ones((2, 3, 3)) * z[0], 7), z, target, PLAIN)
    styles = lr.style_space(small_stylegan2)
    with pytest.raises(InputTypeError, match="no record of its own"):
        tune(styles, styles.styles(latents(small_stylegan2, 1)), photographs(small_stylegan2, 1), PLAIN, steps=1)


@pytest.mark.slow
def test_a_held_out_face():
    """Another generator's face, W+ of `faces64` that come near, and the rest of the way by the weights: several dB,
    while the locality halves what others change.
    """
    gen, other = lr.load("faces64"), lr.load("faces-dcgan")
    target = other.synthesis(lr.sample_z(other, jax.random.key(900), 1))
    adam, ws = optax.adam(0.1), latents(gen, 64).array.mean(0)[None]

    @jax.jit
    def step(ws, state):
        slope = jax.grad(lambda ws: jnp.square(gen.synthesis(ws) - target).mean())(ws)
        moved, state = adam.update(slope, state)
        return optax.apply_updates(ws, moved), state

    state = adam.init(ws)
    for _ in range(150):
        ws, state = step(ws, state)
    others = latents(gen, 32, seed=77)
    before, still = decibels(gen.synthesis(ws), target), np.asarray(gen.synthesis(others))
    moved = {}
    for locality in (0.0, 0.1):
        found = tune(gen, ws, target, steps=100, locality=locality, network="pyramid")
        moved[locality] = decibels(found.delta.apply(gen).synthesis(others), still)
        print(f"{locality=}: {before:.2f} -> {decibels(found.images, target):.2f}, others {moved[locality]:.2f} dB")
        assert decibels(found.images, target) > before + 3
        assert worst(found.images, target) < worst(gen.synthesis(ws), target)
    assert moved[0.1] > moved[0.0] + 3


def decibels(a, b):
    return float(-10 * np.log10(np.square(np.asarray(a) - b).mean() / 4))
