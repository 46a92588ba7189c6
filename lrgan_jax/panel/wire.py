"""What travels between the page and Python: pictures as addresses of their own data, files and texts."""

import base64
import binascii
import io
import logging
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

from lrgan_jax import images
from lrgan_jax.base.errors import InputError, LrganError

LOSSLESS = 256  # side up to which pictures travel as PNG
LARGEST_FILE = 48 * 2**20  # bytes of a photograph: what cameras write, and 16 bits a channel of 8 million pixels

Request = Mapping[str, Any]
Reply = dict[str, Any]


def uri(picture: images.Picture) -> str:
    """PNG where that is quick; a large picture as JPEG, in which what an edit changes is seen just as well."""
    if max(picture.shape[:2]) <= LOSSLESS:
        return images.data_uri(picture)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def answered(job: Callable[[], Reply]) -> Reply:
    """What the job answers; `{"error": one line}` where it cannot."""
    try:
        return job()
    except LrganError as error:
        return {"error": str(error)}
    except Exception as error:  # a device out of memory, say: the panel waits for an answer, whatever it is
        logging.getLogger(__name__).exception("a request of the panel failed")
        return {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def text(request: Request, name: str) -> str:
    """What the request says by that name.

    Raises:
      InputError: if that is no text.
    """
    if not isinstance(value := request.get(name), str):
        raise InputError(f"{name} is missing, or no text")
    return value


def file(request: Request, name: str) -> bytes:
    """The content of a file, which comes as base64.

    Raises:
      InputError: if it is none, or larger than LARGEST_FILE.
    """
    content = text(request, name)
    if len(content) > LARGEST_FILE * 4 // 3 + 4:
        raise InputError(f"the file is too large: at most {LARGEST_FILE >> 20} MB; make it smaller, or save it as JPEG")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{name} is not base64") from error


def whole(request: Request, name: str, *, least: int = 0, most: int, default: int | None = None) -> int:
    """The whole number that the request says by that name.

    Raises:
      InputError: if it says none, and there is no default, or one that is not within the bounds.
    """
    value = request.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise InputError(f"{name} is a number from {least} to {most}")
    return value


def number(request: Request, name: str, *, least: float = 0.0, most: int | float, default: float) -> float:
    """The same of any number.

    Raises:
      InputError: if it is none within the bounds.
    """
    value = request.get(name, default)
    if type(value) not in (int, float) or not least <= value <= most:  # nan is not, either
        raise InputError(f"{name} is a number from {least:g} to {most:g}")
    return float(value)


def encoded(content: bytes) -> str:
    """A file's content as text."""
    return base64.b64encode(content).decode()
