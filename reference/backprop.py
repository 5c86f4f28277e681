"""Backpropagation: walk the program forward, then back. The mathematics is in the op table's rows."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .contexts import EXACT, Exact
from .ops import OPS
from .program import Node, Program, ProgramError
from .told import UNTOLD, Untold, use

Array = Any


def forward(
    program: Program, inputs: Mapping[str, Array], c: Exact = EXACT, told: Untold = UNTOLD
) -> dict[str, Array]:
    """The value of every name, as whoever reads it takes it: float64 arrays, or int64 and bool where an input is.

    Raises ProgramError where labels or places are none of what they are for.
    """
    env = dict(inputs)
    for i, node in enumerate(program.nodes):
        if not told.walks(i):
            continue
        c.at(i)
        try:
            out = OPS[node.op].forward(c, *_arguments(c, i, node, env, told), **_attributes(c, i, node))
        except IndexError as error:
            raise ProgramError(f"{node.op}: {error}", node.line, node.column) from None
        outs = told.called(i, out if isinstance(out, tuple) else (out,))
        for name, a in zip(node.outs, outs, strict=True):
            env[name] = told.read(("value", name), a, c)
    return env


def backward(
    program: Program,
    env: Mapping[str, Array],
    cotangents: Mapping[str, Array],
    wanted: Iterable[str],
    c: Exact = EXACT,
    told: Untold = UNTOLD,
) -> dict[str, Array]:
    """The cotangent of every wanted name, given those of the outputs; zero where no path leads to an output."""
    wanted = list(wanted)
    needed = program.descendants(wanted)
    parts = {name: [g] for name, g in cotangents.items()}
    grads: dict[str, Array] = {}

    def complete(name: str) -> Array:
        """The sum of what all uses of a name contribute, once they have: to be asked for after the last of them."""
        if name not in grads:
            terms = parts.pop(name, None)
            total = np.zeros(np.shape(env[name])) if terms is None else _added(terms, c)
            grads[name] = told.read(("gradient", name), total, c)
        return grads[name]

    for i, node in reversed(list(enumerate(program.nodes))):
        if not (told.walks(i) and (parts.keys() & set(node.outs) or told.has_cotangents(node.outs))):
            continue
        gs, outs = tuple(map(complete, node.outs)), told.outputs(i, node, env)
        out, g = (outs[0], gs[0]) if len(outs) == 1 else (outs, gs)
        args, kw = _arguments(c, i, node, env, told), _attributes(c, i, node)
        for k, name in enumerate(node.args):
            if isinstance(name, str) and name in needed:
                c.at((i, k))
                dx = OPS[node.op].vjp(told.formula(i, c), k, out, args, g, kw)
                parts.setdefault(name, []).append(told.read(use(i, k), dx, c))
    return {name: complete(name) for name in wanted}


def _added(terms: Sequence[Array], c: Exact) -> Array:
    """The sum of contributions, in the context's order: nobody prescribes one."""
    return functools.reduce(lambda x, y: c.r(x + y), c.shuffled(terms))


def backprop(
    program: Program,
    inputs: Mapping[str, Array],
    wanted: Iterable[str] | None = None,
    cotangents: Mapping[str, Array] | None = None,
    c: Exact = EXACT,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Values of every name and gradients of the wanted ones (default: the float inputs).

    Without `cotangents` the last assignment must be a scalar; it is differentiated.
    """
    arrays = {name: _as_array(a) for name, a in inputs.items()}
    env = forward(program, arrays, c)
    if cotangents is None:
        last = program.nodes[-1].outs[-1]
        if np.shape(env[last]) != ():
            raise ValueError(
                f"{last} has shape {np.shape(env[last])}: give its cotangent, as in {{{last!r}: array}}"
            )
        cotangents = {last: np.ones(())}
    names = [n for n, a in arrays.items() if a.dtype.kind == "f"] if wanted is None else list(wanted)
    return env, backward(program, env, cotangents, names, c)


def _as_array(a: Array) -> Array:
    """Floats become float64; integers and booleans that stand for labels and masks stay what they are."""
    array = np.asarray(a)
    return array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array


def _arguments(c: Exact, i: int, node: Node, env: Mapping[str, Array], told: Untold) -> tuple[Array, ...]:
    """The arguments of call number `i`, its literals as the context has them."""
    return tuple(
        told.argument(i, k, env[arg]) if isinstance(arg, str) else c.literal(i, arg)
        for k, arg in enumerate(node.args)
    )


def _attributes(c: Exact, i: int, node: Node) -> dict[str, Any]:
    """The attributes of call number `i`: floats are literals, integers are axes and the like."""
    return {key: c.literal(i, value) if isinstance(value, float) else value for key, value in node.kw.items()}
