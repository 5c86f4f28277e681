"""What several commands share."""

import argparse
import sys
from typing import Any

from rich.console import Console


def command(commands: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    """A subcommand with its help, which is also its description."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=help[0].upper() + help[1:] + "."
    )
    made.set_defaults(run=run)
    return made


def console() -> Console:
    """As wide as the terminal, or a hundred columns."""
    return Console(width=None if sys.stdout.isatty() else 100)
