"""From images to latents, beside what can be worked out by hand, by NumPy, or by asking twice."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tolerances import EXACT, rounding

import lrgan_jax as lr
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.inversion import Fit, adam, attempts, gauss_newton, inverting, noise, problem, start
from lrgan_jax.inversion.coordinates import coordinates_of
from lrgan_jax.inversion.likeness import distance, image_features, network_of
from lrgan_jax.inversion.problem import Aim, Problem
from lrgan_jax.inversion.weights import placed
from lrgan_jax.metrics import MetricsError, load, lpips
from lrgan_jax.metrics.networks import cache_folder

QUICK = {"network": "pyramid", "pool": 16, "steps": 20}


@pytest.fixture(scope="module")
def own(small_stylegan2):
    """Three latents of the generator, and their images."""
    ws = seeded(small_stylegan2, 5, 3).all()
    return ws, lr.render(small_stylegan2, ws)


@pytest.fixture(scope="module")
def linear():
    """image = A z, [8, 8, 1], and A [64, 5]."""
    matrix = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    return lr.from_function(jax.tree_util.Partial(_linear, jnp.asarray(matrix)), 5), matrix


def _linear(matrix, z):
    return (matrix @ z).reshape(8, 8, 1)


def problem_of(gen, targets, *, prior=0.0, labels=None, **weights):
    features = image_features(None, **weights)
    seen = features(jnp.asarray(targets))
    return Problem(gen, coordinates_of(gen), features, seen, labels, jnp.asarray(prior, seen.dtype))


# Coordinates


@pytest.mark.parametrize("name", ["small_stylegan2", "small_dcgan", "small_biggan"])
def test_own_latents_are_white(request, name):
    """Their numbers have mean 0 and, in what varies, unit covariance; and the way back is the way."""
    gen = request.getfixturevalue(name)
    own = seeded(gen, 3, 2000, labels=range(gen.c_dim)).all().array[:, 0]
    coordinates = coordinates_of(gen)
    u = np.asarray(coordinates.numbers(own), np.float64)
    np.testing.assert_allclose(np.asarray(coordinates.latents(u)), own, rtol=0, atol=1e-3 * float(np.abs(own).max()))
    values = np.linalg.eigvalsh(np.cov(u, rowvar=False))
    assert np.abs(u.mean(0)).max() < 0.15
    assert values.max() < 1.6 and np.median(values[values > 0.1]) > 0.7


def test_the_prior_is_the_depth(small_stylegan2, own):
    ws, _ = own
    u = np.asarray(coordinates_of(small_stylegan2).numbers(ws.array[:, 0]), np.float64)
    varying = float(lr.own_latents(small_stylegan2).varying)
    np.testing.assert_allclose(
        np.sqrt(np.square(u).sum(1) / varying), lr.depth(small_stylegan2, ws), **rounding(np.float32, 12)
    )


# Likeness


def test_pixels_and_the_pyramid_by_hand():
    """Of a difference that is 1 in one pixel of 16 x 16: 1/256 at full size; 1/16 of it squared at each level."""
    a, b = np.zeros((2, 1, 16, 16, 1), np.float32)
    a[0, 3, 5] = 1
    levels = (1 / 4) ** 2 / 64 + (1 / 16) ** 2 / 16
    for pixels, coarse, expected in ((3.0, 0.0, 3 / 256), (0.0, 2.0, 2 * levels), (1.0, 1.0, 1 / 256 + levels)):
        features = image_features(None, pixels=pixels, lpips=coarse)
        np.testing.assert_allclose(distance(features, a, b), expected, **rounding(np.float32))


def test_with_the_network_it_is_lpips():
    if not (cache_folder() / "lpips_alexnet.safetensors").exists():
        pytest.skip("the network of LPIPS is not installed")
    network = load("lpips_alexnet")
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 2, 48, 48, 3)).astype(np.float32)
    features = image_features(network, pixels=0.5, lpips=2.0)
    expected = 2 * lpips(network, a, b) + 0.5 * np.square(a - b).mean((1, 2, 3))
    np.testing.assert_allclose(distance(features, a, b), expected, **rounding(np.float32, 10_000))


def test_without_the_network_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.warns(UserWarning, match="pyramid of pixels.*lrgan convert --metrics"):
        assert network_of(None) == ("pyramid", None)
    with pytest.raises(MetricsError, match="is not there yet"):
        network_of("lpips_vgg16")


# Noise


def test_correlation_by_loops():
    """Every mean of products with the next pixel, around the edge, at 32, 16 and 8 pixels."""
    picture = np.random.default_rng(1).normal(size=(32, 32))
    expected, level = 0.0, picture
    while True:
        side = len(level)
        pairs = [(level[i, j], level[(i + 1) % side, j], level[i, (j + 1) % side]) for i, j in np.ndindex(side, side)]
        expected += np.mean([a * b for a, b, _ in pairs]) ** 2 + np.mean([a * c for a, _, c in pairs]) ** 2
        if side == 8:
            break
        level = sum((level[i::2, j::2] for i in (0, 1) for j in (0, 1)), start=np.zeros((1, 1))) / 2
    found = noise.correlation({"one": picture.astype(np.float32)})
    np.testing.assert_allclose(found, expected, **rounding(np.float32, 1024))
    assert noise.correlation({"stripes": np.tile([[1.0], [-1.0]], (8, 16))}) > 1


def test_pictures_are_found_and_replaced(small_stylegan2, small_dcgan, own):
    pictures = noise.noise_pictures(small_stylegan2)
    assert {p.shape for p in pictures.values()} == {(4, 4), (8, 8), (16, 16)} and len(pictures) == 5
    assert noise.noise_pictures(small_dcgan) == {}
    silent = placed(small_stylegan2, {place: 0 * picture for place, picture in pictures.items()})
    expected = small_stylegan2.synthesis(own[0], noise="none")
    np.testing.assert_allclose(silent.synthesis(own[0]), expected, **rounding(np.float32))


# Steps


def test_grams_are_those_of_the_residuals(small_stylegan2, own):
    """J^T J from the engine beside the Jacobian that JAX makes of the residuals, rows with their own noise."""
    gen, (_, targets) = small_stylegan2, own
    whole = problem_of(gen, targets[:2], pixels=1.0, lpips=1.0)
    u = jax.random.normal(jax.random.key(0), (2, 1, gen.w_dim))
    pictures = {place: jnp.stack([p, p + 1]) for place, p in noise.noise_pictures(gen).items()}
    run = gauss_newton.GaussNewton(1)
    found = gauss_newton.grams(whole, run.init(u, pictures))
    for n in range(2):
        own_pictures = {place: p[n] for place, p in pictures.items()}
        aim = Aim(whole.targets[n], None)
        J = jax.jacfwd(lambda u, p=own_pictures, a=aim: problem.residuals(whole, u, p, a))(u[n])
        J = np.asarray(J, np.float64).reshape(len(J), -1)
        np.testing.assert_allclose(found[n], J.T @ J, rtol=1e-4, atol=1e-5 * np.abs(J.T @ J).max())


def test_a_linear_generator_is_solved_at_once(linear):
    """The prior's least squares, by NumPy; and a second round stays there."""
    gen, matrix = linear
    target = np.random.default_rng(2).normal(size=(1, 8, 8, 1)).astype(np.float32)
    found = lr.invert(gen, target, method="gauss_newton", steps=2, pool=4, lpips=0.0, prior=0.3, starts=2)
    normal = matrix.T @ matrix / 64 + 0.3 / 5 * np.eye(5)
    expected = np.linalg.solve(normal, matrix.T @ target.ravel() / 64)
    np.testing.assert_allclose(found.latents.array[0, 0], expected, rtol=0, atol=1e-4)


