"""The way back of StyleGAN3 and BigGAN: names and shapes of the projects, and again the same network."""

import dataclasses
import json
from itertools import pairwise
from math import ceil, log2
from typing import get_args

import ajbrock_reference
import jax
import numpy as np
import pytest
import reference
from tolerances import worst

from lrgan_jax.base.errors import InputError
from lrgan_jax.commands.convert import Project
from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.convert.formats.huggingface import CONFIG, WEIGHTS
from lrgan_jax.convert.write import ajbrock, hammer, huggingface, nvidia_stylegan3, spectral, torch_writer
from lrgan_jax.convert.write.designs import design_of
from lrgan_jax.convert.write.table import WRITERS, written
from lrgan_jax.foreign import containers
from lrgan_jax.generators import DCGAN, BigGAN, BigGANConfig, DCGANConfig, StyleGAN3, StyleGAN3Config, biggan, dcgan
from lrgan_jax.generators.stylegan3 import init
from lrgan_jax.generators.stylegan3_design import Design, filters
from lrgan_jax.models.checkpoint import save

SAME = 1e-6  # of the largest magnitude: what the rounding of a weight or a vector moves an image by


def built(tree):
    return find_network(tree)[0].build({})


def parsed(data):
    return containers.parse(bytes(data))


def by_torch(data, tmp_path):
    """What PyTorch itself reads, if it is there."""
    torch = pytest.importorskip("torch")
    (tmp_path / "file").write_bytes(data)
    return torch.load(tmp_path / "file", weights_only=True)


def shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


# ---- StyleGAN3.

SMALL = Design(16, channel_base=64, channel_max=5, num_layers=4, num_critical=1, margin_size=6, filter_size=4)
DESIGNS = {
    "T": {},
    "R": {"conv_kernel": 1, "use_radial_filters": True, "num_critical": 2},
    "published numbers": {"img_resolution": 32, "num_layers": 14, "num_critical": 2, "filter_size": 6},
    "wide stopbands": {"first_cutoff": 1.3, "first_stopband": 2.9, "last_stopband_rel": 1.7},
    "a stopband that no layer shows": {"last_stopband_rel": 0.8, "first_stopband": 3.1},
    "activations as they are": {"lrelu_upsampling": 1},
    "finer activations": {"lrelu_upsampling": 4, "filter_size": 3},
    "neither clamp nor margin": {"conv_clamp": None, "margin_size": 0, "img_channels": 1},
    "two layers": {"num_layers": 2, "conv_clamp": 0.5},
    "no power of two": {"img_resolution": 24},
    "widths never cut off": {"channel_base": 37, "channel_max": 512},
}
NO_HAMMER = {"activations as they are": "not upsampled", "no power of two": "pictures of 24 pixels"}


def stylegan3_of(layers, **fields):
    config = StyleGAN3Config(layers, **{"z_dim": 6, "w_dim": 7, "mapping_features": 7, "embed_features": 0, **fields})
    variables = reference.random_variables(init, config)
    for i, (below, own) in enumerate(pairwise(config.layers[:-1])):
        kept = variables["buffers"]["synthesis"][f"layer{i}"]
        kept["up_filter"], kept["down_filter"] = (a.astype(np.float32) for a in filters(below, own))
    for i in range(len(config.layers) - 1):
        kept = variables["buffers"]["synthesis"][f"layer{i}"]
        kept["magnitude"] = np.abs(kept["magnitude"])
    return StyleGAN3(config, variables)


def nvidia_shapes(
    img_resolution, img_channels, num_layers, num_critical, first_cutoff, first_stopband, last_stopband_rel, **rest
):
    """Names and shapes of the layers' weights, as NVIDIA's constructor computes them."""
    cutoff = lambda i: first_cutoff * (img_resolution / 2 / first_cutoff) ** min(i / (num_layers - num_critical), 1)  # noqa: E731
    last = img_resolution / 2 * last_stopband_rel
    found, wide = {}, []
    for i in range(num_layers + 1):
        stopband = first_stopband * (last / first_stopband) ** min(i / (num_layers - num_critical), 1)
        rate = 2 ** ceil(log2(min(2 * stopband, img_resolution)))
        size = img_resolution if i >= num_layers - 1 else rate + 2 * rest["margin_size"]
        wide.append(round(min(rest["channel_base"] / 2 / cutoff(i), rest["channel_max"])))
        outputs, kernel = (img_channels, 1) if i == num_layers else (wide[i], rest["conv_kernel"])
        found[f"synthesis.L{i}_{size}_{outputs}.weight"] = (outputs, wide[max(i - 1, 0)], kernel, kernel)
    return found


