"""Calls along an axis that a ledger has an entry for, as test_adapter_causes.py has them."""

from typing import Any

import numpy as np

ZEROS = np.array([[2.5, 0, -3.5, 0.25], [0, 1.5, 0, -2.25], [-1.75, 0.5, 0.5, 3.25]])

SAMPLES: list[dict[str, Any]] = [
    *(
        {"framework": "tensorflow", "op": "cumprod", "inputs": {"x": ZEROS}, "wrong": {"x"},
         "reason": "0 where x is 0", "kw": {"axis": axis}}
        for axis in (0, 1)
    ),
    *(
        {"framework": "mxnet", "op": "prod", "inputs": {"x": ZEROS}, "wrong": {"x"}, "reason": "divided by x", "kw": kw}
        for kw in ({"axis": 1, "keepdims": False}, {"axis": 0, "keepdims": True})
    ),
    *(
        {"framework": "mxnet", "op": "min", "inputs": {"x": np.abs(ZEROS) // 2}, "wrong": {"x"},
         "reason": "whole cotangent", "kw": kw}
        for kw in ({"axis": 1, "keepdims": False}, {"axis": 0, "keepdims": True}, {"axis": None, "keepdims": False})
    ),
]  # fmt: skip
