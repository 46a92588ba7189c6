"""The latents that a generator draws itself: their covariance, against samples drawn here."""

import dataclasses
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax.generators import WS, W, sample_z, to_ws
from lrgan_jax.generators.natural import NARROWEST, SAMPLES, alike, depth, own_latents
from tests.linear import D, Linear, linear
from tests.tolerances import worst

SUMS = 1e-4  # covariances and their roots in float32, of 8,192 samples


@pytest.fixture(scope="module")
def samples(small_stylegan2):
    """All of seed 0's, as w, in float64."""
    gen = small_stylegan2
    return np.asarray(gen.mapping(sample_z(gen, jax.random.key(0), SAMPLES)), np.float64)


def other(gen, scale=1.5):
    """The same with stronger weights: not equal to it, and nobody else's."""
    return dataclasses.replace(gen, variables=jax.tree.map(lambda a: a * scale, gen.variables))


def test_the_root_squared_is_the_covariance(small_stylegan2, samples):
    root = np.asarray(own_latents(small_stylegan2).root, np.float64)
    assert worst(root @ root, np.cov(samples.T)) < SUMS
    assert worst(root, root.T) < 1e-6 and np.linalg.eigvalsh(root)[0] > 0


def test_whitened_samples_are_white(small_stylegan2, samples):
    """Before the last activation, a leaky ReLU of slope 0.2: in the 9 numbers that vary, as many as the mapping's
    features; or in all.
    """
    wide = dataclasses.replace(linear(top={0: 1.0}), spread=tuple(np.geomspace(0.1, 1.0, D).tolist()))
    of_wide = np.asarray(wide.mapping(sample_z(wide, jax.random.key(0), SAMPLES)), np.float64)
    for gen, own, varying in ((small_stylegan2, samples, 9), (wide, of_wide, D)):
        of = own_latents(gen)
        white = (np.where(own < 0, own / 0.2, own) - of.mean) @ of.whitener
        # Float32 sums, multiplied by the condition of the whitener, some hundred.
        np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(white.T))[-varying:], 1, rtol=0, atol=1e-3)
        np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(white.T))[:-varying], 0, rtol=0, atol=1e-3)
        np.testing.assert_allclose(white.mean(0), 0, rtol=0, atol=1e-3)
        np.testing.assert_allclose(of.varying, varying, rtol=1e-3)


def test_own_samples_are_of_depth_one(small_stylegan2, samples):
    """On average; and of ws the row counts that is farthest out."""
    ws = samples.astype(np.float32)[:, None]
    own = depth(small_stylegan2, ws)
    assert own.shape == (SAMPLES,)
    np.testing.assert_allclose(np.square(own).mean(), 1, rtol=1e-3)
    far = np.concatenate([ws, 3 * ws, ws], axis=1)
    rows = np.stack([depth(small_stylegan2, far[:, k : k + 1]) for k in range(3)])
    np.testing.assert_allclose(depth(small_stylegan2, far), rows.max(0), rtol=1e-5)  # sums in another order
    assert np.median(depth(small_stylegan2, far)) > 1.5


def test_white_latents_need_nothing(small_dcgan):
    z = np.random.default_rng(0).standard_normal((7, 1, 10)).astype(np.float32)
    assert own_latents(small_dcgan) is None
    np.testing.assert_allclose(depth(small_dcgan, z), np.linalg.norm(z[:, 0], axis=1) / 10**0.5, rtol=1e-6)


def test_what_hardly_varies_counts_as_a_hundredth():
    """Of the widest, so that no length is without end."""
    gen = dataclasses.replace(linear(top={0: 1.0}), spread=(*(1.0,) * (D - 1), 0.0))
    widths = np.linalg.eigvalsh(np.asarray(own_latents(gen).root, np.float64))
    np.testing.assert_allclose(widths[0], NARROWEST**0.5 * widths[-1], rtol=1e-3)
    assert widths[1] > 0.9


class ByClass(Linear):
    """One of two classes shifts the first number up, the other one down."""

    c_dim, classes = 2, "mapping"

    def mapping(self, z, c=None, truncation=1.0, cutoff=None):
        return W(jnp.asarray(z).at[:, 0].add(jnp.asarray(c) @ jnp.array([3.0, -3.0])))


