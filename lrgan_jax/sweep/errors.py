"""What can be wrong with a sweep or its store; messages are one line for a person."""

from lrgan_jax.base.errors import InputError


class SweepError(InputError):
    """A sweep that cannot start or go on."""


class Damaged(SweepError):
    """A committed block that cannot be read, or is not what was written."""
