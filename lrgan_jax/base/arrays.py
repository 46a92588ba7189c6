"""What may be passed as an array."""

import jax
import numpy as np

AnyArray = jax.Array | np.ndarray  # what comes back is a JAX array, unless it says otherwise
