"""From an answer, or a judgement of it, and the ledger to the line of the run file."""

import dataclasses
import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from ...reference.names import nearest
from ..ledger.entries import Ledger, phases_of, used_of
from ..plan import Cell
from ..reading.text import shortened
from ..roles import in_words
from ..run.ids import CellId
from ..run.lines import CellLine, Compared
from ..verdict import Verdict, worst
from ..workers.answer import Answer
from .comparing import describe
from .examining import Examination
from .judge import Judgement, worse
from .outcome import Outcome, outcome
from .precise import LARGEST_PRECISE, precisely

BEFORE, BEHIND = (
    re.compile(r"\A(grad(ient)?_?|d_?|g_)(?=\w)", re.IGNORECASE),
    re.compile(r"_(grad|gradient|d)\Z"),
)
SHOWN = 20
"""Names that a message lists."""
LONGEST = 100_000
"""Characters of a message: a program of thousands of calls may disagree in each, and a run file's line takes so many."""


def undecided(cell: Cell, answer: Answer) -> CellLine:
    """The line of a cell of which nothing has been judged; the verdict is the answer's, if it has one."""
    return CellLine(
        **cell.parts._asdict(),
        cell=cell.id,
        verdict=answer.verdict or Verdict.INCONCLUSIVE,
        used=None,
        relative=None,
        tensors=[],
        seconds=answer.seconds,
        compiling=answer.compiling,
        message=answer.message,
        changed=list(answer.changed),
        notes=list(_unknown(cell, answer)),
    )


def _unknown(cell: Cell, answer: Answer) -> Iterator[str]:
    """What came back under names that the case does not have, and what the case calls it."""
    known = sorted(name for name in cell.variant.specs if "." not in name)
    shown = {(role, name) for role, name, _ in answer.arrays}
    for role, name in answer.unknown:
        meant = _meant(name, known)
        if meant is None:
            hint = f"the case has {', '.join(known[:SHOWN])}{nearest(name, known)}"
        else:
            taken = (
                f", and {meant}'s is what is judged" if role == "gradient" and (role, meant) in shown else ""
            )
            hint = f"the case calls it {meant}{taken}"
        yield f"it returned {in_words((role, name))}, a name that the case does not have; {hint}"


def _meant(name: str, known: Sequence[str]) -> str | None:
    """`X` for `dX`, `grad_X`, `x`: without what people put before and behind the name of a gradient."""
    bare = BEFORE.sub("", BEHIND.sub("", name))
    by_case = {other.lower(): other for other in known}
    return next((by_case[n.lower()] for n in (name, bare) if n.lower() in by_case), None)


def looked_into(
    cell: Cell, line: CellLine, judgement: Judgement, examination: Examination, ledger: Ledger, version: str
) -> CellLine:
    """The line of a cell that was looked into: of what was judged as a whole by a reference of more digits, where float64's is off."""
    judged = _with_more_digits(judgement, examination)
    return settled(line, judged, ledger, version, outcome(cell, judged, examination, ledger, version))


def _with_more_digits(judgement: Judgement, examination: Examination) -> Judgement:
    """The same; of a training of which wrong steps were not looked into nothing is taken back."""
    wrong = {step for step, used in judgement.steps.items() if used > 1}
    if not wrong <= {step.trace.step for step in examination.steps}:
        return judgement
    steps = [
        (precise, step.answer)
        for step in examination.steps
        if (precise := precisely(step.trace, (), step.answer, LARGEST_PRECISE))
    ]
    if not any(precise.off > 1 for precise, _ in steps):
        return judgement
    found: dict[tuple[str, str], Compared] = {}
    for precise, answer in steps:
        for t in precise.compared(answer):
            key = (t.role, t.name)
            found[key] = worse(found[key], t) if key in found else t
    tensors = tuple(_in_place_of(t, found.get((t.role, t.name))) for t in judgement.tensors)
    verdict = worst(t.verdict for t in tensors)
    return dataclasses.replace(
        judgement, tensors=tensors, verdict=verdict, message=describe(tensors, verdict)
    )


def _in_place_of(before: Compared, now: Compared | None) -> Compared:
    """What is compared anew, unless something kept the tensor from being compared."""
    return before if now is None or before.problem else replace(now, unshown=before.unshown)


def settled(
    line: CellLine, judgement: Judgement, ledger: Ledger, version: str, found_out: Outcome | None = None
) -> CellLine:
    """The line with what was judged, what came of looking into it, and what the ledger's entries by cell make of that.

    An outcome without a whole that disagrees is its own verdict; else it is that of the whole. What changed its inputs in
    place never agrees, whatever it returned.
    """
    tensors = judgement.tensors
    found = judgement.verdict if found_out is None else found_out.verdict
    verdict, note, _ = ledger.judge(
        line.cell, line.dtype, version, found, used_of(tensors), phases_of(tensors)
    )
    told = found_out or Outcome(found)
    used = {call.entry for call in told.calls}
    cell = CellId(line.case, line.variant, line.dtype, line.framework, line.mode)
    ended = ledger.ended(cell, used, version)
    if ended and verdict in (Verdict.AGREE, Verdict.KNOWN_DEVIATION):
        verdict = Verdict.STALE
    told_changed = [_changed(line.changed, verdict)] if line.changed else []
    if line.changed:
        verdict = Verdict.DISAGREE
    silent = [
        f"no gradient of {name} carries information here: all are exactly 0" for name in judgement.silent
    ]
    about = describe(tensors, judgement.verdict if found is not Verdict.AGREE else found)
    first = judgement.first_wrong if verdict is Verdict.DISAGREE else ""
    notes = list(dict.fromkeys([*line.notes, *judgement.notes]))
    said = [] if verdict is Verdict.AGREE else [*_not_shown(tensors, verdict), *notes]
    return replace(
        line,
        verdict=verdict,
        used=max(tensor.used for tensor in tensors),
        relative=max(tensor.relative for tensor in tensors),
        tensors=list(tensors),
        message=shortened(
            "\n".join(
                t for t in (*told_changed, about, first, *told.notes, *silent, note, *ended, *said) if t
            ),
            LONGEST,
        ),
        notes=notes,
        first_difference=told.first_difference,
        calls=list(told.calls),
        conventions=list(told.conventions),
        composed=told.composed,
        budget=list(told.budget),
    )


def _changed(names: Sequence[str], verdict: Verdict) -> str:
    """What to say of inputs that were changed in place: whether the numbers are right all the same, and what to do."""
    numbers = "what it returned is right" if verdict is Verdict.AGREE else f"what it returned: {verdict}"
    do = "work on copies (W = W.copy()); parameters that it moves itself it may change and return"
    return f"changed its inputs in place: {', '.join(names)}; {numbers}; {do}"


def _not_shown(tensors: Sequence[Compared], verdict: Verdict) -> Iterator[str]:
    """What was not shown, in one line."""
    names = [
        in_words((t.role, t.name)) + f" (in {t.unshown} steps)" * (t.unshown > 1)
        for t in tensors
        if t.unshown
    ]
    if not names:
        return
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    listed = ", ".join(names[:SHOWN]) + more
    if verdict is Verdict.NOT_SHOWN:
        yield f"nothing to judge: of what the case compares it returned none: {listed}"
    else:
        yield f"not shown: {listed}"
