"""Mistakes that people make with windows, each in one row."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from mutations import Array, Call, Mutant, in_vjp, with_input


def convolution() -> Iterator[Mutant]:
    for op in ("conv2d", "conv_transpose2d"):
        yield in_vjp(
            op, 0, "weights turned round", lambda call: with_input(call, 1, turned(call.inputs[1])).result()
        )
        yield in_vjp(op, 1, "turned round", lambda call: turned(call.result()))
    yield in_vjp("avg_pool2d", 0, "padding counted", lambda call: with_attribute(call, count_padding=True))
    yield in_vjp(
        "upsample_bilinear", 0, "corners stay", lambda call: with_attribute(call, align_corners=True)
    )
    yield in_vjp("pad", 0, "of the middle alone", middle)


def turned(W: Array) -> Array:
    return np.flip(W, (-1, -2))


def with_attribute(call: Call, **kw: object) -> Array:
    return replace(call, kw={**call.kw, **kw}).result()


def middle(call: Call) -> Array:
    """As if nothing were mirrored or repeated."""
    return with_attribute(call, mode="constant")
