"""Conversion: the same network as in its own project, every weight in its place, and all that is wrong said in one
line.

Without the shared checkpoints the inverse renaming, written here, makes files out of our own variables; with them,
every output that the other projects computed is compared.
"""

import dataclasses
import re

import jax
import numpy as np
import nvidia_records
import pytest
import reference
from tolerances import PARITY, PARITY_F64, PARITY_W, worst

from lrgan_jax.convert import CheckpointError, read_checkpoint
from lrgan_jax.convert.formats.rules import Rule, fill, refuse, rename
from lrgan_jax.foreign import containers
from lrgan_jax.foreign.pickles import Record
from lrgan_jax.generators import DCGAN, DCGANConfig, StyleGAN2, StyleGAN2Config, dcgan, image_function, stylegan2, to_ws
from lrgan_jax.jacobian import region_grams

BASE = StyleGAN2Config(channels=(4, 3, 2), z_dim=5, w_dim=6, mapping_layers=2, mapping_features=6, embed_features=0)
ONE_BLOCK = dataclasses.replace(BASE, channels=(3,), mapping_layers=1)
UNEVEN = tuple(map(tuple, (np.arange(1.0, 17).reshape(4, 4) / 136).astype(np.float32).tolist()))
CONFIGS = {
    "skip": BASE,
    "resnet": dataclasses.replace(BASE, architecture="resnet", filter=(0.125, 0.25, 0.375, 0.25)),
    "orig, labels": dataclasses.replace(BASE, architecture="orig", c_dim=3, embed_features=5),
    "no noise": dataclasses.replace(BASE, use_noise=False),
    "clamp": dataclasses.replace(BASE, conv_clamp=256.0, mapping_lr=0.02),
    "one block": ONE_BLOCK,
    "gray": dataclasses.replace(BASE, channels=(2, 3), img_channels=1, mapping_features=9),
    "a filter that is no product": dataclasses.replace(BASE, channels=(2, 3), filter=UNEVEN),
    "labels before the norm": dataclasses.replace(
        BASE, c_dim=3, embed_features=5, label_concat=True, scaled_demodulation=True
    ),
    **{f"{n} mapping layers": dataclasses.replace(ONE_BLOCK, mapping_layers=n, z_dim=6) for n in range(9)},
}
ROSINALITY = {name: dataclasses.replace(CONFIGS[name], z_dim=6) for name in ("skip", "one block", "8 mapping layers")}
SMALL_DCGAN = DCGANConfig(channels=(5, 2, 3, 4), z_dim=6)


def random_stylegan2(config) -> StyleGAN2:
    return StyleGAN2(config, reference.random_variables(stylegan2.init, config))


def random_dcgan(config=SMALL_DCGAN) -> DCGAN:
    return DCGAN(config, reference.random_variables(dcgan.init, config))


def leaves(variables) -> dict[tuple[str, ...], np.ndarray]:
    return {
        tuple(e.key for e in path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
    }


def assert_same(actual, expected):
    """Config and every weight, exactly."""
    assert actual.config == expected.config
    ours, theirs = leaves(actual.variables), leaves(expected.variables)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg="/".join(name), strict=True)


# ---- The other projects' names, written the other way round.


def nvidia_names(gen) -> dict[str, np.ndarray]:
    """NVIDIA's state dict, with its filter buffers; conv1's is the default, whatever the network uses."""
    out = {}
    for (_, *where, name), a in leaves(gen.variables).items():
        name, a = ("weight", a.T if a.ndim == 2 else a.transpose(3, 2, 0, 1)) if name == "kernel" else (name, a)
        out[".".join((*where, name))] = a.transpose(2, 0, 1) if name == "const" else a
    taps = np.array(gen.config.filter, np.float32)
    square, default = (np.outer(t, t) if t.ndim == 1 else t for t in (taps, np.array([1, 3, 3, 1], np.float32) / 8))
    for layer in {
        re.sub(r"(\.conv\d|\.skip)?\.\w+$", "", name) for name in out if re.match(r"synthesis\.b\d+\.\w+\.weight", name)
    }:
        out[f"{layer}.resample_filter"] = square
        for conv, buffer in (("conv0", square), ("conv1", default), ("skip", square)):
            if f"{layer}.{conv}.weight" in out:
                out[f"{layer}.{conv}.resample_filter"] = buffer
    return out


