"""Our own code as it was loaded: what is computed with it is named by it."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from .. import ROOT
from .elements import digest

PACKAGE = __name__.split(".", maxsplit=1)[0]


def modules(folder: str) -> Iterator[tuple[str, Path]]:
    """The names and files of all modules below a folder of ours, such as `reference`."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join([PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)]), path


def loaded(*folders: str) -> bytes:
    """Digest of all modules below these folders: of what was compiled, and of the file where nobody has loaded it yet.

    Raises OSError where a file cannot be read.
    """
    parts = []
    for folder in folders:
        for name, path in modules(folder):
            parts += [name.encode(), _digest(name, path)]
    return digest(*parts)


def _digest(name: str, path: Path) -> bytes:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    known: bytes | None = getattr(spec and spec.loader, "digest", None)
    return known or hashlib.sha256(path.read_bytes()).digest()
