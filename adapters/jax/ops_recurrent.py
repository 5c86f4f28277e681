"""Recurrent layers: jax.lax.scan over the formula of a step, as people write them (jax.experimental.rnn is cuDNN's)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

FORMULAS = {"rnn", "gru", "lstm"}
State = tuple[jax.Array, ...]


def over_steps(
    step: Callable[..., State], x: jax.Array, states: State, batch_first: bool, reverse: bool
) -> State:
    """All of the first state, and all states after the last step."""

    def body(states: State, given: jax.Array) -> tuple[State, jax.Array]:
        states = step(given, *states)
        return states, states[0]

    last, every = jax.lax.scan(body, states, x.swapaxes(0, 1) if batch_first else x, reverse=reverse)
    return (every.swapaxes(0, 1) if batch_first else every, *last)


def product(x: jax.Array, W: jax.Array, b: jax.Array | None = None) -> jax.Array:
    return x @ W.T if b is None else x @ W.T + b


def by_gates(a: jax.Array, gates: str, axis: int = -1) -> dict[str, jax.Array]:
    return dict(zip(gates, jnp.split(a, len(gates), axis=axis), strict=True))


def rnn(
    x: jax.Array,
    h: jax.Array,
    W_ih: jax.Array,
    W_hh: jax.Array,
    b_ih: jax.Array | None = None,
    b_hh: jax.Array | None = None,
    *,
    nonlinearity: str,
    batch_first: bool,
    reverse: bool,
) -> State:
    unit = {"tanh": jnp.tanh, "relu": jax.nn.relu}[nonlinearity]

    def step(given: jax.Array, h: jax.Array) -> State:
        return (unit(given + product(h, W_hh, b_hh)),)

    return over_steps(step, product(x, W_ih, b_ih), (h,), batch_first, reverse)


def gru(
    x: jax.Array,
    h: jax.Array,
    W_ih: jax.Array,
    W_hh: jax.Array,
    b_ih: jax.Array | None = None,
    b_hh: jax.Array | None = None,
    *,
    gates: str,
    linear_before_reset: bool,
    batch_first: bool,
    reverse: bool,
) -> State:
    own = by_gates(W_hh, gates, 0)
    biases = dict.fromkeys(gates) if b_hh is None else by_gates(b_hh, gates)

    def step(given: jax.Array, h: jax.Array) -> State:
        new = by_gates(given, gates)
        r, z = (jax.nn.sigmoid(new[gate] + product(h, own[gate], biases[gate])) for gate in "rz")
        if linear_before_reset:
            n = jnp.tanh(new["n"] + r * product(h, own["n"], biases["n"]))
        else:
            n = jnp.tanh(new["n"] + product(r * h, own["n"], biases["n"]))
        return ((1 - z) * n + z * h,)

    return over_steps(step, product(x, W_ih, b_ih), (h,), batch_first, reverse)


def lstm(
    x: jax.Array,
    h: jax.Array,
    c: jax.Array,
    W_ih: jax.Array,
    W_hh: jax.Array,
    b_ih: jax.Array | None = None,
    b_hh: jax.Array | None = None,
    *,
    gates: str,
    batch_first: bool,
    reverse: bool,
) -> State:
    def step(given: jax.Array, h: jax.Array, c: jax.Array) -> State:
        new = by_gates(given + product(h, W_hh, b_hh), gates)
        i, f, o = (jax.nn.sigmoid(new[gate]) for gate in "ifo")
        c = f * c + i * jnp.tanh(new["g"])
        return o * jnp.tanh(c), c

    return over_steps(step, product(x, W_ih, b_ih), (h, c), batch_first, reverse)


OPS: dict[str, Callable[..., Any]] = {"rnn": rnn, "gru": gru, "lstm": lstm}
