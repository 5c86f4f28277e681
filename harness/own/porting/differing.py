"""What differs between an original and its port: judged as any subject is, each wrong call placed in both sources, and its
convention named where one explains every element of all that follows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ....reference.formats import FORMATS
from ....reference.optimizers import OPTIMIZERS
from ....reference.program import Node
from ...frameworks.found import Framework
from ...judging.blame import FORWARD
from ...judging.comparing import line_of
from ...judging.examining import Examined, Found, examine, findings
from ...judging.judge import judge
from ...judging.likely.trying import likely
from ...judging.likely.updates import likely_update
from ...judging.settling import looked_into, settled, undecided
from ...ledger.entries import Ledger
from ...plan import Cell
from ...reading.elements import Array
from ...references.variant import VariantReference
from ...roles import in_words
from ...run.lines import CellLine, Compared, number
from ...verdict import Verdict
from ...workers.answer import Answer
from ..cases import with_asked
from ..checked import digits_of
from ..checking import MODE
from ..exported import Exported
from .door import Place
from .told import Told

NARROW = "float32"
"""The dtype of most models: what is beyond its digits is a matter of implementations."""
LISTED = 12
"""Tensors whose digits are told where nothing differs, the worst first; and differences behind the first."""


@dataclass(frozen=True)
class Difference:
    """One thing that is wrong by itself."""

    found: Found
    likely: str
    calls: tuple[int, ...]
    """The calls of the program, by their numbers: that of the cause where it has a name, else those that may be."""
    forwards: bool

    @property
    def is_of_float32(self) -> bool:
        """Whether it is no more than a constant of float32 in an implementation gives: in float32 nobody sees it."""
        return not self.likely and self.found.relative <= 2 * FORMATS[NARROW].u


@dataclass(frozen=True)
class Compares:
    """The verdict on a port, with what differs in the order of the walk."""

    line: CellLine
    differences: Sequence[Difference]
    hidden: Sequence[str] = ()
    """Names whose gradients the case has and the port doesn't show."""

    @property
    def agrees(self) -> bool:
        """Nothing differs, or nothing but what is within a last digit of float32; what nobody can judge is told."""
        small = bool(self.differences) and all(d.is_of_float32 for d in self.differences)
        return self._nothing_is_wrong or small

    @property
    def _nothing_is_wrong(self) -> bool:
        return self.line.verdict is Verdict.AGREE or (
            self.line.verdict is Verdict.INCONCLUSIVE and not self.differences
        )

    @property
    def all_named(self) -> bool:
        return self.agrees or all(d.likely or d.is_of_float32 for d in self.differences)


Moved = Mapping[tuple[str, int], Array]
"""Parameters after a step, by name and step."""


def compares(
    reference: VariantReference, column: Framework, told: Mapping[int | None, Told], moved: Moved, dtype: str
) -> Compares:
    """Judge what was told in each step (None without training).

    What float64 can't name may be two things at once, one of which is a constant of float32 in an implementation: by
    float32's tolerances the other has its name.
    """
    found = _compares(reference, column, told, moved, dtype)
    if dtype == NARROW or found.all_named:
        return found
    again = _compares(reference, column, told, moved, NARROW)
    return again if again.differences and again.all_named else found


def _compares(
    reference: VariantReference, column: Framework, told: Mapping[int | None, Told], moved: Moved, dtype: str
) -> Compares:
    first = next(iter(told.values()))
    arrays = {("value", name, step): a for step, of in told.items() for name, a in of.values.items()}
    arrays |= {("gradient", name, step): a for step, of in told.items() for name, a in of.gradients.items()}
    arrays |= {("parameter", name, step): a for (name, step), a in moved.items()}
    hidden = [name for name in reference.variant.gradients if name not in first.gradients]
    asked = with_asked(reference.variant, first.values, first.gradients)
    wanted = VariantReference(asked)
    cell, answer, ledger = Cell(asked, dtype, column, MODE), Answer(None, arrays=arrays), Ledger(column.name)
    judgement, line = judge(wanted, dtype, arrays, strict=False), undecided(cell, answer)
    if not (judgement.wrong_numbers or judgement.verdict is Verdict.INCONCLUSIVE):
        return Compares(settled(line, judgement, ledger, ""), (), hidden)
    examination = examine(cell, wanted, answer, judgement, lambda _uses: answer)
    found = [_difference(cell, one) for one in findings(cell, examination)]
    if not found:
        return Compares(looked_into(cell, line, judgement, examination, ledger, ""), (), hidden)
    return Compares(settled(line, judgement, ledger, ""), sorted(_merged(found), key=_order), hidden)


def _difference(cell: Cell, found: Found) -> Difference:
    training = cell.variant.training
    options = training.options if training else {}
    calls = {s.call for s in found.suspects if s.call >= 0}
    forwards = any(s.phase == FORWARD for s in found.suspects)
    if not isinstance(found.of, Examined):
        assert training is not None
        shapes = {name: cell.variant.specs[name].shape for name in cell.variant.sources}
        words = likely_update(found.of, OPTIMIZERS[training.optimizer], options, cell.dtype, shapes)
        return Difference(found, words, (), forwards=False)
    made = likely(found.of.trace, found.suspects, found.of.judged.alarms, options)
    if made is None:
        return Difference(found, "", _walked(calls, forwards=forwards), forwards)
    named = {p.call for p in made.places if p.call >= 0}
    forwards = any(p.phase == FORWARD for p in made.places) if made.places else forwards
    return Difference(found, made.words, _walked(named or calls, forwards=forwards), forwards)


def _walked(calls: Iterable[int], *, forwards: bool) -> tuple[int, ...]:
    """In the order in which they are done."""
    return tuple(sorted(calls, reverse=not forwards))


