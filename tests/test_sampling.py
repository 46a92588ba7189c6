"""Which latents: a seed is the same faces everywhere, in any stretch and precision; rows of arrays; classes in turn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lrgan_jax as lr
from lrgan_jax.base.errors import InputError
from lrgan_jax.commands.options import UsageError, Which
from lrgan_jax.generators.sampling import given, most_frontal, seeded
from lrgan_jax.generators.truncation import towards_mean
from tests.tolerances import worst


def test_every_way_to_a_seed_gives_the_same_faces(small_stylegan2):
    """The ten lines, a sweep's latents, the commands' images, and whoever draws number i alone."""
    gen, key = small_stylegan2, jax.random.key(5)
    z = lr.sample_z(gen, key, 9)
    for i in (0, 4, 8):
        alone = jax.random.normal(jax.random.fold_in(key, i), (10,), np.float32)
        np.testing.assert_array_equal(z.array[i], alone)
    np.testing.assert_array_equal(lr.sample_z(gen, key, 3, first=4), z.array[4:7])
    ws = lr.to_ws(gen, gen.mapping(z, truncation=0.7)).array
    for same in (seeded(gen, 5, 9, truncation=0.7).all(), Which(seed=5, truncation=0.7).images(gen, 0, 9).all()):
        np.testing.assert_array_equal(same.array, ws)
    assert worst(seeded(gen, 5, 20, truncation=0.7).stretch(4, 3).array, ws[4:7]) < 1e-6
    past = seeded(gen, 5, 5).stretch(3, 4).array  # of five latents the last one again and again
    assert worst(past[1:], np.repeat(seeded(gen, 5, 5).stretch(4, 1).array, 3, 0)) < 1e-6


def test_a_cutoff_truncates_the_first_layers(small_stylegan2):
    gen = small_stylegan2
    cut, whole, none = (
        seeded(gen, 0, 2, **how).all().array for how in ({"truncation": 0.3, "cutoff": 2}, {"truncation": 0.3}, {})
    )
    assert worst(cut[:, :2], whole[:, :2]) < 1e-6 and worst(cut[:, 2:], none[:, 2:]) < 1e-6
    assert seeded(gen, 0, 2, cutoff=2).record != seeded(gen, 0, 2).record


def test_near_frontal_faces_are_among_those_of_the_seed(small_dcgan):
    """The first of the pool's images in the order that `most_frontal` gives."""
    pool = lr.sample_z(small_dcgan, jax.random.key(2), 16)
    order = most_frontal(lr.render(small_dcgan, lr.to_ws(small_dcgan, pool)))
    found = lr.near_frontal(small_dcgan, jax.random.key(2), 3, pool=16)
    np.testing.assert_array_equal(found.array, pool.array[order[:3]])


def test_the_most_frontal_is_symmetric_and_like_the_others():
    """A symmetric face among lopsided ones comes first, a dark picture last."""
    random = np.random.default_rng(0)
    half = random.uniform(-1, 1, (24, 12, 1))
    face = np.concatenate([half, half[:, ::-1]], axis=1)
    lopsided = [face + 0.6 * random.uniform(-1, 1, face.shape) for _ in range(4)]
    images = np.stack([np.full_like(face, -0.9), *lopsided, face]).astype(np.float32)
    order = most_frontal(images)
    assert order[0] == 5 and order[-1] == 0


@pytest.mark.filterwarnings("error")
def test_a_flat_picture_is_like_nothing():
    """Without a warning of a division by 0, also where all are."""
    ramp = np.broadcast_to(np.linspace(-1, 1, 8, dtype=np.float32)[:, None, None], (8, 8, 1))
    assert most_frontal(np.stack([np.zeros_like(ramp), ramp])).tolist() == [1, 0]
    assert sorted(most_frontal(np.zeros((2, 8, 8, 1), np.float32))) == [0, 1]


def test_classes_of_rows_are_kept():
    """Given latents bring their classes; z take labels in turn."""
    gen = lr.from_function(lambda z, c: jnp.outer(z, c)[..., None], 4, c_dim=3)
    own = gen.mapping(lr.sample_z(gen, jax.random.key(0), 3), np.eye(3, dtype=np.float32)[[1, 2, 0]])
    rows = given(gen, lr.W(own.array, own.c)).stretch(1, 4)
    np.testing.assert_array_equal(rows.c, np.eye(3)[[2, 0, 0, 0]])
    turns = given(gen, lr.Z(np.asarray(own.array)), labels=[2, 1]).all()
    np.testing.assert_array_equal(turns.c, np.eye(3)[[2, 1, 2]])
    assert given(gen, lr.W(own.array, own.c)).record != given(gen, lr.W(own.array, own.c[::-1])).record
    with pytest.raises(InputError, match="this model has classes 0 to 2: name at least one"):
        seeded(gen, 0, 2)
    with pytest.raises(InputError, match="labels are for z"):
        given(gen, lr.W(own.array, own.c), labels=[0])


def test_options_that_do_not_go_together(small_stylegan2, tmp_path):
    np.save(tmp_path / "w.npy", np.zeros((3, 12), np.float32))
    file = tmp_path / "w.npy"
    for which, says in (
        (Which(space="w"), "--latents FILE"),
        (Which(seed=1, latents=file), "--seed is of random latents"),
        (Which(cutoff=1, latents=file), "are for z"),
    ):
        with pytest.raises(UsageError, match=says):
            which.of(small_stylegan2, 1)
    assert Which(latents=file).images(small_stylegan2, 1, None).all().shape == (2, 6, 12)


@pytest.mark.parametrize("family", ["stylegan2", "dcgan", "biggan"])
def test_latents_are_pulled_as_the_mapping_pulls_them(family, request):
    """Those that are there already; where they are made of parts, z alone."""
    gen = request.getfixturevalue(f"small_{family}")
    label = np.eye(gen.c_dim, dtype=np.float32)[[1, 2]] if gen.c_dim else None
    z = lr.sample_z(gen, jax.random.key(4), 2)
    for truncation in (0.0, 0.3, 1.0):
        expected = lr.to_ws(gen, gen.mapping(z, label, truncation))
        found = towards_mean(gen, gen.mapping(z, label), truncation)
        np.testing.assert_allclose(found.array, expected.array, atol=1e-6)
    with pytest.raises(ValueError, match="truncation must be at least 0 and at most 1"):
        towards_mean(gen, gen.mapping(z, label), 1.2)
