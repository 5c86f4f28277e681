"""Numbers that have a name where a result is a multiple of what it should be: sizes, the learning rate, simple ones."""

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ..trace import Trace

LARGEST_TERM = 12
"""A fraction is simple whose numerator and denominator are no larger than this."""
DECADES = range(-8, 9)
"""And so is one digit times a power of ten within these."""
CLOSE = range(1, 13)
"""And so is 1 and one decimal as far behind it."""
USUAL = (-1.0, 2.0, 0.5)
"""What is tried before any other: a sign, and a 2 that a square has."""
SQUARES = frozenset({"mse", "square", "sum_squares", "pow", "norm"})
"""Ops whose derivative has a 2 that is forgotten together with a size."""
NEAR = 1e-2
"""A multiple that was fitted is tried as each named number so near to it, relatively."""


def simple(f: float) -> str:
    """A number as people write it: a fraction where it is one, or one over a size; else as a decimal."""
    ratio = Fraction(f).limit_denominator(LARGEST_TERM)
    if abs(ratio.numerator) <= LARGEST_TERM and math.isclose(float(ratio), f, rel_tol=1e-12):
        return str(ratio)
    if abs(f) < 1 and math.isclose(round(1 / f), 1 / f, rel_tol=1e-12) and 1 / abs(f) not in POWERS:
        return f"{'-' * (f < 0)}1/{abs(round(1 / f))}"
    return f"{f:.13g}" if f in SIMPLE else f"{f:.6g}"


POWERS = frozenset(10.0**k for k in range(2, 9))


def _simple_numbers() -> list[float]:
    """All numbers that are simple but 0 and 1, the simplest first: by their numerator and denominator."""
    terms = range(1, LARGEST_TERM + 1)
    fractions = sorted({(p + q, p / q) for p in terms for q in terms if math.gcd(p, q) == 1})
    powers = [(abs(k), d * 10.0**k) for d in range(1, 10) for k in DECADES]
    found = [f * sign for _, f in (*fractions, *sorted(powers)) for sign in (1.0, -1.0) if f * sign != 1]
    return [*found, *(1 + sign * 10.0**-k for k in CLOSE for sign in (1.0, -1.0))]


SIMPLE = tuple(dict.fromkeys(_simple_numbers()))


def sizes(trace: Trace, calls: Iterable[int]) -> dict[int, str]:
    """The sizes of what these calls read and give, by where people see them: `X.shape[0]`, `A.size`.

    A size of nameless results alone is seen at another name that has it, of the inputs first.
    """
    nodes = [trace.program.nodes[i] for i in calls]
    names = dict.fromkeys(name for node in nodes for name in (*node.inputs, *node.outs))
    every = dict.fromkeys((*trace.inputs, *trace.producer))
    seen: dict[int, str] = {}
    for name in (*_called(names), *_called(every)):
        for where, size in _sizes_of(name, np.shape(trace.value(name))):
            seen.setdefault(size, where)
    near = dict.fromkeys(size for name in names for _, size in _sizes_of(name, np.shape(trace.value(name))))
    return {size: seen[size] for size in near if size in seen}


def _called(names: Iterable[str]) -> list[str]:
    """Those that a program has, without the results inside its statements."""
    return [name for name in names if "." not in name]


def _sizes_of(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    told = [(f"{name}.shape[{axis}]", size) for axis, size in enumerate(shape)]
    told += [(f"{name}.size", math.prod(shape))] * (len(shape) > 1)
    return ((where, size) for where, size in told if size > 1)


def named(trace: Trace, calls: Iterable[int], options: Mapping[str, Any]) -> dict[float, str]:
    """Every number that has a name here, the likelier first, and how it is explained; simple ones explain themselves."""
    found: dict[float, list[str]] = {}
    squares = any(trace.program.nodes[i].op in SQUARES for i in calls)
    there = sizes(trace, calls)
    for f, why in _divisions(there).items():
        found.setdefault(f, []).append(why)
    for n, where in there.items():
        if squares:
            found.setdefault(n / 2, []).append(f"a factor of 2/{n}, with {n} = {where}, is missing")
            found.setdefault(2 / n, []).append(
                f"a factor of 2/{n}, with {n} = {where}, is there once too often"
            )
    for option, value in _numbers(options).items():
        found.setdefault(value, []).append(f"{option} = {value:g} is multiplied into it")
    numbers = (*USUAL, *found, *SIMPLE)
    return {f: ", or ".join(found.get(f, ())) for f in numbers if f not in (0, 1)}


def _divisions(sizes: Mapping[int, str]) -> dict[float, str]:
    found: dict[float, str] = {}
    for n, where in sizes.items():
        found[n] = f"a division by {n} = {where} is missing"
        found.setdefault(1 / n, f"it is divided by {n} = {where} once too often")
    return found


def of_inputs(shapes: Mapping[str, tuple[int, ...]]) -> dict[float, str]:
    """What multiples the sizes of a case's inputs explain of a step by a gradient that nobody told."""
    seen: dict[int, str] = {}
    for name, shape in shapes.items():
        for where, size in _sizes_of(name, shape):
            seen.setdefault(size, where)
    return _divisions(seen)


def _numbers(options: Mapping[str, Any]) -> dict[str, float]:
    """Those that are one number."""
    return {name: value for name, value in options.items() if type(value) is float}


def of_options(options: Mapping[str, Any]) -> dict[float, str]:
    """What multiples of a step an optimizer's options explain, and how."""
    found: dict[float, str] = {}
    for option, value in _numbers(options).items():
        if value:
            found[value] = f"{option} = {value:g} is multiplied into it once too often"
            found[1 / value] = f"a factor of {option} = {value:g} is missing"
            found.setdefault(1 - value, f"it is 1 - {option}")
    return found


def explained(holding: list[float], names: Mapping[float, str]) -> tuple[float, str]:
    """Of numbers that fit alike the one that has a reason, with all their reasons."""
    reasons = [names[f] for f in holding if names.get(f)]
    first = next((f for f in holding if names.get(f)), holding[0])
    return first, ", or ".join(dict.fromkeys(reasons))


def near(numbers: Iterable[float], fitted: float) -> list[float]:
    """The named numbers near to one that was fitted, the nearest first."""
    close = [f for f in numbers if abs(f - fitted) <= NEAR * abs(fitted)]
    return sorted(close, key=lambda f: abs(f - fitted))
