"""Mistakes that people make when they derive or write a gradient, each in one row."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops.arithmetic import unbroadcast
from gradient_conformance.reference.ops.classification import distribution, positions
from gradient_conformance.reference.ops.elementary import normal_cdf, sigmoid
from gradient_conformance.reference.ops.reductions import count, log_softmax, softmax, spread
from gradient_conformance.reference.ops.structure import _basic_index
from handwritten_convolution import convolution
from handwritten_indexing import indexing
from handwritten_normalization import normalization
from mutations import Array, Call, Mutant, in_forward, in_vjp, with_unbroadcast


def next_axis(axis: int, ndim: int) -> int:
    return (axis + 1) % ndim


def cross_entropy_over(call: Call, axis: int, targets: int = 1) -> Array:
    """Of plain targets: weights, ignored labels and smoothing are left as they are."""
    z, target, *weights = call.inputs
    if weights or call.kw["ignore_index"] is not None or call.kw["label_smoothing"]:
        return call.result()
    t = distribution(z, target, call.kw["axis"])
    over = call.kw["axis"] % z.ndim
    g = call.g / positions(z, over) if call.kw["reduction"] == "mean" else call.g
    g = np.expand_dims(g, over) if call.kw["reduction"] == "none" else g
    return g * (softmax(EXACT, z, axis) - targets * t)


def mean_instead_of_sum(c: Any, g: Array, x: Array) -> Array:
    shape = np.shape(x)
    lead = g.ndim - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1))
    return np.mean(g, axis=axes).reshape(shape) if axes else g


def first_of_ties(call: Call) -> Array:
    axis, keepdims = call.kw["axis"], call.kw["keepdims"]
    hit = call.x == np.max(call.x, axis=axis, keepdims=True)
    axes = range(call.x.ndim) if axis is None else np.atleast_1d(axis) % call.x.ndim
    order = (*(a for a in range(call.x.ndim) if a not in axes), *axes)
    moved = hit.transpose(order)
    rows = moved.reshape(*moved.shape[: call.x.ndim - len(axes)], -1)
    first = (rows & (np.cumsum(rows, axis=-1) == 1)).reshape(moved.shape).transpose(np.argsort(order))
    return spread(call.g, call.x, axis, keepdims) * first


def shifted_slice(call: Call) -> Array:
    axis = call.kw["axis"]
    start = sum(x.shape[axis] for x in call.inputs[: call.i]) + 1
    return np.take(call.g, range(start, start + call.x.shape[axis]), axis, mode="wrap")


def scattered_to_the_front(call: Call) -> Array:
    dx = np.zeros(call.x.shape)
    dx.flat[: call.g.size] = np.ravel(call.g)
    return dx


def indexed_without_steps(call: Call) -> Array:
    dx = np.zeros(call.x.shape)
    index = tuple(
        slice(i.start, None if i.stop is None else i.start + call.g.shape[0], 1)
        if isinstance(i, slice) and i.start is not None and (i.step or 1) < 0
        else i
        for i in _basic_index(call.kw["index"])
    )
    view = dx[index]
    dx[index] = call.g if view.shape == call.g.shape else 0
    return dx


def linear_bias_mean(call: Call) -> Array:
    return mean_instead_of_sum(call.c, call.g, call.x)


def other_layout(right: Any, c: Any, x: Array, W: Array, b: Array | None = None, *, weights: str) -> Array:
    square = W.shape[0] == W.shape[1]
    other = "in_out" if weights == "out_in" else "out_in"
    return right(c, x, W, b, weights=other if square else weights)


def in_float32(right: Any, c: Any, x: Array, y: Array) -> Array:
    return right(c, x.astype(np.float32), y.astype(np.float32)).astype(np.float64)


def handwritten() -> Iterator[Mutant]:
    yield in_vjp("sigmoid", 0, "z (1 - z)", lambda call: call.g * call.x * (1 - call.x))
    yield in_vjp("sigmoid", 0, "y for y (1 - y)", lambda call: call.g * call.out)
    yield in_vjp("sigmoid", 0, "at y", lambda call: call.g * sigmoid(call.out) * sigmoid(-call.out))
    yield in_vjp("tanh", 0, "1 - y", lambda call: call.g * (1 - call.out))
    yield in_vjp("softplus", 0, "1 - exp(-x)", lambda call: call.g * (1 - np.exp(-call.x)))
    yield in_vjp("exp", 0, "output kept in half precision", lambda call: call.g * np.float16(call.out))
    yield in_vjp(
        "relu", 0, "of positive cotangents", lambda call: np.where(call.x > 0, np.maximum(call.g, 0), 0)
    )
    yield in_vjp("relu", 0, "1 at 0", lambda call: np.where(call.x >= 0, call.g, 0))
    yield in_vjp("relu", 0, "mask 1e-3 too high", lambda call: np.where(call.x > 1e-3, call.g, 0))
    for op in ("floor", "ceil", "round", "sign", "stop_gradient", "clip"):
        yield in_vjp(op, 0, "straight through", lambda call: call.g)
    yield in_vjp("gelu", 0, "the cdf alone", lambda call: call.g * normal_cdf(call.x))
    yield in_vjp("silu", 0, "the sigmoid alone", lambda call: call.g * sigmoid(call.x))
    yield in_vjp("elu", 0, "y for y + alpha", lambda call: np.where(call.x > 0, call.g, call.g * call.out))
    yield in_vjp("mod", 1, "towards the divisor forgotten", lambda call: np.zeros(np.shape(call.x)))
    yield in_vjp("leaky_relu", 0, "slope forgotten", lambda call: np.where(call.x > 0, call.g, 0))
    yield in_vjp("leaky_relu", 0, "slope 0.01", lambda call: np.where(call.x > 0, call.g, 0.01 * call.g))
    yield in_vjp("abs", 0, "1 at 0", lambda call: np.where(call.x >= 0, call.g, -call.g))
    yield in_vjp("sqrt", 0, "without 1/2", lambda call: call.g / call.out)
    yield in_vjp("square", 0, "without 2", lambda call: call.g * call.x)
    yield in_vjp("div", 1, "without x", lambda call: unbroadcast(EXACT, -call.g / call.x**2, call.x))
    yield in_vjp("pow", 0, "exponent not lowered", lambda call: call.g * call.inputs[1] * call.out)
    yield in_vjp("pow", 1, "without the logarithm", lambda call: call.g * call.out)
    yield from reductions()
    yield from losses()
    yield from structure()
    yield from indexing()
    yield from normalization()
    yield from convolution()
    yield from products()


def reductions() -> Iterator[Mutant]:
    def whole(call: Call) -> Array:
        return spread(call.g, call.x, call.kw["axis"], call.kw["keepdims"])

    yield in_vjp("mean", 0, "without 1/n", whole)
    yield in_vjp("mean", 0, "1/n of the whole tensor", lambda call: whole(call) / call.x.size)
    yield in_forward("mean", "a sum", lambda right, c, x, **kw: right(c, x, **kw) * count(x, kw["axis"]))
    yield in_vjp("norm", 0, "without division", lambda call: whole(call) * call.x)
    yield in_vjp("norm", 0, "divided by the square", lambda call: call.result() / np.max(call.out))
    yield in_vjp("sum_squares", 0, "without 2", lambda call: call.g * call.x)
    yield in_vjp("max", 0, "to the first of ties", first_of_ties)
    yield in_vjp("max", 0, "in full to each of ties", lambda call: whole(call) * (call.result() != 0))
    yield in_vjp(
        "maximum", 0, "ties to the first", lambda call: np.where(call.x >= call.inputs[1], 1, 0) * call.g
    )
    yield in_vjp("softmax", 0, "without the sum", lambda call: call.out * call.g)
    yield in_vjp("softmax", 0, "as if elementwise", lambda call: call.g * call.out * (1 - call.out))
    yield in_forward(
        "softmax",
        "over the next axis",
        lambda right, c, x, *, axis: right(c, x, axis=next_axis(axis, x.ndim)),
    )
    yield in_vjp(
        "log_softmax", 0, "without the sum of the cotangents",
        lambda call: call.g - softmax(EXACT, call.x, call.kw["axis"]),
    )  # fmt: skip
    yield in_vjp("logsumexp", 0, "without the softmax", whole)


def losses() -> Iterator[Mutant]:
    def mean_over_batch(call: Call) -> Array:
        per_element = call.kw["reduction"] == "mean"
        return call.result() * (call.x.size / len(call.x) if per_element else 1)

    yield in_vjp("mse", 0, "without 2", lambda call: call.result() / 2)
    yield in_vjp("mse", 0, "mean over the batch only", mean_over_batch)
    yield in_vjp("bce", 0, "mean over the batch only", mean_over_batch)
    yield in_vjp("bce", 0, "p - t", lambda call: call.result() * call.x * (1 - call.x))
    yield in_vjp("bce_with_logits", 0, "without the target", lambda call: call.g * sigmoid(call.x))
    yield in_vjp(
        "cross_entropy", 0, "softmax over another axis",
        lambda call: cross_entropy_over(call, next_axis(call.kw["axis"], call.x.ndim)),
    )  # fmt: skip
    yield in_vjp(
        "cross_entropy", 0, "without the target",
        lambda call: cross_entropy_over(call, call.kw["axis"], targets=0),
    )  # fmt: skip
    yield in_vjp(
        "cross_entropy", 1, "logits for log-probabilities",
        lambda call: call.result() / log_softmax(EXACT, call.inputs[0], call.kw["axis"]) * call.inputs[0],
    )  # fmt: skip


def structure() -> Iterator[Mutant]:
    yield in_vjp("concat", 1, "slice shifted by one", shifted_slice)
    yield in_vjp("concat", 0, "slice shifted by one", shifted_slice)
    yield in_vjp("index", 0, "scattered to the front", scattered_to_the_front)
    yield in_vjp("index", 0, "scattered one further", lambda call: np.roll(call.result(), 1))
    yield in_vjp("index", 0, "negative steps forgotten", indexed_without_steps)
    yield in_vjp("split", 0, "parts exchanged", lambda call: np.concatenate(call.g[::-1], call.kw["axis"]))
    yield in_vjp("transpose", 0, "by the same order", same_order)
    yield in_vjp(
        "reshape", 0, "in Fortran order", lambda call: np.reshape(np.asarray(call.g), call.x.shape, order="F")
    )
    yield in_vjp("where", 1, "condition inverted", inverted_condition)


def same_order(call: Call) -> Array:
    dx = np.transpose(call.g, call.kw["axes"])
    return dx if dx.shape == call.x.shape else np.reshape(dx, call.x.shape)


def inverted_condition(call: Call) -> Array:
    condition, *branches = call.inputs
    return Call(call.row, call.c, call.i, call.out, (~condition, *branches), call.g, call.kw).result()


def products() -> Iterator[Mutant]:
    for op, at in (("add", 0), ("sub", 1), ("mul", 0), ("mul", 1), ("div", 1), ("matmul", 0), ("matmul", 1)):
        yield in_vjp(op, at, "un-broadcast by the mean", with_unbroadcast(mean_instead_of_sum))
    yield in_vjp("linear", 2, "mean over the batch", linear_bias_mean)
    yield in_forward("linear", "layout the wrong way round where it fits", other_layout)
    yield in_forward("matmul", "in float32", in_float32)
