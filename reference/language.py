"""The language of case files: straight-line programs that read like the mathematics on paper.

A program comes from a stranger's file, so Python's own parser reads it and nothing ever executes it: every syntax
node that is not listed here is an error with its line and column. Nested expressions are flattened to static single
assignment: `w = C @ (u + v)` becomes the nodes `w.1 = add(u, v)` and `w = matmul(C, w.1)`.
"""

import ast
import itertools
import math
import warnings
from collections.abc import Callable, Collection, Hashable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from .names import nearest
from .ops import OPS
from .program import Node, Number, Program, ProgramError, lines_of

CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi}
BINARY = {
    ast.Add: ("add", "+"),
    ast.Sub: ("sub", "-"),
    ast.Mult: ("mul", "*"),
    ast.Div: ("div", "/"),
    ast.MatMult: ("matmul", "@"),
    ast.Pow: ("pow", "**"),
}
FOLD: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: x / y,
    ast.FloorDiv: lambda x, y: x // y,
    ast.Pow: lambda x, y: float(x) ** float(y),
}
LEAVES = (ast.Name, ast.Constant, ast.operator, ast.unaryop)
MAX_TEXT = 100_000
MAX_NODES = 10_000
MAX_DEPTH = 100
"""Levels of the syntax tree: far below what Python's own stack holds, so that it never depends on the caller's."""
MAX_NAME = 200
MAX_INTEGER = 2**53
EMPTY = "the program is empty; it needs at least one assignment, such as `y = A @ x`"


@lru_cache(maxsize=8)
def syntax(text: str) -> ast.Module:
    """The program's syntax tree. Raises ProgramError."""
    if len(text) > MAX_TEXT:
        raise ProgramError(f"the program has {len(text)} characters; at most {MAX_TEXT} are allowed")
    try:
        # Python warns of `1if`, which is an error here; and to quote a wrong line it opens a file of the name given.
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text, "")
    except SyntaxError as error:
        raise ProgramError(f"cannot be read: {error.msg}", error.lineno or 1, error.offset or 1) from None
    except (RecursionError, MemoryError):
        raise ProgramError(f"nested too deeply; at most {MAX_DEPTH} levels are allowed") from None
    except ValueError as error:
        raise ProgramError(f"cannot be read: {error}") from None


