"""What a worker answered to a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..roles import ROLES, Answered, Key
from ..run.lines import LONGEST_TIME
from ..verdict import Verdict
from .process import sentence
from .wire import Frame, Nonsense


@dataclass(frozen=True)
class Answer:
    """What a lane got for a request: a verdict where there is nothing to judge, or arrays."""

    verdict: Verdict | None
    message: str = ""
    arrays: Answered = field(default_factory=dict)
    seconds: float = 0.0
    compiling: float = 0.0
    changed: tuple[str, ...] = ()
    """Inputs that were changed in place."""
    unknown: tuple[Key, ...] = ()
    """What came back under a name that the case does not have."""


def read_answer(frame: Frame, identity: int) -> Answer:
    """An Answer from a worker's message. Raises Nonsense where it is none, or of another request."""
    header = frame.header
    if header.get("id") != identity:
        raise Nonsense(f"it answered another request: {header.get('id')!r}, should be {identity}")
    match header:
        case {
            "type": "done",
            "seconds": float(seconds),
            "compiling": float(compiling),
        } if 0 <= seconds <= LONGEST_TIME and 0 <= compiling <= LONGEST_TIME:
            return Answer(None, "", frame.arrays(), seconds, compiling, _changed(header), _unknown(header))
        case {"type": "unsupported", "op": op, "reason": reason}:
            told = ": ".join(str(part) for part in (op, reason) if part not in (None, ""))
            return Answer(Verdict.UNSUPPORTED, sentence(told, "not supported; it does not say what, nor why"))
        case {"type": "raised", "error": str(text)}:
            return Answer(Verdict.ERRORED, sentence(text, "raised an error of which it says nothing"))
    raise Nonsense(f"a message of type {header.get('type')!r} with {', '.join(header)}")


def _changed(header: Mapping[str, Any]) -> tuple[str, ...]:
    match header.get("changed", []):
        case list(names) if all(isinstance(name, str) for name in names):
            return tuple(sentence(name, "it does not say which") for name in names)
    raise Nonsense(f"it changed {header['changed']!r}, should be a list of names")


def _unknown(header: Mapping[str, Any]) -> tuple[Key, ...]:
    match header.get("unknown", []):
        case list(keys) if all(isinstance(key, list) and len(key) == 2 and key[0] in ROLES for key in keys):
            return tuple((str(role), sentence(str(name), "of no letters")) for role, name in keys)
    raise Nonsense(f"it returned {header['unknown']!r}, should be a list of roles and names")
