"""Settings are read, not assumed: every attribute and argument of a file, altered in turn, gives the right image or a
refusal by name.

The judge of NVIDIA's attributes is its forward pass, written once more to do whatever they say (`nvidia_records`);
Hammer's and the TensorFlow code's arguments may only be refused, or be among those that touch no image.
"""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
import reference
from nvidia_records import generator, run
from tolerances import PARITY, worst

from lrgan_jax.convert import CheckpointError, find_network
from lrgan_jax.convert.formats.settings import number
from lrgan_jax.foreign import containers
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2

SMALL = StyleGAN2Config(channels=(4, 3, 2), z_dim=5, w_dim=6, mapping_layers=2, mapping_features=6, embed_features=0)


def altered(value):
    """Other values of the same kind, and of some other kinds."""
    match value:
        case bool():
            return [not value, None]
        case int() | float() | np.floating():
            return [value * 2 + 1, 0, -value - 1, None, "much", float("nan")]
        case None:
            return [0.5, 256, True, "relu"]
        case str():
            return ["relu", "linear", "resnet", "orig", None, 3]
        case list() | tuple():
            scaled = type(value)(x * 3 if isinstance(x, int | float) else x for x in value[::-1])
            return [type(value)([*value, 1]), value[:-1], scaled, None]
        case dict():
            one = [{**value, name: other} for name in value for other in altered(value[name])]
            return [
                *one,
                *({k: v for k, v in value.items() if k != name} for name in value),
                {**value, "frobnicate": 1},
            ]
    return [None]


def build(tree):
    found, _ = find_network(tree)
    return found.build({})[0]


def every(record, path=""):
    yield path, record
    for name, child in record.state["_modules"].items():
        if child is not None:
            yield from every(child, f"{path}.{name}".lstrip("."))


def changes(record):
    """Every attribute of every module in turn: where, what and how the record is changed while this is looked at."""
    for path, module in every(record):
        for name in [*module.state, "frobnicate"]:
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            before = module.state.get(name, "absent")
            others = [value for value in altered(before) if repr(value) != repr(before)]
            for value in [*others, "removed"] if name != "frobnicate" else [1]:
                if value == "removed" and isinstance(value, str):
                    del module.state[name]
                else:
                    module.state[name] = value
                yield path, name, value
                module.state[name] = before
                if before == "absent" and isinstance(before, str):
                    del module.state[name]


def judge(record, size):
    """How many changes there were, how many of them were accepted; an accepted one must give the image that NVIDIA's
    code gives."""
    base = build({"G_ema": record})
    z = np.random.default_rng(0).standard_normal(base.z_dim).astype(np.float32)
    c = np.eye(base.c_dim, dtype=np.float32)[0] if base.c_dim else None
    ours = image_of(base, z, c)
    assert worst(ours, run(record, z, c)) < PARITY and len(ours) == size
    tried, accepted = 0, []
    for path, name, value in changes(record):
        tried += 1
        try:
            gen = build({"G_ema": record})
        except CheckpointError as error:
            assert str(error).isprintable()
            continue
        accepted.append((path, name, value))
        image = ours if same(gen, base) else image_of(gen, z, c)
        try:
            theirs = run(record, z, c)
        except Exception as error:
            raise AssertionError(f"{path} {name}={value!r} was accepted, where NVIDIA's code fails: {error}") from error
        assert worst(image, theirs) < PARITY, (path, name, value)
    return tried, accepted


def image_of(gen, z, c):
    return np.asarray(gen.synthesis(gen.mapping(z[None], None if c is None else c[None])))[0]


def same(a, b):
    return a.config == b.config and all(map(np.array_equal, jax.tree.leaves(a.variables), jax.tree.leaves(b.variables)))