def test_all_classes_count_alike():
    """A variance of one within each, and of nine between the two."""
    root = np.asarray(own_latents(ByClass(linear(top={0: 1.0}).maps)).root, np.float64)
    expected = np.diag([10.0, *[1.0] * (D - 1)])
    # Of 8,192 samples: a hundredth or two of the two deviations' product, four times.
    np.testing.assert_allclose(root @ root, expected, rtol=0.06, atol=0.06 * 10**0.5)


def test_they_are_remembered_as_long_as_the_generator_lives(small_stylegan2):
    gen = other(small_stylegan2)
    known, alive = own_latents(gen), weakref.ref(gen)
    assert own_latents(gen) is known
    assert worst(known.root, own_latents(small_stylegan2).root) > 0.1  # other weights, other latents
    del gen
    gc.collect()
    assert alive() is None


def test_while_something_is_traced(small_stylegan2):
    """Numbers, where the generator is one of the program's constants; traced ones, where it is an argument."""
    gen = other(small_stylegan2, 0.7)
    inside = jax.jit(lambda x: x * own_latents(gen).root)(1.0)
    assert isinstance(own_latents(gen).root, np.ndarray)
    np.testing.assert_array_equal(inside, own_latents(gen).root)
    traced = jax.jit(lambda gen: own_latents(gen).root)(gen)
    assert worst(traced, own_latents(gen).root) < SUMS


def test_in_half_precision(small_stylegan2):
    """Rounded weights, but decomposed in 32 bits."""
    half = jax.tree.map(lambda a: a.astype("bfloat16"), small_stylegan2)
    root = own_latents(half).root
    assert root.dtype == np.float32
    assert worst(root, own_latents(small_stylegan2).root) < 0.03  # eight bits


def test_one_like_another_turns_in_white_coordinates(small_stylegan2):
    """u becomes cos(t) u + sin(t) n, the same n in all layers; each computed in float64 by the statistics alone."""
    gen, key = small_stylegan2, jax.random.key(3)
    ws = to_ws(gen, gen.mapping(sample_z(gen, jax.random.key(5), gen.num_ws))).array[:, 0][None]  # a w for each layer
    of = own_latents(gen)

    def white(rows):
        rows = np.asarray(rows, np.float64)
        return (np.where(rows < 0, 5 * rows, rows) - of.mean) @ np.asarray(of.whitener, np.float64)

    n = np.asarray(jax.random.normal(key, (2, 1, gen.w_dim)))
    found = alike(gen, WS(ws), key, 0.4, 2)
    expected = np.cos(0.2 * np.pi) * white(ws) + np.sin(0.2 * np.pi) * n
    np.testing.assert_allclose(white(found.array), expected, atol=2e-3)  # what hardly varies is stretched a hundredfold
    np.testing.assert_allclose(alike(gen, WS(ws), key, 0.0, 1), ws, atol=1e-5)


def test_one_like_another_is_as_natural(small_dcgan, small_biggan):
    """Of white latents the mean square stays 1; of parts z alone turns, and the class stays."""
    z = WS(sample_z(small_dcgan, jax.random.key(0), 1).array[:, None])
    found = np.asarray(alike(small_dcgan, z, jax.random.key(1), 0.5, 4000))
    # 4,000 samples of 10 numbers: their mean square is known to a hundredth, three times.
    np.testing.assert_allclose(np.square(found).mean(), 0.5 + 0.5 * np.square(z.array).mean(), atol=0.03)
    w = small_biggan.mapping(sample_z(small_biggan, jax.random.key(0), 1), np.eye(4, dtype=np.float32)[:1])
    turned = np.asarray(alike(small_biggan, w, jax.random.key(1), 1.0, 2))[:, 0]
    changed = (turned != np.asarray(w)).all(0)
    np.testing.assert_array_equal(changed, np.arange(len(changed)) < small_biggan.z_dim)


@pytest.mark.parametrize(
    ("num", "amount", "more", "told"),
    [(1, 1.5, 1, "amount must be"), (2, 0.5, 1, "one latent at a time, got 2"), (1, 0.5, 0, "num must be")],
)
def test_what_is_alike_is_asked_for_in_sense(small_dcgan, num, amount, more, told):
    z = sample_z(small_dcgan, jax.random.key(0), num)
    with pytest.raises(ValueError, match=told):
        alike(small_dcgan, z, jax.random.key(1), amount, more)
