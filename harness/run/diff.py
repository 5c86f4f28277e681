"""What changed from one run to another: the question of a pull request, and of an upgrade of a framework.

Every cell of either run is looked at, by its id. Only a failure that wasn't one before is bad news, and only agreement
where there was a failure is good news: a failure that is now skipped, or excused by a ledger, is neither, and is told
with its two verdicts. Headroom (`used`) is compared where both runs agree, before anything turns red. Behind the cells
stand causes (`diff_causes`): a new one is bad news in a cell, too, that failed before.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import HarnessError
from ..reading.text import count_of, visible
from ..verdict import Apart, Verdict, tally
from . import diff_causes
from .diff_causes import CauseChanges
from .lines import CellLine, Run, apart

FACTOR = 2.0
"""Headroom that moved by no more than this isn't told of."""

TINY = 0.05
"""Below it in both runs, `used` says nothing: a framework that is a hundred times better than allowed."""

LISTED = 20
"""Cells that a list names; of the others it gives the number."""

BACKWARDS = "The run compared with was made after this one: what is told as new may be what was."

BAD = ("newly wrong", diff_causes.NEW)
"""Titles of the lists that are bad news."""

WIDTH = 200
"""Characters of a message that a list shows."""


class SameRun(HarnessError):
    """A run compared with itself: that nothing changed would be no news, and looks like good news."""


class _Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Change(_Facts, frozen=True, kw_only=True):
    """A cell, before and now. A verdict is None where the run has no such cell."""

    cell: str
    before: Verdict | None
    now: Verdict | None
    used_before: float | None
    used_now: float | None
    message: str
    """The line of what is said of it now that says most."""
    case_changed: bool
    """Whether the program or the inputs aren't those that were run before."""

    @property
    def is_newly_wrong(self) -> bool:
        """Whether it fails now and didn't before; a new cell that fails is newly wrong."""
        return _failed(self.now) and not _failed(self.before)

    @property
    def is_mended(self) -> bool:
        """Whether it failed and agrees now."""
        return _failed(self.before) and self.now is Verdict.AGREE

    @property
    def is_otherwise_changed(self) -> bool:
        """Whether both runs have it, with other verdicts that are neither bad news nor good."""
        both = self.before is not None and self.now is not None
        return both and self.before is not self.now and not (self.is_newly_wrong or self.is_mended)

    def moved(self, factor: float) -> bool:
        """Whether it agrees as before, with a `used` that is more than `factor` times larger or smaller."""
        if self.before is not Verdict.AGREE or self.now is not Verdict.AGREE:
            return False
        if self.used_before is None or self.used_now is None:
            return False
        low, high = sorted((self.used_before, self.used_now))
        return high >= TINY and high > factor * low

    @property
    def became(self) -> str:
        """What became of the cell, on one line."""
        if self.before is Verdict.AGREE and self.now is Verdict.AGREE:
            what = f"used {self.used_before:.3g} -> {self.used_now:.3g}"
        else:
            what = f"{self.before or 'not there'} -> {self.now or 'not there'}"
        return what + (" (the case has changed)" if self.case_changed else "")

    @property
    def excerpt(self) -> str:
        """As much of the message as a list shows; nothing of a cell that agrees."""
        return "" if self.now is Verdict.AGREE else self.message[:WIDTH]


class Version(_Facts, frozen=True, kw_only=True):
    """Something that a framework told of itself, or a run of its harness, and that is another now."""

    of: str
    """The framework, or "the run"."""
    what: str
    before: str | None
    """None where it wasn't told."""
    now: str | None


class Side(_Facts, frozen=True, kw_only=True):
    """Which run was compared."""

    started: str
    commit: str | None
    cells: int
    agree: int
    apart: Apart
    """Of those that agree the cells that do so by a convention, or in what was shown."""


class Difference(_Facts, frozen=True, kw_only=True):
    """All that changed. A new cell that fails is in `newly_wrong` and in `new`; the other lists share nothing."""

    before: Side
    now: Side
    factor: float
    newly_wrong: list[Change]
    mended: list[Change]
    otherwise_changed: list[Change]
    new: list[Change]
    gone: list[Change]
    headroom: list[Change]
    """Cells that agree as before, and whose `used` moved by more than `factor`; the largest of now first."""
    same: int
    """Cells that are in none of the lists."""
    causes: CauseChanges
    versions: list[Version]

    @property
    def is_bad(self) -> bool:
        """Whether a cell is newly wrong, or a cause is new."""
        return bool(self.newly_wrong or self.causes.new)

    @property
    def headline(self) -> str:
        """The bad news in few words."""
        causes = self.causes.new
        more = f", {len(causes)} new cause{'s' * (len(causes) != 1)}" * bool(causes)
        return f"What changed: {len(self.newly_wrong) or 'nothing'} newly wrong{more}"

    @property
    def is_backwards(self) -> bool:
        """Whether the run called the earlier one was made later."""
        return self.before.started > self.now.started

    def sections(self) -> dict[str, list[Change]]:
        """The lists by their titles, worst first."""
        return {
            "newly wrong": self.newly_wrong,
            "mended": self.mended,
            "verdict changed otherwise": self.otherwise_changed,
            "new": self.new,
            "gone": self.gone,
            f"headroom moved by more than {self.factor:g}": self.headroom,
        }

    @property
    def sentence(self) -> str:
        """The numbers of all lists, those of nothing too."""
        counts = [f"{len(changes)} {title}" for title, changes in self.sections().items()]
        fresh = sum(change.before is None for change in self.newly_wrong)
        counts[0] += f" ({fresh} of them new)" if fresh else ""
        return ", ".join([*counts, f"{self.same} as before"])


