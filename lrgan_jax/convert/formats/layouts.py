"""Turns of tensors that rules have in common. One that a tensor's shape does not allow is a ValueError."""

import numpy as np


def scalar(array: np.ndarray) -> np.ndarray:
    """Of one number, in whatever axes, to that number."""
    return array.reshape(())


def without_first(array: np.ndarray) -> np.ndarray:
    """[1, ...] to [...]."""
    return array.reshape(array.shape[1:])


def with_first(array: np.ndarray) -> np.ndarray:
    """[...] to [1, ...]."""
    return array[None]


def without_two(array: np.ndarray) -> np.ndarray:
    """[1, 1, h, w] to [h, w], of a picture or a filter."""
    return array.reshape(array.shape[2:])


def with_two(array: np.ndarray) -> np.ndarray:
    """[h, w] to [1, 1, h, w]."""
    return array[None, None]


def oihw_to_hwio(kernel: np.ndarray) -> np.ndarray:
    """From PyTorch's convolutions to ours and TensorFlow's."""
    return kernel.transpose(2, 3, 1, 0)


def hwio_to_oihw(kernel: np.ndarray) -> np.ndarray:
    """From our convolutions and TensorFlow's to PyTorch's."""
    return kernel.transpose(3, 2, 0, 1)


def reversed_oihw(kernel: np.ndarray) -> np.ndarray:
    """A kernel of PyTorch's layout, both of its axes the other way round."""
    return kernel[:, :, ::-1, ::-1]


def swapped_iohw(kernel: np.ndarray) -> np.ndarray:
    """IOHW to HWIO and back, of transposed convolutions."""
    return kernel.transpose(2, 3, 0, 1)
