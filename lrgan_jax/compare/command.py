"""`lrgan compare`: options to an experiment, its tables and its page."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from lrgan_jax import checkpoint, sweep
from lrgan_jax.compare.experiment import STAGES, run
from lrgan_jax.compare.figures import Figures, as_json, summary
from lrgan_jax.compare.page import page
from lrgan_jax.compare.plane import picture
from lrgan_jax.compare.stages import forget
from lrgan_jax.errors import InputError
from lrgan_jax.files import check_place, write_whole
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.interrupt import Interrupted
from lrgan_jax.layers import layers_text
from lrgan_jax.pages.kit import COLOURS
from lrgan_jax.search import Search

FILES = ("index.html", "plane.svg", "figures.json")


def compare_command(
    *,
    model: Annotated[str, tyro.conf.arg(metavar="NAME|FOLDER")] = "faces-dcgan",
    out: Path = Path("lrgan-compare"),
    num_latents: int = 64,
    num_walked: int = 16,
    regions: tuple[str, ...] = (),
    layers: Annotated[str | None, tyro.conf.arg(metavar="4-7|4,6")] = None,
    per_layer: bool = False,
    protect: tuple[str, ...] = (),
    labels: tuple[int, ...] = (),
    truncation: float = 1.0,
    seed: int = 0,
    from_sweep: Annotated[str | None, tyro.conf.arg(metavar="STORE")] = None,
) -> None:
    """Compare all methods at the same change inside the region, as the paper does and beyond; tables, a page, and
    figures as JSON.

    After a stop the same command goes on where it was.

    Args:
        model: a name that `lrgan info` lists, or a folder that `python -m convert` wrote.
        out: the folder to write: index.html, plane.svg and figures.json.
        num_latents: how many random latents. 64 take an hour on two CPU cores.
        num_walked: walks are compared with straight edits from so many of them.
        regions: names of regions, masks (box.png) or labels of a label map (map.png:4,5); four of the model's own by
          default.
        layers: the layers to differentiate and edit, such as 4-7; all by default.
        per_layer: a vector for each layer (W+) instead of one that all of them share.
        protect: what must keep still, as regions; the whole rest by default.
        labels: classes of a conditional model, taken in turn.
        truncation: below 1 pulls latents towards the mean.
        seed: of everything random; the same seed gives the same figures, but for the seconds.
        from_sweep: take latents and Grams of what `lrgan sweep --grams float32` kept.
    """
    for name in FILES:
        check_place(out / name)
    gen = checkpoint.load(model)
    names = regions or tuple(gen.info.regions)[:4]
    if not names:
        raise InputError(
            "this model has no named regions: name some of the papers' tables, such as --regions eyes mouth nose"
        )
    if num_latents < 2 or num_walked < 1:
        raise InputError("at least 2 latents are compared, and 1 walked from")
    search = Search(layers=layers, per_layer=per_layer, protect=list(protect) or None, draw=seed)
    source = (
        sweep.open(from_sweep) if from_sweep else seeded(gen, seed, num_latents, labels=labels, truncation=truncation)
    )
    try:
        comparison = run(
            gen,
            source,
            tuple(dict.fromkeys(names)),
            search,
            num_latents=num_latents,
            num_walked=num_walked,
            folder=out / STAGES,
            progress=shown,
        )
    except KeyboardInterrupt:
        raise Interrupted("stopped, with all finished pieces kept; the same command goes on", signal.SIGINT) from None
    about = {"model": gen.info.name, "fingerprint": gen.info.fingerprint, "search": search.to_json()}
    where = (
        f"latents of the sweep {from_sweep}"
        if from_sweep
        else f"random latents, seed {seed}, truncation {truncation:g}"
    )
    note = f"{num_latents} {where}, {layers_text(layers)}."
    figures = summary(comparison)
    settings = about | {"sweep": from_sweep} if from_sweep else about | {"truncation": truncation, "seed": seed}
    text = json.dumps(as_json(settings | figures._asdict()), indent=1, allow_nan=False) + "\n"
    write_whole(out / "figures.json", text.encode())
    write_whole(out / "plane.svg", picture(comparison, COLOURS).encode())
    write_whole(out / "index.html", page(comparison, figures, model=gen.info.name, note=note).encode())
    forget(out / STAGES)
    print(table(figures))
    print(f"open {out / 'index.html'}")


def table(figures: Figures) -> str:
    """What the command says of the leaks, and of what they rest on."""
    lines = ["change outside over change inside at the same change inside, in percent (median):"]
    lines.append(f"  {'':12}" + "".join(f"{name:>9}" for name in ("all", *figures.regions)))
    for method, leaks in figures.leaks.items():
        lines.append(f"  {method:12}" + "".join(f"{100 * float(leak.median):9.1f}" for leak in leaks.values()))
    if (share := figures.ranks["1"].converged) < 1:
        early = "of the robust PCAs looked at stopped before they converged; methods with a null space rest on them"
        lines.append(f"note: {1 - share:.1%} {early}")
    return "\n".join(lines)


def shown(stage: str, numbers: Sequence[int]) -> Any:
    """How far each stage is."""
    return tqdm(numbers, f"{stage:8}", unit="region" if stage == "walks" else "latent")
