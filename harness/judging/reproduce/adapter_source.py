"""An adapter's source, and of it what a script of one call needs, as people write it.

Nothing is imported: the texts are read. What is copied is the adapter's own code, so a script runs what a worker runs.
"""

import ast
import copy
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import HarnessError

OURS = "worker", "adapter"
"""The modules of ours that an adapter and its families of ops import."""
NUMPY = "numpy"
REFUSAL = "Unsupported"
"""Raised where the framework cannot say a call; a call that was run has none of it."""

Function = ast.FunctionDef | ast.Lambda


class AdapterSource:
    """What stands at the top of an adapter and of its families of ops, by name."""

    def __init__(self, path: Path, texts: Iterable[str]) -> None:
        self._path = path
        body = [_Plain().visit(node) for text in texts for node in ast.parse(text).body]
        idle: set[str] = set()
        while (
            more := {node.name for node in body if isinstance(node, ast.FunctionDef) and _is_idle(node)}
            - idle
        ):
            idle |= more
            body = [_Plain(idle).visit(node) for node in body]
        self._body = body

    @cached_property
    def _defined(self) -> dict[str, ast.stmt]:
        """Functions, classes and constants, in their order."""
        found: dict[str, ast.stmt] = {}
        for node in self._body:
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Assign([ast.Name(name)]):
                    found[name] = node
        return found

    def entry(self, table: str, key: str) -> ast.expr:
        """What stands in a table. Raises HarnessError where it isn't written out."""
        for node in self._body:
            match node:
                case ast.Assign([ast.Name(name)], ast.Dict(keys, values)) if name == table:
                    named = zip(keys, values, strict=True)
                    for value in (v for k, v in named if isinstance(k, ast.Constant) and k.value == key):
                        return value
        raise HarnessError(
            f'{self._path}: {table} has no "{key}" that is written out, as in {table} = {{"{key}": ...}}: '
            "a script is made of what stands there (docs/adapters.md)"
        )

    def function(self, name: str) -> Function | None:
        """A function that the adapter defines."""
        found = self._defined.get(name)
        return found if isinstance(found, ast.FunctionDef) else None

    def asks(self, function: ast.expr, name: str) -> bool:
        """Whether what is named or written has a keyword of this name."""
        written = self.function(function.id) if isinstance(function, ast.Name) else function
        return isinstance(written, Function) and any(a.arg == name for a in written.args.kwonlyargs)

    def keywords(self, function: ast.expr) -> set[str] | None:
        """The keywords of what is named, or of what the named function gives; None where it takes all."""
        match function:
            case ast.Name(name):
                written = self.function(name)
            case ast.Call(ast.Name(name)):
                maker = self.function(name)
                inner = maker.body if isinstance(maker, ast.FunctionDef) else []
                written = next((node for node in inner if isinstance(node, ast.FunctionDef)), None)
            case _:
                written = None
        if written is None or written.args.kwarg is not None:
            return None
        return {a.arg for a in written.args.kwonlyargs}

    def call(self, function: ast.expr, args: Sequence[ast.expr], kw: Mapping[str, ast.expr]) -> ast.expr:
        """The call of what is named or written; where that is one line of the adapter's, the line itself."""
        match function:
            case ast.Name(name):
                written: ast.expr | Function | None = self.function(name)
            case ast.Subscript(ast.Name(table), ast.Constant(str(key))) if table in self._defined:
                written = function = self.entry(table, key)
            case _:
                written = function
        inlined = self._inlined(written, args, kw) if isinstance(written, Function) else None
        keywords = [ast.keyword(name, value) for name, value in kw.items()]
        return inlined or ast.Call(function, list(args), keywords)

    def _inlined(
        self, function: Function, args: Sequence[ast.expr], kw: Mapping[str, ast.expr]
    ) -> ast.expr | None:
        """The line of a function of one line, for these arguments; None of another, or where it would be a riddle."""
        body = _line(function)
        if body is None:
            return None
        bound = _bound(function.args, args, kw)
        uses = list(_names([body]))
        if any(uses.count(name) > 1 and isinstance(value, ast.Call) for name, value in bound.items()):
            return None
        rest = {} if function.args.kwarg is None else {function.args.kwarg.arg: _others(function.args, kw)}
        return _Substituted(bound, rest, self.call).visit(copy.deepcopy(body))  # type: ignore[no-any-return]

    def own(self, name: str, argument: ast.expr) -> ast.expr:
        """A call of one of the adapter's own functions that every adapter has."""
        return self.call(ast.Name(name), [argument], {})

    @cached_property
    def version(self) -> ast.expr | None:
        """What `about` tells as the version, where it is written out."""
        about = self.function("about")
        tables = [node for node in ast.walk(about) if isinstance(node, ast.Dict)] if about else []
        for table in tables:
            for key, value in zip(table.keys, table.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "version":
                    return value
        return None

    @cached_property
    def numpy(self) -> str:
        """What the adapter calls NumPy."""
        imported = (a for node in self._body if isinstance(node, ast.Import) for a in node.names)
        return next((a.asname or a.name for a in imported if a.name == NUMPY), NUMPY)

    def needed(self, code: Iterable[ast.AST]) -> list[ast.stmt]:
        """Imports, settings and the adapter's own functions and constants without which the code doesn't run."""
        code = list(code)
        names = set(_names(code))
        while (
            more := {n for name in names & set(self._defined) for n in _names([self._defined[name]])} - names
        ):
            names |= more
        kept = [node for node in self._body if self._sets(node) or self._defines(node, names)]
        names |= set(_names(kept))
        found = [node if node in kept else _pruned(node, names) for node in self._body]
        needed = {ast.unparse(node): node for node in found if node}  # several texts import the same
        imports = [node for node in needed.values() if isinstance(node, ast.Import | ast.ImportFrom)]
        if not any(alias.name == NUMPY for i in imports for alias in i.names):
            return [ast.Import([ast.alias(NUMPY)]), *needed.values()]
        return list(needed.values())

    def _sets(self, node: ast.stmt) -> bool:
        """Whether a statement sets something up: a call that reads nothing of the adapter's own."""
        return (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            and not set(_names([node])) & set(self._defined)
        )  # fmt: skip

    def _defines(self, node: ast.stmt, names: set[str]) -> bool:
        return any(self._defined[name] is node for name in names & set(self._defined))


def literal(value: Any) -> ast.expr:
    """A number, word, tuple or slice as it is typed."""
    text = f"float('{value}')" if value in (float("inf"), -float("inf")) else repr(value)
    return ast.parse(text, mode="eval").body


def _names(code: Iterable[ast.AST]) -> Iterator[str]:
    return (node.id for tree in code for node in ast.walk(tree) if isinstance(node, ast.Name))


def _pruned(node: ast.stmt, names: set[str]) -> ast.Import | ast.ImportFrom | None:
    """The import, with those of its names that are used."""
    if not isinstance(node, ast.Import | ast.ImportFrom) or getattr(node, "module", None) in OURS:
        return None
    used = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in names]
    if not used:
        return None
    kept = copy.copy(node)
    kept.names = used
    return kept


