"""The evidence of the ledgers: each known deviation as `harness reproduce` writes it, alone and against mpmath.

A version that mends one fails its test here, and its entry in deviations.toml becomes stale.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from client import ADAPTERS, Client, interpreter
from gradient_conformance.harness.case.library import Library
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import Framework, frameworks, shipped_adapters
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.judging.reproduce.call import Wrong, told, wrong
from gradient_conformance.harness.judging.reproduce.reproducing import SAME, reproduce
from gradient_conformance.harness.judging.reproduce.running import output_of
from gradient_conformance.harness.ledger.causes import Cause
from gradient_conformance.harness.ledger.reading import load
from gradient_conformance.harness.plan import Cell
from gradient_conformance.reference.formats import DTYPES
from scripts import Scripts

pytestmark = pytest.mark.framework
KNOWN = {framework.name: framework for framework in frameworks([shipped_adapters()])}
LEDGERS = {name: load(framework.folder / "deviations.toml", name) for name, framework in KNOWN.items()}
Run = Callable[[str], tuple[str, str]]
CAUSES = [(name, cause) for name, ledger in LEDGERS.items() for cause in ledger.causes]


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Engine]]:
    """An engine of each framework, made when it is asked for."""
    made: dict[str, Engine] = {}
    yield made
    for engine in made.values():
        engine.close()


def cells(cause: Cause, framework: Framework) -> list[Cell]:
    """The cells of the entry's case, which all show it."""
    case = Library([ADAPTERS.parent / "cases"]).meant(cause.case.partition("::")[0])
    every = itertools.product(case.variants, DTYPES, framework.modes)
    made = [Cell(variant, dtype, framework, mode) for variant, dtype, mode in every]
    return [cell for cell in made if cell.dtype in cell.variant.dtypes and cause.shown_by(cell.id)]


@pytest.fixture(scope="module")
def scripts() -> Iterator[Callable[[str, Interpreter], Run]]:
    """How scripts of a framework run: the first in an interpreter started for it, as a person's, the others in one."""
    made: dict[str, Scripts | None] = {}

    def of(name: str, place: Interpreter) -> Run:
        if name not in made:
            made[name] = None
            return lambda script: output_of(script, place)
        if made[name] is None:
            made[name] = Scripts(name)
        return made[name]

    yield of
    for one in filter(None, made.values()):
        one.close()


@pytest.mark.parametrize(("name", "cause"), CAUSES, ids=[f"{name}-{cause.ops[0]}" for name, cause in CAUSES])
def test_every_entry_is_reproduced_alone_against_mpmath(engines, scripts, name, cause):
    """The script gives the very number that the entry excuses, and by the op's definition it is wrong."""
    place = Interpreter(tuple(interpreter(name)), "the tests")
    if name not in engines:
        engines[name] = Engine(lambda _: place, {name: LEDGERS[name]})
    engine, shown = engines[name], set()
    for cell in cells(cause, KNOWN[name]):
        engine.submit([cell])
        line, examination = engine.looked_into(cell)
        version = engine.about(name)["version"]
        excused = [
            one
            for one in told(cell, line, examination)
            if one.call and LEDGERS[name].cause_of(one.call, version)[0] == cause
        ]
        assert excused, f"{cell.id} shows nothing of {cause.place}"
        for one in excused:
            call = wrong(cell, one)
            result = (cell.mode, call.call.result.partition("[")[0])
            if result not in shown:
                shown.add(result)
                assert_told_alone(cell, call, scripts(name, place))
    assert shown


def assert_told_alone(cell: Cell, call: Wrong, run_script: Run) -> None:
    """The script has the cell's own number, and mpmath's beside it, of which the reference is right."""
    ended = []

    def run(script: str) -> tuple[str, str]:
        output, failure = run_script(script)
        ended.append(failure)
        return output, failure

    made = reproduce(cell, call, run)
    assert made.note == SAME
    assert ended[-1], "the script does not fail"
    printed = dict(text.split() for text in made.printed.splitlines())
    assert np.array_equal(np.dtype(cell.dtype).type(printed["got"]), call.got, equal_nan=True)
    error, of_reference = (abs(float(printed["expected"]) - float(a)) for a in (call.got, call.want))
    assert of_reference <= call.tolerance
    assert not error <= call.tolerance  # nor is it NaN
    assert cell.framework.name in printed


@pytest.mark.parametrize(
    ("framework", "mode", "op", "inputs", "expected"),
    [
        ("tensorflow", "eager", "maximum", {"x": 1.0, "y": 1.0}, {"x": 1, "y": 0}),
        ("mxnet", "imperative", "maximum", {"x": 1.0, "y": 1.0}, {"x": 1, "y": 0}),
        ("jax", "jit", "abs", {"x": 0.0}, {"x": 1}),
    ],
)
def test_conventions_at_kinks_are_subgradients(framework, mode, op, inputs, expected):
    """At maximum(x, x) the two gradients sum to 1; at abs(0) the gradient lies in [-1, 1]."""
    client = Client(interpreter(framework), ADAPTERS / framework / "adapter.py")
    arrays = {name: np.array(value) for name, value in inputs.items()}
    program = [{"out": ["y"], "op": op, "args": list(inputs), "kw": {}}]
    reply = client.run(program, arrays, gradients=list(inputs), mode=mode, dtype="float64")
    client.close()
    assert {name: float(reply["arrays"]["gradient", name]) for name in inputs} == expected


def test_mxnet_sgd_takes_its_learning_rate_in_float32():
    client = Client(interpreter("mxnet"), ADAPTERS / "mxnet" / "adapter.py")
    training = {"optimizer": {"sgd": {"lr": 0.1}}, "parameters": ["w"], "steps": 1}
    program = [{"out": ["l"], "op": "sum_squares", "args": ["w"], "kw": {}}]
    reply = client.run(
        program,
        {"w": np.array([1.0])},
        gradients=["w"],
        training=training,
        mode="imperative",
        dtype="float64",
    )
    client.close()
    [found] = reply["arrays"]["parameter", "w", 0]
    u = 2.0**-53
    assert abs(found - (1 - 2 * float(np.float32(0.1)))) < 4 * u < abs(found - 0.8)
