"""Norms, distances, and what is made of matrices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

FORMULAS = {"cdist"}


def norm(x: jax.Array, *, p: float, axis: Any, keepdims: bool) -> jax.Array:
    return jnp.linalg.vector_norm(x, ord=p, axis=axis, keepdims=keepdims)


def rfft(x: jax.Array, *, axis: int) -> tuple[jax.Array, jax.Array]:
    found = jnp.fft.rfft(x, axis=axis)
    return found.real, found.imag


OPS: dict[str, Callable[..., Any]] = {
    "norm": norm,
    "cdist": lambda x, y, *, p: norm(x[..., :, None, :] - y[..., None, :, :], p=p, axis=-1, keepdims=False),
    "one_hot": lambda labels, *, classes, dtype: jax.nn.one_hot(labels, classes, dtype=dtype),
    "grouped_matmul": jax.lax.ragged_dot,
    "inv": jnp.linalg.inv,
    "solve": jnp.linalg.solve,
    "det": jnp.linalg.det,
    "slogdet": lambda a: tuple(jnp.linalg.slogdet(a)),
    "cholesky": jnp.linalg.cholesky,
    "rfft": rfft,
    "irfft": lambda re, im, *, n, axis: jnp.fft.irfft(jax.lax.complex(re, im), n=n, axis=axis),
}
