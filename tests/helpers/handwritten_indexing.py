"""Mistakes that people make with tables of integers and along an axis, each in one row."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from gradient_conformance.reference.ops.reductions import spread
from mutations import Array, Call, Mutant, in_forward, in_vjp


def last_wins(call: Call) -> Array:
    """What is assigned and not added: of several places that read one row the last is kept."""
    W, g = np.zeros(call.x.shape), np.reshape(call.g, (-1, call.x.shape[-1]))
    W[np.ravel(call.inputs[1 - call.i])] = g
    return W


def last_element_wins(call: Call) -> Array:
    dx = np.zeros(call.x.shape)
    np.put_along_axis(dx, call.inputs[1], call.g, call.kw["axis"])
    return dx


def divided_product(call: Call) -> Array:
    axis, keepdims = call.kw["axis"], call.kw["keepdims"]
    return spread(call.g * call.out, call.x, axis, keepdims) / call.x


def indexing() -> Iterator[Mutant]:
    yield in_vjp("embedding", 1, "assigned, not added", last_wins)
    yield in_vjp("embedding", 1, "padding that learns", learning_padding)
    yield in_vjp("embedding", 1, "the mean of what is added", mean_of_rows)
    yield in_vjp("gather", 0, "assigned, not added", last_element_wins)
    yield in_vjp(
        "scatter_add",
        2,
        "not gathered",
        lambda call: call.g if call.g.shape == call.x.shape else call.result(),
    )
    yield in_forward(
        "take", "the next one", lambda right, c, x, i, *, axis: right(c, np.roll(x, 1, axis), i, axis=axis)
    )
    yield in_vjp("prod", 0, "the product by x", divided_product)
    yield in_vjp("cumsum", 0, "forwards again", lambda call: np.cumsum(call.g, call.kw["axis"]))
    yield in_vjp("cumprod", 0, "of the last product alone", lambda call: call.g * call.out / call.x)
    for op in ("broadcast_to", "repeat", "tile"):
        yield in_vjp(op, 0, "the mean", mean_over_repeats)
    yield in_vjp("roll", 0, "further in the same direction", rolled_further)
    yield in_vjp("flip", 0, "not turned back", lambda call: call.g)
    yield in_vjp("stack", 0, "of another slice", lambda call: np.take(call.g, call.i - 1, call.kw["axis"]))
    yield in_vjp("repeat", 0, "of what tile repeats", as_tiled)
    yield in_vjp("sort", 0, "by the same order", dealt_by_the_same_order)
    yield in_vjp("topk", 0, "to the first", to_the_first)
    yield in_forward("argmax", "of the smallest", lambda right, c, x, **kw: right(c, -x, **kw))
    yield in_forward("argmin", "of the largest", lambda right, c, x, **kw: right(c, -x, **kw))
    yield in_vjp("tril", 0, "of the other triangle", lambda call: np.triu(call.g, call.kw["k"]))
    yield in_vjp("triu", 0, "without the diagonal", lambda call: np.triu(call.g, call.kw["k"] + 1))
    yield in_vjp("diag", 0, "the sum of rows", lambda call: np.sum(call.g, axis=-1))
    yield in_vjp(
        "trace", 0, "to all elements", lambda call: np.broadcast_to(call.g[..., None, None], call.x.shape)
    )


def mean_of_rows(call: Call) -> Array:
    counts = np.bincount(np.ravel(call.inputs[0]), minlength=len(call.x))
    return call.result() / np.maximum(counts, 1)[:, None]


def mean_over_repeats(call: Call) -> Array:
    return call.result() * (call.x.size / call.g.size)


def rolled_further(call: Call) -> Array:
    return np.roll(call.g, call.kw["shift"], call.kw["axis"])


def as_tiled(call: Call) -> Array:
    times, axis = call.kw["repeats"], call.kw["axis"]
    return sum(np.split(call.g, times, axis), start=np.zeros(call.x.shape))


def dealt_by_the_same_order(call: Call) -> Array:
    return np.take_along_axis(call.g, np.argsort(call.x, call.kw["axis"]), call.kw["axis"])


def to_the_first(call: Call) -> Array:
    """The cotangents of the largest few, given to those that stand first."""
    axis, left = call.kw["axis"] % call.x.ndim, list(call.x.shape)
    left[axis] -= call.kw["k"]
    return np.concatenate((call.g[0], np.zeros(left)), axis)


def learning_padding(call: Call) -> Array:
    return replace(call, kw={"padding_idx": None}).result()
