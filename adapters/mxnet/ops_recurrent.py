"""Recurrent layers: npx.rnn, whose weights and biases lie one after the other in one array."""

from collections.abc import Callable
from typing import Any

from mxnet import np, npx
from worker import Unsupported


def in_gate_order(a: Any, gates: str, mxnets: str) -> Any:
    """The rows of each gate, where MXNet has them."""
    if gates == mxnets:
        return a
    parts = dict(zip(gates, np.split(a, len(gates)), strict=True))
    return np.concatenate([parts[gate] for gate in mxnets])


def over_steps(
    mode: str, x: Any, states: list[Any], weights: list[Any], batch_first: bool, reverse: bool
) -> Any:
    """Npx.rnn, whose gradients are right where those of x, states and parameters are asked for together.

    Alone, a state's is 0, and that of x is another number: `attach_grad` on one of them, and on all, shows it. It goes
    backwards beside a layer that goes forwards.
    """
    W, U, *biases = weights
    directions, hidden = 1 + reverse, U.shape[1]
    absent = [np.zeros(len(W), dtype=x.dtype)] * (2 - len(biases))
    both = [W, U] * directions + [*biases, *absent] * directions
    x = np.swapaxes(x, 0, 1) if batch_first else x
    every, *last = npx.rnn(
        x, np.concatenate([a.reshape(-1) for a in both]), *(np.stack([state] * directions) for state in states),
        mode=mode, state_size=hidden, num_layers=1, bidirectional=reverse, state_outputs=True,
    )  # fmt: skip
    every = every[..., -hidden:]
    return (np.swapaxes(every, 0, 1) if batch_first else every, *(state[-1] for state in last))


def rnn(x: Any, h: Any, *weights: Any, nonlinearity: str, batch_first: bool, reverse: bool) -> Any:
    return over_steps(f"rnn_{nonlinearity}", x, [h], list(weights), batch_first, reverse)


def gru(
    x: Any, h: Any, *weights: Any, gates: str, linear_before_reset: bool, batch_first: bool, reverse: bool
) -> Any:
    if not linear_before_reset:
        raise Unsupported("npx.rnn resets behind the product with the weights")
    return over_steps("gru", x, [h], [in_gate_order(a, gates, "rzn") for a in weights], batch_first, reverse)


def lstm(x: Any, h: Any, c: Any, *weights: Any, gates: str, batch_first: bool, reverse: bool) -> Any:
    return over_steps(
        "lstm", x, [h, c], [in_gate_order(a, gates, "ifgo") for a in weights], batch_first, reverse
    )


OPS: dict[str, Callable[..., Any]] = {
    "rnn": rnn,
    "gru": gru,
    "lstm": lstm,
}
