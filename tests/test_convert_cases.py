"""Files that people had trouble with: each converts to the right image, with a note where something was made up, or is
refused by name.

The checkpoints are the shared ones (random weights in the layouts of the projects concerned), with the images that
those projects' code gives; wrappers and gaps of other kinds are made here of our own networks.
"""

import dataclasses
import re

import numpy as np
import pytest
import reference
from nvidia_records import generator
from test_convert import nvidia_names
from tolerances import PARITY, worst

from lrgan_jax.convert import CheckpointError, find_network, read_checkpoint
from lrgan_jax.convert.check.verify import verify
from lrgan_jax.convert.formats.stylegan2.network import StyleGAN2Network
from lrgan_jax.convert.write import back, torch_writer
from lrgan_jax.foreign import containers
from lrgan_jax.foreign.allowed import Record, StateDict
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2
from lrgan_jax.models.checkpoint import load

RIGHT = {  # file: reference, noise, what the notes say of it
    "ros_full.pt": ("ros", "const", ()),
    "ros_no_noises.pt": ("ros_nonoise", "none", ("no mean latent", "no noise pictures; they are made from seed 0")),
    "ros_train.pt": ("ros_nonoise", "none", ("no mean latent", "no noise pictures")),
    "psp.pt": ("ros", "const", ("under 'state_dict.decoder'",)),
    "ros_compiled.pt": ("ros", "const", ()),
    "lightning_ros.ckpt": (
        "ros",
        "const",
        ("under 'state_dict.g_ema', of 'state_dict.generator', 'state_dict.g_ema'", "no mean latent"),
    ),
    "studiogan.pth": ("nv", "const", ("under 'state_dict'", "--conv-clamp")),
    "ros_avg_1xw.pt": ("ros", "const", ()),
    "nv_state.pth": ("nv", "const", ("assumed: conv_clamp None (--conv-clamp), mapping_lr 0.01 (--mapping-lr)",)),
    "nv_state_with_path.pt": ("nv", "const", ("--conv-clamp",)),
}
VERIFIED = (
    "ada_use_noise_off_after.pkl",
    "ada_noavg.pkl",
    "hammer_nonoise.pth",
    "hammer_clamp.6.pth",
    "hammer_lr1.pth",
)
REFUSED = {
    "ros_whole_module.pt": "a whole module of the class model.Generator",
    "export_cond.pt": "of a conditional network the label embedding is missing",
    "nv_synthesis_only.pth": "a synthesis network without its mapping network",
    "ada_mapact_relu.pkl": "mapping.fc0: activation is 'relu'",
    "hammer_nodemod.pth": "demodulate is False",
    "hammer_tanh.pth": "final_tanh is True",
    "age.pt": "a single tensor of shape [1, 16] and no network",
    "pti_embedding_0.pt": "a single tensor of shape [1, 6, 16] and no network",
}
TALL = "ros_nonsquare.pt"  # loads, of which there are no images
SMALL = StyleGAN2Config(channels=(4, 2), z_dim=6, w_dim=6, mapping_layers=2, mapping_features=6, embed_features=0)
GEN = StyleGAN2(SMALL, reference.random_variables(stylegan2.init, SMALL))


@pytest.fixture
def case(shared):
    return lambda name: shared / "cases" / name


def images(gen, stored, noise):
    c = stored.get("c")
    return np.asarray(gen.synthesis(gen.mapping(stored["z"], c), noise=noise))


@pytest.mark.parametrize("name", RIGHT)
def test_a_reported_file_gives_its_image(name, case):
    stored, noise, said = RIGHT[name]
    stored, gen = dict(np.load(case(f"{stored}.npz"))), read_checkpoint(case(name))
    assert worst(images(gen, stored, noise), stored["img"]) < PARITY
    remarks = " | ".join(gen.info.provenance.get("remarks", ()))
    assert all(text in remarks for text in said) and bool(said) == bool(remarks), remarks


@pytest.mark.parametrize("name", VERIFIED)
def test_a_reported_file_is_verified(name, case):
    errors = verify(read_checkpoint(case(name)), case(name.rpartition(".")[0] + ".npz"))
    assert "img_wplus_const" in errors and max(errors.values()) < PARITY


def test_a_clamp_that_only_its_user_knows(case):
    stored = dict(np.load(case("nv_clamped.npz")))
    path = case("nv_clamped_state.pth")
    assert worst(images(read_checkpoint(path, {"conv_clamp": 256.0}), stored, "const"), stored["img"]) < PARITY
    assert "--conv-clamp" in read_checkpoint(path).info.provenance["remarks"][0]


