"""Cases by their names: where they lie below the case roots, and whether they are still what was run.

A name often comes from a run file, which a stranger may have written: it leads to no file outside the roots.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ...reference.names import nearest
from .. import ROOT
from ..errors import CaseError, HarnessError
from ..reading.names import case_name_problem
from .loading import load
from .variant import Case, Variant

SHIPPED = "shipped"


class CaseGone(HarnessError):
    """A case, or a variant of it, that is in no case root."""


class CaseChanged(HarnessError):
    """A case whose program or inputs aren't those that were run."""


def files_below(root: Path) -> list[Path]:
    """The case files of a root; a folder may be called like one."""
    return sorted(path for path in root.rglob("*.toml") if not path.is_dir())


def root_named(given: Path | str) -> Path:
    """The case root that a user names: `shipped` is that of the cases that come along."""
    return ROOT / "cases" if str(given) == SHIPPED else Path(given)


def case_files(paths: Sequence[Path], root: Path | None) -> Iterator[tuple[Path, Path]]:
    """The case files that a user names, with their roots: a folder is that of the files below it, `shipped` of ours."""
    for given in paths:
        path = root_named(given)
        if not path.exists():
            raise HarnessError(f"{path}: no such file or folder")
        files = files_below(path) if path.is_dir() else [path]
        yield from ((file, root or (path if path.is_dir() else path.parent)) for file in files)


def root_of(path: Path, roots: Iterable[Path]) -> Path | None:
    """The case root that a file lies in; the innermost where roots are nested."""
    inside = [root for root in roots if path.is_relative_to(root)]
    return max(inside, key=lambda root: len(root.parts), default=None)


class Library:
    """The cases below some roots, each read once; where two roots have a case of one name it is the first root's."""

    def __init__(self, roots: Sequence[Path], *, proven: bool = True) -> None:
        """Without `proven` that exact cases are exact isn't shown: for who doesn't judge by it."""
        self.roots, self.proven = tuple(roots), proven
        self._loaded: dict[tuple[Path, Path], Case | CaseError] = {}

    def files(self) -> Iterator[tuple[Path, Path]]:
        """Every case file, with its root."""
        yield from ((path, root) for root in self.roots for path in files_below(root))

    def load(self, path: Path, root: Path) -> Case:
        """The case in a file. Raises CaseError, each time."""
        if (path, root) not in self._loaded:
            try:
                self._loaded[path, root] = load(path, root, proven=self.proven)
            except CaseError as error:
                self._loaded[path, root] = error
        found = self._loaded[path, root]
        if isinstance(found, CaseError):
            raise found
        return found

    def all(self) -> tuple[list[Case], dict[str, CaseError]]:
        """Every case that can be loaded, and by name why the others can't."""
        loaded, broken = list[Case](), dict[str, CaseError]()
        for path, root in self.files():
            try:
                loaded.append(self.load(path, root))
            except CaseError as error:
                broken[path.relative_to(root).with_suffix("").as_posix()] = error
        return loaded, broken

    def find(self, name: str) -> tuple[Path, Path] | None:
        """The file of a case, with its root; None where there is none, where it would lie outside, or for what is no name."""
        if case_name_problem(name):
            return None
        for root in self.roots:
            path = root / f"{name}.toml"
            with suppress(OSError, ValueError, RuntimeError):
                if path.is_file() and path.resolve().is_relative_to(root.resolve()):
                    return path, root
        return None

    def case(self, name: str) -> Case:
        """The case of a name. Raises CaseGone and CaseError."""
        found = self.find(name)
        if found is None:
            looked = ", ".join(map(str, self.roots))
            raise CaseGone(f"{name}: no such case in {looked}; name its case root with --cases=DIR")
        return self.load(*found)

    def meant(self, text: str) -> Case:
        """The case whose name, last part of it, or file's path from anywhere a user typed. Raises CaseGone and CaseError."""
        plain = text.removesuffix(".toml")
        names: dict[str, tuple[Path, Path]] = {}
        for path, root in self.files():
            names.setdefault(path.relative_to(root).with_suffix("").as_posix(), (path, root))
        for name, found in names.items():
            if plain == name or plain.endswith(f"/{name}"):
                return self.load(*found)
        ending = [name for name in names if name.endswith(f"/{plain}")]
        if len(ending) == 1:
            return self.load(*names[ending[0]])
        looked = ", ".join(map(str, self.roots))
        told = f"; allowed are {', '.join(ending)}" if ending else _nearest_case(plain, names)
        raise CaseGone(f'no case "{text}" in {looked}{told}; other folders: --cases DIR')

    def variants(self, name: str) -> dict[str, Variant]:
        """The variants of a case by id. Raises CaseGone and CaseError."""
        return {variant.id: variant for variant in self.case(name).variants}

    def as_run(self, name: str, variant: str, content: str | None) -> Variant:
        """The variant that was run, by its digest then. Raises CaseGone, CaseChanged and CaseError."""
        found = self.variants(name).get(variant)
        if found is None:
            raise CaseGone(f"{name}: the case has no variant {variant!r} any more; run it again")
        if found.content != content:
            told = f"its program or inputs have changed (digest {found.content}, was {content})"
            raise CaseChanged(
                f"{name}{f'::{variant}' * bool(variant)}: {told}; judge it with the case as it was, or run it again"
            )
        return found

    def changes(self, name: str, ran: Mapping[str, str]) -> str:
        """How the case differs from what was run, digests by variant; empty where it doesn't. Raises CaseGone and CaseError."""
        now = self.variants(name)
        gone = sum(variant not in now for variant in ran)
        other = sum(now[id].content != content for id, content in ran.items() if id in now)
        found = [f"{gone} gone"] * (gone > 0) + [f"{other} with another program or other inputs"] * (
            other > 0
        )
        return f"of {len(ran)} variants {' and '.join(found)}" if found else ""


def _nearest_case(name: str, names: Iterable[str]) -> str:
    """The nearest of all names, or the one whose last part alone is near."""
    whole = {each.rpartition("/")[2]: each for each in names}
    return nearest(name, names) or nearest(name.rpartition("/")[2], whole)
