"""Settings are read, not assumed: every attribute and argument of a file, altered in turn, gives the right image or a refusal by name.

The judge of NVIDIA's attributes is its forward pass, written once more to do whatever they say (`nvidia_records`); Hammer's and the
TensorFlow code's arguments may only be refused, or be among those that touch no image.
"""

import dataclasses

import jax
import numpy as np
import pytest
import reference
from nvidia_records import generator, run
from tolerances import PARITY, worst

from convert import CheckpointError, common, find_network
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
            return [*one, *({k: v for k, v in value.items() if k != name} for name in value), {**value, "frobnicate": 1}]
    return [None]


def build(tree):
    network, _ = find_network(tree)
    return common.build(network, {}, w_avg=None, noise="random")[0]


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
    """How many changes there were, how many of them were accepted; an accepted one must give the image that NVIDIA's code gives."""
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
    "config", [{}, {"architecture": "resnet", "conv_clamp": 1.0, "c_dim": 3, "embed_features": 4}], ids=["skip", "resnet, labels, clamp"]
)
def test_no_altered_attribute_is_accepted_wrongly(config):
    """On networks of our own, without any file: every attribute, dozens of values."""
    tried, accepted = judge(generator(random_network(**config)), 16)
    assert tried > 1000
    names = {name for _, name, value in accepted if not (isinstance(value, str) and value == "removed")}
    assert names <= {"training", "use_fp16", "channels_last", "w_avg_beta", "use_noise", "_init_args", "_init_kwargs", *EMPTY}
    assert ("synthesis.b8.conv0", "use_noise", False) in accepted  # honoured, and not as if it were nothing


EMPTY = {"_non_persistent_buffers_set", "_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks",
         "_load_state_dict_pre_hooks"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ada/ada_asymfilter16", "ada/ada_nonoise16", "ada/ada_clamp_fp16_32", "sg3/sg3_cond32"])
def test_no_altered_attribute_of_a_fixture_is_accepted_wrongly(name, shared):
    record = containers.read(shared / "fixtures" / "public" / f"nvidia_{name}.pkl")["G_ema"]
    assert judge(record, 32 if "32" in name else 16)[0] > 1000
