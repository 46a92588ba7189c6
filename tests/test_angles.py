"""Angles between subspaces, on pairs that were built to have them."""

import importlib.util

import numpy as np
import pytest

from lrgan_jax.metrics import angles, principal_angles

# Angles are found from sines or cosines of matrices of norm 1, whichever falls or rises steeply: a few eps of float64,
# absolute.
ABSOLUTE = dict(rtol=0, atol=2e-15)


def subspaces_at(wanted, extra=0, seed=0):
    """Rows a and b with these principal angles, in a space turned at random; a has `extra` rows more, orthogonal to
    everything.
    """
    k, random = len(wanted), np.random.default_rng(seed)
    axes = np.linalg.qr(random.standard_normal((2 * k + extra + 3,) * 2))[0]
    cos, sin = np.cos(wanted)[:, None], np.sin(wanted)[:, None]
    return np.concatenate([axes[:k], axes[2 * k : 2 * k + extra]]), cos * axes[:k] + sin * axes[k : 2 * k]


KNOWN = [
    [0.0],
    [1e-10],
    [np.pi / 2 - 1e-9],
    [np.pi / 2],
    [0.3, 0.7, 1.2],
    [1e-10, 1e-5, np.pi / 4, np.pi / 2 - 1e-6, np.pi / 2 - 1e-9],
    [0.5, 0.5, 0.5],
]


@pytest.mark.parametrize("extra", [0, 2])
@pytest.mark.parametrize("wanted", KNOWN, ids=str)
def test_the_angles_that_were_built_in(wanted, extra):
    """Tiny and nearly right ones to float64's own precision, in rising order, either set first; rows that match nothing
    add none.
    """
    a, b = subspaces_at(np.array(wanted), extra)
    for one, other in ((a, b), (b, a)):
        found = principal_angles(one, other)
        assert found.shape == (len(wanted),)
        np.testing.assert_allclose(found, wanted, **ABSOLUTE)


def test_a_tiny_angle_keeps_its_digits():
    """1e-10 has a cosine that float64 cannot tell from 1; relative to it the sine's error is eps / 1e-10."""
    a, b = subspaces_at(np.array([1e-10]))
    np.testing.assert_allclose(principal_angles(a, b), 1e-10, rtol=2e-5)


def test_only_the_spans_count():
    """Other bases of the same spans, neither orthogonal nor of unit length: the same angles."""
    random = np.random.default_rng(1)
    a, b = subspaces_at(np.array([0.2, 0.9, 1.5]), extra=1)
    mixed = principal_angles(random.standard_normal((4, 4)) @ a, random.standard_normal((3, 3)) @ b)
    np.testing.assert_allclose(
        mixed, principal_angles(a, b), rtol=0, atol=1e-13
    )  # eps times the condition of the mixing


def test_a_subspace_and_a_part_of_it():
    """Whatever lies inside is at no angle; the whole space is at none from anything."""
    rows = np.random.default_rng(2).standard_normal((4, 6))
    np.testing.assert_allclose(
        principal_angles(rows, rows[:2]), [0, 0], rtol=0, atol=1e-14
    )  # eps times the rows' condition
    np.testing.assert_allclose(principal_angles(np.eye(6), rows), np.zeros(4), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        (np.ones((2, 3)), np.eye(1, 3), "2 rows span fewer dimensions"),
        (np.eye(1, 3), np.array([[1.0, 2, 3], [0, 1, 0], [1, 3, 3]]), "3 rows span fewer dimensions"),
        (np.zeros((1, 3)), np.eye(1, 3), "1 rows span fewer"),
        (np.random.default_rng(3).standard_normal((4, 3)), np.eye(1, 3), "4 rows span fewer"),
    ],
)
def test_what_spans_no_such_subspace_is_refused(a, b, match):
    """In one line: dependent rows, zeros, more rows than dimensions."""
    with pytest.raises(ValueError, match=match) as caught:
        principal_angles(a, b)
    assert "\n" not in str(caught.value)


def test_rows_of_other_widths_are_refused():
    """Without the tests' own type checks, which would refuse them earlier."""
    spec = importlib.util.spec_from_file_location("plain_angles", angles.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    for a, b, match in (
        (np.eye(2, 3), np.eye(2, 4), r"\(2, 3\) and \(2, 4\)"),
        (np.ones(3), np.eye(2, 3), r"rows \[k, d\]"),
    ):
        with pytest.raises(ValueError, match=match):
            plain.principal_angles(a, b)
