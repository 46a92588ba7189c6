"""Any JAX function as a generator: searched, edited, swept, and with classes; non-square images all the way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.tree_util import Partial

import lrgan_jax as lr
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator, grid
from lrgan_jax.targets import pair_grams, targets
from tests.tolerances import worst

HEIGHT, WIDTH, D = 8, 12, 5
MAPS = np.random.default_rng(0).standard_normal((HEIGHT, WIDTH, 3, D)).astype(np.float32)
CORNER = np.zeros((HEIGHT, WIDTH), np.float32)
CORNER[:3, 8:] = 1


def picture(z):
    """Linear in z, so that its Jacobian is MAPS."""
    return jnp.einsum("hwcd,d->hwc", jnp.asarray(MAPS), z, precision="highest")


class Module(nnx.Module):
    """A Flax NNX module: a pytree with its weights in it."""

    def __init__(self):
        self.linear = nnx.Linear(D, HEIGHT * WIDTH * 3, use_bias=False, rngs=nnx.Rngs(0))
        self.linear.kernel.value = jnp.asarray(MAPS.reshape(-1, D).T)

    def __call__(self, z):
        return self.linear(z).reshape(HEIGHT, WIDTH, 3)


FORMS = {
    "function": picture,
    "partial": Partial(lambda maps, z: jnp.einsum("hwcd,d->hwc", maps, z, precision="highest"), MAPS),
    "nnx": Module(),
}


def gram(rows):
    rows = rows.reshape(-1, D).astype(np.float64)
    return rows.T @ rows / len(rows)


@pytest.mark.parametrize("form", FORMS)
def test_images_grams_and_edits(form):
    """The image is the function's; M_A and M_B those of the known Jacobian; an edit moves as the record says."""
    gen = lr.from_function(FORMS[form], D, name="toy")
    assert isinstance(gen, Generator) and (gen.size, gen.num_ws, gen.z_dim, gen.classes) == (
        (HEIGHT, WIDTH),
        1,
        D,
        None,
    )
    z = gen.mapping(lr.sample_z(gen, jax.random.key(0), 2), truncation=0.5)
    with jax.default_matmul_precision("highest"):
        images = gen.synthesis(z)
    np.testing.assert_allclose(images, np.einsum("hwcd,nd->nhwc", MAPS, np.asarray(z)), rtol=0, atol=1e-5)
    search = lr.Search()
    pairs = pair_grams(gen, z, targets(gen, [CORNER], search), search)
    assert worst(pairs.inside[1, 0], gram(MAPS[CORNER > 0])) < 1e-5
    assert worst(pairs.outside[1, 0], gram(MAPS[CORNER == 0])) < 1e-5
    found = lr.find_directions(gen, z, CORNER, num=2)
    change = np.square(np.asarray(gen.synthesis(lr.edit(z, found[0], 1.0)) - images)[:, CORNER > 0]).mean()
    np.testing.assert_allclose(change, found.inside[0], rtol=1e-3)
    assert found.model == "toy" and lr.render(gen, lr.to_ws(gen, z)).shape == (2, HEIGHT, WIDTH, 3)


def test_weights_of_a_module_are_arguments_of_programs():
    """Two modules of one kind share a program; what a plain function closes over cannot be told apart from it."""
    traced = []

    def net(weights, z):
        traced.append(1)
        return jnp.tanh(weights * z[:3])[None, None]

    one, other = (lr.from_function(Partial(net, jnp.full(3, scale)), D) for scale in (1.0, 2.0))
    first, before = one.synthesis(np.ones((1, D), np.float32)), len(traced)
    second = other.synthesis(np.ones((1, D), np.float32))
    assert len(traced) == before and worst(second, np.tanh(2.0)) < 1e-6 and worst(first, np.tanh(1.0)) < 1e-6
    assert len(jax.tree.leaves(lr.from_function(Module(), D))) == 1


def test_layers_of_a_function():
    """A latent of (layers, d): each row its own band of the image, so what is found for the top moves the first row
    alone.
    """
    gen = lr.from_function(lambda ws: jnp.repeat(jnp.tanh(ws), 2, axis=0)[:, :, None] * jnp.ones(3), (4, 6))
    assert (gen.size, gen.num_ws) == ((8, 6), 4)
    top = np.zeros((8, 6), np.float32)
    top[:2] = 1
    z = lr.sample_z(gen, jax.random.key(0), 1)
    found = lr.find_directions(gen, gen.mapping(z), top, per_layer=True, num=6)
    assert found.vectors.shape[1:] == (4, 6) and np.abs(found.vectors[:, 1:]).max() < 1e-4
    np.testing.assert_allclose(found.outside, 0, atol=1e-6)


