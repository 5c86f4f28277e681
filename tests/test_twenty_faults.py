"""Twenty faults that were found in harnesses of others: ours has none of them, and these tests hold it so.

What holds of the tests themselves is tested here; everything else where its room is.
"""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TREES = {path: ast.parse(path.read_text(), str(path)) for path in sorted((ROOT / "tests").rglob("test_*.py"))}
OPTIONS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]

HELD = {
    "01 an opt-out is counted as a pass": """
        test_verdict.py::test_each_verdict_has_its_pytest_outcome
        run/test_run_file.py::test_lines_are_json_with_a_kind_and_the_promised_keys
        report/test_renderers.py::test_junit_never_calls_an_opt_out_a_pass
        report/test_model.py::test_every_view_counts_every_cell_once""",
    "02 an empty run or a failed import is a result": """
        run/test_run_file.py::test_a_run_of_nothing_gets_no_footer
        run/test_run_file.py::test_what_is_not_a_whole_run_is_refused_by_name
        plugin/test_matrix.py::test_a_framework_that_cannot_start_is_crashed_with_the_reason""",
    "03 a stale result stands beside fresh ones": """
        run/test_run_file.py::test_a_new_run_replaces_the_old_one
        run/test_run_file.py::test_writing_a_cell_twice_is_refused
        run/test_run_file.py::test_a_framework_that_changes_under_way_is_refused""",
    "04 there is a hole between the verdicts": """
        judging/test_judge.py::test_there_is_no_hole_between_the_verdicts
        test_verdict.py::test_there_are_ten_verdicts_from_best_to_worst""",
    "05 the sign of the reference lets something pass": """
        judging/test_judge.py::test_the_sign_of_the_reference_does_not_turn_the_comparison_around
        judging/test_judge.py::test_not_a_number_and_infinity_never_pass_for_a_number""",
    "06 fewer outputs than expected pass": """
        judging/test_judge.py::test_fewer_or_more_outputs_than_expected_disagree""",
    "07 NaN is masked before comparing": """
        judging/test_judge.py::test_not_a_number_and_infinity_never_pass_for_a_number""",
    "08 a test of a failure swallows its own assertion": """
        test_twenty_faults.py::test_no_test_of_a_failure_swallows_its_own_assertion""",
    "09 a comparison is made and nobody looks": """
        test_twenty_faults.py::test_every_comparison_is_looked_at
        plugin/test_matrix.py::test_a_wrong_sign_disagrees_with_value_allowance_place_and_repeat_line""",
    "10 a tolerance grows from element to element, or with the output": """
        judging/test_judge.py::test_a_tolerance_grows_neither_from_element_to_element_nor_with_the_output""",
    "11 a crash costs more than the cell that crashed": """
        plugin/test_matrix.py::test_a_fault_costs_its_own_cells_and_nothing_else""",
    "12 a truncated report is read as complete": """
        run/test_run_file.py::test_every_proper_beginning_of_a_run_is_refused
        run/test_run_file.py::test_what_is_not_a_whole_run_is_refused_by_name""",
    "13 the two zeros are far apart": """
        judging/test_judge.py::test_the_two_zeros_are_no_distance_apart""",
    "14 a line of the ledger is ignored, or outlives its reason": """
        ledger/test_deviations.py::test_a_disagreement_of_which_an_entry_speaks_is_a_known_deviation
        ledger/test_deviations.py::test_a_disagreement_outside_the_range_makes_the_entry_stale
        ledger/test_deviations.py::test_agreement_makes_an_entry_stale
        ledger/test_deviations.py::test_an_entry_that_speaks_of_no_judged_cell_is_told
        ledger/test_deviations.py::test_a_mistake_is_named_with_file_line_and_entry""",
    "15 the documented rule is not the coded one": """
        test_readme.py::test_every_verdict_is_explained_with_what_pytest_makes_of_it""",
    "16 a scalar passes for an array": """
        judging/test_judge.py::test_structure_is_compared_before_any_element""",
    "17 a failed set-up is filed as a disagreement": """
        plugin/test_matrix.py::test_a_framework_that_cannot_start_is_crashed_with_the_reason
        plugin/test_matrix.py::test_an_absent_framework_is_skipped_and_fails_where_it_is_required
        plugin/test_matrix.py::test_a_fault_costs_its_own_cells_and_nothing_else""",
    "18 a test is defined twice, and the first is lost": """
        test_twenty_faults.py::test_no_test_is_defined_twice""",
    "19 a number of a message is not the one that was used": """
        judging/test_judge.py::test_every_number_of_a_message_is_the_one_that_was_used""",
    "20 the cotangent hides a transposition": """
        judging/test_judge.py::test_the_cotangent_does_not_hide_a_transposition""",
}


def defined(tree):
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


@pytest.mark.parametrize("fault", HELD)
def test_every_fault_has_tests_that_hold_it_off(fault):
    for test in HELD[fault].split():
        file, _, name = test.partition("::")
        assert name in defined(TREES[ROOT / "tests" / file]), f"{test} is gone: what holds off fault {fault}?"


def test_there_are_twenty():
    assert [int(fault[:2]) for fault in HELD] == list(range(1, 21))


def asserts(body):
    return [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Assert)]


def test_no_test_of_a_failure_swallows_its_own_assertion():
    """No `assert` stands inside what must raise, or is caught; and no expected failure may pass."""
    caught = {"Exception", "BaseException", "AssertionError"}
    for node in (node for tree in TREES.values() for node in ast.walk(tree)):
        if isinstance(node, ast.With) and "raises" in ast.unparse(node.items[-1].context_expr):
            assert not asserts(node.body), ast.unparse(node)
        if isinstance(node, ast.Try) and any(
            not h.type or ast.unparse(h.type) in caught for h in node.handlers
        ):
            assert not asserts(node.body), ast.unparse(node)
    assert OPTIONS["pytest"]["ini_options"]["xfail_strict"]


def test_every_comparison_is_looked_at():
    """No test states a comparison without asserting it."""
    questions = {"allclose", "array_equal", "isclose", "within", "all", "any", "equal"}
    statements = (node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Expr))
    for node in (statement.value for statement in statements):
        assert not isinstance(node, ast.Compare | ast.BoolOp), ast.unparse(node)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func).rpartition(".")[2] not in questions, ast.unparse(node)


def test_no_test_is_defined_twice():
    for tree in TREES.values():
        names = defined(tree)
        assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    lint = OPTIONS["ruff"]["lint"]
    off = [*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)]
    assert lint["select"] == ["ALL"]
    assert not [code for code in off if "F811".startswith(code)]
