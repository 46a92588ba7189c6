"""What a user can cause and mend: one line for a person, and one base class, by which commands tell it from a bug of
ours.

Each is the usual kind of Python's, too, so that who calls a function catches what they would expect.
"""


class LrganError(Exception):
    """The base of all errors that a user can cause; the message is one line that says what to change."""


class InputError(LrganError, ValueError):
    """Values that make no sense, or do not fit together or the model."""


class InputTypeError(LrganError, TypeError):
    """One kind of thing where another is meant, such as a model's name where the model is wanted."""


class PlaceError(LrganError, OSError):
    """A file or folder that cannot be read or written there."""


class ExistsError(PlaceError, FileExistsError):
    """Something is there already, and nothing is overwritten."""


class MissingError(PlaceError, FileNotFoundError):
    """Nothing is there."""


class FolderError(PlaceError, IsADirectoryError):
    """A folder where a file is meant."""


class NoFolderError(PlaceError, NotADirectoryError):
    """Something else where a folder is meant."""


class DeniedError(PlaceError, PermissionError):
    """Whoever asks may not."""


class ConvergenceError(LrganError, RuntimeError):
    """A solver that stopped before it was done."""


class DeviceError(LrganError, RuntimeError):
    """The device that JAX was told to use is not there; the message says what JAX says."""


class MissingPackageError(LrganError, ImportError):
    """A package that only this needs is not installed."""
