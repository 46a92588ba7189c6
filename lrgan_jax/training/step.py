"""One training step, a pure function of the state, and the same on one device or many.

Every sample has a random key of its own, made from the seed, the step and its number in the batch. So a batch split
over devices trains as the whole one does, but for rounding; and a run that resumes from its state goes on as if it had
never stopped.

Source: Karras et al. 2020, arXiv:1912.04958 (losses, lazy regularisation, appendix B); arXiv:2006.06676 (augmentation).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config, stylegan2
from lrgan_jax.training import discriminator, losses
from lrgan_jax.training.augment import SIGN_DECAY, adapted, augment
from lrgan_jax.training.discriminator import DiscriminatorConfig

AXIS = "batch"
W_AVERAGE = 0.995  # of the running mean latent, a batch
PATH_DECAY = 0.01  # of the running mean path length, a measurement


@dataclass(frozen=True)
class TrainConfig:
    """Everything that fixes a training run but its data; hashable, so it is static under `jit`. ValueError on numbers
    that make no sense.

    Attributes:
      batch: images a step, over all devices; each device's share is made of whole groups (see `DiscriminatorConfig`).
      learning_rate, betas: of Adam; the discriminator's rate may differ.
      r1_gamma, r1_every: weight of R1 and the steps between two of its terms, which count so many times as much.
      path_weight, path_every: the same for path lengths; weight 0 leaves them out.
      mixing: share of images made from two latents, one for the first layers and one for the rest.
      match: weight of feature matching, where the data tell which z each image belongs to. The generator then makes its
        images of these z.
      average_images: half-life of the averaged generator, in images.
      augment_target: mean sign of D(real) that augmentation aims for, None for none. Wanted where data are few.
      precision: of the networks' layers in the main losses; weights, mapping, regularisers and images stay float32.
    """

    generator: StyleGAN2Config
    discriminator: DiscriminatorConfig
    batch: int = 32
    learning_rate: float = 0.002
    discriminator_learning_rate: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)
    r1_gamma: float = 0.1
    r1_every: int = 16
    path_weight: float = 2.0
    path_every: int = 8
    mixing: float = 0.9
    match: float = 0.0
    average_images: float = 10_000.0
    augment_target: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self):
        for name in ("batch", "r1_every", "path_every"):
            check_whole(name, getattr(self, name))
        for name in ("learning_rate", "discriminator_learning_rate", "average_images"):
            check_number(name, getattr(self, name), above=0)
        for name in ("r1_gamma", "path_weight", "match"):
            check_number(name, getattr(self, name), least=0)
        check_number("mixing", self.mixing, least=0, most=1)
        check_number("augment_target", self.augment_target, least=-1, most=1)


class TrainState(NamedTuple):
    """All that a run remembers.

    `signs` is the mean sign of D(real) over recent batches, which augmentation steers by.
    """

    seed: Int[Array, ""]
    step: Int[Array, ""]
    generator: Any  # params
    discriminator: Any  # params
    average: Any  # params of the generator, averaged over time: the ones to use
    buffers: Any  # of the generator
    generator_optimizer: Any
    discriminator_optimizer: Any
    path_mean: Float[Array, ""]
    augment_p: Float[Array, ""]
    signs: Float[Array, ""]


Metrics = dict[str, Any]


def init(config: TrainConfig, seed: int, *, start: StyleGAN2 | None = None) -> TrainState:
    """The state before the first step: random weights, or `start`'s for the generator."""
    key_g, key_d = jax.random.split(jax.random.key(seed))
    variables = jax.jit(stylegan2.init, static_argnums=1)(key_g, config.generator) if start is None else start.variables
    params, buffers = jax.tree.map(partial(jnp.array, dtype=jnp.float32), (variables["params"], variables["buffers"]))
    critic = jax.jit(discriminator.init, static_argnums=1)(key_d, config.discriminator)
    first, second = _optimizers(config)
    zeros = [jnp.zeros((), jnp.float32) for _ in range(3)]  # an array each: the state is donated
    return TrainState(
        jnp.uint32(seed),
        jnp.uint32(0),
        params,
        critic,
        jax.tree.map(jnp.array, params),
        buffers,
        first.init(params),
        second.init(critic),
        *zeros,
    )


def averaged(config: TrainConfig, state: TrainState) -> StyleGAN2:
    """The generator to use."""
    return StyleGAN2(config.generator, {"params": state.average, "buffers": state.buffers})


