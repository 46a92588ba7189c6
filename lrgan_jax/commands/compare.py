"""`lrgan compare`: options to an experiment, its tables and its page."""

import json
import signal
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from lrgan_jax import sweep
from lrgan_jax.base.files import check_place, write_whole
from lrgan_jax.base.interrupt import Interrupted
from lrgan_jax.base.progress import hint, waiting
from lrgan_jax.commands.options import Model, SearchOptions, UsageError, Which, load_model, regions_or_own
from lrgan_jax.commands.tables import text_table
from lrgan_jax.compare import front
from lrgan_jax.compare.experiment import STAGES, run
from lrgan_jax.compare.figures import Figures, as_json, summary
from lrgan_jax.compare.page import page
from lrgan_jax.compare.plane import picture
from lrgan_jax.compare.stages import forget
from lrgan_jax.pages.kit import COLOURS
from lrgan_jax.targets import moves_text

FILES = ("index.html", "plane.svg", "front.svg", "figures.json")


def compare_command(
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("lrgan-compare"),
    num_latents: int = 64,
    num_walked: int = 16,
    regions: tuple[str, ...] = (),
    methods: tuple[str, ...] = (),
    from_sweep: Annotated[str | None, tyro.conf.arg(metavar="STORE")] = None,
    search: Annotated[SearchOptions, tyro.conf.OmitArgPrefixes] = SearchOptions(),  # noqa: B008, a constant
    which: Annotated[Which, tyro.conf.OmitArgPrefixes] = Which(),  # noqa: B008, a constant
) -> None:
    """Compare all methods at the same change inside the region, as the paper does and beyond; tables, a page, and
    figures as JSON.

    After a stop the same command goes on where it was. `lrgan explain leak` says what leak means, and so on.

    Args:
        out: the folder to write: index.html, plane.svg, front.svg and figures.json.
        num_latents: how many random latents, or the first of a file.
        num_walked: walks are compared with straight edits from so many of them.
        regions: names of regions, masks (box.png) or labels of a label map (map.png:4,5); four of the model's own by
          default.
        methods: compare these, and the frontier; by default all that fit.
        from_sweep: take latents and Grams of what `lrgan sweep --grams float32` kept.
        search: how to look for directions, by every method.
        which: which latents; the same seed gives the same figures, but for the seconds.
    """
    for name in FILES:
        check_place(out / name)
    gen = load_model(model)
    if num_latents < 2 or num_walked < 1:
        raise UsageError("at least 2 latents are compared, and 1 walked from")
    asked = search.search().but(draw=which.seed)
    source = sweep.open(from_sweep) if from_sweep else which.of(gen, num_latents)
    numbers = np.flatnonzero(source.usable()).tolist() if isinstance(source, sweep.Sweep) else range(num_latents)
    how = {
        "num_latents": num_latents,
        "num_walked": num_walked,
        "only": methods,
        "folder": out / STAGES,
    }
    try:
        comparison = run(gen, source, regions_or_own(regions, gen), asked, **how)
    except KeyboardInterrupt:
        raise Interrupted("stopped, with all finished pieces kept; the same command goes on", signal.SIGINT) from None
    figures, latents = summary(comparison), from_sweep or which.words(num_latents)
    about = {"model": gen.info.name, "fingerprint": gen.info.fingerprint, "search": asked.to_json(), "latents": latents}
    text = json.dumps(as_json(about | figures._asdict()), indent=1, allow_nan=False) + "\n"
    where = f"{num_latents} latents of the sweep {from_sweep}" if from_sweep else latents
    note = f"{where}. Edits move {moves_text(gen, comparison.setup.scene.search)}."
    told = {"model": gen.info.name, "note": note, "numbers": numbers}
    with waiting("drawing the page"):
        write_whole(out / "figures.json", text.encode())
        write_whole(out / "plane.svg", picture(comparison, COLOURS).encode())
        write_whole(out / "front.svg", front.picture(figures, COLOURS).encode())
        write_whole(out / "index.html", page(comparison, figures, **told).encode())
    forget(out / STAGES)
    print(table(figures))
    print(f"open {out / 'index.html'}")
    hint("leak", "strangeness")


def table(figures: Figures) -> str:
    """What the command says of the leaks, and of what they rest on."""
    lines = ["change outside over change inside at the same change inside, in percent (median):"]
    rows = {
        method: [
            *(f"{100 * float(leak.median):.1f}" for leak in leaks.values()),
            f"{float(figures.natural[method].strangeness.median):.2f}",
        ]
        for method, leaks in figures.leaks.items()
    }
    lines.append(text_table(("all", *figures.regions, "strange"), rows))
    if figures.ranks and (share := figures.ranks["1"].converged) < 1:
        early = "of the robust PCAs looked at stopped before they converged; methods with a null space rest on them"
        lines.append(f"note: {1 - share:.1%} {early}")
    return "\n".join(lines)
