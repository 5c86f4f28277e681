"""What people do wrong, a row a cause, the simpler first: what is given in place of the right result, and the sentence.

A row may have options, such as the number of digits that a cotangent is rounded to; each of them is tried. Of a row that is
affine in a number the number is fitted, and tried where it has a name. Rows are written as those of the op table are, through
the arithmetic context, so that how far rounding moves them is derived like everything else.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ....reference.contexts import Array
from ..blame import FORWARD, SEED, SUM, VJP
from .attributes import others as other_attributes
from .conventions import CONVENTIONS, Convention
from .elsewhere import ELSEWHERE, done
from .instead import (
    CLIPS,
    FORMATS,
    after_step,
    all_narrowed,
    at_output,
    axes,
    before,
    clipped,
    clips,
    decimals,
    exponential_in_float32,
    formula_fed_input,
    gradient_before,
    is_square,
    lacking,
    masked_by_cotangent,
    moved,
    narrowed,
    not_summed,
    of,
    of_inputs,
    of_other,
    once,
    ones,
    only_term,
    other_attribute_axis,
    other_axis,
    others,
    own,
    repeated,
    repeated_axes,
    scaled_self,
    slices,
    square,
    sum_terms,
    summands,
    swapped,
    term,
    to_norm,
    unary,
    with_a_number,
    with_exponentials,
    without,
    without_number,
    without_term,
)
from .numbers import simple
from .supposing import EVERY, Site

DIGITS = range(1, 9)
"""Decimals to which people print and copy."""
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


def table(site: Site, phases: Iterable[str]) -> Iterator[Cause]:
    """The causes that may be at a place, or at places of these phases alike."""
    rows: tuple[Cause, ...] = CAUSES
    if site.suspect.call >= 0:
        elsewhere = (Convention(done(formula), words) for words, formula in ELSEWHERE.get(site.node.op, ()))
        rows = (*CAUSES, *map(_of_convention, (*CONVENTIONS.get(site.node.op, ()), *elsewhere)))
    return (row for row in rows if row.phases.issuperset(phases))


def _of_convention(told: Convention) -> Cause:
    return Cause(CALL, once, lambda site, _: told.instead(site), lambda *_: told.words)


def attributes(site: Site) -> Iterator[tuple[str, Any]]:
    """Each attribute of a call with what else it may be."""
    shapes = tuple(np.shape(a) for a in site.args)
    return (
        (name, other) for name, value in site.kw.items() for other in other_attributes(name, value, shapes)
    )


# What is said


def _text(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if type(value) is float else str(value)


def says_without_number(site: Site, k: int) -> str:
    pair = summands(site, k)
    assert pair is not None
    return f"the derivative of {site.node.op} is taken as if {pair[1]:g} were not added before it"


def _multiple(site: Site, _: Any, told: Multiple) -> str:
    """Of a multiple, why it is that, and whether it is all of what is wrong."""
    what = "all of it" if told.whole else f"what {site.node.op} contributes to the gradient of {site.name}"
    if told.number == -1:
        return f"{what} has the other sign"
    return f"{what} is {simple(told.number)} × what it should be" + f": {told.why}" * bool(told.why)


def _stepped(site: Site, k: int, told: Multiple) -> str:
    when = "after" if told.number > 0 else "before"
    step = f"{abs(told.number):.6g} × its gradient"
    return f"{of(site, k)} is taken in it as it is {when} a step of {step}"


def _all_or_it(site: Site) -> str:
    return "the gradients of all inputs together are" if site.suspect.phase == EVERY else "it is"


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
        frozenset({FORWARD, VJP, SUM}), once, lambda s, _: np.zeros_like(s.right),
        lambda s, _: f"what {s.node.op} contributes to the gradient of {s.name} is missing"
        if s.suspect.phase == VJP
        else f"{s.it} is 0: it is left out",
    ),
    Cause(ANY, once, lambda s, _, f: s.c.r(f * s.right), _multiple, fitted=True),
    Cause(
        BACK, unary, lambda s, _: s.g,
        lambda s, _: f"the derivative of {s.node.op} is left out: the cotangent is passed on as it is",
    ),
    Cause(
        BACK, unary, lambda s, _: s.c.r(s.g * s.out),
        lambda s, _: f"{s.node.op} stands where its derivative should",
    ),
    Cause(
        BACK, unary, formula_fed_input,
        lambda s, _: f"the derivative of {s.node.op} is fed {_input(s)} where its formula has the output",
    ),
    Cause(
        BACK, unary, at_output,
        lambda s, _: f"the derivative of {s.node.op} is taken at its output, not at {_input(s)}",
    ),
    Cause(BACK, with_a_number, without_number, says_without_number),
    Cause(
        BACK, unary, masked_by_cotangent,
        lambda s, _: f"the derivative of {s.node.op} is taken at the cotangent, not at {_input(s)}",
    ),
    Cause(
        BACK, unary, lambda s, _: s.right * (s.g > 0),
        lambda s, _: f"negative cotangents are not passed through {s.node.op} either",
    ),
    Cause(BACK, once, ones, lambda s, _: f"a cotangent of ones is taken for that of {s.node.outs[0]}"),
    Cause(
        ANY, lambda s: (None,) if is_square(s.right) else (), lambda s, _: np.transpose(s.right),
        lambda s, _: f"{s.it} is the transpose of what it should be",
    ),
    Cause(
        CALL, square, lambda s, k: s.with_argument(k, np.transpose(s.args[k])),
        lambda s, k: f"{of(s, k)} is transposed in it",
    ),
    Cause(
        BACK, repeated_axes, other_axis,
        lambda s, axis: f"{s.it} is summed over axis {axis} of the cotangent, which is another than {s.name} is repeated along",
    ),
    Cause(
        BACK, lambda s: slices(repeated(s)), not_summed,
        lambda s, at: f"a sum is left out: {s.it} is the {_slice(s.g, at)} of the cotangent alone",
    ),
    Cause(
        BACK, lambda s: slices(s.g), lacking,
        lambda s, at: f"the {_slice(s.g, at)} of the cotangent of {s.node.outs[0]} is not counted",
    ),
    Cause(
        GRADIENT, lambda s: slices(s.right), lambda s, at: without(s.right, at),
        lambda s, at: f"the {_slice(s.right, at)} of {s.it} is 0, all else is right",
    ),
    Cause(BACK, once, of_other, lambda s, _: f"{s.it} is what the other operand's should be"),
    Cause(frozenset({FORWARD}), once, swapped, lambda *_: "its operands are exchanged"),
    Cause(
        frozenset({FORWARD}), sum_terms, term,
        lambda s, how: f"{of(s, how[0])} is {'added twice' if how[1] > 0 else 'left out'}",
    ),
    Cause(
        frozenset({SUM}), lambda s: s.terms, without_term,
        lambda _, name: f"a term is missing: {name}",
    ),
    Cause(
        frozenset({SUM}), lambda s: s.terms, only_term,
        lambda _, name: f"nothing is added up: it is {name} alone",
    ),
    Cause(
        frozenset({EVERY}), once, gradient_before,
        lambda *_: "the gradient of the step before is added to it: gradients are not set to zero between steps",
    ),
    Cause(
        CALL, of_inputs, lambda s, k: s.with_argument(k, before(s, of(s, k))),
        lambda s, k: f"{of(s, k)} is taken as it was one step before",
    ),
    Cause(BACK, others, after_step, _stepped, fitted=True),
    Cause(
        BACK, lambda _: DIGITS, lambda s, k: s.again(g=decimals(s, s.g, k)),
        lambda s, k: f"the cotangent of {s.node.outs[0]} is rounded to {k} decimals in it",
    ),
    Cause(
        ANY, lambda _: DIGITS, lambda s, k: decimals(s, s.right, k),
        lambda s, k: f"{s.it} is rounded to {k} decimals",
    ),
    Cause(
        CALL, lambda s: ((j, k) for j in of_inputs(s) for k in DIGITS),
        lambda s, how: s.with_argument(how[0], decimals(s, s.args[how[0]], how[1])),
        lambda s, how: f"{of(s, how[0])} is rounded to {how[1]} decimals in it",
    ),
    Cause(
        ANY, lambda _: FORMATS, lambda s, name: narrowed(s, s.right, name),
        lambda s, name: f"{s.it} is rounded to {name}",
    ),
    Cause(
        CALL, lambda _: FORMATS, all_narrowed,
        lambda s, name: f"all that {s.node.op} multiplies is rounded to {name}",
    ),
    Cause(
        BACK, lambda _: FORMATS, lambda s, name: s.again(g=narrowed(s, s.g, name)),
        lambda s, name: f"the cotangent of {s.node.outs[0]} is rounded to {name} in it",
    ),
    Cause(
        CALL, lambda s: ((k, name) for k in of_inputs(s) for name in FORMATS),
        lambda s, how: s.with_argument(how[0], narrowed(s, s.args[how[0]], how[1])),
        lambda s, how: f"{of(s, how[0])} is rounded to {how[1]} in it",
    ),
    Cause(
        frozenset({FORWARD}), with_exponentials, exponential_in_float32,
        lambda _, form: f"{form} is computed in float32 in it",
    ),
    Cause(
        GRADIENT, clips, clipped,
        lambda s, limit: f"{'each gradient of an input is' if s.suspect.phase == EVERY else 'it is'} clipped to [-{limit:g}, {limit:g}]",
    ),
    Cause(GRADIENT, lambda _: CLIPS, to_norm, lambda s, limit: f"{_all_or_it(s)} clipped to a norm of {limit:g}"),
    Cause(
        CALL, other_attribute_axis, lambda s, axis: s.again(axis=axis),
        lambda s, axis: f"{s.node.op} is taken along axis {axis}, not along axis {s.kw['axis']}",
    ),
    Cause(
        CALL, attributes, lambda s, how: s.again(**dict([how])),
        lambda _, how: f"its {how[0]} is {_text(how[1])}",
    ),
    Cause(
        ANY, lambda s: ((axis, by) for axis in axes(s.right) for by in (0, 1, -1)), moved,
        lambda s, how: f"{s.it} is {'turned round' if not how[1] else 'shifted by one'} along axis {how[0]}",
    ),
    Cause(
        GRADIENT, own, scaled_self,
        lambda s, _, told: f"{told.number:.6g} × {s.told} itself is added to it: a penalty on it", fitted=True,
    ),
)  # fmt: skip
