"""BigGAN and BigGAN-deep against the images and Jacobians that their own projects' code gives."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import planted
import pytest
import reference
from tolerances import PARITY, PARITY_F64, PARITY_W, worst

from lrgan_jax import Directions, Search, edit, find_directions, global_directions, methods, sweep, walk
from lrgan_jax.base.errors import InputError
from lrgan_jax.convert import read_checkpoint
from lrgan_jax.generators import BigGAN, BigGANConfig, W, Z, biggan, image_function, ops, render, sample_z, to_ws
from lrgan_jax.generators.biggan import place
from lrgan_jax.generators.biggan_network import interpolated
from lrgan_jax.generators.natural import depth, own_root
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.methods import ganspace
from lrgan_jax.targets import moves_text, pair_grams, targets

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


@pytest.mark.parametrize("name", ["ajb32", "hf16_51"])
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


# ---- What needs no file.


def rows(gen, n=2, truncation=1.0):
    """ws, of the first classes."""
    return seeded(gen, 0, n, labels=range(gen.c_dim), truncation=truncation).all()


def test_latents_of_every_form_are_one_picture(small_biggan):
    """w, with a layer axis, z with its class, and w of another class whose own takes its place."""
    gen, c = small_biggan, np.eye(4)[[1, 3]]
    z = sample_z(gen, jax.random.key(0), 2)
    w = gen.mapping(z, c)
    picture = np.asarray(gen.synthesis(w))
    assert picture.shape == (2, 16, 16, 3) and np.abs(picture).max() < 1
    others = (to_ws(gen, w),), (z, c), (np.asarray(z), c), (w, c), (gen.mapping(z, c[::-1]), c)
    for latent in others:
        np.testing.assert_allclose(gen.synthesis(*latent), picture, rtol=0, atol=PARITY)
    np.testing.assert_allclose(render(gen, to_ws(gen, w)), picture, rtol=0, atol=PARITY)
    halves = gen.mapping(z[:1], c.mean(0, keepdims=True)).array - w.array[:1]
    np.testing.assert_allclose(halves[:, 6:], (gen.mapping(z[:1], c[1:]).array - w.array[:1])[:, 6:] / 2, atol=1e-6)


def test_one_picture_alone_and_jitted(small_biggan):
    """Neither a batch nor a transformation changes it beyond rounding."""
    gen, ws = small_biggan, rows(small_biggan).array
    one = jax.jit(image_function(gen))
    batch = jax.jit(jax.vmap(image_function(gen)))(ws)
    for picture, w in zip(batch, ws, strict=True):
        np.testing.assert_allclose(one(w), picture, rtol=0, atol=PARITY)


def test_truncation(small_biggan):
    """Times z, or not at all."""
    gen, c = small_biggan, np.eye(1, 4)
    z = sample_z(gen, jax.random.key(0), 1)
    whole, half = gen.mapping(z, c).array, gen.mapping(z, c, 0.5).array
    np.testing.assert_array_equal(half, whole.at[:, :6].divide(2))
    np.testing.assert_array_equal(gen.mapping(z, c, 0.5, cutoff=0).array, whole)
    np.testing.assert_array_equal(gen.mapping(z, c, 0.5, cutoff=1).array, half)
    np.testing.assert_array_equal(jax.jit(lambda t: gen.mapping(z, c, t).array)(0.5), half)


@pytest.fixture(scope="module")
def by_truncation():
    """BigGAN-deep at 8x8 with statistics that differ by truncation."""
    config = BigGANConfig(
        channels=(8, 8, 4),
        ups=(False, True),
        z_dim=5,
        c_dim=3,
        class_dim=2,
        deep=True,
        z_goes="everywhere",
        eps=1e-4,
        num_statistics=11,
    )
    variables = reference.random_variables(biggan.init, config)
    return BigGAN(config, jax.tree.map(jnp.abs, variables))


def test_truncation_that_chooses_statistics(by_truncation):
    """z is drawn for it, and not scaled by the mapping."""
    gen, c = by_truncation, np.eye(1, 3)
    z = sample_z(gen, jax.random.key(0), 1)
    np.testing.assert_array_equal(gen.mapping(z, c, 0.5).array[:, :5], np.asarray(z))
    assert gen.mapping(z, c, 0.5).array[0, -1] == 5 and gen.mapping(z, c, 0.5, cutoff=0).array[0, -1] == 10
    for wrong in (0.0, -0.1, 1.1, np.nan):
        with pytest.raises(InputError, match="truncation"):
            gen.mapping(z, c, wrong)
    with pytest.raises(InputError, match="not traced"):
        jax.jit(lambda t: gen.mapping(z, c, t).array)(0.5)


def test_random_latents_are_those_that_the_project_draws(by_truncation):
    """A normal distribution cut at 2, times the truncation; of others the standard one."""
    gen = by_truncation
    z = np.asarray(rows(gen, 4096, truncation=0.5).array)[:, 0, :5]
    assert 0.99 < np.abs(z).max() <= 1
    np.testing.assert_allclose(z.std(), 0.5 * 0.8796, rtol=0.02)  # of the cut distribution
    own = np.asarray(sample_z(gen, jax.random.key(0), 4096))
    assert (np.argsort(own[:, 0]) == np.argsort(z[:, 0])).mean() > 0.9  # the same pictures, less far out


def test_the_place_in_the_table_is_exact_where_division_is_not():
    """As Python divides, of the published 51 rows."""
    assert [place(t, 51) for t in (1.0, 0.02, 0.43)] == [50, 1, 21.5]
    for t, row in {0.14: 8, 0.28: 15, 0.56: 29, 0.58: 28, 0.94: 46}.items():
        assert place(t, 51) == pytest.approx(row, abs=1e-12)
    assert place(0.47, 11) == pytest.approx(4 + 1 - 0.7)  # nearer to row 5, and weighed as if to row 4


def test_interpolated_rows():
    table = jnp.asarray([[0.0, 1.0], [2.0, 5.0], [10.0, 7.0]])
    found = interpolated(table, jnp.asarray([0.0, 0.25, 1.5, 2.0]))
    np.testing.assert_allclose(found, [[0, 1], [0.5, 2], [6, 6], [10, 7]])


@pytest.mark.parametrize(
    ("latent", "c", "says"),
    [
        (np.zeros((2, 6)), None, "this model is conditional"),
        (np.zeros((2, 6)), np.eye(2), "c must be one-hot labels of shape"),
        (np.zeros((2, 7)), None, "synthesis takes w of shape"),
        (np.zeros((2, 2, 9)), None, "synthesis takes w of shape"),
        (np.zeros((2, 9)), np.eye(3), "c must be one-hot labels of shape"),
        (np.full((1, 9), np.nan), None, "latents"),
    ],
)
def test_what_does_not_fit_is_refused(small_biggan, latent, c, says):
    with pytest.raises(InputError, match=says):
        small_biggan.synthesis(latent, c)


def test_pooling_leaves_out_an_odd_row():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4))
    pooled = np.asarray(ops.max_pool(jnp.asarray(x, jnp.float32)))
    assert pooled.shape == (2, 1, 2, 4) and (pooled[0, 0, 1] == np.float32(x[0, :2, 2:4].max((0, 1)))).all()


# ---- Parts of the latent.

REGION = np.zeros((16, 16), np.float32)
REGION[4:9, 3:12] = 1
PARTS = {None: (0, 6), "z": (0, 6), "class": (6, 9), "both": (0, 9), (2, 5): (2, 5)}


@pytest.mark.parametrize("part", PARTS)
def test_directions_of_a_part(part, small_biggan):
    """Only its numbers move, and the Gram is that of the Jacobian by them."""
    gen, ws = small_biggan, rows(small_biggan, 1)
    first, end = PARTS[part]
    found = find_directions(gen, ws, REGION, part=part, num=2)
    assert found.vectors.shape == (2, 9) and np.isfinite(found.vectors).all() and (found.inside > 0).all()
    assert found.vectors[:, first:end].any() and not np.delete(found.vectors, np.r_[first:end], 1).any()
    search = Search(part=part)
    pairs = pair_grams(gen, ws, targets(gen, [REGION], search), search)
    J = jacobian(gen, ws.array[:, 0])[0][0][REGION > 0].reshape(-1, 9)[:, first:end]
    assert worst(pairs.inside[0, 0], J.T @ J / len(J)) < 1e-4


OF_PARTS = [(part, method) for method in ("sefa", "ganspace", "random", "resefa") for part in ("z", "class", "both")]


@pytest.mark.parametrize(("part", "method"), [*OF_PARTS, ("class", "single"), ("class", "refined")])
def test_every_method_moves_the_part_alone(part, method, small_biggan, monkeypatch):
    monkeypatch.setattr(ganspace, "SAMPLES", 64)
    gen, (first, end) = small_biggan, PARTS[part]
    found = find_directions(gen, rows(gen, 1), REGION, part=part, method=method, num=1, tao=1e-3)
    assert found.vectors[:, first:end].any() and not np.delete(found.vectors, np.r_[first:end], 1).any()
    if method in ("sefa", "random"):
        everywhere = global_directions(gen, part=part, method=method, num=9).vectors
        assert everywhere.shape == (end - first, 9) and not np.delete(everywhere, np.r_[first:end], 1).any()
        np.testing.assert_allclose(everywhere @ everywhere.T, np.eye(end - first), atol=1e-5)


def test_a_local_basis_is_of_a_mapping_network(small_biggan):
    z = sample_z(small_biggan, jax.random.key(0), 1)
    with pytest.raises(InputError, match="no mapping network"):
        find_directions(small_biggan, Z(z.array, np.eye(1, 4)), REGION, method="local_basis")
    assert not methods.fits(methods.named("local_basis"), small_biggan)


def test_a_part_in_words(small_biggan, small_dcgan):
    """As pages say what edits move."""
    parts = {None: "z", "class": "class", "both": "z and class", (2, 5): "numbers 2 to 4"}
    assert {part: moves_text(small_biggan, Search(part=part)) for part in parts} == parts
    assert moves_text(small_dcgan, Search()) == "all layers"


@pytest.mark.parametrize("part", ["w", (3, 3), (0, 10), (-1, 3)])
def test_other_parts_are_refused_by_name(part, small_biggan):
    with pytest.raises(InputError, match='part is "z" or "class" or "both", or numbers from 0 to 9'):
        find_directions(small_biggan, rows(small_biggan, 1), REGION, part=part)


def test_a_latent_without_parts_has_none(small_dcgan):
    with pytest.raises(InputError, match="has no parts"):
        find_directions(small_dcgan, sample_z(small_dcgan, jax.random.key(0), 1), REGION, part="z")


def test_natural_lengths_of_parts(small_biggan):
    """z is white as it is; the class varies as the embeddings do."""
    gen = small_biggan
    assert own_root(gen, (0, 6)) is None and own_root(gen, (2, 4)) is None
    own = np.asarray(gen.variables["params"]["embedding"], np.float64)
    root = np.asarray(own_root(gen, (6, 9)), np.float64)
    assert worst(root @ root, np.cov(own.T, bias=True)) < 0.02  # of 8,192 latents, of all classes alike
    both = np.asarray(own_root(gen, (0, 9)))
    np.testing.assert_array_equal(both[:6, :6], np.eye(6))
    np.testing.assert_array_equal(both[6:, 6:], root.astype(np.float32))
    assert not both[:6, 6:].any()
    assert depth(gen, rows(gen, 512)).mean() == pytest.approx(1, rel=0.05)


def test_a_sweep_an_edit_and_a_walk_of_a_part(small_biggan, tmp_path):
    """As of any other model; what a sweep finds is what a search finds."""
    gen, part, (first, end) = small_biggan, "class", PARTS["class"]
    sweep.run(gen, tmp_path / "sweep", seeded(gen, 0, 2, labels=(0, 1)), {"here": REGION}, num=1, part=part, block=2)
    found = sweep.open(tmp_path / "sweep").directions("here", 0)
    alone = find_directions(gen, seeded(gen, 0, 2, labels=(0, 1)).all()[:1], REGION, num=1, part=part)
    assert found.search.part == (first, end)
    np.testing.assert_allclose(found.vectors, alone.vectors, rtol=1e-3, atol=1e-4 * np.abs(alone.vectors).max())
    again = Directions.load(found.save(tmp_path / "found.npz"))
    assert again == found
    edited = np.asarray(edit(rows(gen, 1), again, 0.5)) - np.asarray(rows(gen, 1))
    np.testing.assert_allclose(edited[0, 0], 0.5 * found.vectors[0], atol=1e-6)
    points = np.asarray(walk(gen, rows(gen, 1), again, REGION, length=1.0, num_steps=2))
    assert (points[-1] != points[0]).any() and not np.delete(points[-1] - points[0], np.r_[first:end], -1).any()
    with pytest.raises(InputError, match="name its part"):
        walk(gen, rows(gen, 1), found.vectors, REGION, length=1.0)


# ---- What is known to be local.


@pytest.mark.slow
def test_a_trained_network_is_edited_where_it_should_be():
    """Squares by z and their surroundings by the class: at the same real change little of the rest changes."""
    config = BigGANConfig((24, 24, 16), (True, True), z_dim=6, c_dim=4, class_dim=3, z_goes="first")
    fresh = BigGAN(config, jax.jit(biggan.init, static_argnums=1)(jax.random.key(0), config))
    gen, masks = planted.trained(fresh, planted.two_squares, steps=1500, batch=32, rate=4e-3), planted.masks()
    ws = rows(gen, 4)
    for name, part in (("left", "z"), ("right", "z"), ("around", "class")):
        found = [find_directions(gen, ws[n : n + 1], masks[name], part=part, num=1) for n in range(4)]
        leaks = [planted.leaks(gen, w[0], of.vectors, masks[name]) for w, of in zip(ws.array, found, strict=True)]
        assert np.median(leaks) < 0.1