def random_network(**config):
    config = dataclasses.replace(SMALL, **config)
    return StyleGAN2(config, reference.random_variables(stylegan2.init, config))


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"architecture": "resnet", "conv_clamp": 1.0, "c_dim": 3, "embed_features": 4},
    ],
    ids=["skip", "resnet, labels, clamp"],
)
def test_no_altered_attribute_is_accepted_wrongly(config):
    """On networks of our own, without any file: every attribute, dozens of values."""
    tried, accepted = judge(generator(random_network(**config)), 16)
    assert tried > 1000
    names = {name for _, name, value in accepted if not (isinstance(value, str) and value == "removed")}
    assert names <= {
        "training",
        "use_fp16",
        "channels_last",
        "w_avg_beta",
        "use_noise",
        "_init_args",
        "_init_kwargs",
        *EMPTY,
    }
    assert ("synthesis.b8.conv0", "use_noise", False) in accepted  # honoured, and not as if it were nothing


EMPTY = {
    "_non_persistent_buffers_set",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ada/ada_asymfilter16", "ada/ada_nonoise16", "ada/ada_clamp_fp16_32", "sg3/sg3_cond32"]
)
def test_no_altered_attribute_of_a_fixture_is_accepted_wrongly(name, shared):
    record = containers.read(shared / "fixtures" / "public" / f"nvidia_{name}.pkl")["G_ema"]
    assert judge(record, 32 if "32" in name else 16)[0] > 1000


# ---- Arguments: Hammer's and the TensorFlow code's.

HAMMER = {  # the constructor's, as a file might carry them all; what alters the images is to be refused or honoured
    "model_type": "StyleGAN2Generator",
    "z_dim": 5,
    "w_dim": 6,
    "repeat_w": True,
    "normalize_z": True,
    "mapping_layers": 2,
    "mapping_fmaps": 6,
    "mapping_use_wscale": True,
    "mapping_wscale_gain": 1.0,
    "mapping_lr_mul": 0.01,
    "label_dim": 0,
    "embedding_dim": 512,
    "embedding_bias": True,
    "embedding_use_wscale": True,
    "embedding_wscale_gian": 1.0,
    "embedding_lr_mul": 1.0,
    "normalize_embedding": True,
    "normalize_embedding_latent": False,
    "resolution": 16,
    "init_res": 4,
    "image_channels": 3,
    "final_tanh": False,
    "const_input": True,
    "architecture": "skip",
    "demodulate": True,
    "use_wscale": True,
    "wscale_gain": 1.0,
    "lr_mul": 1.0,
    "noise_type": "spatial",
    "fmaps_base": 64,
    "fmaps_max": 4,
    "filter_kernel": (1, 3, 3, 1),
    "conv_clamp": None,
    "eps": 1e-8,
}
HAMMER_HARMLESS = {  # widths are shapes; nothing is embedded without labels
    "fmaps_base",
    "fmaps_max",
    "embedding_dim",
    "embedding_bias",
    "embedding_use_wscale",
    "embedding_wscale_gian",
    "embedding_lr_mul",
    "normalize_embedding",
    "normalize_embedding_latent",
}
TENSORFLOW = {
    "latent_size": 5,
    "label_size": 0,
    "dlatent_size": 6,
    "dlatent_broadcast": 6,
    "mapping_layers": 2,
    "mapping_fmaps": 6,
    "mapping_lrmul": 0.01,
    "mapping_nonlinearity": "lrelu",
    "normalize_latents": True,
    "num_channels": 3,
    "resolution": 16,
    "fmap_base": 32,
    "fmap_max": 4,
    "architecture": "skip",
    "nonlinearity": "lrelu",
    "use_noise": True,
    "resample_kernel": [1, 3, 3, 1],
    "conv_clamp": None,
    "num_fp16_res": 0,
    "randomize_noise": False,
    "truncation_psi": 0.5,
    "mapping_func": "G_mapping",
    "synthesis_func": "G_synthesis",
    "fused_modconv": True,
}
TENSORFLOW_HARMLESS = {"fmap_base", "fmap_max", "num_fp16_res", "randomize_noise", "truncation_psi", "fused_modconv"}
HONOURED = {
    "conv_clamp": "conv_clamp",
    "mapping_lr_mul": "mapping_lr",
    "mapping_lrmul": "mapping_lr",
    "resample_kernel": "filter",
}
HONOURED["filter_kernel"] = "filter"  # which Hammer's files hold as tensors too, so that only the sum may differ


def square(taps):
    return np.outer(taps, taps) if np.ndim(taps) == 1 else np.asarray(taps)


