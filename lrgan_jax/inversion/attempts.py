"""The attempts of an inversion, round by round: several for each photograph, of which the worse are dropped."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lrgan_jax.base.memory import default_memory, even_parts, fitting_reverse
from lrgan_jax.inversion.adam import Adam
from lrgan_jax.inversion.fit import Fit
from lrgan_jax.inversion.gauss_newton import GaussNewton
from lrgan_jax.inversion.noise import Pictures
from lrgan_jax.inversion.problem import Problem, aims, loss

EIGHTHS = 8  # of the rounds, after each of which half of the attempts are dropped


class Attempts(NamedTuple):
    """Between two rounds.

    Attributes:
      of: the photograph of each row. labels: its class. state: the method's. done: rounds.
      losses: of the best row of each photograph after every round so far.
    """

    of: Int[np.ndarray, " r"]
    labels: Float[Array, "r c"] | None
    state: Any
    done: int
    losses: Float[np.ndarray, "n s"]

    def best(self) -> tuple[Float[Array, "n k d"], Pictures, Float[Array, "n c"] | None]:
        """Latents, noise and class of each photograph's first row, which is its best."""
        first = np.unique(self.of, return_index=True)[1]
        return _rows((self.state.u, self.state.pictures, self.labels), first)


def begin(fit: Fit, num_ws: int, of, labels, u: Float[Array, "r 1 d"], pictures: Pictures) -> Attempts:
    """Before the first round."""
    (_, method), *_ = fit.phases(num_ws)
    return Attempts(of, labels, method.init(u, pictures), 0, np.zeros((of.max() + 1, 0), np.float32))


def num_rounds(fit: Fit, num_ws: int) -> int:
    """In all."""
    return sum(method.rounds for _, method in fit.phases(num_ws))


def rounds(problem: Problem, fit: Fit, attempts: Attempts) -> Iterator[Attempts]:
    """From these on to the last round.

    Args:
      problem: with a row for each photograph; attempts at it carry their own labels.
    """
    num_ws = problem.gen.num_ws
    total, end = num_rounds(fit, num_ws), 0
    for k, method in fit.phases(num_ws):
        begun, end = end, end + method.rounds
        most = 0
        while attempts.done < end:
            if attempts.done == begun > 0:
                u, pictures = attempts.state.u, attempts.state.pictures
                attempts = attempts._replace(state=method.init(jnp.repeat(u, k, axis=1), pictures))
            most = most or _most(problem, attempts)  # once a phase: what is free changes, programs should not
            attempts = _next(problem, method, attempts, wanted(fit.starts, attempts.done + 1, total), most)
            yield attempts


def wanted(starts: int, done: int, total: int) -> int:
    """Attempts at a photograph that are left after so many rounds."""
    return max(1, starts >> (EIGHTHS * done // total))


def _next(problem: Problem, method: Adam | GaussNewton, attempts: Attempts, left: int, most: int) -> Attempts:
    """One round further, and so many attempts at each photograph left, the best first.

    Args:
      most: rows that are computed at once.
    """
    rows = problem._replace(targets=problem.targets[attempts.of], labels=attempts.labels)
    state, unlike = _in_groups(method, rows, attempts.state, even_parts(len(attempts.of), most))
    order = np.lexsort((unlike, attempts.of))
    place = np.arange(len(order)) - np.searchsorted(attempts.of[order], attempts.of[order])  # among its photograph's
    kept = order[place < left]
    losses = np.concatenate([attempts.losses, unlike[order[place == 0]][:, None]], axis=1)
    return Attempts(attempts.of[kept], _rows(attempts.labels, kept), _rows(state, kept), attempts.done + 1, losses)


def _in_groups(method: Adam | GaussNewton, problem: Problem, state: Any, size: int) -> tuple[Any, np.ndarray]:
    """`advance` of so many rows at once, the last group filled up with its last row: so there is one program,
    and a row's result does not depend on the others.
    """
    num, parts = len(problem.targets), []
    for first in range(0, num, size):
        rows = np.arange(first, first + size).clip(max=num - 1)
        own = problem._replace(targets=problem.targets[rows], labels=_rows(problem.labels, rows))
        parts.append(method.advance(own, _rows(state, rows)))
    state, unlike = jax.tree.map(lambda *a: jnp.concatenate(a)[:num] if a[0].ndim else a[0], *parts)
    return state, np.asarray(unlike)


def _most(problem: Problem, attempts: Attempts) -> int:
    """How many rows fit at once."""
    labelled = problem._replace(labels=attempts.labels)
    row = jax.tree.map(lambda a: a[0], (attempts.state.u, attempts.state.pictures, aims(labelled)))
    return fitting_reverse(lambda *row: loss(problem, *row), row, default_memory() // 2)


def _rows(tree: Any, rows: np.ndarray) -> Any:
    """These of everything that has rows; numbers are all rows'."""
    return jax.tree.map(lambda a: a[rows] if a.ndim else a, tree)
