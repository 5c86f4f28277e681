"""How far each framework's elementary functions are from the truth: the source of the op table's constants.

`reference/ops/elementary.py` says what error a correct implementation may have. Here each installed framework's own
call, the one that its adapter makes, runs in its own interpreter over stated ranges; truth is `harness.truth`,
mpmath with 50 digits. Where a function's terms are larger than its result (logarithms near a result of 0), the unit
is the size that the row allows for, and the range says so.

    python -m benchmarks.constants.elementary                          # every function and installed framework
    python -m benchmarks.constants.elementary --function exp tanh --points 20000

Each box is the largest error; `mean` is the largest mean error of a framework, with its sign: what its polynomial
does to all calls alike. `allowed` is spread + bias, the largest error of one perturbed run; a node by itself
disagrees beyond K sigma.
"""

import argparse
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from gradient_conformance.harness.frameworks import interpreters
from gradient_conformance.harness.frameworks.found import (
    REQUIREMENTS,
    Framework,
    frameworks,
    shipped_adapters,
)
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.harness.workers.answer import Answer, read_answer
from gradient_conformance.harness.workers.asked import Asked
from gradient_conformance.harness.workers.wire import Sent, shared_line
from gradient_conformance.harness.workers.worker import Worker
from gradient_conformance.reference import Program, parse
from gradient_conformance.reference.formats import DTYPES, FORMATS
from gradient_conformance.reference.ops.elementary import FUNCTIONS
from gradient_conformance.reference.rounding import K

from .. import common

ROUNDING = 0.58
"""sigma of the final rounding in units of u |f|, see `reference/rounding.py`."""

Array = Any
Inputs = Mapping[str, Array]


def evenly(low: float, high: float) -> Callable[[Any, int], Inputs]:
    """Points over [low, high]."""
    return lambda rng, n: {"x": rng.uniform(low, high, n)}


def magnitudes(low: float, high: float, sign: float = 1) -> Callable[[Any, int], Inputs]:
    """Points whose logarithm is spread over that of [low, high]."""
    return lambda rng, n: {"x": sign * np.exp(rng.uniform(np.log(low), np.log(high), n))}


