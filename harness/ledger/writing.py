"""What is written into a ledger, as it has it: numbers of two digits, names, texts, whole entries."""

import json
from collections.abc import Collection, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ..reading.text import CONTROL
from ..roles import ROLES
from ..run.lines import LARGEST

TODO = "TODO: find out who is wrong"


def outwards(low: float, high: float) -> tuple[float, float]:
    """A range of two digits around this one, so that the last bits of another machine don't leave it."""
    return _two_digits(low, ROUND_FLOOR), _two_digits(high, ROUND_CEILING)


def _two_digits(number: float, rounding: str) -> float:
    if number >= LARGEST:
        return LARGEST
    exact = Decimal(repr(number))
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), rounding)
    return min(float(rounded), LARGEST)


def range_text(low: float, high: float) -> str:
    """`[1.5, inf]`"""
    ends = ("inf" if end >= LARGEST else shortest(end) for end in (low, high))
    return f"[{', '.join(ends)}]"


def shortest(number: float) -> str:
    """The number in as few digits as it needs."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def phase_text(phases: Collection[str]) -> str:
    """Roles as a ledger has them, in one order."""
    return names_text([phase for phase in ROLES if phase in phases])


def names_text(names: Sequence[str]) -> str:
    """A name, or a list of names."""
    texts = [text(name) for name in names]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's; what JSON leaves and nobody sees is escaped too."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def entry_text(lines: Mapping[str, str]) -> str:
    """An entry of those lines that say something."""
    return "\n".join(["[[deviation]]", *(f"{key:9} = {value}" for key, value in lines.items() if value)])
