"""How far two subspaces are apart."""

import numpy as np
from jaxtyping import ArrayLike, Float

from lrgan_jax.base.errors import InputError


def principal_angles(a: Float[ArrayLike, "k d"], b: Float[ArrayLike, "m d"]) -> Float[np.ndarray, " j"]:
    """The angles between the spans of two sets of rows, in radians from 0 to pi/2, smallest first; as many as the
    smaller set has.

    Large ones come from cosines and small ones from sines, each where it is well determined: so both are exact to
    float64.

    Raises:
      InputError: if the widths differ, or the rows of a set depend on one another.
    Source: Bjorck and Golub 1973; Knyazev and Argentati 2002, algorithm 3.1.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"the angle is between rows [k, d] and [m, d], got {a.shape} and {b.shape}")
    for rows in (a, b):
        if np.linalg.matrix_rank(rows) < len(rows):
            raise InputError(
                f"{len(rows)} rows span fewer dimensions than that: leave out those that depend on the others"
            )
    if len(a) < len(b):
        a, b = b, a
    q_a, q_b = np.linalg.qr(a.T)[0], np.linalg.qr(b.T)[0]
    cosines = np.linalg.svd(q_a.T @ q_b, compute_uv=False)
    sines = np.linalg.svd(q_b - q_a @ (q_a.T @ q_b), compute_uv=False)[::-1]
    return np.where(cosines**2 < 0.5, np.arccos(np.clip(cosines, 0, 1)), np.arcsin(np.clip(sines, 0, 1)))
