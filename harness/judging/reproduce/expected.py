"""What the wrong element has to be, from the op's definition with 50 digits."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import HarnessError
from .call import Call, Steps

DIGITS = 20
"""Printed."""
LARGEST = 20_000
"""Numbers of a call that is printed and evaluated with 50 digits in reasonable time."""


def expected(call: Call | Steps, reference: float) -> str:
    """The element in 20 digits; at a kink, of the slopes between those of both sides, the one nearest to the reference.

    Where the definition has no value (0 log 0), it is the reference's. Raises HarnessError without mpmath.
    """
    try:
        from ...truth.derivatives import digits_for  # noqa: PLC0415 (mpmath is optional)
        from ...truth.numbers import MP  # noqa: PLC0415 (mpmath is optional)
    except ModuleNotFoundError as error:
        if error.name != "mpmath":
            raise
        raise HarnessError("mpmath is missing: pip install mpmath") from None
    with MP.workdps(digits_for(_given(call))):
        try:
            found = _found(call, reference)
        except (ZeroDivisionError, ValueError):
            return repr(reference)
        return MP.nstr(found, DIGITS) if MP.isfinite(found) and MP.im(found) == 0 else repr(reference)


def _given(call: Call | Steps) -> Sequence[Any]:
    if isinstance(call, Steps):
        return [*call.parameters[call.name], *call.gradients[call.name]]
    return [*call.args, *call.cotangents]


def _found(call: Call | Steps, reference: float) -> Any:
    if isinstance(call, Steps):
        return _moved(call)
    return _value(call) if call.towards is None else _slope(call, call.towards, reference)


def _moved(steps: Steps) -> Any:
    from ...truth.optimizers import TRUTH  # noqa: PLC0415 (mpmath is optional)

    rates = steps.options["lr"]
    lr = rates[: steps.count] if isinstance(rates, tuple) else rates
    of = steps.parameters[steps.name], steps.gradients[steps.name]
    return TRUTH[steps.op].moved(*of, **steps.options | {"lr": lr})[steps.where]


def _outputs(call: Call, args: Sequence[Any]) -> tuple[Any, ...]:
    from ...truth.derivatives import tensors  # noqa: PLC0415 (mpmath is optional)
    from ...truth.ops import TRUTH  # noqa: PLC0415 (mpmath is optional)

    return tensors(TRUTH[call.op].near(call.args)(*args, **call.kw))


def _value(call: Call) -> Any:
    return _outputs(call, call.args)[call.output][call.where]


def _slope(call: Call, towards: int, reference: float) -> Any:
    """The derivative of sum(cotangent * output) in one element: two-sided, or at a kink one of those between."""
    from ...truth.numbers import MP, exact  # noqa: PLC0415 (mpmath is optional)

    x = exact(call.args[towards])
    step = MP.mpf("1e-25") * (abs(x[call.where]) or 1)

    def total(moved: Any) -> Any:
        point = x.copy()
        point[call.where] += moved
        args = [*call.args[:towards], point, *call.args[towards + 1 :]]
        outs = _outputs(call, args)
        return sum(np.sum(exact(g) * out) for g, out in zip(call.cotangents, outs, strict=True))

    here, above, below = total(0), total(step), total(-step)
    sides = (above - here) / step, (here - below) / step
    if abs(sides[0] - sides[1]) <= MP.mpf("1e-20") * max(map(abs, sides)):
        return (sides[0] + sides[1]) / 2
    return min(max(MP.mpf(reference), min(sides)), max(sides))