def diff(old: Run, new: Run, factor: float = FACTOR) -> Difference:
    """What changed from `old` to `new`. Raises SameRun."""
    if old == new:
        told = f"both runs are one and the same, of {new.header.started}"
        raise SameRun(f"{told}: name an earlier run, or make the new one: pytest cases --record FILE")
    before, now = ({cell.cell: cell for cell in run.cells} for run in (old, new))
    changes = [_change(before.get(name), now.get(name)) for name in dict.fromkeys([*now, *before])]
    headroom = [change for change in changes if change.moved(factor)]
    lists = {
        "newly_wrong": [c for c in changes if c.is_newly_wrong],
        "mended": [c for c in changes if c.is_mended],
        "otherwise_changed": [c for c in changes if c.is_otherwise_changed],
        "new": [c for c in changes if c.before is None],
        "gone": [c for c in changes if c.now is None],
        "headroom": sorted(headroom, key=lambda c: -(c.used_now or 0.0)),
    }
    listed = {change.cell for own in lists.values() for change in own}
    return Difference(
        before=_side(old),
        now=_side(new),
        factor=factor,
        same=len(changes) - len(listed),
        causes=diff_causes.diff_causes(old, new),
        versions=[*_versions("the run", _facts(old), _facts(new)), *_abouts(old, new)],
        **lists,
    )


def _failed(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.outcome() == "failed"


def _side(run: Run) -> Side:
    agree = [cell for cell in run.cells if cell.verdict is Verdict.AGREE]
    return Side(
        started=run.header.started,
        commit=run.header.commit,
        cells=len(run.cells),
        agree=len(agree),
        apart=apart(agree),
    )


def _change(old: CellLine | None, new: CellLine | None) -> Change:
    some = new or old
    assert some is not None
    digests = {cell.content for cell in (old, new) if cell is not None and cell.content is not None}
    return Change(
        cell=some.cell,
        before=old.verdict if old else None,
        now=new.verdict if new else None,
        used_before=old.headroom if old else None,
        used_now=new.headroom if new else None,
        message=_telling(new.message) if new else "",
        case_changed=len(digests) > 1,
    )


def _telling(message: str) -> str:
    """The first line; of a traceback, where it says nothing yet, the last."""
    lines = message.strip().splitlines() or [""]
    return lines[-1 if lines[0].startswith("Traceback ") else 0]


def _facts(run: Run) -> dict[str, Any]:
    """What the numbers of a whole run depend on."""
    head = run.header
    return {
        "harness": head.harness,
        "rules": head.rules,
        "K": f"{head.K:g}",
        "python": head.python,
        "cpu": head.machine.cpu,
        "os": head.machine.os,
        **head.contents,
    }


def _abouts(old: Run, new: Run) -> Iterator[Version]:
    for name in dict.fromkeys([*old.abouts, *new.abouts]):
        yield from _versions(name, old.abouts.get(name), new.abouts.get(name))


def _versions(of: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[Version]:
    """What is told differently; of a framework that only one run has heard of, its version."""
    keys = ["version"] if old is None or new is None else dict.fromkeys([*old, *new])
    for key in keys:
        before, now = (None if told is None or key not in told else str(told[key]) for told in (old, new))
        if before != now:
            yield Version(of=of, what=key, before=before, now=now)


def render(difference: Difference) -> str:
    """The difference for a terminal."""
    lines = [
        difference.sentence,
        difference.causes.sentence,
        f"before: {side(difference.before)}",
        f"now:    {side(difference.now)}",
        *([BACKWARDS] if difference.is_backwards else []),
        *(f"{v.of}: {v.what} {v.before or 'not told'} -> {v.now or 'not told'}" for v in difference.versions),
    ]
    lines += diff_causes.render(difference.causes, LISTED)
    for title, changes in difference.sections().items():
        if changes:
            lines += ["", f"{title}: {len(changes)}", *listing(changes, LISTED)]
    return "\n".join(map(visible, lines)) + "\n"


def side(found: Side) -> str:
    """Which run it is."""
    agree = tally(found.agree, Verdict.AGREE, found.apart)
    return f"{found.started}, commit {found.commit or 'unknown'}, {count_of(found.cells, 'cell')}, {agree}"


def listing(changes: Sequence[Change], limit: int) -> list[str]:
    """A line or two a cell, up to a limit: a cut is never silent."""
    lines = []
    for change in changes[:limit]:
        lines.append(f"  {change.cell}: {change.became}")
        if change.excerpt:
            lines.append(f"    {change.excerpt}")
    left = len(changes) - limit
    return lines + ([f"  and {left} more; the JSON has all"] if left > 0 else [])
