"""The command `lrgan`."""
import dataclasses
import difflib
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tqdm import tqdm

from lrgan_jax import bench, checkpoint, demo, images, report, sweep
from lrgan_jax.checks import LARGEST_SEED, LONGEST_STEP, check_number, check_whole, random_key
from lrgan_jax.compare.command import compare_command
from lrgan_jax.directions import Directions
from lrgan_jax.editing import edit as edit_latents
from lrgan_jax.errors import ExistsError
from lrgan_jax.files import cache_folder, check_place, write_whole
from lrgan_jax.generators import Generator, Latent, Z, image_function, render, sample_z, to_ws
from lrgan_jax.interrupt import Interrupted, until_the_reader_goes
from lrgan_jax.jacobian import check_layers
from lrgan_jax.metrics import equal_steps, spread_over_layers
from lrgan_jax.named import named_direction, named_directions
from lrgan_jax.options import FromFile, Layers, Model, Search, Text, UsageError, chosen_layers, regions_or_own
from lrgan_jax.panel.command import explore_command
from lrgan_jax.pipeline import find_directions
from lrgan_jax.sweep.command import sweep_command
from lrgan_jax.training.command import distill_command, train_command


def demo_command(
    *,
    model: Model = "faces64",
    out: Path = Path("lrgan-demo/index.html"),
    num_latents: int = 6,
    regions: tuple[str, ...] = (),
    layers: Layers = None,
    truncation: float = 1.0,
    seed: int = 0,
    from_file: Annotated[FromFile, tyro.conf.OmitArgPrefixes] = FromFile(),  # noqa: B008, a constant
) -> None:
    """Find local edits of a few faces and write a page that shows them. Needs nothing but this package; about a minute on a CPU.

    Args:
        model: a name that `lrgan info` lists, or a folder that `python -m convert` wrote.
        out: the page to write.
        num_latents: how many faces. Near-frontal ones are picked out of 512; of a file, the first.
        regions: names of regions, masks (box.png) or labels of a label map (map.png:4,5); four of the model's own by default.
        layers: the layers to differentiate and edit, such as 4-7; all by default.
        truncation: below 1 pulls latents towards the mean face.
        seed: of the random latents.
        from_file: latents in place of random ones.
    """
    check_place(out)
    gen = checkpoint.load(model)
    regions = regions_or_own(regions, gen)
    check_whole("--num-latents", num_latents, most=demo.POOL)
    if (rows := from_file.mapped(gen, seed=seed, truncation=truncation)) is not None:
        latents, note = rows[:num_latents], f"The first {min(num_latents, len(rows))} of {len(rows)} latents of {from_file.latents}."
    else:
        latents = demo.near_frontal(gen, random_key(seed), num_latents, truncation=truncation)
        note = f"The {num_latents} faces nearest to frontal of {demo.POOL} random ones, seed {seed}, truncation {truncation:g}."
    result = demo.run(gen, latents, regions, layers=chosen_layers(layers, gen), progress=lambda steps: tqdm(steps, "faces", unit="face"))
    write_whole(out, report.page(result, model=gen.info.name, note=note).encode())
    ratios = report.leak_ratios(result)
    print("change outside the region, relative to the unprojected direction, at the same change inside (median):")
    print(f"  {'':12}" + "".join(f"{region:>12}" for region in regions))
    for method, row in zip(result.methods, ratios, strict=True):
        print(f"  {method:12}" + "".join(f"{ratio:12.2f}" for ratio in row))
    if result.stopped:
        print(f"note: {report.caveat(result)}", file=sys.stderr)
    print(f"open {out}")


def info(model: Annotated[Model | None, tyro.conf.Positional] = None, *, card: bool = False) -> None:
    """List the models inside the package, or say what is known of one.

    Args:
        model: a name or a folder; all names if left out.
        card: print the model card too.
    """
    if model is None:
        for name, folder in checkpoint.embedded_models().items():
            description = checkpoint.describe(folder)
            print(f"{name:14} {description['architecture']}, regions: {', '.join(description['regions'])}")
        return
    gen = checkpoint.load(model)
    print(json.dumps({
        "name": gen.info.name, "resolution": gen.resolution, "z_dim": gen.z_dim, "w_dim": gen.w_dim, "c_dim": gen.c_dim,
        "layers": gen.num_ws, "regions": list(gen.info.regions),
        "directions": {name: found.settings.get("meaning", "") for name, found in named_directions(model).items()},
        "fingerprint": gen.info.fingerprint,
        "config": dataclasses.asdict(gen.config), "provenance": dict(gen.info.provenance),
    }, indent=1))  # fmt: skip
    if card:
        print(gen.info.card)


