"""Nine verdicts, their order, and what pytest calls each."""

import pytest
from gradient_conformance.harness.verdict import Verdict, worst

OUTCOMES = {
    "agree": "passed",
    "known deviation": "xfailed",
    "unsupported": "skipped",
    "absent": "skipped",
    "inconclusive": "failed",
    "not shown": "failed",
    "stale ledger entry": "failed",
    "disagree": "failed",
    "errored": "failed",
    "crashed": "failed",
}


def test_there_are_ten_verdicts_from_best_to_worst() -> None:
    """The words are those of the run file, in order of severity."""
    assert [str(verdict) for verdict in Verdict] == list(OUTCOMES)


@pytest.mark.parametrize(("word", "outcome"), OUTCOMES.items())
def test_each_verdict_has_its_pytest_outcome(word: str, outcome: str) -> None:
    """Only agreement passes."""
    assert Verdict(word).outcome() == outcome


@pytest.mark.parametrize("verdict", Verdict)
def test_requiring_a_framework_changes_absent_and_nothing_else(verdict: Verdict) -> None:
    """What an adapter declares unsupported is skipped even where the framework is required."""
    changed = verdict.outcome(required=True) != verdict.outcome()
    assert changed == (verdict is Verdict.ABSENT)
    assert Verdict.ABSENT.outcome(required=True) == "failed"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.AGREE, Verdict.AGREE], Verdict.AGREE),
        ([Verdict.DISAGREE, Verdict.AGREE, Verdict.INCONCLUSIVE], Verdict.DISAGREE),
        ([Verdict.AGREE, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
        (list(Verdict), Verdict.CRASHED),
    ],
)
def test_a_cell_takes_the_worst_of_its_tensors(verdicts: list[Verdict], expected: Verdict) -> None:
    """In whatever order they come."""
    assert worst(verdicts) is expected
    assert worst(reversed(verdicts)) is expected


def test_nothing_compared_is_no_agreement() -> None:
    """The worst of no verdicts doesn't exist."""
    with pytest.raises(ValueError, match="a comparison of nothing is no agreement"):
        worst([])
