"""Rows that are formulas over other rows: forward, vjp and rounding follow from these.

A formula is written as a program has it, with the operators of tensors and with ops as methods of its first argument:

    composed("silu", shapes.same, lambda f, x: x * f.sigmoid(x), doc=...)

Shapes, axes and which inputs are there it may ask and branch on, for these are known before anything has a value. Its
calls are remembered as they are made, and walked back for the vjps.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .row import OPS, Doc, row

Array = Any
Formula = Callable[..., "Term"]


class Term:
    """What a formula has: an array, and the call that it comes from."""

    def __init__(self, formula: "Calls", value: Array) -> None:
        self.formula, self.value = formula, value

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __add__(self, other: Any) -> Any:
        return self.formula.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return self.formula.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return self.formula.sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.formula.sub(other, self)

    def __mul__(self, other: Any) -> Any:
        return self.formula.mul(self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.formula.mul(other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.formula.div(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.formula.div(other, self)

    def __matmul__(self, other: Any) -> Any:
        return self.formula.matmul(self, other)

    def __neg__(self) -> Any:
        return self.formula.neg(self)


class Calls:
    """The calls of one evaluation, in their order: rows as methods."""

    def __init__(self, name: str, c: Any) -> None:
        self._name, self._c = name, c
        self._made: list[tuple[str, tuple[Any, ...], Mapping[str, Any], tuple[Term, ...]]] = []

    def __getattr__(self, op: str) -> Callable[..., Any]:
        return functools.partial(self._call, op)

    def _call(self, op: str, *args: Any, **kw: Any) -> Any:
        held = tuple(self._held(a) for a in args)
        kw = {key: self._held(a) for key, a in {**OPS[op].defaults, **kw}.items()}
        out = OPS[op].forward(self._c, *(a.value if isinstance(a, Term) else a for a in held), **kw)
        outs = tuple(Term(self, a) for a in (out if isinstance(out, tuple) else (out,)))
        self._made.append((op, held, kw, outs))
        return outs if isinstance(out, tuple) else outs[0]

    def _held(self, a: Any) -> Any:
        """A number of the formula's own text is rounded as one of a program's."""
        return self._c.literal((self._name, "its formula"), a) if isinstance(a, float) else a

    def cotangent(self, out: Any, g: Any, towards: Term) -> Array:
        """Of one of the formula's inputs, given the output's (tuples where there are several)."""
        outs, gs = (out, g) if isinstance(out, tuple) else ((out,), (g,))
        reached = self._depending(towards)
        found: dict[int, Array] = {}
        for term, own in zip(outs, gs, strict=True):
            self._add(found, term, own)
        for op, args, kw, made in reversed(self._made):
            if not any(id(term) in found for term in made):
                continue
            own = tuple(self._of(found, term) for term in made)
            values = tuple(term.value for term in made)
            inputs = tuple(a.value if isinstance(a, Term) else a for a in args)
            one = len(made) == 1
            for i, a in enumerate(args):
                if isinstance(a, Term) and id(a) in reached:
                    dx = OPS[op].vjp(
                        self._c, i, values[0] if one else values, inputs, own[0] if one else own, dict(kw)
                    )
                    self._add(found, a, dx)
        return self._of(found, towards)

    def _add(self, found: dict[int, Array], term: Term, g: Array) -> None:
        found[id(term)] = self._c.r(found[id(term)] + g) if id(term) in found else g

    @staticmethod
    def _of(found: Mapping[int, Array], term: Term) -> Array:
        return found[id(term)] if id(term) in found else np.zeros(term.shape)

    def _depending(self, term: Term) -> set[int]:
        """The terms that are made from one, by their identity, and itself."""
        reached = {id(term)}
        for _, args, _, made in self._made:
            if any(id(a) in reached for a in args):
                reached.update(map(id, made))
        return reached


def composed(
    name: str,
    shape: Callable[..., Any],
    formula: Formula,
    *,
    doc: Doc,
    dtypes: Mapping[int, tuple[str, ...]] | None = None,
    terms: Callable[..., int] | None = None,
    kinks: Callable[..., Any] | None = None,
) -> None:
    """Add a row whose forward and vjps are those of a formula: `formula(f, *inputs, **attributes)`, ops methods of `f`."""

    def walked(c: Any, inputs: tuple[Any, ...], kw: Mapping[str, Any]) -> tuple[Calls, tuple[Any, ...], Any]:
        calls = Calls(name, c)
        terms = tuple(a if a is None else Term(calls, a) for a in inputs)
        return calls, terms, formula(calls, *terms, **kw)

    @functools.wraps(formula)
    def forward(c: Any, *inputs: Any, **kw: Any) -> Any:
        out = walked(c, inputs, kw)[2]
        return tuple(term.value for term in out) if isinstance(out, tuple) else out.value

    def vjp(i: int, c: Any, _: Any, *inputs_and_g: Any, **kw: Any) -> Any:
        *inputs, g = inputs_and_g
        calls, terms, out = walked(c, tuple(inputs), kw)
        return calls.cotangent(out, g, terms[i])

    parameters = list(inspect.signature(formula).parameters.values())[1:]
    count = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    vjps = (functools.partial(vjp, i) for i in range(count))
    row(name, shape, forward, *vjps, doc=doc, dtypes=dtypes, terms=terms, kinks=kinks)