@partial(jax.jit, static_argnames=("config", "mesh", "regularise_r1", "regularise_path"), donate_argnames="state")
def train_step(
    config: TrainConfig,
    mesh: Mesh,
    state: TrainState,
    reals: Float[Array, "n h w c"],
    latents: Float[Array, "n z"] | None = None,
    *,
    regularise_r1: bool,
    regularise_path: bool,
) -> tuple[TrainState, Metrics]:
    """One update of both networks.

    Args:
      mesh: one axis, named `batch`, over which `reals` is split. reals: in [-1, 1]. The state is given away.
      latents: of the images to match (`config.match`); others are made of random ones.
    Returns:
      The next state, and scalars: `loss_g`, `loss_d`, mean scores, `signs`, `augment_p`; with a regulariser `r1` or
      `path_length`; with latents `matched`, and `l1`, the mean absolute difference of images.
    """

    reals, latents = jax.tree.map(jnp.float32, (reals, latents))

    def local(state: TrainState, reals, latents) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        mine = lax.axis_index(AXIS) * len(reals) + jnp.arange(len(reals))
        keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(key, i)))(mine)  # [n, 2]
        state, of_d = _update_discriminator(config, state, keys[:, 0], reals, latents, regularise_r1)
        state, of_g = _update_generator(config, state, keys[:, 1], reals, latents, regularise_path)
        return state._replace(step=state.step + 1), of_d | of_g

    split = PartitionSpec(AXIS)
    return jax.shard_map(local, mesh=mesh, in_specs=(PartitionSpec(), split, split), out_specs=PartitionSpec())(
        state, reals, latents
    )


def _update_discriminator(
    config: TrainConfig, state: TrainState, keys, reals, latents, regularise: bool
) -> tuple[TrainState, Metrics]:
    made, _ = jax.vmap(partial(_generate, config, state.generator, state.buffers))(keys, latents)
    # Reals first, so that groups never mix the two.
    images = _augmented(
        config, state, jnp.concatenate([_derived(keys, 1), _derived(keys, 2)]), jnp.concatenate([reals, made])
    )

    def loss(params):
        real, fake = jnp.split(_score(config, params, images)[0], 2)
        metrics = {
            "loss_d": losses.discriminator_loss(real, fake),
            "score_real": real.mean(),
            "score_fake": fake.mean(),
        }
        metrics["signs"] = jnp.sign(real).mean()
        total = metrics["loss_d"]
        if regularise:
            metrics["r1"] = losses.r1(partial(discriminator.score, config.discriminator, params), images[: len(reals)])
            total = total + 0.5 * config.r1_gamma * config.r1_every * metrics["r1"]
        # The mean over devices is part of the loss: differentiating it adds their gradients up.
        return lax.pmean(total, AXIS), lax.pmean(metrics, AXIS)

    slopes, metrics = jax.grad(loss, has_aux=True)(state.discriminator)
    updates, optimizer = _optimizers(config)[1].update(slopes, state.discriminator_optimizer)
    signs, p = state.signs, state.augment_p
    if config.augment_target is not None:
        signs = SIGN_DECAY * signs + (1 - SIGN_DECAY) * metrics["signs"]
        p = adapted(p, signs, config.augment_target, config.batch)
    state = state._replace(
        discriminator=optax.apply_updates(state.discriminator, updates),
        discriminator_optimizer=optimizer,
        signs=signs,
        augment_p=p,
    )
    return state, metrics | {"augment_p": p}


