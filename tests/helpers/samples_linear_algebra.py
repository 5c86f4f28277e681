"""Calls of norms and of what is made of matrices that a ledger has an entry for, as test_adapter_causes.py has them."""

from typing import Any

import numpy as np

VECTORS = np.array([[0.0, 0.0, 0.0], [3.0, -4.0, 0.5], [1.0, 1.0, 2.0]])
ALONG = {"axis": 1, "keepdims": False}

SAMPLES: list[dict[str, Any]] = [
    *(
        {"framework": name, "op": "norm", "inputs": {"x": VECTORS}, "wrong": {"x"}, "kw": {**ALONG, "p": p}, "reason": "0 / 0"}
        for name in ("jax", "tensorflow", "mxnet")
        for p in (2, 3)
    ),
    *(
        {"framework": name, "op": "cdist", "inputs": {"x": VECTORS, "y": np.array([[0.0, 0.0, 0.0], [4.0, -3.0, 1.5]])}, "wrong": {"x", "y"},
         "kw": {"p": p}, "reason": "0 / 0"}
        for name in ("jax", "tensorflow", "mxnet")
        for p in (2, 3)
    ),
]  # fmt: skip
