"""The face of a photograph that is meant, and the places of its eyes and mouth.

The landmark network wants an upright face and little else. So it looks twice more at a square that the landmarks
themselves say, turned as the eyes are: from other squares its answers differ by 1 % of the distance of the eyes (16
faces of 5 photographs), of that which the detector's box says by up to 3 %.
"""

import numpy as np
from jaxtyping import Float

from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.metrics import detection
from lrgan_jax.metrics.faces import face_landmarks
from lrgan_jax.metrics.networks import load
from lrgan_jax.photographs.crop import cut
from lrgan_jax.photographs.framing import FourPoints, Quad, crop_map
from lrgan_jax.photographs.photograph import Photograph
from lrgan_jax.photographs.warp import moved

SEEN = detection.SIDES[-1]  # pixels of the longer side in which faces are looked for
INPUT = 112  # pixels a side that the landmark network takes
AROUND = 1.2  # of the smallest square around the landmarks: where the answers differ least
MAIN = 1.5  # times as high as any other is the face that is meant, if nothing else is said
CLOSEST = 12  # pixels from eye to eye, below which a face is no more than a blur

Landmarks = Float[np.ndarray, "68 2"]


class FaceError(InputError):
    """No face, or none that can be aligned, or several and no choice; the message is one line."""


def find_faces(photo: Photograph) -> list[detection.Face]:
    """Boxes in pixels of the photograph, the largest face first.

    Raises:
      MetricsError: in one line that says which commands to run, if the network is not there.
    """
    params, image = load("face_detection"), photo.shrunk(SEEN)
    enlarged = max(photo.size) / max(image.shape[:2])
    faces = detection.find_faces(params, image)
    return [detection.Face(face.score, *(enlarged * number for number in face[1:])) for face in faces]


def chosen_face(photo: Photograph, number: int | None) -> detection.Face:
    """The face of that number, the largest being 0; without a number the one, or one much larger than the others.

    Raises:
      FaceError: if there is none, or it takes a choice: in one line that lists them.
    """
    check_whole("face", number, least=0)
    faces = find_faces(photo)
    if not faces:
        raise FaceError("no face is found in the photograph; say where it is with points, or give a box")
    if number is None and (len(faces) == 1 or faces[0].height >= MAIN * faces[1].height):
        number = 0
    if number is None or number >= len(faces):
        found = f"{len(faces)} faces are found" if len(faces) > 1 else "1 face is found"
        raise FaceError(f"{found}; choose one by its number: {'; '.join(map(_described, range(len(faces)), faces))}")
    return faces[number]


def find_points(photo: Photograph, number: int | None = None) -> FourPoints:
    """Eyes and corners of the mouth of a face.

    Raises:
      FaceError: as `chosen_face`, or if the face is cut off or too small. MetricsError: as `find_faces`.
    """
    face, params = chosen_face(photo, number), load("face_landmarks")
    half = max(face.height, face.width) / 2
    middle = np.array([face.top + face.height / 2, face.left + face.width / 2])
    landmarks = _seen_in(photo, params, middle + half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]))
    for _ in range(2):
        landmarks = _seen_in(photo, params, _upright_square(landmarks))
    points = four_points(landmarks)
    _check_whole(photo, points)
    return points


def four_points(landmarks: Landmarks) -> FourPoints:
    """The middles of the eyes and the outer corners of the mouth, of the usual 68."""
    return np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[48], landmarks[54]])


def _described(number: int, face: detection.Face) -> str:
    return f"{number} at row {face.top:.0f}, column {face.left:.0f}, {face.height:.0f} pixels high"


def _seen_in(photo: Photograph, params, quad: Quad) -> Landmarks:
    """What the network finds in the quad, in pixels of the photograph."""
    image = cut(photo, quad, (INPUT, INPUT)).astype(np.float32)
    places = np.asarray(face_landmarks(params, image[None])[0], np.float64)
    return moved(crop_map(quad, (1, 1)), places)


def _upright_square(landmarks: Landmarks) -> Quad:
    """Around the landmarks, its upper side along the eyes."""
    eyes = four_points(landmarks)[:2]
    across = (eyes[1] - eyes[0]) / np.hypot(*(eyes[1] - eyes[0]))
    axes = np.stack([[across[1], -across[0]], across])  # down, across
    low, high = (landmarks @ axes.T).min(0), (landmarks @ axes.T).max(0)
    half = AROUND * (high - low).max() / 2
    return ((low + high) / 2 + half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])) @ axes


def _check_whole(photo: Photograph, points: FourPoints) -> None:
    for name, place in zip(("eye on the left", "eye on the right", "mouth", "mouth"), points, strict=True):
        if not ((place >= 0) & (place <= photo.size)).all():
            raise FaceError(f"the face is cut off: its {name} lies outside the photograph")
    if (distance := np.hypot(*(points[1] - points[0]))) < CLOSEST:
        raise FaceError(f"the face is too small: {distance:.0f} pixels from eye to eye, at least {CLOSEST} are wanted")
