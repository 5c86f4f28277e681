"""Losses of sequences whose alignment is not known, one alignment after the other."""

import itertools
from typing import Any

import numpy as np

from ..drawing import draw, of
from ..numbers import MP, MpArray, exact, objects
from .losses import REDUCE, reduced
from .table import define


def collapsed(path: tuple[int, ...], blank: int) -> list[int]:
    """What repeats once, and no blanks."""
    return [label for label, _ in itertools.groupby(path) if label != blank]


def ctc_loss(
    z: Any,
    labels: Any,
    lengths: Any = None,
    label_lengths: Any = None,
    *,
    blank: int = 0,
    reduction: str = "mean",
) -> MpArray:
    """By every sequence of classes that there is."""
    z, losses = exact(z), []
    for i, own in enumerate(labels):
        steps = z[: None if lengths is None else lengths[i], i]
        wanted = list(own[: None if label_lengths is None else label_lengths[i]])
        likely: Any = MP.zero
        for path in itertools.product(range(z.shape[2]), repeat=len(steps)):
            if collapsed(path, blank) == wanted:
                likely = likely + MP.exp(sum(step[k] for step, k in zip(steps, path, strict=True)))
        norms = sum(MP.log(sum(map(MP.exp, step))) for step in steps)
        losses.append(norms - MP.log(likely))
    return reduced(objects(losses), reduction)


def _ctc_loss(
    z: Any,
    labels: Any,
    lengths: Any = None,
    label_lengths: Any = None,
    *,
    blank: int = 0,
    reduction: str = "mean",
) -> Any:
    """By a product of matrices of probabilities, a state for each label and each blank about them."""
    losses = []
    for i, own in enumerate(labels):
        steps = z[: None if lengths is None else lengths[i], i]
        wanted = own[: None if label_lengths is None else label_lengths[i]]
        states = [blank, *(k for label in wanted for k in (label, blank))]
        moves = np.eye(len(states)) + np.eye(len(states), k=1)
        for at in range(2, len(states)):
            moves[at - 2, at] = states[at] not in (blank, states[at - 2])
        reached = np.eye(len(states) + 1)[0]
        start = np.zeros((len(states) + 1, len(states)))
        start[0, :2] = 1
        moves = np.vstack((np.zeros(len(states)), moves)) + start
        for step in steps:
            shares = np.exp(step) / np.exp(step).sum()
            reached = np.concatenate(([0.0], (reached @ moves) * shares[states]))
        losses.append(-np.log(reached[-2:].sum() if len(states) > 1 else reached[-1]))
    return REDUCE[reduction](np.array(losses))


PAIRS = np.array([[1, 2], [2, 2]])

define(
    "ctc_loss",
    ctc_loss,
    numpy=_ctc_loss,
    relative_to="one",
    samples=[
        of(draw(4, 2, 3), PAIRS),
        of(draw(4, 2, 3), PAIRS, reduction="sum"),
        of(draw(4, 2, 3), PAIRS, np.array([3, 4]), reduction="none"),
        of(
            draw(4, 2, 3),
            np.array([[1, 0], [0, 0]]),
            np.array([4, 2]),
            np.array([2, 1]),
            blank=2,
            reduction="none",
        ),
        of(draw(3, 2, 3), np.array([[1], [1]]), np.array([3, 2]), np.array([0, 1])),
        of(draw(1, 1, 2), np.array([[1]])),
    ],
)
