"""What people do wrong, a row a cause, the simpler first: what is given in place of the right result, and the sentence.

A row may have options, such as the number of digits that a cotangent is rounded to; each of them is tried. Of a row that is
affine in a number the number is fitted, and tried where it has a name. Rows are written as those of the op table are, through
the arithmetic context, so that how far rounding moves them is derived like everything else.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ....reference.contexts import Array, AsComputed
from ....reference.ops.arithmetic import unbroadcast
from ..blame import FORWARD, SEED, SUM, VJP
from .conventions import CONVENTIONS, Convention
from .numbers import simple
from .supposing import EVERY, DoesNotApply, Site, as_dtype

DIGITS = range(1, 9)
"""Decimals to which people print and copy."""
LONGEST_STEP = 1.0
"""Of a step that is supposed to have been made: no learning rate is larger."""
ANY = frozenset({FORWARD, VJP, SUM, SEED, EVERY})
BACK = frozenset({VJP})
GRADIENT = frozenset({VJP, SUM, EVERY})
CALL = frozenset({FORWARD, VJP})

Options = Callable[[Site], Iterable[Any]]


class Cause(NamedTuple):
    """A row: where it may be, what is tried, what is given instead, and how that is told."""

    phases: frozenset[str]
    options: Options
    instead: Callable[..., Array]
    """Of a place and an option; where a number is fitted, of that too."""
    says: Callable[..., str]
    """Likewise, of the number as a Multiple."""
    fitted: bool = False


class Multiple(NamedTuple):
    """A number that was fitted and has a name."""

    number: float
    why: str
    whole: bool
    """Whether 0 in its place would leave nothing."""


def table(site: Site) -> Iterator[Cause]:
    """The causes that may be at a place."""
    rows: tuple[Cause, ...] = CAUSES
    if site.suspect.call >= 0:
        told = CONVENTIONS.get(site.node.op, ())
        rows = (*CAUSES, *map(_of_convention, told))
    return (row for row in rows if site.suspect.phase in row.phases)


def _of_convention(told: Convention) -> Cause:
    return Cause(CALL, _once, lambda site, _: told.instead(site), lambda *_: told.words)


def _once(_: Site) -> Iterable[Any]:
    return (None,)


def _unary(site: Site) -> Iterable[Any]:
    """Where it is backwards through an elementwise function of one tensor."""
    alike = np.shape(site.right) == np.shape(site.g) == np.shape(site.out)
    return (None,) if alike and len(site.node.args) == 1 else ()


def _of_inputs(site: Site) -> Iterator[int]:
    """The arguments that are tensors of floats."""
    for k, a in enumerate(site.args):
        if isinstance(site.node.args[k], str) and np.asarray(a).dtype.kind == "f":
            yield k


def _square(site: Site) -> Iterator[int]:
    return (k for k in _of_inputs(site) if _is_square(site.args[k]))


def _is_square(a: Array) -> bool:
    return np.ndim(a) == 2 and len(set(np.shape(a))) == 1 and np.size(a) > 1


def _axes(a: Array) -> list[int]:
    return [axis for axis, size in enumerate(np.shape(a)) if size > 1]


def _of(site: Site, k: int) -> str:
    return str(site.node.args[k])


# What is given instead


def _ones(site: Site, _: Any) -> Array:
    return site.again(g=np.ones_like(site.g))


def _at_output(site: Site, _: Any) -> Array:
    return site.again((site.out,))


def _formula_fed_input(site: Site, _: Any) -> Array:
    """The formula that frameworks have in the output, sigma' = y (1 - y), with the input in its place."""
    return site.again(out=site.x, c=AsComputed(site.c))


def _masked_by_cotangent(site: Site, _: Any) -> Array:
    return site.again((site.g,))


def _lacking(site: Site, at: tuple[int, int]) -> Array:
    """The cotangent without one slice, as where a loop ends too early."""
    return site.again(g=_without(site.g, at))


def _without(a: Array, at: tuple[int, int]) -> Array:
    axis, i = at
    left = np.ones(np.shape(a), bool)
    np.moveaxis(left, axis, 0)[i] = False
    return _something(np.where(left, a, 0.0))


def _something(a: Array) -> Array:
    """The array, if it isn't 0 everywhere: that is another cause."""
    if not np.any(a):
        raise DoesNotApply
    return a


def _slices(a: Array) -> list[tuple[int, int]]:
    return [(axis, i) for axis in _axes(a) for i in (-1, 0)]


