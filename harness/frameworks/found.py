"""Frameworks as they are found: adapters in folders, read without importing them."""

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import ROOT
from ..errors import HarnessError

ADAPTER = "adapter.py"
REQUIREMENTS = "requirements.txt"
DEVIATIONS = "deviations.toml"
SUBJECT_ADAPTER = "subject.py"


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


def shipped_adapters() -> Path:
    """The folder of the adapters that come with the harness."""
    return ROOT / "adapters"


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
            found[name] = Framework(checked_name(name, adapter), adapter, modes_of(adapter))
    return [found[name] for name in sorted(found)]


def subject(path: Path, taken: Sequence[Framework]) -> Framework:
    """Somebody's own Python file as one more column, called like the file."""
    if not path.is_file():
        raise HarnessError(f"{path}: no such file to take as a subject")
    name = checked_name(path.stem, path)
    if name in {framework.name for framework in taken}:
        raise HarnessError(f'{path}: "{name}" is the name of a framework; call the file something else')
    adapter = shipped_adapters() / SUBJECT_ADAPTER
    return Framework(name, adapter, modes_of(adapter), subject=path.resolve())


def checked_name(name: str, path: Path) -> str:
    if not re.fullmatch(r"\w+", name):
        raise HarnessError(f'{path}: "{name}" is to be a column of cell ids: letters, digits and _ only')
    return name


def modes_of(adapter: Path) -> tuple[str, ...]:
    """The modes that an adapter names, the default first; read without importing it, since that loads a framework."""
    try:
        tree = ast.parse(adapter.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise HarnessError(f"{adapter}:{error.lineno or 1}: is no Python: {error.msg}") from None
    except ValueError:
        raise HarnessError(f"{adapter}: is no Python: not text in UTF-8, or with a null byte") from None
    try:
        value = next(
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["MODES"]
        )
        modes = ast.literal_eval(value)
        if isinstance(modes, tuple) and modes and all(re.fullmatch(r"\w+", mode) for mode in modes):
            return modes
    except (StopIteration, ValueError, TypeError):
        pass
    raise HarnessError(
        f'{adapter}: needs a line such as MODES = ("eager",), a tuple of words, the default first'
    )