def _merged(found: Sequence[Difference]) -> Iterator[Difference]:
    """Of several results that one cause makes wrong the first; a call that is wrong forwards and back is wrong once."""
    seen: set[object] = set()
    for one in sorted(found, key=lambda d: (_order(d), not d.likely)):
        keys: set[object] = {("calls", one.calls)} if one.calls else {("update", one.found.key)}
        keys |= {("likely", one.likely)} if one.likely and one.calls else set()
        if not keys & seen:
            yield one
        seen |= keys


def _order(one: Difference) -> tuple[int, bool, int]:
    """Steps in order; forwards from the first call on, then back from the last."""
    step = one.found.step or 0
    if not one.calls:
        return (step, True, 1)
    return (step, not one.forwards, one.calls[0] if one.forwards else -one.calls[0])


@dataclass(frozen=True)
class Sources:
    """Both sides' lines: of the case's calls, and of what the port told."""

    exported: Exported
    nodes: Sequence[Node]
    told: Told
    held: Mapping[str, Place]
    """By the original's parameters, the port's that are paired with them."""

    def ours(self, call: int) -> str:
        statement = self.exported.statements[self.nodes[call].line - 1]
        places = ", ".join(filter(None, (statement["place"], statement["module"])))
        return f"{', '.join(statement['outs'])} = {statement['text']}" + f"  ({places})" * bool(places)

    def theirs(self, call: int) -> str:
        """Where the port has it: the submodule that gives it, one that holds its parameters, or what comes behind what was told last."""
        node, places = self.nodes[call], self.told.places
        for name in (out.partition(".")[0] for out in node.outs):
            if name in places:
                return _place(places[name])
        for name in node.inputs:
            if name in self.held:
                return _place(self.held[name])
        before = [n for earlier in self.nodes[:call] for n in earlier.outs if n in places]
        return f"behind {_place(places[before[-1]])}" if before else ""


def _place(place: Place) -> str:
    """A submodule or a local variable in words: the line that calls it, and the one that makes it."""
    line = (
        f"{place.place}, made in {place.defined}"
        if place.place and place.defined
        else place.place or place.defined
    )
    return ", ".join(filter(None, (line, place.path, place.kind)))


def told_of(found: Compares, sources: Sources) -> Iterator[str]:
    """What is said: the first difference first, and last what the port does not show."""
    yield from _told_of(found, sources)
    if found.hidden:
        more = f" and {len(found.hidden) - LISTED} more" if len(found.hidden) > LISTED else ""
        yield f"NOT SHOWN by the port, so not judged: gradient of {', '.join(found.hidden[:LISTED])}{more}"


def _told_of(found: Compares, sources: Sources) -> Iterator[str]:
    if found.agrees and not found.differences:
        yield from _closely(found.line)
        return
    if not found.differences:
        yield from found.line.message.splitlines()
        return
    small = [d for d in found.differences if d.is_of_float32]
    wrong = [d for d in found.differences if not d.is_of_float32]
    if wrong:
        yield "differs first:"
        yield from _lines(wrong[0], sources)
    if wrong[1:]:
        yield "differs too:"
        yield from _listed(wrong[1:], sources)
    if small:
        digits = (
            ""
            if wrong
            else f"nothing differs, all agree to {min(map(digits_of, found.line.tensors))} digits; "
        )
        yield f"{digits}by less than a last digit of {NARROW}, as of a constant in an implementation:"
        yield from _listed(small, sources)


def _listed(every: Sequence[Difference], sources: Sources) -> Iterator[str]:
    for one in every[:LISTED]:
        yield from _lines(one, sources)
    if len(every) > LISTED:
        yield f"  and {len(every) - LISTED} more"


def _lines(one: Difference, sources: Sources) -> Iterator[str]:
    found = one.found
    if not one.calls:
        yield f"  {in_words(found.key, step=found.step)}"
    for call in one.calls[:3]:
        way = "" if one.forwards else "backward of "
        yield f"  {way}{sources.ours(call)}"
        if theirs := sources.theirs(call):
            yield f"    the port: {theirs}"
    if len(one.calls) > 3:
        yield f"  or {len(one.calls) - 3} more" if not one.likely else f"  and {len(one.calls) - 3} more"
    yield f"    {line_of(found.compared)}, {found.wrong} of {found.elements} elements"
    if one.likely:
        yield f"    yours is consistent with this: {one.likely}; with it every element that it touches is within its tolerance"
    elif one.is_of_float32:
        yield f"    by {found.relative:.1g} of its largest element"


def _closely(line: CellLine) -> Iterator[str]:
    """How closely nothing differs."""
    judged = [t for t in line.tensors if t.verdict is Verdict.AGREE]
    counts = {role: sum(t.role == role for t in judged) for role in ("value", "gradient", "parameter")}
    what = ", ".join(f"{count} {role}{'s' * (count != 1)}" for role, count in counts.items() if count)
    digits = min(map(digits_of, judged))
    yield f"nothing differs: {what} in {line.dtype} agree to {digits} digits ({number(line.used)} × tolerance)"
    for t in sorted(judged, key=digits_of)[:LISTED]:
        yield f"  {in_words((t.role, t.name), step=t.step)}: {_digits(t)}"
    if len(judged) > LISTED:
        yield f"  and {len(judged) - LISTED} more, each to {digits_of(sorted(judged, key=digits_of)[LISTED])} digits or more"
    for t in (t for t in line.tensors if t.verdict is Verdict.INCONCLUSIVE):
        yield f"  not judged: {line_of(t)}"


def _digits(t: Compared) -> str:
    return f"{digits_of(t)} digits, {number(t.used)} × tolerance"
