"""From an answer, or a judgement of it, and the ledger to the line of the run file."""

from msgspec.structs import replace

from ..ledger.entries import Ledger, phases_of, used_of
from ..plan import Cell
from ..reading.text import shortened
from ..run.ids import CellId
from ..run.lines import CellLine
from ..verdict import Verdict
from ..workers.answer import Answer
from .judge import Judgement, describe
from .outcome import Outcome

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
    )


def settled(
    line: CellLine, judgement: Judgement, ledger: Ledger, version: str, outcome: Outcome | None = None
) -> CellLine:
    """The line with what was judged, what came of looking into it, and what the ledger's entries by cell make of that.

    An outcome without a whole that disagrees is its own verdict; else it is that of the whole.
    """
    tensors = judgement.tensors
    found = judgement.verdict if outcome is None else outcome.verdict
    verdict, note, _ = ledger.judge(
        line.cell, line.dtype, version, found, used_of(tensors), phases_of(tensors)
    )
    told = outcome or Outcome(found)
    used = {call.entry for call in told.calls}
    cell = CellId(line.case, line.variant, line.dtype, line.framework, line.mode)
    ended = ledger.ended(cell, used, version)
    if ended and verdict in (Verdict.AGREE, Verdict.KNOWN_DEVIATION):
        verdict = Verdict.STALE
    silent = [
        f"no gradient of {name} carries information here: all are exactly 0" for name in judgement.silent
    ]
    about = describe(tensors, judgement.verdict if found is not Verdict.AGREE else found)
    return replace(
        line,
        verdict=verdict,
        used=max(tensor.used for tensor in tensors),
        relative=max(tensor.relative for tensor in tensors),
        tensors=list(tensors),
        message=shortened(
            "\n".join(text for text in (about, *told.notes, *silent, note, *ended) if text), LONGEST
        ),
        first_difference=told.first_difference,
        calls=list(told.calls),
        conventions=list(told.conventions),
        composed=told.composed,
        budget=list(told.budget),
    )
