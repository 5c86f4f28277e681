"""Calls of the normalization family whose results are known to be wrong, as `Sample` takes them."""

import numpy as np

RANDOM = np.random.default_rng(20)
BOTH = ("float32", "float64")


def drawn(*shape: int, low: float = -2, high: float = 3) -> np.ndarray:
    return RANDOM.uniform(low, high, shape).astype(np.float32).astype(np.float64)


SAMPLES = [
    *(
        {"framework": "mxnet", "op": op, "inputs": {"x": drawn(3, 4)}, "wrong": {"x"}, "reason": "no gradient",
         "kw": {"axis": axis, "ddof": ddof}}
        for op in ("var", "std")
        for axis, ddof in ((1, 0), (None, 1))
    ),
    *(
        {"framework": "mxnet", "op": "layer_norm", "inputs": inputs, "wrong": {"out", "x"}, "reason": "in float32",
         "kw": {"epsilon": epsilon}, "dtypes": ("float64",)}
        for inputs in ({"x": drawn(5, 4)}, {"x": drawn(5, 4), "w": drawn(4, low=0.5), "b": drawn(4)})
        for epsilon in (1e-5, 0.01)
    ),
    *(
        {"framework": framework, "op": "std", "inputs": {"x": np.zeros((2, 4))}, "wrong": {"x"}, "reason": "0 / 0",
         "kw": {"axis": 1}}
        for framework in ("tensorflow", "jax")
    ),
    {"framework": "tensorflow", "op": "attention", "inputs": {name: drawn(2, 5, 3) for name in "qkv"},
     "wrong": {"out", "q", "k", "v"}, "reason": "scale in float32", "kw": {"scale": 0.7}, "dtypes": ("float64",)},
    {"framework": "jax", "op": "attention", "inputs": {name: drawn(2, 5, 3) for name in "qkv"},
     "wrong": {"out", "q", "k", "v"}, "reason": "in float32", "dtypes": ("float64",)},
    {"framework": "mxnet", "op": "running_statistics",
     "inputs": {"x": drawn(5, 3), "mean": drawn(3), "variance": drawn(3, low=0.5)},
     "wrong": {"out"}, "reason": "momentum in float32", "kw": {"ddof": 0, "momentum": 0.3}, "dtypes": ("float64",)},
    {"framework": "mxnet", "op": "rnn",
     "inputs": {"x": drawn(2, 3, 4), "h": drawn(3, 2), "W_ih": drawn(2, 4), "W_hh": drawn(2, 2), "b_ih": drawn(2), "b_hh": drawn(2)},
     "wrong": {"out"}, "reason": "rounds to float32", "kw": {"nonlinearity": "relu"}, "dtypes": ("float64",)},
    {"framework": "mxnet", "op": "group_norm", "inputs": {"x": drawn(2, 4, 3), "w": drawn(4, low=0.5)},
     "wrong": {"out", "x"}, "reason": "in float32", "kw": {"groups": 2, "epsilon": 0.01}, "dtypes": ("float64",)},
]  # fmt: skip
