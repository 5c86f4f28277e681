"""What is to be run: frameworks found in adapter folders, and cells, the product of case variants with them."""

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.case import Variant
from harness.errors import HarnessError
from reference.program import nearest
from reference.rounding import DTYPE_SCALE

ADAPTER = "adapter.py"
REQUIREMENTS = "requirements.txt"
DEVIATIONS = "deviations.toml"
SUBJECT_ADAPTER = "subject.py"
DTYPES = tuple(DTYPE_SCALE)


@dataclass(frozen=True)
class Framework:
    """A column of the matrix: a framework's adapter, or somebody's own file as a subject."""

    name: str
    adapter: Path
    modes: tuple[str, ...]
    subject: Path | None = None

    @property
    def folder(self) -> Path:
        return self.adapter.parent


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

    @property
    def name(self) -> str:
        """What stands behind `::` in the id."""
        variant = f"{self.variant.id}-" if self.variant.id else ""
        return f"{variant}{self.dtype}-{self.framework.name}-{self.mode}"

    @cached_property
    def id(self) -> str:
        return f"{self.case}::{self.name}"


def framework_in(nodeid: str) -> str | None:
    """The framework of a cell's node id; None for any other test."""
    file, _, name = nodeid.partition("::")
    parts = name.rsplit("-", 3)
    # pytest names no file where a case lies outside its rootdir
    is_cell = (not file or file.endswith(".toml")) and len(parts) >= 3 and parts[-3] in DTYPES
    return parts[-2] if is_cell else None


def shipped_adapters() -> Path:
    """The folder `adapters` beside the package: in a checkout its neighbour, in an installation inside it."""
    inside = Path(__file__).parent / "_adapters"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "adapters"


def frameworks(folders: Iterable[Path]) -> list[Framework]:
    """Every framework of the adapter folders, by name. Raises HarnessError where a name stands twice."""
    found: dict[str, Framework] = {}
    for folder in folders:
        if not folder.is_dir():
            raise HarnessError(f"{folder}: no such folder of adapters")
        for adapter in sorted(folder.glob(f"*/{ADAPTER}")):
            name = adapter.parent.name
            if name in found:
                raise HarnessError(
                    f'framework "{name}" stands in {found[name].folder} and in {adapter.parent}'
                )
            found[name] = Framework(_checked_name(name, adapter), adapter, modes_of(adapter))
    return [found[name] for name in sorted(found)]


def subject(path: Path, taken: Sequence[Framework]) -> Framework:
    """Somebody's own Python file as one more column, called like the file."""
    if not path.is_file():
        raise HarnessError(f"{path}: no such file to take as a subject")
    name = _checked_name(path.stem, path)
    if name in {framework.name for framework in taken}:
        raise HarnessError(f'{path}: "{name}" is the name of a framework; call the file something else')
    adapter = shipped_adapters() / SUBJECT_ADAPTER
    return Framework(name, adapter, modes_of(adapter), subject=path.resolve())


def _checked_name(name: str, path: Path) -> str:
    if not re.fullmatch(r"\w+", name):
        raise HarnessError(f'{path}: "{name}" is to be a column of cell ids: letters, digits and _ only')
    return name


def modes_of(adapter: Path) -> tuple[str, ...]:
    """The modes that an adapter names, the default first; read without importing it, since that loads a framework."""
    try:
        tree = ast.parse(adapter.read_text(encoding="utf-8"))
        value = next(
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["MODES"]
        )
        modes = ast.literal_eval(value)
        if isinstance(modes, tuple) and modes and all(re.fullmatch(r"\w+", mode) for mode in modes):
            return modes
    except (StopIteration, ValueError, SyntaxError, TypeError):
        pass
    raise HarnessError(
        f'{adapter}: needs a line such as MODES = ("eager",), a tuple of words, the default first'
    )


@dataclass(frozen=True)
class Selection:
    """Which columns of the matrix are wanted; empty means every framework, every dtype, each default mode."""

    frameworks: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()

    def check(self, known: Sequence[Framework]) -> None:
        """Raises HarnessError for a name that nothing carries."""
        names = [framework.name for framework in known]
        modes = {mode for framework in known for mode in framework.modes} | {"all"}
        for given, allowed in ((self.frameworks, names), (self.dtypes, DTYPES), (self.modes, modes)):
            for name in given:
                if name not in allowed:
                    raise HarnessError(
                        f'"{name}" is none of {", ".join(sorted(allowed))}{nearest(name, allowed)}'
                    )

    def of(self, known: Sequence[Framework]) -> list[Framework]:
        """The wanted frameworks."""
        return [f for f in known if f.name in self.frameworks or not self.frameworks]

    def modes_of(self, framework: Framework) -> tuple[str, ...]:
        if not self.modes:
            return framework.modes[:1]
        return tuple(m for m in framework.modes if m in self.modes or "all" in self.modes)


def cells(variants: Iterable[Variant], known: Sequence[Framework], selection: Selection) -> Iterator[Cell]:
    """The cells of some variants, frameworks side by side so that they advance together."""
    for variant in variants:
        dtypes = [d for d in variant.dtypes if d in selection.dtypes or not selection.dtypes]
        for dtype, framework in itertools.product(dtypes, selection.of(known)):
            for mode in selection.modes_of(framework):
                yield Cell(variant, dtype, framework, mode)