def _repeated(site: Site) -> Array:
    """What each repetition of a broadcast input is given. Raises DoesNotApply where it isn't repeated."""
    shape, linear = np.shape(site.g), site.node.op == "linear"
    if np.ndim(site.x) > len(shape) or np.shape(site.x) == shape or site.node.op not in _BROADCAST:
        raise DoesNotApply
    if linear and site.argument != 2:
        raise DoesNotApply
    return (
        site.g if linear else site.with_argument(site.argument, np.broadcast_to(site.x, shape), out=site.out)
    )


_BROADCAST = frozenset({"add", "sub", "mul", "div", "linear"})


def _other_axis(site: Site, axis: int) -> Array:
    """The sum over one axis, in the input's shape."""
    return np.reshape(_fitting(site, site.c.sum(_repeated(site), axis)), np.shape(site.right))


def _not_summed(site: Site, at: tuple[int, int]) -> Array:
    axis, i = at
    return np.reshape(_fitting(site, np.take(_repeated(site), i, axis)), np.shape(site.right))


def _fitting(site: Site, a: Array) -> Array:
    if np.size(a) != np.size(site.right):
        raise DoesNotApply
    return a


def _repeated_axes(site: Site) -> list[int]:
    return _axes(_repeated(site))


def _narrowed(site: Site, a: Array, name: str) -> Array:
    """Rounded to a format that is narrower than the cell's."""
    if name == "float32" and site.trace.dtype != "float64":
        raise DoesNotApply
    return FORMATS[name](a)


def _to_bits(a: Array, digits: int) -> Array:
    """Rounded to so many binary digits of the significand, to nearest even."""
    significand, exponent = np.frexp(a)
    return np.ldexp(np.rint(np.ldexp(significand, digits)), exponent - digits)


FORMATS: dict[str, Callable[[Array], Array]] = {
    "float32": lambda a: as_dtype(as_dtype(a, "float32"), "float64"),
    "11 binary digits (float16, TF32)": partial(_to_bits, digits=11),
    "8 binary digits (bfloat16)": partial(_to_bits, digits=8),
}
"""What numbers are rounded to on the way, by intent or by a device's default."""


def _all_narrowed(site: Site, name: str) -> Array:
    """The call with all factors rounded: as a device multiplies matrices."""
    if site.row.terms is None:
        raise DoesNotApply
    args = (*(_narrowed(site, a, name) for a in site.args[:2]), *site.args[2:])
    return site.again(args) if site.forwards else site.again(args, g=_narrowed(site, site.g, name))


def _decimals(site: Site, a: Array, k: int) -> Array:
    """Rounded in the subject's dtype, as it rounds."""
    return _something(as_dtype(np.round(as_dtype(a, site.trace.dtype), k), "float64"))


def _before(site: Site, name: str) -> Array:
    """A name's value in the step before. Raises DoesNotApply where there is none."""
    if site.trace.earlier is None:
        raise DoesNotApply
    return site.trace.earlier.value(name)


def _gradient_before(site: Site, _: Any) -> Array:
    """The gradient of the step before is added to it."""
    key = ("gradient", site.name)
    if site.trace.earlier is None or key not in site.trace.earlier.own:
        raise DoesNotApply
    return site.c.r(site.right + site.trace.earlier.own[key])


def _of_other(site: Site, _: Any) -> Array:
    if len(site.node.args) != 2 or site.forwards:
        raise DoesNotApply
    other = 1 - site.argument
    return unbroadcast(site.c, site.again(argument=other), site.x)


def _swapped(site: Site, _: Any) -> Array:
    if len(site.args) != 2 or not site.forwards:
        raise DoesNotApply
    return site.again(site.args[::-1])


def _term(site: Site, how: tuple[int, float]) -> Array:
    """A sum in which one term is there so many times more."""
    k, times = how
    return site.c.r(site.right + times * site.args[k])


def _sum_terms(site: Site) -> Iterator[tuple[int, float]]:
    places = {"add": (0, 1), "linear": (2,)}.get(site.node.op, ())
    return ((k, times) for k in places if k < len(site.args) for times in (-1.0, 1.0))


def _without_term(site: Site, name: str) -> Array:
    return site.c.r(site.right - site.terms[name])


def _only_term(site: Site, name: str) -> Array:
    return site.terms[name]


def _other_attribute_axis(site: Site) -> list[int]:
    axis, ndim = site.kw.get("axis"), np.ndim(site.x)
    return [a for a in range(ndim) if a != axis % ndim] if isinstance(axis, int) and ndim else []