def _update_generator(
    config: TrainConfig, state: TrainState, keys, reals, latents, regularise: bool
) -> tuple[TrainState, Metrics]:
    def loss(params):
        images, w = jax.vmap(partial(_generate, config, params, state.buffers))(keys, latents)
        images = _augmented(config, state, _derived(keys, 1), images)
        scores, features = _score(config, state.discriminator, images)
        metrics = {"loss_g": losses.generator_loss(scores)}
        total, path_mean = metrics["loss_g"], state.path_mean
        if latents is not None:
            _, wanted = _score(config, state.discriminator, reals)
            metrics["l1"] = jnp.abs(images - reals).mean()
            metrics["matched"] = losses.feature_matching([images, *features], [reals, *wanted])
            total = total + config.match * metrics["matched"]
        if regularise:
            lengths = jax.vmap(partial(_path_length, config, params, state.buffers))(
                keys[::2]
            )  # half the batch is enough
            metrics["path_length"] = lengths.mean()
            now = lax.stop_gradient(lax.pmean(lengths.mean(), AXIS))
            path_mean = jnp.where(
                path_mean == 0, now, _towards(path_mean, now, PATH_DECAY)
            )  # the first one begins it, not 0
            total = total + config.path_weight * config.path_every * jnp.square(lengths - path_mean).mean()
        return lax.pmean(total, AXIS), (path_mean, lax.pmean(w.mean(0), AXIS), lax.pmean(metrics, AXIS))

    slopes, (path_mean, w, metrics) = jax.grad(loss, has_aux=True)(state.generator)
    updates, optimizer = _optimizers(config)[0].update(slopes, state.generator_optimizer)
    params = optax.apply_updates(state.generator, updates)
    mapping = state.buffers["mapping"]
    buffers = state.buffers | {"mapping": {"w_avg": _towards(mapping["w_avg"], w, 1 - W_AVERAGE)}}
    # A young average forgets its random start sooner.
    seen = (state.step + 1).astype(jnp.float32) * config.batch
    rate = 1 - 0.5 ** (config.batch / jnp.minimum(config.average_images, 0.05 * seen))
    average = jax.tree.map(lambda old, new: _towards(old, new, rate), state.average, params)
    state = state._replace(
        generator=params, average=average, buffers=buffers, generator_optimizer=optimizer, path_mean=path_mean
    )
    return state, metrics


def _derived(keys, number: int):
    """New keys, one from each."""
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)


def _towards(old, new, rate):
    return old + rate * (new - old)


def _optimizers(config: TrainConfig):
    rates = (config.learning_rate, config.discriminator_learning_rate)
    return [optax.adam(rate, b1=config.betas[0], b2=config.betas[1]) for rate in rates]


def _latent(config: TrainConfig, params, buffers, key, z: Float[Array, " z"] | None = None) -> tuple[Array, Array]:
    """ws [L, d] of one image, of two latents where it is mixed; and the first of them, w [d]. With z, of that alone."""
    network, (key_z, key_mix, key_cut) = config.generator, jax.random.split(key, 3)
    z = jax.random.normal(key_z, (2 if config.mixing else 1, network.z_dim), jnp.float32) if z is None else z[None]
    w = stylegan2.map_latents(network, {"params": params, "buffers": buffers}, z, None)
    layers = jnp.arange(network.num_ws)
    cut = jax.random.randint(key_cut, (), 1, network.num_ws, jnp.int32)
    second = (layers >= cut) & jax.random.bernoulli(key_mix, jnp.float32(config.mixing))
    return jnp.where(second[:, None], w[-1], w[0]), w[0]


def _synthesize(config: TrainConfig, params, buffers, key, ws: Float[Array, "l d"]) -> Float[Array, "h w c"]:
    variables = {"params": params, "buffers": buffers}
    return stylegan2.synthesize(config.generator, variables, ws[None], "random", key)[0]


def _generate(
    config: TrainConfig, params, buffers, key, z: Float[Array, " z"] | None
) -> tuple[Float[Array, "h w c"], Float[Array, " d"]]:
    """One image with noise of its own, and its w; of a random latent where none is given."""
    key_w, key_noise = jax.random.split(key)
    ws, w = _latent(config, params, buffers, key_w, z)
    image = _synthesize(config, _cast(config, params), _cast(config, buffers), key_noise, _cast(config, ws))
    return image.astype(jnp.float32), w


def _path_length(config: TrainConfig, params, buffers, key) -> Float[Array, ""]:
    network = config.generator
    key_w, key_noise, key_y = jax.random.split(jax.random.fold_in(key, 2), 3)  # other images than the main loss's
    ws, _ = _latent(config, params, buffers, key_w)
    y = jax.random.normal(key_y, (network.resolutions[-1], network.resolutions[-1], network.img_channels), jnp.float32)
    return losses.path_length(partial(_synthesize, config, params, buffers, key_noise), ws, y)


def _score(config: TrainConfig, params, images) -> tuple[Float[Array, " n"], list[Array]]:
    """Scores, and features of every block."""
    scores, features = discriminator.score_and_features(
        config.discriminator, _cast(config, params), _cast(config, images)
    )
    return scores.astype(jnp.float32), features


def _cast(config: TrainConfig, tree):
    return jax.tree.map(lambda a: a.astype(config.precision), tree)


def _augmented(config: TrainConfig, state: TrainState, keys, images):
    return images if config.augment_target is None else jax.vmap(augment, (0, 0, None))(keys, images, state.augment_p)
