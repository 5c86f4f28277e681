"""What all of these have in common: options, the machine's name, and a copy of what they print in `measured/`."""

import argparse
import contextlib
import io
import platform
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from gradient_conformance.harness.run.provenance import header

FOLDER = Path(__file__).parent / "measured"


def parser(doc: str | None) -> argparse.ArgumentParser:
    """For a module with this docstring."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="as little as shows that all of it runs")
    made.add_argument("--write", action="store_true", help="keep what is printed in benchmarks/measured too")
    return made


def machine() -> str:
    """Processor, system and versions."""
    here = header(harness="", roots=[], command=[], frameworks=[])
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{here.machine.cpu}, {here.machine.cores} cores, {here.machine.os}; {versions}; {here.commit}"


class _Both(io.TextIOBase):
    """Writes to two streams."""

    def __init__(self, *streams: TextIO) -> None:
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()


@contextlib.contextmanager
def kept(name: str, module: str, write: bool) -> Iterator[None]:
    """With `write`, what is printed meanwhile is kept as measured/NAME.md, below the command that was given."""
    copy = io.StringIO()
    with contextlib.redirect_stdout(_Both(sys.stdout, copy)) if write else contextlib.nullcontext():
        yield
    if write:
        words = (word for word in sys.argv[1:] if word != "--write")
        command = shlex.join(["python", "-m", module, *words])
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.md").write_text(f"`{command}`\n\n```\n{copy.getvalue()}```\n", encoding="utf-8")
