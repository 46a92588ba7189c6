"""What results show of themselves: short in a terminal, a card in a notebook; and they stay what they were."""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from looks import Read, look
from PIL import Image

import lrgan_jax as lr
from lrgan_jax import display, images
from lrgan_jax.display import graphs
from lrgan_jax.inversion import Fit, Inversion, Kept
from lrgan_jax.photographs import Blended, Seam, align

DOORS = ("", ".compare", ".inversion", ".metrics", ".photographs", ".sweep")  # rooms whose results users hold


def gram(seed, d=12):
    rows = np.random.default_rng(seed).standard_normal((40, d)) * np.geomspace(1, 1e-3, d)
    return jnp.asarray(rows.T @ rows / len(rows), jnp.float32)


@pytest.fixture(scope="module")
def split():
    return lr.robust_pca(gram(0))


@pytest.fixture(scope="module")
def analysis():
    return lr.analyse(gram(0), gram(1), several=("attribute", "frontier"))


def fields(kind):
    return (
        [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else getattr(kind, "_fields", ())
    )


@pytest.mark.parametrize("door", DOORS)
def test_what_is_public_shows_itself(door):
    """Every class of fields that a room offers, but for settings of networks, whose text says all."""
    room = importlib.import_module(f"lrgan_jax{door}")
    offered = [getattr(room, name) for name in dir(room)]
    kinds = [
        kind for kind in offered if isinstance(kind, type) and fields(kind) and not kind.__name__.endswith("Config")
    ]
    assert [kind.__name__ for kind in kinds if not hasattr(kind, "_repr_html_")] == []


def test_records_stay_what_they_were(split):
    """Tuples and pytrees, of the same fields, equal and through `jit`, where they say what is traced."""
    seen = []
    same = jax.jit(lambda record: seen.append(repr(record)) or record)(split)
    assert type(same) is lr.RobustPCA and isinstance(same, tuple) and split._replace(rank=3).rank == 3
    assert jax.tree.structure(split) == jax.tree.structure(same) and len(split) == len(lr.RobustPCA._fields)
    assert "rank=int32[]" in seen[0] and "low_rank=float32[12, 12]" in seen[0]


def test_records_are_short_in_a_terminal(split, analysis):
    """Numbers alone are said, arrays by their shape, defaults not at all."""
    assert f"rank={int(split.rank)}, converged={bool(split.converged)}" in repr(split)
    assert "low_rank=float32[12, 12]" in repr(split)
    assert repr(analysis).startswith("Analysis(candidates={'attribute': Candidates(...)")
    assert repr(lr.Search(num=2, protect=np.zeros((9, 9)))) == "Search(protect=float64[9, 9], num=2)"
    assert repr(Fit()) == "Fit()" and repr(lr.Found(mu=2.0)) == "Found(mu=2.0)"
    assert display.words({"key": jax.random.key(0), "few": np.arange(3), "many": list(range(99))}) == (
        "{'key': key<fry>[], 'few': [0, 1, 2], 'many': [" + ", ".join(map(str, range(20))) + ", ... 99 in all]}"
    )


def test_latents_are_short_and_say_their_space(small_stylegan2):
    w = small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(1), 2))
    assert repr(w) == "<w [2, 12], float32>"
    assert repr(lr.WS(np.zeros((1, 7, 12), np.float32), np.ones((1, 3)))) == "<ws [1, 7, 12], float32, with classes>"
    (picture,) = look(w).pictures()
    assert picture.shape[2] == 4 and "lr.show(latents, gen)" in look(w).text
    assert repr(lr.W(object())).startswith("<w")  # as pytrees are built


def test_settings_show_what_was_chosen():
    shown = look(Fit(starts=3)).html
    assert "<strong>3</strong>" in shown and "<strong>&#x27;adam" not in shown and "adam" in shown


def heights(picture):
    """Of each column, the filled pixels."""
    return (picture[..., 3] > 0).sum(0)


def test_a_graph_is_logarithmic():
    """Two numbers of which the second is a thousandth: half as high, as the graph spans six decades."""
    (picture,) = Read(
        graphs.graph(np.array([1.0, 1e-3, 0.0, np.nan]), "what", np.array([True, False, False, False]))
    ).pictures()
    high = heights(picture)
    quarter = picture.shape[1] // 4
    assert (high[:quarter] == picture.shape[0]).all() and (high[quarter : 2 * quarter] == picture.shape[0] / 2).all()
    assert not high[2 * quarter :].any()
    assert tuple(picture[-1, 0, :3]) == graphs.MARKED and tuple(picture[-1, quarter, :3]) == graphs.PLAIN


def test_a_spectrum_falls_and_marks_the_rank():
    """Of a diagonal matrix, whatever the order and the signs on it."""
    shown = graphs.spectrum(np.diag([1e-2, -1.0, 1e-4]), 2)
    high = heights(Read(shown).pictures()[0])
    third = len(high) // 3
    assert high[0] > high[third + 2] > high[-1] > 0 and "2 of 3 counted" in shown
    assert "too large" in graphs.spectrum(np.zeros((2000, 2000), np.float32))
    assert graphs.spectrum(np.full((2, 2), np.nan)) == "not finite"


