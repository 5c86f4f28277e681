"""The language of case files: straight-line programs that read like the mathematics on paper.

A program comes from a stranger's file, so Python's own parser reads it and nothing ever executes it: every syntax
node that is not listed here is an error with its line and column. Nested expressions are flattened to static single
assignment: `w = C @ (u + v)` becomes the nodes `w.1 = add(u, v)` and `w = matmul(C, w.1)`.
"""

import ast
import warnings
from collections.abc import Callable, Collection, Hashable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from .constants import CONSTANTS, Constants, Source
from .expressions import Expressions
from .program import Node, Program, ProgramError

LEAVES = (ast.Name, ast.Constant, ast.operator, ast.unaryop)
MAX_TEXT = 400_000
MAX_NODES = 10_000
MAX_DEPTH = 100
"""Levels of the syntax tree: far below what Python's own stack holds, so that it never depends on the caller's."""
MAX_NAME = 200
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


class Reader:
    """Reads one text, with one set of bindings after the other: always the same names, with other values.

    A statement that mentions none of the names whose values differ is read once.
    """

    def __init__(self, text: str, tensors: Collection[str] | None) -> None:
        self.source, self.tensors = Source(text), tensors
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
        self.assigned: dict[str, int] = {}
        constants = Constants(self.source, bindings)
        self.expressions = Expressions(
            self.source, constants, self.tensors, self.assigned, self.assigned_anywhere
        )
        nodes: list[Node] = []
        for statement, names in zip(self.statements, self.mentioned, strict=True):
            nodes += nodes_of(statement, names)
            if len(nodes) > MAX_NODES:
                raise self.source.error(statement, f"a program may have at most {MAX_NODES} op calls")
        return Program(tuple(nodes), self.source.text)

    def nodes(self, statement: ast.stmt, names: set[str]) -> list[Node]:
        key = statement, *[repr(value) for name, value in self.bindings.items() if name in names]
        if key not in self.known:
            if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
                raise self.source.error(statement, "only assignments such as `y = A @ x` are allowed here")
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

    @cached_property
    def assigned_anywhere(self) -> dict[str, int]:
        """Every name that the text assigns, with its line."""
        return _assigned_names(syntax(self.source.text))

    def statement(self, statement: ast.Assign, target: ast.expr) -> list[Node]:
        if not isinstance(target, ast.Tuple):
            return self.assign(statement, [target], statement.value)
        if not isinstance(statement.value, ast.Tuple):
            return self.assign(statement, target.elts, statement.value)
        if len(target.elts) != len(statement.value.elts):
            found = f"{len(target.elts)} names on the left, {len(statement.value.elts)} values on the right"
            raise self.source.error(statement, found)
        return self.parallel(statement, target.elts, statement.value.elts)

    def parallel(self, statement: ast.Assign, targets: list[ast.expr], values: list[ast.expr]) -> list[Node]:
        """`a, b = x, y`: as in Python, the right side does not see the names on the left."""
        result, after = [], dict[str, int]()
        for target, value in zip(targets, values, strict=True):
            result += self.assign(statement, [target], value)
            name = result[-1].outs[0]
            if name in after:
                raise self.source.error(target, f'"{name}" is assigned twice in one statement')
            after[name] = self.assigned.pop(name)
        self.assigned.update(after)
        return result

    def assign(self, statement: ast.Assign, targets: list[ast.expr], value: ast.expr) -> list[Node]:
        outs = [self.target(target) for target in targets]
        if len(set(outs)) != len(outs):
            raise self.source.error(statement, "a name is assigned twice in one statement")
        nodes = self.expressions.nodes(outs, value, statement.lineno)
        self.assigned.update(dict.fromkeys(outs, statement.lineno))
        return nodes

    def target(self, target: ast.expr) -> str:
        if not isinstance(target, ast.Name):
            raise self.source.error(target, "only names can be assigned")
        name = target.id
        if len(name) > MAX_NAME:
            raise self.source.error(
                target, f"a name may have at most {MAX_NAME} characters, this one has {len(name)}"
            )
        kinds = ((self.bindings, "a size or placeholder"), (CONSTANTS, "a constant"))
        for names, what in ((self.tensors or (), "a tensor"), *kinds):
            if name in names:
                raise self.source.error(target, f'"{name}" cannot be assigned: it is the name of {what}')
        if name in self.assigned:
            message = f'"{name}" is assigned twice; it was assigned on line {self.assigned[name]}'
            raise self.source.error(target, f"{message}. A name is assigned once")
        return name


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
