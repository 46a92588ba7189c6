"""The one exception with which every reader and converter of this package refuses a file."""

from lrgan_jax.base.errors import InputError

LONGEST = 2000


class CheckpointError(InputError):
    """A file that is damaged, hostile or of a kind not known here; one line that says what is wrong and where.

    The line is printable and of bounded length whatever names the file holds, so that no terminal obeys them.
    """

    def __init__(self, message: str):
        printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)
        super().__init__(printable if len(printable) <= LONGEST else printable[: LONGEST - 3] + "...")
