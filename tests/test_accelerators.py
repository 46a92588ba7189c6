"""What a GPU or a TPU is given, looked at without one: the programs that are exported for them.

On this their speed rests: everything is convolutions and products of the precision that was asked for, as many tangents
at once as asked for, and no word to the host.
"""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax.base import linalg
from lrgan_jax.generators import image_function
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.jacobian import region_grams
from lrgan_jax.pipeline import analyse
from lrgan_jax.rpca import robust_pca
from lrgan_jax.search import Search
from lrgan_jax.sweep.block import Job, Keep, every
from lrgan_jax.targets import metric_root, targets

PLATFORMS = ["cuda", "tpu"]
CHUNK, D = 3, 32
MEMORY = 2**28  # said, since an exporting machine does not know what the other one has free


def exported(function, platform, *arguments) -> str:
    """The program in words."""
    return jax.export.export(jax.jit(function), platforms=[platform])(*arguments).mlir_module()


def decompositions(program: str) -> list[str]:
    """The eigendecompositions in it, by the names that either platform has for them."""
    return re.findall(r"custom_call @(?:cusolver_syev\w*|Eigh)", program)


def test_what_libraries_decompose_would_be_seen(platform):
    """In 64 bits they do."""
    with jax.enable_x64(True):
        program = exported(linalg.eigh, platform, jnp.eye(3))
    assert len(decompositions(program)) == 1


def assert_plain(program: str, precision: str = "HIGHEST") -> None:
    """Every product and convolution at its precision, none grouped or dilated; no doubles; nothing of the host."""
    told = re.findall(r"precision(?:_config)? = \[([^\]]*)\]", program)
    assert len(told) == len(re.findall(r"stablehlo\.(?:dot_general|convolution)", program))
    assert {word for each in told for word in re.findall(r"DEFAULT|HIGHEST|HIGH", each)} <= {precision}
    assert "f64" not in program and not re.search(r"callback|infeed|outfeed|send|recv", program)
    assert set(re.findall(r"(?:feature|batch)_group_count = (\d+)", program)) <= {"1"}
    assert set(re.findall(r"(?:lhs_dilate|rhs_dilate|dilation)\w* = \[([\d, x]+)\]", program)) <= {"1, 1"}


@pytest.fixture(params=PLATFORMS)
def platform(request):
    return request.param


@pytest.fixture
def pair():
    """Two Grams."""
    J = np.random.default_rng(0).standard_normal((2, 3 * D, D))
    return tuple(jnp.asarray(J.swapaxes(1, 2) @ J / len(J[0]), jnp.float32))


@pytest.mark.parametrize("precision", ["highest", "default"])
def test_grams_are_convolutions_of_a_chunk_of_tangents(platform, precision, small_stylegan2):
    """The generator's products in the precision asked for; the Grams' own, and all that the styles hang on, highest."""
    gen = small_stylegan2
    f, ws = image_function(gen), jnp.zeros((2, gen.num_ws, gen.w_dim))
    options = {"channels": "stack", "chunk": CHUNK, "memory": MEMORY, "precision": precision}
    program = exported(lambda f, ws: region_grams(f, ws, np.eye(16), **options)[:2], platform, f, ws)
    batches = [int(n) for n in re.findall(r"stablehlo\.convolution.*-> tensor<(\d+)x", program)]
    assert batches.count(CHUNK) >= batches.count(1) > 3 and set(batches) == {1, CHUNK}  # some twice, until compiled
    if precision == "highest":
        assert_plain(program)
    else:
        assert not re.search(r"stablehlo\.convolution.*HIGHEST", program)
        assert re.search(r"dot_general.*HIGHEST", program)


@pytest.mark.parametrize("method", ["frontier", "resefa"])
def test_directions_need_no_eigendecomposition(platform, method, pair):
    for several in (False, True):
        find = partial(_best, method)
        arguments = [jnp.stack([gram] * 4) for gram in pair] if several else pair
        program = exported(jax.vmap(find) if several else find, platform, *arguments)
        assert_plain(program)
        assert not decompositions(program)
        assert not several or f"tensor<4x{D}x{D}xf32>" in program


def _best(method, inside, outside):
    return analyse(inside, outside, method=method).candidates[method].vectors[0]


def test_robust_pca_is_products(platform, pair):
    program = exported(jax.vmap(lambda gram: robust_pca(gram).low_rank), platform, jnp.stack(pair))
    assert_plain(program)
    assert f"tensor<2x{D}x{D}xf32>" in program


def test_a_block_of_a_sweep_is_one_program(platform, small_dcgan):
    """Of all latents and regions at once, their directions and spectra by products."""
    gen, search = small_dcgan, Search(num=2)
    aims = targets(gen, [np.eye(gen.size[0]), np.eye(gen.size[0])[::-1]], search)
    job, root = Job(search, Keep(thumbnail=8, memory=MEMORY)), metric_root(gen, search)
    ws = seeded(gen, 0, 4).all()
    program = exported(lambda gen, ws: every(job, gen, ws, aims, root)[0], platform, gen, ws)
    assert_plain(program)
    assert not decompositions(program)
    assert f"tensor<4x2x{gen.w_dim}x{gen.w_dim}xf32>" in program
