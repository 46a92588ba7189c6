"""Faces: the authors' numbers, a float64 oracle's, and what is known of pictures of faces."""

import jax
import metric_oracles as oracle
import numpy as np
import pytest
from tolerances import PARITY, worst

from lrgan_jax.metrics import (
    EXPRESSIONS,
    LANDMARKS,
    SAME_PERSON,
    expression_change,
    face_descriptor,
    face_expressions,
    face_landmarks,
    identity_change,
    landmark_change,
)

MEASURES = {"recognition": face_descriptor, "expression": face_expressions, "landmarks": face_landmarks}


@pytest.fixture(scope="module")
def random_networks():
    return {network: oracle.random_params(f"face_{network}") for network in MEASURES}


# Shapes other than square are for one network with each size of input: the others have the same front.
@pytest.mark.parametrize(
    ("network", "kind"),
    [
        *((network, "square") for network in MEASURES),
        ("recognition", "low"),
        ("landmarks", "low"),
        ("landmarks", "narrow"),
    ],
)
def test_the_authors_numbers(network, kind):
    """Stored outputs of @vladmandic/face-api 1.7.15: see metric_oracles."""
    params = oracle.load_or_skip(f"face_{network}")
    assert worst(MEASURES[network](params, oracle.pictures()[kind]), oracle.stored()[f"{network}_{kind}"]) < PARITY


@pytest.mark.parametrize(
    ("network", "shape"),  # enlarged with an odd margin, and reduced
    [*((network, (20, 25)) for network in MEASURES), ("recognition", (200, 160)), ("landmarks", (200, 160))],
)
def test_the_same_in_float64(network, shape, random_networks):
    params, images = random_networks[network], oracle.random_images(1, *shape, 3)
    expected = (oracle.face_descriptor if network == "recognition" else oracle.dense_network)(params, images[0])
    if network == "expression":
        expected = np.exp(expected) / np.exp(expected).sum()
    if network == "landmarks":  # column and row in the square -> row and column in the image
        height, width = shape
        margin = np.array([max(shape) - height, max(shape) - width]) / 2
        expected = (expected.reshape(68, 2)[:, ::-1] * max(shape) - margin) / shape
    assert worst(MEASURES[network](params, images)[0], expected) < PARITY


def test_vmap_is_a_loop_and_grey_is_colour(random_networks):
    params, images = random_networks["landmarks"], oracle.random_images(2, 20, 25, 1)
    one_by_one = jax.vmap(lambda image: face_landmarks(params, image[None])[0])(images)
    assert worst(one_by_one, face_landmarks(params, np.repeat(images, 3, axis=-1))) < PARITY
    with pytest.raises(ValueError, match="if grey"):
        face_landmarks(params, np.repeat(images, 2, axis=-1))


def test_changes_are_distances(random_networks):
    """By their definitions; of two equal images 0, with a gradient that is finite there too."""
    recognition, expression, landmarks = random_networks.values()
    a, b = oracle.random_images(2, 1, 20, 25, 3)
    apart = np.asarray(face_descriptor(recognition, a)) - face_descriptor(recognition, b)
    assert worst(identity_change(recognition, a, b), np.sqrt((apart**2).sum(-1))) < PARITY
    apart = np.asarray(face_expressions(expression, a)) - face_expressions(expression, b)
    gained = np.maximum(apart, 0).sum(-1)  # what some expressions gain the others lose
    np.testing.assert_allclose(
        expression_change(expression, a, b), gained, rtol=0, atol=PARITY
    )  # of probabilities, at most 1
    apart = np.asarray(face_landmarks(landmarks, a)) - face_landmarks(landmarks, b)
    assert worst(landmark_change(landmarks, a, b), np.hypot(apart[..., 0], apart[..., 1])) < PARITY
    assert not np.any(landmark_change(landmarks, a, a))
    assert np.isfinite(jax.grad(lambda x: landmark_change(landmarks, x, a).sum())(a)).all()


def test_landmark_groups_cover_all_points_once():
    assert [i for group in LANDMARKS.values() for i in range(68)[group]] == list(range(68))


def test_landmarks_lie_where_they_should():
    """Brows above eyes above nose above mouth; and a shifted image shifts them."""
    params, faces = oracle.load_or_skip("face_landmarks"), oracle.pictures()["square"]
    points = np.asarray(face_landmarks(params, faces))
    heights = [points[:, LANDMARKS[group], 0].mean(1) for group in ("brows", "eyes", "nose", "mouth")]
    assert np.all(np.diff(heights, axis=0) > 0.05)
    shifted = np.pad(faces, ((0, 0), (0, 0), (6, 0), (0, 0)), mode="edge")[:, :, :64]
    moved = np.median(np.asarray(face_landmarks(params, shifted)) - points, axis=1)
    np.testing.assert_allclose(
        moved, np.broadcast_to([0, 6 / 64], moved.shape), atol=0.015
    )  # a pixel of 64: the network's own error


def test_persons_are_told_apart():
    """A face and its mirror image are one person, and nearer than two samples are."""
    params, faces = oracle.load_or_skip("face_recognition"), oracle.pictures()["square"]
    mirrored = np.asarray(identity_change(params, faces, faces[:, :, ::-1]))
    others = np.asarray(identity_change(params, faces, np.roll(faces, 1, axis=0)))
    assert mirrored.max() < SAME_PERSON and 1.5 * mirrored.max() < others.min()


def test_the_laughing_face_is_happy():
    params, faces = oracle.load_or_skip("face_expression"), oracle.pictures()["square"]
    chances = face_expressions(params, faces)
    np.testing.assert_allclose(chances.sum(-1), 1, atol=1e-6)
    assert [EXPRESSIONS[i] for i in chances.argmax(-1)] == ["happy", "neutral", "neutral", "neutral"]
    assert expression_change(params, faces[:1], faces[1:2])[0] > 0.9
