"""Images a second in training, against the same networks and schedule in plain PyTorch, in one run on an otherwise idle
machine.

    python tests/benchmarks/training.py [--batch N]

Both train a small generator against a discriminator of channel base 512: logistic loss, R1 every 16 steps, path lengths
every 8, style mixing, random noise, averaged weights, Adam. A schedule of 16 steps is timed; the data are at hand
before.
"""

import argparse
import sys
import time
from pathlib import Path

import jax

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import torch_discriminator  # noqa: E402
import torch_stylegan2  # noqa: E402

from lrgan_jax.generators import StyleGAN2Config  # noqa: E402
from lrgan_jax.training import DiscriminatorConfig, TrainConfig  # noqa: E402
from lrgan_jax.training import step as steps  # noqa: E402

GENERATOR = StyleGAN2Config(
    (128, 128, 64, 32, 16), z_dim=100, w_dim=128, mapping_layers=4, mapping_features=128, embed_features=0
)
CRITIC = (128, 64, 32, 16, 8)
STEPS = 16


def ours(batch: int) -> float:
    """Seconds of 16 steps."""
    config = TrainConfig(GENERATOR, DiscriminatorConfig(CRITIC), batch=batch)
    mesh = jax.make_mesh((1,), (steps.AXIS,), axis_types=(jax.sharding.AxisType.Auto,))
    state = steps.init(config, 0)
    reals = jax.random.uniform(jax.random.key(0), (batch, 64, 64, 3), minval=-1, maxval=1)
    start, metrics = 0.0, {}
    for _ in range(2):  # the first time compiles
        start = time.perf_counter()
        for step in range(1, STEPS + 1):
            due = {"regularise_r1": step % config.r1_every == 0, "regularise_path": step % config.path_every == 0}
            state, metrics = steps.train_step(config, mesh, state, reals, **due)
        jax.block_until_ready((state, metrics))
    return time.perf_counter() - start


def pytorch(batch: int) -> float:
    """The same in PyTorch."""
    config = GENERATOR
    mapping = dict(num_layers=config.mapping_layers)
    generator = torch_stylegan2.Generator(config.z_dim, 0, config.w_dim, 64, 3, mapping, channels=config.channels)
    average = {name: p.detach().clone() for name, p in generator.named_parameters()}
    critic = torch_discriminator.Discriminator(CRITIC)
    of_g, of_d = (torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.0, 0.99)) for net in (generator, critic))
    reals = torch.rand(batch, 3, 64, 64) * 2 - 1
    path_mean = torch.zeros(())

    def latents(n: int):
        first, second = (generator.mapping(torch.randn(n, config.z_dim)) for _ in range(2))
        later = torch.arange(first.shape[1])[None] >= torch.randint(1, first.shape[1], (n, 1))
        mixed = later & (torch.rand(n, 1) < 0.9)
        return torch.where(mixed[..., None], second, first)

    start = 0.0
    for _ in range(2):
        start = time.perf_counter()
        for step in range(1, STEPS + 1):
            with torch.no_grad():
                fakes = generator.synthesis(latents(batch), "random")
            real, fake = critic(torch.cat([reals, fakes])).chunk(2)
            loss = F.softplus(-real).mean() + F.softplus(fake).mean()
            if step % 16 == 0:
                x = reals.clone().requires_grad_()
                (slopes,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
                loss = loss + 0.05 * 16 * slopes.square().sum((1, 2, 3)).mean()
            of_d.zero_grad()
            loss.backward()
            of_d.step()

            loss = F.softplus(-critic(generator.synthesis(latents(batch), "random"))).mean()
            if step % 8 == 0:
                ws = latents(batch // 2)
                images = generator.synthesis(ws, "random")
                (slopes,) = torch.autograd.grad((images * torch.randn_like(images)).sum() / 64, ws, create_graph=True)
                lengths = slopes.square().sum(2).mean(1).sqrt()
                path_mean = path_mean + 0.01 * (lengths.mean().detach() - path_mean)
                loss = loss + 2 * 8 * (lengths - path_mean).square().mean()
            of_g.zero_grad()
            loss.backward()
            of_g.step()
            with torch.no_grad():
                for name, p in generator.named_parameters():
                    average[name].lerp_(p, 0.002)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=32)
    batch = parser.parse_args().batch
    rows = {"ours": ours(batch), "PyTorch": pytorch(batch)}
    for name, seconds in rows.items():
        print(f"{name:8} {STEPS * batch / seconds:6.1f} images a second")
    print(
        f"ours is {rows['PyTorch'] / rows['ours']:.2f} times as fast, on {jax.devices()[0].device_kind}, "
        f"jax {jax.__version__}, torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
