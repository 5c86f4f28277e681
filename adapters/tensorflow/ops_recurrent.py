"""Recurrent layers: Keras's, which have one column a unit, the batch first, and one bias unless a GRU resets behind it."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import tensorflow as tf


@lru_cache(maxsize=64)
def recurrent_layer(kind: str, steps: int, features: int, hidden: int, dtype: str, **said: Any) -> Any:
    """Without memory of its own: building one costs 5 ms, so they are kept."""
    layer = getattr(tf.keras.layers, kind)(
        hidden, return_sequences=True, return_state=True, dtype=dtype, **said
    )
    layer.build((None, steps, features))
    return layer


def in_gate_order(a: tf.Tensor, gates: str, kerass: str) -> tf.Tensor:
    """The rows of each gate, where Keras has their columns."""
    if gates == kerass:
        return a
    parts = dict(zip(gates, tf.split(a, len(gates)), strict=True))
    return tf.concat([parts[gate] for gate in kerass], 0)


def over_steps(
    kind: str,
    x: tf.Tensor,
    states: list[tf.Tensor],
    weights: list[tf.Tensor],
    batch_first: bool,
    reverse: bool,
    **said: Any,
) -> Any:
    """Going backwards a layer has its states in the order in which it makes them."""
    x = x if batch_first else tf.transpose(x, (1, 0, 2))
    W, U, *biases = weights
    two = bool(said.get("reset_after"))
    kernel, recurrent = tf.transpose(W), tf.transpose(U)
    learned = [kernel, recurrent, *bias_of(biases, two)]
    layer = recurrent_layer(
        kind, *x.shape[1:], U.shape[1], x.dtype.name, use_bias=bool(biases), go_backwards=reverse, **said
    )
    before = [variable.value for variable in layer.non_trainable_variables]
    (every, *last), _ = layer.stateless_call(learned, before, x, initial_state=states)
    every = tf.reverse(every, [1]) if reverse else every
    return (every if batch_first else tf.transpose(every, (1, 0, 2)), *last)


def bias_of(biases: list[tf.Tensor], two: bool) -> list[tf.Tensor]:
    """Keras's bias: the sum of that beside the input and that beside the state, or both in two rows."""
    if not biases:
        return []
    beside_input, beside_state = (*biases, tf.zeros_like(biases[0]))[:2]
    return [tf.stack([beside_input, beside_state]) if two else beside_input + beside_state]


def rnn(
    x: tf.Tensor, h: tf.Tensor, *weights: tf.Tensor, nonlinearity: str, batch_first: bool, reverse: bool
) -> Any:
    return over_steps("SimpleRNN", x, [h], list(weights), batch_first, reverse, activation=nonlinearity)


def gru(
    x: tf.Tensor,
    h: tf.Tensor,
    *weights: tf.Tensor,
    gates: str,
    linear_before_reset: bool,
    batch_first: bool,
    reverse: bool,
) -> Any:
    ordered = [in_gate_order(a, gates, "zrn") for a in weights]
    return over_steps("GRU", x, [h], ordered, batch_first, reverse, reset_after=linear_before_reset)


def lstm(
    x: tf.Tensor,
    h: tf.Tensor,
    c: tf.Tensor,
    *weights: tf.Tensor,
    gates: str,
    batch_first: bool,
    reverse: bool,
) -> Any:
    ordered = [in_gate_order(a, gates, "ifgo") for a in weights]
    return over_steps("LSTM", x, [h, c], ordered, batch_first, reverse)


OPS: dict[str, Callable[..., Any]] = {"rnn": rnn, "gru": gru, "lstm": lstm}
