"""Of every op of every adapter a script can be made, in each mode, which runs without the harness and says what is due."""

import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from client import THREADS, interpreter
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.frameworks.found import Framework, frameworks, shipped_adapters
from gradient_conformance.harness.judging.reproduce.call import Call, Wrong
from gradient_conformance.harness.judging.reproduce.expected import expected
from gradient_conformance.harness.judging.reproduce.script import printed, script
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.truth.ops import TRUTH
from observed_calls import calls_of

pytestmark = pytest.mark.framework
KNOWN = {framework.name: framework for framework in frameworks([shipped_adapters()])}
ALL_OF_THEM = """
import contextlib, io, json, sys, traceback
for text in json.load(sys.stdin):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(text, "script", "exec"), {"__name__": "__main__"})
    except Exception:
        out.write(traceback.format_exc())
    print(json.dumps(out.getvalue()))
"""
"""Runs scripts one after the other, each with names of its own: to start a framework takes longer than all of them."""


def calls() -> Iterator[Call]:
    """Of every op forwards and towards each input, in the last of its plain samples."""
    for op, truth in TRUTH.items():
        plain = [n for n, sample in enumerate(truth.samples) if sample.plain]
        yield from calls_of(op, plain[-1] if op != "index" else plain[0])


def text_of(call: Call, framework: Framework, mode: str) -> str:
    """The script for a call, as if it were wrong in some case."""
    variant = Variant.__new__(Variant)
    object.__setattr__(variant, "case_name", "a/case")
    object.__setattr__(variant, "id", "")
    wrong = Wrong(call, "y = ...", 0.0, 0.0, 0.0)
    return script(Cell(variant, call.dtype, framework, mode), wrong, call, expected(call, 0.0), "a test")


@pytest.mark.parametrize(
    ("name", "mode"), [(name, mode) for name, framework in KNOWN.items() for mode in framework.modes]
)
def test_a_script_of_every_op_runs_and_gives_what_is_due(name, mode):
    made = [(call, text_of(call, KNOWN[name], mode)) for call in calls()]
    words = [*interpreter(name), "-c", ALL_OF_THEM]
    texts = json.dumps([text for _, text in made])
    done = subprocess.run(
        words, input=texts, env={**os.environ, **THREADS}, capture_output=True, text=True, check=True
    )
    outputs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outputs) == len(made)
    for (call, text), output in zip(made, outputs, strict=True):
        assert not re.search(r"\bworker\b|Unsupported", text), text
        assert printed(output) is not None, f"{text}\n{output}"
        due = float(expected(call, 0.0))
        assert float(printed(output)) == pytest.approx(due, rel=1e-4, abs=1e-4), f"{text}\n{output}"
        assert output.startswith(f"{name} "), output
