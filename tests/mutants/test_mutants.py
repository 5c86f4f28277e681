"""Every mutant of the op table is caught by a shipped case: the cases test what they are there to test.

The subject is the reference with one mutated row, its answers rounded to the cell's dtype; it is judged against the
right reference with its tolerance, as a framework is.
"""

import fnmatch
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Case, Variant
from gradient_conformance.harness.judging.judge import judge
from gradient_conformance.harness.references.training import each_step
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference.backprop import backprop
from gradient_conformance.reference.ops import OPS
from handwritten import handwritten
from mutations import Mutant, RaisedInRow, float_inputs, generic, in_vjp, unread

ROOT = Path(__file__).parents[2] / "cases"
CASES = [load(path, ROOT) for path in sorted(ROOT.rglob("*.toml"))]
CASES.sort(key=lambda case: not case.name.startswith(("exact/", "ops/")))


def untrained(case: Case) -> Iterator[Variant]:
    """Its variants as they are before a step, of several optimizers one; what draws anew for each step is left out."""
    first: dict[str, Variant] = {}
    for variant in case.variants:
        first.setdefault(repr(variant.bindings), variant)
    yield from (replace(variant, training=None) for variant in first.values() if not each_step(variant))


VARIANTS = [variant for case in CASES for variant in untrained(case)]
MUTANTS = [*generic(), *handwritten()]

EQUIVALENT = {
    "add vjp ?: swapped with ?": "x + y: the cotangent of both is g, un-broadcast to their one shape",
    "relu vjp 0: output for input 0": "relu(x) > 0 exactly where x > 0",
    "log_softmax vjp 0: output for input 0": "softmax(x - c) = softmax(x), and log_softmax(x) is x - logsumexp(x)",
    "linear vjp 2: transposed": "a bias is (n,) or (1, n): square only as (1, 1), which transposes to itself",
    "conv?d vjp 2: transposed": "a bias has one dimension",
    "conv_transpose?d vjp 2: transposed": "a bias has one dimension",
    "conv_transpose?d vjp 2: swapped with ?": "a bias has one dimension, x and W have three at least",
    "conv_transpose?d vjp ?: swapped with 2": "a bias has one dimension, x and W have three at least",
    "conv?d vjp 2: swapped with ?": "a bias has one dimension, x and W have three at least",
    "conv?d vjp ?: swapped with 2": "a bias has one dimension, x and W have three at least",
    "cross_entropy vjp ?: output for input ?": "the loss has at least one dimension less than its inputs",
    "floor vjp 0: *": "the cotangent is 0, and so is what is made of it",
    "ceil vjp 0: *": "as of floor",
    "round vjp 0: *": "as of floor",
    "sign vjp 0: *": "as of floor",
    "stop_gradient vjp 0: *": "as of floor",
    "grouped_matmul vjp ?: swapped with ?": "a stack of matrices has one axis more than a matrix",
    "grouped_matmul vjp 0: output for input 1": "a stack of matrices has one axis more than a matrix",
    "running_statistics vjp ?: negated": "as of floor",
    "running_statistics vjp ?: [!n]*": "as of floor",
    "glu vjp 0: output for input 0": "the output has half of the input's size",
    "prelu vjp 1: transposed": "a weight has one axis",
    "cross_entropy vjp 2: transposed": "the weights of classes have one dimension",
    "nll vjp 2: transposed": "the weights of classes have one dimension",
    "cosine_similarity vjp ?: output for input ?": "the similarities have one dimension less than the vectors",
    "triplet_margin vjp ?: output for input ?": "the loss has at least one dimension less than the vectors",
    "cosine_embedding vjp ?: output for input ?": "the loss has at least one dimension less than the vectors",
    "ctc_loss vjp 0: output for input 0": "the loss has one dimension at most, the logits three",
    "nll vjp ?: output for input 0": "the loss has one dimension less than the log-probabilities",
    "nll vjp 2: output for input 2": "the loss has the shape of the weights only without a reduction, and is linear in them then",
    "max vjp 0: output for input 0": "max(x) has the shape of x only over axes of size 1, and is x then",
    "var vjp 0: output for input 0": "it has the shape of x only over axes of size 1, where the gradient is 0",
    "std vjp 0: output for input 0": "it has the shape of x only over axes of size 1, where the gradient is 0",
    "[bgi]*_norm* vjp ?: swapped with ?": "x has several dimensions, all else one: a number for each channel",
    "[bgi]*_norm* vjp ?: output for input ?": "the output has several dimensions, what there is for each channel one",
    "[bgi]*_norm* vjp ?: transposed": "what there is for each channel has one dimension",
    "weight_norm vjp 0: output for input 1": "g has the shape of v only where each norm is of one number: the gradient is 0",
    "weight_norm vjp 1: transposed": "g is square only as (1, 1), which transposes to itself",
    "logsumexp vjp 0: output for input 0": "it has the shape of x only over axes of size 1, and is x then",
    "min vjp 0: output for input 0": "as max",
    "prod vjp 0: output for input 0": "as max",
    "topk vjp 0: output for input 0": "it has two outputs, neither of which is what a vjp reads",
    "outer vjp ?: transposed": "its inputs are vectors, which have no transpose",
    "outer vjp ?: output for input ?": "the product has one dimension more than its inputs",
    "det vjp 0: output for input 0": "the determinants have two dimensions less than the matrices",
    "slogdet vjp 0: output for input 0": "it has two outputs, neither of which is what a vjp reads",
    "cholesky vjp 0: transposed": "the gradient is symmetric",
    **{
        f"{op} vjp ?: {mistake}": proof
        for op in ("rnn", "gru", "lstm")
        for mistake, proof in {
            "output for input ?": "it has several outputs, none of which is taken for an input",
            "swapped with ?": "x has three dimensions, states and weights two, biases one, whose gradients are the same",
            "transposed": "biases have one dimension, the weights of a state with several gates are never square",
        }.items()
    },
}
"""Mutants that are no mistakes, or that cannot come about, each with its proof."""

