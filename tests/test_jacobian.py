"""Region Grams: against Jacobians known in closed form, against finite differences of real generators, and every option
of the call.
"""

import importlib.util
import logging
import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from lrgan_jax import jacobian
from lrgan_jax.base import memory as jacobian_memory
from lrgan_jax.base.memory import fitting_chunk, free_memory
from lrgan_jax.generators import image_function
from lrgan_jax.jacobian import region_grams
from lrgan_jax.layers import Moves
from tests.tolerances import EXACT, rounding, worst

D = 5
SHAPE = (4, 8, 3)  # not square, three channels
ROUNDING = rounding(np.float64, SHAPE[0] * SHAPE[1] * SHAPE[2])


def curved_image(A, b, w):
    """tanh(A w + b): a curved image whose Jacobian is diag(1 - image^2) A."""
    return jnp.tanh(jnp.tensordot(A, w, w.ndim) + b)


def weights(seed=0, shape=SHAPE, latent=(D,)):
    random = np.random.default_rng(seed)
    return random.standard_normal((*shape, *latent)) / 2, random.standard_normal(shape) / 2


def curved_function(seed=0, dtype=np.float64, **kwargs):
    return Partial(curved_image, *(jnp.array(a, dtype) for a in weights(seed, **kwargs)))


def known_jacobian(w, seed=0, **kwargs):
    """[H, W, C, *latent] in closed form, by NumPy."""
    A, b = weights(seed, **kwargs)
    image = np.tanh(np.tensordot(A, w, np.ndim(w)) + b)
    return (1 - image**2).reshape(*image.shape, *[1] * np.ndim(w)) * A


