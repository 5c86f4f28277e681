"""Entries by op: a root cause, whichever programs call the op.

What such an entry excuses is one result of one op call that is wrong at the framework's own numbers, and only as it
is written down: in these phases, at these elements, by no more than this, or in exactly this way.

    [[deviation]]
    op = ["log_softmax", "cross_entropy"]  # of the table, or optimizers
    phase = "vjp"                          # optional: forward, vjp, update or a list; default forward and vjp (update)
    towards = "z"                          # optional: the vjp towards these inputs, by the names of the op's row
    dtype = "float32"                      # optional: without it, both
    mode = "eager"                         # optional: without it, every one
    version = ">=1.9,<2"                   # of the framework, PEP 440
    when = "slope < 0"                     # optional: true of the whole call
    at = "z == 0"                          # optional: no other elements are wrong
    at_most = 1e-5                         # the largest error / the largest number, in a call; or, of each result,
    at_most = { out = "1e-5" }             # the absolute error of an element; or instead
    gives = { x = "g * (x >= y)" }         # what is computed in place of a result
    case = "ops/sigmoid::k:3"              # a case or variant each of whose cells (of dtype and mode) must show it
    reason, evidence, link, since          # as in entries by cell

A result is `out` or an input of the op. Expressions read inputs and attributes by the names of the op's row, and for
a vjp's result the cotangent `g` of the output (see `conditions`); `dtype` is the cell's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.contexts import EXACT, Array
from ...reference.formats import FORMATS
from ...reference.ops.arithmetic import unbroadcast
from ...reference.rounding import K
from .conditions import Expression, UnansweredError
from .deviation import Deviation

OUT = "out"
"""How an entry names what a call gives forwards, beside the names of its inputs."""
PHASES = ("forward", "vjp", "update")


@dataclass(frozen=True)
class WrongCall:
    """One result of one op call that is wrong at the subject's own numbers, and all that a ledger may ask of it."""

    op: str
    phase: str
    """forward, vjp, or update: an optimizer's step; `op` is then the optimizer's name."""
    towards: str
    """vjp: the row's name of the input; "" otherwise."""
    dtype: str
    mode: str
    names: Mapping[str, Any]
    """By the names of the op's row: inputs as the subject had them (float64, int64 or bool arrays, or plain numbers), and attributes."""
    g: Array | None
    """The cotangent of the call's output (of the first, of several), float64; None in the forward phase."""
    got: Array
    """float64, as `want` and `tolerance`."""
    want: Array
    tolerance: Array
    wrong: Array
    """Mask of the elements outside."""
    relative: float
    """Largest error / largest |want| (or |got| where want is 0)."""

    @property
    def result(self) -> str:
        """The result's name in an entry."""
        return self.towards or OUT


@dataclass(frozen=True)
class Cause(Deviation):
    """One root cause. Of `at_most` and `gives` one is there."""

    ops: tuple[str, ...]
    phases: tuple[str, ...]
    towards: tuple[str, ...]
    """Empty: every input."""
    when: Expression | None
    at: Expression | None
    at_most: float | Mapping[str, Expression] | None
    gives: Mapping[str, Expression] | None

    def is_near(self, call: WrongCall) -> bool:
        """Whether it speaks of this op and phase, whatever else it says."""
        return call.op in self.ops and call.phase in self.phases

    def why_not(self, call: WrongCall, version: str) -> str:
        """Why it doesn't excuse a call that it is near to, with its place; empty where it does."""
        if not self.holds_for(version):
            return self.not_this(version)
        try:
            why = self._other_call(call) or self._elsewhere(call) or self._beyond(call, call.wrong)
        except UnansweredError as error:
            why = f"can't be asked of this call: {error}"
        return why and f"{self.place}: {why}"

    def speaks_of(self, call: WrongCall, version: str) -> bool:
        """Whether it may be at work in a call, however little; a result's wrong elements aren't asked about."""
        if not self.is_near(call) or not self.holds_for(version):
            return False
        try:
            if self._other_call(call):
                return False
            return self.at_most is None or not self._beyond(call, np.ones(np.shape(call.got), dtype=bool))
        except UnansweredError:
            return False

    def _other_call(self, call: WrongCall) -> str:
        for own, found in ((self.dtype, call.dtype), (self.mode, call.mode)):
            if own not in (None, found):
                return f"known in {own}, this is {found}"
        if call.towards and self.towards and call.towards not in self.towards:
            return f"known towards {', '.join(self.towards)}, this is towards {call.towards}"
        if self.when and not self.when.holds(_names(call)):
            return f"known when {self.when.text}"
        return ""

    def _elsewhere(self, call: WrongCall) -> str:
        if self.at is None:
            return ""
        here = _any_of(self.at.truth(_names(call)), call)
        outside = call.wrong & ~here
        return f"also wrong where not {self.at.text}, {_where(outside)}" if outside.any() else ""

    @np.errstate(all="ignore")
    def _beyond(self, call: WrongCall, asked: Array) -> str:
        """How the result errs by more than is known, or in another way, at the elements asked about."""
        if isinstance(self.at_most, float):
            return _larger(call, self.at_most, asked)
        expression = (self.gives or self.at_most or {}).get(call.result)
        if expression is None:
            return f"nothing is said of {call.result}"
        value = _shaped(expression.value(_names(call)), call)
        if self.gives:
            return _unlike(call, f"is not {expression.text}", value, _allowed(call, value), asked)
        bound = np.where(value < math.inf, value, 0)
        return _unlike(call, f"larger than at_most {expression.text}", call.want, bound, asked)


