"""From an answer, or a judgement of it, and the ledger to the line of the run file."""

from collections.abc import Sequence

from msgspec.structs import replace

from ..ledger.entries import Ledger, phases_of, used_of
from ..plan import Cell
from ..run.lines import CellLine, Compared
from ..verdict import Verdict, worst
from ..workers.answer import Answer
from .judge import describe


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


def inconclusive(line: CellLine, why: str) -> CellLine:
    """The line where nothing can be judged by the reference."""
    return replace(
        line, verdict=Verdict.INCONCLUSIVE, message=why, used=None, relative=None, tensors=[],
        first_difference=None,
    )  # fmt: skip


def settled(line: CellLine, tensors: Sequence[Compared], ledger: Ledger, version: str) -> CellLine:
    """The line with what was judged, and what the ledger of its framework, in this version, makes of that."""
    found = worst(tensor.verdict for tensor in tensors)
    verdict, note, _ = ledger.judge(
        line.cell, line.dtype, version, found, used_of(tensors), phases_of(tensors)
    )
    return replace(
        line,
        verdict=verdict,
        used=max(tensor.used for tensor in tensors),
        relative=max(tensor.relative for tensor in tensors),
        tensors=list(tensors),
        message="\n".join(text for text in (describe(tensors, found), note) if text),
        first_difference=line.first_difference if found is Verdict.DISAGREE else None,
    )