def test_pictures_twice_as_high(case):
    """Against the reference, on the weights as we have them; their own project's code is not at hand."""
    gen = read_checkpoint(case(TALL))
    assert gen.size == (16, 8)
    ws = np.random.default_rng(0).standard_normal((2, gen.num_ws, gen.w_dim)).astype(np.float32)
    assert worst(gen.synthesis(ws), reference.synthesis(gen.config, gen.variables, ws)) < PARITY


@pytest.mark.parametrize("square", [None, False, True])
def test_stylegan_humans_modules(square):
    """NVIDIA's with a word more: they say whether pictures are square, and are believed if so they are."""
    config = dataclasses.replace(SMALL, const_size=(4, 2))
    gen = StyleGAN2(config, reference.random_variables(stylegan2.init, config))
    record = generator(gen)
    for module in (record, record.state["_modules"]["synthesis"]):
        if square is not None:
            module.state["square"] = square
    if square:
        with pytest.raises(CheckpointError, match="square is True, where this network has False"):
            find_network({"G_ema": record})[0].build({})
    else:
        assert find_network({"G_ema": record})[0].build({})[0].size == (8, 4)


def test_pictures_that_are_not_square_get_noise_of_their_size():
    """Made up where the file has none, and zeros where a layer's noise is switched off."""
    config = dataclasses.replace(SMALL, const_size=(4, 2))
    gen = StyleGAN2(config, reference.random_variables(stylegan2.init, config))
    tensors = {name: a for name, a in nvidia_names(gen).items() if not name.endswith("noise_const")}
    found, remarks = find_network(tensors)[0].build({})
    assert found.size == (8, 4) and any("no noise pictures" in remark for remark in remarks)
    record = generator(gen)
    record.state["_modules"]["synthesis"].state["_modules"]["b8"].state["_modules"]["conv0"].state["use_noise"] = False
    silenced, _ = find_network({"G_ema": record})[0].build({})
    assert silenced.variables["buffers"]["synthesis"]["b8"]["conv0"]["noise_const"].shape == (8, 4)


@pytest.mark.parametrize("project", ["nvidia", "rosinality"])
def test_pictures_that_are_not_square_have_no_way_back(project):
    config = dataclasses.replace(SMALL, const_size=(4, 2))
    gen = StyleGAN2(config, reference.random_variables(stylegan2.init, config))
    with pytest.raises(CheckpointError, match="begins at 4x4 and makes no pictures of 4x8"):
        back.written(gen, project)


@pytest.mark.parametrize("name", REFUSED)
def test_a_reported_file_is_refused_by_name(name, case):
    with pytest.raises(CheckpointError, match=re.escape(REFUSED[name])):
        read_checkpoint(case(name))


def test_every_checkpoint_among_the_cases_is_tried(shared):
    found = {path.name for path in (shared / "cases").iterdir() if path.suffix in (".pt", ".pth", ".pkl", ".ckpt")}
    assert found == {*RIGHT, *VERIFIED, *REFUSED, "nv_clamped_state.pth", TALL}


@pytest.mark.parametrize("name", [*RIGHT, *VERIFIED, *REFUSED, TALL, "projected_w.npz", "direction_Lxd.npy"])
def test_every_case_can_be_listed(name, case, convert_command):
    code, said = convert_command("--inspect", case(name))
    assert code == 0 and said.count("\n") > 0


def test_what_lies_outside_a_network_is_an_inert_record(case):
    tree = containers.read(case("nv_state_with_path.pt"))
    found = [value for value in tree.values() if getattr(value, "name", "") == "pathlib.PosixPath"]
    assert [record.args for record in found] == [("runs",)] or found


# ---- Wrappers, made here.


def nvidia(gen=GEN):
    return dict(back.nvidia(gen))


def prefixed(prefix):
    return {prefix + name: a for name, a in nvidia().items()}


