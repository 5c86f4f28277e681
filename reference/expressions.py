"""The expressions of a program, flattened to op calls: those nested inside another get names of their own."""

import ast
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .constants import Constants, Source
from .names import nearest
from .ops import OPS
from .program import Node, Number, ProgramError
from .spellings import ATTRIBUTES, called_elsewhere, unknown_op

BINARY = {
    ast.Add: ("add", "+"),
    ast.Sub: ("sub", "-"),
    ast.Mult: ("mul", "*"),
    ast.Div: ("div", "/"),
    ast.MatMult: ("matmul", "@"),
    ast.Pow: ("pow", "**"),
    ast.BitAnd: ("logical_and", "&"),
    ast.BitOr: ("logical_or", "|"),
}
UNARY = {ast.USub: "neg", ast.Invert: "logical_not"}
COMPARISONS = {
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}

NO_BRANCH = (
    "a condition is not allowed: a program does the same whatever its numbers are; relu, abs and maximum turn by"
    " themselves, where(x > 0, x, y) chooses element by element"
)
ONE_COMPARISON = "a comparison has two sides and one of > >= < <= == !=; join two as (x > 0) & (y > 0)"


class Expressions:
    """Reads expressions that may name `tensors` (None: whatever is never assigned) and what is `assigned` so far.

    `later` is every name that the text assigns, with its line.
    """

    def __init__(
        self,
        source: Source,
        constants: Constants,
        tensors: Collection[str] | None,
        assigned: Mapping[str, int],
        later: Mapping[str, int],
    ) -> None:
        self.source, self.constants = source, constants
        self.tensors, self.assigned, self.later = tensors, assigned, later

    def nodes(self, outs: Sequence[str], value: ast.expr, line: int) -> list[Node]:
        """The op calls of an assignment, those nested inside it before it."""
        self.pending: list[Node] = []
        self.unnamed = (f"{outs[0]}.{k}" for k in itertools.count(1))
        op, args, kw = self.call(value)
        return [*self.pending, Node(tuple(outs), op, args, kw, line, value.col_offset + 1)]

    def call(self, value: ast.expr) -> tuple[str, tuple[str | Number, ...], dict[str, Any]]:
        """The op, arguments and attributes of an expression; calls nested inside it become pending nodes."""
        if (number := self.constants.number(value)) is not None:
            raise self.source.error(
                value, f"{number!r} alone is no op call; write the number where it is used"
            )
        match value:
            case ast.Call():
                return self.op_call(value)
            case ast.BinOp(left, op, right) if type(op) in BINARY:
                return BINARY[type(op)][0], self.arguments([left, right]), {}
            case ast.BinOp(_, op, _):
                power = "; a power is **" * isinstance(op, ast.BitXor)
                raise self.source.error(
                    value,
                    f"operator not allowed; allowed are {' '.join(s for _, s in BINARY.values())}{power}",
                )
            case ast.Compare(left, [op], [right]) if type(op) in COMPARISONS:
                return COMPARISONS[type(op)], self.arguments([left, right]), {}
            case ast.Compare():
                raise self.source.error(value, ONE_COMPARISON)
            case ast.IfExp() | ast.BoolOp() | ast.UnaryOp(ast.Not()):
                raise self.source.error(value, NO_BRANCH)
            case ast.UnaryOp(op, operand) if type(op) in UNARY:
                return UNARY[type(op)], self.arguments([operand]), {}
            case ast.Attribute(operand, "T"):
                return "transpose", self.arguments([operand]), {"axes": (1, 0)}
            case ast.Attribute():
                raise self.source.error(value, f'".{value.attr}" is not allowed; the only attribute is ".T"')
            case ast.Subscript(operand, index):
                return "index", self.arguments([operand]), {"index": self.constants.index(index)}
            case ast.Name():
                raise self.source.error(
                    value, f'"{value.id}" alone is no op call; use the name itself where it is needed'
                )
            case ast.Set():
                raise self.misplaced(value)
        raise self.source.error(
            value,
            f"{type(value).__name__.lower()} is not allowed; a program has assignments, op calls, operators + - * / @ **, .T and indexing",
        )

    def misplaced(self, value: ast.Set) -> ProgramError:
        """A placeholder of a word where a tensor or a number has to stand."""
        found = self.constants.placeholder(value)
        stands = f"a placeholder stands here for {found!r}"
        allowed = (
            "an op's name, as in {f}(x), an attribute's value, or a name in output, values and gradients"
        )
        return self.source.error(
            value, f"{stands}; a swept word may be {allowed}; a tensor stands in a program by its own name"
        )

    def op_call(self, call: ast.Call) -> tuple[str, tuple[str | Number, ...], dict[str, Any]]:
        op = self.op_name(call.func)
        row = OPS[op]
        kw = {**row.defaults}
        for keyword in call.keywords:
            if keyword.arg not in row.attributes:
                allowed = ", ".join(row.attributes) or "none"
                ours = ATTRIBUTES.get(str(keyword.arg))
                known = ours in row.attributes
                hint = f"; write {ours}" if known else nearest(str(keyword.arg), row.attributes)
                raise self.source.error(
                    keyword, f'{op} has no attribute "{keyword.arg}"; it has: {allowed}{hint}'
                )
            kw[keyword.arg] = self.constants.literal(keyword.value)
        for name in row.attributes:
            if name not in kw:
                raise self.source.error(call, f'{op} needs the attribute "{name}"')
        if not row.accepts(len(call.args)):
            raise self.source.error(
                call,
                f"{op} takes {row.takes} by position, not {len(call.args)}; attributes are given by name",
            )
        return op, self.arguments(call.args), kw

    def op_name(self, func: ast.expr) -> str:
        placeholder = self.constants.placeholder(func)
        if placeholder is None and not isinstance(func, ast.Name):
            known = called_elsewhere(func.attr) if isinstance(func, ast.Attribute) else ""
            raise self.source.error(func, f"only ops can be called, by their name{'; ' * bool(known)}{known}")
        name = str(placeholder) if placeholder is not None else func.id  # type: ignore[attr-defined]
        if name not in OPS:
            raise self.source.error(func, unknown_op(name))
        return name

    def arguments(self, values: list[ast.expr]) -> tuple[str | Number, ...]:
        return tuple([self.argument(value) for value in values])

    def argument(self, value: ast.expr) -> str | Number:
        if (number := self.constants.number(value)) is not None:
            return number
        if isinstance(value, ast.Name):
            return self.read(value)
        op, args, kw = self.call(value)
        name = next(self.unnamed)
        self.pending.append(Node((name,), op, args, kw, value.lineno, value.col_offset + 1))
        return name

    def read(self, node: ast.Name) -> str:
        name = node.id
        if name in self.assigned or (self.tensors is not None and name in self.tensors):
            return name
        if (line := self.later.get(name)) is not None:
            raise self.source.error(node, f'"{name}" is used before it is assigned on line {line}', name)
        if name in OPS:
            raise self.source.error(node, f'"{name}" is an op; call it, as in {name}(x)')
        if self.tensors is not None:
            known = [*self.tensors, *self.assigned]
            hint = nearest(name, known) or f"; known here: {' '.join(known)}"
            raise self.source.error(node, f'unknown name "{name}"{hint}', name)
        return name
