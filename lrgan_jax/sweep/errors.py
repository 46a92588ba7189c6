"""What can be wrong with a sweep or its store; messages are one line for a person."""


class SweepError(ValueError):
    """A sweep that cannot start or go on."""


class Damaged(SweepError):
    """A committed block that cannot be read, or is not what was written."""
