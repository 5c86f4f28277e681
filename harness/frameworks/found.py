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
    compiled: frozenset[str] = frozenset()
    """Those of its modes in which calls are compiled together: a result that is read may be another evaluation of it."""
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
            modes, compiled = modes_of(adapter)
            found[name] = Framework(checked_name(name, adapter), adapter, modes, compiled)
    return [found[name] for name in sorted(found)]


def subject(path: Path, taken: Sequence[Framework]) -> Framework:
    """Somebody's own Python file as one more column, called like the file."""
    if not path.is_file():
        raise HarnessError(f"{path}: no such file to take as a subject")
    name = checked_name(path.stem, path)
    if name in {framework.name for framework in taken}:
        raise HarnessError(f'{path}: "{name}" is the name of a framework; call the file something else')
    adapter = shipped_adapters() / SUBJECT_ADAPTER
    modes, compiled = modes_of(adapter)
    return Framework(name, adapter, modes, compiled, subject=path.resolve())


def checked_name(name: str, path: Path) -> str:
    if not re.fullmatch(r"\w+", name):
        raise HarnessError(f'{path}: "{name}" is to be a column of cell ids: letters, digits and _ only')
    return name


def modes_of(adapter: Path) -> tuple[tuple[str, ...], frozenset[str]]:
    """The modes that an adapter names, the default first, and which of them compile.

    Read without importing the adapter, since that loads a framework. Raises HarnessError.
    """
    try:
        tree = ast.parse(adapter.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise HarnessError(f"{adapter}:{error.lineno or 1}: is no Python: {error.msg}") from None
    except ValueError:
        raise HarnessError(f"{adapter}: is no Python: not text in UTF-8, or with a null byte") from None
    modes = _words(tree, "MODES")
    if not modes:
        raise HarnessError(
            f'{adapter}: needs a line such as MODES = ("eager",), a tuple of words, the default first'
        )
    compiled = _words(tree, "COMPILED_MODES", ())
    if compiled is None or not set(compiled) <= set(modes):
        raise HarnessError(f"{adapter}: COMPILED_MODES must be a tuple of some of MODES, {', '.join(modes)}")
    return modes, frozenset(compiled)


def _words(tree: ast.Module, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...] | None:
    """The tuple of words that is written out under a name; None where it is none, the default where nothing is."""
    values = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [name]
    )
    value = next(values, None)
    if value is None:
        return default
    try:
        words = ast.literal_eval(value)
        return (
            words if isinstance(words, tuple) and all(re.fullmatch(r"\w+", word) for word in words) else None
        )
    except (ValueError, TypeError):
        return None