def by_class(maps, z, c):
    """The class chooses the map."""
    return jnp.einsum("k,khwcd,d->hwc", c, maps, z, precision="highest")


@pytest.fixture(scope="module")
def conditional():
    maps = np.random.default_rng(1).standard_normal((3, HEIGHT, WIDTH, 3, D)).astype(np.float32)
    return lr.from_function(Partial(by_class, maps), D, c_dim=3), maps


def test_a_class_goes_with_its_latent(conditional):
    """Through slices, edits, rows of ws and Grams: latent n is drawn and differentiated as its own class."""
    gen, maps = conditional
    assert gen.classes == "synthesis"
    labels = np.eye(3, dtype=np.float32)[[2, 0]]
    latents = gen.mapping(lr.sample_z(gen, jax.random.key(0), 2), labels)
    expected = np.stack([np.einsum("hwcd,d->hwc", maps[k], np.asarray(latents)[n]) for n, k in enumerate((2, 0))])
    for same in (gen.synthesis(latents), gen.synthesis(latents.array, labels), lr.render(gen, lr.to_ws(gen, latents))):
        np.testing.assert_allclose(same, expected, rtol=0, atol=1e-4)
    search = lr.Search()
    pairs = pair_grams(gen, latents, targets(gen, [CORNER], search), search)
    for n, k in enumerate((2, 0)):
        assert worst(pairs.inside[n, 0], gram(maps[k][CORNER > 0])) < 1e-5
    second = latents[1:]
    found = lr.find_directions(gen, second, CORNER, num=1)
    edited = lr.edit(second, found, [-1.0, 1.0])
    assert edited.shape == (2, 1, D) and edited.c.shape == (2, 1, 3)
    before, after = lr.render(
        gen, edited[:, :, None] if edited.ndim == 2 else lr.WS(edited.array[:, :, None], edited.c)
    )[:, 0]
    np.testing.assert_allclose(np.square(after - before)[CORNER > 0].mean() / 4, found.inside[0], rtol=1e-3)
    points = lr.walk(gen, second, found, CORNER, length=1.0, num_steps=2)
    assert points.shape == (3, 1, 1, D) and points.c.shape == (3, 1, 3)


def test_classes_that_are_missing_or_too_many(conditional):
    gen, _ = conditional
    z = lr.sample_z(gen, jax.random.key(0), 1)
    with pytest.raises(InputError, match="this model is conditional"):
        gen.mapping(z)
    with pytest.raises(InputError, match="draws by class: give latents with their classes"):
        lr.find_directions(gen, z, CORNER)
    with pytest.raises(InputError, match="c must be one-hot labels of shape"):
        gen.synthesis(z, np.eye(2, dtype=np.float32)[:1])
    with pytest.raises(InputError, match="synthesis takes no label"):
        lr.from_function(picture, D).synthesis(z, np.eye(3, dtype=np.float32)[:1])


@pytest.mark.parametrize(
    ("f", "shape", "says"),
    [
        (lambda z: z, D, "must map one latent to one image"),
        (lambda z: jnp.zeros((4, 4, z.shape[0], 1)), D, "must map one latent to one image"),
        (lambda a, b: a, D, "f fails on a latent"),
        (picture, (1, 2, 3), "latent_shape is d, or"),
        (picture, 0, "latent_shape must be at least 1"),
    ],
)
def test_functions_that_make_no_image(f, shape, says):
    with pytest.raises(InputError, match=says):
        lr.from_function(f, shape)


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ((64, 64), (64, 64)),
        ((1024, 512), (256, 128)),
        ((300, 200), (150, 100)),
        ((256, 384), (128, 192)),
        ((257, 263), (257, 263)),
    ],
)
def test_the_grid_divides_the_image(size, found):
    """At most 256 on the longer side, where there is such a divisor."""
    gen = lr.from_function(lambda z: jnp.zeros((*size, 1)) + z.sum(), 2)
    assert grid(gen) == found and size[0] % found[0] == 0 and size[1] % found[1] == 0


@pytest.mark.parametrize(("side", "most"), [(64, 32), (256, 32), (512, 8), (1024, 1)])
def test_large_images_are_rendered_few_at_a_time(side, most, monkeypatch):
    """Which their size alone decides, and every latent has its picture."""
    gen, batches = lr.from_function(lambda z: jnp.zeros((side, side, 1)) + z, 1), []

    def synthesis(self, w, c=None, *, noise="const"):
        batches.append(len(w))
        return jnp.asarray(w)[:, :, None, :]  # a pixel stands for all

    monkeypatch.setattr(type(gen), "synthesis", synthesis)
    numbers = np.arange(33, dtype=np.float32)[:, None, None]
    np.testing.assert_array_equal(lr.render(gen, numbers).ravel(), np.arange(33))
    assert set(batches) == {most}
