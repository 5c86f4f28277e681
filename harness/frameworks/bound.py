"""The names that a file of somebody's own binds, read without running it: which cases it can answer."""

import ast
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from ..errors import HarnessError
from ..reading.text import display
from .found import Framework, source_of

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


NAMED = 5
"""Functions that a message names."""


def fits_none(column: Framework, cases: Collection[str]) -> str:
    """What is said of a subject that has no function for any of these cases; empty where it has one, or nobody can tell."""
    assert column.subject is not None
    subject, bound = column.subject, names_bound(column)
    wanted = {case.rpartition("/")[2]: case for case in cases}
    if bound is None or not wanted.keys().isdisjoint(bound):
        return ""
    near = {name: close[0] for name in bound if (close := get_close_matches(name, wanted, n=1))}
    meant = [f"{name}: did you mean {close}, for {wanted[close]}?" for name, close in near.items()]
    first, case = next(iter(wanted.items()))
    has = f"it has {', '.join(bound[:NAMED])}{' ...' * (len(bound) > NAMED)}" if bound else "it has none"
    count = f"any of the {len(set(cases))} cases selected" if len(set(cases)) > 1 else case
    rule = f"a case is answered by a function called like the last part of its name: {case} by {first}"
    return "\n".join([f"{display(subject)}: has no function for {count}; {has}", *meant[:NAMED], rule])


def names_bound(column: Framework) -> list[str] | None:
    """What may be called by its name in a file, or in the chosen cells: functions and classes first, then what is imported or assigned.

    None where reading doesn't say: names that come by `import *` or a `__getattr__`, and what is no Python.
    """
    try:
        tree = ast.parse(_source(column))
    except (HarnessError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes = list(_at_the_top(tree))
    functions = [node.name for node in nodes if isinstance(node, _SCOPES[:3])]
    aliases = [alias for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    imported = [alias.asname or alias.name for alias in aliases]
    assigned = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    if {"*", "__getattr__"} & {*imported, *functions}:
        return None
    return list(dict.fromkeys([*functions, *imported, *assigned]))


def _source(column: Framework) -> str:
    """The file's text, or that of the chosen cells without their magics."""
    if column.notebook is None:
        assert column.subject is not None
        return source_of(column.subject)
    chosen = column.notebook.cells[column.notebook.first - 1 : column.notebook.last]
    lines = (line for cell in chosen for line in cell.splitlines())
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def _at_the_top(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that is run in the module's own scope, also below `if` and `try`."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _at_the_top(child)
