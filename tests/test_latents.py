"""Latents know their space: refused where another is meant, arrays everywhere else."""

import copy
import itertools
import operator
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from lrgan_jax.generators import (
    DCGAN,
    WS,
    DCGANConfig,
    Latent,
    StyleGAN2,
    StyleGAN2Config,
    W,
    Z,
    dcgan,
    sample_z,
    stylegan2,
    to_ws,
)
from lrgan_jax.generators.protocol import check_noise

CONFIG = StyleGAN2Config(channels=(3, 2), z_dim=5, w_dim=6, mapping_layers=1, mapping_features=6, embed_features=0)
LABELLED = StyleGAN2Config(
    channels=(3,), z_dim=5, w_dim=6, c_dim=4, mapping_layers=1, mapping_features=6, embed_features=2
)
SMALL_DCGAN = DCGANConfig(channels=(3,), z_dim=5)
SPACES = pytest.mark.parametrize("space", [Z, W, WS])


@pytest.fixture(scope="module", params=["stylegan2", "dcgan"])
def gen(request):
    if request.param == "dcgan":
        return DCGAN(SMALL_DCGAN, reference.random_variables(dcgan.init, SMALL_DCGAN))
    return StyleGAN2(CONFIG, reference.random_variables(stylegan2.init, CONFIG))


@pytest.fixture(scope="module")
def labelled() -> StyleGAN2:
    return StyleGAN2(LABELLED, reference.random_variables(stylegan2.init, LABELLED))


def latent(space) -> Latent:
    return space(jnp.arange(1.0, 7.0, dtype=jnp.float32).reshape(2, 3))


# ---- What the generators refuse.


@pytest.mark.parametrize("space", [W, WS])
def test_mapping_refuses_what_is_already_mapped(gen, space):
    with pytest.raises(TypeError, match=rf"mapping takes z, but this is {space.space}, .*synthesis"):
        gen.mapping(space(jnp.zeros((2, gen.z_dim))))


def test_synthesis_refuses_z_unless_z_is_the_latent_to_edit(gen):
    z = sample_z(gen, jax.random.key(0), 2)
    if isinstance(gen, DCGAN):
        assert gen.synthesis(z).shape == (2, 8, 8, 3)
    else:
        with pytest.raises(TypeError, match="synthesis takes w or ws, but this is z: pass it through mapping first"):
            gen.synthesis(z)
        with pytest.raises(TypeError, match="this is z"):
            to_ws(gen, z)


@pytest.mark.parametrize("shape", [(5,), (2, 4), (2, 6), (1, 2, 5)])
def test_mapping_names_the_shape_it_wants_and_got(gen, shape):
    for z in (np.zeros(shape), jnp.zeros(shape), Z(jnp.zeros(shape))):
        with pytest.raises(ValueError) as caught:
            gen.mapping(z)
        assert "[N, 5]" in str(caught.value) and str(list(shape)) in str(caught.value)


@pytest.mark.parametrize("extra", [(), (1,), (1, 1, 1)])
def test_synthesis_names_the_shapes_it_wants_and_got(gen, extra):
    """Without a batch axis, with a layer too many, with an axis too many; and of another width."""
    width, layers = gen.w_dim, gen.num_ws
    shapes = {(): (width,), (1,): (2, layers + 1, width), (1, 1, 1): (1, 1, layers, width)}
    for shape in (shapes[extra], (2, width + 1)):
        with pytest.raises(ValueError) as caught:
            gen.synthesis(jnp.zeros(shape))
        assert all(text in str(caught.value) for text in (f"[N, {width}]", f"[N, {layers}, {width}]", str(list(shape))))


def test_a_latent_that_lost_its_batch_axis_is_noticed(gen):
    """One ws of [layers, width] would pass for a batch of w, were it not for its type."""
    with pytest.raises(ValueError, match=r"w lost its batch axis.*\[6\]"):
        gen.synthesis(W(jnp.zeros(6)))
    with pytest.raises(ValueError, match=r"ws lost its batch axis.*\[4, 6\]"):
        gen.synthesis(WS(jnp.zeros((4, 6))))


def test_labels_are_checked(gen, labelled):
    z = np.zeros((2, 5), np.float32)
    with pytest.raises(ValueError, match="unconditional"):
        gen.mapping(z, np.eye(2))
    with pytest.raises(ValueError, match=r"conditional: pass c, .*\[N, 4\]"):
        labelled.mapping(z)
    for shape in ((2, 3), (3, 4), (4,)):
        with pytest.raises(ValueError) as caught:
            labelled.mapping(z, np.zeros(shape))
        assert "[2, 4]" in str(caught.value) and str(list(shape)) in str(caught.value)


def test_noise_is_checked(gen):
    with pytest.raises(ValueError, match='"const", "none" or "random", got \'loud\''):
        check_noise("loud", None)
    with pytest.raises(ValueError, match="key=jax.random.key"):
        gen.synthesis(to_ws(gen, jnp.zeros((1, gen.w_dim))), noise="random")