def _others(site: Site) -> Iterator[int]:
    """The arguments of a call that are the case's own and have a gradient, but for the one whose cotangent is given."""
    names, trace = site.node.args, site.trace
    return (
        k
        for k in _of_inputs(site)
        if k != site.argument and names[k] in trace.inputs and names[k] in trace.floats
    )


def _after_step(site: Site, k: int, f: float) -> Array:
    """The vjp through an argument as it is after a step of gradient descent."""
    if abs(f) > LONGEST_STEP:
        raise DoesNotApply
    key = ("gradient", _of(site, k))
    gradient = site.trace.own.get(key, site.trace.here[key])
    return site.with_argument(k, site.c.r(site.args[k] - f * gradient))


def _own(site: Site) -> Iterable[Any]:
    """Where the name itself may be added to its gradient: a number's worth says nothing."""
    return (None,) if site.name in site.trace.inputs and np.size(site.right) > 1 else ()


def _scaled_self(site: Site, _: Any, f: float) -> Array:
    return site.c.r(site.right + f * site.walk.value(site.name))


def _moved(site: Site, how: tuple[int, float]) -> Array:
    axis, by = how
    return np.flip(site.right, axis) if not by else np.roll(site.right, int(by), axis)


# What is said


def _multiple(site: Site, _: Any, told: Multiple) -> str:
    """Of a multiple, why it is that, and whether it is all of what is wrong."""
    what = "all of it" if told.whole else f"what {site.node.op} contributes to the gradient of {site.name}"
    if told.number == -1:
        return f"{what} has the other sign"
    return f"{what} is {simple(told.number)} × what it should be" + f": {told.why}" * bool(told.why)


def _stepped(site: Site, k: int, told: Multiple) -> str:
    when = "after" if told.number > 0 else "before"
    step = f"{abs(told.number):.6g} × its gradient"
    return f"{_of(site, k)} is taken in it as it is {when} a step of {step}"


def _slice(a: Array, at: tuple[int, int]) -> str:
    """`last column`: a slice in words."""
    axis, i = at
    what = {1: ("element",), 2: ("row", "column")}.get(np.ndim(a), (f"slice along axis {axis}",) * np.ndim(a))
    return f"{'last' if i else 'first'} {what[axis]}"


def _input(site: Site) -> str:
    """The input of a call with one, by its name where it has one that people know."""
    return "its input" + f" {site.name}" * ("." not in site.name)


