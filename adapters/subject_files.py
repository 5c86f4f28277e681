"""The modules of a subject: its folder's own sources, each read once and compiled from what was read.

What is loaded is what is told: the file, and every module at or below its folder that it imports, are compiled from
these bytes (never from a `.pyc`, and none is written), and their digests are told.
"""

import ast
import hashlib
import importlib.util
import linecache
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from worker import Refused

MAX_BYTES = 10_000_000
"""Of one module: what is larger is no source that anybody wrote."""
FOREIGN = ("site-packages", "dist-packages")
"""Folders of what is installed: it is told by its own versions, if at all."""


class Sources:
    """Modules at or below a folder, each read once; a loader and a finder of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[Path, bytes] = {}

    def read(self, path: Path) -> bytes:
        """A module's source as it was when it was first read. Raises Refused."""
        if path not in self.known:
            self.known[path] = data = regular(path, self.named(path))
            lines = importlib.util.decode_source(data).splitlines(keepends=True) if readable(data) else []
            linecache.cache[str(path)] = (len(data), None, lines, str(path))
        return self.known[path]

    def named(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def module(self, place: Path, name: str) -> Path | None:
        """The source of a module in a folder; None where it has none there, or what is there is not somebody's own."""
        if not self.owns(place) or any(
            (place / f"{name}{suffix}").is_file() for suffix in EXTENSION_SUFFIXES
        ):
            return None
        for path in (place / name / "__init__.py", place / f"{name}.py"):
            if path.exists() and not path.is_dir():
                return path
        return None

    def owns(self, place: Path) -> bool:
        if place != self.folder and self.folder not in place.parents:
            return False
        own = place.relative_to(self.folder).parts
        return not any(part in FOREIGN for part in place.parts) and not any(
            part.startswith(".") for part in own
        )

    def follow(self, source: bytes, package: tuple[str, ...] = ()) -> None:
        """Read all that a source names wherever in it it is imported, and so on; `package` is the one that it is in."""
        waiting = [(source, package)]
        while waiting:
            source, package = waiting.pop()
            for name in imported(source, package):
                found = self.module(self.folder.joinpath(*name[:-1]), name[-1])
                if found is not None and found not in self.known and name[0] not in LOADED:
                    waiting.append((self.read(found), name if found.name == "__init__.py" else name[:-1]))

    def digests(self) -> dict[str, str]:
        return {self.named(path): digest(data) for path, data in sorted(self.known.items())}


LOADED = frozenset(name.partition(".")[0] for name in sys.modules)
"""What the worker has imported before: no file of the subject's takes its place."""


class Loader(SourceLoader):
    """Compiles what `Sources` has read. It knows no time of change, so that Python neither reads nor writes a `.pyc`."""

    def __init__(self, sources: Sources, path: Path) -> None:
        self.sources, self.path = sources, path

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return str(self.path)

    def get_data(self, path: Any) -> bytes:
        own = Path(path)
        return self.sources.read(own) if own == self.path else own.read_bytes()


class Finder(MetaPathFinder):
    """Finds modules of `Sources`, in Python's own order: where another place comes first, it is that place's."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        for place in sys.path if path is None else path:
            found = self.sources.module(Path(os.path.realpath(place)), fullname.rpartition(".")[2])
            if found is not None:
                inside = [str(found.parent)] if found.name == "__init__.py" else None
                return importlib.util.spec_from_file_location(
                    fullname, found, loader=Loader(self.sources, found), submodule_search_locations=inside
                )
            other = PathFinder.find_spec(fullname, [place], target)
            if other is not None and other.loader is not None:
                return None
        return None


def imported(source: bytes, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The names of all that a source may import, packages before what is in them."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (
        SyntaxError,
        ValueError,
        RecursionError,
        MemoryError,
    ):  # Python says what is wrong when it is imported
        return
    for node in nodes:
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level <= len(package):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = (*above, *(node.module.split(".") if node.module else ()))
            names = [(*base, alias.name) for alias in node.names]
        for name in names:
            yield from (name[:length] for length in range(1, len(name) + 1))


def regular(path: Path, name: str) -> bytes:
    """A regular file of bounded size: a pipe would block for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused(f"{name} is no regular file, so it cannot be read as a module")
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Refused(f"{name} has more than {MAX_BYTES} bytes; a module may have at most so many")
    return data


def readable(source: bytes) -> bool:
    """Whether it is text, so that a traceback can show its lines."""
    try:
        importlib.util.decode_source(source)
    except (SyntaxError, UnicodeDecodeError):
        return False
    return True


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
