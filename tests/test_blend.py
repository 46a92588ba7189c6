"""An edit in its region and nowhere else, softened inwards, and the seam measured."""

import numpy as np
import pytest
from tolerances import EXACT, rounding

from lrgan_jax import LrganError
from lrgan_jax.photographs.blend import blend, softened

EPS = rounding(np.float32, 4)


def photograph(seed=0, size=(20, 24)):
    return np.random.default_rng(seed).uniform(-1, 1, (*size, 3)).astype(np.float32)


def box(top, left, height, width, size=(20, 24)):
    mask = np.zeros(size, np.float32)
    mask[top : top + height, left : left + width] = 1
    return mask


@pytest.mark.parametrize("softness", [0.0, 1 / 32, 0.2, 1.0])
def test_outside_no_bit_changes(softness):
    """Whatever the edited image holds there, numbers that are none included; a sharp cut is the edited image inside."""
    before, mask = photograph(), box(5, 6, 9, 11)
    after = np.where(mask[..., None] == 1, photograph(1), np.nan).astype(np.float32)
    image, share, _ = blend(before, after, mask, softness=softness)
    assert image.dtype == np.float32 and np.isfinite(image).all()
    np.testing.assert_array_equal(image[mask == 0].view(np.uint32), before[mask == 0].view(np.uint32))
    assert not share[mask == 0].any()
    if not softness:
        np.testing.assert_array_equal(image[mask == 1], after[mask == 1])


def test_the_border_rises_evenly_inwards():
    """Against the distance to the nearest pixel outside, counted by hand, also where the region ends at the image's
    edge, which is no border.
    """
    mask = box(0, 4, 13, 20)
    rows, columns = np.nonzero(mask == 0)
    row, column = np.indices(mask.shape)[..., None]
    distance = np.maximum(np.abs(rows - row), np.abs(columns - column)).min(-1)
    np.testing.assert_allclose(softened(mask, 5), np.minimum(distance / 5, 1), **EPS)
    np.testing.assert_allclose(softened(mask, 0), mask, **EXACT)
    soft = mask * np.float32(0.5)
    np.testing.assert_allclose(softened(soft, 5), softened(mask, 5) / 2, **EPS)


@pytest.mark.parametrize(("softness", "width"), [(0.0, 1), (4 / 24, 4)])
def test_a_planted_step_is_the_seam(softness, width):
    """On an even ground a step of 0.4 is a seam of 0.4 over the width of the border."""
    before, mask = np.full((20, 24, 3), 0.1, np.float32), box(0, 12, 20, 12)
    seam = blend(before, before + np.float32(0.4), mask, softness=softness).seam
    assert seam.photograph == 0
    assert seam.excess == pytest.approx(0.4 / width, rel=1e-5)


def test_no_change_is_no_seam_and_detail_hides_one():
    before, mask = photograph(), box(5, 6, 9, 11)
    assert blend(before, before, mask, softness=0.0).seam.excess == 0
    assert blend(before, before, mask).seam.excess == pytest.approx(0, abs=EPS["atol"])
    stepped = blend(before, before + np.float32(0.4), mask, softness=0.0).seam
    assert 0 < stepped.excess < 0.4 and stepped.photograph > 0.4
    assert blend(before, before, np.zeros_like(mask)).seam is None
    assert blend(before, photograph(1), np.ones_like(mask)).seam is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(mask=box(5, 6, 9, 11, (20, 20))), "of one size"),
        (dict(edited=photograph(size=(24, 20))), "of one size"),
        (dict(mask=2 * box(5, 6, 9, 11)), "mask must be"),
        (dict(softness=-0.1), "softness must be"),
        (dict(softness=np.nan), "softness must be"),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    given = dict(photograph=photograph(), edited=photograph(1), mask=box(5, 6, 9, 11))
    with pytest.raises(LrganError, match=says):
        blend(**given | change)