def rosinality_names(gen) -> dict[str, np.ndarray]:
    """The state dict of g_ema: everything has a leading axis of 1 that has no need of it, the filters have a gain of
    4."""
    out = {}
    for name, a in nvidia_names(gen).items():
        place, leaf = name.rsplit(".", 1)
        if match := re.fullmatch(r"mapping\.fc(\d+)", place):
            out[f"style.{int(match[1]) + 1}.{leaf}"] = a
        elif match := re.match(r"synthesis\.b(\d+)\.(conv|torgb)(\d?)", place):
            k = int(np.log2(int(match[1]))) - 3  # -1 for 4x4
            if match[2] == "torgb":
                layer = "to_rgb1" if k < 0 else f"to_rgbs.{k}"
            else:
                layer = "conv1" if k < 0 else f"convs.{2 * k + int(match[3])}"
            target, value = {
                "weight": ("conv.modulation.weight", a) if place.endswith("affine") else ("conv.weight", a[None]),
                "bias": ("conv.modulation.bias", a)
                if place.endswith("affine")
                else ("bias", a[None, :, None, None])
                if match[2] == "torgb"
                else ("activate.bias", a),
                "noise_strength": ("noise.weight", a[None]),
                "noise_const": (None, None),
                "resample_filter": ("conv.blur.kernel" if match[3] == "0" else None, 4 * a),
            }[leaf]
            if leaf == "noise_const":
                out[f"noises.noise_{0 if k < 0 else 2 * k + 1 + int(match[3])}"] = a[None, None]
            elif target:
                out[f"{layer}.{target}"] = value
        elif match := re.fullmatch(r"synthesis\.b(\d+)\.resample_filter", name):
            if match[1] != "4":
                out[f"to_rgbs.{int(np.log2(int(match[1]))) - 3}.upsample.kernel"] = 4 * a
        elif name == "synthesis.b4.const":
            out["input.input"] = a[None]
    return out


def genforce_names(gen, *, old=False) -> dict[str, np.ndarray]:
    """Hammer's state dict, or with `old` the one before it, whose styles lack the 1 and whose upsampling kernels are
    reversed."""
    out = {}
    for name, a in nvidia_names(gen).items():
        place, leaf = name.rsplit(".", 1)
        if name == "mapping.w_avg":
            out["truncation.w_avg" if old else "w_avg"] = a
        elif name == "mapping.label_weight":
            out[name] = a
        elif place.startswith("mapping"):
            out[place.replace(".fc", ".dense").replace(".embed", ".embedding") + f".{leaf}"] = a
        elif name == "synthesis.b4.const":
            out["synthesis.early_layer.const"] = a[None]
        elif match := re.match(r"synthesis\.b(\d+)\.(conv|torgb|skip)(\d?)(\.affine)?", name):
            k = int(np.log2(int(match[1]))) - 2
            index = {"torgb": k, "skip": k, "conv": max(2 * k - 1 + int(match[3] or 0), 0)}[match[2]]
            layer = {"torgb": "output", "skip": "residual", "conv": "layer"}[match[2]] + str(index)
            up = match[2] == "conv" and index % 2
            if leaf == "resample_filter":
                if up or match[2] == "skip":
                    out |= (
                        {f"synthesis.{layer}.filter.kernel": 4 * a[None, None]}
                        if old
                        else {f"synthesis.{layer}.filter": a}
                    )
            elif match[4]:
                out[f"synthesis.{layer}.style.{leaf}"] = a - 1 if old and leaf == "bias" else a
            elif leaf == "noise_const":
                out[f"synthesis.{layer}.noise"] = a[None, None]
            else:
                out[f"synthesis.{layer}.{leaf}"] = a[:, :, ::-1, ::-1] if old and up and leaf == "weight" else a
        elif name == "synthesis.b4.resample_filter":
            out |= {"synthesis.upsample.kernel": 4 * a[None, None]} if old else {"synthesis.filter": a}
    return out


def tensorflow_network(gen, **arguments) -> Record:
    """NVIDIA's TensorFlow network: variables in the component that owns them, and the arguments that it was made
    with."""
    own, mapping, synthesis = (
        [("lod", np.float32(0)), ("dlatent_avg", gen.variables["buffers"]["mapping"]["w_avg"])],
        [],
        [],
    )
    for name, a in nvidia_names(gen).items():
        place, leaf = name.rsplit(".", 1)
        if name == "mapping.label_weight":
            mapping.append(("LabelConcat/weight", a))
        elif match := re.fullmatch(r"mapping\.(fc|embed)(\d*)", place):
            mapping.append(((f"Dense{match[2]}" if match[1] == "fc" else "LabelEmbed") + f"/{leaf}", a.T))
        elif name == "synthesis.b4.const":
            synthesis.append(("4x4/Const/const", a[None]))
        elif (
            match := re.match(r"synthesis\.b(\d+)\.(conv|torgb|skip)(\d?)(\.affine)?", name)
        ) and leaf != "resample_filter":
            r, up = match[1], match[2] == "conv" and match[3] == "0"
            layer = {"torgb": "ToRGB", "skip": "Skip", "conv": "Conv" if r == "4" else "Conv0_up" if up else "Conv1"}[
                match[2]
            ]
            if leaf == "noise_const":
                k = int(np.log2(int(r))) - 2
                synthesis.append((f"noise{max(2 * k - 1 + int(match[3]), 0)}", a[None, None]))
            elif match[4]:
                synthesis.append((f"{r}x{r}/{layer}/mod_{leaf}", a.T if leaf == "weight" else a - 1))
            elif leaf == "weight":
                synthesis.append((f"{r}x{r}/{layer}/weight", (a[:, :, ::-1, ::-1] if up else a).transpose(2, 3, 1, 0)))
            else:
                synthesis.append((f"{r}x{r}/{layer}/{leaf}", a if leaf == "bias" else np.float32(a)))

    arguments = {"mapping_layers": gen.config.mapping_layers} | arguments

    def network(variables, components, arguments=arguments):
        state = {
            "version": 4,
            "name": "Gs",
            "static_kwargs": arguments,
            "components": components,
            "variables": variables,
        }
        return Record("dnnlib.tflib.network.Network", (), state | {"build_module_src": "# never run"})

    return network(own, {"synthesis": network(synthesis, {}), "mapping": network(mapping, {})})


