"""NumPy by complex steps, with ops that err: a file that stands alone, as an adapter does.

`square` errs everywhere, `sum` in its rows, `exp` where it has more than three elements, `sin` in programs of several
calls, in which the gradient towards what is called `x` comes out twice as large.
"""

import numpy as np
from worker import Unsupported

MODES = ("eager",)
H = 1e-30


def exp(x):
    if x.ndim > 4:
        raise Unsupported("so many axes")
    return np.exp(x) * (1.001 if x.size > 3 else 1)


OPS = {
    "square": lambda x: x * x * 1.001,
    "exp": exp,
    "sin": np.sin,
    "cos": np.cos,
    "sum": lambda x, *, axis, keepdims: np.sum(x * 1.001, axis=axis, keepdims=keepdims),
}


def setup(threads, seed):
    """Nothing to set up."""


def about():
    return {"framework": "errs", "version": np.__version__}


def to_native(array):
    return array


def to_numpy(tensor):
    return np.asarray(tensor)


def vjp(call, inputs, towards, g):
    gradient = np.empty_like(inputs[towards])
    for at in np.ndindex(gradient.shape):
        x = inputs[towards].astype(complex)
        x[at] += 1j * H
        gradient[at] = np.sum(np.imag(call(*inputs[:towards], x, *inputs[towards + 1 :])) * g) / H
    return call(*inputs), gradient


VJPS = {"eager": vjp}


def differentiate(task, inputs):
    [out] = task.outputs
    g = task.cotangents.get(out, 1)
    dtype = next(a.dtype for a in inputs.values())
    doubled = {"x"} if len(task.calls) > 1 else set()

    def gradient(name):
        def output(x):
            return task.walk({**inputs, name: x})[out]

        return vjp(output, [inputs[name]], 0, g)[1] * np.asarray(2 if name in doubled else 1, dtype)

    env = task.walk(inputs)
    return {name: env[name].astype(dtype) for name in task.wanted_values}, {
        name: gradient(name) for name in task.wrt
    }
