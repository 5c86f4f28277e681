"""Judges a run file again, with another K or by other rules, without running a framework.

Another K needs the run file alone: error / sigma and the tolerance's width are kept of each tensor. Other rules need
other tolerances, so they need what was answered (`--keep-arrays`) and the very cases that were run: a digest in each
line says whether a case is still the same. Where something is missing nothing is guessed: there is an error that
names it, and no new run file.

The ranges of a ledger are written for the K of `reference.rounding`, and are read so whatever K is asked for.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from ...reference.rounding import RULES_VERSION, K
from .. import __version__
from ..case.library import Library
from ..errors import HarnessError
from ..frameworks.found import DEVIATIONS, Framework
from ..ledger.entries import Deviation, Ledger
from ..ledger.reading import load as load_ledger
from ..plan import Cell
from ..reading.text import count_of
from ..references import cache
from ..references.variant import VariantReference
from ..roles import COPIED, TRACED, unmarked
from ..run import arrays
from ..run.lines import LARGEST, STRICT, CellLine, Compared, Header, Run, apart
from ..run.provenance import commit, own_contents
from ..run.reading import contents_that_differ
from ..run.writing import RunWriter
from ..verdict import Verdict, counted, totals, worst
from ..workers.answer import Answer
from .comparing import describe, verdict_of
from .examining import examine
from .judge import Judgement, judge
from .outcome import with_k
from .settling import looked_into, settled

LISTED = 5
"""Cells that an error names; of the others it gives the number."""


class RejudgeError(HarnessError):
    """A run that can't be judged again as asked."""


class NeedsArrays(RejudgeError):
    """The run file's numbers don't suffice, and the arrays were not kept."""


class NeedsLedger(RejudgeError):
    """A known deviation, and no ledger that knows it."""


@dataclass(frozen=True)
class Change:
    """A cell whose verdict is another now."""

    before: CellLine
    after: CellLine

    @property
    def what(self) -> str:
        return f"{self.before.verdict} -> {self.after.verdict}"


def rejudge(run: Run, sources: "Sources", new_k: float) -> list[CellLine]:
    """The run's cells with the verdicts that they have now, in their order. Raises RejudgeError."""
    cells: Sequence[CellLine] = run.cells
    if not run.tells_calls and any(cell.verdict is Verdict.KNOWN_DEVIATION for cell in cells):
        why = f"the run is of format {run.header.format}, in which no op calls are told of"
        raise NeedsArrays(f"{sources.file}: {why}, and entries by op speak of these; run it again")
    if sources.needed:
        sources.check(cells)
        cells = [sources.judged(cell) if was_judged(cell) else cell for cell in cells]
    else:
        _check_widths(cells)
    old_k = K if sources.needed else run.header.K
    return [sources.with_k(cell, old_k, new_k) for cell in cells]


def was_judged(cell: CellLine) -> bool:
    """Whether arrays were compared, or would have been, had their tolerances been finite."""
    return bool(cell.tensors) or cell.verdict is Verdict.INCONCLUSIVE


def _check_widths(cells: Iterable[CellLine]) -> None:
    """Without the tolerance's width nobody knows whether another K makes a tensor inconclusive."""
    lacking = [cell.cell for cell in cells if any(t.width is None for t in cell.tensors)]
    if lacking:
        why = "the width of the tolerances is not in the run file"
        raise NeedsArrays(f"{_named(lacking)}: {why}; run again, or give the arrays with --arrays=DIR")


def _named(cells: Sequence[str]) -> str:
    more = f" and {len(cells) - LISTED} more" if len(cells) > LISTED else ""
    return ", ".join(cells[:LISTED]) + more