def test_damping_grows_where_no_step_helps(linear):
    """At the solution nothing is better than to stay, and the latent does, bit for bit."""
    gen, _ = linear
    whole = problem_of(gen, np.zeros((1, 8, 8, 1), np.float32), lpips=0.0)
    run = gauss_newton.GaussNewton(1)
    state, losses = run.advance(whole, run.init(jnp.zeros((1, 1, 5)), {}))
    np.testing.assert_array_equal(state.u, 0)
    np.testing.assert_array_equal(losses, 0)


def test_adam_is_optax_on_the_loss(linear):
    """Step by step, with the schedule worked out here."""
    gen, _ = linear
    target = np.random.default_rng(2).normal(size=(1, 8, 8, 1)).astype(np.float32)
    whole = problem_of(gen, target, lpips=0.0, prior=0.1)
    run = adam.Adam(steps=10, rate=0.3, noise_weight=0.0, each=10)
    u = jnp.ones((1, 1, 5))
    state, _ = run.advance(whole, run.init(u, {}))
    rates = [0.3 * (0.5 - 0.5 * np.cos(np.pi * min(1, (1 - k / 10) / 0.5))) for k in range(10)]
    optimizer = optax.inject_hyperparams(optax.adam)(0.0)
    memory: Any = optimizer.init(u[0])
    aim = Aim(whole.targets[0], None)
    expected = u[0]
    for rate in rates:
        memory.hyperparams["learning_rate"] = jnp.asarray(rate)
        slope = jax.grad(lambda u: problem.loss(whole, u, {}, aim))(expected)
        change, memory = optimizer.update(slope, memory)
        expected = jax.tree.map(jnp.add, expected, change)
    np.testing.assert_allclose(state.u[0], expected, rtol=1e-5, atol=1e-5)