NO_CHANGE = 1e-15
"""Equivalent formulas may round differently: relative to a tensor's largest element, in float64."""


@cache
def using(op: str) -> list[int]:
    return [i for i, v in enumerate(VARIANTS) if any(node.op == op for node in v.program.nodes)]


@cache
def wanted(i: int) -> VariantReference:
    """The right reference of a variant with its tolerances; evaluated while no mutant is in the table."""
    made = VariantReference(VARIANTS[i])
    for dtype in VARIANTS[i].dtypes:
        made.single(dtype)
    return made


def answer(i: int) -> dict[tuple[str, str, None], Any]:
    """What the op table, as it is now, makes of a variant."""
    want, variant = wanted(i), VARIANTS[i]
    with np.errstate(all="ignore"):  # 0 times an infinite logarithm, of which the row takes the limit
        env, grads = backprop(want.program, want.inputs, variant.gradients, want.cotangents)
    told = (*variant.values, *variant.discrete)
    values = {("value", name, None): np.asarray(env[name]) for name in told}
    return values | {("gradient", name, None): np.asarray(g) for name, g in grads.items()}


def numbers(i: int) -> dict[tuple[str, str, None], Any]:
    """The same with 0 and 1 for what is true or false: differences can be taken of it."""
    return {key: a.astype(np.float64) for key, a in answer(i).items()}


def verdict(i: int, dtype: str) -> Verdict:
    arrays = {key: a.astype(dtype) if a.dtype.kind == "f" else a for key, a in answer(i).items()}
    return judge(wanted(i), dtype, arrays).verdict


def caught(mutant: Mutant) -> str:
    """The cell that catches the mutant, or nothing. An error counts only if the mutated row itself raises it."""
    for i in using(mutant.op):
        wanted(i)
        for dtype in VARIANTS[i].dtypes:
            with mock.patch.dict(OPS, {mutant.op: mutant.row}), np.errstate(all="ignore"):
                try:
                    found = verdict(i, dtype) is Verdict.DISAGREE
                except RaisedInRow:
                    found = True
                except ValueError:  # a wrong shape, which another row refuses
                    found = False
            if found:
                return f"{VARIANTS[i].case_name}::{VARIANTS[i].id}-{dtype}"
    return ""


