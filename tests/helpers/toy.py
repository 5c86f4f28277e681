"""A NumPy adapter with every bad habit that a worker has to survive; its gradients are differences."""

import os
import sys

import numpy as np
from worker import Unsupported

MODES = ("eager",)
SEEN_PATH = list(sys.path)


def shout(x):
    print("from print")
    os.write(1, b"from fd 1\n")
    return x


def grow(x):
    x += 1
    return x


def refuse(x, *, slope):
    raise Unsupported(f"no slope of {slope}")


def leave(x):
    sys.exit(3)


OPS = {
    "add": np.add,
    "mul": np.multiply,
    "sum": lambda x, *, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims),
    "split": lambda x, *, parts, axis: np.split(x, parts, axis),
    "index": lambda x, *, index: x[index],
    "one_hot": lambda labels, *, classes, dtype: np.eye(classes, dtype=dtype)[labels],
    "path_has": lambda x, *, entry: x * 0 + (entry in SEEN_PATH),
    "shout": shout,
    "grow": grow,
    "refuse": refuse,
    "boom": lambda x: x @ np.zeros(99),
    "leave": leave,
}
FORMULAS = set()


def sgd(params, *, lr):
    weights = dict(params)

    def step(grads):
        for name, grad in grads.items():
            weights[name] = weights[name] - lr * grad
        return dict(weights)

    return step


OPTIMIZERS = {"sgd": sgd}


def setup(threads, seed):
    print("setting up")


def about():
    return {"framework": "toy", "version": "1"}


def to_native(array):
    return array


def to_numpy(array):
    return np.asarray(array)


def differentiate(task, inputs):
    env = task.walk(inputs)

    def loss(name, position, h):
        moved = inputs[name].copy()
        moved[position] += h
        values = task.walk({**inputs, name: moved})
        return sum(np.sum(values[n] * task.cotangents.get(n, 1)) for n in task.outputs)

    grads = {name: np.zeros_like(inputs[name]) for name in task.wrt}
    for name, grad in grads.items():
        for at in np.ndindex(grad.shape):
            grad[at] = (loss(name, at, 0.5) - loss(name, at, -0.5)) if task.wrt else 0
    return {name: env[name] for name in task.wanted_values}, grads