def sample(
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("samples.png"),
    num: int | None = None,
    truncation: float = 1.0,
    label: int | None = None,
    seed: int = 0,
    from_file: Annotated[FromFile, tyro.conf.OmitArgPrefixes] = FromFile(),  # noqa: B008, a constant
) -> None:
    """Write a grid of random images, numbered row by row from 0.

    Args:
        model: a name or a folder.
        out: the PNG to write.
        num: how many images; 16, or all of a file's, by default.
        truncation: below 1 pulls latents towards the mean.
        label: class of a conditional model.
        seed: of the random latents; the same seed gives `directions` and `edit` the same images.
        from_file: latents in place of random ones.
    """
    check_place(_png(out))
    gen = checkpoint.load(model)
    rows = render(gen, to_ws(gen, _latents(gen, seed, num, truncation, label, from_file)))
    side = max(1, round(len(rows) ** 0.5))
    picture = images.grid([rows[start : start + side] for start in range(0, len(rows), side)])
    print(f"wrote {images.save(out, picture, enlarge=max(1, 128 // gen.resolution))}")


def directions(
    region: Annotated[str, tyro.conf.Positional],
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("directions.npz"),
    image: int | None = None,
    average: int = 1,
    protect: Text = None,
    truncation: float = 1.0,
    label: int | None = None,
    seed: int = 0,
    search: Annotated[Search, tyro.conf.OmitArgPrefixes] = Search(),  # noqa: B008, a constant
    from_file: Annotated[FromFile, tyro.conf.OmitArgPrefixes] = FromFile(),  # noqa: B008, a constant
    from_sweep: Annotated[str | None, tyro.conf.arg(metavar="STORE")] = None,
) -> None:
    """Find directions that edit one region and leave the rest still, and save them.

    Args:
        region: a region's name (see `lrgan info MODEL`), a PNG, white inside, or labels of a label map, such as map.png:4,5.
        model: a name or a folder.
        out: the file to write, .npz (everything) or .npy (the vectors alone); it must not exist.
        image: number of the image in `lrgan sample` of the same seed, 0 by default; or of the latent in the sweep.
        average: average over so many images from there on: directions that serve them all.
        protect: what must keep still, as a region; the whole rest by default.
        truncation: below 1 pulls latents towards the mean.
        label: class of a conditional model.
        seed: of the random latents.
        search: how to look for them.
        from_file: latents in place of random ones.
        from_sweep: take what `lrgan sweep` found, for all of its latents together or for --image; only --num and --out matter then.
    """
    if out.exists():
        raise ExistsError(f"{out} exists already; choose another name or remove it")
    if out.suffix not in (".npz", ".npy"):
        raise UsageError(f"{out}: directions are saved as .npz (everything) or .npy (vectors alone)")
    check_place(out)
    check_whole("--num", search.num)
    if from_sweep is not None:
        found = sweep.open(from_sweep).directions(region, image)[: search.num]
    else:
        gen = checkpoint.load(model)
        latents = _latents(gen, seed, average, truncation, label, from_file, first=image or 0)
        found = find_directions(gen, latents, region, protect=protect, **search.arguments(gen))
    assert found.inside is not None and found.outside is not None and found.kept is not None
    for k, (a, b, kept) in enumerate(zip(found.inside, found.outside, found.kept, strict=True)):
        print(f"direction {k}: inside {a:.2e}, outside {b:.2e}, ratio {a / max(b, 1e-12):.1f}, attribute share {kept:.2f}")
    print(", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in found.settings.items()))
    _say_caveat(found)
    print(f"wrote {found.save(out)}, suggested steps {found.step_range[0]:.2g} to {found.step_range[1]:.2g}")


def edit(
    file: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = None,
    *,
    model: Model = "faces-dcgan",
    out: Path = Path("edit.png"),
    direction: Annotated[str, tyro.conf.arg(metavar="NAME|NUMBER")] = "0",
    image: int = 0,
    num_images: int = 1,
    steps: int = 7,
    reach: float | None = None,
    even: bool = False,
    layers: Layers = None,
    rows: Literal["directions", "layers"] | None = None,
    truncation: float = 1.0,
    label: int | None = None,
    seed: int = 0,
    from_file: Annotated[FromFile, tyro.conf.OmitArgPrefixes] = FromFile(),  # noqa: B008, a constant
) -> None:
    """Apply a direction to images and write strips (.png) or an animation (.gif, .webp): one of the model's own, such as
    `--direction smile`, or one of a file.

    Args:
        file: directions saved by `lrgan directions`, or rows in an .npy or .pt, such as the authors publish.
        model: a name or a folder.
        out: the picture to write.
        direction: which one: a name that `lrgan info MODEL` lists, or with a file its number there.
        image: number of the first image in `lrgan sample` of the same seed.
        num_images: how many images from there on, one strip each.
        steps: pictures in a strip.
        reach: the strip runs from -reach to +reach; the file's suggestion by default.
        even: choose the steps between so that each changes the picture by as much as the next, image by image.
        layers: the layers to move, such as 4-7; the file's own by default.
        rows: what bare rows are of which the file has as many as the model has layers: so many directions, or the layers of one (W+).
        truncation: below 1 pulls latents towards the mean.
        label: class of a conditional model.
        seed: of the random latents.
        from_file: latents in place of random ones.
    """
    if out.suffix not in (".png", ".gif", ".webp"):
        raise UsageError(f"{out}: pictures are written as .png, .gif or .webp")
    check_place(out)
    check_whole("--steps", steps, least=2)
    check_number("--reach", reach, above=0, most=LONGEST_STEP)
    gen = checkpoint.load(model)
    chosen = named_direction(model, direction) if file is None else _of_file(file, gen, rows)[_number(direction)]
    _, *deep, length = chosen.vectors.shape
    if length != gen.w_dim or deep not in ([], [gen.num_ws]):
        holds = f"{file or direction} holds directions of {length} numbers" + "".join(f" for each of {num} layers" for num in deep)
        raise UsageError(f"{holds}, {gen.info.name} has latents of {gen.w_dim} for {gen.num_ws}")
    if chosen.fingerprint not in ("", gen.info.fingerprint):
        print(f"note: these directions were found on {chosen.model}, with other weights than {gen.info.name}", file=sys.stderr)
    _say_caveat(chosen)
    ws = to_ws(gen, _latents(gen, seed, num_images, truncation, label, from_file, first=image))
    low, high = chosen.step_range if reach is None else (-reach, reach)
    moving = chosen_layers(layers, gen) or chosen.layers
    moved = [edit_latents(ws[n : n + 1], chosen, _steps(gen, w, chosen, moving, low, high, steps, even), layers=moving).array[:, 0]
             for n, w in enumerate(ws.array)]  # fmt: skip
    strips = render(gen, np.stack(moved))
    enlarge = max(1, 128 // gen.resolution)
    if out.suffix == ".png":
        images.save(out, images.grid(list(strips)), enlarge=enlarge)
    else:
        side_by_side = np.concatenate(list(strips), axis=2)
        images.save_animation(out, side_by_side, enlarge=enlarge)
    print(f"wrote {out}: steps {low:.2g} to {high:.2g}")


def bench_command(
    *,
    models: tuple[str, ...] = ("faces-dcgan", "faces64"),
    columns: int | None = None,
    precision: Literal["highest", "high", "default", "bfloat16", "tensorfloat32"] = "highest",
    blocks: bool = False,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.json")] = None,
) -> None:
    """Measure this machine: images a second, Jacobians, solves, beside a plain matrix product and convolution. Leave it otherwise idle.

    Args:
        models: names that `lrgan info` lists, folders, or 256 and 1024: random weights in the shapes of FFHQ's models (config-f).
        columns: time so many columns of the Jacobian and scale up, for large models; all by default.
        precision: of the tangents' products; the Grams are always full float32.
        blocks: also print where the time of a StyleGAN2 goes, resolution by resolution.
        out: write the figures there too.
    """
    if out is not None:
        check_place(out)
    check_whole("--columns", columns, least=2)  # a half and the whole of them are timed
    checkpoint.check_devices()
    plain = bench.machine()
    rows = [bench.measure(name, columns=columns, precision=precision) for name in tqdm(models, "models", leave=False)]
    print(f"{plain.device}, jax {plain.jax}, tangents {precision}: a matrix product reaches {plain.matmul_flops / 1e9:.0f} GFLOP/s, "
          f"a 3x3 convolution {plain.convolution_flops / 1e9:.0f}; robust PCA of 512x512: {plain.solves:.2f} a second")  # fmt: skip
    print(bench.table(rows))
    tables = {name: list(bench.by_block(name)) for name in models if blocks and bench.grows(name)}
    for name, table in tables.items():
        print(f"{name}, block by block:\n{bench.block_table(table)}")
    if out is not None:
        figures = {"machine": plain._asdict(), "precision": precision, "models": [row._asdict() for row in rows], "blocks": tables}
        print(f"wrote {write_whole(out, (json.dumps(figures, indent=1) + chr(10)).encode())}")


def _latents(
    gen: Generator, seed: int, num: int | None, truncation: float, label: int | None, from_file: FromFile, *, first: int = 0
) -> Latent:
    """`num` latents of a file, or of a seed, from number `first` on; None takes all of a file, and 16 of a seed.

    Each of a seed has a key of its own, so that image 3 is the same whatever else is drawn.
    """
    if first < 0 or (num is not None and num < 1):
        raise UsageError("image numbers start at 0, and at least one image is needed")
    z = from_file.load(gen, seed=seed, truncation=truncation, label=label)
    if z is not None:
        if first + (num or 0) > len(z):
            number = first + (num or 1) - 1
            raise UsageError(f"{from_file.latents} holds {len(z)} latents, numbered from 0; image {number} is not among them")
        z = z[first : None if num is None else first + num]
        if not isinstance(z, Z):
            return z
    else:
        numbers = range(first, first + (16 if num is None else num))
        check_whole("the number of an image", numbers[-1], least=0, most=LARGEST_SEED)  # keys are folded with 32 bits
        keys = [jax.random.fold_in(random_key(seed), i) for i in numbers]
        z = Z(np.concatenate([np.asarray(sample_z(gen, key, 1)) for key in keys]))
    if label is not None and not 0 <= label < gen.c_dim:
        raise UsageError(f"--label {label}: this model has {gen.c_dim or 'no'} classes")
    if label is None and gen.c_dim:
        raise UsageError(f"this model is conditional: choose --label 0 to {gen.c_dim - 1}")
    c = None if label is None else np.eye(gen.c_dim, dtype=np.float32)[[label] * len(z)]
    return gen.mapping(z, c, truncation)


def _of_file(file: Path, gen: Generator, rows: str | None) -> Directions:
    """The directions in a file. As many bare rows as there are layers may be the layers of one direction, which only a person can tell."""
    found = Directions.load(file)
    several = found.method == "file" and found.vectors.shape == (gen.num_ws, gen.w_dim) and gen.num_ws > 1
    if several and rows is None:
        raise UsageError(
            f"{file}: [{gen.num_ws}, {gen.w_dim}] can be {gen.num_ws} directions, or the {gen.num_ws} layers of one (W+): "
            "say which, with --rows directions or --rows layers"
        )
    if rows == "layers" and not several and found.vectors.ndim == 2:
        raise UsageError(f"--rows layers: {file} holds {len(found)} rows, {gen.info.name} has {gen.num_ws} layers")
    return dataclasses.replace(found, vectors=found.vectors[None]) if rows == "layers" and several else found


def _steps(gen: Generator, w, chosen: Directions, layers, low: float, high: float, num: int, even: bool) -> Any:
    """Evenly spaced by their length, or by what they change."""
    if not even:
        return np.linspace(low, high, num)
    (move,) = spread_over_layers(jnp.asarray(chosen.vectors), w, None if layers is None else check_layers(layers, gen.num_ws))
    return equal_steps(image_function(gen), w, move, low, high, num)


def _say_caveat(directions: Directions) -> None:
    if directions.caveat:
        print(f"note: {directions.caveat}", file=sys.stderr)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"--direction {text}: directions in a file have numbers, from 0; names are those of the model, without a file")
    return int(text)


def _png(path: Path) -> Path:
    if path.suffix != ".png":
        raise UsageError(f"{path}: pictures are written as .png")
    return path


COMMANDS: dict[str, Any] = {
    "demo": demo_command, "info": info, "sample": sample, "directions": directions, "edit": edit, "explore": explore_command,
    "train": train_command, "distill": distill_command, "sweep": sweep_command, "compare": compare_command, "bench": bench_command,
}  # fmt: skip


def _check_command(words: list[str]) -> None:
    """Refuse a command that is none, and guess what was meant."""
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        near = difflib.get_close_matches(words[0], COMMANDS, 1)
        raise UsageError(f"no command {words[0]!r}; " + (f"did you mean lrgan {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"))


def main() -> int:
    """Run the command; errors that a user can cause are one line on stderr and exit code 1."""
    # Compiled programs are kept, so that a second run starts at once; a user's own setting wins.
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    try:
        _check_command(sys.argv[1:])
        with until_the_reader_goes():
            tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                prog="lrgan",
                description="Edit one region of a generated image and leave the rest still.",
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_code
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, checkpoint.DeviceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
