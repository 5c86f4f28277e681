"""What an op or an optimizer still lacks, everywhere, in one list: each line names a file and what to write there.

The places are those of CONTRIBUTING.md. What an adapter lacks is printed and no failure: a framework may have no such
op, and its cells are then unsupported.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli.columns import _keys
from gradient_conformance.harness.frameworks.found import frameworks, shipped_adapters
from gradient_conformance.harness.truth import optimizers
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.reference.ops import OPS, Row
from gradient_conformance.reference.ops.elementary import FUNCTIONS
from gradient_conformance.reference.optimizers import OPTIMIZERS
from observed import seen

ROOT = Path(__file__).parents[1]
CASES = [load(path, ROOT / "cases") for path in sorted((ROOT / "cases").rglob("*.toml"))]
VARIANTS = [variant for case in CASES for variant in case.variants]
CALLS = [(variant, node) for variant in VARIANTS for node in variant.program.nodes]
ADAPTERS = frameworks([shipped_adapters()])
WORDS = {"reduction": ("mean", "sum", "none"), "weights": ("out_in", "in_out"), "keepdims": (True, False)}
"""Attributes that take one of a few words."""


def missing_of_op(op: str) -> Iterator[str]:
    row = OPS[op]
    if op in TRUTH:
        yield from missing_of_truth(op, row)
    else:
        yield f'harness/truth/ops: no define("{op}", ...): its mathematics, samples, scale and a NumPy formula'
    yield from missing_of_cases(op, row)


def missing_of_truth(op: str, row: Row) -> Iterator[str]:
    truth, did, place = TRUTH[op], seen(op), f"harness/truth/ops, {op}"
    if truth.defaults != row.defaults:
        yield f"{place}: defaults {truth.defaults}, but {row.defaults} in its row"
    if did.branches != (not truth.analytic):
        wanted = "analytic=False and at_kinks=" if did.branches else "analytic, for the row has no c.kink"
        yield f"{place}: say {wanted}"
    for name in row.attributes:
        values = {repr({**row.defaults, **sample.kw}[name]) for sample in truth.samples}
        if told := lacking(name, values):
            yield f"{place}: no sample has {name}={told}"
    if not any(sample.plain for sample in truth.samples):
        yield f"{place}: a sample that is drawn of ordinary size, for NumPy and for the adapters"
    for function in did.functions & set(FUNCTIONS):
        if not re.search(
            rf'(Range|_unary)\("{function}"', (ROOT / "benchmarks/constants/elementary.py").read_text()
        ):
            yield f"benchmarks/constants/elementary.py: no Range measures {function}, where its constants come from"


def lacking(name: str, values: set[str]) -> str:
    """What an attribute is still to be, or nothing."""
    words = {repr(word) for word in WORDS.get(name, ())} - values
    return " or ".join(sorted(words)) or ("another value" if len(values) < 2 else "")


def missing_of_cases(op: str, row: Row) -> Iterator[str]:
    mine = [(variant, node) for variant, node in CALLS if node.op == op]
    for count in [count for count in range(1, 4) if row.accepts(count)]:
        if not any(len(node.args) == count for _, node in mine):
            yield f"cases/ops: no case calls {op} with {count} input{'s' * (count > 1)}"
    for name in row.attributes:
        values = {repr(node.kw[name]) for _, node in mine}
        if told := lacking(name, values):
            yield f"cases/ops: no case calls {op} with {name}={told}"
        if (name, "keepdims" in row.attributes) == ("axis", True):
            kinds = {type(node.kw["axis"]) for _, node in mine}
            for kind in {type(None), int, tuple} - kinds:
                yield f"cases/ops: no case calls {op} with an axis of type {kind.__name__}"
    if not any(variant.exact for variant, _ in mine) and not (op in TRUTH and seen(op).rounds):
        yield f"cases/exact: no case calls {op}, and its row calls no function that always rounds"
    if not any(variant.training is None for variant, _ in mine):
        yield f"cases/ops: without a case of {op} that does not train, no mutant of it can be caught"


def missing_of_optimizer(name: str) -> Iterator[str]:
    if name not in optimizers.TRUTH:
        yield f'harness/truth/optimizers.py: no define("{name}", ...): its sum over the history, and samples'
    if f'"{name}": ' not in (ROOT / "adapters/subject.py").read_text():
        yield f'adapters/subject.py: no "{name}" in OPTIMIZERS, for code that returns no parameters'
    mine = [v.training for v in VARIANTS if v.training is not None and v.training.optimizer == name]
    if not mine:
        yield f"cases: no case trains with {name}"
    for option in options_of(OPTIMIZERS[name]):
        if name in optimizers.TRUTH and len({s.kw[option] for s in optimizers.TRUTH[name].samples}) < 2:
            yield f"harness/truth/optimizers.py, {name}: samples with another {option}"


def options_of(row: Any) -> list[str]:
    parameters = inspect.signature(getattr(row, "step", row)).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def unsupported(table: str, names: set[str]) -> Iterator[str]:
    """What adapters lack, for those who read the output."""
    for framework in ADAPTERS:
        for name in sorted(names - _keys(framework, table)):
            yield f'adapters/{framework.name}/adapter.py: no "{name}" in {table}, so it is unsupported there'


def test_no_op_lacks_anything() -> None:
    print("\n".join(unsupported("OPS", set(OPS))))
    assert "\n".join(line for op in OPS for line in missing_of_op(op)) == ""


def test_no_optimizer_lacks_anything() -> None:
    print("\n".join(unsupported("OPTIMIZERS", set(OPTIMIZERS))))
    assert "\n".join(line for name in OPTIMIZERS for line in missing_of_optimizer(name)) == ""


def test_nothing_is_defined_or_adapted_that_has_no_row() -> None:
    assert set(TRUTH) == set(OPS)
    for framework in ADAPTERS:
        assert _keys(framework, "OPS") <= set(OPS), framework.name
        assert _keys(framework, "FORMULAS") <= _keys(framework, "OPS"), framework.name
        assert _keys(framework, "OPTIMIZERS") <= set(OPTIMIZERS), framework.name


def test_of_a_row_that_is_nowhere_else_everything_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "novel", dataclasses.replace(OPS["leaky_relu"], name="novel"))
    assert list(missing_of_op("novel")) == [
        'harness/truth/ops: no define("novel", ...): its mathematics, samples, scale and a NumPy formula',
        "cases/ops: no case calls novel with 1 input",
        "cases/ops: no case calls novel with slope=another value",
        "cases/exact: no case calls novel, and its row calls no function that always rounds",
        "cases/ops: without a case of novel that does not train, no mutant of it can be caught",
    ]
    assert 'adapters/torch/adapter.py: no "novel" in OPS, so it is unsupported there' in [
        *unsupported("OPS", {"novel"})
    ]
    flat = dataclasses.replace(TRUTH["relu"], name="novel", samples=TRUTH["relu"].samples[4:], analytic=True)
    monkeypatch.setitem(TRUTH, "novel", flat)
    assert list(missing_of_op("novel"))[:4] == [
        "harness/truth/ops, novel: defaults {}, but {'slope': 0.01} in its row",
        "harness/truth/ops, novel: say analytic=False and at_kinks=",
        "harness/truth/ops, novel: no sample has slope=another value",
        "harness/truth/ops, novel: a sample that is drawn of ordinary size, for NumPy and for the adapters",
    ]


def test_of_an_optimizer_that_is_nowhere_else_everything_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OPTIMIZERS, "adam", OPTIMIZERS["sgd"])
    assert list(missing_of_optimizer("adam")) == [
        'harness/truth/optimizers.py: no define("adam", ...): its sum over the history, and samples',
        'adapters/subject.py: no "adam" in OPTIMIZERS, for code that returns no parameters',
        "cases: no case trains with adam",
    ]
