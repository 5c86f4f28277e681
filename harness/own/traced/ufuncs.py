"""The ufuncs that can be traced, and how a case says each: it is called with the recorder, the value, and its inputs."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import ATOM, NEGATIVE, POWER, PRODUCT, SUM, UFUNCS, Recorder, Traced
from .idioms import positive_part, quotient


def said(form: str, binding: int = ATOM) -> Callable[..., Traced]:
    return lambda recorder, value, *inputs: recorder.call(form, value, *inputs, binding=binding)


UFUNCS |= {
    "subtract": said("{0} - {1}", SUM),
    "power": said("{0} ** {1}", POWER),
    "float_power": said("{0} ** {1}", POWER),
    "negative": said("-{0}", NEGATIVE),
    "matmul": said("{0} @ {1}", PRODUCT),
    "absolute": said("abs({0})"),
    "fabs": said("abs({0})"),
    **{name: said(f"{name}({{0}})") for name in ("exp", "log", "sqrt", "square", "sin", "cos", "tanh")},
    "positive": lambda _recorder, _value, x: x,
    "reciprocal": lambda _recorder, _value, x: 1 / x,
    "log2": lambda _recorder, _value, x: np.log(x) / math.log(2),
    "log10": lambda _recorder, _value, x: np.log(x) / math.log(10),
    "expm1": lambda _recorder, _value, x: np.exp(x) - 1,
    "tan": lambda _recorder, _value, x: np.sin(x) / np.cos(x),
    "minimum": lambda _recorder, _value, x, y: -np.maximum(-x, -y),
}


def _is(recorder: Recorder, x: Any, number: float) -> bool:
    return recorder.node(x).number() == number


def _mul(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    """`x * (x > 0)` is how many write relu."""
    for mask, kept in ((x, y), (y, x)):
        if positive_part(recorder, mask, kept):
            return recorder.call("relu({0})", value, kept)
    return recorder.call("{0} * {1}", value, x, y, binding=PRODUCT)


def _maximum(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    for zero, kept in ((x, y), (y, x)):
        if _is(recorder, zero, 0):
            return recorder.call("relu({0})", value, kept)
    return recorder.call("maximum({0}, {1})", value, x, y)


def _add(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    """Python's own `sum` begins at 0."""
    for zero, kept in ((x, y), (y, x)):
        if _is(recorder, zero, 0) and isinstance(kept, Traced):
            return Traced(recorder, kept.node)
    return recorder.call("{0} + {1}", value, x, y, binding=SUM)


def _divide(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    found = quotient(recorder, value, x, y)
    return recorder.call("{0} / {1}", value, x, y, binding=PRODUCT) if found is None else found


def _log1p(recorder: Recorder, value: Any, x: Any) -> Any:
    """log(1 + exp(x)) has an op of its own, which keeps its digits in the tails as log1p does."""
    node = recorder.node(x)
    if node.form == "exp({0})":
        return recorder.call("softplus({0})", value, Traced(recorder, node.args[0]))
    return np.log(1 + x)


def _logaddexp(recorder: Recorder, value: Any, x: Any, y: Any) -> Any:
    for zero, kept in ((x, y), (y, x)):
        if _is(recorder, zero, 0):
            return recorder.call("softplus({0})", value, kept)
    return x + np.log1p(np.exp(y - x))


UFUNCS |= {
    "add": _add,
    "divide": _divide,
    "multiply": _mul,
    "maximum": _maximum,
    "log1p": _log1p,
    "logaddexp": _logaddexp,
    "fmax": _maximum,
    "fmin": UFUNCS["minimum"],
}


def _compared(larger_first: bool) -> Callable[..., Traced]:
    def call(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
        made = recorder.constant("a comparison", value, x, y)
        sides = (x, y) if larger_first else (y, x)
        made.node.compared = tuple(map(recorder.node, sides))
        return made

    return call


UFUNCS |= {name: _compared(larger_first=True) for name in ("greater", "greater_equal")}
UFUNCS |= {name: _compared(larger_first=False) for name in ("less", "less_equal")}
UFUNCS |= {
    name: lambda recorder, value, *inputs, name=name: recorder.constant(f"np.{name}", value, *inputs)
    for name in [
        "equal",
        "not_equal",
        "logical_and",
        "logical_or",
        "logical_not",
        "logical_xor",
        "bitwise_and",
        "bitwise_or",
        "invert",
        "isnan",
        "isinf",
        "isfinite",
        "sign",
        "heaviside",
        "floor",
        "ceil",
        "rint",
        "trunc",
        "floor_divide",
        "signbit",
    ]
}
