"""Faults that hand-written notebooks really contain: each is called disagree, and placed where it is."""

from pathlib import Path

import pytest
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict

HERE = Path(__file__).parent
CASES = HERE.parent.parent / "cases"

FAULTS = {
    "sigmoid_derivative_at_z": ("notebooks/dense_features_first", "backward of sigmoid, line 6"),
    "mse_gradient_without_2_over_n": ("notebooks/dense_batch_first", "backward of mse, line 7"),
    "upstream_rounded_to_4_decimals": ("notebooks/two_branches", "backward of matmul towards its y, line 8"),
    "function_for_derivative": ("notebooks/deep_leaky_mse", "backward of leaky_relu, line 7"),
    "weight_gradient_divided_by_batch": (
        "published/cs231n_two_layer",
        "or backward of matmul towards W2, line 9",
    ),
    "hidden_deltas_after_update": ("published/mazur_2_2_2", "backward of matmul towards h, line 11"),
}

LIKELY = {
    "sigmoid_derivative_at_z": "the derivative of sigmoid is fed its input Z",
    "mse_gradient_without_2_over_n": "a factor of 2/20, with 20 = A.size, is missing",
    "upstream_rounded_to_4_decimals": "is rounded to 4 decimals",
    "function_for_derivative": "leaky_relu stands where its derivative should",
    "weight_gradient_divided_by_batch": "what matmul contributes to the gradient of W2 is 1/3 × what it should be",
    "hidden_deltas_after_update": "W2 is taken in it as it is after a step of 0.5 × its gradient",
}
"""What is said to be the likely cause."""

UNTOUCHED = {
    "sigmoid_derivative_at_z": ("activation:relu", "activation:tanh"),
    # At this size the upstream gradient is in the hundreds: its fourth decimal is below what float32 holds.
    "upstream_rounded_to_4_decimals": ("k:64-loss:sum_of_squares-float32", "k:64-loss:squared_norm-float32"),
}


def run(pytester, subject, case):
    record = pytester.path / "run.jsonl"
    arguments = ["--subject", HERE / f"{subject}.py", "--framework", subject, "--record", record]
    ids = [CASES / f"{case}.toml"]
    config = pytester.makeini(f"[pytest]\nharness_cases = {CASES}\n")
    outcome = pytester.runpytest_subprocess("-c", config, *ids, *arguments)
    return outcome, [cell for cell in read_run(record).cells if cell.framework == subject]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_called_disagree_in_both_dtypes_and_placed_at_its_node(pytester, fault):
    case, place = FAULTS[fault]
    _, cells = run(pytester, fault, case)
    touched = [cell for cell in cells if not any(part in cell.cell for part in UNTOUCHED.get(fault, ()))]
    assert {cell.dtype for cell in touched} == {"float32", "float64"}
    for cell in touched:
        assert cell.verdict is Verdict.DISAGREE, cell
        assert place in cell.first_difference, cell.first_difference
        assert any(LIKELY[fault] in call.likely for call in cell.calls), cell.message
    assert all(cell.verdict is Verdict.AGREE for cell in cells if cell not in touched)


def test_shared_memory_is_caught_as_inputs_changed_in_place(pytester):
    outcome, cells = run(pytester, "shared_memory", "notebooks/dense_batch_first")
    assert [cell.verdict for cell in cells] == [Verdict.DISAGREE] * 4
    outcome.stdout.fnmatch_lines(["*changed its inputs in place: W, b*"])


@pytest.mark.parametrize("case", sorted({case for case, _ in FAULTS.values()}))
def test_the_same_code_without_its_fault_agrees(pytester, case):
    outcome, cells = run(pytester, "correct", case)
    assert cells
    assert {cell.verdict for cell in cells} == {Verdict.AGREE}
    assert outcome.ret == 0
