"""What may become of a cell, from best to worst, and its face everywhere: no two are ever collapsed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from .reading.text import count_of


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
    NOT_SHOWN = "not shown"
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
    Verdict.NOT_SHOWN: Face("failed", "…", "not shown", "bold red", "failure"),
    Verdict.STALE: Face("failed", "↻", "stale", "bold red", "failure"),
    Verdict.DISAGREE: Face("failed", "✗", "disagree", "bold red", "failure"),
    Verdict.ERRORED: Face("failed", "!", "errored", "bold red", "error"),
    Verdict.CRASHED: Face("failed", "†", "crashed", "bold red", "error"),
}

_SEVERITIES = {verdict: i for i, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several: a cell takes the worst of its tensors, and of what was not shown only where nothing was.

    Raises ValueError for none at all: a comparison of nothing agrees with nothing.
    """
    every = list(verdicts)
    found = [verdict for verdict in every if verdict is not Verdict.NOT_SHOWN] or every
    if not found:
        raise ValueError("no verdict to choose from: a comparison of nothing is no agreement")
    return max(found, key=lambda verdict: verdict.severity)


def totals(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """How many there are of each of the ten, those of which there is none too."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in Verdict}


@dataclass(frozen=True)
class Apart:
    """Of the cells that agree, how many do so in a way that is told apart."""

    by_convention: int = 0
    in_part: int = 0
    """Not everything that is compared was shown."""

    def __str__(self) -> str:
        """`6 by a convention, 3 in what was shown`; empty where there are none."""
        ways = ((self.by_convention, "by a convention"), (self.in_part, "in what was shown"))
        return ", ".join(f"{count} {way}" for count, way in ways if count)


def counted(totals: Mapping[Verdict, int], apart: Apart) -> str:
    """`3040 cells: 2973 agree, 65 known deviation, 2 unsupported`: every cell under the name of what became of it."""
    parts = (tally(count, verdict, apart) for verdict, count in totals.items() if count)
    return f"{count_of(sum(totals.values()), 'cell')}: {', '.join(parts)}"


def tally(count: int, verdict: Verdict, apart: Apart) -> str:
    """`2977 agree (6 by a convention)`: the cells of a verdict."""
    told = str(apart) if verdict is Verdict.AGREE else ""
    return f"{count} {verdict}" + f" ({told})" * bool(told)
