"""The Grams of an experiment out of a sweep that kept them, after a look at whether they are of the same."""

import numpy as np

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.settings import differences
from lrgan_jax.compare.setup import Setup, prints
from lrgan_jax.evaluation import Scene
from lrgan_jax.generators import Z
from lrgan_jax.layers import layers_text, moves_of
from lrgan_jax.search import Search
from lrgan_jax.sweep import Sweep, symmetric

NAMES = ("gram_inside", "gram_outside")


def prepare_kept(scene: Scene, z: Z | None, sweep: Sweep) -> Setup:
    """The Grams of the sweep's first usable latents; of regions drawn otherwise it has none.

    Raises:
      InputError: if it is of another model, of other regions or settings, or kept no Grams in 32 bits.
    """
    if not {*NAMES} <= {*sweep.arrays} or sweep[NAMES[0]].dtype.name != "float32":
        raise InputError('this sweep has not kept its Grams in 32 bits: sweep again, with grams="float32"')
    if missing := [region for region in scene.regions if region not in sweep.regions]:
        raise InputError(f"this sweep has no region {missing[0]!r}, it has {', '.join(sweep.regions)}")
    if different := _different(scene, sweep):
        raise InputError(f"this sweep's Grams are of something else: {'; '.join(different)}")
    numbers = np.flatnonzero(sweep.usable())[: len(scene.ws)]
    own = [symmetric(np.asarray(sweep[name][numbers])[:, _rows(scene, sweep)]) for name in NAMES]
    return Setup(scene, z, *own, *(gram[:, None][:, :0] for gram in own))


def _different(scene: Scene, sweep: Sweep) -> list[str]:
    """In what the sweep's Grams differ from those that the scene is about, a text each."""
    settings, search = sweep.manifest["settings"], scene.search
    options = {"channels": Search().channels, "pooling": Search().pooling, "per_layer": False} | settings["options"]
    asked = {"model": scene.gen.info.fingerprint, "channels": search.channels, "pooling": search.pooling}
    found = list(differences(asked, {name: (settings | options)[name] for name in asked}))
    part = tuple(options["part"]) if options.get("part") else None
    if moves_of(options["layers"], scene.gen.num_ws, per_layer=options["per_layer"], numbers=part) != scene.moves:
        vectors = "a vector for each of " if options["per_layer"] else ""
        found.append(f"it moves {vectors}{layers_text(options['layers'])}")
    own, protected = np.split(prints(scene.targets.masks), [len(scene.regions)])
    if own.tolist() != [settings["regions"][region] for region in scene.regions]:
        found.append("its regions of these names are drawn otherwise, or at another size")
    protect = options.get("protect") or {"masks": {}, "weights": None}
    keep = None if protect["weights"] is None else np.array(protect["weights"], np.float32)[_rows(scene, sweep)]
    if _differ(keep, scene.targets.keep) or protected.tolist() != [*protect["masks"].values()]:
        found.append("something else keeps still")
    return found


def _differ(a: AnyArray | None, b: AnyArray | None) -> bool:
    """Whether two arrays are not the same, or one of them is none."""
    return (a is None) != (b is None) or not np.array_equal(np.asarray(a), np.asarray(b))


def _rows(scene: Scene, sweep: Sweep) -> list[int]:
    """Where the scene's regions stand among the sweep's."""
    return [sweep.regions.index(region) for region in scene.regions]
