"""Backpropagation: walk the program forward, then back. The mathematics is in the op table's rows."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .contexts import EXACT, Exact
from .ops import OPS
from .program import Node, Program

Array = Any


def forward(program: Program, inputs: Mapping[str, Array], c: Exact = EXACT) -> dict[str, Array]:
    """The value of every name: float64 arrays, or int64 and bool where an input is."""
    env = dict(inputs)
    for i, node in enumerate(program.nodes):
        c.at(i)
        out = OPS[node.op].forward(c, *_arguments(c, i, node, env), **_attributes(c, i, node))
        env.update(zip(node.outs, out if isinstance(out, tuple) else (out,), strict=True))
    return env


def backward(
    program: Program,
    env: Mapping[str, Array],
    cotangents: Mapping[str, Array],
    wanted: Iterable[str],
    c: Exact = EXACT,
) -> dict[str, Array]:
    """The cotangent of every wanted name, given those of the outputs; zero where no path leads to an output."""
    needed = program.descendants(wanted)
    grads = dict(cotangents)
    for i, node in reversed(list(enumerate(program.nodes))):
        if not grads.keys() & set(node.outs):
            continue
        outs = tuple(env[name] for name in node.outs)
        gs = tuple(_or_zero(grads, env, name) for name in node.outs)
        out, g = (outs[0], gs[0]) if len(outs) == 1 else (outs, gs)
        args, kw = _arguments(c, i, node, env), _attributes(c, i, node)
        for k, name in enumerate(node.args):
            if isinstance(name, str) and name in needed:
                c.at((i, k))
                dx = OPS[node.op].vjp(c, k, out, args, g, kw)
                grads[name] = c.r(grads[name] + dx) if name in grads else dx
    return {name: _or_zero(grads, env, name) for name in wanted}


def _or_zero(grads: Mapping[str, Array], env: Mapping[str, Array], name: str) -> Array:
    """The cotangent of a name; zero where no path leads from it to an output."""
    return grads[name] if name in grads else np.zeros(np.shape(env[name]))


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


def _arguments(c: Exact, i: int, node: Node, env: Mapping[str, Array]) -> tuple[Array, ...]:
    """The arguments of call number `i`, its literals as the context has them."""
    return tuple(env[arg] if isinstance(arg, str) else c.literal(i, arg) for arg in node.args)


def _attributes(c: Exact, i: int, node: Node) -> dict[str, Any]:
    """The attributes of call number `i`: floats are literals, integers are axes and the like."""
    return {key: c.literal(i, value) if isinstance(value, float) else value for key, value in node.kw.items()}
