"""The importable name of this project: `gradient_conformance.harness`, `gradient_conformance.reference`.

Both folders are called as people call their own, so neither can be imported by its bare name. They are found below
this one: in an installation in the folder beside this file, in a checkout where they lie.

What is kept from one run to the next is named by the sources that it was computed with. So each module is compiled
from bytes that are read once, and its loader knows their digest: Python's own takes a .pyc for the source's where both
times are the same, as `cp -p`, tar and rsync leave them.
"""

import hashlib
import importlib
import importlib.util
import marshal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_installed = Path(__file__).with_suffix("")
__path__ = [str(_installed if _installed.is_dir() else _installed.parent)]


class Loader(SourceFileLoader):
    """Takes a .pyc only for the very bytes of the source: one with their hash in it (PEP 552)."""

    digest: bytes
    """SHA-256 of the source that was compiled."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path)
        self.digest = hashlib.sha256(source).digest()
        head = importlib.util.MAGIC_NUMBER + (0b11).to_bytes(4, "little") + importlib.util.source_hash(source)
        kept = importlib.util.cache_from_source(path)
        with suppress(OSError, EOFError, ValueError, TypeError):
            data = self.get_data(kept)
            if data.startswith(head) and isinstance(code := marshal.loads(data[len(head) :]), CodeType):  # noqa: S302 (Python's own reads it likewise)
                return code
        made: CodeType = self.source_to_code(source, path)
        if not sys.dont_write_bytecode:
            self.set_data(kept, head + marshal.dumps(made))
        return made


class Finder(MetaPathFinder):
    """Finds our modules as Python does, before whoever else would load them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{__name__}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


sys.meta_path.insert(0, Finder())


def __getattr__(name: str) -> Any:
    """`from gradient_conformance import check`, which loads the harness where it is asked for."""
    if name == "check":
        return importlib.import_module(f"{__name__}.harness.own.checking").check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
