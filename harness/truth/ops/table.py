"""The table of the truth: one record an op, with everything that is to be known of it beside its row.

The reference's rows are judged against these records, so they share nothing with them, not even an import: a forward
here is the textbook formula on exact numbers, and no derivative is derived at all. Derivatives are numerical
differences of the forwards, taken at a precision so high that some forty digits are right. A mistake in a hand-derived
vjp therefore can't be repeated here.

Whatever would make a certificate laxer if it were forgotten has to be said, or is refused when the record is entered.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, wraps
from typing import Any, Literal, get_args

from ..drawing import Sample, all_drawn
from ..numbers import MpArray, apply

Scale = Literal["element", "terms", "one"]
"""What errors are relative to: each element by itself; the sum of its |terms|; the same, where that is at least 1."""


@dataclass(frozen=True)
class Definition:
    """One op: its mathematics, and where and by what scale its row is certified."""

    name: str
    forward: Callable[..., Any]
    """Arrays and numbers, attributes by keyword -> an object array or a tuple of them."""
    numpy: Callable[..., Any]
    """The same function in NumPy's doubles, from another hand: it holds the definition."""
    relative_to: Scale
    samples: tuple[Sample, ...]
    """Spread over the domain, beside branches too: every form of broadcasting, every attribute."""
    at_kinks: tuple[Sample, ...]
    """On a branch itself (relu at 0), where there is no derivative, but one on either side."""
    analytic: bool
    """False if the forward compares, or takes |x|: there is no complex step then."""
    size: Callable[..., Any] | None = None
    slope_size: Callable[..., Any] | None = None
    """Of a function of one number: the sum of its |terms|, and of its slope's, where these are differences that pass
    through 0, or read an argument that is rounded on the way; each element's error is then relative to that."""
    held: bool = False
    """Whether no derivative sees its inputs move."""

    def near(self, inputs: Sequence[Any]) -> Callable[..., Any]:
        """The forward as derivatives at these inputs see it."""
        return (lambda *_moved, **kw: self.forward(*inputs, **kw)) if self.held else self.forward

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The attributes that may be left out."""
        return defaults_of(self.forward)


TRUTH: dict[str, Definition] = {}


def define(
    name: str,
    forward: Callable[..., Any],
    *,
    numpy: Callable[..., Any],
    relative_to: Scale,
    samples: Iterable[Sample],
    at_kinks: Iterable[Sample] = (),
    analytic: bool = True,
    size: Callable[..., Any] | None = None,
    slope_size: Callable[..., Any] | None = None,
    held: bool = False,
) -> None:
    """Enter an op in the table. Raises ValueError for a record that says too little, or two things at once."""
    kinks = all_drawn(f"{name} at a kink", at_kinks)
    drawn = all_drawn(name, samples)
    made = Definition(name, forward, numpy, relative_to, drawn, kinks, analytic, size, slope_size, held)
    if name in TRUTH:
        raise ValueError(f"{name} is defined twice")
    if not made.samples:
        raise ValueError(f"{name} has no samples: nothing of it would be certified")
    if relative_to not in get_args(Scale):
        raise ValueError(f"{name} is relative to {relative_to!r}, but must be to one of {get_args(Scale)}")
    if not analytic and not kinks:
        raise ValueError(f"{name} isn't analytic: where does it turn? Give samples at its kinks")
    if defaults_of(numpy) != made.defaults:
        raise ValueError(
            f"{name} has the defaults {made.defaults}, its NumPy formula has {defaults_of(numpy)}"
        )
    TRUTH[name] = made


def elementwise(name: str, function: Callable[..., Any], **facts: Any) -> None:
    """Enter a function of single numbers; it is held to each element by itself."""

    @wraps(function)
    def forward(*inputs: Any, **kw: Any) -> MpArray:
        return apply(partial(function, **kw) if kw else function, *inputs)

    define(name, forward, relative_to="element", **facts)


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Keywords that may be left out, with what they then are; a builtin or a ufunc has none of ours."""
    if not inspect.isfunction(inspect.unwrap(function)):
        return {}
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}