@pytest.mark.parametrize("name", DESIGNS)
def test_a_stylegan3_goes_to_nvidia(name, tmp_path):
    labels = {"c_dim": 3, "embed_features": 7, "output_scale": 1.5, "mapping_lr": 0.02} if name == "R" else {}
    gen = stylegan3_of(dataclasses.replace(SMALL, **DESIGNS[name]).layers(), **labels)
    data = nvidia_stylegan3.written(gen)
    assert built(parsed(data)) == (gen, [])  # to the last bit of its configuration, with nothing to assume
    loaded, made_with = by_torch(data, tmp_path), nvidia_stylegan3.arguments(gen.config)
    weights = {n: s for n, s in shapes(loaded).items() if n.startswith("synthesis.L") and n.count(".") == 2}
    assert nvidia_shapes(**made_with).items() <= weights.items()
    assert design_of(gen.config.layers).layers() == gen.config.layers


@pytest.mark.parametrize("name", DESIGNS)
def test_a_stylegan3_goes_to_hammer(name, tmp_path):
    free = {"mapping_features": 5, "final_tanh": True}  # which Hammer's code has arguments for
    free |= {"c_dim": 2, "embed_features": 4} if name == "R" else {}
    gen = stylegan3_of(dataclasses.replace(SMALL, **DESIGNS[name]).layers(), **free)
    if name in NO_HAMMER:
        with pytest.raises(CheckpointError, match=NO_HAMMER[name]):
            hammer.written(gen)
        return
    data = hammer.written(gen)
    assert built(parsed(data)) == (gen, [])
    assert "generator_smooth" in by_torch(data, tmp_path)["models"]
    with pytest.raises(CheckpointError, match="a tanh of the picture, hidden layers of the mapping"):
        nvidia_stylegan3.written(gen)


def test_hammer_leaves_the_activation_out_where_it_is_not_upsampled():
    tree = parsed(hammer.written(stylegan3_of(SMALL.layers())))
    tree["model_kwargs_init"]["generator_smooth"]["act_upsampling"] = 1
    state = tree["models"]["generator_smooth"]
    tree["models"]["generator_smooth"] = {name: a for name, a in state.items() if not name.endswith("_filter")}
    with pytest.raises(CheckpointError, match="act_upsampling is 1"):
        built(tree)


def test_what_a_pickle_rounded_otherwise_stays(tmp_path):
    """NumPy's powers are not Python's to the last bit, and a file's own filters are nobody's."""
    layers = [layer._replace(cutoff=np.nextafter(layer.cutoff, 99).item()) for layer in SMALL.layers()]
    gen = stylegan3_of(tuple(layers))
    gen.variables["buffers"]["synthesis"]["layer1"]["down_filter"] = np.arange(8, dtype=np.float32)
    assert built(parsed(nvidia_stylegan3.written(gen))) == (gen, [])
    again, _ = built(parsed(hammer.written(gen)))
    assert nvidia_stylegan3.is_same(gen, again)


