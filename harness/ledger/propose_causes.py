"""Proposals by op: the wrong calls of a run, gathered into as few root causes as their cells allow."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...reference.formats import DTYPES
from ...reference.ops import OPS
from ...reference.optimizers import OPTIMIZERS
from ..run.lines import LARGEST, CallLine, CellLine
from .causes import OUT, PHASES
from .writing import TODO, entry_text, names_text, outwards, shortest, text

SLACK = 4.0
"""Between the largest error that a run shows and the bound that is proposed: another machine sums in another order."""


@dataclass(frozen=True)
class Called:
    """A disagreeing cell, and its calls that no entry knows."""

    cell: CellLine
    calls: Sequence[CallLine]


@dataclass(frozen=True)
class Cause:
    """Calls of one op that are wrong in some phases, in the same cells."""

    op: str
    phases: Sequence[str]
    found: Sequence[tuple[CellLine, CallLine]]

    @property
    def cells(self) -> dict[str, CellLine]:
        """Its cells by their ids."""
        return {cell.cell: cell for cell, _ in self.found}

    def only(self, field: str) -> str:
        """The cells' dtype or mode, where they all have the same."""
        values = {str(getattr(cell, field)) for cell, _ in self.found}
        return values.pop() if len(values) == 1 else ""


def new_calls(calls: Iterable[CallLine]) -> list[CallLine]:
    """Those that no entry knows, and that an entry by op can excuse."""
    return [
        call
        for call in calls
        if not call.entry
        and call.phase in PHASES
        and call.op in (OPTIMIZERS if call.phase == "update" else OPS)
    ]


def proposals(called: Sequence[Called], every: Sequence[CellLine], version: str, since: str) -> Iterator[str]:
    """An entry for each cause; `every` are the framework's cells of the run."""
    for cause in causes(called):
        yield _entry(cause, every, version, since)


def causes(called: Sequence[Called]) -> list[Cause]:
    """Calls by op and phase, and the phases of an op together where they are wrong in the same cells."""
    found: dict[tuple[str, str], list[tuple[CellLine, CallLine]]] = {}
    for one in called:
        for call in one.calls:
            found.setdefault((call.op, call.phase), []).append((one.cell, call))
    joined: dict[tuple[str, frozenset[str]], list[str]] = {}
    for (op, phase), pairs in found.items():
        joined.setdefault((op, frozenset(cell.cell for cell, _ in pairs)), []).append(phase)
    return [
        Cause(op, sorted(phases, key=PHASES.index), [pair for phase in phases for pair in found[op, phase]])
        for (op, _), phases in joined.items()
    ]


def _entry(cause: Cause, every: Sequence[CellLine], version: str, since: str) -> str:
    """A cause as the ledger has it: no dtype that the run hasn't shown, no mode that was right."""
    dtype, mode = cause.only("dtype"), cause.only("mode")
    mode = mode if any(cell.mode != mode for cell in every) else ""
    usual = ["update"] if cause.op in OPTIMIZERS else ["forward", "vjp"]
    return entry_text({
        "framework": text(every[0].framework),
        "op": text(cause.op),
        "phase": "" if list(cause.phases) == usual else names_text(cause.phases),
        "towards": _towards(cause),
        "dtype": text(dtype) if dtype in DTYPES else "",
        "mode": text(mode) if mode else "",
        "version": text(f"=={version}"),
        **_bound(cause),
        "case": text(_case(cause, [cell for cell in every if dtype in ("", cell.dtype) and mode in ("", cell.mode)])),
        "since": since,
        "reason": text(_reason(cause)),
        "evidence": text(""),
    })  # fmt: skip


def _towards(cause: Cause) -> str:
    """The inputs whose gradients are wrong, unless all of the op's are."""
    seen = {call.towards for _, call in cause.found if call.towards}
    inputs = [p.name for p in OPS[cause.op].parameters if p.kind is not p.KEYWORD_ONLY] if seen else []
    named = [name for name in inputs if name in seen]
    return names_text(named) if named and named != inputs else ""


def _bound(cause: Cause) -> dict[str, str]:
    """The largest relative error with some slack. Where there is none, it must be said what is computed instead."""
    largest = max(call.relative for _, call in cause.found) * SLACK
    if 0 < largest < LARGEST:
        _, above = outwards(largest, largest)
        return {"at_most": shortest(above)}
    results = dict.fromkeys(call.towards or OUT for _, call in cause.found)
    unsaid = ", ".join(f"{result} = {text('')}" for result in results)
    return {"gives": f"{{ {unsaid} }}"}


def _case(cause: Cause, every: Collection[CellLine]) -> str:
    """The variant with the fewest elements, one all of whose cells show the cause if any; `every` has those that might."""
    sizes = dict.fromkeys(cause.cells, 0)
    for cell, call in cause.found:
        sizes[cell.cell] += call.elements
    partly = {_variant(cell) for cell in every if cell.cell not in sizes}
    order = lambda cell: (_variant(cell) in partly, sizes[cell.cell], cell.cell)
    return _variant(min(cause.cells.values(), key=order))


def _variant(cell: CellLine) -> str:
    return f"{cell.case}::{cell.variant}" if cell.variant else cell.case


def _reason(cause: Cause) -> str:
    _, call = max(cause.found, key=lambda pair: pair[1].relative)
    result = f"the gradient of {cause.op} towards {call.towards}" if call.towards else cause.op
    return f"{result} is {call.got} where it should be {call.want}; {TODO}"
