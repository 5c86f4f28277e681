"""Random programs that are hard to judge: correct code must be called right in them too, call by call.

Each kind is drawn towards one difficulty: names read again and again with cancellation between, saturated units,
layers of one unit, ties and masks, long sums. As with networks, a seed is a program everywhere.
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..case.writing import write

ROWS, COLUMNS = 9, 13
LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000)
"""Terms of a long sum."""

Tensors = Mapping[str, Mapping[str, Any]]


def _case(kind: str, seed: int, program: Mapping[str, str], tensors: Tensors) -> str:
    """The text of a case file; tensors that the program does not read are left out."""
    read = set(re.findall(r"\w+", " ".join(program.values())))
    lines = (f"{name} = {expression}\n" for name, expression in program.items())
    return write(
        {
            "title": f"Random program {seed}: {kind}",
            "source": f"harness.power.programs, {kind}, seed {seed}",
            "seed": seed,
            "program": "".join(lines),
            "tensors": {name: tensor for name, tensor in tensors.items() if name in read},
        }
    )


def dag(seed: int) -> str:
    """Small calls whose names are read again and again, with cancellation: hard for whoever fuses or reorders."""
    rng = random.Random(seed)  # noqa: S311 (reproducible, not secret)
    names, program = ["a", "b", "c", "v"], dict[str, str]()
    for i in range(rng.choice((8, 20, 40))):
        x, y, z = rng.choice(names[-6:]), rng.choice(names), rng.choice(names)
        program[f"n{i}"] = rng.choice(
            (
                f"{x} * {y} - {z}", f"tanh({x} * 3 - {y} * 3)", f"{x} + {y}", f"{x} - 0.999 * {x} * cos({y})",
                f"sigmoid({x}) * {y}", f"exp(-square({x})) - exp(-square({y}))", f"{x} / (1 + square({y}))",
                f"{x} - mean({y}, axis=0, keepdims=True)", f"maximum({x}, {y})", f"softmax({x}, axis=-1) * {y}",
                f"({x} @ w) * 0.2", f"sqrt(1 + square({x})) - 1", f"leaky_relu({x}, slope=0.25) + abs({y})",
            )
        )  # fmt: skip
        names.append(f"n{i}")
    square = {"shape": [ROWS, COLUMNS], "uniform": [-1, 1]}
    tensors = dict.fromkeys("abc", square) | {
        "v": {"shape": [1, COLUMNS], "uniform": [-1, 1]},
        "w": {"shape": [COLUMNS, COLUMNS], "uniform": [-1, 1]},
    }
    program["loss"] = _of_all_unread(program)
    return _case("dag", seed, program, tensors)


def _of_all_unread(program: Mapping[str, str]) -> str:
    """A scalar to which every name leads that nothing reads."""
    read = set(re.findall(r"\w+", " ".join(program.values())))
    return " + ".join(f"mean({name} * {name})" for name in program if name not in read)


def saturated(seed: int) -> str:
    """Units far in their tails, where outputs are nearly equal and gradients nearly nothing."""
    rng = random.Random(seed)  # noqa: S311
    layers = [(rng.choice((5, 16, 40)), rng.choice(("sigmoid", "tanh", "softplus"))) for _ in range(3)]
    return _layers("saturated", rng, seed, layers, rng.choice((4.0, 16.0, 64.0)))


def narrow(seed: int) -> str:
    """Layers of one unit, one example or one class: axes of length 1 wherever there can be."""
    rng = random.Random(seed)  # noqa: S311
    activations = ("sigmoid", "tanh", "relu", "softplus")
    layers = [(rng.choice((1, 1, 3)), rng.choice(activations)) for _ in range(rng.choice((2, 5, 8)))]
    return _layers("narrow", rng, seed, layers, 2.0)


def _layers(
    kind: str, rng: random.Random, seed: int, layers: Iterable[tuple[int, str]], spread: float
) -> str:
    """Layers of these widths and activations, their weights uniform up to `spread`, and a loss."""
    batch, width, x = rng.choice((1, 2, 17)), rng.choice((1, 4)), "x0"
    tensors: dict[str, dict[str, Any]] = {"x0": {"shape": [batch, width], "uniform": [-1, 1]}}
    program = {}
    for i, (units, activation) in enumerate(layers, 1):
        tensors[f"W{i}"] = {"shape": [units, width], "uniform": [-spread, spread]}
        tensors[f"b{i}"] = {"shape": [units], "uniform": [-1, 1]}
        program[f"x{i}"] = f"{activation}(linear({x}, W{i}, b{i}))"
        x, width = f"x{i}", units
    tensors["t"] = {"shape": [batch, width], "choice": [0, 1]}
    tensors["d"] = {"shape": [batch, width], "one_hot": 1}
    program["loss"] = rng.choice(("mse({}, t)", "bce_with_logits({}, t)", "cross_entropy({}, d)")).format(x)
    return _case(kind, seed, program, tensors)


def ties(seed: int) -> str:
    """Numbers of a few values, so that maxima tie and arguments of branches are 0, and masks."""
    rng = random.Random(seed)  # noqa: S311
    names, program = ["a", "b"], dict[str, str]()
    for i in range(rng.choice((3, 6, 10))):
        x, y = rng.choice(names[-4:]), rng.choice(names)
        program[f"n{i}"] = rng.choice(
            (
                f"maximum({x}, {y})", f"relu({x}) - {y}", f"abs({x}) * {y}", f"leaky_relu({x} - {y}, slope=0.25)",
                f"where(m, {x}, {y})", f"{x} * k + {y}", f"{x} - max({y}, axis=-1, keepdims=True)",
                f"softmax({x} + (1 - k) * -1000000, axis=-1) * {y}", f"where(m, {x}, 0) + relu({y})",
                f"max({x} * k, axis=0, keepdims=True) + {y}",
            )
        )  # fmt: skip
        names.append(f"n{i}")
    few = {"shape": [ROWS, COLUMNS], "choice": [-1, -0.5, 0, 0.5, 1]}
    tensors: Tensors = {
        "a": few,
        "b": few,
        "k": {"shape": [ROWS, COLUMNS], "choice": [0, 1]},
        "m": {"shape": [ROWS, COLUMNS], "choice": [False, True], "dtype": "bool"},
    }
    program["loss"] = _of_all_unread(program)
    return _case("ties", seed, program, tensors)


def sums(seed: int) -> str:
    """Sums of a thousand terms to a hundred thousand: of one sign, or cancelling."""
    rng = random.Random(seed)  # noqa: S311
    n, low = rng.choice(LENGTHS), rng.choice((-1.0, 0.25))
    program = {
        "r": rng.choice(("x * y", "tanh(x) * y", "x - y * 0.5", "sigmoid(x) + y")),
        "s": rng.choice(
            (
                "sum(r)", "mean(r)", "norm(r)", "sum_squares(r)", "sum(logsumexp(r, axis=-1))", "mse(r, y)",
                "bce_with_logits(r, t)", "cross_entropy(r, d)", "sum(r @ p)", "sum(softmax(r, axis=-1) * y)",
                "norm(mean(r, axis=0))", "sum(square(x.T @ r))",
            )
        ),
    }  # fmt: skip
    program["loss"] = f"s * {rng.choice(('1', '0.1'))} + mean(square(r))"
    rows = rng.choice((1, 2, 10))
    shape = [rows, n // rows] if rng.random() < 0.5 and ".T" not in program["s"] else [n // rows, rows]
    tensors: Tensors = {
        **{name: {"shape": shape, "uniform": [low, 1]} for name in "xy"},
        "t": {"shape": shape, "choice": [0, 1]},
        "d": {"shape": shape, "one_hot": 1},
        "p": {"shape": [shape[1], 2], "uniform": [low, 1]},
    }
    return _case("sums", seed, program, tensors)


PROGRAMS: Mapping[str, Callable[[int], str]] = {
    "dag": dag,
    "saturated": saturated,
    "narrow": narrow,
    "ties": ties,
    "sums": sums,
}