@pytest.mark.parametrize(
    ("layer", "change", "said"),
    [
        (2, {"clamp": 3.0}, "clamp of layer 1 is 3.0, where it were 256"),
        (2, {"channels": 2}, "channels of layer 1 is 2"),
        (-1, {"size": (16, 8)}, r"size of layer 4 is \(16, 8\), where it were \(16, 16\)"),
        (3, {"half_width": 7.0}, "half_width of"),
        (1, {"before": (1, 2)}, "before of layer 0"),
    ],
)
def test_layers_of_no_rule_are_refused_by_name(layer, change, said):
    layers = list(SMALL.layers())
    layers[layer] = layers[layer]._replace(**change)
    for write in (nvidia_stylegan3.written, hammer.written):
        with pytest.raises(CheckpointError, match=said):
            write(stylegan3_of(tuple(layers)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"conv_clamp": "much"}, "conv_clamp should be a number"),
        ({"frobnicate": 1}, "what the state dict says of itself: sets frobnicate"),
        ({"output_scale": 0.25, "num_layers": 3}, "num_layers"),
        ({"bands": ((1.0, 2.0),)}, "bands are none of ours"),
    ],
)
def test_what_a_state_dict_says_of_itself_is_checked(words, said):
    state = nvidia_stylegan3.state(stylegan3_of(SMALL.layers()))
    own = state.attributes["_metadata"][""]["lrgan_jax"]
    state.attributes = {"_metadata": {"": {"lrgan_jax": own | words}}}
    with pytest.raises(CheckpointError, match=said):
        built(parsed(torch_writer.dumps(state)))


def test_what_contradicts_it_is_refused_by_name():
    network, _ = find_network(parsed(nvidia_stylegan3.written(stylegan3_of(SMALL.layers()))))
    with pytest.raises(CheckpointError, match="says of itself: output_scale is 0.25"):
        network.build({"arguments": {"output_scale": 1}})
    network, _ = find_network(parsed(ajbrock.written(built(ajbrock_reference.state())[0])[0]))
    with pytest.raises(CheckpointError, match="arguments: BN_eps is 0.1"):
        network.build({"arguments": {"BN_eps": 0.1}})


# ---- BigGAN. The reference computes as BigGAN-PyTorch does, of its own state dicts and of ours.

VARIANTS = {
    "hierarchical": dict(G_attn="8_16"),
    "not hierarchical, wider": dict(hier=False, G_attn="32", BN_eps=1e-3, resolution=64, G_ch=2),
    "no shared embedding": dict(hier=False, G_shared=False, bottom_width=3),
    "sync norm": dict(cross_replica=True, G_attn="32"),
    "no norm": dict(norm_style="nonorm"),
    "no spectral norm": dict(G_param="none"),
    "standing statistics": dict(mybn=True, count=3),
    "deep": dict(model="BigGANdeep", resolution=64, G_ch=4, G_attn="8_64"),
    "deep, one block a stage": dict(model="BigGANdeep", G_depth=1, G_attn="16"),
    "deep, three blocks a stage": dict(model="BigGANdeep", G_depth=3),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_biggan_goes_to_ajbrock(name, tmp_path):
    made = dict(VARIANTS[name])
    tensors, standing = ajbrock_reference.state(**made), made.pop("count", 0) > 0
    gen, _ = find_network(tensors)[0].build({"arguments": ajbrock_reference.DEFAULTS | made})
    data, made_with = ajbrock.written(gen)
    again, remarks = built(parsed(data))
    assert again.config == gen.config and not [r for r in remarks if "assumed" in r or "sums over" in r]
    loaded = by_torch(data, tmp_path)
    assert shapes(loaded) == shapes(tensors) and {str(a.dtype) for a in loaded.values()} <= {
        "torch.float32",
        *(["torch.int64"] if made.get("cross_replica") else []),
    }
    assert shapes(ajbrock_reference.state(**made_with)) == shapes(loaded)  # so its constructor is told what it needs
    rng = np.random.default_rng(1)
    z, c = rng.standard_normal((2, gen.z_dim)), rng.dirichlet(np.ones(gen.c_dim), 2)
    images = [ajbrock_reference.image(state, z, c, standing=standing, **made) for state in (loaded, tensors)]
    assert worst(*images) < SAME


def random_biggan(**fields):
    config = BigGANConfig(channels=(16, 16, 16, 16), ups=(True,) * 3, z_dim=8, c_dim=4, class_dim=3)
    config = dataclasses.replace(config, **fields)
    return BigGAN(config, reference.random_variables(biggan.init, config))


def test_norms_that_no_step_finds_are_divided_by():
    """As those of random numbers, negative ones too; and a fresh network, whose norms are 1, has none."""
    gen = random_biggan()
    data, made_with = ajbrock.written(gen)
    again, _ = built(parsed(data))
    assert made_with["G_param"] == "none" and not [name for name in parsed(data) if name.endswith(".u0")]
    assert spectral.is_same(gen, again) and again != gen
    fresh = dataclasses.replace(gen, variables=jax.tree.map(np.asarray, biggan.init(jax.random.key(0), gen.config)))
    data, made_with = ajbrock.written(fresh)
    assert made_with["G_param"] == "none" and built(parsed(data))[0] == fresh


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channels": (16, 16, 8, 16)}, "none of the networks that this project makes"),
        ({"ups": (True, False, True)}, "double the size elsewhere"),
        ({"attention": (0,)}, "attention elsewhere than behind a stage"),
        ({"img_channels": 1}, "images of 1 channels"),
        ({"last_eps": 1e-4}, "eps 0.0001 in the last norm"),
        ({"num_statistics": 5}, "statistics by truncation"),
        ({"norm": "none", "counted": True}, "statistics of a number of batches"),
        ({"z_goes": "everywhere"}, "z that goes everywhere"),
        ({"class_dim": None}, "tables of classes"),
    ],
)
def test_what_ajbrocks_code_cannot_hold_is_refused(change, said):
    with pytest.raises(CheckpointError, match=said):
        ajbrock.written(random_biggan(**change))