def pooled(J, side, pooling, channels):
    """The Jacobian [H, W, C, d] at the wanted pixels and channels, by loops."""
    height, width = J.shape[:2]
    k = max(height, width) // side
    out = np.zeros((height // k, width // k, *J.shape[2:]))
    for row in range(height // k):
        for column in range(width // k):
            block = J[row * k : (row + 1) * k, column * k : (column + 1) * k]
            out[row, column] = block[0, 0] if pooling == "nearest" else block.mean((0, 1))
    return {"mean": out.mean(2, keepdims=True), "sum": out.sum(2, keepdims=True), "stack": out}[channels]


def gram_by_loop(J, weight):
    """sum over rows of m J J^T, over the sum of m; J [h, w, c, d]."""
    total, count = np.zeros((J.shape[-1],) * 2), 0.0
    for row, column, channel in np.ndindex(*J.shape[:3]):
        j = J[row, column, channel]
        total += weight[row, column] * np.outer(j, j)
        count += weight[row, column]
    return total / count


def box(shape, rows, columns):
    mask = np.zeros(shape, np.float32)
    mask[rows, columns] = 1
    return mask


MASK = box(SHAPE[:2], slice(1, 3), slice(2, 6))
SOFT = np.random.default_rng(3).integers(0, 9, SHAPE[:2]).astype(np.float32) / 8  # eighths, hence exact in float32
LATENTS = np.random.default_rng(4).standard_normal((3, D))


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


# Against the closed form


@pytest.mark.parametrize(
    ("side", "pooling", "channels"),
    [
        (None, "area", "mean"),
        (None, "area", "sum"),
        (8, "nearest", "stack"),
        (4, "area", "mean"),
        (4, "area", "stack"),
        (4, "nearest", "sum"),
        (2, "area", "sum"),
        (2, "nearest", "mean"),
    ],
)
def test_grams_of_a_known_jacobian(double, side, pooling, channels):
    """Every size, pooling and treatment of channels, on an image that is not square; soft weights; J itself."""
    J = pooled(known_jacobian(LATENTS[0]), side or 8, pooling, channels)
    soft = SOFT[: J.shape[0], : J.shape[1]]
    out = region_grams(
        curved_function(), LATENTS[:1], soft, size=side, pooling=pooling, channels=channels, keep_jacobian=True, chunk=D
    )
    np.testing.assert_allclose(out.jacobian[0], J, **ROUNDING)
    np.testing.assert_allclose(out.inside[0, 0], gram_by_loop(J, soft), **ROUNDING)
    np.testing.assert_allclose(out.outside[0, 0], gram_by_loop(J, 1 - soft), **ROUNDING)
    np.testing.assert_allclose(out.image[0], curved_function()(LATENTS[0]), **ROUNDING)  # at full size, all channels


@pytest.mark.parametrize("layers", [None, (0,), (1, 3), (3, 1, 1)])
def test_layers_move_together_and_the_others_stay(double, layers):
    """With ws [L, d]: the columns of J are the sums of those for the chosen rows; order and repetition do
    not matter.
    """
    ws = np.random.default_rng(5).standard_normal((2, 4, D))
    f = curved_function(latent=(4, D))
    out = region_grams(f, ws, MASK, layers=layers, channels="stack", keep_jacobian=True, chunk=D)
    for k in range(2):
        full = known_jacobian(ws[k], latent=(4, D))  # [H, W, C, L, d]
        J = full[..., list(range(4) if layers is None else set(layers)), :].sum(-2)
        np.testing.assert_allclose(out.jacobian[k], J, **ROUNDING)
        np.testing.assert_allclose(out.inside[k, 0], gram_by_loop(J, MASK), **ROUNDING)


def test_one_w_for_all_layers_is_the_same_as_all_layers(double):
    """The Jacobian with respect to w that is spread over the layers is that of all layers moving together."""
    f, w = curved_function(latent=(4, D)), LATENTS[:1]
    spread = Partial(lambda f, w: f(jnp.broadcast_to(w, (4, D))), f)
    one, other = (
        region_grams(spread, w, MASK, chunk=D),
        region_grams(f, np.repeat(w[:, None], 4, axis=1), MASK, chunk=D),
    )
    np.testing.assert_allclose(one.inside, other.inside, **ROUNDING)


def test_float32_is_within_rounding_of_the_closed_form():
    """The default dtype: in and out, no silent loss on the way."""
    out = region_grams(curved_function(dtype=np.float32), LATENTS.astype(np.float32), SOFT, channels="stack", chunk=D)
    assert {a.dtype for a in out[:3]} == {jnp.dtype("float32")}
    for k, w in enumerate(LATENTS):
        np.testing.assert_allclose(out.inside[k, 0], gram_by_loop(known_jacobian(w), SOFT), **rounding(np.float32, 96))


def test_float64_stays_float64(double):
    out = region_grams(curved_function(), LATENTS, MASK, keep_jacobian=True, chunk=D)
    assert {a.dtype for a in out} == {jnp.dtype("float64")}


def test_images_of_half_precision_give_float32_grams():
    """A generator in bfloat16: its tangents are rounded so, the products and sums are not."""
    f = Partial(lambda g, w: g(w).astype(jnp.bfloat16), curved_function(dtype=np.float32))
    for mask in (MASK, box(SHAPE[:2], slice(1, 2), slice(3, 4))):
        out = region_grams(f, F32, mask, rest=False, chunk=2)
        assert out.inside.dtype == jnp.float32 and out.image.dtype == jnp.bfloat16
        J = pooled(known_jacobian(LATENTS[0]), 8, "area", "mean")
        np.testing.assert_allclose(out.inside[0, 0], gram_by_loop(J, mask), rtol=0.05, atol=0.01)  # bfloat16 has 8 bits


@pytest.mark.parametrize("shape", [(8, 4, 3), (4, 4, 1), (6, 2, 2), (1, 4, 3)])
def test_images_of_any_shape(double, shape):
    """Tall, grey, two channels, one row."""
    f, mask = curved_function(shape=shape), box(shape[:2], slice(0, 1), slice(1, 3))
    out = region_grams(f, LATENTS[:1], mask, channels="stack", chunk=D)
    J = known_jacobian(LATENTS[0], shape=shape)
    np.testing.assert_allclose(out.inside[0, 0], gram_by_loop(J, mask), **ROUNDING)
    np.testing.assert_allclose(out.outside[0, 0], gram_by_loop(J, 1 - mask), **ROUNDING)


def test_images_above_256_are_reduced_to_256(double):
    """The authors' size is the default for large images, the image's own for small ones."""
    wide = Partial(
        lambda v, w: v[:, :, None] * w[0] + w[1], jnp.array(np.random.default_rng(0).standard_normal((2, 512)))
    )
    mask = box((1, 256), slice(None), slice(10, 20))
    out = region_grams(wide, LATENTS[:1, :2], mask, keep_jacobian=True, chunk=2)
    assert out.jacobian.shape == (1, 1, 256, 1, 2) and out.image.shape == (1, 2, 512, 1)


# Against finite differences of generators


def doubled(gen):
    """A generator with float64 weights."""
    return jax.tree.map(lambda a: a.astype(jnp.float64), gen)


def differences(gen, ws, moves, step=1e-5):
    """Central differences of the image along each move, [k, H, W, C]; one batch."""
    ahead, behind = (np.asarray(gen.synthesis(ws[None] + sign * step * moves)) for sign in (1, -1))
    return (ahead - behind) / (2 * step)


def test_stylegan2_against_finite_differences(double, small_stylegan2):
    """Real modulated convolutions, noise and upsampling, from ws that differ between layers. (Some layers only: see
    test_pipeline.)
    """
    gen, ws = doubled(small_stylegan2), np.random.default_rng(6).standard_normal((6, 12))
    out = region_grams(
        image_function(gen), ws[None], np.eye(16, dtype=np.float32), channels="stack", keep_jacobian=True
    )
    J = np.moveaxis(differences(gen, ws, np.repeat(np.eye(12)[:, None], 6, axis=1)), 0, -1)
    # The step's cube times the curvature, and eps over the step: both about 1e-10 of the largest slope.
    assert worst(out.jacobian[0], J) < 1e-8
    assert worst(out.inside[0, 0], np.einsum("kkci,kkcj->ij", J, J) / 48) < 1e-8


def test_dcgan_against_finite_differences(double, small_dcgan):
    """Batch norm, ReLU and a tanh that bends; latents [N, d]."""
    gen, z = doubled(small_dcgan), np.random.default_rng(7).standard_normal(10)
    mask = box((8, 8), slice(2, 5), slice(0, 8))
    out = region_grams(image_function(gen), z[None], mask, size=8)
    J = np.moveaxis(differences(gen, z, np.eye(10)), 0, -1)
    J = pooled(J, 8, "area", "mean")
    assert worst(out.inside[0, 0], gram_by_loop(J, mask)) < 1e-8
    assert worst(out.outside[0, 0], gram_by_loop(J, 1 - mask)) < 1e-8


# Regions


def test_inside_and_outside_add_up_to_the_whole(double):
    """n_r M_r + (P - n_r) M_rest = J^T J for every region, hard or soft; symmetric and positive semidefinite to the
    last bit or so.
    """
    masks = np.stack([MASK, SOFT, 1 - MASK])
    out = region_grams(curved_function(), LATENTS, masks, channels="stack", keep_jacobian=True, chunk=D)
    total = np.einsum("nhvci,nhvcj->nij", out.jacobian, out.jacobian)
    counts = 3 * masks.sum((1, 2))[:, None, None]
    np.testing.assert_allclose(
        counts * out.inside + (96 - counts) * out.outside, np.repeat(total[:, None], 3, 1), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(out.inside[:, 0], out.outside[:, 2], **ROUNDING)
    for part in (out.inside, out.outside):
        np.testing.assert_array_equal(part, np.swapaxes(part, -1, -2))
        assert np.linalg.eigvalsh(part).min() > -1e-14


def test_a_region_that_covers_everything_leaves_an_outside_of_zeros(double):
    """Nothing is divided by zero: the inside is the mean over the whole image, the outside exactly 0."""
    out = region_grams(curved_function(), LATENTS[:1], np.ones(SHAPE[:2]), chunk=D)
    np.testing.assert_allclose(out.outside, np.zeros((1, 1, D, D)), **EXACT)
    J = pooled(known_jacobian(LATENTS[0]), 8, "area", "mean")
    np.testing.assert_allclose(out.inside[0, 0], gram_by_loop(J, np.ones(SHAPE[:2])), **ROUNDING)


def test_regions_do_not_influence_one_another(double):
    """Several at once, in any order, as one at a time; a single [h, w] is R = 1."""
    f, masks = curved_function(), np.stack([MASK, SOFT])
    both, turned = region_grams(f, LATENTS, masks, chunk=D), region_grams(f, LATENTS, masks[::-1], chunk=D)
    one = region_grams(f, LATENTS, SOFT, chunk=D)
    assert both.inside.shape == both.outside.shape == (3, 2, D, D) and one.inside.shape == (3, 1, D, D)
    for name in ("inside", "outside"):
        np.testing.assert_allclose(getattr(both, name)[:, ::-1], getattr(turned, name), **ROUNDING)
        np.testing.assert_allclose(getattr(both, name)[:, 1:], getattr(one, name), **ROUNDING)


def test_masks_may_differ_between_latents(double):
    """[N, R, h, w]: each latent its own regions, as in separate calls."""
    f = curved_function()
    masks = np.random.default_rng(8).integers(0, 2, (3, 2, *SHAPE[:2])).astype(np.float32)
    together = region_grams(f, LATENTS, masks, chunk=D)
    for k in range(3):
        alone = region_grams(f, LATENTS[k : k + 1], masks[k], chunk=D)
        np.testing.assert_allclose(together.inside[k], alone.inside[0], **ROUNDING)
        np.testing.assert_allclose(together.outside[k], alone.outside[0], **ROUNDING)


def test_boolean_masks_count_as_zero_and_one(double):
    one, other = (region_grams(curved_function(), LATENTS[:1], m, chunk=D) for m in (MASK, MASK > 0))
    np.testing.assert_allclose(one.inside, other.inside, **EXACT)


def test_no_jacobian_unless_asked_for(double):
    assert region_grams(curved_function(), LATENTS[:1], MASK, chunk=D).jacobian is None


# Only what is wanted


@pytest.mark.parametrize("channels", ["mean", "stack"])
@pytest.mark.parametrize(
    "mask", [MASK, SOFT, box(SHAPE[:2], slice(1, 2), slice(3, 5)), box(SHAPE[:2], slice(0, 1), slice(7, 8))]
)
def test_without_the_rest_the_inside_is_the_same(double, mask, channels):
    """Whether all pixels are computed, those of the regions, or (for very few) single rows by reverse mode; nothing is
    said of the rest.
    """
    both = np.stack([mask, mask / 2])
    whole = region_grams(curved_function(), LATENTS, both, channels=channels, chunk=2)
    part = region_grams(curved_function(), LATENTS, both, channels=channels, rest=False, chunk=2)
    assert part.outside is None
    np.testing.assert_allclose(part.inside, whole.inside, **ROUNDING)
    np.testing.assert_allclose(part.image, whole.image, **ROUNDING)  # of another program, in reverse mode


@pytest.mark.parametrize("latent", [(40,), (3, 40)])
@pytest.mark.parametrize("layers", [None, (0, 2)])
def test_reverse_mode_is_chosen_for_few_pixels_and_gives_the_same(double, latent, layers, monkeypatch):
    """With more latent dimensions than rows; also of chosen layers, several masks, and where the whole image is as
    small.
    """
    if layers and len(latent) == 1:
        pytest.skip("w has no layers")
    f, w = curved_function(latent=latent), np.random.default_rng(9).standard_normal((2, *latent))
    point, plans = box(SHAPE[:2], slice(1, 3), slice(2, 4)), []
    original = jacobian._plan
    monkeypatch.setattr(jacobian, "_plan", lambda *a, **k: plans.append(original(*a, **k)) or plans[-1])
    few = region_grams(f, w, np.stack([point, point / 2]), layers=layers, rest=False)
    tiny = region_grams(f, w, np.ones((1, 2), np.float32), size=2, layers=layers)
    whole = region_grams(f, w, point, layers=layers)
    assert [plan.reverse for plan in plans] == [True, True, False]
    np.testing.assert_allclose(few.inside[:, 0], whole.inside[:, 0], **ROUNDING)
    np.testing.assert_allclose(few.inside[:, 1], whole.inside[:, 0], **ROUNDING)
    for k in range(2):
        J = known_jacobian(w[k], latent=latent)
        J = J if len(latent) == 1 else J[..., list(layers or range(3)), :].sum(-2)
        np.testing.assert_allclose(
            tiny.inside[k, 0], gram_by_loop(pooled(J, 2, "area", "mean"), np.ones((1, 2))), **ROUNDING
        )


def test_regions_of_about_the_same_size_share_a_program(double, caplog):
    f, compiled = curved_function(), []
    for columns in (slice(0, 3), slice(1, 4), slice(4, 8)):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            region_grams(f, LATENTS, box(SHAPE[:2], slice(0, 1), columns), rest=False, chunk=D)
        compiled.append(
            sum("Compiling" in r.getMessage() and "_region_grams" in r.getMessage() for r in caplog.records)
        )
    assert compiled == [1, 0, 0]


# Ways of calling


@pytest.mark.parametrize("chunk", [1, 2, D - 1, D + 4, None])
def test_chunks_change_nothing(double, chunk):
    """One tangent at a time, a size that does not divide d, more than d, and whatever fits."""
    out, whole = (region_grams(curved_function(), LATENTS[:2], MASK, keep_jacobian=True, chunk=c) for c in (chunk, D))
    for one, other in zip(out, whole, strict=True):
        np.testing.assert_allclose(one, other, **ROUNDING)


def test_a_closure_and_a_partial_give_the_same(double):
    f = curved_function()
    one, other = region_grams(lambda w: f(w), LATENTS, MASK, chunk=D), region_grams(f, LATENTS, MASK, chunk=D)
    for a, b in zip(one[:3], other[:3], strict=True):
        np.testing.assert_allclose(a, b, **ROUNDING)


def test_jit_vmap_and_one_at_a_time_agree(double):
    """Inside another jit, mapped over latents, and in a loop."""
    f = curved_function()
    call = partial(region_grams, f, masks=np.stack([MASK, SOFT]), chunk=2)
    batch = call(LATENTS)[:3]
    jitted = jax.jit(lambda w, masks: region_grams(f, w, masks, chunk=2)[:3])(LATENTS, np.stack([MASK, SOFT]))
    mapped = jax.vmap(lambda w: tuple(a[0] for a in call(w[None])[:3]))(LATENTS)
    looped = [np.concatenate(parts) for parts in zip(*(call(w[None])[:3] for w in LATENTS), strict=True)]
    for expected, *others in zip(batch, jitted, mapped, looped, strict=True):
        for other in others:
            np.testing.assert_allclose(other, expected, **ROUNDING)


def test_new_weights_do_not_recompile(double, caplog):
    """A Partial's arguments are data: other weights, latents and masks run the same program; another function
    does not.
    """

    def compilations(f, latents, mask):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            region_grams(f, latents, mask, chunk=D, pooling="nearest")
        return sum(
            "Compiling" in record.getMessage() and "_region_grams" in record.getMessage() for record in caplog.records
        )

    assert compilations(curved_function(0), LATENTS, MASK) == 1
    assert compilations(curved_function(1), LATENTS + 1, SOFT) == 0
    assert compilations(lambda w: curved_function(0)(w), LATENTS, MASK) == 1  # the counter does count


def dot_precisions(jaxpr):
    """Precision of every matrix product in a program, nested ones too."""
    found = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            found.append(eqn.params["precision"])
        for param in eqn.params.values():
            for inner in param if isinstance(param, tuple | list) else [param]:
                if hasattr(inner, "eqns"):
                    found += dot_precisions(inner)
                elif hasattr(inner, "jaxpr"):
                    found += dot_precisions(inner.jaxpr)
    return found


@pytest.mark.parametrize("precision", ["default", "tensorfloat32", "highest"])
def test_precision_is_that_of_the_tangents_and_never_of_the_grams(precision):
    """Products inside f and its tangents take the precision asked for; the Grams' own product is always HIGHEST."""
    f = curved_function(dtype=np.float32)
    program = jax.make_jaxpr(lambda w: region_grams(f, w, MASK, precision=precision, chunk=D)[:2])(
        LATENTS.astype(np.float32)
    )
    highest = [p is not None and set(map(str, p)) == {"HIGHEST"} for p in dot_precisions(program.jaxpr)]
    assert len(highest) >= 3
    assert sum(highest) == (len(highest) if precision == "highest" else 1)
    out = region_grams(f, LATENTS.astype(np.float32), MASK, precision=precision, chunk=D)
    expected = region_grams(f, LATENTS.astype(np.float32), MASK, chunk=D)
    np.testing.assert_allclose(out.inside, expected.inside, **rounding(np.float32, 96))  # a CPU has one precision


# Memory


def test_the_chunk_grows_with_the_memory(monkeypatch):
    """Never below 1 or above the platform's or d, never less for more memory, and as many as another size of as many
    passes needs.
    """
    monkeypatch.setattr(jacobian_memory, "MOST", {"cpu": jacobian_memory.Most(64, 2**40, False)})
    f = curved_function(dtype=np.float32, latent=(100,))
    w = jnp.zeros(100)
    sizes = [fitting_chunk(f, [w], w.shape[-1], memory) for memory in (1, *(2**k for k in range(10, 34)))]
    assert sizes[0] == 1 and sizes[-1] == 50  # 100 tangents in two passes
    assert sizes == sorted(sizes) and len(set(sizes)) > 4
    assert all(-(-100 // size) < -(-100 // (size - 1)) for size in sizes if size > 1)
    assert fitting_chunk(curved_function(dtype=np.float32), [jnp.zeros(D)], D, 2**40) == D
    monkeypatch.setattr(jacobian_memory, "MOST", {})
    assert 1 <= fitting_chunk(f, [w], w.shape[-1], free_memory()) <= 100  # whatever this machine has free


@pytest.fixture
def many(monkeypatch):
    """As on a device that one latent does not fill."""
    monkeypatch.setattr(jacobian_memory, "MOST", {"cpu": jacobian_memory.Most(5 * D, 2**40, True)})


@pytest.mark.parametrize("own_masks", [False, True])
@pytest.mark.parametrize("num", [1, 3, 5, 7])
def test_latents_together_are_as_one_by_one(double, num, own_masks, many, monkeypatch):
    """In groups of up to five, of which the last is filled up; each with its own masks, too."""
    w = np.random.default_rng(11).standard_normal((num, D))
    masks = np.stack([np.roll(MASK, n, 1)[None] for n in range(num)]) if own_masks else np.stack([MASK, SOFT])
    plan = jacobian._plan(curved_function(), [jnp.zeros(D)], Moves(), 96 * 8, 96, 2**30, None, num, whole=False)
    assert plan.group == {1: 1, 3: 3, 5: 5, 7: 4}[num] and plan.chunk == D
    together = region_grams(curved_function(), w, masks, channels="stack", keep_jacobian=True)
    monkeypatch.undo()
    for a, b in zip(
        together, region_grams(curved_function(), w, masks, channels="stack", keep_jacobian=True), strict=True
    ):
        np.testing.assert_allclose(a, b, **ROUNDING)


def test_latents_are_together_only_where_the_memory_allows(double, many):
    plans = [
        jacobian._plan(curved_function(), [jnp.zeros(D)], Moves(), 96 * 8, 96, memory, None, 5, whole=False)
        for memory in (5_000, 2**16, 2**17, 2**30)
    ]
    groups = [plan.group for plan in plans]
    assert groups[0] == 1 and groups[-1] == 5 and groups == sorted(groups) and len(set(groups)) > 2
    assert all(plan.group == 1 or plan.chunk == D for plan in plans)


@pytest.mark.parametrize("memory", [1, 1_000, 2_000, 4_000, 8_000, 2**20])
@pytest.mark.parametrize("channels", ["mean", "stack"])
def test_little_memory_changes_nothing(double, memory, channels):
    """J held whole, in blocks that divide d or do not, or a column at a time; its columns weighed together or one by
    one.
    """
    f, w = curved_function(latent=(7,)), np.random.default_rng(10).standard_normal((2, 7))
    masks = np.stack([MASK, SOFT])
    little = region_grams(f, w, masks, channels=channels, memory=memory)
    for k in range(2):
        J = pooled(known_jacobian(w[k], latent=(7,)), 8, "area", channels)
        for r, mask in enumerate(masks):
            np.testing.assert_allclose(little.inside[k, r], gram_by_loop(J, mask), **ROUNDING)
            np.testing.assert_allclose(little.outside[k, r], gram_by_loop(J, 1 - mask), **ROUNDING)


def test_plans_cut_the_work_to_the_memory(double):
    """Blocks and slabs shrink with it, J is held whole where it is asked for, and a chunk never exceeds its block."""
    f, w = curved_function(latent=(7,)), jnp.zeros(7)
    cut = partial(jacobian._plan, f, [w], Moves(), 96 * 8, 96)
    plans = [cut(memory, None, 1, whole=False) for memory in (1, 2_000, 5_000, 2**20)]
    assert [plan.block for plan in plans] == [1, 1, 2, 7] and [plan.slab for plan in plans] == [1, 1, 1, 7]
    assert all(1 <= plan.chunk <= plan.block for plan in plans) and not any(plan.reverse for plan in plans)
    assert cut(1, None, 1, whole=True).block == 7


def test_a_device_that_runs_out_of_memory_is_given_less():
    """Until it is enough, which is said each time; what is no lack of memory, or cannot be helped, is raised."""

    def compute(memory):
        if memory > 2**21:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 7 bytes.")
        return jnp.ones(3) * memory

    with pytest.warns(UserWarning, match="out of memory: going on with 0.00195 GB") as said:
        found, memory = jacobian_memory.halving(compute, 2**23)
    assert memory == 2**21 == found[0] and len(said) == 2
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        jacobian_memory.halving(partial(_failing, "INTERNAL: something else"), 2**23)
    with pytest.warns(UserWarning), pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        jacobian_memory.halving(partial(_failing, "RESOURCE_EXHAUSTED: never enough"), 2**23)


def _failing(message, memory):
    raise jax.errors.JaxRuntimeError(message)


def test_the_compiled_program_keeps_to_the_memory():
    """What XLA says it needs beyond arguments and results; a quarter of what J alone would take is enough."""
    f = curved_function(dtype=np.float32, shape=(64, 64, 3), latent=(64,))
    w, mask = np.zeros((1, 64), np.float32), box((64, 64), slice(3, 9), slice(5, 20))
    whole = 64 * 64 * 64 * 3 * 4
    for memory in (whole // 4, 8 * whole):
        program = jax.jit(lambda f, w, m, memory=memory: region_grams(f, w, m, channels="stack", memory=memory)[:2])
        needed = program.lower(f, w, mask).compile().memory_analysis().temp_size_in_bytes
        assert needed < memory + 8 * 64 * 64 * 4
        assert memory > whole or needed < whole / 2


def test_larger_images_take_smaller_chunks(monkeypatch):
    """The estimate follows the function's largest result, also inside jit."""
    monkeypatch.setattr(jacobian_memory, "MOST", {"cpu": jacobian_memory.Most(64, 2**40, False)})
    sizes = []
    for side in (4, 16, 64):
        f = curved_function(dtype=np.float32, shape=(side, side, 3), latent=(30,))
        sizes.append(fitting_chunk(f, [jnp.zeros(30)], 30, 2**18))
        assert fitting_chunk(jax.jit(f), [jnp.zeros(30)], 30, 2**18) == sizes[-1]
    assert sizes[0] == 30 and sizes[0] > sizes[1] > sizes[2] >= 1


# Input that does not fit

F32 = LATENTS.astype(np.float32)


def call(**changes):
    arguments = dict(f=curved_function(dtype=np.float32), latents=F32, masks=MASK, chunk=D) | changes
    return region_grams(arguments.pop("f"), arguments.pop("latents"), arguments.pop("masks"), **arguments)


def test_the_call_that_the_next_tests_spoil_is_right():
    assert call().inside.shape == (3, 1, D, D)


BAD_VALUES = [
    (dict(latents=F32[0]), r"latents are \[N, d\] or \[N, L, d\], got \[5\]"),
    (dict(latents=F32[None, None]), r"latents are .* got \[1, 1, 3, 5\]"),
    (dict(f=lambda w: w), r"one image \[H, W, C\], it returns \[5\]"),
    (dict(f=lambda w: jnp.zeros((1, 4, 8, 3)) + w[0]), r"one image \[H, W, C\], it returns \[1, 4, 8, 3\]"),
    (dict(size=3), "a 4x8 image cannot be pooled to size 3: take a divisor of 8"),
    (dict(size=16), "cannot be pooled to size 16"),
    (dict(size=0), "cannot be pooled to size 0"),
    (dict(size=1), "cannot be pooled to size 1"),  # would leave half a row
    (dict(size=-4), "cannot be pooled to size -4"),
    (dict(masks=MASK.T), r"the Jacobian's 4x8 pixels, got shape \[1, 8, 4\]"),
    (dict(masks=MASK, size=4), r"the Jacobian's 2x4 pixels, got shape \[1, 4, 8\]"),
    (dict(masks=MASK[0]), r"the Jacobian's 4x8 pixels, got shape \[8\]"),
    (dict(masks=np.stack([[MASK]] * 2)), "one set of masks per latent: 2 sets for 3 latents"),
    (dict(masks=MASK * 1.01), r"mask weights must lie in \[0, 1\]"),
    (dict(masks=MASK - 0.01), r"mask weights must lie in \[0, 1\]"),
    (dict(masks=np.where(MASK, np.nan, 0)), r"mask weights must lie in \[0, 1\]"),
    (dict(masks=np.stack([MASK, 0 * MASK])), "a region is empty: its mask is zero everywhere"),
    (dict(layers=[0]), "layers"),  # these latents have no layer axis
    (dict(precision="sharp"), "sharp"),
    (dict(chunk=-1), "chunk"),
]


@pytest.mark.parametrize(("changes", "match"), BAD_VALUES, ids=range(len(BAD_VALUES)))
def test_input_that_does_not_fit_is_refused(changes, match, nan_flags):
    """One ValueError that names the trouble."""
    with pytest.raises(ValueError, match=match):
        call(**changes)


@pytest.mark.parametrize("layers", [[4], [-1], [9, 0], [2, -1], []])
def test_layers_that_the_latent_lacks_are_refused(layers):
    ws = np.zeros((1, 4, D), np.float32)
    with pytest.raises(ValueError, match=r"layers must be among 0 to 3, got "):
        region_grams(curved_function(dtype=np.float32, latent=(4, D)), ws, MASK, layers=layers)


@pytest.mark.parametrize(
    ("changes", "match"),
    [(dict(pooling="cubic"), '"area" or "nearest", got \'cubic\''), (dict(channels="max"), "got 'max'")],
)
def test_unknown_options_are_refused(changes, match):
    """Without the tests' own type checks, which would refuse them earlier."""
    spec = importlib.util.spec_from_file_location("plain_jacobian", jacobian.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    with pytest.raises(ValueError, match=match):
        plain.region_grams(curved_function(dtype=np.float32), F32, MASK, **changes)


# Several devices


ON_FOUR = """
import re, sys
import jax, numpy as np
import lrgan_jax as lr
from lrgan_jax.generators import image_function, stylegan2

config = lr.StyleGAN2Config(channels=(4, 4, 2), z_dim=12, w_dim=12, mapping_features=6, mapping_layers=1)
gen = lr.StyleGAN2(config, stylegan2.init(jax.random.key(0), config))
f, w, mask = image_function(gen), gen.mapping(np.ones((1, 12), np.float32)), np.eye(16, dtype=np.float32)
ws = lr.to_ws(gen, w).array


def found(f, ws, chunk):
    return lr.region_grams(f, ws, mask, channels="stack", chunk=chunk, memory=2**28)[:2]


alone, own = found(f, ws, 12), lr.find_directions(gen, w, mask, num=2)
with lr.spread_over(jax.devices()):
    for chunk in (12, 8, 5, 2):
        for a, b in zip(alone, found(f, ws, chunk), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * abs(a).max())
    np.testing.assert_allclose(lr.find_directions(gen, w, mask, num=2).inside, own.inside, rtol=1e-3)
    program = jax.jit(found, static_argnums=2).lower(f, ws, 12).compile().as_text()
batches = {int(n) for n in re.findall(r"= f32\\[(\\d+),[\\d,]+\\]\\S* convolution\\(", program)}
assert batches == {1, 3}, batches
assert len(re.findall(r" all-gather[\\w-]*\\(", program)) <= 4
"""


def test_tangents_spread_over_devices_give_the_same():
    """A quarter of them on each of four, whatever the chunk; what is exchanged is J."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = os.environ | {"XLA_FLAGS": flags}
    done = subprocess.run([sys.executable, "-c", ON_FOUR], capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