@dataclass(frozen=True)
class Sources:
    """Where a run's arrays, cases and ledgers are found."""

    run: Run
    file: Path
    roots: Sequence[Path]
    frameworks: Mapping[str, Framework]
    arrays: Path | None = None
    deviations: Sequence[Deviation] = ()
    """Those of the user's own ledgers."""

    @property
    def needed(self) -> bool:
        """Whether tolerances must be derived anew: other rules, or arrays that the user names."""
        return self.run.header.rules != RULES_VERSION or self.arrays is not None

    def check(self, cells: Iterable[CellLine]) -> None:
        """Raises NeedsArrays where a cell's are missing, before any case is evaluated."""
        judged = [cell for cell in cells if was_judged(cell)]
        if nameless := [cell.cell for cell in judged if cell.arrays is not None and cell.kept is None]:
            told = (
                f"the run is of format {self.run.header.format}, which doesn't name arrays by their content"
            )
            raise NeedsArrays(
                f"{self.file}: {told} ({_named(nameless)}); run it again with --keep-arrays=DIR"
            )
        if lacking := [cell.cell for cell in judged if cell.arrays is None or not self._file(cell).exists()]:
            told = f"the run is of rules {self.run.header.rules}, these are {RULES_VERSION}, "
            told += f"and the arrays of {len(lacking)} of {count_of(len(judged), 'cell')} are not there"
            raise NeedsArrays(
                f"{self.file}: {told} ({_named(lacking)}); run them again with --keep-arrays=DIR"
            )

    def _file(self, cell: CellLine) -> Path:
        assert cell.arrays is not None
        return (
            arrays.place(self.file, cell.arrays)
            if self.arrays is None
            else self.arrays / Path(cell.arrays).name
        )

    def judged(self, cell: CellLine) -> CellLine:
        """The cell, judged from its arrays by the rules of now."""
        wanted, kept = self._wanted(cell), arrays.load(self._file(cell), cell.kept)
        answered = unmarked("", kept)
        judgement = judge(wanted, cell.dtype, answered, strict=self._framework(cell).strict)
        ledger, version = self.ledger(cell), self._version(cell)
        traced = {COPIED: unmarked(COPIED, kept), TRACED: unmarked(TRACED, kept)}
        if not traced[TRACED]:
            return settled(cell, judgement, ledger, version)
        own = Cell(wanted.variant, cell.dtype, self._framework(cell), cell.mode)

        def ask(copies: Collection[tuple[int, int]]) -> Answer:
            found = traced[COPIED if copies else TRACED]
            return Answer(None if found else Verdict.ABSENT, "no such trace was kept", found)

        found = examine(own, wanted, Answer(None, "", answered), judgement, ask)
        return looked_into(own, cell, judgement, found, ledger, version)

    def _framework(self, cell: CellLine) -> Framework:
        """The cell's column; of a subject that is not named here, all that judging needs of it."""
        known = self.frameworks.get(cell.framework)
        subject = Path() if "files" in self.run.abouts.get(cell.framework, {}) else None
        strict = subject is None or self.run.header.contents.get(STRICT) != "no"
        return known or Framework(cell.framework, Path(), (cell.mode,), subject=subject, strict=strict)

    def _version(self, cell: CellLine) -> str:
        return str(self.run.abouts.get(cell.framework, {}).get("version", ""))

    def _wanted(self, cell: CellLine) -> VariantReference:
        key = cell.case, cell.variant, cell.content
        if key not in self._wanted_by_variant:
            variant = self._library.as_run(*key)
            self._wanted_by_variant[key] = VariantReference(variant, self._cache)
        return self._wanted_by_variant[key]

    @cached_property
    def _wanted_by_variant(self) -> dict[tuple[str, str, str | None], VariantReference]:
        return {}

    @cached_property
    def _cache(self) -> cache.Cache | None:
        """References of these same rules and inputs; by other rules they have other names."""
        return cache.given()

    @cached_property
    def _library(self) -> Library:
        return Library(self.roots)

    def with_k(self, cell: CellLine, old_k: float, new_k: float) -> CellLine:
        """The cell at another K, from its numbers: those of its tensors, and of the calls that were looked into."""
        if not cell.tensors:
            return cell
        tensors = tuple(_tensor_with_k(t, old_k, new_k) for t in cell.tensors)
        verdict = worst(t.verdict for t in tensors)
        judgement = Judgement(verdict, tensors, describe(tensors, verdict))
        found = None if verdict is Verdict.AGREE else with_k(cell, verdict, old_k / new_k)
        now = settled(cell, judgement, self.ledger(cell), self._version(cell), found)
        return cell if old_k == new_k and now.verdict is cell.verdict else now

    def ledger(self, cell: CellLine) -> Ledger:
        """The ledger by which the cell is judged now. Raises NeedsLedger and LedgerError."""
        name = cell.framework
        if name in self.frameworks:
            if name not in self._ledgers:
                ledger = load_ledger(self.frameworks[name].folder / DEVIATIONS, name)
                self._ledgers[name] = ledger.joined(self.deviations)
            return self._ledgers[name]
        known = {c.framework for c in self.run.cells if c.verdict in (Verdict.KNOWN_DEVIATION, Verdict.STALE)}
        given = Ledger(name).joined(self.deviations)
        if name in known and not given.entries:
            raise NeedsLedger(f"{name}: the run knows deviations of it; name its folder with --adapters=DIR")
        return given

    @cached_property
    def _ledgers(self) -> dict[str, Ledger]:
        return {}


