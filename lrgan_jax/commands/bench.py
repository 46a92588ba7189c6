"""`lrgan bench`: what this machine gives."""

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

from lrgan_jax import bench
from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.files import check_place, write_whole
from lrgan_jax.base.progress import counted, waiting
from lrgan_jax.models import checkpoint


def bench_command(
    *,
    models: tuple[str, ...] = ("faces-dcgan", "faces64"),
    columns: int | None = None,
    precision: Literal["highest", "high", "default", "bfloat16", "tensorfloat32"] = "highest",
    blocks: bool = False,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.json")] = None,
) -> None:
    """Measure this machine: images a second, Jacobians, solves, beside a plain matrix product and convolution. Leave it
    otherwise idle.

    Args:
        models: names that `lrgan info` lists, folders, or 256 and 1024: random weights in the shapes of FFHQ's models
          (config-f).
        columns: time so many columns of the Jacobian and scale up, for large models; all by default.
        precision: of the tangents' products; the Grams are always full float32.
        blocks: also print where the time of a StyleGAN2 goes, resolution by resolution.
        out: write the figures there too.
    """
    if out is not None:
        check_place(out)
    check_whole("--columns", columns, least=2)  # a half and the whole of them are timed
    checkpoint.check_devices()
    with waiting("measuring plain products"):
        plain = bench.machine(precision=precision)
    rows = [bench.measure(name, columns=columns, precision=precision) for name in counted(models, "measuring models")]
    about = f"{plain.device}, jax {plain.jax}, tangents {precision}"
    matmul, convolution = (f"{flops / 1e9:.0f}" for flops in (plain.matmul_flops, plain.convolution_flops))
    print(f"{about}: a matrix product reaches {matmul} GFLOP/s, a 3x3 convolution {convolution};")
    print(f"robust PCA of 512x512: {plain.solves:.2f} a second")
    print(bench.table(rows, plain.convolution_flops))
    tables = {name: list(bench.by_block(name)) for name in models if blocks and bench.grows(name)}
    for name, table in tables.items():
        print(f"{name}, block by block:\n{bench.block_table(table)}")
    if out is not None:
        each = [row._asdict() for row in rows]
        figures = {"machine": plain._asdict(), "precision": precision, "models": each, "blocks": tables}
        print(f"wrote {write_whole(out, (json.dumps(figures, indent=1) + chr(10)).encode())}")
