"""What a file may lack without being damaged: made up, and said. Tensors are in the common language."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from lrgan_jax.convert.formats.rules import Origin, unusable
from lrgan_jax.convert.formats.stylegan2.names import block_number
from lrgan_jax.generators import StyleGAN2Config
from lrgan_jax.generators.stylegan2 import map_latents

Pictures = Literal["random", "zeros"]
NO_MEAN = "the file has no mean latent (w_avg), it was estimated from 10,000 samples of seed 0"


def put_given_mean(
    given: Mapping[str, Any], tensors: dict[str, np.ndarray], ours: str, origin: Origin, problems: list[str]
) -> None:
    """The mean latent that the user gives, if so, in the place of the file's, which is called `ours`."""
    if (mean := given.get("w_avg")) is not None:
        tensors[ours], origin.names[ours] = mean, "the mean latent given"
        problems += [f"the mean latent given {problem}" for problem in [unusable(mean)] if problem]


def one_row(mean: np.ndarray, name: str, problems: list[str]) -> np.ndarray:
    """The mean latent of a file that has it once, or once for every layer."""
    if mean.ndim < 2 or not mean.size:
        return mean
    rows = mean.reshape(-1, mean.shape[-1])
    if (rows != rows[0]).any():
        problems.append(f"{name}: {len(rows)} rows that differ, where one mean latent is wanted")
    return rows[0]


def silenced(
    tensors: Mapping[str, np.ndarray], config: StyleGAN2Config, layers: Sequence[str]
) -> dict[str, np.ndarray]:
    """The tensors, noise of no strength in these layers if the network has noise at all."""
    out = dict(tensors)
    for layer in layers if config.use_noise else ():
        out[f"{layer}.noise_strength"] = np.zeros((), np.float32)
        out.setdefault(f"{layer}.noise_const", np.zeros(_size(layer, config), np.float32))
    return out


def completed(
    tensors: Mapping[str, np.ndarray], config: StyleGAN2Config, noise: Pictures
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The tensors with what files may lack, the mean latent (zeros for now) and all noise pictures; and remarks on it.

    A file without resampling filters is one of parameters alone; the configuration has the usual one then.
    """
    out, remarks = dict(tensors), []
    if "mapping.w_avg" not in out:
        out["mapping.w_avg"] = np.zeros(config.w_dim, np.float32)
        remarks.append(NO_MEAN)
    if len(config.channels) > 1 and not any(name.endswith(".resample_filter") for name in out):
        remarks.append("the file has no resampling filter, so the usual one of 1, 3, 3, 1 is assumed")
    if config.use_noise and not any(name.endswith(".noise_const") for name in out):
        random = np.random.default_rng(0)
        for name in [name for name in out if name.endswith(".noise_strength")]:
            drawn = random.standard_normal(_size(name, config), np.float32)
            out[name.replace("noise_strength", "noise_const")] = drawn if noise == "random" else np.zeros_like(drawn)
        remarks.append(no_pictures(noise))
    return out, remarks


def _size(name: str, config: StyleGAN2Config) -> tuple[int, int]:
    """Of the block that a tensor belongs to."""
    return config.sizes[block_number(re.findall(r"\d+", name)[0])]


def no_pictures(noise: Pictures) -> str:
    """The remark on noise pictures that were made up."""
    how = "made from seed 0" if noise == "random" else "zeros"
    return (
        f"the file has no noise pictures; they are {how} (--noise), "
        "so details of images differ from those of its project"
    )


def mean_latent(config: Any, variables, mapping: Callable[..., Any] = map_latents, samples: int = 10_000) -> np.ndarray:
    """w averaged over random z (and random labels), as the peers do when a file carries no mean."""
    key_z, key_c = jax.random.split(jax.random.key(0))
    z, c = jax.random.normal(key_z, (samples, config.z_dim), jnp.float32), None
    if config.c_dim:
        labels = jax.random.randint(key_c, (samples,), 0, config.c_dim, jnp.int32)
        c = jax.nn.one_hot(labels, config.c_dim, dtype=jnp.float32)
    return np.asarray(mapping(config, variables, z, c).mean(0))
