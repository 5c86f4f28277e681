"""Of every op of every adapter a script can be made, in each mode, which runs without the harness and says what is due."""

import functools
import re
from collections.abc import Iterator

import numpy as np
import pytest
from client import ADAPTERS, Client, interpreter, node
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.frameworks.found import Framework, frameworks, shipped_adapters
from gradient_conformance.harness.judging.reproduce.call import Call, Wrong
from gradient_conformance.harness.judging.reproduce.expected import expected
from gradient_conformance.harness.judging.reproduce.script import printed, script
from gradient_conformance.harness.ledger import reading
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.truth.derivatives import tensors
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.harness.truth.rows import float_inputs
from gradient_conformance.reference.ops import OPS
from observed_calls import calls_of
from scripts import Scripts

pytestmark = pytest.mark.framework
KNOWN = {framework.name: framework for framework in frameworks([shipped_adapters()])}
TOGETHER = {("mxnet", op, "vjp") for op in ("rnn", "gru", "lstm")}
"""npx.rnn has right gradients only where those of x, states and parameters are asked for together: alone, of a state they are 0."""


def calls(framework: Framework) -> Iterator[Call]:
    """Of every op that the framework has, forwards and towards each input, in the last plain sample that it doesn't refuse.

    Of results that are floats, and that no entry of its ledger knows to be wrong.
    """
    client = Client(interpreter(framework.name), framework.adapter)
    for op in (op for op in TRUTH if op in client.ready["ops"] and not OPS[op].gives):
        plain = [n for n, sample in enumerate(TRUTH[op].samples) if sample.plain]
        found = (list(said(client, op, n)) for n in (reversed(plain) if op != "index" else plain[:1]))
        for call in next((calls for calls in found if calls), ()):
            phase = "forward" if call.towards is None else "vjp"
            if op not in known_wrong(framework.name, phase) and (framework.name, op, phase) not in TOGETHER:
                yield call
    client.close()


def said(client: Client, op: str, number: int) -> Iterator[Call]:
    """The calls of a sample that the adapter doesn't refuse."""
    sample = TRUTH[op].samples[number]
    given = {f"x{i}": x for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)}
    args = [f"x{i}" if f"x{i}" in given else x for i, x in enumerate(sample.inputs)]
    outs = tensors(TRUTH[op].forward(*sample.inputs, **sample.kw))
    names = [f"y{i}" for i in range(len(outs))]
    program = [node(" ".join(names), op, *args, **TRUTH[op].defaults | sample.kw)]

    def refused(gradients: list[str]) -> bool:
        cotangent = np.ones(outs[-1].shape) if outs[-1].ndim else None
        request = {"values": names, "gradients": gradients, "cotangent": cotangent, "dtype": "float64"}
        return client.run(program, given, **request, outputs=names[-1:])["type"] == "unsupported"

    of_all = [f"x{i}" for i in float_inputs(sample.inputs)]
    if not refused(of_all):
        yield from calls_of(op, number)
    elif not refused([]):
        one_by_one = [[], *([name] for name in of_all)]
        yield from (
            call for call, asked in zip(calls_of(op, number), one_by_one, strict=True) if not refused(asked)
        )


@functools.cache
def known_wrong(framework: str, phase: str) -> frozenset[str]:
    """The ops whose values, or gradients, the framework's ledger knows to be wrong."""
    ledger = reading.load(ADAPTERS / framework / "deviations.toml", framework)
    return frozenset(op for cause in ledger.causes if phase in cause.phases for op in cause.ops)


def text_of(call: Call, due: str, framework: Framework, mode: str) -> str:
    """The script for a call, as if it were wrong in some case."""
    variant = Variant.__new__(Variant)
    object.__setattr__(variant, "case_name", "a/case")
    object.__setattr__(variant, "id", "")
    wrong = Wrong(call, "y = ...", 0.0, 0.0, 1e-4 * (1 + abs(float(due))))
    return script(Cell(variant, call.dtype, framework, mode), wrong, call, due, "a test")


@pytest.mark.parametrize("name", KNOWN)
def test_a_script_of_every_op_runs_and_gives_what_is_due(name):
    """Every call in the first mode, and one of each op in the others, whose scripts differ by the mode alone."""
    due = [(call, expected(call, 0.0)) for call in calls(KNOWN[name])]
    one_each = list({call.op: (call, number) for call, number in due}.values())
    scripts, first = Scripts(name), KNOWN[name].modes[0]
    for mode in KNOWN[name].modes:
        for call, number in due if mode == first else one_each:
            text = text_of(call, number, KNOWN[name], mode)
            assert not re.search(r"\bworker\b|Unsupported", text), text
            output, failure = scripts(text)
            assert not failure, f"{text}\n{output}\n{failure}"
            assert float(printed(output)) == pytest.approx(float(number), rel=1e-4, abs=1e-4), (
                f"{text}\n{output}"
            )
            assert output.startswith(f"{name} "), output
    scripts.close()
