"""What faces64's card says of its images, beside those of the DCGAN it learnt from: python tests/benchmarks/student.py
[MODEL ...]

Printed for each model: the sliced Wasserstein distance to held-out samples of the data, the mean absolute difference
from the DCGAN's image of the same z, and path lengths. `pairs.webp` shows rows of the DCGAN's images, each above those
of the models, for the same z.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
import jax  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from lrgan_jax import images  # noqa: E402
from lrgan_jax.generators import image_function, render, sample_z, to_ws  # noqa: E402
from lrgan_jax.metrics import sliced_wasserstein  # noqa: E402
from lrgan_jax.models import checkpoint
from lrgan_jax.training import losses, sampled  # noqa: E402

COMPARED, PAIRED, LENGTHS = 10_000, 256, 256
COLUMNS, BANDS = 12, 2


def made(gen, num: int):
    parts = (sample_z(gen, jax.random.fold_in(jax.random.key(7), k), 500) for k in range(num // 500))
    return np.concatenate([np.asarray(render(gen, to_ws(gen, gen.mapping(z)))) for z in parts])


def path_lengths(gen):
    """|J^T y| of random latents, without noise that changes."""
    length = jax.jit(lambda ws, y: losses.path_length(image_function(gen), ws, y))
    ws = to_ws(gen, gen.mapping(sample_z(gen, jax.random.key(9), LENGTHS))).array
    shape = (gen.size[0], gen.size[0], 3)
    return np.array(
        [length(w, jax.random.normal(jax.random.fold_in(jax.random.key(3), k), shape)) for k, w in enumerate(ws)]
    )


def main(names) -> None:
    teacher = checkpoint.load("faces-dcgan")
    pairs = sampled(teacher, PAIRED, seed=3, on_sphere=True)
    assert pairs.latents is not None
    z, wanted = pairs.latents(0), np.asarray(pairs.batch(0))
    rows = [wanted]
    held_out, other = (np.asarray(sampled(teacher, 500, seed=seed).reference(COMPARED)) for seed in (1, 2))
    print("data", {size: round(far, 1) for size, far in sliced_wasserstein(other, held_out).items()}, flush=True)
    for name in names:
        gen = checkpoint.load(name)
        found, lengths = np.asarray(render(gen, to_ws(gen, gen.mapping(z)))), path_lengths(gen)
        distance = sliced_wasserstein(made(gen, COMPARED), held_out)
        print(
            name,
            {size: round(far, 1) for size, far in distance.items()},
            f"l1 {np.abs(found - wanted).mean():.3f}",
            f"path length {lengths.mean():.3f}, deviation {lengths.std() / lengths.mean():.0%}",
            flush=True,
        )
        rows.append(found)
    bands = [row[k * COLUMNS : (k + 1) * COLUMNS] for k in range(BANDS) for row in rows]
    Image.fromarray(images.grid(bands)).save("pairs.webp", quality=90)


if __name__ == "__main__":
    main(sys.argv[1:] or ["faces64"])