# Attempts


def test_the_worse_half_goes_every_eighth():
    assert [attempts.wanted(8, done, 16) for done in range(9)] == [8, 8, 4, 4, 2, 2, 1, 1, 1]
    assert attempts.wanted(1, 0, 3) == attempts.wanted(64, 3, 3) == 1


def test_the_best_beginnings_are_the_nearest(small_stylegan2, own):
    """Of latents among which the very one is, it comes first."""
    gen, (ws, targets) = small_stylegan2, own
    features = image_features(None)
    found = start.beginnings(gen, features, features(jnp.asarray(targets)), 5, 40, 2)
    np.testing.assert_allclose(found.ws[:, 0], ws.array, **EXACT)
    second = distance(features, lr.render(gen, found.ws[:, 1]), targets)
    others = lr.render(gen, seeded(gen, 5, 40).all())
    all_unlike = np.stack([distance(features, others, np.repeat(t[None], 40, 0)) for t in targets])
    np.testing.assert_allclose(second, np.sort(all_unlike, 1)[:, 1], rtol=1e-4, atol=1e-6)


# The whole


def test_own_samples_are_found_again(small_stylegan2, own):
    """By Gauss and Newton in W, to rounding: above 60 dB, from latents that are others."""
    settings = Fit("w", "gauss_newton", steps=8, pool=32, starts=4, network="pyramid", prior=1e-8)
    found = lr.invert(small_stylegan2, own[1], settings)
    assert found.psnr.min() > 60 and found.losses.shape == (3, 8)
    np.testing.assert_array_equal(found.latents.array, found.latents.array[:, :1].repeat(found.latents.shape[1], 1))


def test_more_room_comes_nearer(small_stylegan2):
    """W+ than W, and noise than none, for a picture that is not the generator's; what is shown is what was found."""
    target = np.random.default_rng(3).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    options = {"w": {"space": "w"}, "ws": {"space": "ws"}, "noise": {"space": "ws", "noise": True}}
    base = Fit(**QUICK).but(steps=60)
    found = {name: lr.invert(small_stylegan2, target, base, **more) for name, more in options.items()}
    assert found["w"].psnr < found["ws"].psnr < found["noise"].psnr
    last = found["noise"]
    gen = last.generator(small_stylegan2)
    np.testing.assert_allclose(lr.render(gen, last.latents), last.images, rtol=0, atol=1e-5)
    assert gen.info.fingerprint != small_stylegan2.info.fingerprint
    for pictures in last.noise.values():
        np.testing.assert_allclose(np.square(pictures).mean((1, 2)), 1, rtol=1e-5)
    assert found["ws"].generator(small_stylegan2) is small_stylegan2


