"""Edits: ws + sum of steps times directions, on the chosen layers, in the type that came in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax.directions import Directions
from lrgan_jax.editing import edit
from lrgan_jax.generators import WS, W, Z
from tests.tolerances import EXACT, rounding

N, L, D, K = 2, 4, 5, 3
random = np.random.default_rng(0)
LATENTS = random.standard_normal((N, D)).astype(np.float32)
ROWS = random.standard_normal((K, D)).astype(np.float32)
LAYERED = random.standard_normal((N, L, D)).astype(np.float32)
ROUNDING = rounding(np.float32, K)


def by_loop(latents, rows, steps, layers=None):
    """One edit per entry of the leading axes of `steps` [..., k], in float64."""
    out = np.empty((*steps.shape[:-1], *latents.shape))
    for index in np.ndindex(steps.shape[:-1]):
        edited = latents.astype(np.float64)
        for step, row in zip(steps[index], rows, strict=True):
            if layers is None:
                edited = edited + step * row
            else:
                edited[:, list(layers)] += step * row.astype(np.float64)
        out[index] = edited
    return out


# Steps


@pytest.mark.parametrize("latents", [LATENTS, LAYERED], ids=["w", "ws"])
@pytest.mark.parametrize("shape", [(K,), (7, K), (2, 3, K), (1, K)])
def test_steps_of_several_directions(latents, shape):
    """[..., k]: the k moves add up, leading axes are edits of their own."""
    steps = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    out = edit(latents, ROWS, steps)
    assert out.shape == (*shape[:-1], *latents.shape)
    np.testing.assert_allclose(out, by_loop(latents, ROWS, steps), **ROUNDING)


@pytest.mark.parametrize("latents", [LATENTS, LAYERED], ids=["w", "ws"])
@pytest.mark.parametrize("row", [ROWS[0], ROWS[:1]], ids=["[d]", "[1, d]"])
def test_steps_of_one_direction(latents, row):
    """A number is one edit, [S] are S edits; spelling out the axis of length 1 gives the same."""
    steps = np.array([-2.0, 0.5, 3.0], np.float32)
    expected = by_loop(latents, ROWS[:1], steps[:, None])
    np.testing.assert_allclose(edit(latents, row, steps), expected, **ROUNDING)
    np.testing.assert_allclose(edit(latents, row, steps[:, None]), expected, **ROUNDING)
    for k, step in enumerate(steps):
        np.testing.assert_allclose(edit(latents, row, float(step)), expected[k], **ROUNDING)
    np.testing.assert_allclose(edit(latents, row, 2), by_loop(latents, ROWS[:1], np.array([2.0])), **ROUNDING)


def test_no_step_changes_nothing():
    np.testing.assert_allclose(edit(LAYERED, ROWS, np.zeros(K), layers=[1]), LAYERED, **EXACT)


def test_edits_add_up():
    """Editing by a, then by b, is editing by a + b."""
    a, b = np.random.default_rng(2).standard_normal((2, K)).astype(np.float32)
    twice, once = edit(edit(LAYERED, ROWS, a, layers=[0, 2]), ROWS, b, layers=[0, 2]), edit(LAYERED, ROWS, a + b, layers=[0, 2])
    np.testing.assert_allclose(twice, once, **rounding(np.float32, 2 * K))


# Layers


@pytest.mark.parametrize("layers", [(0,), (3, 1), (2, 2), (0, 1, 2, 3)])
def test_only_the_chosen_layers_move(layers):
    """The others stay bit for bit; order and repetition do not matter."""
    steps = np.random.default_rng(3).standard_normal((2, K)).astype(np.float32)
    out = np.asarray(edit(LAYERED, ROWS, steps, layers=layers))
    np.testing.assert_allclose(out, by_loop(LAYERED, ROWS, steps, set(layers)), **ROUNDING)
    still = [layer for layer in range(L) if layer not in layers]
    np.testing.assert_allclose(out[:, :, still], np.broadcast_to(LAYERED[:, still], out[:, :, still].shape), **EXACT)


def test_directions_bring_their_layers_along():
    """Unless others are asked for."""
    record = Directions(ROWS[:1], layers=(1, 2))
    np.testing.assert_allclose(edit(LAYERED, record, 1.5), edit(LAYERED, ROWS[0], 1.5, layers=[1, 2]), **EXACT)
    np.testing.assert_allclose(edit(LAYERED, record, 1.5, layers=[3]), edit(LAYERED, ROWS[0], 1.5, layers=[3]), **EXACT)
    everywhere = edit(LAYERED, Directions(ROWS[:1]), 1.5)
    np.testing.assert_allclose(everywhere, edit(LAYERED, ROWS[0], 1.5), **EXACT)


def test_one_of_several_directions():
    """`directions[k]` edits along row k alone."""
    record = Directions(ROWS)
    np.testing.assert_allclose(edit(LATENTS, record[1], 2.0), LATENTS + 2 * ROWS[1], **ROUNDING)
    np.testing.assert_allclose(edit(LATENTS, record, np.array([0, 2.0, 0])), LATENTS + 2 * ROWS[1], **ROUNDING)


# Types


@pytest.mark.parametrize("kind", [W, WS, Z])
@pytest.mark.parametrize("steps", [1.0, np.array([1.0, 2.0])], ids=["one", "several"])
def test_latents_keep_their_space(kind, steps):
    """What goes in as w comes out as w, with the batch of edits in front."""
    plain = LAYERED if kind is WS else LATENTS
    out = edit(kind(jnp.asarray(plain)), ROWS[0], steps)
    assert type(out) is kind
    np.testing.assert_allclose(out.array, edit(plain, ROWS[0], steps), **EXACT)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_plain_latents_stay_plain(kind):
    assert isinstance(edit(kind(LATENTS), ROWS[0], 1.0), jax.Array)


def test_published_float64_rows_edit_float32_latents():
    """The authors' files hold float64: the latents keep their own dtype."""
    out = edit(LATENTS, ROWS.astype(np.float64), np.ones(K))
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(out, by_loop(LATENTS, ROWS, np.ones(K)), **ROUNDING)


