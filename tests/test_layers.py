"""Which rows of ws move: one value says it to the Jacobian and to the edit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax import Search, edit, find_directions, from_function, region_grams, sample_z, to_ws
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import image_function
from lrgan_jax.generators.natural import own_latents
from lrgan_jax.layers import Moves, layers_text, moves_of, spread
from lrgan_jax.targets import search_moves
from tests.tolerances import worst

WAYS = [Moves(5), Moves(5, (1, 3)), Moves(5, (1, 3), per_layer=True), Moves(5, per_layer=True), Moves()]
WAYS += [Moves(5, numbers=(1, 3)), Moves(5, (1, 3), per_layer=True, numbers=(0, 2)), Moves(numbers=(3, 4))]


@pytest.mark.parametrize("moves", WAYS)
def test_gather_is_the_transpose_of_spread(moves):
    """<spread(v), g> = <v, gather(g)> for any v and g, and rows that stay are exactly zero."""
    random, d = np.random.default_rng(0), 4
    v = random.standard_normal(moves.size(d)).astype(np.float32)
    g = random.standard_normal((d,) if moves.num_ws is None else (5, d)).astype(np.float32)
    move = np.asarray(moves.spread(jnp.asarray(v), d))
    assert move.shape == g.shape
    np.testing.assert_allclose(np.sum(move * g), np.dot(v, moves.gather(jnp.asarray(g))), rtol=1e-5)
    if moves.rows is not None:
        assert not move[[row for row in range(5) if row not in moves.rows]].any()
    if moves.numbers is not None:
        assert not np.delete(move, np.r_[slice(*moves.numbers)], axis=-1).any()
    batch = np.asarray(moves.spread(np.stack([v, 2 * v])[None], d))
    np.testing.assert_array_equal(batch, np.stack([move, 2 * move])[None])


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_vector_per_layer_is_the_jacobian_by_each_row(small_stylegan2, mode):
    """The Gram of W+ is that of J by the rows' numbers together, from JAX's own Jacobian by all of ws; either way of
    computing it.
    """
    gen = small_stylegan2
    ws = to_ws(gen, gen.mapping(sample_z(gen, jax.random.key(0), 1))).array
    moves, mask = moves_of([1, 4], gen.num_ws, per_layer=True), np.zeros((16, 16), np.float32)
    mask[3:5, 6:8] = 1
    rows = range(1 if mode == "reverse" else 2)  # few pixels and no rest: reverse mode
    f = image_function(gen, layers=moves)
    found = region_grams(
        f, ws, mask, layers=moves, channels="mean" if mode == "reverse" else "stack", rest=mode == "forward"
    )
    J = np.asarray(jax.jit(jax.jacfwd(image_function(gen)))(ws[0]), np.float64)[3:5, 6:8][
        ..., [1, 4], :
    ]  # [2, 2, C, rows, d]
    J = J.mean(2, keepdims=True) if mode == "reverse" else J
    J = J.reshape(-1, 2 * gen.w_dim)
    assert found.inside.shape == (1, 1, 24, 24) and rows
    assert worst(found.inside[0, 0], J.T @ J / len(J)) < 1e-4


@pytest.mark.parametrize(("num_ws", "coarser"), [(2, (0,)), (3, (0, 1)), (6, (0, 1, 2))])
def test_a_vector_per_layer_is_of_the_coarser_half(num_ws, coarser):
    """Unless layers are named; one that all share moves all."""
    gen = from_function(lambda w: w[:, :1, None], (num_ws, 4))
    assert search_moves(gen, Search(per_layer=True)) == Moves(num_ws, coarser, per_layer=True)
    assert search_moves(gen, Search(per_layer=True, layers=[num_ws - 1])).rows == (num_ws - 1,)
    assert search_moves(gen, Search()) == Moves(num_ws)


def test_what_is_found_per_layer_moves_those_layers(small_stylegan2):
    """Moves [k, L, d] of natural length one, the root mean square over the layers that move, zero elsewhere, whose
    first-order change is the record's: by a central difference.
    """
    gen, mask = small_stylegan2, np.zeros((16, 16), np.float32)
    mask[4:10, 3:12] = 1
    w = gen.mapping(sample_z(gen, jax.random.key(3), 1))
    found = find_directions(gen, w, mask, layers="2-3", per_layer=True, num=2, mu=0.5)
    shared = find_directions(gen, w, mask, layers="2-3", num=2)
    assert found.vectors.shape == (2, 6, 12) and found.layers == (2, 3) and found.search.per_layer
    white = found.vectors[:, 2:4] @ np.linalg.inv(own_latents(gen).root.astype(np.float64))
    np.testing.assert_allclose(np.square(white).sum(2).mean(1), 1, rtol=1e-4)  # a root of condition 30 in float32
    assert not found.vectors[:, [0, 1, 4, 5]].any()
    ws, step = to_ws(gen, w), 1e-2
    before, after = (np.asarray(gen.synthesis(edit(ws, found[0], s)))[0] for s in (-step, step))
    change = np.square(after - before)[mask > 0].mean() / (2 * step) ** 2
    np.testing.assert_allclose(change, found.inside[0], rtol=0.01)
    # More to choose from: of no smaller a - mu b than the shared one at the same mu. In latent units that is longer,
    # as it moves both rows by its full length.
    mu = shared.found.mu
    freer = find_directions(gen, w, mask, layers="2-3", per_layer=True, num=1, mu=mu)
    assert freer.inside[0] - mu * freer.outside[0] >= (shared.inside[0] - mu * shared.outside[0]) * (1 - 1e-4)
    latent, both = (
        find_directions(gen, w, mask, layers="2-3", num=1, mu=mu, metric="latent", per_layer=per_layer)
        for per_layer in (True, False)
    )
    np.testing.assert_allclose(np.linalg.norm(latent.vectors), 1, rtol=1e-5)
    assert latent.inside[0] - mu * latent.outside[0] >= (both.inside[0] - mu * both.outside[0]) / 2 * (1 - 1e-4)


def test_one_row_has_no_vector_of_its_own(small_dcgan):
    with pytest.raises(InputError, match="one row of ws"):
        find_directions(small_dcgan, np.zeros((1, 10), np.float32), np.eye(16, dtype=np.float32), per_layer=True)


def test_directions_and_moves_spread_alike():
    """[k, d] is repeated, [k, L, d] taken as it is; layers that stay are zero in both."""
    rows = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4)), jnp.float32)
    moves = spread(rows, "1-2", 5)
    assert moves.shape == (3, 5, 4) and not np.asarray(moves)[:, [0, 3, 4]].any()
    np.testing.assert_array_equal(moves[:, 1], rows)
    np.testing.assert_array_equal(spread(moves, None, 5), moves)
    assert not np.asarray(spread(moves, [1], 5))[:, 2].any()


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        (None, "all layers"),
        ("3-6", "layers 3-6"),
        ((3, 4, 5), "layers 3-5"),
        ([4, 6], "layers 4, 6"),
        ((1, 2), "layers 1, 2"),
    ],
)
def test_layers_in_words(layers, text):
    assert layers_text(layers) == text