def _is_idle(function: ast.FunctionDef) -> bool:
    """Whether nothing of it is left: all that it did was to refuse."""
    return isinstance(function.body[0], ast.Pass)


class _Plain(ast.NodeTransformer):
    """Code without annotations, docstrings and refusals of what the framework cannot say, nor calls of what does nothing but refuse."""

    def __init__(self, idle: Container[str] = ()) -> None:
        self._idle = idle

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        match node.value:
            case ast.Call(ast.Name(name)) if name in self._idle:
                return None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        if len(node.body) > 1 and ast.get_docstring(node) is not None:
            del node.body[0]
        node.body = node.body or [ast.Pass()]  # of a function that does nothing but refuse
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        return node if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST | None:
        match node.exc:
            case ast.Call(func=ast.Name(name)) if name == REFUSAL:
                return None
        return node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        self.generic_visit(node)
        return self._left(node)

    def visit_For(self, node: ast.For) -> ast.AST | None:
        self.generic_visit(node)
        return self._left(node)

    def _left(self, node: ast.If | ast.For) -> ast.AST | None:
        """The statement, if something of it is left: what it did may have been to refuse."""
        if not node.body and not node.orelse:
            return None
        node.body = node.body or [ast.Pass()]
        return node


# One line of the adapter's, with the call's own arguments


def _line(function: Function) -> ast.expr | None:
    """What a function of one line gives; None of another, or of a line with names of its own."""
    match function:
        case ast.Lambda(body=ast.expr() as body):
            pass
        case ast.FunctionDef(body=[ast.Return(value=ast.expr() as body)], decorator_list=[]):
            pass
        case _:
            return None
    scopes = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr)
    return None if any(isinstance(node, scopes) for node in ast.walk(body)) else body


def _bound(
    parameters: ast.arguments, args: Sequence[ast.expr], kw: Mapping[str, ast.expr]
) -> dict[str, ast.expr]:
    names = [p.arg for p in (*parameters.posonlyargs, *parameters.args)]
    defaults = zip(reversed(names), reversed(parameters.defaults), strict=False)
    optional = zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)
    found = dict(defaults) | {p.arg: value for p, value in optional if value is not None}
    found |= dict(zip(names, args, strict=False)) | dict(kw)
    if parameters.vararg:
        found[parameters.vararg.arg] = ast.Tuple(list(args[len(names) :]), ast.Load())
    return found


def _others(parameters: ast.arguments, kw: Mapping[str, ast.expr]) -> list[ast.keyword]:
    """The keywords that no parameter takes by its name."""
    named = {p.arg for p in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)}
    return [ast.keyword(name, value) for name, value in kw.items() if name not in named]


class _Substituted(ast.NodeTransformer):
    """Parameters replaced by arguments, and choices made that these decide; `rest` has keywords in place of `**name`."""

    def __init__(
        self,
        bound: Mapping[str, ast.expr],
        rest: Mapping[str, list[ast.keyword]],
        call: Callable[..., ast.expr],
    ) -> None:
        self._bound, self._rest, self._call = bound, rest, call

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self._bound.get(node.id, node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """An entry of a table of the adapter's, `REDUCE[reduction]`, is what is called."""
        node.keywords = [given for keyword in node.keywords for given in self._given(keyword)]
        self.generic_visit(node)
        if isinstance(node.func, ast.Subscript) and not node.keywords:
            return self._call(node.func, node.args, {})
        return node

    def _given(self, keyword: ast.keyword) -> list[ast.keyword]:
        match keyword:
            case ast.keyword(None, ast.Name(name)) if name in self._rest:
                return copy.deepcopy(self._rest[name])
        return [keyword]

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        match node.test:
            case ast.Compare(ast.Constant(left), [ast.Is() | ast.Eq() as how], [ast.Constant(right)]):
                same = left is right if isinstance(how, ast.Is) else left == right
                return node.body if same else node.orelse
        return node