def test_a_matrix_has_a_colour_for_each_sign():
    (picture,) = Read(graphs.matrix(np.array([[1.0, -1.0], [0.25, 0.0]]), "what")).pictures()
    corners = picture[0, 0], picture[0, -1], picture[-1, 0], picture[-1, -1]
    assert [tuple(corner[:3]) for corner in corners[:2]] == [graphs.MARKED, graphs.NEGATIVE]
    assert [int(corner[3]) for corner in corners] == [255, 255, 128, 0]


def test_the_mathematics_shows_itself(split, analysis):
    """Ranks, evidence and changes as numbers; a spectrum of each part."""
    shown = look(split)
    assert len(shown.images) == 4 and f"{int(split.rank)}" in shown.text and "converged" in shown.text
    shown = look(analysis)
    best = analysis.candidates["frontier"]
    for told in ("attribute", "frontier", f"{float(best.inside[0]):.3g}", f"{float(analysis.mu):.3g}"):
        assert told in shown.text
    assert len(shown.images) == 2  # of the robust PCAs that the attribute method rests on
    assert str(int(best.mask.sum())) in look(best).text
    space = lr.attribute_space(split.low_rank, split.rank)
    assert f"{int(split.rank)} of 12 dimensions" in look(space).text


def test_batches_show_ranges(split):
    """And what cannot be shown as one thing shows its fields."""
    batch = jax.tree.map(lambda a: jnp.stack([a, a]), split)._replace(
        rank=jnp.array([2, 9]), converged=jnp.array([True, False])
    )
    assert "2 to 9" in look(batch).text and "1 of 2" in look(batch).text
    space = jax.tree.map(lambda a: jnp.stack([a, a]), lr.attribute_space(split.low_rank, split.rank))
    assert "float32[2, 12, 12]" in look(space).text


def test_grams_and_leading_directions_show_themselves():
    """The image and the spectra of each latent and region; leaks, none of them below 0."""
    pairs = np.stack([[gram(n)] for n in range(2)])
    grams = lr.RegionGrams(pairs, 2 * pairs, np.zeros((2, 8, 8, 3)), None)
    shown = look(grams)
    assert len(shown.images) == 2 * 3 and f"{np.trace(pairs[1, 0]) / 6:.3g}" in shown.text
    assert len(look(grams._replace(outside=None)).images) == 2 * 2
    found = lr.LeadingDirections(
        np.eye(3),
        np.array([2.0, 1, 1]),
        np.array([0.5, 0.5, -1e-9]),
        np.ones(3, bool),
        np.zeros(3),
        None,
        None,
        9,
        True,
    )
    assert "25 %" in look(found).text and "0 %" in look(found).text


@pytest.fixture
def photograph(tmp_path):
    picture = images.to_uint8(np.random.default_rng(0).uniform(-1, 1, (40, 60, 3)))
    Image.fromarray(picture).save(tmp_path / "photo.png")
    return lr.open_photograph(tmp_path / "photo.png"), picture


def test_photographs_show_themselves(photograph):
    """The photograph, its crop, and where that lies: all else is darker."""
    photo, picture = photograph
    assert repr(photo) == "<photograph, 60 x 40, 8 bits, RGB>"
    np.testing.assert_array_equal(look(photo).pictures()[0][..., :3], picture)
    crop = align(photo, 16, box=[10, 20, 16, 16])
    place, own = (a[..., :3].astype(int) for a in look(crop).pictures())
    np.testing.assert_array_equal(place[10:26, 20:36], picture[10:26, 20:36])
    assert np.abs(place[:10] - picture[:10] / 2).max() <= 1
    assert np.abs(own - images.to_uint8(crop.image)).max() <= 1


def test_inversions_show_themselves(photograph, tmp_path):
    """Photographs beside what was found; what a file keeps."""
    photo, _ = photograph
    images_of = np.random.default_rng(1).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)
    ws, losses = lr.WS(np.zeros((2, 3, 4), np.float32)), np.array([[1.0, 0.5], [1.0, 0.25]])
    found = Inversion(ws, images_of, -images_of, {}, losses, Fit(steps=9), "pyramid", "small", "")
    shown = look(found)
    first, second = (a[..., :3].astype(int) for a in shown.pictures()[:2])
    assert np.abs(first - images.to_uint8(-images_of[0])).max() <= 1
    assert "0.25" in shown.text and f"{found.psnr[1]:.1f} dB" in shown.text and "Fit(steps=9)" in shown.text
    kept = Kept(ws[:1], model="small", photographs=[photo.encode()])
    assert len(look(kept).images) == 1 and "small" in look(kept).text and len(repr(kept)) < 200
    damaged = Kept(ws[:1], model="small", photographs=[b"no picture"])
    assert not look(damaged).images and "<ws [1, 3, 4], float32>" in look(damaged).text
    blended = Blended(images_of[0], np.ones((8, 8), np.float32), Seam(3 / 127.5, 1 / 127.5))
    assert "2.0 grey levels" in look(blended).text and len(look(blended).images) == 2