def whole_biases(gen) -> StyleGAN2:
    """The same with style biases on a coarse grid, so that taking off 1 and adding it again is exact."""
    variables = jax.tree_util.tree_map_with_path(
        lambda path, a: np.round(a * 64) / 64 if [e.key for e in path[-2:]] == ["affine", "bias"] else a, gen.variables
    )
    return dataclasses.replace(gen, variables=variables)


def dcgan_names(gen, prefix="") -> dict[str, np.ndarray]:
    """The tutorial's state dict: a convolution, a batch norm and a ReLU in turn."""
    out = {}
    for (collection, name, *rest), a in leaves(gen.variables).items():
        if collection == "params" and name == "project":
            out[f"{prefix}main.0.weight"] = a.transpose(2, 3, 0, 1)
        elif name.startswith("up"):
            out[f"{prefix}main.{3 * int(name[2:]) + 3}.weight"] = a.transpose(2, 3, 0, 1)
        else:
            kind = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}[rest[0]]
            out[f"{prefix}main.{3 * int(name[4:]) + 1}.{kind}"] = a
            out[f"{prefix}main.{3 * int(name[4:]) + 1}.num_batches_tracked"] = np.array(7)
    return out


@pytest.fixture
def converted(tmp_path, monkeypatch):
    """`read_checkpoint` of a file that holds this tree; what reads the bytes of real files is tested in
    test_convert_reader."""

    def convert(tree, settings=None, **options):
        (tmp_path / "file.pt").write_bytes(b"")
        monkeypatch.setattr(containers, "parse", lambda data: tree)
        return read_checkpoint(tmp_path / "file.pt", settings, **options)

    return convert


@pytest.fixture
def refusal(converted):
    """The one line with which such a file is refused; it names the file."""

    def refuse(tree) -> str:
        with pytest.raises(CheckpointError) as caught:
            converted(tree)
        message = str(caught.value)
        assert "file.pt: " in message and message.isprintable()
        return message

    return refuse


# ---- There and back.


NVIDIA = [name for name in CONFIGS if not CONFIGS[name].label_concat]


@pytest.mark.parametrize("name", NVIDIA)
def test_nvidia_modules_come_back_exactly(name, converted):
    """Config (clamp and learning rate from the modules' attributes, the rest off the shapes) and all weights."""
    gen = random_stylegan2(CONFIGS[name])
    back = converted({"G": None, "D": None, "G_ema": nvidia_records.generator(gen), "augment_pipe": None})
    assert_same(back, gen)
    assert (
        back.info.name == "file"
        and "NVIDIA" in back.info.provenance["format"]
        and "remarks" not in back.info.provenance
    )


GENFORCE = ("skip", "one block", "gray", "8 mapping layers")


@pytest.mark.parametrize("name", (*GENFORCE, "resnet", "orig, labels"))
def test_hammer_names_come_back_exactly(name, converted):
    """The averaged generator is preferred, the other taken where there is none; bare state dicts too."""
    gen, other = random_stylegan2(CONFIGS[name]), random_stylegan2(ONE_BLOCK)
    names = genforce_names(gen)
    for tree in (
        {
            "models": {"generator": genforce_names(other), "discriminator": {}, "generator_smooth": names},
            "running_metadata": {},
        },
        {"models": {"generator": names}},
        names,
    ):
        back = converted(tree)
        assert_same(back, gen)
        assert "Hammer" in back.info.provenance["format"]


@pytest.mark.parametrize("name", (*GENFORCE, "labels before the norm"))
def test_older_genforce_names_come_back_exactly(name, converted):
    """With what no shape shows: the 1 of the styles, the reversed kernels, the joint norm of labels."""
    gen = whole_biases(random_stylegan2(dataclasses.replace(CONFIGS[name], scaled_demodulation=True)))
    names = genforce_names(gen, old=True)
    for tree in ({"generator_smooth": names, "generator": {}}, names):
        back = converted(tree)
        assert_same(back, gen)
        assert "SeFa" in back.info.provenance["format"]