@pytest.mark.parametrize("method", ["adam", "gauss_newton"])
def test_together_is_one_by_one(small_stylegan2, own, method):
    settings = QUICK | {"method": method, "starts": 2, "steps": 20 if method == "adam" else 3, "space": "w"}
    together = lr.invert(small_stylegan2, own[1], **settings)
    alone = lr.invert(small_stylegan2, own[1][1:2], **settings)
    np.testing.assert_allclose(alone.images[0], together.images[1], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(lr.invert(small_stylegan2, own[1], **settings).images, together.images)


def test_classes_come_from_the_best_beginning(small_biggan):
    """A generator that draws by class is given one, and keeps it."""
    ws = seeded(small_biggan, 2, 2, labels=range(4)).all()
    found = lr.invert(small_biggan, lr.render(small_biggan, ws), **QUICK)
    assert found.latents.c is None or found.latents.c.shape == (2, small_biggan.c_dim)
    np.testing.assert_allclose(lr.render(small_biggan, found.latents), found.images, rtol=0, atol=1e-5)


def test_it_goes_on_where_it_stopped(small_stylegan2, own, tmp_path):
    """From the file of every round, in either phase, bit for bit as if it had never stopped."""
    settings = QUICK | {"steps": 40, "noise": True, "starts": 2}
    whole = lr.invert(small_stylegan2, own[1], **settings)
    for stop in (1, 3):
        path = tmp_path / f"{stop}.npz"
        half = inverting(small_stylegan2, own[1], Fit(**settings), kept=path)
        last = [next(half) for _ in range(stop)][-1]
        seen = []
        on = lr.invert(small_stylegan2, own[1], Fit(**settings), kept=path, progress=seen.append)
        assert [progress.done for progress in seen] == list(range(stop, last.rounds + 1))
        np.testing.assert_array_equal(on.images, whole.images)
        np.testing.assert_array_equal(on.losses, whole.losses)


def test_another_inversions_file_is_refused(small_stylegan2, own, tmp_path):
    path = tmp_path / "kept.npz"
    lr.invert(small_stylegan2, own[1], kept=path, **QUICK)
    with pytest.raises(InputError, match="another inversion: fit.prior"):
        lr.invert(small_stylegan2, own[1], kept=path, prior=0.5, **QUICK)
    with pytest.raises(InputError, match="another inversion: images"):
        lr.invert(small_stylegan2, own[1][:2], kept=path, **QUICK)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        lr.invert(small_stylegan2, own[1], kept=path, **QUICK)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"starts": 300}, "starts must be from 1 to 256"),
        ({"rate": 0.0}, "rate must be above 0"),
        ({"prior": -1.0}, "prior must be at least 0"),
        ({"pixels": 0.0, "lpips": 0.0}, "nothing would be compared"),
        ({"noise": True, "method": "gauss_newton"}, "noise pictures are fitted by"),
        ({"step": 3}, "an inversion has no setting 'step'"),
    ],
)
def test_settings_that_make_no_sense(small_stylegan2, own, settings, words):
    with pytest.raises(InputError, match=words):
        lr.invert(small_stylegan2, own[1], **settings)


@pytest.mark.parametrize(
    ("shape", "value"),
    [((3, 8, 16, 3), 0), ((16, 16, 3), 0), ((1, 16, 16, 1), 0), ((1, 16, 16, 3), 255), ((1, 16, 16, 3), np.nan)],
)
def test_images_that_do_not_fit(small_stylegan2, shape, value):
    """A wrong size, no axis of photographs, grey for a colour model, numbers from 0 to 255, none at all."""
    with pytest.raises(InputError, match="images"):
        lr.invert(small_stylegan2, np.full(shape, value, np.float32), **QUICK)


def test_a_grey_generator_takes_the_luma(linear):
    gen, matrix = linear
    colour = np.random.default_rng(4).uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    found = lr.invert(gen, colour, **QUICK)
    np.testing.assert_allclose(found.targets[..., 0], colour @ [0.299, 0.587, 0.114], **rounding(np.float32, 3))
    assert found.images.shape == (1, 8, 8, 1)
