"""What may become of a cell, from best to worst, and what pytest calls it: no two are ever collapsed."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """The verdicts in order: a later one is worse than every earlier one."""

    AGREE = "agree"
    KNOWN_DEVIATION = "known deviation"
    UNSUPPORTED = "unsupported"
    ABSENT = "absent"
    INCONCLUSIVE = "inconclusive"
    STALE = "stale ledger entry"
    DISAGREE = "disagree"
    ERRORED = "errored"
    CRASHED = "crashed"

    def outcome(self, *, required: bool = False) -> str:
        """The word of pytest: passed, xfailed, skipped or failed (also absent, where `required`)."""
        if self is Verdict.ABSENT and required:
            return "failed"
        return _OUTCOMES.get(self, "failed")

    @property
    def severity(self) -> int:
        """0 for the best verdict, more for every worse one."""
        return _SEVERITIES[self]


_OUTCOMES = {
    Verdict.AGREE: "passed",
    Verdict.KNOWN_DEVIATION: "xfailed",
    Verdict.UNSUPPORTED: "skipped",
    Verdict.ABSENT: "skipped",
}

_SEVERITIES = {verdict: i for i, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several: a cell takes the worst of its tensors.

    Raises ValueError for none at all: a comparison of nothing agrees with nothing.
    """
    found = list(verdicts)
    if not found:
        raise ValueError("no verdict to choose from: a comparison of nothing is no agreement")
    return max(found, key=lambda verdict: verdict.severity)