HUGGING = dict(
    channels=(32, 16, 8, 4, 2), ups=(True, False, True, False), z_dim=3, deep=True, z_goes="everywhere", attention=(2,)
)
HUGGING |= dict(num_statistics=5, eps=1e-3, last_eps=1e-3, img_channels=2)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"attention": (), "ups": (False,) * 4},
        {"channels": (64, 32, 32, 16, 8, 4), "ups": (True,) * 5, "img_channels": 3},
    ],
)
def test_a_biggan_goes_to_huggingface(change, tmp_path):
    gen = random_biggan(**HUGGING | change)
    files = huggingface.written(gen)
    config, tensors = json.loads(bytes(files[CONFIG])), by_torch(files[WEIGHTS], tmp_path)
    again, remarks = built({"pytorch_model": parsed(files[WEIGHTS]), "config": config})
    assert again.config == gen.config and remarks == []
    norms = spectral.parted(gen)[1]
    stems = [name.removesuffix("_orig") for name in tensors if name.endswith("weight_orig")]
    assert len(stems) == len(norms)
    for stem in stems:
        weight, u, v = (tensors[f"{stem}_{end}"].numpy().astype(np.float64) for end in ("orig", "u", "v"))
        found = u @ weight.reshape(len(weight), -1) @ v
        assert min(abs(found / abs(norm) - 1) for norm in norms.values()) < SAME
    assert tensors["generator.conv_to_rgb.bias"].shape == (gen.config.channels[-1],)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"deep": False}, "no BigGAN-deep"),
        ({"num_statistics": 1}, "one table of statistics"),
        ({"norm": "added"}, "norms of that kind"),
        ({"class_dim": 4}, "a class embedding of 4 numbers beside z of 3"),
        ({"channels": (16, 16, 8, 4, 2)}, "widths"),
        ({"channels": (32, 16, 4, 4, 2), "attention": ()}, "other channels than all or half"),
        ({"bottom": 3}, "a first picture of 3 pixels"),
        ({"attention": (4,), "channels": (128, 64, 32, 16, 8)}, r"attention at \(4,\)"),
        ({"last_eps": 1e-5}, "different eps"),
        ({"img_channels": 1}, "images of 1 channels"),
    ],
)
def test_what_huggingfaces_code_cannot_hold_is_refused(change, said):
    with pytest.raises(CheckpointError, match=said):
        huggingface.written(random_biggan(**HUGGING | change))


def test_zeros_have_no_vectors():
    gen = random_biggan(**HUGGING)
    gen.variables["params"]["rgb"]["kernel"] *= 0
    with pytest.raises(CheckpointError, match="conv_to_rgb.weight_orig: a weight of zeros"):
        huggingface.written(gen)


