"""The expressions of a ledger: over what a call was given, in the notation of programs.

They come from strangers' files, so Python's own parser reads them and nothing ever executes them: what isn't listed
here is an error with its line and column, when the ledger is read. What they are asked of are a call's inputs and
attributes by the names of its op's row, and the cotangent `g` of its output.
"""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from ...reference.constants import Constants, Source
from ...reference.contexts import EXACT, Array
from ...reference.formats import DTYPES
from ...reference.language import Reader, syntax
from ...reference.names import nearest
from ...reference.ops import pooling
from ...reference.ops.classification import positions
from ...reference.ops.losses import counted, reduced, unreduced
from ...reference.ops.reductions import softmax, spread
from ...reference.program import ProgramError
from ..reading.text import shown

MAX_EXPRESSION = 500
"""Characters; levels are bounded as in programs."""
MAX_ELEMENTS = 10**8
"""Of any array on the way: names that have nothing to do with each other broadcast to their product."""

Names = Mapping[str, Any]
Part = Callable[[Names], Any]


MEANT = ("axis", "stride")
"""Attributes of which None is a value: all axes, and as far as the window is large."""

POOL = ("size", "stride", "padding", "dilation", "ceil_mode", "layout")


class UnansweredError(Exception):
    """What an expression asks can't be asked of this call; the text says why."""


@dataclass(frozen=True)
class Expression:
    """An expression, read and checked."""

    text: str
    part: Part

    def value(self, names: Names) -> Array:
        """Numbers or truth values for a call with these inputs and attributes. Raises UnansweredError."""
        try:
            with np.errstate(all="ignore"):
                return np.asarray(self.part(names))
        except (ValueError, TypeError, ArithmeticError, IndexError, MemoryError) as error:
            raise UnansweredError(str(error)) from None

    def truth(self, names: Names) -> Array:
        """Where it is true. Raises UnansweredError."""
        value = self.value(names)
        if value.dtype != np.bool_:
            raise UnansweredError("it is a number, neither true nor false; compare it with one")
        return value

    def holds(self, names: Names) -> bool:
        """Whether it is true of the call as a whole. Raises UnansweredError."""
        value = self.truth(names)
        if value.size != 1:
            raise UnansweredError(f"it is true or false for each of {value.size} elements; `at` asks that")
        return bool(value.item())


def read(text: str, names: Collection[str]) -> Expression:
    """The expression in a text, which may read these names. Raises ProgramError."""
    if len(text) > MAX_EXPRESSION:
        raise ProgramError(f"an expression may have at most {MAX_EXPRESSION} characters, not {len(text)}")
    source = Source(text)
    if not syntax(text).body:
        raise ProgramError("an expression such as `x == 0` is missing")
    statements = Reader(text, None).statements
    if len(statements) > 1 or not isinstance(statements[0], ast.Expr):
        raise source.error(statements[-1], "one expression such as `x == 0` is allowed here")
    return Expression(text, _Reading(source, names).part(statements[0].value))


def number(x: Any) -> bool:
    """Whether an argument is written as a number in the program, which is no tensor."""
    return not isinstance(x, (np.ndarray, np.generic))


def ties(x: Any, axis: Any) -> Array:
    """The largest elements along an axis, where there are several."""
    hit = x == np.max(_array(x), axis=axis, keepdims=True)
    return hit & (np.sum(hit, axis=axis, keepdims=True) > 1)


def to_every_largest(g: Any, x: Any, *attributes: Any) -> Array:
    """Of a max_pool: the cotangent of each window, whole to every one of its largest elements."""
    return pooling.to_every_largest(EXACT, _array(x), _array(g), **dict(zip(POOL, attributes, strict=True)))


def inner_batch_axis(x: Any, y: Any) -> bool:
    """Whether a product of stacks of matrices repeats one of them along an axis that isn't its first of several."""
    most = max(np.ndim(x), np.ndim(y))
    batches = [(1,) * (most - np.ndim(a)) + np.shape(a)[:-2] for a in (x, y)]
    return any(_repeats_inside(*pair) for pair in (batches, batches[::-1]))


def _repeats_inside(own: tuple[int, ...], other: tuple[int, ...]) -> bool:
    first = next((i for i, size in enumerate(own) if size != 1), len(own))
    return any(a == 1 != b and i > first for i, (a, b) in enumerate(zip(own, other, strict=False)))


def total(x: Any, axis: Any) -> Array:
    """The sum along an axis, which stays."""
    return np.sum(_array(x), axis=axis, keepdims=True)


def float32(x: Any) -> Array:
    """The nearest float32."""
    return _array(x).astype(np.float32).astype(np.float64)


def rounded(x: Any, dtype: str) -> Array:
    """The nearest number of the call's dtype: what leaves its range on the way is infinite, or 0."""
    if dtype not in DTYPES:
        raise UnansweredError(f"{shown(dtype)} is no dtype")
    return _array(x).astype(dtype).astype(np.float64)


def transposed(x: Any) -> Array:
    """Every matrix of a stack, transposed."""
    return _array(x).swapaxes(-1, -2)


def matmul(x: Any, y: Any) -> Array:
    """The matrix product."""
    x, y = _array(x), _array(y)
    rows, columns = np.shape(x)[-2:-1], np.shape(y)[1:][-1:]
    _check_size((*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), *rows, *columns))
    return x @ y


def folded(a: Any, x: Any) -> Array:
    """The elements of `a` in their order, every so many as `x` has added up."""
    return np.sum(np.reshape(_array(a), (-1, *np.shape(x))), axis=0)