CAUSES = (
    Cause(
        frozenset({FORWARD, VJP, SUM}), _once, lambda s, _: np.zeros_like(s.right),
        lambda s, _: f"what {s.node.op} contributes to the gradient of {s.name} is missing"
        if s.suspect.phase == VJP
        else f"{s.it} is 0: it is left out",
    ),
    Cause(ANY, _once, lambda s, _, f: s.c.r(f * s.right), _multiple, fitted=True),
    Cause(
        BACK, _unary, lambda s, _: s.g,
        lambda s, _: f"the derivative of {s.node.op} is left out: the cotangent is passed on as it is",
    ),
    Cause(
        BACK, _unary, lambda s, _: s.c.r(s.g * s.out),
        lambda s, _: f"{s.node.op} stands where its derivative should",
    ),
    Cause(
        BACK, _unary, _formula_fed_input,
        lambda s, _: f"the derivative of {s.node.op} is fed {_input(s)} where its formula has the output",
    ),
    Cause(
        BACK, _unary, _at_output,
        lambda s, _: f"the derivative of {s.node.op} is taken at its output, not at {_input(s)}",
    ),
    Cause(
        BACK, _unary, _masked_by_cotangent,
        lambda s, _: f"the derivative of {s.node.op} is taken at the cotangent, not at {_input(s)}",
    ),
    Cause(
        BACK, _unary, lambda s, _: s.right * (s.g > 0),
        lambda s, _: f"negative cotangents are not passed through {s.node.op} either",
    ),
    Cause(BACK, _once, _ones, lambda s, _: f"a cotangent of ones is taken for that of {s.node.outs[0]}"),
    Cause(
        ANY, lambda s: (None,) if _is_square(s.right) else (), lambda s, _: np.transpose(s.right),
        lambda s, _: f"{s.it} is the transpose of what it should be",
    ),
    Cause(
        CALL, _square, lambda s, k: s.with_argument(k, np.transpose(s.args[k])),
        lambda s, k: f"{_of(s, k)} is transposed in it",
    ),
    Cause(
        BACK, _repeated_axes, _other_axis,
        lambda s, axis: f"{s.it} is summed over axis {axis} of the cotangent, which is another than {s.name} is repeated along",
    ),
    Cause(
        BACK, lambda s: _slices(_repeated(s)), _not_summed,
        lambda s, at: f"a sum is left out: {s.it} is the {_slice(s.g, at)} of the cotangent alone",
    ),
    Cause(
        BACK, lambda s: _slices(s.g), _lacking,
        lambda s, at: f"the {_slice(s.g, at)} of the cotangent of {s.node.outs[0]} is not counted",
    ),
    Cause(
        GRADIENT, lambda s: _slices(s.right), lambda s, at: _without(s.right, at),
        lambda s, at: f"the {_slice(s.right, at)} of {s.it} is 0, all else is right",
    ),
    Cause(BACK, _once, _of_other, lambda s, _: f"{s.it} is what the other operand's should be"),
    Cause(frozenset({FORWARD}), _once, _swapped, lambda *_: "its operands are exchanged"),
    Cause(
        frozenset({FORWARD}), _sum_terms, _term,
        lambda s, how: f"{_of(s, how[0])} is {'added twice' if how[1] > 0 else 'left out'}",
    ),
    Cause(
        frozenset({SUM}), lambda s: s.terms, _without_term,
        lambda _, name: f"a term is missing: {name}",
    ),
    Cause(
        frozenset({SUM}), lambda s: s.terms, _only_term,
        lambda _, name: f"nothing is added up: it is {name} alone",
    ),
    Cause(
        frozenset({EVERY}), _once, _gradient_before,
        lambda *_: "the gradient of the step before is added to it: gradients are not set to zero between steps",
    ),
    Cause(
        CALL, _of_inputs, lambda s, k: s.with_argument(k, _before(s, _of(s, k))),
        lambda s, k: f"{_of(s, k)} is taken as it was one step before",
    ),
    Cause(BACK, _others, _after_step, _stepped, fitted=True),
    Cause(
        BACK, lambda _: DIGITS, lambda s, k: s.again(g=_decimals(s, s.g, k)),
        lambda s, k: f"the cotangent of {s.node.outs[0]} is rounded to {k} decimals in it",
    ),
    Cause(
        ANY, lambda _: DIGITS, lambda s, k: _decimals(s, s.right, k),
        lambda s, k: f"{s.it} is rounded to {k} decimals",
    ),
    Cause(
        CALL, lambda s: ((j, k) for j in _of_inputs(s) for k in DIGITS),
        lambda s, how: s.with_argument(how[0], _decimals(s, s.args[how[0]], how[1])),
        lambda s, how: f"{_of(s, how[0])} is rounded to {how[1]} decimals in it",
    ),
    Cause(
        ANY, lambda _: FORMATS, lambda s, name: _narrowed(s, s.right, name),
        lambda s, name: f"{s.it} is rounded to {name}",
    ),
    Cause(
        CALL, lambda _: FORMATS, _all_narrowed,
        lambda s, name: f"all that {s.node.op} multiplies is rounded to {name}",
    ),
    Cause(
        BACK, lambda _: FORMATS, lambda s, name: s.again(g=_narrowed(s, s.g, name)),
        lambda s, name: f"the cotangent of {s.node.outs[0]} is rounded to {name} in it",
    ),
    Cause(
        CALL, lambda s: ((k, name) for k in _of_inputs(s) for name in FORMATS),
        lambda s, how: s.with_argument(how[0], _narrowed(s, s.args[how[0]], how[1])),
        lambda s, how: f"{_of(s, how[0])} is rounded to {how[1]} in it",
    ),
    Cause(
        CALL, _other_attribute_axis, lambda s, axis: s.again(axis=axis),
        lambda s, axis: f"{s.node.op} is taken along axis {axis}, not along axis {s.kw['axis']}",
    ),
    Cause(
        ANY, lambda s: ((axis, by) for axis in _axes(s.right) for by in (0, 1, -1)), _moved,
        lambda s, how: f"{s.it} is {'turned round' if not how[1] else 'shifted by one'} along axis {how[0]}",
    ),
    Cause(
        GRADIENT, _own, _scaled_self,
        lambda s, _, told: f"{told.number:.6g} × {s.told} itself is added to it: a penalty on it", fitted=True,
    ),
)  # fmt: skip