TENSORFLOW = {
    **{name: {} for name in ("skip", "one block", "orig, labels", "8 mapping layers")},
    "resnet": {"resample_kernel": [1, 2, 3, 2], "architecture": "resnet"},
    "no noise": {"use_noise": False, "label_size": 0},
    "clamp": {"conv_clamp": 256, "mapping_lrmul": np.float64(0.02)},
    "labels before the norm": {"mapping_func": "G_mapping", "normalize_latents": True},
}


@pytest.mark.parametrize("name", TENSORFLOW)
def test_tensorflow_networks_come_back_exactly(name, converted):
    """Gs of the three, or alone; filter, clamp and learning rate from the arguments, their absence being the
    defaults."""
    gen = whole_biases(random_stylegan2(dataclasses.replace(CONFIGS[name], scaled_demodulation=False)))
    network = tensorflow_network(gen, **TENSORFLOW[name])
    other = tensorflow_network(random_stylegan2(ONE_BLOCK))
    for tree in ((other, other, network), network):
        back = converted(tree)
        assert_same(back, gen)
        assert "TensorFlow" in back.info.provenance["format"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nonlinearity": "relu"}, "nonlinearity is 'relu'"),
        ({"normalize_latents": False}, "normalize_latents is False"),
        ({"synthesis_func": "G_synthesis_stylegan_revised"}, "synthesis_func is 'G_synthesis_stylegan_revised'"),
        ({"blur_filter": [1, 2, 1]}, "sets blur_filter, which is not known"),
        ({"mapping_layers": 3}, "3 mapping layers"),
        ({"architecture": "resnet"}, "architecture is 'resnet'"),
        ({"resample_kernel": "wide"}, "resample_kernel should be a list of numbers"),
        ({"conv_clamp": "much"}, "conv_clamp should be a number"),
    ],
)
def test_tensorflow_arguments_of_another_arithmetic_are_refused(change, said, refusal):
    assert said in refusal((None, None, tensorflow_network(random_stylegan2(ONE_BLOCK), **change)))


def test_other_tensorflow_networks_are_refused(refusal):
    """Configs A to D by name; older records; what is no list of variables."""
    network = tensorflow_network(random_stylegan2(ONE_BLOCK))
    progressive = tensorflow_network(random_stylegan2(ONE_BLOCK))
    progressive.state["components"]["synthesis"].state["variables"].append(
        ("ToRGB_lod0/weight", np.ones((1, 1, 2, 3), np.float32))
    )
    assert "configs A to D" in refusal((network, network, progressive))
    grown = dataclasses.replace(
        network,
        name="tfutil.Network",
        state={"version": 2, "static_kwargs": {}, "variables": [("4x4/Dense/weight", np.ones((2, 3), np.float32))]},
    )
    assert "NVIDIA's PGGAN" in refusal((grown, grown, grown))
    for part, change, said in (
        (network, {"version": 3}, "version 3"),
        (network, {"variables": [("a",)]}, "no pairs"),
        (network, {"components": {"mapping": 3}}, "mapping is not a TensorFlow network"),
        (network, {"components": [1]}, "no dict"),
        (network, {"static_kwargs": [1]}, "static_kwargs"),
    ):
        assert part.state is not None
        assert said in refusal(dataclasses.replace(part, state=part.state | change))


@pytest.mark.parametrize("name", ROSINALITY)
def test_rosinality_names_come_back_exactly(name, converted):
    config = dataclasses.replace(ROSINALITY[name], scaled_demodulation=True)
    gen = random_stylegan2(config)
    tree = {
        "g": {},
        "d": {},
        "g_ema": rosinality_names(gen),
        "latent_avg": gen.variables["buffers"]["mapping"]["w_avg"],
    }
    back = converted(tree)
    assert_same(back, gen)
    assert "rosinality" in back.info.provenance["format"]


@pytest.mark.parametrize("prefix", ["", "module."], ids=["plain", "DataParallel"])
def test_dcgan_names_come_back_exactly(prefix, converted):
    """The state dict bare or inside a larger dict, in any order; gray images; twelve layers, to be sorted by number and
    not by name."""
    gen = random_dcgan()
    state = dcgan_names(gen, prefix)
    for tree in (state, {"epoch": 3, "netG_state_dict": state}, dict(reversed(state.items()))):
        assert_same(converted(tree), gen)
    for config in (
        DCGANConfig(channels=(3,), z_dim=4, img_channels=1),
        DCGANConfig(channels=tuple(range(1, 12)), z_dim=1),
    ):
        gen = random_dcgan(config)
        assert_same(converted(dcgan_names(gen, prefix)), gen)


def test_settings_fill_in_what_a_state_dict_cannot_show(converted):
    """A bare NVIDIA state dict, and one under G_ema or G; what the file tells is not overruled."""
    gen = random_stylegan2(CONFIGS["clamp"])
    for tree in (nvidia_names(gen), {"G_ema": nvidia_names(gen), "config": {"a": 1}}, {"G": nvidia_names(gen)}):
        assert_same(converted(tree, {"conv_clamp": 256.0, "mapping_lr": 0.02}), gen)
        assert converted(tree).config == dataclasses.replace(gen.config, conv_clamp=None, mapping_lr=0.01)
    with pytest.raises(CheckpointError, match="conv_clamp is 256"):
        converted(nvidia_records.generator(gen), {"conv_clamp": 1.0})


