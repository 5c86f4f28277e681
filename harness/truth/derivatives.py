"""Numerical derivatives with 50 digits."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .numbers import DEFINITIONS, MP, STEP, STEP_DIGITS, MpArray, _apply, _objects, _sum, exact


class Node(Protocol):
    """One call of a program: `outs = op(*args, **kw)`."""

    @property
    def outs(self) -> tuple[str, ...]: ...
    @property
    def op(self) -> str: ...
    @property
    def args(self) -> tuple[str | float, ...]: ...
    @property
    def kw(self) -> Mapping[str, Any]: ...


class Program(Protocol):
    """Calls in order: each uses inputs and earlier outputs by name, and Python numbers."""

    @property
    def nodes(self) -> Sequence[Node]: ...


# Derivatives


def numerical_jacobian(
    op: str, inputs: Sequence[Any], kw: Mapping[str, Any], which: int
) -> tuple[MpArray, ...]:
    """Derivatives with respect to input `which`: for each output an array, shape x.shape + out.shape.

    At a kink (relu at 0) the answer is the mean of the derivatives on both sides; everywhere else, a step
    being 1e-25 of the element, it is the derivative.
    """
    digits = digits_for(inputs)
    with MP.workdps(digits):
        x = exact(inputs[which])

        def forward(moved: MpArray) -> tuple[MpArray, ...]:
            return _outputs(DEFINITIONS[op](*inputs[:which], moved, *inputs[which + 1 :], **kw))

        differences = list(_differences(forward, x))
    columns = zip(*differences, strict=True)
    return tuple(_rounded(np.stack(column).reshape(x.shape + column[0].shape)) for column in columns)


def numerical_vjp(
    op: str, inputs: Sequence[Any], kw: Mapping[str, Any], which: int, cotangents: Any
) -> MpArray:
    """The derivative of sum(cotangent * output) with respect to input `which`: 40 digits or more.

    It has that input's shape. `cotangents` is an array of the output's shape, or a tuple of them for an op
    with several outputs.
    """
    jacobians = numerical_jacobian(op, inputs, kw, which)
    return contract(jacobians, _outputs(cotangents))


def contract(jacobians: Sequence[MpArray], cotangents: Sequence[Any]) -> MpArray:
    """sum(cotangent * jacobian) over all outputs and their elements, leaving the input's shape."""
    terms = [
        _objects(np.tensordot(jacobian, exact(cotangent), axes=np.ndim(cotangent)))
        for jacobian, cotangent in zip(jacobians, cotangents, strict=True)
    ]
    return _objects(sum(terms[1:], start=terms[0]))


def _outputs(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


def _differences(
    forward: Callable[[MpArray], tuple[MpArray, ...]], x: MpArray
) -> Iterator[tuple[MpArray, ...]]:
    """(f(x + h) - f(x - h)) / 2h for each element in C order: two forwards each."""
    steps = _steps(x)
    for place in np.ndindex(x.shape):
        above, below = forward(_moved(x, place, steps[place])), forward(_moved(x, place, -steps[place]))
        yield tuple(_objects((a - b) / (2 * steps[place])) for a, b in zip(above, below, strict=True))


def _moved(x: MpArray, place: tuple[int, ...], step: Any) -> MpArray:
    moved = x.copy()
    moved[place] += step
    return moved


def _steps(x: MpArray) -> MpArray:
    """Relative to the element; at a zero, to the smallest other: norm(0, 1e-300) needs a step below it."""
    sizes = [abs(v) for v in x.flat if v != 0]
    smallest = min(sizes, default=MP.one)
    return _apply(lambda v: MP.mpf(STEP) * (abs(v) if v != 0 else smallest), x)


def digits_for(values: Iterable[Any]) -> int:
    """Digits to work with: `STEP_DIGITS`, and room for the smallest number's step and square beside the largest.

    The square counts because a slope may be as small as the number, as that of cos x = 1 - x^2 / 2. Exponentials widen that range: e^x beside e^-x spans 2x / log 10 digits. Beyond x = 1000 no float64 holds
    either of them.
    """
    floats = [exact(value) for value in values if _is_float(value)]
    sizes = [abs(v) for array in floats for v in array.flat if v != 0]
    largest, smallest = max(sizes, default=MP.one), min(sizes, default=MP.one)
    span = MP.log10(max(largest, 1)) - 2 * MP.log10(min(smallest, 1))
    return STEP_DIGITS + math.ceil(float(span) + float(min(largest, 1000)) * 2 / math.log(10))


def _is_float(value: Any) -> bool:
    return np.asarray(value).dtype.kind not in "biu"


def _rounded(x: MpArray) -> MpArray:
    """The same numbers in `DIGITS` digits."""
    return _apply(lambda v: +v, x)


# Whole programs


def evaluate_program(
    program: Program, inputs: Mapping[str, Any], probes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Every value of the program by name, inputs included; labels and conditions stay integers and bools.

    `probes` are added to the values that they name, inputs and intermediates alike.
    """
    probes = probes or {}
    environment: dict[str, Any] = {}

    def bind(name: str, value: Any) -> None:
        environment[name] = _objects(value + exact(probes[name])) if name in probes else value

    for name, value in inputs.items():
        bind(name, exact(value) if _is_float(value) else np.asarray(value))
    for node in program.nodes:
        arguments = [environment[arg] if isinstance(arg, str) else arg for arg in node.args]
        outputs = _outputs(DEFINITIONS[node.op](*arguments, **node.kw))
        for name, value in zip(node.outs, outputs, strict=True):
            bind(name, value)
    return environment


def program_gradients(
    program: Program, inputs: Mapping[str, Any], output: str, cotangent: Any, wrt: Iterable[str]
) -> dict[str, MpArray]:
    """The derivative of sum(cotangent * output) with respect to each named input or intermediate.

    Two forwards of the whole program for each element: for small programs.
    """
    with MP.workdps(digits_for(evaluate_program(program, inputs).values())):
        values = evaluate_program(program, inputs)
        gradients = {
            name: _program_gradient(program, inputs, output, cotangent, name, values[name]) for name in wrt
        }
    return {name: _rounded(gradient) for name, gradient in gradients.items()}


def _program_gradient(
    program: Program, inputs: Mapping[str, Any], output: str, cotangent: Any, name: str, value: MpArray
) -> MpArray:
    def forward(moved: MpArray) -> tuple[MpArray, ...]:
        out = evaluate_program(program, inputs, probes={name: moved - value})[output]
        return (_sum(exact(cotangent) * out),)

    slopes = [slope for (slope,) in _differences(forward, value)]
    return np.stack(slopes).reshape(value.shape)
