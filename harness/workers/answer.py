"""What a worker answered to a request."""

from dataclasses import dataclass, field, replace

from ..roles import Answered
from ..run.lines import LONGEST_TIME
from ..verdict import Verdict
from .process import readable, sentence
from .wire import Frame, Nonsense


@dataclass(frozen=True)
class Answer:
    """What a lane got for a request: a verdict where there is nothing to judge, or arrays."""

    verdict: Verdict | None
    message: str = ""
    arrays: Answered = field(default_factory=dict)
    seconds: float = 0.0
    compiling: float = 0.0
    printed: str = ""
    """What a subject printed meanwhile."""


def read_answer(frame: Frame, identity: int) -> Answer:
    """An Answer from a worker's message. Raises Nonsense where it is none, or of another request."""
    return replace(_read(frame, identity), printed=readable(str(frame.header.get("printed", ""))))


def _read(frame: Frame, identity: int) -> Answer:
    header = frame.header
    if header.get("id") != identity:
        raise Nonsense(f"it answered another request: {header.get('id')!r}, should be {identity}")
    match header:
        case {
            "type": "done",
            "seconds": float(seconds),
            "compiling": float(compiling),
        } if 0 <= seconds <= LONGEST_TIME and 0 <= compiling <= LONGEST_TIME:
            return Answer(None, "", frame.arrays(), seconds, compiling)
        case {"type": "unsupported", "op": op, "reason": reason}:
            told = ": ".join(str(part) for part in (op, reason) if part not in (None, ""))
            return Answer(Verdict.UNSUPPORTED, sentence(told, "not supported; it does not say what, nor why"))
        case {"type": "raised", "error": str(text)}:
            return Answer(Verdict.ERRORED, sentence(text, "raised an error of which it says nothing"))
        case {"type": "changed", "names": list(names)}:
            listed = ", ".join(str(name) for name in names if name)
            told = sentence(listed, "it does not say which")
            return Answer(Verdict.DISAGREE, f"changed its inputs in place: {told}")
    raise Nonsense(f"a message of type {header.get('type')!r} with {', '.join(header)}")
