"""What a variable of a jaxpr is while it is read, and the words of programs."""

import math
import operator
from dataclasses import dataclass, field
from typing import Any


class Cannot(Exception):
    """Programs have no word for this."""


@dataclass(eq=False)
class Value:
    """An array that is known, or what a program calls by a name."""

    shape: tuple[int, ...]
    known: Any = None
    said: dict[str, str] = field(default_factory=dict)
    """Its names by what they are in a program: "float", "bool", or "int64", of which there are places alone.

    Integers that are computed, other than places, are floats of whole numbers there.
    """
    inner: "Value | None" = None
    """What this is broadcast of, as NumPy does."""
    base: "Value | None" = None
    """Of places: what this is in another shape."""
    below: int = 0
    """Of places: they are from 0 on and below this number."""
    data: bool = False
    """Of what is known: whether it depends on what the function is given, or on what it draws."""
    hint: str = "constant"
    root: "Value | None" = None
    """Of what is known: the one input that it is worked out of, if it is one."""

    @property
    def is_places(self) -> bool:
        return bool(self.below)


def literal(value: Any) -> str:
    """A number, a word, or a tuple of such, as a program has it: an integer may be one of NumPy's."""
    if isinstance(value, (list, tuple)):
        return f"({''.join(f'{literal(a)}, ' for a in value).rstrip(' ' if len(value) == 1 else ', ')})"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, (bool, float)):
        return repr(value)
    return f'"{value}"' if isinstance(value, str) else repr(operator.index(value))


def called(op: str, *args: str, **kw: Any) -> str:
    """A call; attributes that are None are left out."""
    named = [f"{key}={literal(value)}" for key, value in kw.items() if value is not None]
    return f"{op}({', '.join([*args, *named])})"
