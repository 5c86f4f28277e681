"""From a program and its arrays to a case: as its document, and as what is judged in this process."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec import UNSET

from ...reference.formats import DTYPES
from ...reference.program import ProgramError
from ..case.building import Builder, Origin
from ..case.document import NAME, Document, Generated, Input
from ..case.mistakes import Mistake, Mistakes
from ..case.variant import Variant
from ..reading.elements import Array
from ..reading.text import shown
from .errors import OwnError

OTHERS: dict[str, dict[str, Any]] = {"b": {"dtype": "bool"}, "i": {"dtype": "int64"}, "u": {"dtype": "int64"}}
"""What a case says of an array that has no floats, by NumPy's letter for its kind."""
FEW = 8
"""Elements of an array that is written out: fewer are numbers that somebody chose."""


@dataclass(frozen=True)
class Own:
    """A program of somebody's own with the arrays that it reads."""

    title: str
    program: str
    arrays: Mapping[str, Array]
    differentiated: Sequence[str]
    """The inputs that have a gradient."""
    output: str | None = None
    """By default the last assignment."""
    cotangent: Array | None = None

    def document(
        self,
        gradients: Iterable[str] = (),
        values: Iterable[str] = (),
        dtypes: Iterable[str] = DTYPES,
        tensors: Mapping[str, Input] | None = None,
    ) -> Document:
        """The case's document. `tensors` says otherwise than by their elements how arrays come about."""
        written = {name: literal(a) for name, a in self.arrays.items()}
        given = {} if self.cotangent is None or self.output is None else {self.output: self.cotangent}
        return Document(
            title=self.title,
            program=self.program,
            output=self.output or UNSET,
            values=list(values) or UNSET,
            gradients=list(gradients) or UNSET,
            dtypes=list(dtypes),
            tensors=written | dict(tensors or {}),
            cotangents={name: Generated(values=a.tolist()) for name, a in given.items()},
        )


def literal(a: Array) -> Input:
    """An array with its elements as they are."""
    if not a.size:
        return Input(full=0, shape=list(a.shape), **OTHERS.get(a.dtype.kind, {}))
    return Input(values=a.tolist(), shape=list(a.shape), **OTHERS.get(a.dtype.kind, {}))


def drawn(a: Array) -> Input:
    """Another draw of the same kind in place of many elements: a case is read by people, and no network is about these numbers.

    What isn't just random stays: few elements, integers, rows that add up to 1.
    """
    if a.dtype.kind != "f" or a.size <= FEW or not np.all(np.isfinite(a)):
        return literal(a)
    low, high = float(a.min()), float(a.max())
    if low == high:
        return Input(full=low, shape=list(a.shape))
    if np.array_equal(a, np.rint(a)) or (a.ndim > 1 and np.allclose(a.sum(axis=-1), 1)):
        return literal(a)
    digits = 2 - int(np.floor(np.log10(high - low)))
    inside = (
        float(np.ceil(low * 10.0**digits) / 10.0**digits),
        float(np.floor(high * 10.0**digits) / 10.0**digits),
    )
    return Input(uniform=inside, shape=list(a.shape))


def variant_of(document: Document) -> Variant:
    """What is judged of a document of one variant; places count within its program. Raises OwnError."""
    for name in document.tensors:
        if not re.search(NAME, name):
            raise OwnError(
                f"{shown(name)} can't be the name of an input: letters, digits and _ of ASCII, no digit first"
            )
    text = f'program = """\\\n{document.program}"""'
    try:
        [variant] = Builder(document, text, Origin("own", "the program"), Mistakes()).case().variants
    except ProgramError as error:
        raise OwnError(f"the program, {error}") from None
    except Mistake as error:
        raise OwnError(str(error)) from None
    return _in_no_file(variant)


def with_asked(variant: Variant, values: Iterable[str], gradients: Iterable[str]) -> Variant:
    """The same with other tensors to judge."""
    return _in_no_file(replace(variant, values=tuple(values), gradients=tuple(gradients)))


def _in_no_file(variant: Variant) -> Variant:
    """The same, its places counted from the program's first line: what it would look up is the line in a file."""
    variant.__dict__["program_line"] = 1
    return variant
