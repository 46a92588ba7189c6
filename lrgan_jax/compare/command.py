"""`lrgan compare`: options to an experiment, its tables and its page."""
import json
import math
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lrgan_jax import checkpoint
from lrgan_jax.checks import random_key
from lrgan_jax.compare.experiment import run
from lrgan_jax.compare.page import page
from lrgan_jax.compare.plane import picture
from lrgan_jax.compare.summary import summary
from lrgan_jax.files import check_place, write_whole
from lrgan_jax.options import Layers, Model, UsageError, chosen_layers, regions_or_own
from lrgan_jax.report import COLOURS


def compare_command(
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("lrgan-compare"),
    num_latents: int = 64,
    num_walked: int = 16,
    regions: tuple[str, ...] = (),
    layers: Layers = None,
    truncation: float = 1.0,
    seed: int = 0,
) -> None:
    """Compare all methods at the same change inside the region, as the paper does and beyond; tables, a page, and figures as JSON.

    Args:
        model: a name that `lrgan info` lists, or a folder that `python -m convert` wrote.
        out: the folder to write: index.html, plane.svg and figures.json.
        num_latents: how many random latents. 64 take an hour on two CPU cores.
        num_walked: walks are compared with straight edits from so many of them.
        regions: names of regions, masks (box.png) or labels of a label map (map.png:4,5); four of the model's own by default.
        layers: the layers to differentiate and edit, such as 4-7; all by default.
        truncation: below 1 pulls latents towards the mean.
        seed: of everything random; the same seed gives the same figures, but for the seconds.
    """
    for name in ("index.html", "plane.svg", "figures.json"):
        check_place(out / name)
    gen = checkpoint.load(model)
    if num_latents < 2 or num_walked < 1:
        raise UsageError("at least 2 latents are compared, and 1 walked from")
    if gen.c_dim:
        raise UsageError("conditional models are not compared yet: their latents need labels")
    regions = tuple(dict.fromkeys(regions_or_own(regions, gen)))
    comparison = run(
        gen, random_key(seed), regions, num_latents=num_latents, num_walked=num_walked, layers=chosen_layers(layers, gen),
        truncation=truncation, progress=lambda steps: tqdm(steps, "latents", unit="latent"),
    )  # fmt: skip
    settings = {"model": gen.info.name, "fingerprint": gen.info.fingerprint, "layers": layers, "truncation": truncation, "seed": seed}
    figures = settings | summary(comparison)
    which = "all layers" if layers is None else f"layers {layers}"
    note = f"{num_latents} random latents, seed {seed}, truncation {truncation:g}, {which}."
    write_whole(out / "figures.json", (json.dumps(_or_null(figures), indent=1, allow_nan=False) + "\n").encode())
    write_whole(out / "plane.svg", picture(comparison, COLOURS).encode())
    write_whole(out / "index.html", page(comparison, figures, model=gen.info.name, note=note).encode())
    print("change outside over change inside at the same change inside, in percent (median):")
    print(f"  {'':12}" + "".join(f"{name:>9}" for name in ("all", *regions)))
    for method, leaks in figures["leaks"].items():
        print(f"  {method:12}" + "".join(f"{100 * leak['median']:9.1f}" for leak in leaks.values()))
    if (share := figures["ranks"]["1"]["converged"]) < 1:
        print(f"note: {1 - share:.1%} of the robust PCAs looked at stopped before they converged; methods with a null space rest on them")
    print(f"open {out / 'index.html'}")


def _or_null(figures: Any) -> Any:
    """JSON knows neither NaN nor infinity, which stand for what a method lacks."""
    if isinstance(figures, dict):
        return {name: _or_null(value) for name, value in figures.items()}
    return None if isinstance(figures, float) and not math.isfinite(figures) else figures
