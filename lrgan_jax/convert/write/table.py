"""Who goes back where: a project, and of its families what writes them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lrgan_jax.base.errors import InputError
from lrgan_jax.convert.write import ajbrock, back, hammer, huggingface, nvidia_stylegan3
from lrgan_jax.generators import PGGAN, BigGAN, StyleGAN1, StyleGAN2, StyleGAN3


class Written(NamedTuple):
    """The content of files by their names in a folder, "" for the one file that is all; and a word on their use."""

    files: Mapping[str, bytes | memoryview]
    said: str


def written(gen: Any, project: str) -> Written:
    """What `project`'s code loads. It was read again and is the same network.

    Raises:
      InputError: if that code has no such networks. CheckpointError: if it cannot hold this one.
    """
    families = WRITERS[project]
    if type(gen) not in families:
        known = " and ".join(family.__name__ for family in families)
        raise InputError(f"a {type(gen).__name__} does not go to {project}, only {known} models do")
    return families[type(gen)](gen)


def _nvidia_stylegan2(gen: StyleGAN2) -> Written:
    return _state_dict(back.written(gen, "nvidia"), "nvidia", _call("Generator", back.nvidia_arguments(gen.config)))


def _nvidia_stylegan3(gen: StyleGAN3) -> Written:
    call = _call("Generator", nvidia_stylegan3.arguments(gen.config))
    return _state_dict(nvidia_stylegan3.written(gen), "nvidia", call)


def _rosinality(gen: StyleGAN2) -> Written:
    return _state_dict(back.written(gen, "rosinality"), "rosinality")


def _hammer(gen: StyleGAN1 | StyleGAN3 | PGGAN) -> Written:
    return Written({"": hammer.written(gen)}, "a model of Hammer's, with the arguments of its constructor")


def _ajbrock(gen: BigGAN) -> Written:
    content, arguments = ajbrock.written(gen)
    return _state_dict(content, "ajbrock", _call(f"{arguments.pop('model')}.Generator", arguments))


def _huggingface(gen: BigGAN) -> Written:
    return Written(
        huggingface.written(gen), "a folder for pytorch_pretrained_biggan's BigGAN.from_pretrained(...).eval()"
    )


WRITERS: dict[str, dict[type, Callable[[Any], Written]]] = {
    "nvidia": {StyleGAN2: _nvidia_stylegan2, StyleGAN3: _nvidia_stylegan3},
    "rosinality": {StyleGAN2: _rosinality},
    "hammer": {StyleGAN1: _hammer, StyleGAN3: _hammer, PGGAN: _hammer},
    "ajbrock": {BigGAN: _ajbrock},
    "huggingface": {BigGAN: _huggingface},
}


def _state_dict(content: memoryview, project: str, call: str = "") -> Written:
    use = f"\nload it into {call}" if call else ""
    return Written({"": content}, f"a PyTorch state dict with the names of {project}'s code{use}")


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
