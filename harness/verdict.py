"""What may become of a cell, from best to worst, and its face everywhere: no two are ever collapsed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Literal, NamedTuple


class Face(NamedTuple):
    """How a verdict looks to pytest, to a terminal, to a page and to JUnit."""

    outcome: Literal["passed", "xfailed", "skipped", "failed"]
    """The word of pytest."""
    sign: str
    """So that none is told by colour alone."""
    short: str
    """What stands in the table at the end of a run, where room is scarce."""
    style: str
    """Of a terminal, in rich's words; a page has its colours by `slug` in style.css."""
    tag: Literal["", "skipped", "failure", "error"]
    """JUnit's word; agreement has none."""


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

    @property
    def face(self) -> Face:
        return FACES[self]

    def outcome(self, *, required: bool = False) -> str:
        """The word of pytest: passed, xfailed, skipped or failed (also absent, where `required`)."""
        return "failed" if self is Verdict.ABSENT and required else self.face.outcome

    @property
    def severity(self) -> int:
        """0 for the best verdict, more for every worse one."""
        return _SEVERITIES[self]

    @property
    def slug(self) -> str:
        """Its first word, which is its class in a page."""
        return self.partition(" ")[0]


FACES = {
    Verdict.AGREE: Face("passed", "✓", "agree", "green", ""),
    Verdict.KNOWN_DEVIATION: Face("xfailed", "◆", "known", "yellow", "skipped"),
    Verdict.UNSUPPORTED: Face("skipped", "–", "unsupported", "dim", "skipped"),
    Verdict.ABSENT: Face("skipped", "∅", "absent", "dim", "skipped"),
    Verdict.INCONCLUSIVE: Face("failed", "?", "inconclusive", "bold red", "failure"),
    Verdict.STALE: Face("failed", "↻", "stale", "bold red", "failure"),
    Verdict.DISAGREE: Face("failed", "✗", "disagree", "bold red", "failure"),
    Verdict.ERRORED: Face("failed", "!", "errored", "bold red", "error"),
    Verdict.CRASHED: Face("failed", "†", "crashed", "bold red", "error"),
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


def totals(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """How many there are of each of the nine, those of which there is none too."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in Verdict}


def counted(totals: Mapping[Verdict, int], by_convention: int = 0) -> str:
    """`3040 cells: 2973 agree, 65 known deviation, 2 unsupported`: every cell under the name of what became of it.

    `by_convention`: how many of those that agree do so by a convention, told apart.
    """
    parts = (tally(count, verdict, by_convention) for verdict, count in totals.items() if count)
    return f"{sum(totals.values())} cells: {', '.join(parts)}"


def tally(count: int, verdict: Verdict, by_convention: int = 0) -> str:
    """`2977 agree (6 by a convention)`: the cells of a verdict."""
    apart = f" ({by_convention} by a convention)" if verdict is Verdict.AGREE and by_convention else ""
    return f"{count} {verdict}{apart}"
