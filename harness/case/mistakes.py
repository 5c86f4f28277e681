"""What is wrong with a case file, and where: its first mistake ends the reading, or all that are independent are kept.

A right file is read once, and fast. Only where it has a mistake is it read again, with a list in which all are kept: a
part that is broken is left out then, and what depends on it isn't judged, so that nobody is told of what follows from
something else.
"""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...reference.program import ProgramError
from ..errors import CaseError
from ..reading.locate import Locator, Path
from ..reading.text import shortened

TOLD = 20
"""Mistakes that a message tells one by one."""
LENGTH = 400
"""Characters of each, where there are several."""
ENOUGH = 100
"""So many are looked for: a file in which everything is wrong takes no longer than one that is right."""


class Mistake(ValueError):
    """A mistake in a case file; `path` leads to it.

    `on_key` if it is the key itself and not its value; `within` is line and column inside of a string value. `unknown`
    is the name that nobody knows, where it speaks of one.
    """

    def __init__(
        self,
        message: str,
        path: Path,
        on_key: bool = False,
        within: tuple[int, int] | None = None,
        unknown: str = "",
    ) -> None:
        super().__init__(message)
        self.message, self.path, self.on_key, self.within, self.unknown = (
            message,
            path,
            on_key,
            within,
            unknown,
        )

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.message}" if self.path else self.message

    @property
    def place(self) -> Hashable:
        return self.path, self.on_key, self.within


def below(path: Path, function: Callable[..., Any], *args: Any) -> Any:
    """Calls a function whose mistakes have paths below `path`."""
    try:
        return function(*args)
    except Mistake as mistake:
        mistake.path = (*path, *mistake.path)
        raise


class EnoughError(Exception):
    """So many mistakes that no more are looked for."""


class Mistakes:
    """Where the checks of one file tell what they find; they go on after it if `every` mistake is asked for."""

    def __init__(self, *, every: bool = False) -> None:
        self.every = every
        self.variant = ""
        """The variant that is looked at, where there are several."""
        self.found: dict[Hashable, Mistake] = {}
        self.unused: list[Mistake] = []
        self.unknown: set[str] = set()
        self.enough = False

    def tell(self, error: Mistake | ProgramError) -> None:
        """Raises the mistake, or keeps it: one for a place, whatever other variants say of it, and one for an unknown name."""
        if not self.every:
            raise error
        mistake = self.of_variant(error)
        if mistake.unknown in self.unknown:
            return
        if mistake.unknown:
            self.unknown.add(mistake.unknown)
        self.found.setdefault(mistake.place, mistake)
        if len(self.found) == ENOUGH:
            self.enough = True
            raise EnoughError

    def tell_unused(self, error: Mistake | ProgramError) -> None:
        """The same of a name that nothing uses: not told where another is unknown, which may be this one misspelt."""
        if not self.every:
            raise error
        if len(self.unused) < ENOUGH:
            self.unused.append(self.of_variant(error))

    def tell_all(self, errors: Iterable[Mistake | ProgramError]) -> bool:
        """Tells each; whether there was one."""
        told = False
        for error in errors:
            self.tell(error)
            told = True
        return told

    def attempt(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the function gives; None where that is a mistake, which is told."""
        if not self.every:
            return function(*args)
        try:
            return function(*args)
        except (Mistake, ProgramError) as error:
            self.tell(error)
            return None

    def of_variant(self, error: Mistake | ProgramError) -> Mistake:
        """The mistake with its place in the file, saying in which variant, where there are several."""
        message = error.message + (f" (variant {self.variant})" if self.variant else "")
        if isinstance(error, ProgramError):
            return Mistake(message, ("program",), within=(error.line, error.column), unknown=error.unknown)
        return Mistake(message, error.path, error.on_key, error.within, error.unknown)

    def all(self) -> list[Mistake]:
        """Every mistake that was told."""
        found = dict(self.found)
        if not self.unknown:
            for mistake in self.unused:
                found.setdefault(mistake.place, mistake)
        return list(found.values())


@dataclass
class Doubt:
    """What is known to be broken, so that nothing is told of what depends on it; nothing while none is found."""

    tensors: set[str] = field(default_factory=set)
    sizes: set[str] = field(default_factory=set)
    """Sizes, and names that are swept."""
    keys: set[str] = field(default_factory=set)
    """Keys of the file, each as a whole."""
    mentioned: set[str] = field(default_factory=set)
    """Names in what is broken: nobody can say that they are used nowhere."""


def words_in(value: Any) -> set[str]:
    """Everything in a part of a file that may be a name."""
    found, stack = set[str](), [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            stack += item
        elif isinstance(item, str):
            found.update(re.findall(r"[A-Za-z_]\w*", item))
    return found


@dataclass
class Places:
    """Where the mistakes of one text stand; it is scanned for positions only when there are some."""

    file: str
    text: str

    @cached_property
    def locator(self) -> Locator:
        return Locator(self.text)

    def error(self, mistakes: Collection[Mistake], *, enough: bool = False) -> CaseError:
        """The first of them as one error, in the order of the file."""
        found = sorted(map(self._placed, list(mistakes)[:TOLD]), key=lambda e: (e.line or 0, e.column or 0))
        if len(found) > 1:
            found = [CaseError(e.file, shortened(e.message, LENGTH), e.line, e.column) for e in found]
        first, *others = found
        left = len(mistakes) - TOLD
        more = f"{'at least ' * enough}{left}" if left > 0 else ""
        return CaseError(self.file, first.message, first.line, first.column, others, more)

    def _placed(self, mistake: Mistake) -> CaseError:
        if mistake.path == ():
            return CaseError(self.file, mistake.message, *(mistake.within or ()))
        message = mistake.message
        if mistake.within is not None:
            place = self.locator.in_string(mistake.path, *mistake.within)
        elif mistake.on_key:
            place = self.locator.key(mistake.path)
        else:
            place = self.locator.value(mistake.path)
        if mistake.path == ("program",):
            message = re.sub(r"\bon line (\d+)", self._in_file, message)
        return CaseError(self.file, message, *(place or ()))

    def _in_file(self, quoted: re.Match[str]) -> str:
        """A program counts lines from its own first; a message that quotes one must quote the file's."""
        place = self.locator.in_string(("program",), int(quoted[1]), 1)
        return f"on line {place[0]}" if place else quoted[0]
