"""The script of one call: plain framework code of what the adapter runs, what it gives, and what it should."""

import ast
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...plan import Cell
from ...reading.elements import Array
from ...reading.text import visible
from .adapter_source import AdapterSource, literal
from .call import Call, Steps, Wrong

VJPS, OPTIMIZERS = "VJPS", "OPTIMIZERS"
"""An adapter's functions, by mode, that call an op and give its output and one gradient, and those that begin a training."""
CHECK = """
print('got     ', got)
print('expected', expected)
print('error   ', float(got) - float(expected))
print('allowed ', allowed)
{numpy}.testing.assert_allclose(float(got), float(expected), rtol=0, atol=allowed)
"""
"""How a script ends. What is infinite or NaN is right where it should be that."""


MARK = re.compile(rb'\A"""\w+ in \w+, \w+, \w+: .* is wrong\.\n')
"""How a script of ours begins: another file is not replaced."""


def script(cell: Cell, wrong: Wrong, call: Call | Steps, expected: str, note: str) -> str:
    """The text of the script for this call, cut down or whole. It fails as long as the call is wrong."""
    source = AdapterSource(cell.framework.adapter, cell.framework.sources)
    body = _steps(source, call) if isinstance(call, Steps) else _called(source, cell, call)
    body.append(ast.Assign([ast.Name("expected")], ast.Constant(expected)))
    body.append(ast.Assign([ast.Name("allowed")], literal(wrong.tolerance)))
    if source.version is not None:
        body.append(_print(ast.Constant(cell.framework.name), source.version))
    body += ast.parse(CHECK.format(numpy=source.numpy)).body
    return "\n".join([_head(cell, wrong, call, note), *_written(source.needed(body), body), ""])


def _called(source: AdapterSource, cell: Cell, call: Call) -> list[ast.stmt]:
    """The call, and what it gives in the element."""
    op = _op(source, call)
    smooth = any(call.args[i].dtype.kind == "f" for i in call.tensors)
    alone = call.towards is None and not (smooth and cell.mode in cell.framework.compiled)
    tensors = {call.names[i]: call.args[i] for i in call.tensors} | ({} if alone else _cotangents(call))
    body = [_assigned(name, source, a, call.dtype) for name, a in tensors.items()]
    body.append(ast.Assign([ast.Name("out")], op) if alone else _differentiated(source, cell, call, op))
    return [*body, ast.Assign([ast.Name("got")], _got(source, call))]


def _steps(source: AdapterSource, steps: Steps) -> list[ast.stmt]:
    """All steps of the optimizer, from the first parameter, and the element after the last."""
    begins = source.entry(OPTIMIZERS, steps.op)
    told = source.keywords(begins)
    options = {
        name: literal(list(value) if isinstance(value, tuple) else value)
        for name, value in steps.options.items()
        if told is None or name in told
    }
    first = {name: history[0] for name, history in steps.parameters.items()}
    body: list[ast.stmt] = [
        ast.Assign([ast.Name("parameters")], _by_name(source, first, steps.dtype)),
        ast.Assign([ast.Name("step")], source.call(begins, [ast.Name("parameters")], options)),
    ]
    for now in range(steps.count):
        gradients = {name: history[now] for name, history in steps.gradients.items()}
        taken = ast.Call(ast.Name("step"), [_by_name(source, gradients, steps.dtype)], [])
        body.append(ast.Assign([ast.Name("out")], taken))
    moved = ast.Subscript(ast.Name("out"), ast.Constant(steps.name))
    return [*body, ast.Assign([ast.Name("got")], _element(source, moved, steps.where))]


def _by_name(source: AdapterSource, arrays: Mapping[str, Array], dtype: str) -> ast.expr:
    return ast.Dict(
        [ast.Constant(name) for name in arrays], [_native(source, a, dtype) for a in arrays.values()]
    )


def printed(output: str) -> str | None:
    """What a script has printed that it got; None where it has not."""
    found = re.search(r"^got +(\S+)$", output, re.MULTILINE)
    return found[1] if found else None


def _head(cell: Cell, wrong: Wrong, call: Call | Steps, note: str) -> str:
    """What is wrong, where it comes from, and how it was found to repeat."""
    head = f"{call.op} in {cell.framework.name}, {cell.mode}, {cell.dtype}: {call.result} is wrong."
    lines = [
        visible(line).replace("\\", "\\\\").replace('"', "'")
        for line in (head, "", cell.id, wrong.source, note)
    ]
    return "\n".join(['"""' + lines[0], *lines[1:], '"""', ""])


def _cotangents(call: Call) -> dict[str, Array]:
    """By the names that they have in the script, where an input may be called `g` itself."""
    name = "cotangent" if "g" in call.names else "g"
    return {f"{name}{i}" if call.listed else name: g for i, g in enumerate(call.cotangents)}


def _assigned(name: str, source: AdapterSource, array: Array, dtype: str) -> ast.stmt:
    return ast.Assign([ast.Name(name)], _native(source, array, dtype))


def _native(source: AdapterSource, array: Array, dtype: str) -> ast.expr:
    """An array of the framework's, with its numbers written out."""
    a = array.astype(dtype) if array.dtype.kind == "f" else array
    numbers = ast.parse(_typed(a, source.numpy), mode="eval").body
    function = ast.Attribute(ast.Name(source.numpy), "array")
    made = ast.Call(function, [numbers, ast.Constant(a.dtype.name)], [])
    return source.own("to_native", made)


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
    function = source.entry("OPS", call.op)
    if source.asks(function, "dtype"):
        kw["dtype"] = literal(call.dtype)
    return source.call(function, args, kw)


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
    return _element(source, result, call.where)


def _element(source: AdapterSource, result: ast.expr, where: tuple[int, ...]) -> ast.expr:
    return ast.Subscript(source.own("to_numpy", result), literal(where if len(where) != 1 else where[0]))


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
