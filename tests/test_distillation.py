"""Distillation: its pieces against what they are said to be, a small run from beginning to end."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tolerances import rounding, worst

from lrgan_jax.generators import DCGAN, DCGANConfig, StyleGAN2Config, dcgan, sample_z, stylegan2
from lrgan_jax.models import checkpoint
from lrgan_jax.training import DistillConfig, Schedule, TrainingError, distill, distill_step
from lrgan_jax.training import distillation as module

TEACHER = DCGANConfig(channels=(8,), z_dim=6)
STUDENT = StyleGAN2Config(channels=(16, 12), z_dim=6, w_dim=10, mapping_layers=2, mapping_features=10, embed_features=0)
CONFIG = DistillConfig(STUDENT, steps=(500, 1500), batch=16, learning_rate=0.02)


@pytest.fixture(scope="module")
def teacher() -> DCGAN:
    """8x8 pictures that are neither flat nor black and white."""
    variables = jax.jit(dcgan.init, static_argnums=1)(jax.random.key(0), TEACHER)
    params = variables["params"] | {
        "project": variables["params"]["project"] * 20,
        "up0": variables["params"]["up0"] * 10,
    }
    return DCGAN(TEACHER, variables | {"params": params})


def on_sphere(num: int):
    z = np.random.default_rng(0).standard_normal((num, 6)).astype(np.float32)
    return z / np.sqrt(np.square(z).mean(1, keepdims=True))


def test_the_teachers_stages_lead_to_its_image_layer_by_layer(small_dcgan):
    network, z = dcgan.Network(small_dcgan.config), sample_z(small_dcgan, jax.random.key(0), 2).array
    stages = network.apply(small_dcgan.variables, z, method="stages")
    np.testing.assert_allclose(stages[-1], small_dcgan.synthesis(z), **rounding(np.float32, 4))
    for k, (before, after) in enumerate(itertools.pairwise(stages)):
        found = network.apply(small_dcgan.variables, k, jax.nn.relu(before), method="layer")
        np.testing.assert_allclose(found, after, **rounding(np.float32, 4))


def test_the_mapping_begins_as_a_rotation_and_the_styles_around_one():
    """Distances between w are those between z, up to one factor; the mean style is 0 for the first block and 1
    elsewhere.
    """
    variables = module._linear_start(STUDENT, jax.random.key(1))
    z = on_sphere(512)
    w = np.asarray(stylegan2.map_latents(STUDENT, variables, z, None))
    i, j = np.random.default_rng(1).integers(0, 512, (2, 2000))
    ratio = np.linalg.norm(w[i] - w[j], axis=1)[i != j] / np.linalg.norm(z[i] - z[j], axis=1)[i != j]
    assert ratio.std() / ratio.mean() < 0.1
    for block, layers in variables["params"]["synthesis"].items():
        for name in layers.keys() - {"const"}:
            affine = layers[name]["affine"]
            style = w @ np.asarray(affine["kernel"]) / np.sqrt(10) + np.asarray(affine["bias"])
            np.testing.assert_allclose(style.mean(0), 0 if (block, name) == ("b4", "conv1") else 1, atol=0.3)


def test_a_hint_is_the_share_of_the_teachers_variance_that_is_missed(teacher):
    """With an adapter of zeros the teacher's layer sees no features: what it then gives, by hand, against what it gives
    otherwise.
    """
    state = module.init(CONFIG, teacher, 0)
    trained = state.trained | {"adapters": jax.tree.map(jnp.zeros_like, state.trained["adapters"])}
    z = on_sphere(16)
    _, metrics = module._loss(trained, CONFIG, teacher, state.buffers, jnp.asarray(z), 0)
    answer = np.asarray(teacher.synthesis(z))
    nothing = np.asarray(
        dcgan.Network(TEACHER).apply(teacher.variables, 0, jnp.zeros((1, 4, 4, 8), np.float32), method="layer")
    )
    np.testing.assert_allclose(metrics["hint4"], np.square(nothing - answer).mean() / answer.var(), rtol=1e-5)
    assert "l1" not in metrics


def test_a_stage_moves_its_own_blocks_and_no_later_one(teacher):
    before = module.init(CONFIG, teacher, 0)
    after, _ = distill_step(CONFIG, teacher, module.init(CONFIG, teacher, 0), stage=0)
    after, _ = distill_step(CONFIG, teacher, after, stage=0)  # the learning rate is 0 at first
    moved = jax.tree.map(
        lambda a, b: np.abs(a - b).max(), after.trained["student"]["synthesis"], before.trained["student"]["synthesis"]
    )
    assert moved["b4"]["conv1"]["kernel"] > 1e-4 and max(jax.tree.leaves(moved["b8"])) == 0
    assert worst(after.trained["adapters"][0]["kernel"], before.trained["adapters"][0]["kernel"]) > 1e-4


def test_a_student_learns_its_teachers_images(teacher, tmp_path):
    """z by z, on ones it has not seen; and what the run leaves is a checkpoint."""
    images = 16 * sum(CONFIG.steps)
    student = distill(
        teacher, CONFIG, tmp_path / "run", Schedule(images, log_every=500, snapshot_every=2000, compared=0)
    )
    z = on_sphere(256)
    answer, found = (np.asarray(gen.synthesis(gen.mapping(z))) for gen in (teacher, student))
    mean = np.abs(answer - answer.mean(0)).mean()  # what one picture for all could reach
    assert np.abs(found - answer).mean() < 0.5 * mean
    w = np.asarray(stylegan2.map_latents(STUDENT, student.variables, on_sphere(4096), None))
    np.testing.assert_allclose(
        student.variables["buffers"]["mapping"]["w_avg"], w.mean(0), atol=6 * w.std(0).max() / np.sqrt(4096)
    )
    assert student.info.name == "run"
    loaded = checkpoint.load(tmp_path / "run" / "models" / f"{images:09d}")
    for a, b in zip(jax.tree.leaves(loaded.variables), jax.tree.leaves(student.variables), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_in_two_parts_ends_as_in_one(teacher, tmp_path):
    config = dataclasses.replace(CONFIG, steps=(2, 2))

    def part(name, steps):
        return distill(teacher, config, tmp_path / name, Schedule(16 * steps, snapshot_every=2, compared=0)).variables

    part("halves", 2)
    for a, b in zip(jax.tree.leaves(part("halves", 4)), jax.tree.leaves(part("whole", 4)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"student": dataclasses.replace(STUDENT, channels=(4, 4, 4))}, "images of 8 pixels"),
        ({"student": dataclasses.replace(STUDENT, z_dim=5)}, "z of 6"),
        ({"student": dataclasses.replace(STUDENT, c_dim=2)}, "without labels"),
        ({"steps": (3,)}, "steps are given for 1 stages, the student has 2 blocks"),
    ],
)
def test_networks_that_do_not_fit_are_refused(teacher, tmp_path, changes, line):
    with pytest.raises(TrainingError, match=line):
        distill(teacher, dataclasses.replace(CONFIG, **changes), tmp_path / "run", Schedule(16))
    assert not (tmp_path / "run").exists()
