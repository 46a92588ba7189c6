"""LowRankGAN in JAX: edit one region of a generated image and leave the rest still.

    import jax
    import lrgan_jax as lr

    gen = lr.load("faces-dcgan")  # or the folder that `lrgan convert` wrote
    w = gen.mapping(lr.sample_z(gen, jax.random.key(1), 1))
    mouth = lr.find_directions(gen, w, "mouth")  # or a PNG, or an array
    images = gen.synthesis(lr.edit(w, mouth[0], [-2.0, 0.0, 2.0])[:, 0])
    lr.show(images)

To find           find_directions, global_directions, layer_map; what is asked: Search, methods
To move           edit, walk, named_direction, Directions.load
To look           show, render, explore; images
A region          region_mask; regions
A model           load, save, embedded_models; convert, from_function, style_space, training
Latents           sample_z, near_frontal, load_latents, to_ws
A photograph      open_photograph, align, invert, tune; photographs, inversion
Many latents      sweep.run, sweep.open
To measure        region_change, step_for_change, equal_steps; metrics
The mathematics   region_grams, robust_pca, analyse, leading_directions; rpca

All of these are `lr.NAME`, and `help(lr.NAME)` explains it. Start reading at `pipeline.py`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lrgan_jax.base.errors import LrganError
from lrgan_jax.base.progress import show_progress
from lrgan_jax.directions import Directions, DirectionsError, Found, Measure
from lrgan_jax.editing import edit, walk
from lrgan_jax.generators import (
    WS,
    Generator,
    Latent,
    LatentsError,
    ModelInfo,
    W,
    Z,
    from_function,
    image_function,
    load_latents,
    near_frontal,
    render,
    sample_z,
    style_space,
    to_ws,
)
from lrgan_jax.generators.natural import OwnLatents, depth, own_latents
from lrgan_jax.glossary import explain
from lrgan_jax.jacobian import RegionGrams, region_grams, spread_over
from lrgan_jax.layer_map import LayerMap, layer_map
from lrgan_jax.leading import LeadingDirections, leading_directions
from lrgan_jax.lengths import latent_moves, natural_gram, natural_moves
from lrgan_jax.metrics import equal_steps, principal_angles, region_change, step_for_change
from lrgan_jax.models.checkpoint import ModelError, embedded_models, load, save
from lrgan_jax.models.named import named_direction, named_directions
from lrgan_jax.panel import explore
from lrgan_jax.photographs import align, framing_of, open_photograph
from lrgan_jax.pipeline import Analysis, analyse, find_directions, global_directions, to_directions
from lrgan_jax.previews import show
from lrgan_jax.regions import RegionError, region_mask
from lrgan_jax.rpca import RobustPCA, robust_pca
from lrgan_jax.search import Search
from lrgan_jax.subspaces import (
    attribute_space,
    constrained_directions,
    default_mu,
    frontier_directions,
    null_space,
    priced_directions,
    projected_directions,
    rayleigh_directions,
    weight_directions,
)

if TYPE_CHECKING:
    from lrgan_jax import convert as convert
    from lrgan_jax import generators as generators
    from lrgan_jax import images as images
    from lrgan_jax import inversion as inversion
    from lrgan_jax import methods as methods
    from lrgan_jax import metrics as metrics
    from lrgan_jax import photographs as photographs
    from lrgan_jax import regions as regions
    from lrgan_jax import rpca as rpca
    from lrgan_jax import sweep as sweep
    from lrgan_jax import training as training
    from lrgan_jax.generators import (
        DCGAN,
        PGGAN,
        DCGANConfig,
        PGGANConfig,
        StyleGAN1,
        StyleGAN1Config,
        StyleGAN2,
        StyleGAN2Config,
        StyleGAN3,
        StyleGAN3Config,
    )
    from lrgan_jax.inversion import Fit, Inversion, invert, tune

__version__ = "0.2.0"
__all__ = [
    "DCGAN",
    "PGGAN",
    "W",
    "WS",
    "Z",
    "Analysis",
    "DCGANConfig",
    "Directions",
    "DirectionsError",
    "Fit",
    "Found",
    "Generator",
    "Inversion",
    "Latent",
    "LatentsError",
    "LayerMap",
    "LeadingDirections",
    "LrganError",
    "Measure",
    "ModelError",
    "ModelInfo",
    "OwnLatents",
    "PGGANConfig",
    "RegionError",
    "RegionGrams",
    "RobustPCA",
    "Search",
    "StyleGAN1",
    "StyleGAN1Config",
    "StyleGAN2",
    "StyleGAN2Config",
    "StyleGAN3",
    "StyleGAN3Config",
    "align",
    "analyse",
    "attribute_space",
    "constrained_directions",
    "default_mu",
    "depth",
    "edit",
    "embedded_models",
    "equal_steps",
    "explain",
    "explore",
    "find_directions",
    "framing_of",
    "from_function",
    "frontier_directions",
    "global_directions",
    "image_function",
    "invert",
    "latent_moves",
    "layer_map",
    "leading_directions",
    "load",
    "load_latents",
    "named_direction",
    "named_directions",
    "natural_gram",
    "natural_moves",
    "near_frontal",
    "null_space",
    "open_photograph",
    "own_latents",
    "priced_directions",
    "principal_angles",
    "projected_directions",
    "rayleigh_directions",
    "region_change",
    "region_grams",
    "region_mask",
    "render",
    "robust_pca",
    "sample_z",
    "save",
    "show",
    "show_progress",
    "step_for_change",
    "spread_over",
    "style_space",
    "to_directions",
    "to_ws",
    "tune",
    "walk",
    "weight_directions",
]


ROOMS = (
    "convert",
    "generators",
    "images",
    "inversion",
    "methods",
    "metrics",
    "photographs",
    "regions",
    "rpca",
    "sweep",
    "training",
)
_shown = [*__all__, *ROOMS, "__version__"]
del __all__  # of which `help(lr)` would print every word, 2,500 lines


def __dir__() -> list[str]:
    return _shown


if not TYPE_CHECKING:  # to which every name would then be one

    def __getattr__(name: str) -> object:
        """What loads Flax, Optax or TensorStore, when it is first asked for: rooms, architectures, inversion."""
        if name in ROOMS:
            return import_module(f"{__name__}.{name}")
        if name not in _shown:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from lrgan_jax import generators, inversion

        return getattr(inversion if name in inversion.__all__ else generators, name)