def test_the_averaged_generator_is_preferred(converted):
    gen, other = (
        random_stylegan2(ONE_BLOCK),
        StyleGAN2(ONE_BLOCK, reference.random_variables(stylegan2.init, ONE_BLOCK, seed=1)),
    )
    assert_same(converted({"G": nvidia_records.generator(other), "G_ema": nvidia_records.generator(gen)}), gen)
    assert_same(converted({"G": nvidia_records.generator(gen), "G_ema": None}), gen)
    config = ROSINALITY["one block"]
    gen, other = (StyleGAN2(config, reference.random_variables(stylegan2.init, config, seed)) for seed in (0, 1))
    w_avg = gen.variables["buffers"]["mapping"]["w_avg"]
    back = converted({"g": rosinality_names(other), "g_ema": rosinality_names(gen), "latent_avg": w_avg})
    assert_same(dataclasses.replace(back, config=gen.config), gen)


@pytest.mark.parametrize(
    "config", [ONE_BLOCK, dataclasses.replace(ONE_BLOCK, c_dim=3, embed_features=4)], ids=["plain", "labels"]
)
def test_missing_mean_latent_is_estimated_or_given(config, converted):
    """Against the mean of other samples, within six standard errors; the provenance says so."""
    gen = random_stylegan2(config)
    names = nvidia_names(gen)
    del names["mapping.w_avg"]
    back = converted(names)
    rng = np.random.default_rng(0)
    c = np.eye(3)[rng.integers(0, 3, 10_000)] if config.c_dim else None
    w = reference.mapping(config, gen.variables, rng.standard_normal((10_000, 5)), c)
    error = np.abs(back.variables["buffers"]["mapping"]["w_avg"] - w.mean(0)) / (w.std(0) * np.sqrt(2 / 10_000))
    assert error.max() < 6 and any("estimated" in remark for remark in back.info.provenance["remarks"])
    given = converted(names, w_avg=np.arange(6, dtype=np.float32))
    np.testing.assert_array_equal(given.variables["buffers"]["mapping"]["w_avg"], np.arange(6))
    assert not any("estimated" in remark for remark in given.info.provenance["remarks"])


# ---- What is refused.


def test_all_problems_come_in_one_message(refusal):
    """A name no rule knows, a missing tensor, a wrong shape, NaN and integers, each with its name."""
    names = nvidia_names(random_stylegan2(BASE))
    names["synthesis.b8.conv0.surplus"] = np.ones(3, np.float32)
    del names["synthesis.b4.conv1.bias"]
    names["synthesis.b8.conv1.affine.bias"] = np.ones(9, np.float32)
    names["mapping.fc0.bias"] = np.full(6, np.nan, np.float32)
    names["synthesis.b16.torgb.bias"] = np.ones(3, np.int64)
    message = refusal(names)
    for said in (
        r"synthesis\.b8\.conv0\.surplus: matched by 0 rules",
        r"synthesis.b4.conv1.bias: nothing in the checkpoint fills it",
        r"synthesis.b8.conv1.affine.bias: shape \(9,\), the model wants \(3,\)",
        r"mapping\.fc0\.bias: holds NaN",
        r"synthesis\.b16\.torgb\.bias: holds int64",
    ):
        assert re.search(said, message), said


def test_the_cause_is_not_hidden_by_its_consequences(refusal):
    """Without one toRGB the network looks like another architecture, and a dozen other tensors seem too many."""
    names = nvidia_names(random_stylegan2(dataclasses.replace(ONE_BLOCK, channels=(2,) * 6)))
    names["synthesis.b16.torgb.weight"] = names["synthesis.b16.torgb.weight"] * np.inf
    assert "synthesis.b16.torgb.weight: holds NaN or infinity" in refusal(names)


def test_rules_report_what_matches_none_or_several():
    """And what two tensors would fill, and what does not fit its transform; nothing of it is kept."""
    one = np.ones((2, 3), np.float32)
    rules = (
        Rule(r"a\d", r"\g<0>", "as it is"),
        Rule(r".\d2", "two", "a second match for a12"),
        Rule(r"a1\d", r"\g<0>", "the first"),
        Rule(r"same.", "same", "both alike"),
        Rule(r"turn", "turned", "a transpose", lambda a: a.transpose(2, 0, 1)),
        Rule(r"drop.*", None, "not ours"),
    )
    source = {
        "a1": one,
        "a12": one,
        "unknown": one,
        "same1": one,
        "same2": one,
        "turn": one,
        "drop me": np.array(["text"]),
    }
    problems: list[str] = []
    assert rename(source, rules, problems).keys() == {"a1", "same"}
    assert [problem.split(":")[0] for problem in problems] == ["a12", "unknown", "same2", "turn"]
    for problem, said in zip(
        problems, ("by 2 rules", "by 0 rules", "already filled by same1", r"(2, 3) does not fit"), strict=True
    ):
        assert said in problem


