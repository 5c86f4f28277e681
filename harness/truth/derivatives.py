"""Numerical derivatives with 50 digits."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .numbers import MP, MpArray, apply, exact, objects

STEP = "1e-25"
"""Relative step of a numerical difference: the two-sided error is of the order of its square."""

STEP_DIGITS = 80
"""Digits while differencing: 25 go to the step, and some 50 remain."""

ZERO_STEP, ZERO_DIGITS = "1e-170", 145
"""The largest step at a zero, and the digits that it takes beyond those of a relative step."""

Forward = Callable[..., Any]
"""A definition: inputs by position, attributes by name."""


def numerical_jacobian(
    definition: Forward, inputs: Sequence[Any], kw: Mapping[str, Any], which: int
) -> tuple[MpArray, ...]:
    """Derivatives of a definition with respect to input `which`: for each output an array, shape x.shape + out.shape.

    At a kink (relu at 0) the answer is the mean of the derivatives on both sides; everywhere else, a step
    being 1e-25 of the element, it is the derivative.
    """
    digits = digits_for(inputs)
    with MP.workdps(digits):
        x = exact(inputs[which])

        def forward(moved: MpArray) -> tuple[MpArray, ...]:
            return tensors(definition(*inputs[:which], moved, *inputs[which + 1 :], **kw))

        differences = list(_differences(forward, x))
    columns = zip(*differences, strict=True)
    return tuple(_rounded(np.stack(column).reshape(x.shape + column[0].shape)) for column in columns)


def contract(jacobians: Sequence[MpArray], cotangents: Sequence[Any]) -> MpArray:
    """sum(cotangent * jacobian) over all outputs and their elements, leaving the input's shape."""
    terms = [
        objects(np.tensordot(jacobian, exact(cotangent), axes=np.ndim(cotangent)))
        for jacobian, cotangent in zip(jacobians, cotangents, strict=True)
    ]
    return objects(sum(terms[1:], start=terms[0]))


def tensors(out: Any) -> tuple[Any, ...]:
    """The outputs of a call as a tuple."""
    return out if isinstance(out, tuple) else (out,)


def _differences(
    forward: Callable[[MpArray], tuple[MpArray, ...]], x: MpArray
) -> Iterator[tuple[MpArray, ...]]:
    """(f(x + h) - f(x - h)) / 2h for each element in C order: two forwards each."""
    steps = steps_at(x)
    for place in np.ndindex(x.shape):
        above, below = forward(_moved(x, place, steps[place])), forward(_moved(x, place, -steps[place]))
        yield tuple(objects((a - b) / (2 * steps[place])) for a, b in zip(above, below, strict=True))


def _moved(x: MpArray, place: tuple[int, ...], step: Any) -> MpArray:
    moved = x.copy()
    moved[place] += step
    return moved


def steps_at(x: MpArray) -> MpArray:
    """By how much each element is moved: relative to it; at a zero, to the smallest other: norm(0, 1e-300) needs a step below it.

    And so small there that its square is no float64: the slope of x^3 at 0 is 0, and is to come out as that.
    """
    sizes = [abs(v) for v in x.flat if v != 0 and MP.isfinite(v)]
    at_zero = min(MP.mpf(STEP) * min(sizes, default=MP.one), MP.mpf(ZERO_STEP))
    return apply(lambda v: MP.mpf(STEP) * abs(v) if v != 0 else at_zero, x)


def digits_for(values: Iterable[Any]) -> int:
    """Digits to work with: `STEP_DIGITS`, and room for the smallest number's step and square beside the largest.

    The square counts because a slope may be as small as the number, as that of cos x = 1 - x^2 / 2. Exponentials widen that range: e^x beside e^-x spans 2x / log 10 digits. Beyond x = 1000 no float64 holds
    either of them. What is infinite needs none.
    """
    floats = [exact(value) for value in values if is_float(value)]
    elements = [abs(v) for array in floats for v in array.flat if MP.isfinite(v)]
    sizes = [size for size in elements if size]
    zero = ZERO_DIGITS if len(sizes) < len(elements) else 0
    largest, smallest = max(sizes, default=MP.one), min(sizes, default=MP.one)
    span = MP.log10(max(largest, 1)) - 2 * MP.log10(min(smallest, 1))
    return STEP_DIGITS + zero + math.ceil(float(span) + float(min(largest, 1000)) * 2 / math.log(10))


def is_float(value: Any) -> bool:
    return np.asarray(value).dtype.kind not in "biu"


def _rounded(x: MpArray) -> MpArray:
    """The same numbers in `DIGITS` digits."""
    return apply(lambda v: +v, x)
