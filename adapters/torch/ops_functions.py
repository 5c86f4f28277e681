"""Elementary functions of PyTorch beside those of its adapter."""

from collections.abc import Callable
from typing import Any

import torch
from adapter import like

OPS: dict[str, Callable[..., Any]] = {
    "minimum": lambda x, y: torch.minimum(like(x, y), like(y, x)),
    "clip": lambda x, *, low, high: torch.clamp(x, min=low, max=high),
    "expm1": torch.expm1,
    "log1p": torch.log1p,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "rsqrt": torch.rsqrt,
    "reciprocal": torch.reciprocal,
    "log2": torch.log2,
    "log10": torch.log10,
    "exp2": torch.exp2,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "atan2": lambda y, x: torch.atan2(like(y, x), like(x, y)),
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "hypot": lambda x, y: torch.hypot(like(x, y), like(y, x)),
    "logaddexp": lambda x, y: torch.logaddexp(like(x, y), like(y, x)),
    "xlogy": torch.xlogy,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "sign": torch.sign,
    "mod": lambda x, y: torch.remainder(like(x, y), like(y, x)),
    "lgamma": torch.lgamma,
    "stop_gradient": torch.Tensor.detach,
}