def test_fill_compares_from_both_sides():
    problems: list[str] = []
    fill({"a": np.ones(2), "b": np.ones(2), "c": np.ones(2)}, {"a": (2,), "b": (3,), "d": ()}, problems)
    assert [problem.split(":")[0] for problem in problems] == ["b", "c", "d"]
    with pytest.raises(CheckpointError, match="first; second$"):
        refuse(["first", "second"])
    with pytest.raises(CheckpointError, match="and 4 more$"):
        refuse([f"problem {i}" for i in range(12)])
    refuse([])


def test_other_networks_are_refused_by_name(refusal):
    gen = random_stylegan2(CONFIGS["clamp"])
    assert "known are" in refusal({"main.0.weight": np.ones((4, 3, 4, 4), np.float32)})  # DCGAN's discriminator
    for tree in (
        None,
        [1],
        "text",
        {},
        {"G_ema": 3},
        {"state_dict": {"layer.weight": np.ones(3, np.float32)}},
        Record("a.b", (), {}),
    ):
        refusal(tree)
    third = nvidia_records.generator(gen)
    layer = nvidia_records.module("SynthesisInput", {}, (), {}, {"weight": np.ones((3, 3), np.float32)})
    third.state["_modules"]["synthesis"].state["_modules"] = {"input": layer}
    assert "StyleGAN3" in refusal({"G_ema": third})
    assert "neither g_ema nor g" in refusal({"d": {"a": np.ones(1)}, "args": Record("argparse.Namespace", (), {})})
    gap = {name.replace("b16", "b32"): a for name, a in nvidia_names(gen).items()}
    assert "[4, 8, 32]" in refusal(gap)


@pytest.mark.parametrize(
    ("layer", "change", "said"),
    [
        (
            "synthesis.b8.conv0",
            {"conv_clamp": 1.0},
            "synthesis.b8.conv0: conv_clamp is 1.0, where this network has None",
        ),
        ("synthesis.b8.conv0", {"activation": "relu"}, "synthesis.b8.conv0: activation is 'relu'"),
        ("mapping.fc1", {"activation": "relu"}, "mapping.fc1: activation is 'relu'"),
        ("synthesis.b8.torgb", {"dropout": 0.5}, "synthesis.b8.torgb: sets dropout, which is not known"),
        ("mapping.fc0", {"bias_gain": "high"}, "bias_gain"),
        ("mapping.fc0", {"_parameters": None}, "mapping.fc0.weight: nothing in the checkpoint fills it"),
        ("synthesis.b8.torgb", {"_parameters": None}, "synthesis.b8.torgb.weight: nothing in the checkpoint fills it"),
    ],
)
def test_attributes_of_another_arithmetic_are_refused(layer, change, said, refusal):
    root = nvidia_records.generator(random_stylegan2(BASE))
    node = root
    for part in layer.split("."):
        node = node.state["_modules"][part]
    node.state.update(change)
    assert said in refusal({"G_ema": root})


def test_filters_that_differ_are_refused(refusal):
    names = nvidia_names(random_stylegan2(BASE))
    names["synthesis.b8.conv0.resample_filter"] = np.eye(4, dtype=np.float32) / 4
    assert "different resampling filters" in refusal(names)


MAKERS = {
    "nvidia": lambda: (random_stylegan2(dataclasses.replace(ONE_BLOCK, channels=(3, 2))), nvidia_names),
    "rosinality": lambda: (
        random_stylegan2(dataclasses.replace(ONE_BLOCK, channels=(3, 2), z_dim=6, scaled_demodulation=True)),
        rosinality_names,
    ),
    "dcgan": lambda: (random_dcgan(DCGANConfig(channels=(2, 3), z_dim=4)), dcgan_names),
}


@pytest.mark.parametrize("project", MAKERS)
def test_every_tensor_is_missed_and_every_odd_shape_noticed(project, converted):
    """Each tensor in turn left out, flattened, or given an axis: a refusal in one line, or the very same network."""
    gen, names_of = MAKERS[project]()
    names, w_avg = names_of(gen), leaves(gen.variables).get(("buffers", "mapping", "w_avg"))
    optional = r".*(resample_filter|(blur|upsample)\.kernel|num_batches_tracked|w_avg)"
    for name, a in names.items():
        for change in ({}, {name: a.reshape(-1)}, {name: a[None]}):
            tree = {other: b for other, b in names.items() if other != name} | change
            try:
                back = converted(tree, w_avg=w_avg)
            except CheckpointError as error:
                assert str(error).isprintable()
            else:
                assert change or re.fullmatch(optional, name), name
                assert_same(back, gen)


# ---- The shared checkpoints: parity with the projects they come from.

