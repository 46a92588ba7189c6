"""BigGAN and BigGAN-deep against the images and Jacobians that their own projects' code gives."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tolerances import PARITY, PARITY_F64, PARITY_W, worst

from lrgan_jax.convert import read_checkpoint
from lrgan_jax.generators import W
from lrgan_jax.generators.biggan import place

AJBROCK = ("ajb32", "ajb32_noshared", "ajb_deep32")
HUGGINGFACE = ("hf16_51", "hf16_zip", "hf32")
JACOBIAN = 1e-4  # of float32 tangents, relative to the largest entry


class Fixture:
    """A converted checkpoint, what is said of it, and its arrays of both precisions."""

    def __init__(self, folder, name):
        suffix = "" if name in HUGGINGFACE else ".pth"
        self.path, self.gen = folder / f"{name}{suffix}", read_checkpoint(folder / f"{name}{suffix}")
        self.about = json.loads((folder / f"{name}.json").read_text())
        self.stored = {**np.load(folder / f"{name}.npz"), **np.load(folder / f"{name}_f64.npz")}
        self.used = set()

    def __getitem__(self, name):
        self.used.add(name)
        return self.stored[name]

    @property
    def labels(self):
        return self["class_label"] if "class_label" in self.stored else np.eye(self.gen.c_dim)[self["y"]]


@pytest.fixture(scope="session")
def fixtures(shared):
    """By name, each read once."""
    found = {}

    def of(name):
        folder = shared / "fixtures" / "public" / ("biggan_hf" if name in HUGGINGFACE else "biggan_ajbrock")
        return found.setdefault(name, None) or found.update({name: Fixture(folder, name)}) or found[name]

    return of


def pictures(gen, *latent):
    return np.asarray(gen.synthesis(*latent)).transpose(0, 3, 1, 2)


def cases(fixture):
    """Every stored picture by its name, and the latents of these."""
    gen, z, c = fixture.gen, fixture["z"], fixture.labels
    w = gen.mapping(z, c[: len(z)])
    first, end = gen.parts["class"]
    yield "img", w
    if "img_swap" in fixture.stored:
        yield "img_swap", gen.mapping(z[:1], c[1:2])
    if "img_mixlabel" in fixture.stored:
        yield "img_mixlabel", gen.mapping(z[:1], c[2:])
    if "img_mix" in fixture.stored:
        yield "img_mix", w.like(w.array[:1].at[:, first:end].set(fixture["y_mix"]))
    if "img_trunc" in fixture.stored:
        rows = [gen.mapping(z[:1], c[:1], float(truncation)).array for truncation in fixture["truncations"]]
        yield "img_trunc", W(jnp.concatenate(rows))


@pytest.mark.parametrize("name", [*AJBROCK, *HUGGINGFACE])
def test_images(name, fixtures):
    """All in one batch, of which each latent has its own statistics."""
    fixture = fixtures(name)
    names, latents = zip(*cases(fixture), strict=True)
    found = pictures(fixture.gen, jnp.concatenate([w.array for w in latents]))
    each = np.split(found, np.cumsum([len(w) for w in latents])[:-1])
    errors = {name: worst(images, fixture[name]) for name, images in zip(names, each, strict=True)}
    print(fixture.path.name, errors)
    assert max(errors.values()) < PARITY


@pytest.mark.parametrize("name", [*AJBROCK, *HUGGINGFACE])
def test_class_embeddings(name, fixtures):
    fixture = fixtures(name)
    gen, count = fixture.gen, len(fixture["z"])
    w = np.asarray(gen.mapping(fixture["z"], fixture.labels[:count]))
    first, end = gen.parts["class"]
    np.testing.assert_array_equal(w[:, : gen.z_dim], fixture["z"])
    for embedded in {"y_embed", "embed"} & fixture.stored.keys():
        np.testing.assert_allclose(w[:, first:end], fixture[embedded][:count], rtol=0, atol=PARITY_W)
    if "cond" in fixture.stored:
        np.testing.assert_allclose(w[:, :end], fixture["cond"], rtol=0, atol=PARITY_W)


@pytest.mark.parametrize("name", HUGGINGFACE)
def test_statistics_by_truncation(name, fixtures):
    """Where division misses a whole number, too."""
    fixture = fixtures(name)
    for truncation, row, share in zip(*(fixture[name] for name in ("truncations", "bn_index", "bn_coef")), strict=True):
        r = place(float(truncation), fixture.gen.config.num_statistics)
        assert r == (row + 1 - share if share else row)


@pytest.mark.parametrize("name", [*AJBROCK, *HUGGINGFACE])
def test_64_bits(name, fixtures):
    """Images and all of the Jacobian, by z and by what stands for the class."""
    fixture = fixtures(name)
    truncation = float(fixture["jac_truncation"]) if "jac_truncation" in fixture.stored else 1.0
    with jax.enable_x64(True):
        gen = jax.tree.map(lambda a: a.astype("float64"), fixture.gen)
        w = jnp.concatenate([gen.mapping(fixture["z"][:1], fixture.labels[:1], t).array for t in (1.0, truncation)])
        jacobians, images = jacobian(gen, w)
    assert images.dtype == np.float64 and worst(images[:1].transpose(0, 3, 1, 2), fixture["img_f64"]) < PARITY_F64
    top, left, height, width = fixture["jac_window"]
    window = images[1, top : top + height, left : left + width].transpose(2, 0, 1)
    assert worst(window, fixture["jac_img"]) < PARITY_F64
    check_jacobian(fixture, gen, jacobians[1], PARITY_F64)


@pytest.mark.parametrize("name", ["ajb32", "ajb_deep32", "hf16_51"])
def test_jacobians_in_32_bits(name, fixtures):
    fixture = fixtures(name)
    truncation = float(fixture["jac_truncation"]) if "jac_truncation" in fixture.stored else 1.0
    w = fixture.gen.mapping(fixture["z"][:1], fixture.labels[:1], truncation).array
    check_jacobian(fixture, fixture.gen, jacobian(fixture.gen, w)[0][0], JACOBIAN)


@jax.jit
def _jacobian(gen, w):
    def image(w):
        found = gen.synthesis(w[None])[0]
        return found, found

    return jax.vmap(jax.jacfwd(image, has_aux=True))(w)


def jacobian(gen, w):
    """[N, H, W, C, d], and the images."""
    return tuple(map(np.asarray, _jacobian(gen, w)))


def check_jacobian(fixture, gen, jacobian, tolerance):
    top, left, height, width = fixture["jac_window"]
    window = jacobian[top : top + height, left : left + width].transpose(2, 0, 1, 3)
    (first, last), end = gen.parts["class"], gen.z_dim
    errors = {"jac_z": worst(window[..., :end], fixture["jac_z"])}
    for embedded in {"jac_y", "jac_embed"} & fixture.stored.keys():
        errors[embedded] = worst(window[..., first:last], fixture[embedded])
    if "jac_label" in fixture.stored:
        embedding = np.asarray(gen.variables["params"]["embedding"])
        errors["jac_label"] = worst(window[..., first:last] @ embedding.T, fixture["jac_label"])
    d = len(fixture["gram"])
    rows = jacobian[..., :d].reshape(-1, d)
    errors["gram"] = worst(rows.T @ rows, fixture["gram"])
    print(fixture.path.name, errors)
    assert max(errors.values()) < tolerance
    np.testing.assert_array_equal(jacobian[..., last:], 0)  # the statistics' place


@pytest.mark.parametrize("name", AJBROCK)
def test_spectral_norms(name, fixtures):
    """One step from the stored vectors, which is not the largest singular value."""
    fixture = fixtures(name)
    buffers = fixture.gen.variables["buffers"]
    found = [divisor(buffers, name) for name in fixture.about["sigma_names"]]
    np.testing.assert_allclose(found, fixture["sigma"], rtol=1e-12)


def divisor(buffers, name):
    """By the project's name."""
    kinds = {"gain": "gain", "bias": "shift", "theta": "query", "phi": "key", "g": "value", "o": "out"}
    match name.split("."):
        case ["linear"]:
            layer = buffers["project"]
        case ["output_layer", "2"]:
            layer = buffers["rgb"]
        case ["blocks", k, "1", kind]:
            layer = buffers[f"attention{int(k) + 1}"][kinds[kind]]
        case ["blocks", k, "0", norm, kind]:
            layer = buffers[f"block{k}"][norm.replace("bn", "norm")][kinds[kind]]
        case ["blocks", k, "0", conv]:
            layer = buffers[f"block{k}"][conv.replace("conv_sc", "skip")]
        case _:
            raise AssertionError(name)
    return np.asarray(layer["spectral_norm"], np.float64).sum()


@pytest.mark.parametrize("name", [*AJBROCK, *HUGGINGFACE])
def test_every_array_was_looked_at(name, fixtures):
    """By the tests above, which ran before."""
    fixture = fixtures(name)
    if fixture.used:
        assert fixture.used == set(fixture.stored)