def test_editing_can_be_compiled_and_mapped():
    """jit = eager; vmap over latents and over steps = one call."""
    steps = np.random.default_rng(4).standard_normal((3, K)).astype(np.float32)
    eager = edit(LAYERED, ROWS, steps, layers=[1, 3])
    jitted = jax.jit(lambda ws, rows, steps: edit(ws, rows, steps, layers=[1, 3]))(LAYERED, ROWS, steps)
    mapped = jax.vmap(lambda step: edit(LAYERED, ROWS, step, layers=[1, 3]))(steps)
    for other in (jitted, mapped):
        np.testing.assert_allclose(other, eager, **ROUNDING)
    through = jax.jit(lambda w: edit(w, ROWS, steps))(W(jnp.asarray(LATENTS)))
    assert isinstance(through, W)
    np.testing.assert_allclose(through.array, edit(LATENTS, ROWS, steps), **ROUNDING)


# Errors


@pytest.mark.parametrize(
    ("arguments", "layers", "match"),
    [
        ((LATENTS[:, :4], ROWS, np.ones(K)), None, "directions have 5 numbers, the latents 4: not the same model"),
        ((LATENTS, ROWS, np.ones(2)), None, r"3 directions take steps of shape \[..., 3\], got \[2\]"),
        ((LATENTS, ROWS, 1.0), None, r"3 directions take steps of shape \[..., 3\], got \[\]"),
        ((LATENTS, ROWS, np.ones((3, 4))), None, r"got \[3, 4\]"),
        ((LATENTS, ROWS[0], 1.0), [0], r"layers can be chosen only in ws \[N, L, d\].*to_ws"),
        ((LATENTS, Directions(ROWS[:1], layers=(0,)), 1.0), None, r"layers can be chosen only in ws"),
        ((LAYERED, ROWS[0], 1.0), [4], r"layers must be among 0 to 3, got \[4\]"),
        ((LAYERED, ROWS[0], 1.0), [-1], r"layers must be among 0 to 3, got \[-1\]"),
        ((LAYERED, ROWS[0], 1.0), [], r"layers must be among 0 to 3, got \[\]"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, layers, match):
    with pytest.raises(ValueError, match=match):
        edit(*arguments, layers=layers)
