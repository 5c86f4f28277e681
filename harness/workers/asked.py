"""What was asked of a worker, and so what its answer may hold and weigh: a stranger's claims cost the host no more.

A tensor that was not asked for is nonsense; one that is missing, or of another shape, is for the judge. So an answer
may be somewhat larger than the right one, and where it is larger than that, nothing but its header is read.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..reading.elements import ALIGNMENT
from ..roles import Key, in_words

ROOM = 16 * 2**20
"""Bytes that an answer may have beyond four times what is right (which is all of float16 in float64)."""
WIDENED = 4
MAX_TEXT_LINE = 64 * 2**20
"""Bytes of a header without its arrays: a traceback may be long."""
DESCRIPTION = 512
"""Bytes that describe an array at most: names have 200 characters in a case, shapes 16 dimensions."""
SHOWN = 5
"""Tensors that a message lists."""


class Told(Protocol):
    """An array as an answer's header describes it."""

    @property
    def key(self) -> tuple[str, str, int | None]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> "np.dtype[Any]": ...


@dataclass(frozen=True, eq=False)
class Asked:
    """The tensors that were asked for, by role and name with the shapes that are right; in a training of every step."""

    shapes: Mapping[Key, tuple[int, ...]] = field(default_factory=dict)
    dtype: str = "float64"
    steps: int | None = None

    @cached_property
    def count(self) -> int:
        return len(self.shapes) * (self.steps or 1)

    @cached_property
    def size(self) -> int:
        """Bytes of the right answer."""
        elements = sum(math.prod(shape) for shape in self.shapes.values()) * (self.steps or 1)
        return elements * np.dtype(self.dtype).itemsize + self.count * ALIGNMENT

    @property
    def most(self) -> int:
        """Bytes of arrays that are read."""
        return WIDENED * self.size + ROOM

    @property
    def most_header(self) -> int:
        return MAX_TEXT_LINE + self.count * DESCRIPTION

    def stray(self, keys: Iterable[tuple[str, str, int | None]]) -> str:
        """What is wrong with the first of an answer's tensors that was not asked for; empty where all were."""
        for role, name, step in keys:
            if (role, name) not in self.shapes:
                return f"it answered {in_words((role, name), step=step)}, which was not asked for; {self}"
            if self.steps is None and step is not None:
                found = in_words((role, name), step=step)
                return f"it answered {found}, where no training and so no step was asked for"
            if self.steps is not None and (step is None or step >= self.steps):
                found = in_words((role, name), step=step) + " without a step" * (step is None)
                return f"it answered {found}; the training has steps 0 to {self.steps - 1}"
        return ""

    def too_heavy(self, told: Iterable[Told], size: int) -> str:
        """Why an answer of `size` bytes is not read: its largest tensor, and what it should be."""
        largest = max(told, key=lambda a: math.prod(a.shape) * a.dtype.itemsize, default=None)
        if largest is None:
            return f"{size} bytes that it does not describe; at most {self.most} are read of this answer"
        role, name, step = largest.key
        right = self.shapes.get((role, name))
        should = "was not asked for" if right is None else f"should have shape {right} of {self.dtype}"
        found = f"shape {largest.shape} of {largest.dtype}, {math.prod(largest.shape) * largest.dtype.itemsize} bytes"
        return (
            f"{in_words((role, name), step=step)} has {found}, and {should}; the arrays have {size} bytes together, "
            f"of this answer at most {self.most} are read"
        )

    def __str__(self) -> str:
        names = [in_words(key) for key in self.shapes]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"asked for: {', '.join(names[:SHOWN]) or 'nothing'}{more}"


NOTHING = Asked()
"""What is asked for by a greeting."""