class _Values:
    """Reads the parts of a program that are values: numbers, attributes, indices, and what stands for them."""

    text: str
    bindings: Mapping[str, Any]
    numbers: dict[ast.expr, Number | None]

    def error(self, node: ast.AST, message: str, unknown: str = "") -> ProgramError:
        line = getattr(node, "lineno", 1)
        prefix = self.lines[line - 1].encode()[: getattr(node, "col_offset", 0)]
        return ProgramError(message, line, len(prefix.decode(errors="replace")) + 1, unknown)

    @cached_property
    def lines(self) -> list[str]:
        return lines_of(self.text)

    def placeholder(self, node: ast.expr) -> Any:
        """What `{name}` stands for, or None where the expression is no placeholder."""
        if not isinstance(node, ast.Set):
            return None
        if len(node.elts) != 1 or not isinstance(node.elts[0], ast.Name):
            raise self.error(node, "a placeholder is one name in braces, such as {activation}")
        name = node.elts[0].id
        if name not in self.bindings:
            hint = nearest(name, self.bindings)
            message = f'the placeholder "{name}" is bound neither in [sweep] nor in [sizes]{hint}'
            raise self.error(node, message, name)
        return self.bindings[name]

    def number(self, node: ast.expr) -> Number | None:
        """The value of an expression made of numbers, constants and sizes alone; None for any other."""
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
                    raise self.error(node, "this number is beyond what a float64 holds; infinity is inf")
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
        return None

    def fold(self, node: ast.expr, op: type, x: Number, y: Number) -> Number:
        try:
            value = FOLD[op](x, y)
        except (ZeroDivisionError, OverflowError) as error:
            raise self.error(node, f"this number cannot be worked out: {error}") from None
        if isinstance(value, complex):
            raise self.error(node, "this number is not real")
        return self.bounded(node, value)

    def bounded(self, node: ast.expr, value: Number) -> Number:
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise self.error(node, "this integer is beyond 2**53")
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
        raise self.error(
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
            raise self.error(node, "an index is an integer, a slice, ... or None")
        return value


class _Statements(_Values):
    """Reads assignments and the op calls in them."""

    tensors: Collection[str] | None
    assigned: dict[str, int]

    @cached_property
    def assigned_anywhere(self) -> dict[str, int]:
        """Every name that the text assigns, with its line."""
        return _assigned_names(syntax(self.text))

    def statement(self, statement: ast.Assign, target: ast.expr) -> list[Node]:
        if not isinstance(target, ast.Tuple):
            return self.assign(statement, [target], statement.value)
        if not isinstance(statement.value, ast.Tuple):
            return self.assign(statement, target.elts, statement.value)
        if len(target.elts) != len(statement.value.elts):
            found = f"{len(target.elts)} names on the left, {len(statement.value.elts)} values on the right"
            raise self.error(statement, found)
        return self.parallel(statement, target.elts, statement.value.elts)

    def parallel(self, statement: ast.Assign, targets: list[ast.expr], values: list[ast.expr]) -> list[Node]:
        """`a, b = x, y`: as in Python, the right side does not see the names on the left."""
        result, after = [], dict[str, int]()
        for target, value in zip(targets, values, strict=True):
            result += self.assign(statement, [target], value)
            name = result[-1].outs[0]
            if name in after:
                raise self.error(target, f'"{name}" is assigned twice in one statement')
            after[name] = self.assigned.pop(name)
        self.assigned.update(after)
        return result

    def assign(self, statement: ast.Assign, targets: list[ast.expr], value: ast.expr) -> list[Node]:
        outs = [self.target(target) for target in targets]
        if len(set(outs)) != len(outs):
            raise self.error(statement, "a name is assigned twice in one statement")
        self.pending: list[Node] = []
        self.unnamed = (f"{outs[0]}.{k}" for k in itertools.count(1))
        op, args, kw = self.call(value)
        line, column = statement.lineno, value.col_offset + 1
        self.assigned.update(dict.fromkeys(outs, line))
        return [*self.pending, Node(tuple(outs), op, args, kw, line, column)]

    def target(self, target: ast.expr) -> str:
        if not isinstance(target, ast.Name):
            raise self.error(target, "only names can be assigned")
        name = target.id
        if len(name) > MAX_NAME:
            raise self.error(
                target, f"a name may have at most {MAX_NAME} characters, this one has {len(name)}"
            )
        kinds = ((self.bindings, "a size or placeholder"), (OPS, "an op"), (CONSTANTS, "a constant"))
        for names, what in ((self.tensors or (), "a tensor"), *kinds):
            if name in names:
                raise self.error(target, f'"{name}" cannot be assigned: it is the name of {what}')
        if name in self.assigned:
            message = f'"{name}" is assigned twice; it was assigned on line {self.assigned[name]}'
            raise self.error(target, f"{message}. A name is assigned once")
        return name

    def call(self, value: ast.expr) -> tuple[str, tuple[str | Number, ...], dict[str, Any]]:
        """The op, arguments and attributes of an expression; calls nested inside it become pending nodes."""
        if (number := self.number(value)) is not None:
            raise self.error(value, f"{number!r} alone is no op call; write the number where it is used")
        match value:
            case ast.Call():
                return self.op_call(value)
            case ast.BinOp(left, op, right) if type(op) in BINARY:
                return BINARY[type(op)][0], self.arguments([left, right]), {}
            case ast.BinOp():
                raise self.error(
                    value, f"operator not allowed; allowed are {' '.join(s for _, s in BINARY.values())}"
                )
            case ast.UnaryOp(ast.USub(), operand):
                return "neg", self.arguments([operand]), {}
            case ast.Attribute(operand, "T"):
                return "transpose", self.arguments([operand]), {"axes": (1, 0)}
            case ast.Attribute():
                raise self.error(value, f'".{value.attr}" is not allowed; the only attribute is ".T"')
            case ast.Subscript(operand, index):
                return "index", self.arguments([operand]), {"index": self.index(index)}
            case ast.Name():
                raise self.error(
                    value, f'"{value.id}" alone is no op call; use the name itself where it is needed'
                )
        raise self.error(
            value,
            f"{type(value).__name__.lower()} is not allowed; a program has assignments, op calls, operators + - * / @ **, .T and indexing",
        )

    def op_call(self, call: ast.Call) -> tuple[str, tuple[str | Number, ...], dict[str, Any]]:
        op = self.op_name(call.func)
        row = OPS[op]
        kw = {**row.defaults}
        for keyword in call.keywords:
            if keyword.arg not in row.attributes:
                allowed = ", ".join(row.attributes) or "none"
                hint = nearest(str(keyword.arg), row.attributes)
                raise self.error(keyword, f'{op} has no attribute "{keyword.arg}"; it has: {allowed}{hint}')
            kw[keyword.arg] = self.literal(keyword.value)
        for name in row.attributes:
            if name not in kw:
                raise self.error(call, f'{op} needs the attribute "{name}"')
        if not row.accepts(len(call.args)):
            raise self.error(
                call,
                f"{op} takes {row.takes} by position, not {len(call.args)}; attributes are given by name",
            )
        return op, self.arguments(call.args), kw

    def op_name(self, func: ast.expr) -> str:
        placeholder = self.placeholder(func)
        if placeholder is None and not isinstance(func, ast.Name):
            raise self.error(func, "only ops can be called, by their name")
        name = str(placeholder) if placeholder is not None else func.id  # type: ignore[attr-defined]
        if name not in OPS:
            raise self.error(
                func, f'unknown op "{name}"{nearest(name, OPS) or "; the ops are: " + " ".join(OPS)}'
            )
        return name

    def arguments(self, values: list[ast.expr]) -> tuple[str | Number, ...]:
        return tuple([self.argument(value) for value in values])

    def argument(self, value: ast.expr) -> str | Number:
        if (number := self.number(value)) is not None:
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
        if (line := self.assigned_anywhere.get(name)) is not None:
            raise self.error(node, f'"{name}" is used before it is assigned on line {line}', name)
        if name in OPS:
            raise self.error(node, f'"{name}" is an op; call it, as in {name}(x)')
        if self.tensors is not None:
            known = [*self.tensors, *self.assigned]
            hint = nearest(name, known) or f"; known here: {' '.join(known)}"
            raise self.error(node, f'unknown name "{name}"{hint}', name)
        return name


class Reader(_Statements):
    """Reads one text, with one set of bindings after the other: always the same names, with other values.

    A statement that mentions none of the names whose values differ is read once.
    """

    def __init__(self, text: str, tensors: Collection[str] | None) -> None:
        self.text, self.tensors = text, tensors
        self.statements = syntax(text).body
        if not self.statements:
            raise ProgramError(EMPTY)
        self.mentioned = [_names_in(statement) for statement in self.statements]
        self.known: dict[Hashable, list[Node]] = {}

    @property
    def names(self) -> set[str]:
        """Every name in the text."""
        return set[str]().union(*self.mentioned)

    def program(self, bindings: Mapping[str, Any]) -> Program:
        """The program with these bindings. Raises ProgramError."""
        program = self.program_of(bindings, self.nodes)
        if not program.nodes:
            raise ProgramError(EMPTY)
        return program

    def program_of(
        self, bindings: Mapping[str, Any], nodes_of: Callable[[ast.stmt, set[str]], list[Node]]
    ) -> Program:
        """The op calls that `nodes_of` gives for each statement and the names in it."""
        self.bindings = bindings
        self.assigned = {}
        self.numbers = {}
        nodes: list[Node] = []
        for statement, names in zip(self.statements, self.mentioned, strict=True):
            nodes += nodes_of(statement, names)
            if len(nodes) > MAX_NODES:
                raise self.error(statement, f"a program may have at most {MAX_NODES} op calls")
        return Program(tuple(nodes), self.text)

    def nodes(self, statement: ast.stmt, names: set[str]) -> list[Node]:
        key = statement, *[repr(value) for name, value in self.bindings.items() if name in names]
        if key not in self.known:
            if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
                raise self.error(statement, "only assignments such as `y = A @ x` are allowed here")
            self.known[key] = self.statement(statement, statement.targets[0])
        else:
            outs = [name for node in self.known[key] for name in node.outs]
            self.assigned.update({name: statement.lineno for name in outs if name.isidentifier()})
        return self.known[key]

    def partial(
        self, bindings: Mapping[str, Any], tell: Callable[[ProgramError], None], doubtful: Collection[str]
    ) -> tuple[Program, set[str], set[str]]:
        """The program without its statements that are mistakes, each of which is told, or that mention `doubtful` names.

        Also every name in what is left out, and those that it would have assigned.
        """
        left, vague = set[str](), set[str]()

        def nodes(statement: ast.stmt, names: set[str]) -> list[Node]:
            if names.isdisjoint(doubtful):
                try:
                    return self.nodes(statement, names)
                except ProgramError as error:
                    tell(error)
            stored = _stored_in(statement)
            left.update(names)
            vague.update(stored)
            self.assigned.update({name: statement.lineno for name in stored if name not in self.assigned})
            return []

        program = self.program_of(bindings, nodes)
        if not (program.nodes or left):
            tell(ProgramError(EMPTY))
        return program, left, vague


def _names_in(statement: ast.stmt) -> set[str]:
    """Every name in a statement. Raises ProgramError where it is too deep for the walks over it that call themselves."""
    names, level = set[str](), list[ast.AST]([statement])
    for _ in range(MAX_DEPTH):
        names.update([node.id for node in level if isinstance(node, ast.Name)])
        level = [
            part for node in level if not isinstance(node, LEAVES) for part in ast.iter_child_nodes(node)
        ]
        if not level:
            return names
    line = statement.lineno
    raise ProgramError(f"nested too deeply; at most {MAX_DEPTH} levels are allowed", line, 1)


def _stored_in(statement: ast.stmt) -> set[str]:
    """The names that a statement assigns, whatever statement it is."""
    names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _assigned_names(tree: ast.Module) -> dict[str, int]:
    targets = (t for s in tree.body if isinstance(s, ast.Assign) for t in s.targets)
    names = (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
    return {name.id: name.lineno for name in names}


def parse(
    text: str, bindings: Mapping[str, Any] | None = None, tensors: Collection[str] | None = None
) -> Program:
    """Read a program.

    `bindings` gives sizes their integers and placeholders their values. `tensors` are the names that may be read
    without being assigned; None lets every unassigned name be an input.
    Raises ProgramError with the place, what was found, what is allowed and the nearest name.
    """
    return Reader(text, tensors).program(bindings or {})
