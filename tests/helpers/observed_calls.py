"""Calls with a wrong element, of the truth's samples or made by shapes: nothing need be wrong there."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from gradient_conformance.harness.judging.reproduce.call import Call
from gradient_conformance.harness.truth.derivatives import tensors
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.harness.truth.rows import cotangents, float_inputs
from gradient_conformance.reference.ops import OPS


def calls_of(op: str, number: int, dtype: str = "float64") -> Iterator[Call]:
    """The last element of the last output of a sample, and of each gradient."""
    sample = TRUTH[op].samples[number]
    kw = {**TRUTH[op].defaults, **sample.kw}
    yield _call(op, sample.inputs, None, kw, dtype)
    for i in float_inputs(sample.inputs):
        yield _call(op, sample.inputs, i, kw, dtype)


def made(op: str, shapes: list[tuple[int, ...]], towards: int | None = None, **kw: Any) -> Call:
    """A call of ones."""
    return _call(op, tuple(np.ones(shape) for shape in shapes), towards, kw, "float64")


def _call(op: str, inputs: tuple[Any, ...], towards: int | None, kw: dict[str, Any], dtype: str) -> Call:
    outs = tensors(TRUTH[op].forward(*inputs, **kw))
    names = [parameter.name for parameter in OPS[op].parameters]
    if OPS[op].variadic:
        names = [f"{names[0]}{k}" for k in range(len(inputs))]
    of = outs[-1] if towards is None else inputs[towards]
    return Call(
        op=op,
        kw=kw,
        names=tuple(names[: len(inputs)]),
        args=inputs,
        dtype=dtype,
        where=tuple(size - 1 for size in np.shape(of)),
        output=len(outs) - 1,
        towards=towards,
        cotangents=tuple(np.asarray(g, np.float64) for g in tensors(cotangents(outs))),
    )
