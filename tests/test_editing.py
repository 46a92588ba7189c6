"""Edits: ws + sum of steps times directions, on the chosen layers, in the type that came in; and walks, on curves that
are known.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax import editing
from lrgan_jax.directions import Directions
from lrgan_jax.editing import edit
from lrgan_jax.generators import WS, ModelInfo, W, Z
from lrgan_jax.generators.latents import check_ws
from lrgan_jax.regions import RegionError
from tests import linear as known
from tests.tolerances import EXACT, rounding

N, L, D, K = 2, 4, 5, 3
random = np.random.default_rng(0)
LATENTS = random.standard_normal((N, D)).astype(np.float32)
ROWS = random.standard_normal((K, D)).astype(np.float32)
LAYERED = random.standard_normal((N, L, D)).astype(np.float32)
ROUNDING = rounding(np.float32, K)

walk = partial(editing.walk, metric="latent")  # the unit in which these circles are round


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
    twice, once = (
        edit(edit(LAYERED, ROWS, a, layers=[0, 2]), ROWS, b, layers=[0, 2]),
        edit(LAYERED, ROWS, a + b, layers=[0, 2]),
    )
    np.testing.assert_allclose(twice, once, **rounding(np.float32, 2 * K))


# Moves of every layer


@pytest.mark.parametrize("layers", [None, (1, 3)])
@pytest.mark.parametrize("shape", [(K,), (7, K), (2, 3, K)])
def test_moves_of_every_layer(shape, layers):
    """[k, L, d]: each layer has a vector of its own, and layers that are not chosen stay."""
    moves = np.random.default_rng(4).standard_normal((K, L, D)).astype(np.float32)
    steps = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    chosen = np.isin(np.arange(L), range(L) if layers is None else layers)[:, None]
    expected = np.stack([LAYERED + np.tensordot(s.astype(np.float64), moves * chosen, 1) for s in steps.reshape(-1, K)])
    out = edit(LAYERED, Directions(moves), steps, layers=layers)
    np.testing.assert_allclose(out, expected.reshape(*shape[:-1], N, L, D), **ROUNDING)


def test_moves_of_every_layer_do_not_fit_just_any_latent():
    with pytest.raises(ValueError, match=r"move 4 layers: they take ws \[N, 4, d\], got \[2, 5\]"):
        edit(LATENTS, np.ones((1, L, D), np.float32), 1.0)
    with pytest.raises(ValueError, match="move 3 layers"):
        edit(LAYERED, np.ones((1, 3, D), np.float32), 1.0)


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


# Walks


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=())
@dataclasses.dataclass(frozen=True)
class Polar:
    """The upper half shows the angle of w in its first two coordinates, the lower half its squared radius: circles keep
    it still.
    """

    info = ModelInfo()
    z_dim = w_dim = 3
    c_dim = 0
    num_ws = 2
    size = (4, 4)
    space = W
    classes = None

    def mapping(self, z, c=None, truncation=1.0, cutoff=None):
        return W(jnp.asarray(z))

    def synthesis(self, w, c=None, *, noise="const", key=None):
        x, y, _ = jnp.moveaxis(check_ws(w, 2, 3).mean(1), -1, 0)
        halves = jnp.stack([jnp.arctan2(y, x), x**2 + y**2], axis=-1)
        return jnp.broadcast_to(jnp.repeat(halves, 2, axis=-1)[:, :, None, None], (len(x), 4, 4, 3))


UPPER = np.repeat([1.0, 0.0], 2)[:, None].astype(np.float32) * np.ones((1, 4), np.float32)
AROUND = np.array([0.0, 1.0, 0.0], np.float32)  # the way round at START, its third coordinate moving nothing
START = np.array([[1.0, 0.0, 0.3]], np.float32)


def radius_and_angle(points):
    """Of the mean over the layers, [..., N]."""
    x, y, _ = np.moveaxis(np.asarray(points, np.float64).mean(-2), -1, 0)
    return np.hypot(x, y), np.arctan2(y, x)


@pytest.mark.parametrize("num_steps", [4, 8, 16])
def test_a_walk_goes_round_the_circle(num_steps):
    """Each step is a tangent, which leaves the circle by its square: after k steps of h the squared radius is exactly 1
    + k h^2.

    So the drift of a walk of length 1 is 1 / num_steps, halved by twice the steps (first order, as Euler's method),
    where the straight line's is 1; on the way the angle grows by atan(h / r) a step.
    """
    h = 1.0 / num_steps
    points = walk(Polar(), START, AROUND, UPPER, length=1.0, num_steps=num_steps)
    radius, angle = radius_and_angle(points)
    exact = np.sqrt(1 + np.arange(num_steps + 1) * h**2)
    np.testing.assert_allclose(radius[:, 0], exact, rtol=2e-6 * num_steps)  # float32 eigenvectors, once a step
    np.testing.assert_allclose(
        angle[:, 0], np.concatenate([[0], np.cumsum(np.arctan(h / exact[:-1]))]), rtol=2e-6 * num_steps
    )
    straight, _ = radius_and_angle(edit(np.repeat(START[:, None], 2, 1), AROUND, 1.0))
    np.testing.assert_allclose(straight**2, 2, rtol=1e-6)


def test_a_walk_leaves_out_what_is_not_local():
    """A direction that also points outwards and where nothing changes: its tangent part, at full length, is walked."""
    tilted = walk(Polar(), START, np.array([0.5, 1.0, 0.7], np.float32), UPPER, length=1.0, num_steps=4)
    plain = walk(Polar(), START, AROUND, UPPER, length=1.0, num_steps=4)
    np.testing.assert_allclose(tilted.array, plain.array, rtol=0, atol=1e-5)


def test_a_negative_length_walks_the_other_way():
    """Mirrored: the same radii, the angles' signs turned."""
    forth, back = (radius_and_angle(walk(Polar(), START, AROUND, UPPER, length=s, num_steps=4)) for s in (0.8, -0.8))
    np.testing.assert_allclose(back[0], forth[0], rtol=1e-5)
    np.testing.assert_allclose(back[1], -forth[1], rtol=1e-5)


def test_every_latent_has_its_direction_and_length():
    """Three walks together = one at a time."""
    latents = np.array([[1, 0, 0], [0, 2, 1], [-0.6, 0.8, 0]], np.float32)
    rows, lengths = np.array([[0, 1, 0], [1, 0, 0], [0.8, 0.6, 0]], np.float32), np.array([0.5, -1.0, 2.0], np.float32)
    together = walk(Polar(), latents, rows, UPPER, length=lengths, num_steps=4)
    for k in range(3):
        alone = walk(Polar(), latents[k : k + 1], rows[k], UPPER, length=float(lengths[k]), num_steps=4)
        np.testing.assert_allclose(together.array[:, k], alone.array[:, 0], rtol=0, atol=1e-5)
        pieces = np.linalg.norm(np.diff(alone.array[:, 0, 0], axis=0), axis=-1)
        np.testing.assert_allclose(pieces, abs(lengths[k]) / 4, rtol=1e-5)


@pytest.fixture(scope="module")
def linear():
    """q0 and q1 move the top alone, q2 the top and the middle."""
    return known.linear(top={0: 1.5, 1: 1.0, 2: 2.0}, middle={2: 2.0, 3: 1.0}, bottom={4: 1.0, 1: 0.01})


@pytest.mark.parametrize("as_record", [True, False])
def test_a_walk_along_moves_of_all_layers_moves_all(linear, as_record):
    """Also where nothing says which layers: of a search of their own they would be the coarser half."""
    ws = np.random.default_rng(5).standard_normal((2, 3, 12)).astype(np.float32)
    rows = np.repeat(known.AXES[:1, None], 3, axis=1).astype(np.float32)
    moves = Directions(rows) if as_record else rows
    points = walk(linear, WS(jnp.asarray(ws)), moves, "top", length=2.0, num_steps=4, tao=1e-3, metric="latent")
    straight = np.linspace(0, 2, 5)[:, None, None, None] * rows / np.linalg.norm(rows)
    np.testing.assert_allclose(points.array, ws + straight, rtol=0, atol=3e-4)  # as below


def test_where_the_image_is_linear_a_walk_is_straight(linear):
    """A direction that is local already is not turned, whatever its layers: the points of an edit, and its type."""
    ws = np.random.default_rng(5).standard_normal((2, 3, 12)).astype(np.float32)
    found = Directions(known.AXES[:1].astype(np.float32), layers=(0, 2))
    points = walk(linear, WS(jnp.asarray(ws)), found, "top", length=2.0, num_steps=4, tao=1e-3)
    assert isinstance(points, WS) and points.shape == (5, 2, 3, 12)
    np.testing.assert_allclose(
        points.array, edit(ws, found, np.linspace(0, 2, 5)), rtol=0, atol=3e-4
    )  # eps times mu |M_B|, 2,000
    np.testing.assert_allclose(points.array[0], ws, **EXACT)
    np.testing.assert_allclose(
        points.array[:, :, 1], np.broadcast_to(ws[:, 1], (5, 2, 12)), **EXACT
    )  # the layer that stays
    other = walk(linear, ws, found, "top", length=2.0, num_steps=1, layers=[1])
    np.testing.assert_allclose(other.array[:, :, [0, 2]], np.broadcast_to(ws[:, [0, 2]], (2, 2, 2, 12)), **EXACT)
    assert np.abs(other.array[1, :, 1] - ws[:, 1]).max() > 0.1


def test_a_walk_protects_what_it_is_told_to(linear):
    """q0 + q2 at mu 2: with the middle protected q2 is dropped, with the bottom it stays, since it moves the top alone
    there.
    """
    mixed = (known.AXES[0] + known.AXES[2]).astype(np.float32) / 2**0.5
    start = np.zeros((1, 12), np.float32)
    for protect, expected in (
        ("middle", known.AXES[0]),
        ("bottom", mixed),
        (["middle", "bottom"], known.AXES[0]),
        (None, known.AXES[0]),
    ):
        points = walk(linear, start, mixed, "top", length=1.0, num_steps=1, protect=protect, mu=2.0)
        np.testing.assert_allclose(points.array[1, 0, 0], expected, rtol=0, atol=1e-4, err_msg=str(protect))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (dict(num_steps=0), ValueError, "num_steps must be at least 1, got 0"),
        (
            dict(direction=np.eye(3, 12, dtype=np.float32)),
            ValueError,
            r"one for each of the 2 latents, of 12 numbers, got \[3, 12\]",
        ),
        (dict(direction=np.ones(7, np.float32)), ValueError, r"of 12 numbers, got \[1, 7\]"),
        (dict(direction=Directions(np.eye(3, 12, dtype=np.float32))), ValueError, r"got \[3, 12\]"),
        (dict(layers=[3]), ValueError, r"layers must be among 0 to 2, got \[3\]"),
        (dict(region="tail"), RegionError, "no region 'tail'"),
        (dict(protect=[]), ValueError, "protect is empty"),
        (dict(w=np.zeros((2, 7), np.float32)), ValueError, r"w of shape \[N, 12\]"),
    ],
)
def test_walks_that_do_not_fit_are_refused(linear, options, error, match):
    """In one line."""
    arguments = {"w": np.zeros((2, 12), np.float32), "direction": np.ones(12, np.float32), "region": "top"} | options
    with pytest.raises(error, match=match) as caught:
        walk(linear, length=1.0, **arguments)
    assert "\n" not in str(caught.value)


def test_along_a_path():
    """Its points, and the line between two of them."""
    points = np.random.default_rng(0).standard_normal((5, 2, 3, 4)).astype(np.float32)
    path = WS(jnp.asarray(points))
    for share, expected in ((0, points[0]), (0.5, points[2]), (1, points[4]), (0.8, 0.8 * points[3] + 0.2 * points[4])):
        np.testing.assert_allclose(editing.along(path, share), expected, **rounding(np.float32))
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="share must be"):
            editing.along(path, share)
