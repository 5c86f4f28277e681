"""Elementary functions of JAX beside those of its adapter."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

OPS: dict[str, Callable[..., Any]] = {
    "minimum": jnp.minimum,
    "clip": lambda x, *, low, high: jnp.clip(x, low, high),
    "expm1": jnp.expm1,
    "log1p": jnp.log1p,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "rsqrt": jax.lax.rsqrt,
    "reciprocal": jnp.reciprocal,
    "log2": jnp.log2,
    "log10": jnp.log10,
    "exp2": jnp.exp2,
    "tan": jnp.tan,
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "atan2": jnp.arctan2,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "hypot": jnp.hypot,
    "logaddexp": jnp.logaddexp,
    "xlogy": jax.scipy.special.xlogy,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "round": jnp.round,
    "sign": jnp.sign,
    "mod": jnp.mod,
    "lgamma": jax.scipy.special.gammaln,
    "stop_gradient": jax.lax.stop_gradient,
}
