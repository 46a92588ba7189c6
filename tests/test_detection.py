"""The detector: the authors' numbers, a float64 oracle's, and what is known of a portrait."""

import metric_oracles as oracle
import numpy as np
import pytest
from reference import astronaut
from tolerances import PARITY, worst

from lrgan_jax.metrics import face_boxes
from lrgan_jax.metrics.detection import OVERLAP, find_faces, strongest


@pytest.mark.parametrize("side", [64, 128])
def test_the_authors_numbers(side):
    """Stored chances and boxes of @vladmandic/face-api 1.7.15: see metric_oracles."""
    faces = oracle.pictures()["square"].repeat(side // 64, 1).repeat(side // 64, 2)
    scores, boxes = face_boxes(oracle.load_or_skip("face_detection"), faces)
    expected = oracle.stored()[f"detection_{side}"]
    assert worst(scores, expected[..., 0]) < PARITY and worst(boxes, expected[..., 1:]) < PARITY


def test_the_same_in_float64():
    params, images = oracle.random_params("face_detection"), oracle.random_images(2, 64, 64, 3)
    scores, boxes = face_boxes(params, images)
    expected = [oracle.face_boxes(params, image) for image in images]
    assert worst(scores, [chances for chances, _ in expected]) < PARITY
    assert worst(boxes, [places for _, places in expected]) < PARITY
    with pytest.raises(ValueError, match="multiple of 32 pixels, got 65"):
        face_boxes(params, np.zeros((1, 65, 65, 3), np.float32))


def test_of_overlapping_boxes_the_surest_stays():
    """None that stay overlap, and each that went overlaps a surer one that stayed."""
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(0, 50, (200, 2)), rng.uniform(5, 30, (200, 2))], 1)
    scores = rng.uniform(0, 1, 200)
    grid = np.stack(np.mgrid[:800, :800], -1) / 10 + 0.05  # areas by counting points
    inside = [((grid >= box[:2]) & (grid < box[:2] + box[2:])).all(-1) for box in boxes[:40]]
    kept = strongest(boxes[:40], scores[:40])
    assert kept == sorted(kept, key=lambda i: -scores[i]) and 1 < len(kept) < 40
    for i in range(40):
        shares = {j: (inside[i] & inside[j]).sum() / min(inside[i].sum(), inside[j].sum()) for j in kept if j != i}
        surer = [share for j, share in shares.items() if scores[j] > scores[i]]
        assert (max(surer, default=0) <= OVERLAP + 0.02) if i in kept else (max(surer) >= OVERLAP - 0.02)


def test_a_portrait_has_one_face_wherever_it_lies():
    """It holds eyes and mouth, and moves and grows with the picture; a picture without a face has none."""
    params, image = oracle.load_or_skip("face_detection"), astronaut()[:256, 96:352].astype(np.float32) / 127.5 - 1
    [face] = find_faces(params, image)
    low, high = np.array(face[1:3]), np.array(face[1:3]) + face[3:]
    assert (low < (95, 97)).all() and (high > (150, 157)).all() and 80 < face.height < 140
    [double] = find_faces(params, image.repeat(2, 0).repeat(2, 1)[:400, 100:])
    np.testing.assert_allclose((double.height, double.width), 2 * np.array(face[3:]), rtol=0.25)
    middles = [np.array(found[1:3]) + np.array(found[3:]) / 2 for found in (face, double)]
    np.testing.assert_allclose(middles[1] + (0, 100), 2 * middles[0], atol=0.15 * double.height)
    assert find_faces(params, image[150:]) == []