def rows(low: float, high: float, width: int = 10) -> Callable[[Any, int], Inputs]:
    """Rows of logits over [low, high]."""
    return lambda rng, n: {"x": rng.uniform(low, high, (max(1, n // width), width))}


def pairs(x: tuple[float, float], t: tuple[float, float]) -> Callable[[Any, int], Inputs]:
    """Points over a rectangle."""
    return lambda rng, n: {"x": rng.uniform(*x, n), "t": rng.uniform(*t, n)}


def with_zeros(low: float, high: float) -> Callable[[Any, int], Inputs]:
    """Points over [low, high], and targets 0."""
    return lambda rng, n: {"x": rng.uniform(low, high, n), "t": np.zeros(n)}


def one(_: Array, f: Array) -> Array:
    """1: an absolute error, in u."""
    return np.ones_like(f)


def beside_one(x: Array, _: Array) -> Array:
    """1 + |x|: the terms are larger than the result, which may be 0."""
    return 1 + np.abs(x)


def shifted(x: Array, f: Array) -> Array:
    """|f| (1 + max - x): the shift of the logits is rounded before its exponential is taken."""
    return np.abs(f) * (1 + np.max(x, axis=-1, keepdims=True) - x)


def largest_logit(x: Array, _: Array) -> Array:
    """1 + |max x| + |x|: what the rows of the softmax family allow for."""
    return 1 + np.abs(np.max(x, axis=-1, keepdims=True)) + np.abs(x)


@dataclass(frozen=True)
class Range:
    """One function over one range, and the constant that allows for it."""

    function: str
    program: str
    text: str
    draw: Callable[[Any, int], Inputs]
    unit: Callable[[Array, Array], Array] = field(default=lambda _, f: np.abs(f))
    dtypes: tuple[str, ...] = DTYPES


def _unary(op: str, *ranges: tuple[str, Callable[[Any, int], Inputs]]) -> Iterator[Range]:
    return (Range(op, f"y = {op}(x)", text, draw) for text, draw in ranges)


NEAR_ONE = "[0.9, 1.1], in u"
RANGES = (
    *_unary("exp", ("[-1, 1]", evenly(-1, 1)), ("[-80, 80]", evenly(-80, 80))),
    Range("exp", "y = exp(x)", "[-700, 700]", evenly(-700, 700), dtypes=("float64",)),
    *_unary("log", ("[1e-30, 0.5]", magnitudes(1e-30, 0.5)), ("[2, 1e30]", magnitudes(2, 1e30))),
    Range("log", "y = log(x)", NEAR_ONE, evenly(0.9, 1.1), one),
    *_unary("log", ("[0.9, 1.1]", evenly(0.9, 1.1))),
    Range("log1p", "y = bce(x, t, reduction='none')", "-log1p(-p) of bce, p in [0.3, 0.9]", with_zeros(0.3, 0.9)),
    Range("log1p", "y = bce_with_logits(x, t, reduction='none')", "of exp [-30, 0], in u (1 + |f|)", with_zeros(-30, 0), lambda _, f: 1 + f),
    *_unary("expm1", ("[-1e-6, 1e-6]", evenly(-1e-6, 1e-6)), ("[-1, 1]", evenly(-1, 1)), ("[-20, 80]", evenly(-20, 80))),
    *_unary("log1p", ("[-1e-6, 1e-6]", evenly(-1e-6, 1e-6)), ("[-0.9, 2]", evenly(-0.9, 2)), ("[2, 1e30]", magnitudes(2, 1e30))),
    *_unary("erf", ("[-1, 1]", evenly(-1, 1)), ("[-6, 6]", evenly(-6, 6)), ("[1e-30, 1e-3]", magnitudes(1e-30, 1e-3))),
    *_unary("erfc", ("[-6, 0]", evenly(-6, 0)), ("[0, 2]", evenly(0, 2)), ("[2, 9]", evenly(2, 9))),
    *_unary("log2", ("[1e-30, 0.5]", magnitudes(1e-30, 0.5)), ("[0.9, 1.1]", evenly(0.9, 1.1)), ("[2, 1e30]", magnitudes(2, 1e30))),
    *_unary("log10", ("[1e-30, 0.5]", magnitudes(1e-30, 0.5)), ("[0.9, 1.1]", evenly(0.9, 1.1)), ("[2, 1e30]", magnitudes(2, 1e30))),
    *_unary("exp2", ("[-1, 1]", evenly(-1, 1)), ("[-120, 120]", evenly(-120, 120))),
    *_unary("tan", ("[-1, 1]", evenly(-1, 1)), ("[-100, 100]", evenly(-100, 100))),
    *_unary("asin", ("[-0.5, 0.5]", evenly(-0.5, 0.5)), ("[-1, 1]", evenly(-1, 1))),
    *_unary("acos", ("[-1, 0.5]", evenly(-1, 0.5)), ("[0.5, 1]", evenly(0.5, 1))),
    *_unary("atan", ("[-1, 1]", evenly(-1, 1)), ("[1, 1e10]", magnitudes(1, 1e10))),
    *_unary("sinh", ("[-1, 1]", evenly(-1, 1)), ("[-80, 80]", evenly(-80, 80)), ("[1e-8, 0.1]", magnitudes(1e-8, 0.1))),
    *_unary("cosh", ("[-1, 1]", evenly(-1, 1)), ("[-80, 80]", evenly(-80, 80))),
    *_unary("asinh", ("[-1, 1]", evenly(-1, 1)), ("[1, 1e10]", magnitudes(1, 1e10)), ("[-100, -1e-8]", magnitudes(1e-8, 100, -1))),
    *_unary("acosh", ("[1.01, 2]", evenly(1.01, 2)), ("[2, 1e10]", magnitudes(2, 1e10))),
    *_unary("atanh", ("[-0.5, 0.5]", evenly(-0.5, 0.5)), ("[-0.999, 0.999]", evenly(-0.999, 0.999)), ("[1e-8, 0.1]", magnitudes(1e-8, 0.1))),
    Range("atan2", "y = atan2(x, t)", "[-4, 4] of [-4, 4]", pairs((-4, 4), (-4, 4))),
    Range("hypot", "y = hypot(x, t)", "[-4, 4], [-4, 4]", pairs((-4, 4), (-4, 4))),
    Range("logaddexp", "y = logaddexp(x, t)", "[-4, 4], [-4, 4], in u (1 + |x|)", pairs((-4, 4), (-4, 4)), beside_one),
    Range("lgamma", "y = lgamma(x)", "[0.1, 4], in u (1 + |x|)", evenly(0.1, 4), beside_one),
    *_unary("lgamma", ("[4, 1e10]", magnitudes(4, 1e10)), ("[1e-10, 0.5]", magnitudes(1e-10, 0.5))),
    *_unary("reciprocal", ("[1e-30, 1e30]", magnitudes(1e-30, 1e30))),
    *_unary("rsqrt", ("[1e-30, 1e30]", magnitudes(1e-30, 1e30))),
    *_unary("sin", ("[-3, 3]", evenly(-3, 3)), ("[-100, 100]", evenly(-100, 100))),
    *_unary("cos", ("[-1.5, 1.5]", evenly(-1.5, 1.5)), ("[-100, 100]", evenly(-100, 100))),
    *_unary("sqrt", ("[1e-30, 1e30]", magnitudes(1e-30, 1e30))),
    Range("pow", "y = x ** t", "[0.1, 10] ** [-4, 4]", pairs((0.1, 10), (-4, 4))),
    Range("pow", "y = x ** 2.5", "[0.1, 10] ** 2.5", evenly(0.1, 10)),
    Range("pow", "y = x ** 3", "[-10, 10] ** 3", evenly(-10, 10)),
    *_unary("sigmoid", ("[-1, 1]", evenly(-1, 1)), ("[-15, 15]", evenly(-15, 15)), ("[-80, -15]", evenly(-80, -15))),
    *_unary("tanh", ("[-0.5, 0.5]", evenly(-0.5, 0.5)), ("[-9, 9]", evenly(-9, 9)), ("[1e-8, 0.1]", magnitudes(1e-8, 0.1))),
    *_unary("softplus", ("[-2, 2]", evenly(-2, 2)), ("[2, 80]", evenly(2, 80)), ("[-15, -2]", evenly(-15, -2)), ("[-80, -15]", evenly(-80, -15))),
    Range("softmax", "y = softmax(x)", "10 of [-4, 4]", rows(-4, 4)),
    Range("softmax", "y = softmax(x)", "10 of [-40, 40], in u |f| (1 + max - x)", rows(-40, 40), shifted),
    Range("log_softmax", "y = log_softmax(x)", "10 of [-4, 4], in u (1 + |max x| + |x|)", rows(-4, 4), largest_logit),
    Range("log_softmax", "y = log_softmax(x)", "10 of [-40, 40], same unit", rows(-40, 40), largest_logit),
    Range("div", "y = 1 / x", "[1e-30, 1e30]", magnitudes(1e-30, 1e30)),
)  # fmt: skip


def main() -> None:
    options = _options()
    with common.kept("elementary", "benchmarks.constants.elementary", options.write):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    points = 60 if options.quick else options.points
    ranges = [r for r in RANGES if not options.function or r.function in options.function]
    subjects = [s for s in map(_start, frameworks([shipped_adapters()])) if s is not None]
    print(f"{common.machine()}, mpmath {mpmath.__version__}")
    print(f"{points} points a range, one thread; in units of u |f|")
    print(", ".join(f"{s.name} {s.version} ({s.mode})" for s in subjects))
    print(line("function", "range", "dtype", *(s.name for s in subjects), "mean", "allowed", "K sigma"))
    for chosen, dtype in ((r, d) for r in ranges for d in r.dtypes):
        print(errors(chosen, dtype, points, subjects), flush=True)
    for subject in subjects:
        subject.worker.stop()


def _options() -> argparse.Namespace:
    parser = common.parser(__doc__)
    names = sorted({r.function for r in RANGES})
    parser.add_argument("--function", nargs="+", choices=names, default=[], metavar="NAME")
    parser.add_argument("--points", type=int, default=4001, help="of each range (default: 4001)")
    return parser.parse_args()


@dataclass(frozen=True)
class Subject:
    """A framework's worker, the mode that it runs in, and its version."""

    name: str
    worker: Worker
    mode: str
    version: str


def _start(framework: Framework) -> Subject | None:
    place = interpreters.find(
        framework.name,
        option=None,
        ini={},
        requirements=framework.folder / REQUIREMENTS,
        environ=os.environ,
        toxworkdir=Path(os.environ.get("TOX_WORK_DIR", ".tox")),
    )
    if not isinstance(place, interpreters.Interpreter):
        print(f"{framework.name}: not here, left out")
        return None
    worker = Worker(place.argv)
    about = worker.hello(framework)
    return Subject(framework.name, worker, framework.modes[0], str(about["version"]))


def line(function: str, text: str, dtype: str, *boxes: str) -> str:
    """One line of the table."""
    return f"{function:<12}{text:<42}{dtype:<8}" + "".join(f"{box:>11}" for box in boxes)


def errors(chosen: Range, dtype: str, points: int, subjects: Sequence[Subject]) -> str:
    """The table's line of one range: every framework's largest error."""
    rng = np.random.default_rng(1)
    inputs = {n: a.astype(dtype) for n, a in chosen.draw(rng, points).items()}
    program = parse(chosen.program, {}, list(inputs))
    truth = _truth(program, inputs)
    high = truth.astype(np.float64)
    low = (truth - high).astype(np.float64)
    unit = FORMATS[dtype].u * chosen.unit(inputs["x"].astype(np.float64), high)
    answers = [answer(subject, program, dtype, inputs) for subject in subjects]
    found = [e if isinstance(e, str) else ((e.astype(np.float64) - high) - low) / unit for e in answers]
    means = [float(np.mean(e)) for e in found if not isinstance(e, str)]
    boxes = [e if isinstance(e, str) else _number(np.max(np.abs(e))) for e in found]
    return line(
        chosen.function,
        chosen.text,
        dtype,
        *boxes,
        _number(max(means, key=abs, default=0.0)),
        *_allowed(chosen.function),
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.1e}"


def _truth(program: Program, inputs: Inputs) -> Array:
    """The last name's value, by definition, in mpmath's numbers."""
    env: dict[str, Any] = dict(inputs)
    for node in program.nodes:
        out = TRUTH[node.op].forward(
            *(env.get(a, a) if isinstance(a, str) else a for a in node.args), **node.kw
        )
        env[node.outs[0]] = out
    return np.asarray(env["y"], dtype=object)


def _allowed(function: str) -> tuple[str, str]:
    if function not in FUNCTIONS:
        return "", ""
    spread, bias = FUNCTIONS[function].spread, FUNCTIONS[function].bias
    sigma = ((spread**2 + bias**2) / 3 + ROUNDING**2) ** 0.5
    return f"{spread + bias:g}", f"{K * sigma:.1f}"


NUMBERS = itertools.count(1)


def answer(subject: Subject, program: Program, dtype: str, inputs: Inputs) -> Array | str:
    """What the framework gives for y, or what became of the request."""
    identity, shape = next(NUMBERS), np.shape(inputs["x"])
    own = {"type": "run", "id": identity, "case": "elementary", "bindings": {}, "mode": subject.mode}
    shared: dict[str, Any] = {
        "dtype": dtype, "program": [{"out": n.outs, "op": n.op, "args": n.args, "kw": dict(n.kw)} for n in program.nodes],
        "outputs": ["y"], "values": ["y"], "gradients": ["x"], "probes": {}, "training": None,
    }  # fmt: skip
    sent = [Sent("input", n, a) for n, a in inputs.items()]
    sent.append(Sent("cotangent", "y", np.ones(shape, dtype)))
    asked = Asked({("value", "y"): shape, ("gradient", "x"): shape}, dtype)
    subject.worker.send(own, sent, shared_line(shared, sent), asked)
    found: Answer = read_answer(subject.worker.receive(), identity)
    return found.arrays["value", "y", None] if found.verdict is None else str(found.verdict)


if __name__ == "__main__":
    main()