def each(g: Any, x: Any, reduction: Any, *axis: Any) -> Array:
    """The cotangent of every element's loss, or with an axis of every position's, from that of the reduced loss."""
    x = _array(x)
    if not axis:
        return unreduced(EXACT, _array(g), counted(x, reduction), reduction)
    g = unreduced(EXACT, _array(g), positions(x, *axis), reduction)
    return np.expand_dims(g, axis) if reduction == "none" else g


def losses(x: Any, reduction: Any, axis: Any) -> int:
    """How many positions' losses each element of a loss adds up without dividing by their number."""
    return positions(_array(x), axis) if reduction == "sum" else 1


FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int, int]] = {
    "number": (number, 1, 1),
    "ndim": (np.ndim, 1, 1),
    "ties": (ties, 2, 2),
    "to_every_largest": (to_every_largest, 2 + len(POOL), 2 + len(POOL)),
    "inner_batch_axis": (inner_batch_axis, 2, 2),
    "abs": (lambda x: np.abs(_array(x)), 1, 1),
    "exp": (lambda x: np.exp(_array(x)), 1, 1),
    "log": (lambda x: np.log(_array(x)), 1, 1),
    "float32": (float32, 1, 1),
    "rounded": (rounded, 2, 2),
    "total": (total, 2, 2),
    "spread": (lambda g, x, axis, keepdims: spread(_array(g), _array(x), axis, keepdims), 4, 4),
    "reduced": (lambda loss, reduction: reduced(EXACT, _array(loss), reduction), 2, 2),
    "each": (each, 3, 4),
    "losses": (losses, 3, 3),
    "size": (lambda x, axis: np.shape(x)[axis], 2, 2),
    "softmax": (lambda x, axis: softmax(EXACT, _array(x), axis), 2, 2),
    "matmul": (matmul, 2, 2),
    "transposed": (transposed, 1, 1),
    "folded": (folded, 2, 2),
}
"""What may be called, and the least and the largest number of its arguments."""

ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
}
COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ALLOWED = "names, numbers, + - * /, comparisons (of a name with a word, ==), and, or, calls of " + " ".join(
    FUNCTIONS
)


class _Reading:
    """Turns a syntax tree into what works it out, so that all that isn't allowed is found once, at the beginning."""

    def __init__(self, source: Source, names: Collection[str]) -> None:
        self.source, self.names = source, names
        self.constants = Constants(source, {})

    def part(self, node: ast.expr) -> Part:
        match node:
            case ast.Name(name) if name in self.names:
                return lambda names: _named(names, name)
            case _ if (constant := self.constants.number(node)) is not None:
                return lambda _: constant
            case ast.Name(name):
                known = f"known here are: {' '.join(sorted(self.names))}"
                raise self.source.error(
                    node, f'unknown name "{shown(name)[1:-1]}"{nearest(name, self.names) or f"; {known}"}'
                )
            case ast.UnaryOp(ast.USub(), operand):
                return _applied(operator.neg, [self.part(operand)])
            case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
                return _applied(ARITHMETIC[type(op)], [self.part(left), self.part(right)])
            case ast.Compare(ast.Name(name), [ast.Eq()], [ast.Constant(str(text))]) if name in self.names:
                return lambda names: _is_word(_named(names, name), name, text)
            case ast.Compare(left, [op], [right]) if type(op) in COMPARISONS:
                return _applied(COMPARISONS[type(op)], [self.part(left), self.part(right)])
            case ast.Compare(_, [_, _, *_], _):
                raise self.source.error(node, "a comparison has two sides; join two comparisons with `and`")
            case ast.BoolOp(op, values):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                parts = [self.part(value) for value in values]
                return lambda names: reduce(lambda a, b: _fitting(join, a, b), (p(names) for p in parts))
            case ast.Call():
                return self.call(node)
        raise self.source.error(node, f"{type(node).__name__.lower()} is not allowed; allowed are {ALLOWED}")

    def call(self, node: ast.Call) -> Part:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            hint = nearest(node.func.id, FUNCTIONS) if isinstance(node.func, ast.Name) else ""
            raise self.source.error(node.func, f"only these can be called: {' '.join(FUNCTIONS)}{hint}")
        function, least, most = FUNCTIONS[node.func.id]
        if node.keywords or not least <= len(node.args) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise self.source.error(node, f"{node.func.id} takes {count} arguments, by position")
        parts = [self.part(argument) for argument in node.args]
        return lambda names: function(*(part(names) for part in parts))


def _named(names: Names, name: str) -> Any:
    if names.get(name) is None and name not in MEANT:
        raise UnansweredError(f"the call has no {name}")
    return names.get(name)


def _is_word(value: Any, name: str, text: str) -> bool:
    if not isinstance(value, str):
        raise UnansweredError(f"{name} is no word: {shown(value)}")
    return value == text


def _applied(function: Callable[..., Any], parts: list[Part]) -> Part:
    return lambda names: _fitting(function, *(_array(part(names)) for part in parts))


def _fitting(function: Callable[..., Any], *arrays: Array) -> Array:
    _check_size(np.broadcast_shapes(*map(np.shape, arrays)))
    return function(*arrays)


def _check_size(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MAX_ELEMENTS:
        raise UnansweredError(f"an array of shape {shape} on the way is too large")


def _array(x: Any) -> Array:
    """Numbers as float64. Raises UnansweredError for what is none: attributes may be texts, tuples and None."""
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise UnansweredError(f"{shown(x)} is no number")
    return array.astype(np.float64, copy=False)
