"""Elementary functions: what each is in float64, and how far a correct implementation may be from it.

`spread` bounds the error that differs from call to call, `bias` the error that all calls of one implementation
share (its polynomial), both in units of u |f|. The comments are the largest errors of correct frameworks in the same
units, measured by `python -m benchmarks.constants.elementary` (table in benchmarks/measured/elementary.md), and OpenCL's yardsticks (The
OpenCL C Specification 3.0, section 7.4, "Relative Error as ULPs"; 1 ulp is at most 2u |f|). The tolerance of a
function alone, K sigma, is at least twice the largest measured error: with the final rounding it is
8 sqrt((spread^2 + bias^2 + 1) / 3) u |f|.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow, accurate in both tails."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


def sigmoid_slope(x: Any) -> Any:
    """The derivative of `sigmoid`, s(x) s(-x), accurate in both tails."""
    e = np.exp(-np.abs(x))
    return e / np.square(1 + e)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)) without overflow, accurate in both tails."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@dataclass(frozen=True, slots=True)
class Elementary:
    """A function in float64, with the error allowed to an implementation in units of u |f|."""

    exact: Callable[..., Any]
    spread: float
    bias: float


FUNCTIONS = {
    "exp": Elementary(np.exp, spread=2, bias=1),  # 1.9; OpenCL 3 ulp
    "log": Elementary(np.log, spread=2, bias=1),  # 3.3, near 1; OpenCL 3 ulp
    "log1p": Elementary(np.log1p, spread=2, bias=1),  # 3.8; OpenCL 2 ulp
    "sin": Elementary(np.sin, spread=2, bias=1),  # 2.1; OpenCL 4 ulp
    "cos": Elementary(np.cos, spread=2, bias=1),  # 2.2; OpenCL 4 ulp
    "sqrt": Elementary(np.sqrt, spread=1.5, bias=0),  # 1.1; OpenCL 3 ulp
    "pow": Elementary(np.power, spread=2, bias=1),  # 2.1; OpenCL 16 ulp
    "sigmoid": Elementary(sigmoid, spread=3, bias=1.5),  # 7.6, an exp and a division
    "tanh": Elementary(np.tanh, spread=3, bias=1.5),  # 4.9 (7.4 in older releases); OpenCL 5 ulp
    "softplus": Elementary(softplus, spread=3, bias=1.5),  # 7.6, an exp and a log1p
    "softmax": Elementary(lambda y: y, spread=3, bias=2),  # 8.6, an exp and a division by a sum of them
}