def _names(call: WrongCall) -> dict[str, Any]:
    cotangent = {} if call.g is None else {"g": call.g}
    return {"dtype": call.dtype, **call.names, **cotangent}


def _larger(call: WrongCall, at_most: float, asked: Array) -> str:
    """NaN is within no bound; nor is any number in place of what isn't finite, or the other way round."""
    finite = np.isfinite(call.got) & np.isfinite(call.want)
    strange = asked & ~finite & ~_same(call.got, call.want)
    if strange.any():
        return f"not finite, {_where(strange)}"
    return "" if call.relative <= at_most else f"larger than at_most {at_most:g}: {call.relative:.2g}"


def _unlike(call: WrongCall, what: str, due: Array, allowed: Array, asked: Array) -> str:
    outside = asked & ~(_same(call.got, due) | (np.abs(call.got - due) <= allowed))
    if not outside.any():
        return ""
    index = tuple(np.argwhere(outside)[0])
    return f"{what}, {_where(outside)}: {call.got[index]:.10g}, not {due[index]:.10g}"


def _allowed(call: WrongCall, value: Array) -> Array:
    """The result's tolerance, or that of the number given, rounded once: the right number may be 0, or none at all."""
    own = np.where(np.isfinite(call.tolerance) & np.isfinite(call.want), call.tolerance, 0)
    rounded = K * FORMATS[call.dtype].u * np.abs(value)
    return np.where(np.isfinite(value), np.maximum(own, rounded), 0)


def _same(a: Array, b: Array) -> Array:
    return (a == b) | (np.isnan(a) & np.isnan(b))


def _where(mask: Array) -> str:
    return f"at {[int(i) for i in np.argwhere(mask)[0]]}"


def _any_of(mask: Array, call: WrongCall) -> Array:
    """The mask for a call's result: true where any of the elements that went into one of its own is marked.

    A gradient adds up over the axes along which its input is repeated; a loss that is a number adds up everything.
    """
    shape = np.shape(call.wrong)
    if shape == ():
        return mask.any()
    if call.phase == "vjp":
        mask = mask.any(axis=tuple(range(mask.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(mask.shape) if shape[i - mask.ndim :][:1] == (1,) and size != 1)
    return _broadcast(mask.any(axis=axes, keepdims=True), shape)


def _shaped(value: Array, call: WrongCall) -> Array:
    """What an expression says of every element; for a vjp added up over the axes along which its input is repeated."""
    shape = np.shape(call.got)
    value = value.astype(np.float64)
    if call.phase == "vjp":
        try:
            whole = np.broadcast_shapes(value.shape, shape)
        except ValueError as error:
            raise UnansweredError(str(error)) from None
        value = unbroadcast(EXACT, np.broadcast_to(value, whole), call.got)
    return _broadcast(value, shape)


def _broadcast(a: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.broadcast_to(a, shape)
    except ValueError:
        raise UnansweredError(f"it speaks of elements of shape {a.shape}, the result has {shape}") from None