def _tensor_with_k(t: Compared, old_k: float, new_k: float) -> Compared:
    """A tensor at another K. What is broken stays so: no tolerance was looked at."""
    if t.problem:
        return t
    assert t.width is not None
    used = LARGEST if t.ratio >= LARGEST else t.ratio / new_k
    width = t.width if t.width >= LARGEST else t.width * new_k / old_k
    tolerance = t.tolerance * new_k / old_k
    return msgspec.structs.replace(
        t, used=used, width=width, tolerance=tolerance, verdict=verdict_of(used, width)
    )


def changes(before: Iterable[CellLine], after: Iterable[CellLine]) -> list[Change]:
    """The cells whose verdict changed."""
    return [Change(b, a) for b, a in zip(before, after, strict=True) if a.verdict is not b.verdict]


def write(run: Run, file: Path, cells: Sequence[CellLine], target: Path, new: Header) -> None:
    """The new run file. What is told of kept arrays stays true from its own folder."""
    with RunWriter(target, new, whole=True) as writer:
        for framework, about in run.abouts.items():
            writer.about(framework, about)
        for cell in cells:
            kept = cell.arrays and arrays.relative(arrays.place(file, cell.arrays), target)
            writer.cell(msgspec.structs.replace(cell, arrays=kept))
        writer.footer(len(cells), part=run.footer.part)


def header(run: Run, sources: Sources, new_k: float, command: Sequence[str]) -> Header:
    """The run's header, with what it is judged by now."""
    return msgspec.structs.replace(
        run.header,
        harness=__version__,
        rules=RULES_VERSION if sources.needed else run.header.rules,
        K=new_k,
        command=list(command),
        commit=commit(Path(__file__)),
        contents={**run.header.contents, **_contents(run, sources)},
    )


def _contents(run: Run, sources: Sources) -> dict[str, str]:
    """What the new verdicts stand on, by content: the tolerances only where they were derived anew."""
    own = own_contents()
    if not sources.needed:
        del own["reference"]
    one_of_each = {cell.framework: cell for cell in run.cells}
    return own | {f"ledger {name}": sources.ledger(cell).content for name, cell in one_of_each.items()}


def summary(run: Run, new: Header, found: Sequence[Change], cells: Sequence[CellLine]) -> str:
    """What changed, in words: by kind, and then cell by cell."""
    old = run.header
    rules = f"K {new.K:g} (was {old.K:g}), rules {new.rules} (was {old.rules})"
    lines = [f"{count_of(len(cells), 'cell')}: {rules}; verdicts changed: {len(found)}"]
    lines += [
        f"{name} {now} (was {was})" for name, was, now in contents_that_differ(old.contents, new.contents)
    ]
    for what, count in Counter(change.what for change in found).items():
        lines.append(f"  {what}: {count}")
        lines += [_told(change) for change in found if change.what == what]
    lines.append(counted(totals(cell.verdict for cell in cells), apart(cells)))
    return "\n".join(lines)


def _told(change: Change) -> str:
    first = change.after.message.partition("\n")[0]
    return f"    {change.after.cell}" + (f"\n      {first}" if first else "")
