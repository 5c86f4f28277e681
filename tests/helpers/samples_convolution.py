"""Calls of padding, resizing and alignments that a ledger has an entry for, as test_adapter_causes.py has them."""

from typing import Any

import numpy as np

IMAGE = np.random.default_rng(6).integers(-8, 8, (1, 2, 4, 5)) / 4.0
TIED = np.random.default_rng(7).integers(0, 2, (2, 2, 3, 4, 2)) * 1.0
CERTAIN = 30 * np.eye(3)[[[0, 1], [1, 1], [2, 0]]] + [[[0.0], [0.5]]]
"""The classes 0, 1, 2 are certain of the first example; of the second nothing leads to its labels but what is unlikely."""

SAMPLES: list[dict[str, Any]] = [
    {"framework": "mxnet", "op": "avg_pool1d", "inputs": {"x": np.arange(14.0).reshape(1, 2, 7)}, "wrong": {"x"}, "reason": "divided by the whole window",
     "kw": {"size": 2, "ceil_mode": True}, "dtypes": ("float32",)},
    *(
        {"framework": "mxnet", "op": "pad", "inputs": {"x": IMAGE}, "wrong": {"out"}, "reason": "pads with 0",
         "kw": {"padding": padding, "value": value}}
        for padding, value in ((1, 1.5), ((0, 0, (1, 0), (0, 2)), -0.7))
    ),
    *(
        {"framework": "mxnet", "op": "upsample_bilinear", "inputs": {"x": IMAGE}, "wrong": {"out", "x"},
         "reason": "places between pixels in float32", "kw": kw, "dtypes": ("float64",)}
        for kw in ({"scale": 3}, {"scale": (2, 7), "align_corners": True}, {"scale": 5, "align_corners": True})
    ),
    *(
        {"framework": "tensorflow", "op": "upsample_bicubic", "inputs": {"x": IMAGE}, "wrong": {"out", "x"},
         "reason": "table of 1024 places", "kw": {"a": -0.5, "border": "renormalize", **kw}, "dtypes": ("float32",)}
        for kw in ({"scale": 3}, {"scale": (1, 7)})
    ),
    *(
        {"framework": "tensorflow", "op": "max_pool3d", "inputs": {"x": TIED}, "wrong": {"x"}, "reason": "every one of its largest",
         "kw": kw, "dtypes": ("float32",)}
        for kw in ({"size": 2}, {"size": (1, 2, 2), "stride": 1, "padding": (0, 1, 0)}, {"size": 2, "layout": "channels_last"})
    ),
    {"framework": "mxnet", "op": "ctc_loss", "inputs": {"z": CERTAIN, "labels": np.array([[1, 2], [2, 1]])},
     "wrong": {"z"}, "reason": "sum that has no term", "kw": {"reduction": "none"}, "dtypes": ("float32",)},
]  # fmt: skip
