"""Rules for what is cumulated, and what compares elements along an axis: places are integers."""

from typing import Any

import numpy as np
from exporting_rules import is_float, shape
from exporting_values import Value
from exports import Cannot, called, rule


@rule("cumsum", "cumprod")
def cumulated(m: Any, eqn: Any, x: Value) -> str:
    axis, text, op = eqn.params["axis"], m.text(x, "float"), eqn.primitive.name
    if not eqn.params["reverse"]:
        return called(op, text, axis=axis)
    turned = m.assign(called("flip", text, axis=axis))
    return called("flip", m.assign(called(op, turned, axis=axis)), axis=axis)


@rule("argmax", "argmin")
def place(m: Any, eqn: Any, x: Value) -> Value:
    [axis] = eqn.params["axes"]
    name = m.assign(called(eqn.primitive.name, m.text(x, "float"), axis=int(axis)))
    return Value(shape(eqn), said={"int64": name}, below=x.shape[axis])


@rule("top_k")
def top_k(m: Any, eqn: Any, x: Value) -> list[Value]:
    axis = int(eqn.params.get("axis", len(x.shape) - 1))
    values, places = m.assign(called("topk", m.text(x, "float"), k=int(eqn.params["k"]), axis=axis), 2)
    size = shape(eqn)
    return [Value(size, said={"float": values}), Value(size, said={"int64": places}, below=x.shape[axis])]


@rule("sort")
def sort(m: Any, eqn: Any, x: Value, *others: Value) -> list[Value]:
    """What goes with it is read at the places where the smallest elements are, which are those of the largest of -x."""
    axis = int(eqn.params["dimension"])
    if eqn.params["num_keys"] != 1 or not is_float(eqn.invars[0]):
        raise Cannot("by several keys, or of no floats")
    text = m.text(x, "float")
    if not others:
        return [Value(x.shape, said={"float": m.assign(called("sort", text, axis=axis))})]
    n = x.shape[axis]
    values, places = m.assign(called("topk", m.assign(f"-{text}"), k=n, axis=axis), 2)
    found = [Value(x.shape, said={"float": m.assign(f"-{values}")})]
    for other in others:
        if counts(other, axis):
            found.append(Value(x.shape, said={"int64": places}, below=n))
        else:
            found.append(
                Value(
                    x.shape,
                    said={"float": m.assign(called("gather", m.text(other, "float"), places, axis=axis))},
                )
            )
    return found


def counts(other: Value, axis: int) -> bool:
    """Whether it says of each element where it stands along the axis."""
    if other.known is None or other.known.dtype.kind != "i":
        return False
    line = [1] * len(other.shape)
    line[axis] = other.shape[axis]
    return bool((np.asarray(other.known) == np.arange(other.shape[axis]).reshape(line)).all())