PARITY_FIXTURES = [
    *(
        f"nvidia_ada/ada_{name}.pkl"
        for name in ("asymfilter16", "cifar32", "clamp_fp16_32", "nonoise16", "orig32_cond")
    ),
    *(f"nvidia_ada/ada_{name}.pkl" for name in ("resnet32", "skip64")),
    *(f"nvidia_sg3/sg3_{name}.pkl" for name in ("cond32", "skip32")),
    *(f"rosinality/rosi_{name}.pt" for name in ("converted32_legacy", "converted32_zip", "training16_cuda")),
    *(f"hammer/hammer_{name}.pth" for name in ("origin16_cond_nosmooth", "resnet32_cuda", "skip32")),
    *(f"nvidia_tf/tf_{name}.pkl" for name in ("ada_cond_16", "config_f_32")),
    "sefa/sefa_skip32.pth",
]
SEFA_F64 = 1e-6
INPUTS = {"z", "c", "wplus", "jac_w", "latent_avg", "truncation_cutoff", "mix_inject_index", "jac_vjp_rel_err"}


def images_of(gen, latents, stored):
    """NCHW images of several latents by name, as many rows as are stored, through one batch and hence one program.

    Names with "none" in them are made by silencing the noise, for the same reason; `test_stylegan2` holds that this is
    no noise.
    """
    parts = {name: np.asarray(to_ws(gen, w))[: len(stored[name])] for name, w in latents.items() if name in stored}
    batch, ends = np.concatenate(list(parts.values())), np.cumsum([len(part) for part in parts.values()])
    silent = jax.tree_util.tree_map_with_path(
        lambda p, a: np.zeros_like(a) if p[-1].key == "noise_strength" else a, gen.variables
    )
    images = {}
    for g, quiet in ((gen, False), (dataclasses.replace(gen, variables=silent), True)):
        if any(("none" in name) == quiet for name in parts):
            split = np.split(np.asarray(g.synthesis(batch)).transpose(0, 3, 1, 2), ends[:-1])
            images |= {name: part for name, part in zip(parts, split, strict=True) if ("none" in name) == quiet}
    return images


@pytest.mark.parametrize("name", PARITY_FIXTURES)
def test_outputs_match_the_project_they_come_from(name, shared):
    """Every array that was stored: w and images in float32 and float64, all kinds of latents and noise, and the
    Jacobian."""
    path = shared / "fixtures" / "public" / name
    stored = dict(np.load(path.with_suffix(".npz")))
    gen = read_checkpoint(path, w_avg=stored.get("latent_avg"))
    z, c, cutoff = stored["z"], stored.get("c"), int(stored.get("truncation_cutoff", 0))
    latents = {"w": gen.mapping(z, c), "w_psi07": gen.mapping(z, c, truncation=0.7)}
    if cutoff:
        latents["ws_psi07_cutoff"] = gen.mapping(z, c, truncation=0.7, cutoff=cutoff)
    if "mix_wplus" in stored:
        first, second = np.asarray(to_ws(gen, latents["w"]))[:2]
        latents["mix_wplus"] = np.where(np.arange(gen.num_ws)[:, None] < stored["mix_inject_index"], first, second)[
            None
        ]
    for key, w in latents.items():
        np.testing.assert_allclose(np.asarray(w), stored[key], rtol=0, atol=PARITY_W, err_msg=key)

    pictured = {"img_const": latents["w"], "img_none": latents["w"]}
    pictured |= {"img_psi07_const": latents["w_psi07"], "img_wplus_const": stored["wplus"]}
    if cutoff:
        pictured["img_psi07_cutoff_const"] = latents["ws_psi07_cutoff"]
    if "mix_wplus" in stored:
        pictured["mix_img_const"] = stored["mix_wplus"]
    computed = images_of(gen, pictured, stored)
    for key, images in computed.items():
        assert worst(images, stored[key]) < PARITY, key

    # The 1 that this code adds to a style at run time is in our float32 bias, rounded once.
    tolerance = SEFA_F64 if name.startswith("sefa") else PARITY_F64
    checked = {*latents, *computed, *check_float64(gen, z, c, stored, tolerance), *check_jacobian(gen, stored)}
    assert not set(stored) - checked - INPUTS  # nothing in the file was overlooked


def check_float64(gen, z, c, stored, tolerance) -> set[str]:
    """The same float32 weights, run in float64 throughout."""
    with jax.enable_x64(True):
        gen = jax.tree.map(lambda a: np.asarray(a, np.float64), gen)
        z = z.astype(np.float64)
        computed = {"w_f64": gen.mapping(z, c), "w_psi07_f64": gen.mapping(z, c, truncation=0.7)}
        latents = {"img_const_f64": computed["w_f64"][:1]}
        if "jac_img_f64" in stored:
            latents["jac_img_f64"] = stored["jac_w"][None].astype(np.float64)
        stored = {key: a[None] if key == "jac_img_f64" else a for key, a in stored.items()}
        if "img_const_f64" in stored:
            computed |= images_of(gen, latents, stored)
    for key, a in computed.items():
        assert np.asarray(a).dtype == np.float64 and worst(a, stored[key]) < tolerance, key
    return set(computed)


