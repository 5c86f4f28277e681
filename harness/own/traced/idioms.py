"""Ops that people write out: known by their form, and said as the one op that they are.

It is more than short. A backward pass takes the derivative of the op, `p - y` or `1 - a * a`, whose rounding is that of
the op's row and not of the quotient of exponentials that stands in the forward pass.
"""

import re
from collections.abc import Sequence
from typing import Any

from .arrays import Node, Recorder, Traced


def positive_part(recorder: Recorder, mask: Any, x: Any) -> bool:
    """Whether a mask says where `x` is above 0."""
    sides = recorder.node(mask).compared
    return bool(sides) and sides[0] is recorder.node(x) and sides[1].number() == 0


def relu_or_leaky(recorder: Recorder, value: Any, condition: Any, x: Any, y: Any) -> Traced | None:
    """`where(x > 0, x, 0)`, and `where(x > 0, x, slope * x)`."""
    if not positive_part(recorder, condition, x):
        return None
    other, kept = recorder.node(y), recorder.node(x)
    if other.number() == 0:
        return recorder.call("relu({0})", value, x)
    slope = next((arg.number() for arg in other.args if arg.number() is not None), None)
    if other.form == "{0} * {1}" and slope is not None and kept in other.args:
        return recorder.call(f"leaky_relu({{0}}, slope={slope!r})", value, x)
    return None


def quotient(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced | None:
    """`1 / (1 + exp(-z))`, `exp(z) / (1 + exp(z))`, `exp(z) / sum(exp(z))`, and tanh from four exponentials."""
    above, below = recorder.node(x), recorder.node(y)
    for idiom in (_sigmoid, _softmax, _tanh):
        if (found := idiom(recorder, value, above, below)) is not None:
            return found
    return None


def _sigmoid(recorder: Recorder, value: Any, above: Node, below: Node) -> Traced | None:
    power = _exponent(_other(below, 1))
    if below.form != "{0} + {1}" or power is None:
        return None
    if above.number() == 1:
        if power.form == "-{0}":
            return recorder.call("sigmoid({0})", value, Traced(recorder, power.args[0]))
        return recorder.call("sigmoid({0})", value, -Traced(recorder, power))
    same = _exponent(above) is power
    return recorder.call("sigmoid({0})", value, Traced(recorder, power)) if same else None


def _softmax(recorder: Recorder, value: Any, above: Node, below: Node) -> Traced | None:
    power, found = (
        _exponent(above),
        re.fullmatch(r"sum\(\{0\}(?:, axis=(-?\d+))?(, keepdims=True)?\)", below.form),
    )
    if power is None or found is None or below.args != (above,):
        return None
    whole = above.value.ndim == 1
    if not whole and (found[1] is None or found[2] is None):
        return None
    axis = int(found[1] or 0)
    logits = power
    if (
        power.form == "{0} - {1}"
        and power.args[1].form in ("max({0})", "max({0}, keepdims=True)", found[0].replace("sum", "max"))
        and power.args[1].args == power.args[:1]
    ):
        logits = power.args[0]  # subtracted for the range alone: the softmax is the same
    return recorder.call(f"softmax({{0}}, axis={axis})", value, Traced(recorder, logits))


def _tanh(recorder: Recorder, value: Any, above: Node, below: Node) -> Traced | None:
    if (above.form, below.form) != ("{0} - {1}", "{0} + {1}"):
        return None
    powers = [_exponent(node) for node in (*above.args, *below.args)]
    x = _turned(*powers[:2])
    return (
        recorder.call("tanh({0})", value, Traced(recorder, x))
        if x is not None and x is _turned(*powers[2:])
        else None
    )


def _turned(x: Node | None, y: Node | None) -> Node | None:
    """`x`, if `y` is `-x`."""
    return x if y is not None and y.form == "-{0}" and y.args[0] is x else None


def _exponent(node: Node | None) -> Node | None:
    return node.args[0] if node is not None and node.form == "exp({0})" else None


def _other(node: Node, number: float) -> Node | None:
    """The other argument of a call one of whose arguments is this number."""
    args: Sequence[Node] = node.args
    if len(args) != 2 or number not in (args[0].number(), args[1].number()):
        return None
    return args[1] if args[0].number() == number else args[0]
