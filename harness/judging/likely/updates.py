"""The likely cause of a step of an optimizer that is wrong, from the subject's own parameters and gradients.

The step is taken by the optimizer's own row, with something else in place of what it is given, or more is added to it. What
explains every element is said, by the rules of `trying`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_args

import numpy as np

from ....reference.contexts import EXACT, Array, Exact
from ....reference.optimizers import Optimizer, at_step
from ....reference.rounding import expected, seed_of
from ..comparing import distance
from ..judge import Update
from .numbers import SIMPLE, USUAL, explained, near, of_inputs, of_options, simple
from .trying import CHANCE, CLEARLY, NEAREST, bits


@dataclass(frozen=True)
class Step:
    """A step as the optimizer's row has it, in one arithmetic."""

    c: Exact
    optimizer: Optimizer
    parameters: Sequence[Array]
    gradients: Sequence[Array]
    options: Mapping[str, Any]
    unclipped: Sequence[Array]
    """The gradients before they were clipped; none where they aren't."""
    names: Mapping[float, str]
    """Numbers that have a name here, and what a multiple by them is explained by."""

    @property
    def now(self) -> dict[str, Any]:
        """All options, as they are in this step."""
        return at_step(self.optimizer.given(self.options), len(self.parameters))

    @property
    def before(self) -> Array:
        return self.parameters[-1]

    def moved(self, gradient: Array | None = None, before: Array | None = None, **options: Any) -> Array:
        """The parameter after the step, with another last gradient, parameter before it, or options."""
        gradients, parameters = list(self.gradients), list(self.parameters)
        gradients[-1] = gradients[-1] if gradient is None else gradient
        parameters[-1] = parameters[-1] if before is None else before
        return self.optimizer.moved(self.c, parameters, gradients, **{**self.options, **options})


class Cause(NamedTuple):
    """What the step gives instead, of a step and, where one is fitted, a number; and how that is told."""

    instead: Callable[..., Array]
    says: Callable[..., str]
    fitted: bool = False


def causes(step: Step) -> Iterator[Cause]:
    """The causes that may be at a step, the simpler first."""
    yield Cause(lambda s: s.before, lambda _: "it has not moved")
    yield Cause(
        lambda s, f: s.c.r(s.before + f * (s.moved() - s.before)), lambda *f: _multiple(step, *f), fitted=True
    )
    if step.unclipped:
        yield Cause(
            lambda s: replace(s, gradients=s.unclipped).moved(),
            lambda _: "it is a step by gradients that are not clipped",
        )
    if len(step.parameters) > 1:
        yield Cause(
            lambda s: s.moved(s.gradients[-2]), lambda _: "it is a step by the gradient of the step before"
        )
        yield Cause(
            lambda s: s.moved(s.c.r(s.gradients[-1] + s.gradients[-2])),
            lambda _: (
                "the gradient of the step before is added to it: gradients are not set to zero between steps"
            ),
        )
        yield Cause(
            lambda s: s.moved(before=s.parameters[-2]),
            lambda _: "the step is taken from the parameter before the last one",
        )
        yield Cause(
            lambda s, f: s.c.r(s.moved() + f * (s.parameters[-1] - s.parameters[-2])),
            lambda f, *_: f"{f:g} × the last movement is added to it: a momentum that the case doesn't have",
            fitted=True,
        )
        if step.optimizer.state:
            yield Cause(
                lambda s: s.optimizer.moved(s.c, s.parameters[-1:], s.gradients[-1:], **s.now),
                lambda _: "it is a first step: the optimizer has forgotten those before",
            )
    if lr := step.now["lr"]:
        yield Cause(
            lambda s, f: s.c.r(s.moved() - f * lr * s.before),
            lambda f: (
                f"lr × {f:g} × the parameter itself is subtracted: a weight decay that the case doesn't have"
            ),
            fitted=True,
        )
    for name, value in step.now.items():
        for other, told in _others(step.optimizer, name, value):
            yield Cause(lambda s, name=name, other=other: s.moved(**{name: other}), lambda _, told=told: told)


def _others(optimizer: Optimizer, option: str, value: Any) -> Iterator[tuple[Any, str]]:
    """What an option may be instead, and how that is told: another of its words, none, another sign."""
    if isinstance(value, bool):
        yield not value, f"it is the step with {option} = {str(not value).lower()}"
    elif isinstance(value, str):
        words = get_args(optimizer.options[option].annotation)
        yield from ((word, f'it is the step with {option} = "{word}"') for word in words if word != value)
    elif option != "lr" and value:
        yield 0.0, f"it is the step with {option} = 0"
        yield -value, f"{option} has the other sign"


def _multiple(step: Step, *holding: float) -> str:
    f, why = explained(list(holding), step.names)
    if f == -1:
        return "the step goes the other way: it is added, not subtracted"
    return f"the step is {simple(f)} × what it should be" + f": {why}" * bool(why)


def likely_update(
    update: Update,
    optimizer: Optimizer,
    options: Mapping[str, Any],
    dtype: str,
    shapes: Mapping[str, tuple[int, ...]],
) -> str:
    """The cause of a wrong step in words; empty where nobody knows. `shapes` are those of the case's inputs.

    Of a gradient that was told all multiples have been judged; one that was not may lack a division by a size.
    """
    if not np.isfinite(update.got).all():
        return ""
    names = {**(of_inputs(shapes) if update.derived else {}), **of_options(update.options(options))}
    exact = Step(EXACT, optimizer, update.parameters, update.gradients, options, update.unclipped, names)
    rows = list(causes(exact))
    for cause in rows:
        with np.errstate(all="ignore"):  # of another option a root may be of what is negative
            holding = [
                f
                for f, n in _numbers(cause, exact, update)
                if _holds(cause, f, exact, update, dtype, len(rows) * n)
            ]
        if holding:
            return cause.says(*holding) if cause.fitted else cause.says(None)
    return ""


def _numbers(cause: Cause, exact: Step, update: Update) -> list[tuple[float | None, int]]:
    """The named numbers that a cause is tried with, and how many are as simple; none for one that has no number."""
    if not cause.fitted:
        return [(None, 1)]
    start, one = (np.ravel(cause.instead(exact, f)) for f in (0.0, 1.0))
    along = one - start
    length = float(along @ along)
    if not length:
        return []
    fitted = float(along @ (np.ravel(update.got) - start)) / length
    numbers = list(dict.fromkeys((*USUAL, *exact.names, *SIMPLE)))
    return [(f, 1 + numbers.index(f)) for f in near(numbers, fitted)[:NEAREST]]


def _holds(cause: Cause, f: float | None, exact: Step, update: Update, dtype: str, tried: int) -> bool:
    number = () if f is None else (f,)

    def compute(c: Exact) -> dict[str, Array]:
        return {"it": cause.instead(replace(exact, c=c), *number)}

    found = np.asarray(cause.instead(exact, *number))
    off, left = (distance(update.got, np.asarray(a, np.float64), dtype) for a in (update.due.value, found))
    if not np.max(left, initial=0) <= np.max(off, initial=0) / CLEARLY:
        return False
    due = expected(compute, update.got.size, seed_of(update.got.tobytes()), dtype=dtype)["it"]
    if not np.all(distance(update.got, due.value, dtype) <= due.tolerance(dtype)):
        return False
    return bits(update.got, update.due.value, due, dtype) > CHANCE + math.log2(tried)
