"""Ours, for a real step: the frontier's direction, looked for again along the way of its own edit.

See `lrgan_jax.refined`, which takes the steps, and `lrgan_jax.measured`, which prices them. What its directions say of
change inside and outside is the mean over that way, and not first order at the latent.
"""

from lrgan_jax.methods.frontier import find
from lrgan_jax.methods.record import Method

REFINED = Method(
    "refined",
    "refined",
    "the frontier's, looked for again along the way of its edit: for far edits",
    "steps",
    find,
    "ours",
)
