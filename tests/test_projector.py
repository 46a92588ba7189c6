"""The projector that inversions are compared with: its schedule and regulariser by hand, its networks against ours."""

import metric_oracles as oracle
import numpy as np
import pytest
from tolerances import PARITY, rounding, worst

torch = pytest.importorskip("torch")
import projector_reference as projector  # noqa: E402 - they import torch
import torch_networks  # noqa: E402

ONE, STEPS = rounding(np.float32), 60


def pixels(images):
    return images.flatten(1)


@pytest.mark.parametrize(
    ("t", "rate", "wander"),
    [(0, 0, 0.05), (0.025, 0.05, 0.05 * (29 / 30) ** 2), (0.05, 0.1, 0.05 * (14 / 15) ** 2), (0.375, 0.1, 0.0125)]
    + [(0.75, 0.1, 0), (0.875, 0.05, 0), (1, 0, 0)],
)
def test_the_schedule(t, rate, wander):
    np.testing.assert_allclose([projector.rate(t), projector.wander(t)], [rate, wander], rtol=0, atol=1e-12)


def striped(side, width):
    """+1 and -1 in columns that are so wide."""
    return np.broadcast_to(1 - 2.0 * (np.arange(side) // width % 2), (1, 1, side, side)).astype(np.float32).copy()


@pytest.mark.parametrize(
    ("side", "width", "expected"),
    [
        (4, 1, 1 + 1),  # neighbours across are opposite, down the same
        (8, 2, 0 + 1),  # across they are the same as often as not; 8 is the smallest size
        (16, 1, 2 + 0),  # halved, nothing is left
        (16, 2, 0 + 1 + 16 + 16),  # halved it is columns of +2 and -2
        (32, 4, 0.25 + 1 + 0 + 16 + 256 + 256),  # columns of 4, of 2 and of 1, twice as high each time
    ],
)
def test_the_regulariser_by_hand(side, width, expected):
    """Of a picture, of two and of one turned by a quarter."""
    picture = torch.from_numpy(striped(side, width))
    for noise, number in ((picture, 1), (torch.cat([picture, picture]), 2), (picture.mT, 1)):
        np.testing.assert_allclose(projector.autocorrelation(noise), number * expected, **ONE)


def test_the_mean_and_the_spread():
    network = torch_networks.Network(2, lambda z: z * torch.tensor([3.0, 4.0]) + 1, lambda w, noise: w, {})
    mean, spread = projector.statistics(network, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(mean, [1, 1], rtol=0, atol=5 * 4 / projector.SAMPLES**0.5)
    np.testing.assert_allclose(spread, 5, rtol=5 / projector.SAMPLES**0.5)


@pytest.mark.parametrize("family", ["stylegan2", "dcgan"])
def test_an_own_sample_is_approached(family, request):
    """By pixels; what is shown last is the last step's, nearly; the noise is white in the end."""
    network = torch_networks.opened(request.getfixturevalue(f"small_{family}"))
    z = projector.drawn(torch.Generator().manual_seed(1), 2, network.z_dim)
    targets = network.synthesis(network.mapping(z), network.noise)
    found = projector.project(network, targets, pixels, steps=STEPS, show=(20,))
    assert list(found.shown) == [20, STEPS] and found.losses.shape == (2, STEPS)
    assert (found.best[:, -1] < 0.2 * found.losses[:, 0]).all()
    np.testing.assert_allclose(found.losses, found.squared * targets[0].numel(), rtol=1e-4)
    far = np.square(found.shown[STEPS].images - targets.numpy()).mean((1, 2, 3))
    np.testing.assert_allclose(far, found.squared[:, -1], rtol=0.05)
    for picture in found.noise.values():
        np.testing.assert_allclose(picture.mean((1, 2, 3)), 0, rtol=0, atol=1e-6)
        np.testing.assert_allclose(picture.var((1, 2, 3)), 1, rtol=1e-5)


def test_pictures_do_not_disturb_one_another():
    """Of a network that adds w and noise up: what is found for one picture is the same beside another."""
    network = torch_networks.Network(
        4, lambda z: z, lambda w, noise: w.reshape(-1, 1, 2, 2) + noise["only"], {"only": torch.zeros(2, 2)}
    )
    targets = torch.arange(8.0).reshape(2, 1, 2, 2)
    others = torch.stack([-targets[0], targets[1]])
    found, beside = (projector.project(network, x, pixels, steps=STEPS) for x in (targets, others))
    np.testing.assert_allclose(found.losses[1], beside.losses[1], rtol=1e-5)
    assert not np.allclose(found.losses[0], beside.losses[0], rtol=1e-5)


@pytest.mark.parametrize(("network", "size"), [("alexnet", (31, 40)), ("vgg16", (17, 32))])
def test_lpips_in_float64(network, size):
    params, (a, b) = oracle.random_params(f"lpips_{network}"), oracle.random_images(2, 2, *size, 3)
    x, y = map(torch_networks.lpips_features(params), (torch.from_numpy(i.transpose(0, 3, 1, 2)) for i in (a, b)))
    expected = [oracle.lpips(params, *pair) for pair in zip(a, b, strict=True)]
    assert worst((x - y).square().sum(1), expected) < PARITY


def test_features_of_nothing_have_slopes():
    """ReLUs leave pixels without any feature: 0 has no direction, and must not make the slopes NaN."""
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    torch_networks.weighted(x, torch.ones(4)).sum().backward()
    assert torch.isfinite(x.grad).all()
