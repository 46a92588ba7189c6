"""The one exception with which every reader and converter of this package refuses a file."""


class CheckpointError(ValueError):
    """A file that is damaged, hostile or of a kind not known here; one line that says what is wrong and where."""
