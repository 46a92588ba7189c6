"""Python that finds a photograph's latent again, and puts an edit of it back."""

from lrgan_jax.inversion import Fit, Tuned, Tuning
from lrgan_jax.panel.portrait import Inverted, Portrait, Reopened


def finding(portrait: Portrait, name: str) -> list[str]:
    """Lines after which that name is the latent, and `gen`, before them the model, what draws it."""
    if isinstance(portrait, Reopened):
        return [f"portrait = opened.portraits[{portrait.number}]", "gen = portrait.gen", f"{name} = portrait.latents"]
    assert isinstance(portrait, Inverted)
    lines = [
        f"photo = lr.open_photograph({portrait.name!r})  # say where it lies",
        f"aligned = photographs.Aligned.from_record(photo, {portrait.aligned.record})",
        *_inverting(portrait),
        f"{name} = inverted.latents",
    ]
    if portrait.inversion.noise:
        lines.append("gen = inverted.generator(gen)")
    if portrait.tuned:
        lines += [*_tuning(portrait.tuned), "gen = tuned.delta.apply(gen)"]
    return lines


def putting_back(portrait: Portrait) -> list[str]:
    """Lines that save the photograph with `image` in it."""
    if isinstance(portrait, Reopened):
        return [f"portrait.put_back(image[0]).save({portrait.edited_name!r})"]
    before = "tuned" if isinstance(portrait, Inverted) and portrait.tuned else "inverted"
    return [f"aligned.put_back(image[0], of={before}.images[0]).save({portrait.edited_name!r})"]


def _inverting(portrait: Inverted) -> list[str]:
    fit = portrait.inversion.fit.but(network=portrait.inversion.compared)  # what is installed may be another one there
    if portrait.stopped is None:
        return [f"inverted = lr.invert(gen, aligned.image[None], {_said(fit)})"]
    rounds = f"inversion.inverting(gen, aligned.image[None], inversion.Fit({_said(fit)}))"
    return [*_until(rounds, portrait.stopped), "inverted = now.inversion()"]


def _tuning(tuned: Tuned) -> list[str]:
    done, tuning = len(tuned.losses), tuned.tuning
    if done == tuning.steps:
        return [f"tuned = lr.tune(gen, inverted.latents, inverted.targets, {_said(tuning)})"]
    rounds = f"inversion.tuning_rounds(gen, inverted.latents, inverted.targets, inversion.Tuning({_said(tuning)}))"
    return [*_until(rounds, done), "tuned = now.tuned()"]


def _until(rounds: str, done: int) -> list[str]:
    return [f"for now in {rounds}:", f"    if now.done == {done}:  # where it was stopped", "        break"]


def _said(settings: Fit | Tuning) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.to_json().items())
