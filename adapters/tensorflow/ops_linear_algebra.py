"""Norms, distances, and what is made of matrices."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from worker import Unsupported

FORMULAS = {"cdist"}


def norm(x: tf.Tensor, *, p: float, axis: Any, keepdims: bool) -> tf.Tensor:
    if isinstance(axis, tuple) and len(axis) == 1:  # one axis is a number, two are a norm of matrices
        [axis] = axis
    if isinstance(axis, tuple) and (len(axis) > 2 or p != 2):
        raise Unsupported("tf.norm takes two axes at most, and these for Frobenius' norm")
    return tf.norm(x, ord="euclidean" if p == 2 else p, axis=axis, keepdims=keepdims)


def solve(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    lead = tf.broadcast_static_shape(a.shape[:-2], b.shape[:-2])  # tf.linalg.solve broadcasts nothing
    return tf.linalg.solve(*(tf.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b)))


def rfft(x: tf.Tensor, *, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    moved = tf.experimental.numpy.moveaxis(x, axis, -1)  # tf.signal.rfft takes the last axis
    found = tf.experimental.numpy.moveaxis(tf.signal.rfft(moved), -1, axis)
    return tf.math.real(found), tf.math.imag(found)


def irfft(re: tf.Tensor, im: tf.Tensor, *, n: int | None, axis: int) -> tf.Tensor:
    moved = tf.experimental.numpy.moveaxis(tf.complex(re, im), axis, -1)
    found = tf.signal.irfft(moved, None if n is None else [n])
    return tf.experimental.numpy.moveaxis(found, -1, axis)


OPS: dict[str, Callable[..., Any]] = {
    "norm": norm,
    "cdist": lambda x, y, *, p: norm(x[..., :, None, :] - y[..., None, :, :], p=p, axis=-1, keepdims=False),
    "one_hot": lambda labels, *, classes, dtype: tf.one_hot(labels, classes, dtype=dtype),
    "inv": tf.linalg.inv,
    "solve": solve,
    "det": tf.linalg.det,
    "slogdet": lambda a: tuple(tf.linalg.slogdet(a)),
    "cholesky": tf.linalg.cholesky,
    "rfft": rfft,
    "irfft": irfft,
}