def hammer_tree(gen, arguments):
    from test_convert import genforce_names

    return {"models": {"generator_smooth": genforce_names(gen)}, "model_kwargs_init": {"generator_smooth": arguments}}


def tensorflow_tree(gen, arguments):
    from test_convert import tensorflow_network

    return tensorflow_network(gen, **arguments)


@pytest.mark.parametrize(
    ("tree", "arguments", "harmless"),
    [(hammer_tree, HAMMER, HAMMER_HARMLESS), (tensorflow_tree, TENSORFLOW, TENSORFLOW_HARMLESS)],
    ids=["Hammer", "TensorFlow"],
)
def test_no_altered_argument_is_accepted_wrongly(tree, arguments: dict[str, Any], harmless):
    """Refused by name; or harmless, and then the very same network; or honoured, and then in the configuration."""
    gen = random_network()
    base = build(tree(gen, arguments))
    tried = 0
    for name in [*arguments, "frobnicate"]:
        for value in altered(arguments[name]) if name in arguments else [1]:
            if repr(value) == repr(arguments.get(name)):
                continue
            tried += 1
            try:
                other = build(tree(gen, {**arguments, name: value}))
            except CheckpointError as error:
                named = (name, HONOURED.get(name, name), "mapping layers", "mapping network")
                assert name not in harmless and any(part in str(error) for part in named), error
                continue
            if (field := HONOURED.get(name)) is not None:
                got = getattr(other.config, field)
                assert (
                    got == value if field != "filter" else np.allclose(square(got), square(value) / square(value).sum())
                )
                other = dataclasses.replace(
                    other, config=dataclasses.replace(other.config, **{field: getattr(base.config, field)})
                )
            else:
                assert name in harmless or (name, value) == ("dlatent_broadcast", None), (
                    name,
                    value,
                )  # every layer alike, or said later
            assert same(other, base), (name, value)
    assert tried > 80


def test_hammers_clamp_and_learning_rate_reach_the_image():
    """Against the float64 reference with these settings."""
    gen = random_network(conv_clamp=0.5, mapping_lr=0.3)
    back = build(hammer_tree(gen, HAMMER | {"conv_clamp": 0.5, "mapping_lr_mul": 0.3}))
    z = np.random.default_rng(0).standard_normal((1, 5)).astype(np.float32)
    w = reference.mapping(gen.config, gen.variables, z)
    expected = reference.synthesis(gen.config, gen.variables, np.repeat(w[:, None], gen.num_ws, axis=1))
    assert worst(image_of(back, z[0], None), expected[0]) < PARITY and np.abs(expected).max() > 0


@pytest.mark.parametrize(
    "value", [np.array([1, 2]), np.zeros(0), [1] * 100_000, {"a": 1}], ids=["array", "empty", "long", "dict"]
)
def test_values_of_no_kind_of_setting_are_refused_by_name(value):
    gen = random_network()
    for path, name in (("mapping", "num_layers"), ("mapping.fc0", "bias_gain"), ("synthesis.b4.conv1", "conv_clamp")):
        record = generator(gen)
        dict(every(record))[path].state[name] = value
        with pytest.raises(CheckpointError):
            build({"G_ema": record})
    for tree, arguments, names in (
        (hammer_tree, HAMMER, ("mapping_layers", "mapping_lr_mul", "conv_clamp", "filter_kernel")),
        (tensorflow_tree, TENSORFLOW, ("mapping_layers", "mapping_lrmul", "conv_clamp", "resample_kernel")),
    ):
        for name in names:
            with pytest.raises(CheckpointError):
                build(tree(gen, arguments | {name: value}))
    assert number(2**100, "of any size") == 2.0**100


def test_tensorflow_networks_of_other_parts_are_refused_by_name():
    whole = tensorflow_tree(random_network(), TENSORFLOW)
    assert find_network([whole, whole, whole])[0].tensors.keys() == find_network(whole)[0].tensors.keys()
    for name, value, said in (
        ("build_func_name", ["G_main"], "is built by"),
        ("components", {"a": whole}, "a: it has components"),
    ):
        with pytest.raises(CheckpointError, match=said):
            find_network(dataclasses.replace(whole, state=whole.state | {name: value}))
