"""From a judged answer to the line of the run file."""

from ..plan import Cell
from ..run.lines import CellLine
from ..verdict import Verdict
from ..workers.answer import Answer
from .judge import Judgement


def identity(cell: Cell) -> dict[str, str]:
    return {
        "cell": cell.id,
        "case": cell.case,
        "variant": cell.variant.id,
        "dtype": cell.dtype,
        "framework": cell.framework.name,
        "mode": cell.mode,
    }


def unjudged(cell: Cell, answer: Answer) -> CellLine:
    assert answer.verdict is not None
    return CellLine(
        **identity(cell),
        verdict=answer.verdict,
        used=None,
        relative=None,
        tensors=[],
        seconds=answer.seconds,
        compiling=answer.compiling,
        message=answer.message,
    )


def judged_line(
    cell: Cell, answer: Answer, judgement: Judgement, verdict: Verdict, message: str, place: str | None
) -> CellLine:
    return CellLine(
        **identity(cell),
        verdict=verdict,
        used=judgement.used,
        relative=judgement.relative,
        tensors=list(judgement.tensors),
        seconds=answer.seconds,
        compiling=answer.compiling,
        message=message,
        first_difference=place,
    )
