"""Calls of elementary and activation functions that a ledger has an entry for, as test_adapter_causes.py has them."""

from typing import Any

import numpy as np

WIDE = np.linspace(-3, 3, 50)
CONSTANTS, ALPHAS = "constants in float32", ({"alpha": 0.3}, {"alpha": 1.7})

SAMPLES: list[dict[str, Any]] = [
    *(
        {"framework": framework, "op": "div", "inputs": {"x": np.array([1.0, 2, 3, -4]) * end, "y": np.array([3.0, -2, 5, 1]) * end},
         "wrong": {"y"}, "reason": "squares that first", "dtypes": ("float32",)}
        for framework in ("jax", "mxnet")
        for end in (2.0**-100, 2.0**83)
    ),
    {"framework": "jax", "op": "log1p", "inputs": {"x": np.linspace(-0.414, -0.36, 50)}, "wrong": {"out"},
     "reason": "hundreds of units", "dtypes": ("float64",)},
    {"framework": "mxnet", "op": "erf", "inputs": {"x": WIDE}, "wrong": {"x"},
     "reason": "2 / sqrt(pi) in float32", "dtypes": ("float64",)},
    *(
        {"framework": "mxnet", "op": "clip", "inputs": {"x": WIDE}, "wrong": {"out"}, "kw": kw,
         "reason": "bounds in float32", "dtypes": ("float64",)}
        for kw in ({"low": -0.7, "high": 0.9}, {"low": 0.1}, {"high": 1.3})
    ),
    {"framework": "jax", "op": "atanh", "inputs": {"x": np.linspace(-0.414, -0.36, 50)}, "wrong": {"out"},
     "reason": "made of log1p", "dtypes": ("float64",)},
    *(
        {"framework": name, "op": "xlogy", "inputs": {"x": np.array([0.0, 0.0, 2.0]), "y": np.array([0.0, 1.0, 3.0])},
         "wrong": {"y"}, "reason": "0 / 0"}
        for name in ("jax", "torch")
    ),
    *(
        {"framework": name, "op": "hypot", "inputs": {"x": np.array([0.0, 3.0]), "y": np.array([0.0, 4.0])},
         "wrong": {"x", "y"}, "reason": "0 / 0"}
        for name in ("torch", "tensorflow", "mxnet")
    ),
    {"framework": "tensorflow", "op": "logaddexp", "inputs": {"x": np.array([1.0, 0.5]), "y": np.array([1.0, 2.0])},
     "wrong": {"x", "y"}, "reason": "at a tie"},
    {"framework": "mxnet", "op": "atan2", "inputs": {"y": 0.75, "x": WIDE}, "wrong": {"x"}, "reason": "a number and an array"},
    {"framework": "mxnet", "op": "lgamma", "inputs": {"x": WIDE + 3.5}, "wrong": {"x"}, "reason": "digamma in float32",
     "dtypes": ("float64",)},
    {"framework": "torch", "op": "hard_sigmoid", "inputs": {"x": 2 * WIDE}, "wrong": {"x"},
     "reason": "slope 1/6 in float32", "dtypes": ("float64",)},
    *(
        {"framework": "torch", "op": "celu", "inputs": {"x": WIDE}, "wrong": {"x"}, "kw": kw,
         "reason": "alpha in float32", "dtypes": ("float64",)}
        for kw in ALPHAS
    ),
    *(
        {"framework": "tensorflow", "op": "gelu", "inputs": {"x": 2 * WIDE}, "wrong": {"out", "x"},
         "kw": {"approximate": how}, "reason": CONSTANTS, "dtypes": ("float64",)}
        for how in ("none", "tanh")
    ),
    {"framework": "tensorflow", "op": "selu", "inputs": {"x": np.array([-1e-9, -1e-20, 1.0, -1.0])},
     "wrong": {"x"}, "reason": "takes the side by its output", "dtypes": ("float32",)},
    {"framework": "tensorflow", "op": "celu", "inputs": {"x": np.array([0, -0.0, 2, -1])}, "wrong": {"x"},
     "reason": "a maximum and a minimum"},
    {"framework": "tensorflow", "op": "prelu", "inputs": {"x": np.array([[0, -0.0, 2, -1]]), "weight": np.array([0.25, 2, 1, 1])},
     "wrong": {"x"}, "reason": "whose parts have gradient 0"},
    {"framework": "mxnet", "op": "selu", "inputs": {"x": WIDE}, "wrong": {"x"}, "reason": "once more"},
    {"framework": "mxnet", "op": "gelu", "inputs": {"x": WIDE}, "wrong": {"out", "x"}, "reason": "takes its erf",
     "dtypes": ("float64",)},
    {"framework": "mxnet", "op": "elu", "inputs": {"x": WIDE}, "wrong": {"out", "x"}, "kw": ALPHAS[0],
     "reason": CONSTANTS, "dtypes": ("float64",)},
    {"framework": "mxnet", "op": "prelu", "inputs": {"x": WIDE.reshape(10, 5), "weight": np.array([0.3, 0.7, 0.1, -0.3, 0.9])},
     "wrong": {"out"}, "reason": CONSTANTS, "dtypes": ("float64",)},
    {"framework": "mxnet", "op": "hard_sigmoid", "inputs": {"x": 2 * WIDE}, "wrong": {"out", "x"},
     "reason": "slope in float32", "dtypes": ("float64",)},
]  # fmt: skip