WRAPPED = {  # tree, its path
    "bare": (nvidia(), ""),
    "compiled": (prefixed("_orig_mod."), ""),
    "compiled below": ({name.replace("synthesis.", "synthesis._orig_mod."): a for name, a in nvidia().items()}, ""),
    "parallel and compiled": ({"G_ema": prefixed("module._orig_mod.")}, "G_ema"),
    "a framework": ({"epoch": 1, "state_dict": prefixed("model.generator.")}, "state_dict.model.generator"),
    "lists": ([{"step": 3}, {"weights": nvidia()}], "1.weights"),
    "sharded": ({"net": prefixed("_fsdp_wrapped_module.")}, "net"),
    "an average with its counter": ({"ema": prefixed("module.") | {"n_averaged": np.array(3)}}, "ema"),
    "attributes of an object": ({"run": Record("types.SimpleNamespace", (), {"step": 1, "G": nvidia()})}, "run.G"),
    "a class derived from dict": (Record("easydict.EasyDict", (), None, ["net", nvidia(), "step", 3]), "net"),
    "a default dict of tensors": (
        [Record("collections.defaultdict", (), None, [x for pair in nvidia().items() for x in pair])],
        "0",
    ),
    "averages": ({"net": prefixed("netG.") | prefixed("netG_ema.")}, "net.netG_ema"),
    "an average inside an average's file": (
        {"ema": prefixed("online_model.") | prefixed("ema_model.")},
        "ema.ema_model",
    ),
    "an average around networks": ({"ema": {"net": nvidia()}, "raw": {"net": nvidia()}}, "ema.net"),
    "one of several by its name": ({"a": nvidia(), "b": prefixed("x.")}, None),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_network_is_found_in_any_wrapper(name):
    tree, path = WRAPPED[name]
    if path is None:
        with pytest.raises(
            CheckpointError, match="several networks could be meant, 'a', 'b.x': choose one with --network"
        ):
            find_network(tree)
        with pytest.raises(CheckpointError, match="there is no network 'c', only 'a', 'b.x'"):
            find_network(tree, "c")
        assert all(find_network(tree, wanted)[0].tensors.keys() == nvidia().keys() for wanted in ("a", "x", "b.x"))
        return
    network, remark = find_network(tree)
    assert network.tensors.keys() == nvidia().keys() and (repr(path) in remark) == (path not in ("", "G_ema"))
    assert all(
        network.tensors[key] is not None and np.array_equal(network.tensors[key], a) for key, a in nvidia().items()
    )


def test_a_file_of_nothing_but_networks_is_refused_in_time():
    """Names that all end alike, and names of a megabyte, cost no more than their bytes."""
    one = np.zeros(1, np.float32)
    with pytest.raises(CheckpointError, match="more than 100 networks"):
        find_network({f"n{i}.input.input": one for i in range(50_000)})
    with pytest.raises(CheckpointError, match="nothing in the checkpoint|no generator"):
        find_network({"a." * 500_000 + "input": one})


def test_numbers_in_names_cost_nothing():
    """Layers double sizes as often as their names say: refused before that is computed. And sizes before pictures are
    made up for them."""
    one, many = np.zeros(1, np.float32), "9" * 5000
    names = {
        "input.input": (f"style.{many}.weight", f"convs.{10**11}.conv.weight", f"noises.noise_{10**11}"),
        "synthesis.early_layer.const": (f"synthesis.layer{10**11}.weight", f"synthesis.output{10**11}.weight"),
        "synthesis.b4.const": (f"synthesis.b{many}.conv1.weight", "mapping.fc123456.weight"),
    }
    for sign, others in names.items():
        for name in others:
            with pytest.raises(CheckpointError, match="no network has so many layers"):
                find_network({sign: one, name: one})[0].build({})
    tall = {name.replace("b8", f"b{8 * 2**k}"): a for k in range(20) for name, a in without("noise_const").items()}
    with pytest.raises(CheckpointError, match="should double from 4, to 4096 at most"):
        find_network(tall)[0].build({})
    deep = nvidia() | {f"mapping.fc{i}.weight": one for i in range(2, 300)}
    with pytest.raises(CheckpointError, match="300 layers"):
        find_network(deep)[0].build({})
    row = without("resample_filter") | {"synthesis.b4.resample_filter": np.ones(100_000, np.float32)}
    with pytest.raises(CheckpointError, match="no filter has more than 64 taps"):
        find_network(row)[0].build({})


def test_a_small_file_that_unfolds_to_many_names_is_refused_in_time():
    """One dict of tensors in thousands of modules; names that begin alike; lists in lists."""
    shared = {"_parameters": {f"p{i}": np.zeros(1) for i in range(1000)}, "_buffers": {}, "_modules": {}}
    module = Record("Net", (), shared | {"_modules": {str(i): Record("Layer", (), shared) for i in range(4000)}})
    nested = {"a." * k + "input.input": np.zeros(1) for k in range(99)} | {
        "a." * 99 + str(i): np.zeros(1) for i in range(1000)
    }
    lists = [[] for _ in range(110_000)]
    for _ in range(95):
        lists = [lists]
    for tree in (module, nested, lists):
        with pytest.raises(CheckpointError, match="more names in it than any checkpoint has"):
            find_network(tree)


def test_only_whole_words_mean_an_average():
    for names, chosen in (
        (("semantic", "other"), None),
        (("netG", "gema"), "gema"),
        (("G", "G_EMA"), "G_EMA"),
        (("a", "ema1"), "ema1"),
    ):
        tree = {name: nvidia() for name in names}
        if chosen is None:
            with pytest.raises(CheckpointError, match="choose one"):
                find_network(tree)
        else:
            assert repr(chosen) in find_network(tree)[1]


def test_names_that_a_wrapper_made_double_are_refused():
    with pytest.raises(CheckpointError, match="two networks under 'a.b'"):
        find_network({"a.b." + name: a for name, a in nvidia().items()} | {"a": {"b": nvidia()}})
    with pytest.raises(CheckpointError, match="is there twice"):
        find_network(nvidia() | prefixed("module."))


def test_a_pickled_network_inside_a_larger_module_has_its_own_settings(tmp_path):
    """NVIDIA's record as a child of another; its settings are looked at there."""
    inner = generator(dataclasses.replace(GEN, config=dataclasses.replace(SMALL, conv_clamp=2.0)))
    outer = dataclasses.replace(
        inner, name="Wrapper", state={"_parameters": {}, "_buffers": {}, "_modules": {"net": inner}}
    )
    network, remark = find_network({"ema": outer})
    assert isinstance(network, StyleGAN2Network)
    assert network.settings["conv_clamp"] == 2.0 and "'ema.net'" in remark
    assert not list(network.check(dataclasses.replace(SMALL, conv_clamp=2.0)))
    assert any("conv_clamp is 2.0" in problem for problem in network.check(SMALL))


# ---- What is missing, made here.


@pytest.fixture
def converted(tmp_path):
    def convert(tree, settings=None, **options):
        (tmp_path / "file.pt").write_bytes(torch_writer.dumps(tree))
        return read_checkpoint(tmp_path / "file.pt", settings, **options)

    return convert


def without(pattern, state=None):
    return StateDict(
        {name: a for name, a in (nvidia() if state is None else state).items() if not re.search(pattern, name)}
    )


@pytest.mark.parametrize("noise", ["random", "zeros"])
def test_noise_pictures_are_made_and_said(noise, converted):
    gen = converted(without("noise_const"), noise=noise)
    pictures = [
        np.asarray(b["noise_const"]) for block in gen.variables["buffers"]["synthesis"].values() for b in block.values()
    ]
    flat = np.concatenate([picture.ravel() for picture in pictures])
    assert (flat.std() > 0.8) if noise == "random" else not flat.any()
    assert any("noise pictures" in remark for remark in gen.info.provenance["remarks"])
    with pytest.raises(
        CheckpointError, match="b8.conv1.noise_const: nothing in the checkpoint fills it"
    ):  # some of them: a damaged file
        converted(without(r"b8\.conv1\.noise_const"))


MEANS = {"a row": (1, 6), "equal rows": (4, 6), "more axes": (1, 4, 6)}


@pytest.mark.parametrize("shape", MEANS.values(), ids=MEANS)
def test_a_mean_latent_of_equal_rows_is_that_row(shape, converted):
    mean = np.arange(6, dtype=np.float32)
    back_again = converted(without("nothing") | {"mapping.w_avg": np.array(np.broadcast_to(mean, shape))})
    np.testing.assert_array_equal(back_again.variables["buffers"]["mapping"]["w_avg"], mean)
    given = converted(without("w_avg"), w_avg=np.array(np.broadcast_to(mean, shape)))
    np.testing.assert_array_equal(given.variables["buffers"]["mapping"]["w_avg"], mean)


def test_other_mean_latents_are_refused_under_their_own_name(converted):
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    with pytest.raises(CheckpointError, match=r"mapping\.w_avg: 4 rows that differ"):
        converted(without("nothing") | {"mapping.w_avg": rows})
    with pytest.raises(CheckpointError, match=r"mapping\.w_avg: shape \(5,\), the model wants \(6,\)"):
        converted(without("nothing") | {"mapping.w_avg": rows[0, :5]})


def test_a_missing_mapping_network_is_never_invented(converted):
    for lost in (r"^mapping", r"mapping\.fc"):
        with pytest.raises(CheckpointError, match="without its mapping network"):
            converted(without(lost))
    with pytest.raises(CheckpointError, match="without its mapping network"):
        converted({name.removeprefix("synthesis."): a for name, a in without("mapping").items()})
    for name in (r"mapping\.fc0\.weight", r"mapping\.fc1\.weight", r"mapping\.fc0\."):
        with pytest.raises(CheckpointError, match="mapping"):
            converted(without(name))


def test_a_missing_label_embedding_is_never_dropped(converted):
    labelled = StyleGAN2Config(**dataclasses.asdict(SMALL) | {"c_dim": 3, "embed_features": 6})
    state = nvidia(StyleGAN2(labelled, reference.random_variables(stylegan2.init, labelled)))
    with pytest.raises(CheckpointError, match="label embedding is missing; if z is so wide, say so with --z-dim 12"):
        converted(without(r"mapping\.embed", state))
    assert converted(without(r"mapping\.embed", state), {"z_dim": 12}).z_dim == 12
    narrow = StyleGAN2Config(**dataclasses.asdict(SMALL) | {"c_dim": 3, "embed_features": 4})
    state = nvidia(StyleGAN2(narrow, reference.random_variables(stylegan2.init, narrow)))
    assert any(
        "10 wide" in remark for remark in converted(without(r"mapping\.embed", state)).info.provenance["remarks"]
    )


def test_a_missing_resampling_filter_is_said(converted):
    said = "no resampling filter"
    assert any(said in remark for remark in converted(without("resample_filter")).info.provenance["remarks"])
    assert not any(said in remark for remark in converted(without("noise_const")).info.provenance["remarks"])


def test_numbers_beyond_float32_are_refused():
    large = nvidia() | {"mapping.fc0.weight": nvidia()["mapping.fc0.weight"] * np.float64(1e300)}
    with pytest.raises(CheckpointError, match=r"mapping\.fc0\.weight: holds numbers too large for float32"):
        find_network(large)[0].build({})


def test_of_our_own_settings_those_that_are_not_there_are_said():
    state = StateDict(nvidia())
    state.attributes = {"_metadata": {"": {"lrgan_jax": {"conv_clamp": 2.0}}}}
    network, _ = find_network(state)
    assert isinstance(network, StyleGAN2Network)
    assert network.settings == {"conv_clamp": 2.0} and network.untold == ("mapping_lr",)


def test_settings_that_make_no_sense_are_refused(converted):
    senseless = {"conv_clamp": -1.0}, {"mapping_lr": float("nan")}, {"z_dim": 5}
    for settings, said in zip(senseless, ("conv_clamp is -1.0", "mapping_lr is nan", "6 inputs"), strict=True):
        with pytest.raises(CheckpointError, match=said):
            converted(StateDict(nvidia()), settings)


# ---- Through the command.


def test_the_command_says_what_was_made_up_and_takes_what_it_is_given(convert_command, tmp_path):
    """Notes, a line each, kept with the model; a mean latent from any file of arrays; one of several networks by its
    name."""
    state = without("noise_const|w_avg")
    (tmp_path / "two.pt").write_bytes(torch_writer.dumps({"a": state, "b": state}))
    code, said = convert_command(tmp_path / "two.pt", tmp_path / "model")
    assert (
        code == 1
        and said.count("\n") == 1
        and "choose one with --network" in said
        and not (tmp_path / "model").exists()
    )
    np.savez(tmp_path / "mean.npz", w_avg=np.arange(6, dtype=np.float32)[None])
    given = ("--network", "b", "--noise", "zeros", "--w-avg", tmp_path / "mean.npz")
    code, said = convert_command(tmp_path / "two.pt", tmp_path / "model", *given)
    assert code == 0 and "note: the file has no noise pictures; they are zeros" in said and "estimated" not in said
    gen = load(tmp_path / "model")
    np.testing.assert_array_equal(gen.variables["buffers"]["mapping"]["w_avg"], np.arange(6))
    assert (
        all(f"note: {remark}" in said for remark in gen.info.provenance["remarks"])
        and len(gen.info.provenance["remarks"]) == 2
    )
    code, said = convert_command(tmp_path / "two.pt", "--show", "--network", "b", "--w-avg", tmp_path / "two.pt")
    assert code == 1 and said.count("\n") == 1 and "two.pt" in said
