"""What stands in a program and is known before it runs: numbers, placeholders, attributes and indices."""

import ast
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from .digits import Digits, digits
from .digits import nearest as nearest_float
from .names import nearest
from .ops import OPS, shapes
from .program import Number, ProgramError, lines_of

CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi}
FOLD: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: x / y,
    ast.FloorDiv: lambda x, y: x // y,
    ast.Pow: lambda x, y: float(x) ** float(y),
}
FUNCTIONS = {
    name for name, row in OPS.items() if row.shape in (shapes.same, shapes.broadcast) and not row.gives
}
"""Ops that are functions of single numbers: of numbers alone they are numbers."""
MAX_INTEGER = 2**53


class Source:
    """A program's text, and the places of mistakes in it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def error(self, node: ast.AST, message: str, unknown: str = "") -> ProgramError:
        line = getattr(node, "lineno", 1)
        prefix = self.lines[line - 1].encode()[: getattr(node, "col_offset", 0)]
        return ProgramError(message, line, len(prefix.decode(errors="replace")) + 1, unknown)

    @cached_property
    def lines(self) -> list[str]:
        return lines_of(self.text)


class Constants:
    """The constants of a text with one set of bindings."""

    def __init__(self, source: Source, bindings: Mapping[str, Any]) -> None:
        self.source, self.bindings = source, bindings
        self.numbers: dict[ast.expr, Number | None] = {}

    def placeholder(self, node: ast.expr) -> Any:
        """What `{name}` stands for, or None where the expression is no placeholder."""
        if not isinstance(node, ast.Set):
            return None
        if len(node.elts) != 1 or not isinstance(node.elts[0], ast.Name):
            raise self.source.error(node, "a placeholder is one name in braces, such as {activation}")
        name = node.elts[0].id
        if name not in self.bindings:
            hint = nearest(name, self.bindings)
            message = f'the placeholder "{name}" is bound neither in [sweep] nor in [sizes]{hint}'
            raise self.source.error(node, message, name)
        return self.bindings[name]

    def number(self, node: ast.expr) -> Number | None:
        """The value of an expression made of numbers, constants and sizes alone; None for any other.

        Operators work in float64, as Python has them; a function, such as `sqrt(8)`, gives the nearest float64.
        """
        if node not in self.numbers:
            self.numbers[node] = self.worked_out(node)
        return self.numbers[node]

    def worked_out(self, node: ast.expr) -> Number | None:
        """The same, anew: every expression asks it of all that it contains."""
        match node:
            case ast.Name(name):
                value = self.bindings.get(name, CONSTANTS.get(name))
                return self.bounded(node, value) if isinstance(value, Number) else None
            case ast.Constant(bool() | str() | None):
                return None
            case ast.Constant(int() | float() as value):
                if value == math.inf:
                    raise self.source.error(
                        node, "this number is beyond what a float64 holds; infinity is inf"
                    )
                return self.bounded(node, value)
            case ast.Set():
                value = self.placeholder(node)
                return value if isinstance(value, Number) else None
            case ast.UnaryOp(ast.USub(), operand):
                inner = self.number(operand)
                return None if inner is None else -inner
            case ast.BinOp(left, op, right) if type(op) in FOLD:
                x, y = self.number(left), self.number(right)
                return None if x is None or y is None else self.fold(node, type(op), x, y)
            case ast.Call(ast.Name(op), arguments, []) if op in FUNCTIONS and OPS[op].accepts(len(arguments)):
                numbers = [number for a in arguments if (number := self.number(a)) is not None]
                return self.called(node, op, numbers) if len(numbers) == len(arguments) else None
        return None

    def called(self, node: ast.expr, op: str, numbers: list[Number]) -> float:
        """A function of numbers, worked out with 50 digits and rounded once."""
        with Digits() as c:
            value = float(nearest_float(OPS[op].forward(c, *map(digits, numbers))))
        if not math.isfinite(value) and all(map(math.isfinite, numbers)):
            called = f"{op}({', '.join(map(repr, numbers))})"
            raise self.source.error(node, f"this number cannot be worked out: {called} is {value}")
        return value

    def fold(self, node: ast.expr, op: type, x: Number, y: Number) -> Number:
        try:
            value = FOLD[op](x, y)
        except (ZeroDivisionError, OverflowError) as error:
            raise self.source.error(node, f"this number cannot be worked out: {error}") from None
        if isinstance(value, complex):
            raise self.source.error(node, "this number is not real")
        return self.bounded(node, value)

    def bounded(self, node: ast.expr, value: Number) -> Number:
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise self.source.error(node, "this integer is beyond 2**53")
        return value

    def literal(self, node: ast.expr) -> Any:
        """An attribute's value: a number, string, True, False, None, or a tuple of such."""
        if (number := self.number(node)) is not None:
            return number
        match node:
            case ast.Constant(bool() | str() | None):
                return node.value
            case ast.Tuple(elements) | ast.List(elements):
                return tuple(self.literal(element) for element in elements)
            case ast.Set():
                return self.placeholder(node)
            case ast.Name(name) if name in self.bindings:
                return self.bindings[name]
        raise self.source.error(
            node, "an attribute's value is a number, string, True, False, None or a tuple of such"
        )

    def index(self, node: ast.expr) -> tuple[Any, ...]:
        elements = node.elts if isinstance(node, ast.Tuple) else [node]
        return tuple(self.index_element(element) for element in elements)

    def index_element(self, node: ast.expr) -> Any:
        match node:
            case ast.Slice(lower, upper, step):
                return tuple(None if part is None else self.integer(part) for part in (lower, upper, step))
            case ast.Constant(value) if value is Ellipsis:
                return "..."
            case ast.Constant(None):
                return None
        return self.integer(node)

    def integer(self, node: ast.expr) -> int:
        value = self.number(node)
        if not isinstance(value, int):
            raise self.source.error(node, "an index is an integer, a slice, ... or None")
        return value
