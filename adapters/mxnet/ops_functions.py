"""Elementary functions of MXNet beside those of its adapter.

What only the older `nd` has is reached through its arrays, which share memory and the tape with NumPy's. There is no erfc,
exp2, logaddexp and xlogy.
"""

from collections.abc import Callable
from typing import Any

import mxnet as mx
from mxnet import np, npx


def of_nd(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the older interface."""
    return lambda x, **kw: function(x.as_nd_ndarray(), **kw).as_np_ndarray()


OPS: dict[str, Callable[..., Any]] = {
    "minimum": np.minimum,
    "clip": lambda x, *, low, high: np.clip(x, low, high),
    "expm1": np.expm1,
    "log1p": np.log1p,
    "erf": npx.erf,
    "rsqrt": of_nd(mx.nd.rsqrt),
    "reciprocal": np.reciprocal,
    "log2": np.log2,
    "log10": np.log10,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "hypot": np.hypot,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.around,
    "sign": np.sign,
    "mod": np.mod,
    "lgamma": npx.gammaln,
    "stop_gradient": of_nd(mx.nd.stop_gradient),
}
