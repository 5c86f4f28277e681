"""The script of one call: plain framework code of what the adapter runs, what it gives, and what it should."""

import ast
import re
from typing import Any

import numpy as np

from ...plan import Cell
from ...reading.elements import Array
from ...reading.text import visible
from .adapter_source import AdapterSource, literal
from .call import Call, Wrong

VJPS = "VJPS"
"""An adapter's functions, by mode, that call an op and give its output and one gradient."""


MARK = re.compile(rb'\A"""\w+ in \w+, \w+, \w+: .* is wrong\.\n')
"""How a script of ours begins: another file is not replaced."""


def script(cell: Cell, wrong: Wrong, call: Call, expected: str, note: str) -> str:
    """The text of the script for this call, cut down or whole."""
    source = AdapterSource(cell.framework.adapter)
    op = _op(source, call)
    alone = call.towards is None and cell.mode not in cell.framework.compiled
    tensors = {call.names[i]: call.args[i] for i in call.tensors} | ({} if alone else _cotangents(call))
    body = [_assigned(name, source, a, call.dtype) for name, a in tensors.items()]
    body.append(ast.Assign([ast.Name("out")], op) if alone else _differentiated(source, cell, call, op))
    body.append(ast.Assign([ast.Name("got")], _got(source, call)))
    body.append(ast.Assign([ast.Name("expected")], ast.Constant(expected)))
    if source.version is not None:
        body.append(_print(ast.Constant(cell.framework.name), source.version))
    body += ast.parse(
        "print('got     ', got)\nprint('expected', expected)\nprint('error   ', float(got) - float(expected))"
    ).body
    return "\n".join([_head(cell, wrong, call, note), *_written(source.needed(body), body), ""])


def printed(output: str) -> str | None:
    """What a script has printed that it got; None where it has not."""
    found = re.search(r"^got +(\S+)$", output, re.MULTILINE)
    return found[1] if found else None


def _head(cell: Cell, wrong: Wrong, call: Call, note: str) -> str:
    """What is wrong, where it comes from, and how it was found to repeat."""
    head = f"{call.op} in {cell.framework.name}, {cell.mode}, {cell.dtype}: {call.result} is wrong."
    lines = [
        visible(line).replace("\\", "\\\\").replace('"', "'")
        for line in (head, "", cell.id, wrong.source, note)
    ]
    return "\n".join(['"""' + lines[0], *lines[1:], '"""', ""])


def _cotangents(call: Call) -> dict[str, Array]:
    """By the names that they have in the script."""
    return {f"g{i}" if call.listed else "g": g for i, g in enumerate(call.cotangents)}


def _assigned(name: str, source: AdapterSource, array: Array, dtype: str) -> ast.stmt:
    a = array.astype(dtype) if array.dtype.kind == "f" else array
    numbers = ast.parse(_typed(a, source.numpy), mode="eval").body
    function = ast.Attribute(ast.Name(source.numpy), "array")
    made = ast.Call(function, [numbers, ast.Constant(a.dtype.name)], [])
    return ast.Assign([ast.Name(name)], source.own("to_native", made))


def _typed(a: Array, numpy: str) -> str:
    """Its elements in as many digits as its dtype needs."""
    if a.ndim:
        return f"[{', '.join(_typed(part, numpy) for part in a)}]" if a.size else repr(a.tolist())
    text = str(a[()])
    return f"{numpy}.{text}" if text in ("nan", "inf") else f"-{numpy}.inf" if text == "-inf" else text


def _op(source: AdapterSource, call: Call) -> ast.expr:
    """The call itself."""
    args = [ast.Name(name) if isinstance(a, np.ndarray) else literal(a) for name, a in call.named]
    kw = {name: literal(_attribute(call.op, value)) for name, value in call.kw.items()}
    return source.call(source.entry("OPS", call.op), args, kw)


def _differentiated(source: AdapterSource, cell: Cell, call: Call, op: ast.expr) -> ast.stmt:
    """The call through the adapter's function of the mode, which gives output and gradient."""
    vjp = source.entry(VJPS, cell.mode)
    inputs = [call.names[i] for i in call.tensors]
    floats = [i for i in call.tensors if call.args[i].dtype.kind == "f"]
    towards = call.tensors.index(floats[0] if call.towards is None else call.towards)
    function = ast.Lambda(ast.arguments([], [ast.arg(n) for n in inputs], None, [], [], None, []), op)
    gs: list[ast.expr] = [ast.Name(name) for name in _cotangents(call)]
    args = [ast.List([ast.Name(n) for n in inputs]), ast.Constant(towards)]
    args.append(ast.List(gs) if call.listed else gs[0])
    target = ast.Tuple([ast.Name("out"), ast.Name("gradient")])
    return ast.Assign([target], ast.Call(vjp, [function, *args], []))


def _got(source: AdapterSource, call: Call) -> ast.expr:
    """The wrong element."""
    result: ast.expr = ast.Name("out" if call.towards is None else "gradient")
    if call.towards is None and call.listed:
        result = ast.Subscript(result, ast.Constant(call.output))
    at = call.where if len(call.where) != 1 else call.where[0]
    return ast.Subscript(source.own("to_numpy", result), literal(at))


def _attribute(op: str, value: Any) -> Any:
    """As the worker gives it: an index is a real one."""
    if op != "index":
        return value
    return tuple(slice(*p) if isinstance(p, tuple) else Ellipsis if p == "..." else p for p in value)


def _print(*values: ast.expr) -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name("print"), list(values), []))


def _written(needed: list[ast.stmt], body: list[ast.stmt]) -> list[str]:
    """Statements as text, with empty lines around functions and before the call itself."""
    lines = []
    for statement in needed:
        text = ast.unparse(ast.fix_missing_locations(statement))
        around = isinstance(statement, ast.FunctionDef | ast.ClassDef)
        lines += ["", text, ""] if around else [text]
    lines += ["", *(ast.unparse(ast.fix_missing_locations(statement)) for statement in body)]
    return [line for i, line in enumerate(lines) if line or lines[i - 1 : i] != [""]]