def changes(mutant: Mutant) -> Iterator[float]:
    """By how much, relative to the tensor's largest element, each tensor of each variant changes."""
    for i in using(mutant.op):
        right = numbers(i)
        with mock.patch.dict(OPS, {mutant.op: mutant.row}), np.errstate(all="ignore"):
            for key, a in numbers(i).items():
                scale = max(float(np.max(np.abs(right[key]), initial=0)), 1e-300)
                off = np.where(np.isnan(a) & ~np.isnan(right[key]), np.inf, np.abs(a - right[key]))
                yield float(np.max(off, initial=0)) / scale


def is_unread(mutant: Mutant) -> bool:
    """Whether the vjp does not read the input that the mistake exchanges: with NaN there nothing changes."""
    return mutant.reads is not None and all(change == 0 for change in changes(unread(mutant)))


def listed(mutant: Mutant) -> list[str]:
    return [name for name in EQUIVALENT if fnmatch.fnmatchcase(mutant.name, name)]


@pytest.fixture(scope="module")
def survivors() -> list[Mutant]:
    """The mutants that no case catches, but for those that exchange an input whose value the vjp does not read."""
    alive = [mutant for mutant in MUTANTS if not caught(mutant)]
    read = [mutant for mutant in alive if not is_unread(mutant)]
    no_mistakes = len(alive) - len(read)
    print(
        f"{len(MUTANTS)} mutants of {len(OPS)} rows: {len(MUTANTS) - len(alive)} caught by {len(CASES)} cases,"
    )
    print(f"{no_mistakes} exchange a value that is not read, {len(read)} are equivalent or survive")
    return read


def test_the_right_table_disagrees_with_no_shipped_case() -> None:
    """Otherwise a mutant would be caught for what is not its fault. A tensor may be too wide as a part of the whole."""
    wrong = [
        (VARIANTS[i].case_name, VARIANTS[i].id, dtype)
        for i in range(len(VARIANTS))
        for dtype in VARIANTS[i].dtypes
        if verdict(i, dtype) is Verdict.DISAGREE
    ]
    assert wrong == []


def test_every_mutant_is_caught_or_listed_with_its_proof(survivors: list[Mutant]) -> None:
    assert [mutant.name for mutant in survivors if not listed(mutant)] == []


def test_every_listed_mutant_survives_and_changes_nothing(survivors: list[Mutant]) -> None:
    """A proof that has become wrong, or is not needed any more, does not stay in the list."""
    assert {name for mutant in survivors for name in listed(mutant)} == set(EQUIVALENT)
    for mutant in survivors:
        assert all(change <= NO_CHANGE for change in changes(mutant)), mutant.name


def test_the_operators_reach_every_row_and_every_input() -> None:
    names = {mutant.name for mutant in MUTANTS}
    assert len(names) == len(MUTANTS)
    for op, row in OPS.items():
        last = {f"{op} vjp {i}: negated" for i in float_inputs(row)[-1:]}
        reached = {f"{op} forward: negated", *last} if "float" in row.given(1) else {f"{op} forward: another"}
        assert reached <= names


def test_each_handwritten_mutant_changes_something() -> None:
    for mutant in handwritten():
        try:
            assert max(changes(mutant)) > NO_CHANGE, mutant.name
        except RaisedInRow:
            pytest.fail(f"{mutant.name} raises, and is not the mistake that it should be")


def test_a_row_that_is_right_is_not_caught() -> None:
    assert caught(in_vjp("mul", 0, "right", lambda call: call.result())) == ""


def test_an_error_counts_only_where_the_mutated_row_raises_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(call: object) -> None:
        raise ZeroDivisionError

    assert caught(in_vjp("mul", 0, "raises", broken)) != ""
    monkeypatch.setattr(f"{__name__}.answer", broken)
    with pytest.raises(ZeroDivisionError):
        caught(in_vjp("mul", 0, "right", lambda call: call.result()))