def check_jacobian(gen, stored) -> set[str]:
    if "jac" not in stored:
        return set()
    mask = np.ones((gen.size[0], gen.size[0]))
    grams = region_grams(image_function(gen), stored["jac_w"][None], mask, channels="stack", keep_jacobian=True)
    jacobian = np.asarray(grams.jacobian)[0].transpose(2, 0, 1, 3)
    assert np.linalg.norm(jacobian - stored["jac"]) < 1e-4 * np.linalg.norm(stored["jac"])
    return {"jac"}


def test_no_shared_checkpoint_is_left_out(shared):
    folders = {name.split("/")[0] for name in PARITY_FIXTURES}
    found = {
        f"{path.parent.name}/{path.name}"
        for folder in folders
        for path in (shared / "fixtures" / "public" / folder).glob("*.p[kt]*")
    }
    assert found == set(PARITY_FIXTURES)


def test_faces64_matches_its_reference(shared):
    """A trained network of ours in NVIDIA's names; the images are NVIDIA's code's."""
    stored = {key: a[:4] for key, a in np.load(shared / "faces64" / "parity.npz").items()}
    gen = read_checkpoint(shared / "faces64" / "faces64_ada.pt")
    w, truncated = gen.mapping(stored["z"]), gen.mapping(stored["z"], truncation=0.7)
    np.testing.assert_allclose(np.asarray(w), stored["w"], rtol=0, atol=PARITY_W)
    pictured = {
        f"img_{psi}_{noise}": w for psi, w in (("psi1", w), ("psi07", truncated)) for noise in ("const", "none")
    }
    computed = images_of(gen, pictured, stored)
    assert len(computed) == 4
    for key, images in computed.items():
        assert worst(images, stored[key]) < PARITY, key


def test_digiface_dcgan_matches_its_reference_and_its_differences(shared):
    """Images against PyTorch's; two columns of the Jacobian against a central difference of the float64 reference."""
    folder = shared / "checkpoints" / "dcgan_digiface"
    stored = {key: a[:4] for key, a in np.load(folder / "parity.npz").items()}
    gen = read_checkpoint(folder / "weights.tar")
    assert worst(np.asarray(gen.synthesis(stored["z"])).transpose(0, 3, 1, 2), stored["img"]) < PARITY

    z, tangents, step = (
        stored["z"][0],
        np.eye(100, dtype=np.float32)[[13, 99]],
        1e-7,
    )  # small, so that hardly any ReLU turns on the way
    derivative = jax.jit(jax.vmap(lambda f, z, t: jax.jvp(f, (z,), (t,))[1], in_axes=(None, None, 0)))(
        image_function(gen), z, tangents
    )
    moves = step * tangents.astype(np.float64)
    ahead, behind = np.split(reference.dcgan(gen.config, gen.variables, np.concatenate([z + moves, z - moves])), 2)
    difference = (ahead - behind) / (2 * step)
    for column, expected in zip(np.asarray(derivative), difference, strict=True):
        assert np.linalg.norm(column - expected) < 1e-4 * np.linalg.norm(expected)


# ---- Hostile files whose bytes are fine: what is wrong is the names, the shapes or the values.

HOSTILE = {
    "rosi_wrong_shape.pt": ": convs.0.conv.weight: shape (1, 4, 5, 3, 3), the model wants (1, 4, 4, 3, 3)",
    "rosi_missing_key.pt": ": convs.1.activate.bias: nothing in the checkpoint fills it",
    "rosi_transposed_affine.pt": ": convs.1.conv.modulation.weight: shape (8, 4), the model wants (4, 8)",
    "rosi_nan.pt": "to_rgb1.conv.weight: holds NaN",
    "rosi_nan_latent_avg.pt": "latent_avg: holds NaN",
    "rosi_integer_weight.pt": "conv1.conv.weight: holds int64",
    "rosi_no_generator.pt": "neither g_ema nor g",
    "nvidia_missing_tensor.pkl": "b4.conv1.noise_c0nst: matched by 0 rules",
    "pickle_wrong_object.pkl": "known are",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_shapes_are_refused(name, shared):
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(shared / "fixtures" / "public" / "hostile" / name)
    message = str(caught.value)
    assert name in message and HOSTILE[name] in message and message.isprintable()


@pytest.mark.parametrize("name", ["nvidia_module_src.pkl", "zip_path_names.pt"])
def test_hostile_parts_that_are_never_looked_at_do_no_harm(name, shared, tmp_path, monkeypatch):
    """Source text that would run, records that would climb out of the folder: the weights around them convert."""
    monkeypatch.chdir(tmp_path)
    assert isinstance(read_checkpoint(shared / "fixtures" / "public" / "hostile" / name), StyleGAN2)
    assert not list(tmp_path.iterdir())
