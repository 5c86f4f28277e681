"""Recurrent layers, one example and one step after the other."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..drawing import Sample, draw, of
from ..numbers import MP, MpArray, apply, exact, objects
from .table import define

Step = Callable[..., tuple[Any, ...]]


def sigmoid(x: Any) -> MpArray:
    return apply(lambda x: 1 / (1 + MP.exp(-x)), x)


def tanh(x: Any) -> MpArray:
    return apply(MP.tanh, x)


def relu(x: Any) -> MpArray:
    return apply(lambda x: x if MP.re(x) > 0 else 0 * x, x)


def blocks(a: Any, gates: str, hidden: int) -> dict[str, Any]:
    """The rows of each gate."""
    return {gate: a[i * hidden : (i + 1) * hidden] for i, gate in enumerate(gates)}


def run(step: Step, x: Any, states: tuple[Any, ...], batch_first: bool, reverse: bool) -> tuple[Any, ...]:
    """`step(x_t, *states)` gives the next states of one example; the first of them of all steps, and all after the last."""
    examples = x if batch_first else x.swapaxes(0, 1)
    every, last = [], []
    for example, *before in zip(examples, *states, strict=True):
        now, seen = tuple(before), []
        for x_t in example[::-1] if reverse else example:
            now = step(x_t, *now)
            seen.append(now[0])
        seen = seen[::-1] if reverse else seen
        every.append(np.stack(seen))
        last.append(now)
    out = np.stack(every)
    return (
        out if batch_first else out.swapaxes(0, 1),
        *(np.stack(state) for state in zip(*last, strict=True)),
    )


class Gate:
    """x @ W.T + b + h @ U.T + d of one gate, or its two halves."""

    def __init__(self, gate: str, gates: str, weights: tuple[Any, ...], hidden: int) -> None:
        self.W, self.U, self.b, self.d = (
            np.zeros(hidden) if a is None else blocks(a, gates, hidden)[gate] for a in weights
        )

    def given(self, x: Any) -> Any:
        return self.W @ x + self.b

    def kept(self, h: Any) -> Any:
        return self.U @ h + self.d

    def __call__(self, x: Any, h: Any) -> Any:
        return self.given(x) + self.kept(h)


def layers(
    s: Any, t: Any, p: Any, to: Any
) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """rnn, gru and lstm, of a sigmoid, a tanh, a relu and what turns arrays into their numbers."""

    def rnn(
        x: Any, h: Any, W_ih: Any, W_hh: Any, b_ih: Any = None, b_hh: Any = None,
        *, nonlinearity: str = "tanh", batch_first: bool = False, reverse: bool = False,
    ) -> Any:  # fmt: skip
        x, h, *weights = (None if a is None else to(a) for a in (x, h, W_ih, W_hh, b_ih, b_hh))
        gate, unit = Gate("h", "h", tuple(weights), h.shape[1]), p if nonlinearity == "relu" else t
        return run(lambda x, h: (unit(gate(x, h)),), x, (h,), batch_first, reverse)

    def gru(
        x: Any, h: Any, W_ih: Any, W_hh: Any, b_ih: Any = None, b_hh: Any = None,
        *, gates: str = "rzn", linear_before_reset: bool = True, batch_first: bool = False, reverse: bool = False,
    ) -> Any:  # fmt: skip
        x, h, *weights = (None if a is None else to(a) for a in (x, h, W_ih, W_hh, b_ih, b_hh))
        gate = {name: Gate(name, gates, tuple(weights), h.shape[1]) for name in gates}

        def step(x: Any, h: Any) -> tuple[Any, ...]:
            r, z = s(gate["r"](x, h)), s(gate["z"](x, h))
            kept = r * gate["n"].kept(h) if linear_before_reset else gate["n"].kept(r * h)
            return (z * h + (1 - z) * t(gate["n"].given(x) + kept),)

        return run(step, x, (h,), batch_first, reverse)

    def lstm(
        x: Any, h: Any, c: Any, W_ih: Any, W_hh: Any, b_ih: Any = None, b_hh: Any = None,
        *, gates: str = "ifgo", batch_first: bool = False, reverse: bool = False,
    ) -> Any:  # fmt: skip
        x, h, c, *weights = (None if a is None else to(a) for a in (x, h, c, W_ih, W_hh, b_ih, b_hh))
        gate = {name: Gate(name, gates, tuple(weights), h.shape[1]) for name in gates}

        def step(x: Any, h: Any, c: Any) -> tuple[Any, ...]:
            c = s(gate["f"](x, h)) * c + s(gate["i"](x, h)) * t(gate["g"](x, h))
            return s(gate["o"](x, h)) * t(c), c

        return run(step, x, (h, c), batch_first, reverse)

    return rnn, gru, lstm


def weights(gates: int, features: int, hidden: int) -> tuple[Any, ...]:
    rows = gates * hidden
    return draw(rows, features), draw(rows, hidden), draw(rows), draw(rows)


def samples(gates: int, states: int, *more: dict[str, Any]) -> list[Sample]:
    """Without biases, with one and with both; one step and several, one example and several."""

    def call(steps: int, batch: int, features: int, hidden: int, biases: int, **kw: Any) -> Sample:
        x = draw(batch, steps, features) if kw.get("batch_first") else draw(steps, batch, features)
        given = [draw(batch, hidden)] * states
        return of(x, *given, *weights(gates, features, hidden)[: 2 + biases], **kw)

    return [
        call(1, 1, 1, 1, 0),
        call(2, 1, 2, 1, 1),
        call(3, 2, 1, 2, 2),
        call(2, 2, 2, 1, 2, batch_first=True),
        *(call(2, 1, 1, 2, 2, **kw) for kw in more),
    ]


EXACTLY = layers(sigmoid, tanh, relu, lambda a: objects(exact(a)))
IN_NUMPY = layers(lambda x: 1 / (1 + np.exp(-x)), np.tanh, lambda x: np.maximum(x, 0), np.asarray)
MORE: dict[str, tuple[int, int, list[dict[str, Any]]]] = {
    "rnn": (1, 1, [{"reverse": True}, {"nonlinearity": "relu"}]),
    "gru": (
        3,
        1,
        [
            {"gates": "zrn"},
            {"linear_before_reset": False},
            {"linear_before_reset": False, "gates": "nzr"},
            {"reverse": True},
        ],
    ),
    "lstm": (4, 2, [{"gates": "iogf"}, {"reverse": True, "batch_first": True}]),
}

AT_KINKS = {"rnn": [of(np.zeros((2, 1, 2)), np.zeros((1, 1)), draw(1, 2), draw(1, 1), nonlinearity="relu")]}

for (name, (gates, states, more)), forward, numpy in zip(MORE.items(), EXACTLY, IN_NUMPY, strict=True):
    define(
        name, forward, numpy=numpy, relative_to="one", samples=samples(gates, states, *more), at_kinks=AT_KINKS.get(name, ()), analytic=name not in AT_KINKS,
    )  # fmt: skip
