"""The command `harness`: what is to be done with cases apart from running them, which is pytest's business.

A module a command, each with `add(commands)`. Exit codes: 0 nothing failed, 1 something failed, 2 could not run.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import HarnessError
from ..reading.text import visible
from . import adapter, cases, columns, explain, own, reference, rejudge, report, reproduce, runs

COMMANDS = (cases, own, columns, adapter, explain, reproduce, report, runs, rejudge, reference)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a mistake is one message on stderr."""
    _write_any_text()
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except HarnessError as error:
        print("\n".join(map(visible, str(error).splitlines())), file=sys.stderr)
        return 2
    except BrokenPipeError:  # `harness ops | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # such as a path too long to look at, or one that may not be
        print(visible(f"{error.filename or 'harness'}: {error.strerror or error}"), file=sys.stderr)
        return 2


def _write_any_text() -> None:
    """No text fails since a locale lacks it: a file or a pipe gets UTF-8, as JSON, XML and TOML are, a terminal escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harness", description="Cross-framework gradient conformance.")
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return parser
