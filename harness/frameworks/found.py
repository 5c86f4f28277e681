"""Frameworks as they are found: adapters in folders, read without importing them."""

import ast
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from .. import ROOT
from ..errors import HarnessError
from ..reading.files import read_at_most
from . import notebooks
from .notebooks import Notebook

ADAPTER = "adapter.py"
REQUIREMENTS = "requirements.txt"
DEVIATIONS = "deviations.toml"
FAMILIES = ("ops_*.py", "optimizers.py")
"""Beside an adapter, families of ops, and its optimizers: tables `OPS`, `FORMULAS`, `OPTIMIZERS`, `CLIPS` that join the adapter's own."""
SUBJECT_ADAPTER = "subject.py"
SUBJECT_MODULES = {
    "subject_optimizers": "reference/optimizers.py",
    **{
        f"subject_{name}": f"adapters/subject_{name}.py"
        for name in ("files", "cells", "sayings", "hands", "state")
    },
}
"""What a subject's adapter imports and where it stands, in the order in which it is executed before it: the reference's optimizers
move the parameters of code that moves none."""

SOURCES = ("worker_wire", "worker_interface", "worker_steps", "worker")
"""The worker's modules, in the order in which they are sent: each imports only those before it."""

MAX_BYTES = 10_000_000
"""Of an adapter or a file of Python: what is larger is no source that anybody wrote."""


@dataclass(frozen=True)
class Framework:
    """A column of the matrix: a framework's adapter, or somebody's own file as a subject."""

    name: str
    adapter: Path
    modes: tuple[str, ...]
    compiled: frozenset[str] = frozenset()
    """Those of its modes in which calls are compiled together: a result that is read may be another evaluation of it."""
    subject: Path | None = None
    strict: bool = True
    """Whether everything that is compared is asked of it; else what it does not show isn't held against it."""
    notebook: Notebook | None = None
    """Its cells, where the subject is a notebook."""
    modules: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Names and texts of what the adapter imports of ours beside the worker."""
    families: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Names and texts of the modules beside the adapter whose tables join its own, in the order in which they are executed after it."""
    source: str = field(default="", repr=False)
    """The adapter's text, read once: what its modes are read from is what workers are sent."""
    content: str = ""
    """Short digest of all of ours that its workers run: adapter and worker, and of a subject the file itself."""

    @property
    def folder(self) -> Path:
        return self.adapter.parent

    @property
    def sources(self) -> tuple[str, ...]:
        """The texts in which its tables stand: the adapter's, and those beside it."""
        return (self.source, *(text for _, text in self.families))


def shipped_adapters() -> Path:
    """The folder of the adapters that come with the harness."""
    return ROOT / "adapters"


@cache
def worker_sources() -> tuple[bytes, ...]:
    """The worker's modules in the order of SOURCES, read once in a process: all its workers are the same."""
    return tuple((shipped_adapters() / f"{name}.py").read_bytes() for name in SOURCES)


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
            found[name] = framework(name, adapter)
    return [found[name] for name in sorted(found)]


def framework(name: str, adapter: Path) -> Framework:
    """The column of an adapter, which is read and not imported, since that loads a framework. Raises HarnessError."""
    source = source_of(adapter)
    modes, compiled = modes_of(adapter, source)
    families = families_beside(adapter)
    content = _content(source.encode(), *(text.encode() for _, text in families), *worker_sources())
    return Framework(
        checked_name(name, adapter),
        adapter,
        modes,
        compiled,
        families=families,
        source=source,
        content=content,
    )


def families_beside(adapter: Path) -> tuple[tuple[str, str], ...]:
    """Names and texts of the modules beside an adapter whose tables join its own."""
    paths = (path for pattern in FAMILIES for path in sorted(adapter.parent.glob(pattern)))
    return tuple((path.stem, source_of(path)) for path in paths)


def subject(path: Path, taken: Sequence[Framework], *, strict: bool = False) -> Framework:
    """Somebody's own Python file or notebook as one more column, called like the file. Raises HarnessError.

    It is asked for everything only if `strict`.
    """
    file, chosen = notebooks.split(path)
    if not file.exists():
        raise HarnessError(f"{file}: no such file to take as a subject")
    name = re.sub(r"\W", "_", file.stem)
    if other := next((framework for framework in taken if framework.name == name), None):
        whose = other.subject or f"the framework in {other.folder}"
        raise HarnessError(
            f'{file}: column "{name}" is already that of {whose}; call the file something else'
        )
    notebook = notebooks.read(file, chosen) if file.suffix == notebooks.SUFFIX else None
    adapter = shipped_adapters() / SUBJECT_ADAPTER
    modules = tuple((name, source_of(ROOT / file)) for name, file in SUBJECT_MODULES.items())
    column = framework(name, adapter)
    own = notebook.content() if notebook else _bytes_of(file)
    content = _content(column.content.encode(), *(source.encode() for _, source in modules), own)
    return replace(
        column,
        subject=file.resolve(),
        strict=strict,
        notebook=notebook,
        modules=modules,
        content=content,
    )


def _content(*parts: bytes) -> str:
    content = hashlib.sha256()
    for part in parts:
        content.update(hashlib.sha256(part).digest())
    return content.hexdigest()[:12]


def checked_name(name: str, path: Path) -> str:
    if not re.fullmatch(r"\w+", name):
        raise HarnessError(f'{path}: "{name}" is to be a column of cell ids: letters, digits and _ only')
    return name


def source_of(adapter: Path) -> str:
    """An adapter's text. Raises HarnessError, also where it is none."""
    try:
        return _bytes_of(adapter).decode()
    except UnicodeDecodeError:
        raise HarnessError(f"{adapter}: is no Python: not text in UTF-8") from None


def _bytes_of(path: Path) -> bytes:
    try:
        return read_at_most(path, MAX_BYTES)
    except OSError as error:
        raise HarnessError(f"{path}: can't be read: {error.strerror}") from None


def modes_of(adapter: Path, source: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The modes that an adapter's text names, the default first, and which of them compile. Raises HarnessError."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise HarnessError(f"{adapter}:{error.lineno or 1}: is no Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise HarnessError(f"{adapter}: is no Python: {error or 'nested too deeply'}") from None
    modes = _words(tree, "MODES")
    if not modes or len(set(modes)) < len(modes):
        raise HarnessError(
            f'{adapter}: needs a line such as MODES = ("eager",), a tuple of words, each once, the default first'
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