@pytest.mark.parametrize("shape", [(3, 9), (9, 3), (4, 4)])
def test_left_vectors_are_those_of_the_decomposition(shape):
    matrix = np.random.default_rng(0).standard_normal(shape)
    values, left = spectral.left_vectors(matrix)
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(values, s, rtol=1e-12)
    np.testing.assert_allclose(np.abs((u * left).sum(0)), 1, rtol=1e-12)
    assert spectral.left_vectors(np.outer(matrix[0], matrix[0]))[0].shape == (1,)


# ---- Genuine files, there and back.

FILES = {
    "nvidia": [f"stylegan3/{name}.pkl" for name in ("sg3t32", "sg3r32_cond", "sg3t64_cond", "sg3r64")],
    "hammer": ["stylegan3/hammer_sg3t32.pth"],
    "ajbrock": [f"biggan_ajbrock/{name}.pth" for name in ("ajb32", "ajb32_noshared", "ajb_deep32")],
    "huggingface": [f"biggan_hf/{name}" for name in ("hf16_51", "hf16_zip", "hf32")],
}


@pytest.mark.parametrize(("project", "name"), [(project, name) for project in FILES for name in FILES[project]])
def test_files_keep_their_names_and_shapes(project, name, shared, tmp_path):
    path = shared / "fixtures" / "public" / name
    gen = read_checkpoint(path)
    files, _ = written(gen, project)
    place = tmp_path / "back"
    if "" in files:
        place.write_bytes(files[""])
    else:
        place.mkdir()
        for part, content in files.items():
            (place / part).write_bytes(content)
        assert json.loads((place / CONFIG).read_text()) == json.loads((path / CONFIG).read_text())
    theirs, ours = (find_network(containers.read(p / WEIGHTS if p.is_dir() else p))[0].tensors for p in (path, place))
    assert shapes(theirs) == shapes(ours)
    again = read_checkpoint(place)
    assert again.config == gen.config and "remarks" not in again.info.provenance
    if project in ("nvidia", "hammer"):
        assert again == gen
    else:
        assert spectral.is_same(gen, again)


# ---- The table, and the command.


def test_every_family_is_told_where_it_may_go():
    assert get_args(Project) == tuple(WRITERS)
    config = DCGANConfig(channels=(2, 3), z_dim=4)
    other = DCGAN(config, reference.random_variables(dcgan.init, config))
    for project, families in WRITERS.items():
        with pytest.raises(InputError, match=f"a DCGAN does not go to {project}, only .*{list(families)[-1].__name__}"):
            written(other, project)


@pytest.mark.parametrize("room", [nvidia_stylegan3, ajbrock, huggingface])
def test_nothing_else_is_kept(room, monkeypatch):
    """A writer that turned a tensor would be noticed."""
    gen = (
        stylegan3_of(SMALL.layers())
        if room is nvidia_stylegan3
        else random_biggan(**(HUGGING if room is huggingface else {}))
    )
    dumps = torch_writer.dumps

    def wrong(state):
        name = max((name for name in state if name.endswith(("weight", "_orig"))), key=lambda name: state[name].size)
        state[name] = state[name][::-1].copy()
        return dumps(state)

    monkeypatch.setattr(torch_writer, "dumps", wrong)
    with pytest.raises(CheckpointError, match="does not come back as the same network"):
        room.written(gen)


def test_the_command_writes_files_and_folders(convert_command, tmp_path):
    save(tmp_path / "style", stylegan3_of(SMALL.layers()))
    save(tmp_path / "big", random_biggan())
    save(tmp_path / "deep", random_biggan(**HUGGING))
    for project, model, expected in (
        ("nvidia", "style", "Generator(z_dim=6"),
        ("hammer", "style", "a model of Hammer's"),
        ("ajbrock", "big", "BigGAN.Generator(G_ch=4"),
        ("huggingface", "deep", "from_pretrained"),
    ):
        code, said = convert_command("--to", project, tmp_path / model, tmp_path / project)
        assert code == 0 and expected in said
        assert read_checkpoint(tmp_path / project).config.num_ws
    assert sorted(path.name for path in (tmp_path / "huggingface").iterdir()) == [CONFIG, WEIGHTS]
    code, said = convert_command("--to", "huggingface", tmp_path / "big", tmp_path / "x")
    assert code == 1 and "no BigGAN-deep" in said and said.count("\n") == 1 and not (tmp_path / "x").exists()