def test_sampled_z_is_standard_normal(gen):
    z = sample_z(gen, jax.random.key(0), 2000)
    assert isinstance(z, Z) and z.shape == (2000, 5)
    assert abs(float(z.array.mean())) < 0.05 and abs(float(z.array.std()) - 1) < 0.04


# ---- Latents as arrays.


OTHERS = (2, 0.5, np.float32(3), np.float64(3), np.array([1.0, 2, 3], np.float32), jnp.array([1.0, 2, 3], jnp.float32))


def promoted(other):
    """JAX's rule: only NumPy's 64 bits, where they are switched on, make a float32 latent float64."""
    return jax.dtypes.canonicalize_dtype(np.float64) if isinstance(other, np.float64) else np.float32


@SPACES
@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_arithmetic_keeps_the_space(space, operation):
    """With numbers and arrays, and with another latent of the same space."""
    one = latent(space)
    for other in (*OTHERS, one):
        result = operation(one, other)
        assert type(result) is space and result.dtype == promoted(other)
        np.testing.assert_allclose(result, operation(np.asarray(one), np.asarray(other)), rtol=1e-6)


@SPACES
@pytest.mark.parametrize("run", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_arithmetic_from_the_left_keeps_the_space(space, run):
    """Also with NumPy's numbers and arrays, which is how `np.sqrt(2) * w` begins."""
    for other in OTHERS[:-1]:
        for operation in (operator.add, operator.sub, operator.mul):
            result = run(lambda one, other=other, operation=operation: operation(other, one))(latent(space))
            assert type(result) is space and result.dtype == promoted(other)
            np.testing.assert_allclose(result, operation(np.asarray(other), np.asarray(latent(space))), rtol=1e-6)


@SPACES
def test_negation_and_indexing_keep_the_space(space):
    one = latent(space)
    for result, expected in (
        (-one, -one.array),
        (one[1:], one.array[1:]),
        (one[0], one.array[0]),
        (one[:, None], one.array[:, None]),
    ):
        assert type(result) is space
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize(
    "pair", list(itertools.permutations([Z, W, WS], 2)), ids=lambda pair: f"{pair[0].space}-{pair[1].space}"
)
def test_spaces_do_not_mix(pair, operation):
    with pytest.raises(TypeError, match=f"cannot combine {pair[0].space} with {pair[1].space}"):
        operation(latent(pair[0]), latent(pair[1]))


@SPACES
def test_latents_are_arrays_to_numpy_and_jax(space):
    one, array = latent(space), np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3)
    assert (one.shape, one.ndim, one.dtype, len(one)) == ((2, 3), 2, np.float32, 2)
    for same in (np.asarray(one), jnp.asarray(one), np.array(one), jnp.array(one)):
        assert not isinstance(same, Latent)
        np.testing.assert_array_equal(same, array)
    assert np.asarray(one, np.float16).dtype == np.float16
    np.testing.assert_array_equal(jnp.stack([jnp.asarray(one)] * 2), np.stack([one, one]))
    passed_on: Any = one  # of which type checkers know less than of an array
    np.testing.assert_array_equal(passed_on.mean(0), array.mean(0))
    with pytest.raises(AttributeError):
        _ = passed_on.no_such_thing


@SPACES
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_iteration_ends(space, kind):
    """jax does not raise on an index past the end, by which Python would otherwise know where to stop."""
    rows = list(itertools.islice(iter(space(kind(latent(space)))), 10))
    assert [type(row) for row in rows] == [space, space]
    np.testing.assert_array_equal(np.stack(rows), latent(space))


@SPACES
def test_copies_keep_the_space(space):
    for same in (copy.copy(latent(space)), copy.deepcopy(latent(space)), pickle.loads(pickle.dumps(latent(space)))):
        assert type(same) is space
        np.testing.assert_array_equal(same, latent(space))


@SPACES
def test_latents_are_pytrees(space):
    """Through jit, vmap, grad and tree.map the type stays and there is one leaf."""
    one = latent(space)
    assert len(jax.tree.leaves(one)) == 1
    for result, expected in (
        (jax.jit(lambda x: x * 2)(one), one.array * 2),
        (jax.vmap(lambda x: x + x[0].array)(one), one.array + one.array[:, :1]),
        (jax.grad(lambda x: (x * x).sum())(one), one.array * 2),
        (jax.tree.map(lambda a: a - 1, one), one.array - 1),
    ):
        assert type(result) is space
        np.testing.assert_array_equal(result, expected)
    assert jax.tree.structure(one) == jax.tree.structure(-one)
    assert len({jax.tree.structure(latent(other)) for other in (Z, W, WS)}) == 3


def test_latents_are_frozen():
    with pytest.raises(AttributeError):
        latent(W).array = None  # pyright: ignore[reportAttributeAccessIssue]
