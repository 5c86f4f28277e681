"""Elementary functions: what each is in float64, and how far a correct implementation may be from it.

`spread` bounds the error that differs from call to call, `bias` the error that all calls of one implementation
share (its polynomial), both in units of u |f|. The constants are those of tolerances measured over four frameworks;
the published yardsticks beside them are OpenCL's (The OpenCL C Specification 3.0, section 7.4, "Relative Error as
ULPs": exp 3, log 3, tanh 5, sin and cos 4, pow 16, sqrt 3; 1 ulp is at most 2u |f|).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow, accurate in both tails."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


@dataclass(frozen=True, slots=True)
class Elementary:
    """A function in float64, with the error allowed to an implementation in units of u |f|."""

    exact: Callable[..., Any]
    spread: float
    bias: float


FUNCTIONS = {
    "exp": Elementary(np.exp, spread=2, bias=1),  # measured 3.2
    "log": Elementary(np.log, spread=2, bias=1),  # measured 3.7
    "log1p": Elementary(np.log1p, spread=2, bias=1),  # measured 3.5
    "sin": Elementary(np.sin, spread=2, bias=1),  # measured 2.4
    "cos": Elementary(np.cos, spread=2, bias=1),  # measured 2.4
    "sqrt": Elementary(np.sqrt, spread=1.5, bias=0),  # measured 1.5
    "pow": Elementary(np.power, spread=4, bias=2),  # between exp's and OpenCL's 16 ulp
    "sigmoid": Elementary(sigmoid, spread=4, bias=2),  # measured 7.7
    "tanh": Elementary(np.tanh, spread=5, bias=5),  # measured 7.4; OpenCL 5 ulp
    "softplus": Elementary(lambda x: np.logaddexp(0, x), spread=4, bias=2),  # measured 7.2
    "softmax": Elementary(lambda y: y, spread=3, bias=4),  # an exp and a division by a sum of them
}
