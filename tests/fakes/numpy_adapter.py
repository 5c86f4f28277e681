"""A correct framework made of the reference's own rows, for tests of everything around a framework.

It agrees by construction, so it shows nothing about the reference. Fakes that fail differ from it by one fault each
and are named by it; the fault strikes where an input has exactly two elements.
"""

import numpy as np
from gradient_conformance.reference.backprop import backward
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS as ROWS
from gradient_conformance.reference.program import Node, Program

FORMULAS = set()
ABOUT = {"framework": "fake", "version": "1.0", "device": "cpu"}


def forward(row):
    return lambda *args, **kw: row.forward(EXACT, *args, **kw)


OPS = {name: forward(row) for name, row in ROWS.items()}


def sgd(params, *, lr):
    weights = dict(params)

    def step(grads):
        weights.update(
            (n, (w - lr * np.asarray(grads[n], np.float64)).astype(w.dtype)) for n, w in weights.items()
        )
        return dict(weights)

    return step


OPTIMIZERS = {"sgd": sgd}


def setup(threads, seed):
    """Nothing to set up."""


def about():
    return ABOUT


def to_native(array):
    return array


def to_numpy(array):
    return np.asarray(array)


def strikes(inputs):
    """Whether this is the cell in which a faulty fake shows its fault."""
    return any(array.size == 2 for array in inputs.values())


def plain(kw):
    return {
        k: tuple(tuple(i) if isinstance(i, list) else i for i in v) if isinstance(v, list) else v
        for k, v in kw.items()
    }


def differentiate(task, inputs):
    dtype = next(a.dtype for a in inputs.values() if a.dtype.kind == "f")
    wide = {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in inputs.items()}
    nodes = tuple(Node(tuple(c.outs), c.op, tuple(c.args), plain(c.kw), 1, 1) for c in task.calls)
    env = task.walk(wide)
    cotangents = {n: np.float64(task.cotangents.get(n, 1)) for n in task.outputs}
    grads = backward(Program(nodes, ""), env, cotangents, task.wrt)
    return {n: env[n].astype(dtype) for n in task.wanted_values}, {
        n: g.astype(dtype) for n, g in grads.items()
    }
