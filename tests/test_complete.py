"""What an op or an optimizer still lacks, everywhere, in one list: each line names a file and what to write there.

The places are those of CONTRIBUTING.md. What an adapter lacks is printed and no failure: a framework may have no such
op, and its cells are then unsupported.
"""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli.columns import _keys
from gradient_conformance.harness.frameworks.found import frameworks, shipped_adapters
from gradient_conformance.harness.truth import optimizers
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.reference.ops import OPS, Row
from gradient_conformance.reference.ops.elementary import FUNCTIONS
from gradient_conformance.reference.optimizers import OPTIMIZERS, Rate
from observed import seen

ROOT = Path(__file__).parents[1]
CASES = [load(path, ROOT / "cases") for path in sorted((ROOT / "cases").rglob("*.toml"))]
VARIANTS = [variant for case in CASES for variant in case.variants]
TRAINED = [variant for variant in VARIANTS if variant.training is not None]
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


PIVOTING = {"inv", "det", "slogdet", "solve"}
"""Rows that branch and never turn: which row an elimination takes first changes rounding alone, and complex steps hold them."""


def missing_of_truth(op: str, row: Row) -> Iterator[str]:
    truth, did, place = TRUTH[op], seen(op), f"harness/truth/ops, {op}"
    if truth.defaults != row.defaults:
        yield f"{place}: defaults {truth.defaults}, but {row.defaults} in its row"
    if did.branches != (not truth.analytic or op in PIVOTING):
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
    """What a row of its own step lacks; optimizers that differ in their weight decay alone share the cases of options."""
    if name not in optimizers.TRUTH:
        yield f'harness/truth/optimizers.py: no define("{name}", ...): its movements from the whole history, and samples'
    mine = [v.training for v in TRAINED if v.training.optimizer == name]
    alike = [v.training for v in TRAINED if OPTIMIZERS[v.training.optimizer].step is OPTIMIZERS[name].step]
    if not mine:
        yield f"cases: no case trains with {name}"
    samples = optimizers.TRUTH[name].samples if name in optimizers.TRUTH else ()
    for option, parameter in OPTIMIZERS[name].options.items():
        values = {parameter.default if p is None else p for p in (s.kw.get(option) for s in samples)}
        words = set(get_args(parameter.annotation)) if parameter.annotation is not Rate else set()
        if samples and (len(values) < 2 or not words <= values):
            yield f"harness/truth/optimizers.py, {name}: samples with another {option}"
        trained = {training.options.get(option, parameter.default) for training in alike}
        if mine and option != "lr" and trained == {parameter.default}:
            yield f"cases: no case trains with {name} and another {option}"


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


def test_every_framework_clips_gradients_in_each_way_and_a_case_does() -> None:
    ways = {"value", "norm"}
    assert {way for v in TRAINED for way in ways & v.training.clip.keys()} == ways
    for framework in ADAPTERS:
        assert _keys(framework, "CLIPS") == ways, framework.name


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
    monkeypatch.setitem(OPTIMIZERS, "novel", OPTIMIZERS["sgd"])
    assert list(missing_of_optimizer("novel")) == [
        'harness/truth/optimizers.py: no define("novel", ...): its movements from the whole history, and samples',
        "cases: no case trains with novel",
    ]
