"""What is to be run: frameworks found in adapter folders, and cells, the product of case variants with them."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..reference.formats import DTYPES
from ..reference.names import nearest
from .case.variant import Variant
from .errors import HarnessError
from .frameworks.found import Framework
from .run.ids import CellId


@dataclass(frozen=True)
class Cell:
    """The unit that is run, judged and reported."""

    variant: Variant
    dtype: str
    framework: Framework
    mode: str

    @property
    def case(self) -> str:
        return self.variant.case_name

    @cached_property
    def parts(self) -> CellId:
        return CellId(self.case, self.variant.id, self.dtype, self.framework.name, self.mode)

    @cached_property
    def id(self) -> str:
        return str(self.parts)


@dataclass(frozen=True)
class Selection:
    """Which columns of the matrix are wanted; empty means every framework, every dtype, each default mode."""

    frameworks: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()

    def check(self, known: Sequence[Framework]) -> None:
        """Raises HarnessError for a name that nothing carries, and for a mode that none of the wanted frameworks has."""
        check_columns("--framework", self.frameworks, known)
        modes = {mode for framework in self.of(known) for mode in framework.modes} | {"all"}
        check_names("--dtype", self.dtypes, DTYPES)
        check_names("--mode", self.modes, modes)

    def of(self, known: Sequence[Framework]) -> list[Framework]:
        """The wanted frameworks."""
        return [f for f in known if f.name in self.frameworks or not self.frameworks]

    def modes_of(self, framework: Framework) -> tuple[str, ...]:
        if not self.modes:
            return framework.modes[:1]
        return tuple(m for m in framework.modes if m in self.modes or "all" in self.modes)


def check_names(where: str, names: Iterable[str], allowed: Collection[str], hint: str = "") -> None:
    """Raises HarnessError for a name, given in `where`, that is none of those allowed; `hint` in place of the nearest."""
    for name in names:
        if name not in allowed:
            told = f'"{name}" is none of {", ".join(sorted(allowed))}{hint or nearest(name, allowed)}'
            raise HarnessError(f"{where}: {told}")


def check_columns(where: str, names: Iterable[str], known: Sequence[Framework], *others: str) -> None:
    """The same for names of columns, or one of the `others`: that of a subject is its file's, which isn't guessed from."""
    own = [f"{framework.name} for {framework.subject.name}" for framework in known if framework.subject]
    hint = f"; a column of your own is called like its file: {', '.join(own)}" * bool(own)
    check_names(where, names, [*(framework.name for framework in known), *others], hint)


def cells(variants: Iterable[Variant], known: Sequence[Framework], selection: Selection) -> Iterator[Cell]:
    """The cells of some variants, frameworks side by side so that they advance together."""
    for variant in variants:
        dtypes = [d for d in variant.dtypes if d in selection.dtypes or not selection.dtypes]
        for dtype, framework in itertools.product(dtypes, selection.of(known)):
            for mode in selection.modes_of(framework):
                yield Cell(variant, dtype, framework, mode)
